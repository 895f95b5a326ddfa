//! AWS Lambda's API: which operation a request asks for, and what it does.
//!
//! Source: botocore's model of the service (2015-03-31, `rest-json`).

mod aliases;
mod asynchronous;
mod built;
mod code;
mod code_folders;
mod concurrency;
mod configuration;
mod defined;
mod definition;
mod deployed;
mod emf;
mod event_invoke;
mod functions;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod hook;
mod http_call;
mod identifier;
mod input;
mod invocation;
mod invoke;
mod invoked;
mod lane;
mod layer_permissions;
mod layer_record;
mod layers;
mod origin;
mod paging;
mod permission;
mod permissions;
mod policy_record;
mod precondition;
mod provisioned;
mod record;
mod recursion;
mod reference;
mod registry;
mod resolved;
mod route;
mod runtime;
mod runtime_management;
mod streamed_response;
mod streaming;
mod tags;
mod told;
mod traced;
mod url_request;
mod urls;
mod versions;
mod vpc;

use std::rc::Rc;
use std::sync::Arc;

use crate::aws::authorization::Caller;
use crate::aws::error::ApiError;
use crate::aws::lambda::route::{LambdaOperation, Route, route};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::function::lane::WorkerLane;

pub use asynchronous::{PreparedInvocation, keep, prepare, work};
pub use code::{download, download_of};
pub use code_folders::CodeFolders;
pub use deployed::Foundry;
pub use identifier::FunctionIdentifier;
pub use permission::allows_rule;
pub use registry::Registry;
pub use url_request::UrlRequest;
pub(super) use url_request::{UNAUTHORISED, answer as answer_url, forbidden, is_public};

/// Answers a request whose sender is known. Returns the action, for metrics.
pub async fn answer(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    caller: &Caller,
    request: ApiRequest,
) -> (&'static str, Result<ApiResponse, ApiError>) {
    let Some(route) = route(&request) else { return ("Unknown", Err(ApiError::unknown_operation())) };
    let action = route.action;
    if route.operation == LambdaOperation::NotThere {
        let what = format!("{} {}", request.method, request.path);
        return (action, Err(ApiError::not_there(&what)));
    }
    if route.operation.is_call() {
        return (action, call(registry, lane, caller, &request, &route).await);
    }
    // It reads and writes files, and a body may be large.
    let (registry, caller) = (registry.clone(), caller.clone());
    let work = move || {
        permission::require(&registry, &caller, &request, &route)?;
        control(&registry, &caller, &request, &route)
    };
    let done = tokio::task::spawn_blocking(work).await;
    (action, done.unwrap_or_else(|error| Err(ApiError::internal(&error))))
}

async fn call(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    caller: &Caller,
    request: &ApiRequest,
    route: &Route,
) -> Result<ApiResponse, ApiError> {
    permission::require(registry, caller, request, route)?;
    let qualifier = request.parameter("Qualifier");
    let id = FunctionIdentifier::parse(&route.subject, qualifier.as_deref(), registry.account())?;
    invocation::invoke(registry, lane, request, &id, route.operation).await
}

/// All operations but calls. Blocks.
fn control(registry: &Arc<Registry>, caller: &Caller, request: &ApiRequest, route: &Route) -> Result<ApiResponse, ApiError> {
    use LambdaOperation as Op;
    let qualifier = request.parameter("Qualifier");
    let id = || FunctionIdentifier::parse(&route.subject, qualifier.as_deref(), registry.account());
    let (subject, detail) = (route.subject.as_str(), route.detail.as_str());
    match route.operation {
        Op::CreateFunction => functions::create(registry, caller, request),
        Op::ListFunctions => functions::list(registry, request),
        Op::GetFunction => functions::get(registry, request, &id()?),
        Op::DeleteFunction => functions::delete(registry, &id()?),
        Op::GetFunctionConfiguration => functions::get_configuration(registry, &id()?),
        Op::UpdateFunctionConfiguration => functions::update_configuration(registry, caller, request, &id()?),
        Op::UpdateFunctionCode => functions::update_code(registry, caller, request, &id()?),
        Op::PublishVersion => versions::publish(registry, request, &id()?),
        Op::ListVersions => versions::list(registry, request, &id()?),
        Op::CreateAlias => aliases::create(registry, request, &id()?),
        Op::ListAliases => aliases::list(registry, request, &id()?),
        Op::GetAlias => aliases::get(registry, &id()?, detail),
        Op::UpdateAlias => aliases::update(registry, request, &id()?, detail),
        Op::DeleteAlias => aliases::delete(registry, &id()?, detail),
        Op::AddPermission => permissions::add(registry, request, &id()?),
        Op::GetPolicy => permissions::get(registry, &id()?),
        Op::RemovePermission => permissions::remove(registry, request, &id()?, detail),
        Op::PutConcurrency => concurrency::put(registry, request, &id()?),
        Op::GetConcurrency => concurrency::get(registry, &id()?),
        Op::DeleteConcurrency => concurrency::delete(registry, &id()?),
        Op::PutProvisioned => provisioned::put(registry, request, &id()?),
        Op::GetProvisioned => provisioned::get(registry, &id()?),
        Op::ListProvisioned => provisioned::list(registry, request, &id()?),
        Op::DeleteProvisioned => provisioned::delete(registry, &id()?),
        Op::PutEventInvoke => event_invoke::set(registry, request, &id()?, event_invoke::SettingMode::Replace),
        Op::UpdateEventInvoke => event_invoke::set(registry, request, &id()?, event_invoke::SettingMode::Merge),
        Op::GetEventInvoke => event_invoke::get(registry, &id()?),
        Op::DeleteEventInvoke => event_invoke::delete(registry, &id()?),
        Op::ListEventInvokes => event_invoke::list(registry, request, &id()?),
        Op::CreateUrl => urls::create(registry, request, &id()?),
        Op::UpdateUrl => urls::update(registry, request, &id()?),
        Op::GetUrl => urls::get(registry, request, &id()?),
        Op::DeleteUrl => urls::delete(registry, &id()?),
        Op::ListUrls => urls::list(registry, request, &id()?),
        Op::PutRuntimeManagement => runtime_management::put(registry, request, &id()?),
        Op::GetRuntimeManagement => runtime_management::get(registry, &id()?),
        Op::PutRecursion => recursion::put(registry, request, &id()?),
        Op::GetRecursion => recursion::get(registry, &id()?),
        Op::AccountSettings => concurrency::account_settings(registry),
        Op::TagResource => tags::add(registry, request, subject),
        Op::UntagResource => tags::remove(registry, request, subject),
        Op::ListTags => tags::list(registry, subject),
        Op::PublishLayer => layers::publish(registry, caller, request, subject),
        Op::ListLayers => layers::list(registry, request),
        Op::ListLayerVersions => layers::list_versions(registry, request, subject),
        Op::GetLayer => layers::get(registry, request, subject, detail),
        Op::GetLayerByArn => layers::get_by_arn(registry, request, &request.parameter("Arn").unwrap_or_default()),
        Op::DeleteLayer => layers::delete(registry, subject, detail),
        Op::AddLayerPermission => layer_permissions::add(registry, request, subject, detail),
        Op::GetLayerPolicy => layer_permissions::get(registry, subject, detail),
        Op::RemoveLayerPermission => layer_permissions::remove(registry, request, subject, detail, &route.statement),
        Op::Invoke | Op::InvokeWithResponseStream | Op::NotThere => Err(ApiError::unknown_operation()),
    }
}
