//! Who makes a request.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::aws::identities::ParsedIdentity;
use crate::aws::policy::{PolicyDocument, Principal};
use crate::aws::unique_id;

/// Whose key and token a request has. It is the caller only when the signature has been verified.
#[derive(Clone)]
pub struct Caller {
    pub access_key: String,
    pub principal: Principal,
    /// AWS's `UserId`: of a role's session `AROA…:session`.
    pub user_id: String,
    pub(super) standing: Standing,
    pub(super) session_policy: Option<Arc<PolicyDocument>>,
    /// When the session began, in seconds since 1970. `None` for a key without an end.
    pub(super) issued_s: Option<u64>,
}

/// Whose policies count.
#[derive(Clone)]
pub(super) enum Standing {
    /// By name.
    Administrator(String),
    Identity(Arc<ParsedIdentity>),
}

impl Caller {
    /// As AWS tells it: of a session its own.
    pub fn arn(&self) -> &str {
        self.principal.name()
    }

    /// Twelve digits.
    pub fn account(&self) -> &str {
        self.principal.account().unwrap_or_default()
    }

    /// The user or the role, unless it is an administrator.
    pub fn identity(&self) -> Option<&ParsedIdentity> {
        match &self.standing {
            Standing::Administrator(_) => None,
            Standing::Identity(identity) => Some(identity),
        }
    }

    /// The name of the user, if the caller is one, also in a session or as an administrator.
    pub fn user(&self) -> Option<&str> {
        match (&self.standing, &self.principal) {
            (Standing::Administrator(name), _) => Some(name.as_str()),
            (Standing::Identity(user), Principal::User { .. }) => Some(&user.name),
            (Standing::Identity(_), _) => None,
        }
    }

    /// Whether the key has an end.
    pub fn is_session(&self) -> bool {
        self.issued_s.is_some()
    }

    /// Whether this is a session of a role.
    pub fn is_role(&self) -> bool {
        matches!(self.principal, Principal::Session { .. })
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("arn", &self.arn()).field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The secret of an access key. It is not printed.
pub struct SecretKey(pub(super) String);

impl SecretKey {
    /// For the verification of a signature, and nothing else.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// The id of an administrator, of whom there is no record: always the same for a name.
pub fn administrator_id(name: &str) -> String {
    unique_id::id_of_digest("AIDA", &Sha256::digest(name).into())
}
