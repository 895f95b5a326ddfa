//! A hook at the origin: a function of the configuration, or one of the AWS APIs, whose version each call finds anew.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config;
use crate::failure::Failure;
use crate::function::call::{Call, HookCall, HookOutcome, InvokeContext};
use crate::function::catalog::{Alias, Aliases};
use crate::function::lane::WorkerLane;
use crate::function::named::{FunctionsByName, HeldCall, HeldVersion};
use crate::function::revision::Revision;
use crate::function_name::QualifiedName;
use crate::telemetry::{FunctionMetrics, Telemetry};

/// See the module.
pub(crate) enum OriginHook {
    Declared(Arc<Alias>),
    Api(Box<ApiHook>),
}

/// A function of the AWS APIs.
pub(crate) struct ApiHook {
    name: QualifiedName,
    functions: Arc<FunctionsByName>,
    /// For calls that find no version.
    metrics: FunctionMetrics,
}

/// The version that one call runs.
pub(crate) struct HeldHook {
    pub(crate) revision: Arc<Revision>,
    /// These are of a function of the AWS APIs, until the call has begun and ended.
    context: Option<Box<InvokeContext>>,
    call: Option<Box<dyn HeldCall>>,
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

    /// What a call runs. Of a function of the AWS APIs it waits for the version to be built.
    ///
    /// # Errors
    /// With the name and the metrics of the function.
    pub(crate) async fn hold(&self) -> Result<HeldHook, (Failure, &str, &FunctionMetrics)> {
        match self {
            OriginHook::Declared(alias) => Ok(HeldHook { revision: alias.hold(), context: None, call: None }),
            OriginHook::Api(hook) => match hook.functions.hold(&hook.name).await {
                Ok(HeldVersion { revision, context, call }) => {
                    Ok(HeldHook { revision, context: Some(context), call: Some(call) })
                }
                Err(failure) => Err((failure, &hook.name.name, &hook.metrics)),
            },
        }
    }
}

impl HeldHook {
    pub(super) async fn call(&mut self, lane: &WorkerLane, call: HookCall<'static>) -> HookOutcome {
        let call = HookCall { context: self.context.take(), ..call };
        let outcome = self.revision.call(lane, Call::Hook(call)).await.into_hook();
        match self.call.take() {
            Some(call) => call.ended(outcome),
            None => outcome,
        }
    }
}
