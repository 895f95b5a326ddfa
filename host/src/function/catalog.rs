//! Names lead to revisions here. A deployment is all or nothing: a new set of revisions, or every error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::function::revision::Revision;
use crate::telemetry::Telemetry;

/// The revisions of one configuration, by function name. Immutable.
#[derive(Default)]
pub struct Revisions {
    by_name: BTreeMap<String, Arc<Revision>>,
}

impl Revisions {
    pub fn get(&self, name: &str) -> Option<&Arc<Revision>> {
        self.by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Revision>)> {
        self.by_name.iter().map(|(name, revision)| (name.as_str(), revision))
    }
}

/// Why a component cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[error("function `{function}` ({}): {why}", .component.display())]
pub struct DeployError {
    pub function: String,
    pub component: PathBuf,
    pub why: String,
}

/// See the module.
pub struct Catalog {}

impl Catalog {
    /// `workers` is the number of threads that call revisions; AOT files are kept in `data_dir`.
    pub fn new(_workers: usize, _data_dir: PathBuf, _telemetry: Arc<Telemetry>) -> anyhow::Result<Catalog> {
        todo!()
    }

    /// Compiles what is new or changed (component bytes or settings), keeps the rest with its warm
    /// instances, and smoke-runs each new revision. Blocks for as long as compiling takes: never call it
    /// on a worker.
    pub fn deploy(&self, _config: &Config) -> Result<Arc<Revisions>, Vec<DeployError>> {
        todo!()
    }
}
