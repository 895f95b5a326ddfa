//! One request to IAM: what it is about, and whether its caller may do it.
//!
//! The resource that is authorized is the one that the record names: its path is part of its ARN. What is not there is
//! authorized by the ARN that it would have, so that who may not look learns nothing.

use crate::aws::authorization::{Authority, Caller, RequestContext};
use crate::aws::error::ApiError;
use crate::aws::iam::input;
use crate::aws::identities::{Identities, IdentityKind};
use crate::aws::query::{QueryForm, Xml};

/// Answers an operation; `None` for one without a result.
pub type Handler = fn(&IamOperation<'_>) -> Result<Option<Xml>, ApiError>;

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamSubject {
    Role,
    User,
    /// The user who is named, or the one who asks.
    NamedOrSelf,
    /// By ARN.
    Policy,
    NewRole,
    NewUser,
    NewPolicy,
    Roles,
    Users,
    Policies,
    /// The identity whose policies are tried.
    Simulated,
    Everything,
}

/// See the module.
pub struct IamOperation<'a> {
    pub authority: &'a Authority,
    pub caller: &'a Caller,
    pub form: &'a QueryForm,
    pub subject: IamSubject,
    /// Seconds since 1970.
    pub now_s: u64,
}

impl<'a> IamOperation<'a> {
    pub fn identities(&self) -> &'a Identities {
        &self.authority.identities
    }

    /// Whether a role or a user is meant.
    pub fn kind(&self) -> IdentityKind {
        match self.subject {
            IamSubject::Role | IamSubject::NewRole | IamSubject::Roles => IdentityKind::Role,
            _ => IdentityKind::User,
        }
    }

    /// Asks whether the caller may do this.
    ///
    /// # Errors
    /// As `Authority::authorize`; parameters without which nothing can be asked.
    pub fn authorize(&self, action: &str, context: &RequestContext<'_>) -> Result<(), ApiError> {
        let mut context = context.clone();
        if self.form.has("Tags") {
            context.request_tags = input::tags(self.form)?.into_iter().collect();
            context.tag_keys = context.request_tags.iter().map(|(key, _)| key.clone()).collect();
        } else if self.form.has("TagKeys") {
            context.tag_keys = input::tag_keys(self.form)?.into_iter().map(str::to_owned).collect();
        }
        let policy_arn = self.form.parameter("PolicyArn");
        if let Some(arn) = policy_arn.filter(|_| self.subject != IamSubject::Policy) {
            context = context.with("iam:PolicyARN", arn);
        }
        // Names are judged first: what a decision takes grows with the resource.
        let new = |folder: &str, name: fn(&QueryForm) -> Result<&str, ApiError>| {
            Ok::<_, ApiError>(self.identities().arn(folder, input::path(self.form)?, name(self.form)?))
        };
        let all = |folder: &str| self.identities().arn(folder, "/", "");
        let resource = match self.subject {
            IamSubject::Role => self.named(IdentityKind::Role, input::role_name(self.form)?, &mut context)?,
            IamSubject::User => self.named(IdentityKind::User, input::user_name(self.form)?, &mut context)?,
            IamSubject::NamedOrSelf => self.named(IdentityKind::User, &self.user()?, &mut context)?,
            IamSubject::Policy => {
                let arn = input::policy_arn(self.form)?;
                let record = self.identities().policy(arn)?;
                context.resource_tags = record.map(|record| record.tags.into_iter().collect()).unwrap_or_default();
                arn.to_owned()
            }
            IamSubject::NewRole => new("role", input::role_name)?,
            IamSubject::NewUser => new("user", input::user_name)?,
            IamSubject::NewPolicy => new("policy", input::policy_name)?,
            IamSubject::Roles => all("role"),
            IamSubject::Users => all("user"),
            IamSubject::Policies => all("policy"),
            IamSubject::Simulated => input::required(self.form, "PolicySourceArn")?.to_owned(),
            IamSubject::Everything => "*".to_owned(),
        };
        self.authority.authorize(self.caller, &["iam:", action].concat(), &resource, None, &context)
    }

    /// The user who is named, or the one who asks.
    ///
    /// # Errors
    /// A session of a role is no user.
    pub fn user(&self) -> Result<String, ApiError> {
        if self.form.has("UserName") {
            return input::user_name(self.form).map(str::to_owned);
        }
        let why = "Must specify userName when calling with non-User credentials";
        self.caller.user().map(str::to_owned).ok_or_else(|| ApiError::validation(why))
    }

    fn named(&self, kind: IdentityKind, name: &str, context: &mut RequestContext<'_>) -> Result<String, ApiError> {
        let Some(record) = self.identities().record(kind, name)? else {
            return Ok(self.identities().arn(kind.folder(), "/", name));
        };
        let arn = self.identities().arn_of(kind, &record);
        context.resource_tags = record.tags.into_iter().collect();
        Ok(arn)
    }
}
