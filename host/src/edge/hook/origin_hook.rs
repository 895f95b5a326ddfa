//! A hook at the origin: a function of the configuration, or one of the AWS APIs, whose version each call finds anew.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config;
use crate::failure::Failure;
use crate::function::call::{Call, HookCall, HookOutcome};
use crate::function::catalog::{Alias, Aliases};
use crate::function::lane::WorkerLane;
use crate::function::named::{FunctionsByName, NamedHook};
use crate::function::revision::Revision;
use crate::function_name::QualifiedName;
use crate::limits::{Limit, Limits};
use crate::telemetry::{FunctionMetrics, Telemetry, TraceContext};

/// See the module.
pub(crate) enum OriginHook {
    Declared(Arc<Alias>),
    Api(Box<ApiHook>),
}

/// A function of the AWS APIs.
pub(crate) struct ApiHook {
    name: QualifiedName,
    functions: Arc<FunctionsByName>,
    metrics: FunctionMetrics,
}

/// The version that one call runs.
pub(crate) enum HeldHook<'h> {
    Declared(Arc<Revision>),
    Api { version: Box<dyn NamedHook>, limits: Limits, metrics: &'h FunctionMetrics },
}

impl OriginHook {
    /// The configuration has been checked.
    pub(crate) fn new(
        hook: &config::OriginHookName,
        aliases: &Aliases,
        named: &Arc<FunctionsByName>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<OriginHook> {
        match hook {
            config::OriginHookName::Declared(name) => {
                let alias = aliases.get(name).with_context(|| format!("function `{name}` is not deployed"))?;
                Ok(OriginHook::Declared(alias.clone()))
            }
            config::OriginHookName::Api(name) => {
                let (functions, metrics) = (named.clone(), telemetry.function(&name.name));
                Ok(OriginHook::Api(Box::new(ApiHook { name: name.clone(), functions, metrics })))
            }
        }
    }

    /// What a call is to run.
    ///
    /// # Errors
    /// With the metrics of the function.
    pub(crate) fn hold(&self) -> Result<HeldHook<'_>, (Failure, &FunctionMetrics)> {
        match self {
            OriginHook::Declared(alias) => Ok(HeldHook::Declared(alias.hold())),
            OriginHook::Api(hook) => {
                let metrics = &hook.metrics;
                let version = hook.functions.hook(&hook.name).map_err(|failure| (failure, metrics))?;
                Ok(HeldHook::Api { limits: version.limits(), version, metrics })
            }
        }
    }
}

impl HeldHook<'_> {
    pub(crate) fn metrics(&self) -> &FunctionMetrics {
        match self {
            HeldHook::Declared(revision) => revision.metrics(),
            HeldHook::Api { metrics, .. } => metrics,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        match self {
            HeldHook::Declared(revision) => revision.limits(),
            HeldHook::Api { limits, .. } => limits,
        }
    }

    /// What it is shown of a body.
    pub(crate) fn preview_bytes(&self) -> usize {
        usize::try_from(self.limits().value(Limit::BodyBytes)).unwrap_or(usize::MAX)
    }

    /// A function of the AWS APIs takes its place now, and is told whose call it is a part of.
    pub(super) async fn call(&self, lane: &Rc<WorkerLane>, call: HookCall<'static>, caller: Option<TraceContext>) -> HookOutcome {
        match self {
            HeldHook::Declared(revision) => revision.call(lane, Call::Hook(call)).await.into_hook(),
            HeldHook::Api { version, .. } => version.call(lane, call, caller).await,
        }
    }
}
