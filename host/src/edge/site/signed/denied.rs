//! Why a signature does not admit a request.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no key is named")]
    NoKey,
    #[error("the key is in no trusted group")]
    UnknownKey,
    #[error("the signature is missing, or not in the alphabet")]
    Signature,
    #[error("the policy or the time of expiry is missing, or cannot be read")]
    Policy,
    /// ring verifies no ECDSA over SHA-1.
    #[error("no such hash algorithm for this key (ECDSA takes Hash-Algorithm=SHA256 only)")]
    Algorithm,
    #[error("it has expired")]
    Late,
    #[error("it is not yet valid")]
    Early,
    #[error("it is for another address")]
    Address,
    #[error("it is for another resource")]
    Resource,
    #[error("the signature is not that of the key")]
    Forged,
}
