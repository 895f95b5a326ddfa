//! I publish what a configuration file says: all of it, or nothing and every error.
//!
//! A file is one publisher of functions among others. What it says of them becomes specifications (`function::spec`);
//! those that are as they were keep their revision, with its warm instances. Where nothing but functions has changed, the
//! edge stays, too, and finds the new revisions by its aliases.
//!
//!     Config ─► specs ─► revisions ─► roles fit? ─► edge, if need be ─┊─► publish
//!                                         any error: nothing has changed

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::changes;
use super::roles::wrong_roles;
use super::snapshot::{Outside, Revisions, Snapshot};
use crate::cache::Cache;
use crate::config::{self, Config, FunctionCode};
use crate::edge::Edge;
use crate::function::build::{Builder, CodeFile, DeployError};
use crate::function::catalog::{Alias, Aliases, Catalog, LIVE};
use crate::function::named::FunctionsByName;
use crate::function::revision::Revision;
use crate::function::spec::{CodeId, KeyValues, Spec};
use crate::limits::Compiling;
use crate::limits::worker::CPU_WHOLE;
use crate::telemetry::Telemetry;
use crate::wasm::compile::ComponentSource;

/// A function of a configuration that cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[error("function `{function}` ({}): {error}", .file.display())]
pub(super) struct RefusedFunction {
    function: String,
    file: PathBuf,
    error: DeployError,
}

/// The publisher of a configuration file.
pub(super) struct Publisher {
    builder: Arc<Builder>,
    pub(super) catalog: Catalog,
    /// Where sites find those that have another publisher.
    pub(super) named: Arc<FunctionsByName>,
    telemetry: Arc<Telemetry>,
}

impl Publisher {
    pub(super) fn new(builder: Arc<Builder>, telemetry: Arc<Telemetry>) -> Publisher {
        Publisher { builder, catalog: Catalog::default(), named: Arc::default(), telemetry }
    }

    /// The revisions of all functions of a configuration; those that are in `before` with the same code and settings are
    /// kept. Compiles, on all CPUs: never call it on a worker.
    pub(super) fn revisions(&self, config: &Config, before: &Revisions, bounds: Compiling) -> anyhow::Result<Revisions> {
        let functions: Vec<_> = config.functions.values().collect();
        let built = in_parallel(&functions, |function| revision(function, before.get(&function.name), &self.builder, bounds));
        let (mut revisions, mut refused) = (Revisions::new(), Vec::new());
        for (function, built) in functions.into_iter().zip(built) {
            match built {
                Ok(revision) => drop(revisions.insert(function.name.clone(), revision)),
                Err(error) => {
                    self.telemetry.deployment_refused(error.code());
                    let (function, file) = (function.name.clone(), function.code.file().to_owned());
                    refused.push(RefusedFunction { function, file, error });
                }
            }
        }
        if refused.is_empty() { Ok(revisions) } else { Err(joined(&refused)) }
    }

    /// A configuration, ready to be put in force: nothing of it is published yet. What it takes of `built` and of
    /// `before` is what has not changed.
    pub(super) fn snapshot(
        &self,
        config: &Config,
        built: &Revisions,
        before: Option<&Snapshot>,
        cache: &Arc<Cache>,
    ) -> anyhow::Result<Snapshot> {
        // Nothing is served before the first one.
        let bounds = if before.is_some() { config.server.compiling } else { config.server.compiling.waited_for() };
        let revisions = self.revisions(config, built, bounds)?;
        let wrong = wrong_roles(config, |name| revisions.get(name).map(|revision| revision.inspection()));
        if !wrong.is_empty() {
            return Err(joined(&wrong));
        }
        let outside = Outside::of(config);
        let (aliases, edge) = match before {
            // Its sites find what has changed by the aliases that they have.
            Some(before) if before.outside == outside && differ_in_functions_only(&before.config, config) => {
                (before.aliases.clone(), before.edge.clone())
            }
            _ => {
                let aliases = aliases(&revisions, before);
                let edge = Edge::new(config, &aliases, &self.named, cache, &self.telemetry)?;
                (aliases, Arc::new(edge))
            }
        };
        Ok(Snapshot {
            server: config.server.clone(),
            cache: config.cache.clone(),
            tracing: config.tracing.clone(),
            config: config.clone(),
            revisions,
            aliases,
            modified: BTreeMap::new(),
            outside,
            edge,
        })
    }

    /// Puts the functions of `next` in force, where those of `before` were.
    pub(super) fn publish(&self, before: Option<&Snapshot>, next: &Snapshot) {
        for (name, revision) in &next.revisions {
            let old = before.and_then(|before| Some((before.revisions.get(name)?, before.aliases.get(name)?)));
            let Some(alias) = next.aliases.get(name) else { continue };
            match old {
                Some((old, _)) if Arc::ptr_eq(old, revision) => {}
                Some((_, held)) if Arc::ptr_eq(held, alias) => drop(self.catalog.function(name).publish(LIVE, revision.clone())),
                _ => drop(self.catalog.function(name).adopt(LIVE, alias.clone())),
            }
        }
        for name in before.into_iter().flat_map(|before| before.revisions.keys()) {
            if !next.revisions.contains_key(name) {
                self.catalog.remove(name);
            }
        }
    }
}

/// For an edge that is built anew: a function that has changed gets an alias of its own, so that requests of the edge
/// before, whose sites may use it otherwise, end with the revision that they began with.
fn aliases(revisions: &Revisions, before: Option<&Snapshot>) -> Aliases {
    let alias = |(name, revision): (&String, &Arc<Revision>)| {
        let same = before.filter(|before| before.revisions.get(name).is_some_and(|old| Arc::ptr_eq(old, revision)));
        let kept = same.and_then(|before| before.aliases.get(name));
        (name.clone(), kept.cloned().unwrap_or_else(|| Alias::new(revision.clone())))
    };
    revisions.iter().map(alias).collect()
}

/// Whether an edge of one is as good as an edge of the other, as far as configurations can tell.
fn differ_in_functions_only(before: &Config, next: &Config) -> bool {
    before.functions.keys().eq(next.functions.keys())
        && before.server == next.server
        && before.cache == next.cache
        && before.tracing == next.tracing
        && changes::geo(&before.geo) == changes::geo(&next.geo)
        && before.origins == next.origins
        && before.origin_groups == next.origin_groups
        && before.sites == next.sites
}

fn joined(errors: &[impl std::fmt::Display]) -> anyhow::Error {
    anyhow::anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn revision(
    function: &config::Function,
    before: Option<&Arc<Revision>>,
    builder: &Builder,
    bounds: Compiling,
) -> Result<Arc<Revision>, DeployError> {
    let code = code_of(function, builder)?;
    let spec = spec_of(function, code.id());
    match before {
        Some(before) if *before.spec() == spec => Ok(before.clone()),
        _ => builder.build(spec, &code, bounds).map(Arc::new),
    }
}

/// The bytes that a configuration names for a function.
pub fn code_of(function: &config::Function, builder: &Builder) -> Result<CodeFile, DeployError> {
    match &function.code {
        FunctionCode::Component(file) => Ok(CodeFile::Component(ComponentSource::open(file)?)),
        FunctionCode::Source { file, language, text } => Ok(builder.source(*language, file, text.to_string())?),
        FunctionCode::Package { files, language, handler, layers } => builder.package(*language, files, handler, layers),
    }
}

/// What a configuration says of a function.
pub fn spec_of(function: &config::Function, code: CodeId) -> Spec {
    let store = function.key_value_store.as_ref();
    Spec {
        name: function.name.clone(),
        code,
        limits: function.limits.clone(),
        policy: function.policy,
        min_warm: function.min_warm,
        environment: function.environment.0.clone(),
        grants: function.network.clone(),
        attachment: None,
        cpu_share: CPU_WHOLE,
        rests: true,
        own_init: false,
        key_values: store.map(|store| Arc::new(KeyValues { name: store.name.clone(), values: store.values.0.clone() })),
    }
}

/// Does a piece of work for each item, on as many threads as there are CPUs. The results are in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(lane)).collect();
        let join = |lane: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().flat_map(join).collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
