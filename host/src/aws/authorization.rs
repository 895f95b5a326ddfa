//! I decide whether a caller may do something. Nothing else in the room does.
//!
//!     claim ──authenticate──► Caller, secret ──(signature holds)──► authorize ──► done, or an ApiError
//!
//! | caller | what its policies are |
//! |---|---|
//! | an administrator: a key of the first start or of the command line | may do everything that no resource's policy denies |
//! | a user's key | the user's |
//! | a session of a role | the role's, and the session's policy must allow as well |
//! | a session of a user | as the key that it was asked for with, while that key is active |
//!
//! A role is assumed only if its trust policy allows it, by an administrator, too. A session's policy cuts down also what a
//! resource's policy gives to the session. A caller is what it was when it was authenticated: policies that change during a
//! request count from the next one on. A role or user that is deleted is nobody at the next request, and so is its session, even
//! if there is another one of that name.
//!
//! Per request: one or two looks into memory, an HMAC for a session, a dozen short strings for conditions, and the policies'
//! patterns; no lock that is held, and no read of the database unless something in IAM has changed.

mod caller;
mod context;
mod refusal;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use quick_cache::sync::Cache;

use crate::account::Account;
use crate::aws::credentials::{Credential, Credentials, KeyStatus};
use crate::aws::error::ApiError;
use crate::aws::identities::{Identities, IdentityKind, ParsedIdentity};
use crate::aws::policy::{Context, Decision, ManagedPolicy, PolicyDocument, PolicyKind, PolicySide, Principal, Request, decide};
use crate::aws::sessions::{SessionOf, Sessions, TemporaryCredential};
use crate::aws::sigv4::{SignatureClaim, SignatureError};
use crate::limits::iam::{PARSED_SESSIONS, RESOURCE_BYTES};
use crate::store::Store;

pub use caller::{Caller, SecretKey, administrator_id};
pub use context::RequestContext;

use caller::Standing;
use refusal::{denied, refused, require, require_session, unknown};

/// What an administrator may do.
const EVERYTHING: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
/// Where IAM is, whatever the region of the rest.
const GLOBAL_REGION: &str = "us-east-1";

/// See the module.
pub struct Authority {
    pub identities: Identities,
    pub credentials: Credentials,
    pub sessions: Sessions,
    everything: PolicyDocument,
    /// Policies of sessions by their text.
    session_policies: Cache<String, Arc<PolicyDocument>>,
}

impl Authority {
    /// Opens keys and sessions of a data folder. Returns the first administrator, if it was made now. Blocks for the disk.
    pub fn open(data_dir: &Path, store: Arc<Store>, account: Account) -> anyhow::Result<(Authority, Option<Credential>)> {
        let (credentials, first) = Credentials::open(data_dir)?;
        let everything = ManagedPolicy::by_arn(EVERYTHING).map_or("", |policy| policy.document);
        let authority = Authority {
            identities: Identities::new(store, account),
            credentials,
            sessions: Sessions::open(data_dir)?,
            everything: PolicyDocument::parse(everything, PolicyKind::Identity)?,
            session_policies: Cache::new(PARSED_SESSIONS),
        };
        Ok((authority, first))
    }

    pub fn account(&self) -> &Account {
        self.identities.account()
    }

    /// Refuses a signature for another region. IAM and STS have one for the whole world besides.
    pub fn require_scope(&self, claim: &SignatureClaim) -> Result<(), SignatureError> {
        let is_global = ["iam", "sts"].contains(&claim.service.as_str()) && claim.region == GLOBAL_REGION;
        let region = if is_global { GLOBAL_REGION } else { self.account().region.as_str() };
        claim.require_scope(Some(region), &claim.service)
    }

    /// Whose key and token a claim has, and the secret, with which the signature has yet to be verified.
    ///
    /// Reads the file of keys if it does not know the key, once a second at most.
    ///
    /// # Errors
    /// Status 403: `UnrecognizedClientException` for what is nobody's (any more), `ExpiredTokenException`.
    pub fn authenticate(&self, claim: &SignatureClaim, now: SystemTime) -> Result<(Caller, SecretKey), ApiError> {
        self.identify(&claim.access_key, claim.session_token.as_deref(), now)
    }

    fn identify(&self, access_key: &str, token: Option<&str>, now: SystemTime) -> Result<(Caller, SecretKey), ApiError> {
        let Some(token) = token else {
            let credential = self.credentials.find(access_key).ok_or_else(unknown)?;
            let secret = SecretKey(credential.secret_key.clone());
            return Ok((self.holder(&credential)?, secret));
        };
        let session = self.sessions.find(access_key, token, now).map_err(refused)?;
        let mut caller = match &session.of {
            SessionOf::User { access_key } => self.holder(self.credentials.find(access_key).as_ref().ok_or_else(unknown)?)?,
            SessionOf::Role { arn, id, name } => {
                let role = self.identities.role_of(arn)?.filter(|role| role.id == *id).ok_or_else(unknown)?;
                Caller {
                    access_key: String::new(),
                    principal: Principal::of_session(arn, name).map_err(|error| ApiError::internal(&error))?,
                    user_id: format!("{id}:{name}"),
                    standing: Standing::Identity(role),
                    session_policy: None,
                    issued_s: None,
                }
            }
        };
        if let Some(text) = &session.policy {
            caller.session_policy = Some(self.session_policy(text)?);
        }
        caller.issued_s = Some(session.issued_s);
        let secret = SecretKey(self.sessions.secret(&session.access_key));
        caller.access_key = session.access_key;
        Ok((caller, secret))
    }

    /// Who has a key without an end.
    fn holder(&self, credential: &Credential) -> Result<Caller, ApiError> {
        if credential.status == KeyStatus::Inactive {
            return Err(unknown());
        }
        let (arn, user_id, standing) = if credential.restricted {
            let user = self.identities.find(IdentityKind::User, &credential.name)?;
            let user = user.filter(|user| Some(&user.id) == credential.user_id.as_ref()).ok_or_else(unknown)?;
            (user.arn.clone(), user.id.clone(), Standing::Identity(user))
        } else {
            let arn = self.account().user_arn(&credential.name);
            (arn, administrator_id(&credential.name), Standing::Administrator(credential.name.clone()))
        };
        Ok(Caller {
            access_key: credential.access_key.clone(),
            principal: Principal::User { arn, account: self.account().id.clone() },
            user_id,
            standing,
            session_policy: None,
            issued_s: None,
        })
    }

    fn session_policy(&self, text: &str) -> Result<Arc<PolicyDocument>, ApiError> {
        if let Some(known) = self.session_policies.get(text) {
            return Ok(known);
        }
        let parsed = PolicyDocument::parse(text, PolicyKind::Identity).map_err(|error| ApiError::internal(&error))?;
        let parsed = Arc::new(parsed);
        self.session_policies.insert(text.to_owned(), parsed.clone());
        Ok(parsed)
    }

    /// Whether a caller may do this.
    ///
    /// `action` is `service:Name`, `resource` an ARN or `*`. `resource_policy` is the resource's, of kind `Resource`, or the trust
    /// policy of a role that is to be assumed.
    ///
    /// # Errors
    /// `AccessDeniedException` with status 403 and AWS's text; a resource that is too long to be held against policies.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        resource_policy: Option<&PolicyDocument>,
        context: &RequestContext<'_>,
    ) -> Result<(), ApiError> {
        let (policies, is_administrator): (Vec<&PolicyDocument>, bool) = match &caller.standing {
            Standing::Administrator(_) => (vec![&self.everything], true),
            Standing::Identity(identity) => (identity.policies.iter().collect(), false),
        };
        if resource.len() > RESOURCE_BYTES {
            return Err(ApiError::validation(format!("The ARN of a resource may have {RESOURCE_BYTES} bytes.")));
        }
        let keys = context.keys(caller, &self.account().region);
        let request = Request { principal: &caller.principal, action, resource, context: &keys };
        let same_account = self.owns(resource);
        let decision = decide(&request, &policies, resource_policy, same_account);
        let is_foreign = decision == Decision::ImplicitlyDenied { missing: PolicySide::Resource };
        if !(is_administrator && is_foreign) {
            require(&decision, &request)?;
        }
        caller.session_policy.as_ref().map_or(Ok(()), |policy| require_session(policy, &request))
    }

    /// What a function that runs calls the APIs with.
    ///
    /// # Errors
    /// `AccessDeniedException` if the role is not there; no random numbers.
    pub fn function_credential(
        &self,
        role_arn: &str,
        session: &str,
        duration_s: u64,
        now: SystemTime,
    ) -> Result<TemporaryCredential, ApiError> {
        let id = self.function(role_arn, session)?.identity().map(|role| role.id.clone()).unwrap_or_default();
        let of = SessionOf::Role { arn: role_arn.to_owned(), id, name: session.to_owned() };
        self.sessions.issue(of, duration_s, None, now).map_err(|error| ApiError::internal(&error))
    }

    /// Whether a function that runs may do this, by its role.
    ///
    /// # Errors
    /// As `authorize`; also if the role is not there.
    pub fn authorize_function(
        &self,
        role_arn: &str,
        session: &str,
        action: &str,
        resource: &str,
        context: &RequestContext<'_>,
    ) -> Result<(), ApiError> {
        self.authorize(&self.function(role_arn, session)?, action, resource, None, context)
    }

    fn function(&self, role_arn: &str, session: &str) -> Result<Caller, ApiError> {
        let role = self.identities.role_of(role_arn)?.ok_or_else(|| denied(format!("The role {role_arn} is not there.")))?;
        Ok(Caller {
            access_key: String::new(),
            principal: Principal::of_session(role_arn, session).map_err(|error| ApiError::internal(&error))?,
            user_id: format!("{}:{session}", role.id),
            standing: Standing::Identity(role),
            session_policy: None,
            issued_s: None,
        })
    }

    /// Whether a caller may give a role to a service (`lambda.amazonaws.com`).
    ///
    /// # Errors
    /// As `authorize`, for `iam:PassRole`.
    pub fn pass_role(
        &self,
        caller: &Caller,
        role_arn: &str,
        service: &str,
        context: &RequestContext<'_>,
    ) -> Result<(), ApiError> {
        let context = context.clone().with("iam:PassedToService", service);
        self.authorize(caller, "iam:PassRole", role_arn, None, &context)
    }

    /// Whether a role trusts a service; `None` if it is not there.
    pub fn is_trusting(&self, role_arn: &str, service: &str) -> Result<Option<bool>, ApiError> {
        let Some(role) = self.identities.role_of(role_arn)? else { return Ok(None) };
        let principal = Principal::Service(service.to_owned());
        let keys = Context::of(&principal);
        let request = Request { principal: &principal, action: "sts:AssumeRole", resource: role_arn, context: &keys };
        Ok(Some(decide(&request, &[], role.trust.as_ref(), true).is_allowed()))
    }

    /// Whether a resource's policy lets anybody do something, whoever they are.
    pub fn allows_anybody(&self, action: &str, resource: &str, policy: &PolicyDocument, key: (&str, &str)) -> bool {
        let principal = Principal::Anonymous;
        let mut keys = Context::of(&principal);
        keys.put(key.0, key.1);
        let request = Request { principal: &principal, action, resource, context: &keys };
        decide(&request, &[], Some(policy), false).is_allowed()
    }

    /// Whether a resource's policy lets a service of AWS do something for a resource of this account (`aws:SourceArn`).
    pub fn allows_service(&self, service: &str, action: &str, resource: &str, policy: &PolicyDocument, source_arn: &str) -> bool {
        let principal = Principal::Service(service.to_owned());
        let mut keys = Context::of(&principal);
        keys.put("aws:SourceArn", source_arn);
        keys.put("aws:SourceAccount", self.account().id.as_str());
        let request = Request { principal: &principal, action, resource, context: &keys };
        decide(&request, &[], Some(policy), false).is_allowed()
    }

    /// Whether a resource is in this account; those whose ARNs have no account are.
    fn owns(&self, resource: &str) -> bool {
        resource.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3)).is_none_or(|account| {
            // AWS's own, such as its managed policies, are everyone's.
            account.is_empty() || account == self.account().id || account == "aws"
        })
    }

    /// What an identity's policies say of a request that nobody has made.
    pub fn simulate(&self, identity: &ParsedIdentity, request: &Request<'_>) -> Decision {
        let policies: Vec<&PolicyDocument> = identity.policies.iter().collect();
        decide(request, &policies, None, self.owns(request.resource))
    }
}

#[cfg(test)]
mod tests;
