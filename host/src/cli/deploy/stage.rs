//! What all changes of a deployment share.

use crate::account::Account;
use crate::cli::api::ApiClient;
use crate::sam::{Known, StackPlan};

/// With what changes are made.
pub(super) struct Stage<'s> {
    pub(super) client: &'s mut ApiClient,
    pub(super) plan: &'s StackPlan,
    pub(super) account: &'s Account,
    /// What has become known of layers, URLs and versions.
    pub(super) known: Known,
}
