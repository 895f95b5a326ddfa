//! Whom a policy names: `Principal` and `NotPrincipal`.
//!
//! An account's name stands for whom its administrator lets, so that the account's own policies must allow as well. `*` and a
//! principal's own ARN need nothing besides. A session goes by its own ARN and by its role's.
//!
//! Source: the IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".

use super::context::{ArnKind, Principal, PrincipalArn, is_account};

/// The principals of a statement; never an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principals {
    /// `"Principal": "*"`.
    Everyone,
    Only(Vec<NamedPrincipal>),
    /// `NotPrincipal`, which only a Deny has.
    AllBut(Vec<NamedPrincipal>),
}

/// A name for principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPrincipal {
    /// `{"AWS": "*"}`.
    Anyone,
    /// By its root user's ARN.
    Account {
        arn: String,
        account: String,
    },
    /// A user, role or session, by ARN.
    Exact(String),
    Service(String),
    Federated(String),
    /// A user of S3; no request is made by one.
    CanonicalUser(String),
}

/// The member of `Principal` that a name stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// How a statement comes to be about a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrincipalReach {
    /// It is not.
    None,
    /// Through the account, which must allow the request itself.
    Account,
    Principal,
}

impl Principals {
    pub(super) fn reach(&self, principal: &Principal) -> PrincipalReach {
        match self {
            Principals::Everyone => PrincipalReach::Principal,
            Principals::Only(named) => named.iter().map(|named| named.reach(principal)).max().unwrap_or(PrincipalReach::None),
            Principals::AllBut(named) if is_spared(named, principal) => PrincipalReach::None,
            Principals::AllBut(_) => PrincipalReach::Principal,
        }
    }
}

/// Whether all of a principal's names are there: AWS looks for the account first, then for the user or the role, then for the
/// session, and a Deny spares only whom it finds each time.
fn is_spared(named: &[NamedPrincipal], principal: &Principal) -> bool {
    let has_arn = |arn: &String| named.iter().any(|named| matches!(named, NamedPrincipal::Exact(own) if own == arn));
    let has_account =
        |id: &String| named.iter().any(|named| matches!(named, NamedPrincipal::Account { account, .. } if account == id));
    if named.contains(&NamedPrincipal::Anyone) {
        return true;
    }
    match principal {
        Principal::Root { account, .. } => has_account(account),
        Principal::User { arn, account } => has_account(account) && has_arn(arn),
        Principal::Session { role_arn, session_arn, account } => {
            has_account(account) && has_arn(role_arn) && has_arn(session_arn)
        }
        Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => {
            named.iter().any(|named| named.reach(principal) != PrincipalReach::None)
        }
    }
}

impl NamedPrincipal {
    /// Reads a name of a category. `None` if it names nobody, also with wildcards in an ARN.
    pub(super) fn parse(category: Category, text: &str) -> Option<NamedPrincipal> {
        let owned = text.to_owned();
        match category {
            Category::Aws if text == "*" => Some(NamedPrincipal::Anyone),
            Category::Aws if is_account(text) => {
                Some(NamedPrincipal::Account { arn: format!("arn:aws:iam::{text}:root"), account: owned })
            }
            Category::Aws => match PrincipalArn::parse(text)? {
                PrincipalArn { account, kind: ArnKind::Root } => Some(NamedPrincipal::Account { arn: owned, account }),
                _ => Some(NamedPrincipal::Exact(owned)),
            },
            _ if text.is_empty() || text.contains(['*', '?']) => None,
            Category::Service => text.contains('.').then_some(NamedPrincipal::Service(owned)),
            Category::Federated => Some(NamedPrincipal::Federated(owned)),
            Category::CanonicalUser => Some(NamedPrincipal::CanonicalUser(owned)),
        }
    }

    pub fn category(&self) -> Category {
        match self {
            NamedPrincipal::Anyone | NamedPrincipal::Account { .. } | NamedPrincipal::Exact(_) => Category::Aws,
            NamedPrincipal::Service(_) => Category::Service,
            NamedPrincipal::Federated(_) => Category::Federated,
            NamedPrincipal::CanonicalUser(_) => Category::CanonicalUser,
        }
    }

    pub fn text(&self) -> &str {
        match self {
            NamedPrincipal::Anyone => "*",
            NamedPrincipal::Account { arn, .. } => arn,
            NamedPrincipal::Exact(text)
            | NamedPrincipal::Service(text)
            | NamedPrincipal::Federated(text)
            | NamedPrincipal::CanonicalUser(text) => text,
        }
    }

    fn reach(&self, principal: &Principal) -> PrincipalReach {
        match (self, principal) {
            (NamedPrincipal::Anyone, _) => PrincipalReach::Principal,
            (NamedPrincipal::Account { account, .. }, principal) if principal.account() == Some(account) => {
                if matches!(principal, Principal::Root { .. }) { PrincipalReach::Principal } else { PrincipalReach::Account }
            }
            (NamedPrincipal::Exact(own), Principal::User { arn, .. }) if own == arn => PrincipalReach::Principal,
            (NamedPrincipal::Exact(own), Principal::Session { role_arn, session_arn, .. })
                if own == role_arn || own == session_arn =>
            {
                PrincipalReach::Principal
            }
            (NamedPrincipal::Service(own), Principal::Service(name)) if own == name => PrincipalReach::Principal,
            (NamedPrincipal::Federated(own), Principal::Federated(name)) if own == name => PrincipalReach::Principal,
            _ => PrincipalReach::None,
        }
    }
}

impl Category {
    pub(super) const ALL: [Category; 4] = [Category::Aws, Category::Service, Category::Federated, Category::CanonicalUser];

    pub(super) fn name(self) -> &'static str {
        match self {
            Category::Aws => "AWS",
            Category::Service => "Service",
            Category::Federated => "Federated",
            Category::CanonicalUser => "CanonicalUser",
        }
    }
}
