//! Where the two planes are told of each other's functions: the AWS APIs of those that the configuration defines, and whoever
//! reads the log of those that a site names and the AWS APIs do not have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::snapshot::Snapshot;
use crate::config::{self, Config, InputSnapshot, OriginHookName, OriginKind};
use crate::function::defined::DefinedFunction;
use crate::function::named::FunctionsByName;
use crate::function::revision::Revision;

/// When the code of each function was modified last, as far as files tell.
pub(super) fn modified(config: &Config, files: &InputSnapshot) -> BTreeMap<String, SystemTime> {
    let of = |function: &Arc<config::Function>| Some((function.name.clone(), files.modified(function.code.file())?));
    config.functions.values().filter_map(of).collect()
}

/// What a configuration in force defines.
pub(super) fn defined(snapshot: &Snapshot) -> Vec<DefinedFunction> {
    let function = |(name, revision): (&String, &Arc<Revision>)| {
        let config::Function { defined_in, .. } = &**snapshot.config.functions.get(name)?;
        let file = std::path::absolute(defined_in).unwrap_or_else(|_| defined_in.clone());
        let modified = snapshot.modified.get(name).copied().unwrap_or_else(|| revision.deployed());
        Some(DefinedFunction { revision: revision.clone(), file, modified })
    };
    snapshot.revisions.iter().filter_map(function).collect()
}

/// Tells of functions that sites name and nobody has made yet.
pub(super) fn warn_of_missing(config: &Config, functions: &FunctionsByName) {
    for (name, origin) in &config.origins {
        if let OriginKind::Api { function } = &origin.kind
            && functions.has(function) == Some(false)
        {
            tracing::warn!(origin = name, %function, "the AWS APIs have no such function yet; until they do, the origin fails");
        }
    }
    for site in &config.sites {
        let hooks = site.behaviors.iter().flat_map(|behavior| [&behavior.origin_request, &behavior.origin_response]);
        for hook in hooks.flatten() {
            if let OriginHookName::Api(function) = hook
                && functions.has(function) == Some(false)
            {
                tracing::warn!(site = site.name, %function, "the AWS APIs have no such function yet; until they do, the hook fails");
            }
        }
    }
}
