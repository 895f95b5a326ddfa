//! What is known of a request: who makes it, and the condition keys with their values.
//!
//! Names of keys are the same in either case. A key that holds many values is no variable's value, even with only one.

use std::collections::BTreeMap;

/// The condition keys of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Values>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Context {
    /// The keys that follow from the principal alone: `aws:PrincipalArn` (of a session its role's), `aws:PrincipalAccount`,
    /// `aws:PrincipalType`, `aws:username` (of users), `aws:PrincipalIsAWSService` and `aws:PrincipalServiceName`.
    /// `aws:userid` and tags are the caller's to add.
    pub fn of(principal: &Principal) -> Context {
        let mut context = Context::default();
        if let Some(account) = principal.account() {
            context.put("aws:PrincipalAccount", account);
        }
        let is_service = matches!(principal, Principal::Service(_));
        context.put("aws:PrincipalIsAWSService", if is_service { "true" } else { "false" });
        let (arn, kind) = match principal {
            Principal::Root { arn, .. } => (arn.as_str(), "Account"),
            Principal::User { arn, .. } => {
                context.put("aws:username", arn.rsplit('/').next().unwrap_or_default());
                (arn.as_str(), "User")
            }
            Principal::Session { role_arn, .. } => (role_arn.as_str(), "AssumedRole"),
            Principal::Service(name) => {
                context.put("aws:PrincipalServiceName", name);
                return context;
            }
            Principal::Federated(_) => return context,
            Principal::Anonymous => {
                context.put("aws:PrincipalType", "Anonymous");
                return context;
            }
        };
        context.put("aws:PrincipalArn", arn);
        context.put("aws:PrincipalType", kind);
        context
    }

    /// Gives a key its one value, in place of what it had.
    pub fn put(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_lowercase(), Values::One(value.into()));
    }

    /// Gives a key that may have many values (such as `aws:TagKeys`) these, in place of what it had.
    pub fn put_all(&mut self, key: &str, values: impl IntoIterator<Item = impl Into<String>>) {
        self.0.insert(key.to_lowercase(), Values::Many(values.into_iter().map(Into::into).collect()));
    }

    /// All values of a key; none if the request does not have it.
    pub fn values(&self, key: &str) -> &[String] {
        match self.0.get(&key.to_lowercase()) {
            None => &[],
            Some(Values::One(value)) => std::slice::from_ref(value),
            Some(Values::Many(values)) => values,
        }
    }

    /// The value of a key that has one and can have no more.
    pub fn single(&self, key: &str) -> Option<&str> {
        match self.0.get(&key.to_lowercase()) {
            Some(Values::One(value)) => Some(value),
            _ => None,
        }
    }
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An account's root user, who may do everything in the account that nothing denies.
    Root {
        arn: String,
        account: String,
    },
    /// A user: `arn:aws:iam::123456789012:user/path/name`.
    User {
        arn: String,
        account: String,
    },
    /// A session of a role, which is known by the session's ARN and by the role's.
    Session {
        role_arn: String,
        session_arn: String,
        account: String,
    },
    /// A service of AWS, such as `s3.amazonaws.com`, which acts for itself.
    Service(String),
    /// Someone whom an identity provider vouches for: its ARN or its name, such as `accounts.google.com`.
    #[cfg_attr(not(test), expect(dead_code, reason = "policies know it, and STS takes no web identities"))]
    Federated(String),
    Anonymous,
}

/// An ARN that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{arn}` is not the ARN of {expected}")]
pub struct InvalidPrincipal {
    arn: String,
    expected: &'static str,
}

impl Principal {
    /// An account's root user or a user, by ARN.
    pub fn of_user(arn: &str) -> Result<Principal, InvalidPrincipal> {
        match PrincipalArn::parse(arn) {
            Some(PrincipalArn { account, kind: ArnKind::Root }) => Ok(Principal::Root { arn: arn.to_owned(), account }),
            Some(PrincipalArn { account, kind: ArnKind::User }) => Ok(Principal::User { arn: arn.to_owned(), account }),
            _ => Err(InvalidPrincipal { arn: arn.to_owned(), expected: "an account or a user" }),
        }
    }

    /// A session of a role, by the role's ARN and the session's name.
    pub fn of_session(role_arn: &str, session: &str) -> Result<Principal, InvalidPrincipal> {
        let invalid = |expected| InvalidPrincipal { arn: role_arn.to_owned(), expected };
        let Some(PrincipalArn { account, kind: ArnKind::Role }) = PrincipalArn::parse(role_arn) else {
            return Err(invalid("a role"));
        };
        if session.is_empty() || session.contains(['/', ':']) {
            return Err(invalid("a role whose session has that name"));
        }
        let partition = role_arn.split(':').nth(1).unwrap_or("aws");
        let name = role_arn.rsplit('/').next().unwrap_or_default();
        let session_arn = format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}");
        Ok(Principal::Session { role_arn: role_arn.to_owned(), session_arn, account })
    }

    /// The account of twelve digits; services, providers and anonymous callers have none.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Root { account, .. } | Principal::User { account, .. } | Principal::Session { account, .. } => {
                Some(account)
            }
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => None,
        }
    }

    /// As AWS names the principal in messages: a session by its own ARN.
    pub fn name(&self) -> &str {
        match self {
            Principal::Root { arn, .. } | Principal::User { arn, .. } => arn,
            Principal::Session { session_arn, .. } => session_arn,
            Principal::Service(name) | Principal::Federated(name) => name,
            Principal::Anonymous => "anonymous",
        }
    }
}

/// What an ARN of IAM or STS says of a principal.
pub(super) struct PrincipalArn {
    pub account: String,
    pub kind: ArnKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArnKind {
    Root,
    User,
    Role,
    Session,
    FederatedUser,
}

impl PrincipalArn {
    /// `None` for what is no ARN of a principal, also if it has wildcards.
    pub(super) fn parse(arn: &str) -> Option<PrincipalArn> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else { return None };
        if !partition.starts_with("aws") || !is_account(account) || resource.contains(['*', '?']) {
            return None;
        }
        let named = |name: &str| !name.is_empty() && !name.ends_with('/');
        let kind = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => ArnKind::Root,
            ("iam", Some(("user", name))) if named(name) => ArnKind::User,
            ("iam", Some(("role", name))) if named(name) => ArnKind::Role,
            ("sts", Some(("federated-user", name))) if named(name) => ArnKind::FederatedUser,
            ("sts", Some(("assumed-role", name))) if named(name) && name.split('/').count() == 2 => ArnKind::Session,
            _ => return None,
        };
        Some(PrincipalArn { account: account.to_owned(), kind })
    }
}

/// Whether a text is an account's twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
