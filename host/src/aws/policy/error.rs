//! Why a policy is refused, and where in it: for people, and in the words of IAM.

use std::fmt;

use crate::limits::policy as limits;

/// A policy that is none, with the place, such as `Statement[1].Condition.StringLike`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct PolicyError {
    pub place: String,
    pub fault: PolicyFault,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// The text is not of the policy language.
    #[error("{0}")]
    Syntax(String),
    #[error("`{0}` does not begin with a service and a colon, such as `lambda:`")]
    ActionWithoutVendor(String),
    #[error("`{0}` has more than one colon")]
    ActionColons(String),
    #[error("`{0}` is no name of a service")]
    Vendor(String),
    #[error("neither `Action` nor `NotAction` is there")]
    NoActions,
    #[error("neither `Resource` nor `NotResource` is there")]
    NoResources,
    #[error("`{0}` is neither `*` nor an ARN of the form `arn:partition:service:…`")]
    Resource(String),
    #[error("a trust policy has no resource but its role")]
    ResourceProhibited,
    #[error("a policy of an identity names no principal: it is the identity")]
    PrincipalProhibited,
    #[error("`{0}` is no action of sts, which are all that a trust policy may have")]
    TrustAction(String),
    #[error("`{0}` is none of: `*`, twelve digits, or the ARN of an account, user, role or session, without wildcards")]
    Principal(String),
    #[error("the sid has other characters than letters and digits")]
    SidCharacters,
    #[error("the sid `{0}` is there twice")]
    SidTwice(String),
    #[error("there are more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
    #[error("the policy has {chars} characters besides white space; {} may have {}", .size, .size.chars_max())]
    TooLong { chars: usize, size: PolicySize },
}

/// What a policy is written for, which limits its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySize {
    Managed,
    /// The inline policies of a user, together.
    UserInline,
    /// The inline policies of a role, together.
    RoleInline,
    Trust,
    /// The policy of a resource, such as a function.
    Resource,
}

impl PolicySize {
    /// In characters besides white space, which IAM does not count.
    pub const fn chars_max(self) -> usize {
        match self {
            PolicySize::Managed => limits::MANAGED_CHARS,
            PolicySize::UserInline => limits::USER_INLINE_CHARS,
            PolicySize::RoleInline => limits::ROLE_INLINE_CHARS,
            PolicySize::Trust => limits::TRUST_CHARS,
            PolicySize::Resource => limits::RESOURCE_CHARS,
        }
    }

    /// Refuses a text that is too long. Inline policies count together: give them joined.
    pub fn check(self, text: &str) -> Result<(), PolicyError> {
        let chars = text.chars().filter(|char| !char.is_whitespace()).count();
        if chars > self.chars_max() {
            return Err(PolicyError { place: "policy".to_owned(), fault: PolicyFault::TooLong { chars, size: self } });
        }
        Ok(())
    }
}

impl fmt::Display for PolicySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicySize::Managed => "a managed policy",
            PolicySize::UserInline => "a user's inline policies",
            PolicySize::RoleInline => "a role's inline policies",
            PolicySize::Trust => "a trust policy",
            PolicySize::Resource => "a resource's policy",
        })
    }
}

impl PolicyError {
    /// The code of IAM's answer, with status 400 (`MalformedPolicyDocument`) or 409 (`LimitExceeded`).
    pub fn code(&self) -> &'static str {
        match self.fault {
            PolicyFault::TooLong { .. } => "LimitExceeded",
            _ => "MalformedPolicyDocument",
        }
    }

    /// The message of IAM's answer, as far as it is known; it has no place.
    pub fn aws_message(&self) -> String {
        match &self.fault {
            PolicyFault::ActionWithoutVendor(_) => {
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned()
            }
            PolicyFault::ActionColons(_) => "Actions/Condition can contain only one colon.".to_owned(),
            PolicyFault::Vendor(vendor) => format!("Vendor {vendor} is not valid"),
            PolicyFault::NoActions => "Policy statement must contain actions.".to_owned(),
            PolicyFault::NoResources => "Policy statement must contain resources.".to_owned(),
            PolicyFault::Resource(resource) => format!("Resource {resource} must be in ARN format or \"*\"."),
            PolicyFault::ResourceProhibited => "Has prohibited field Resource.".to_owned(),
            PolicyFault::PrincipalProhibited => "Policy document should not specify a principal.".to_owned(),
            PolicyFault::TrustAction(_) => "AssumeRole policy may only specify STS AssumeRole actions.".to_owned(),
            PolicyFault::Principal(principal) => format!("Invalid principal in policy: {principal}"),
            PolicyFault::SidCharacters => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
                    .to_owned()
            }
            PolicyFault::SidTwice(_) => "Statement IDs (SID) in a single policy must be unique.".to_owned(),
            PolicyFault::TooLong { size, .. } => {
                let quota = match size {
                    PolicySize::Trust => "ACLSizePerRole",
                    _ => "PolicySize",
                };
                format!("Cannot exceed quota for {quota}: {}", size.chars_max())
            }
            PolicyFault::Syntax(_) | PolicyFault::TooMany { .. } => "Syntax errors in policy.".to_owned(),
        }
    }
}

/// Where the reader of a policy is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: PlaceStep<'a>,
}

#[derive(Clone, Copy)]
enum PlaceStep<'a> {
    Policy,
    Member(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) const POLICY: Place<'static> = Place { outer: None, step: PlaceStep::Policy };

    pub(super) fn member(&'a self, name: &'a str) -> Place<'a> {
        Place { outer: Some(self), step: PlaceStep::Member(name) }
    }

    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { outer: Some(self), step: PlaceStep::Index(index) }
    }

    pub(super) fn error(&self, fault: PolicyFault) -> PolicyError {
        PolicyError { place: self.to_string(), fault }
    }

    pub(super) fn syntax(&self, why: impl Into<String>) -> PolicyError {
        self.error(PolicyFault::Syntax(why.into()))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outer = self.outer.filter(|outer| !matches!(outer.step, PlaceStep::Policy));
        if let Some(outer) = outer {
            outer.fmt(f)?;
        }
        match self.step {
            PlaceStep::Policy => f.write_str("policy"),
            PlaceStep::Member(name) => write!(f, "{}{}", if outer.is_some() { "." } else { "" }, name.escape_debug()),
            PlaceStep::Index(index) => write!(f, "[{index}]"),
        }
    }
}
