//! A function that a file defines, for who shows functions to others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::function::revision::Revision;

/// See the module. Its name is its revision's.
pub struct DefinedFunction {
    /// What sites call.
    pub revision: Arc<Revision>,
    /// Where it is defined, and so changed.
    pub file: PathBuf,
    /// When its code was changed last.
    pub modified: SystemTime,
}
