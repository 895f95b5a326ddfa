//! How a command ends that was used wrongly, or failed.

/// The exit code of what could not start or serve.
pub(crate) const FAILED: u8 = 1;
/// The exit code of a wrong usage or configuration.
pub(crate) const USAGE: u8 = 64;

/// A usage error: printed, with exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(super) String);
