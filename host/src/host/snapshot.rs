//! One configuration, deployed. Replaced whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::{self, Config, FileStamp, OriginKind, Server};
use crate::edge::Edge;
use crate::function::catalog::Aliases;
use crate::function::revision::Revision;

/// By function name.
pub(super) type Revisions = BTreeMap<String, Arc<Revision>>;

/// See the module.
pub(super) struct Snapshot {
    pub(super) server: Server,
    pub(super) cache: config::Cache,
    pub(super) tracing: Option<config::Tracing>,
    /// What it was made of; of the above, what was asked for and not what is in force.
    pub(super) config: Config,
    /// What it has published, and where its sites find it.
    pub(super) revisions: Revisions,
    pub(super) aliases: Aliases,
    /// When the code of each was modified last.
    pub(super) modified: BTreeMap<String, SystemTime>,
    /// Of what the edge was built besides.
    pub(super) outside: Outside,
    pub(super) edge: Arc<Edge>,
}

/// What an edge was built of that is not in its configuration: where the folders are that its origins name, and how the
/// files look that it has read.
#[derive(PartialEq, Eq)]
pub(super) struct Outside(Vec<(Option<PathBuf>, Option<FileStamp>)>);

impl Outside {
    pub(super) fn of(config: &Config) -> Outside {
        let place = |origin: &Arc<config::Origin>| match &origin.kind {
            OriginKind::Folder { root, .. } => Some((root.canonicalize().ok(), None)),
            OriginKind::Url(url) => url.ca.as_ref().map(|ca| (None, FileStamp::at(ca))),
            OriginKind::Fixed { .. } | OriginKind::Component { .. } | OriginKind::Api { .. } => None,
        };
        Outside(config.origins.values().filter_map(place).collect())
    }
}
