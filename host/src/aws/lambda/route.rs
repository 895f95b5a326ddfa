//! Which operation a request asks for.

use http::Method;

use crate::aws::request::ApiRequest;

/// What a request asks for, and the action that it needs to be allowed (`lambda:` is left out).
pub struct Route {
    pub operation: LambdaOperation,
    pub action: &'static str,
    /// A function, a layer, or an ARN; and what is below it.
    pub subject: String,
    pub detail: String,
    /// The statement of a layer's policy.
    pub statement: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LambdaOperation {
    CreateFunction,
    ListFunctions,
    GetFunction,
    DeleteFunction,
    GetFunctionConfiguration,
    UpdateFunctionConfiguration,
    UpdateFunctionCode,
    Invoke,
    InvokeWithResponseStream,
    PublishVersion,
    ListVersions,
    CreateAlias,
    ListAliases,
    GetAlias,
    UpdateAlias,
    DeleteAlias,
    AddPermission,
    GetPolicy,
    RemovePermission,
    PutConcurrency,
    GetConcurrency,
    DeleteConcurrency,
    PutProvisioned,
    GetProvisioned,
    ListProvisioned,
    DeleteProvisioned,
    PutEventInvoke,
    UpdateEventInvoke,
    GetEventInvoke,
    DeleteEventInvoke,
    ListEventInvokes,
    CreateUrl,
    UpdateUrl,
    GetUrl,
    DeleteUrl,
    ListUrls,
    PutRuntimeManagement,
    GetRuntimeManagement,
    PutRecursion,
    GetRecursion,
    AccountSettings,
    TagResource,
    UntagResource,
    ListTags,
    PublishLayer,
    ListLayers,
    ListLayerVersions,
    GetLayer,
    GetLayerByArn,
    DeleteLayer,
    AddLayerPermission,
    GetLayerPolicy,
    RemoveLayerPermission,
    /// AWS has it.
    NotThere,
}

impl LambdaOperation {
    /// Whether it runs a function.
    pub fn is_call(self) -> bool {
        matches!(self, LambdaOperation::Invoke | LambdaOperation::InvokeWithResponseStream)
    }
}

/// The operation of a method and path, each part of which was decoded.
pub fn route(request: &ApiRequest) -> Option<Route> {
    use LambdaOperation as Op;
    let segments = request.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let lists = request.parameter("List").is_some();
    let (operation, action) = match (&request.method, &parts[..]) {
        (&Method::POST, ["2015-03-31", "functions"]) => (Op::CreateFunction, "CreateFunction"),
        (&Method::GET, ["2015-03-31", "functions"]) => (Op::ListFunctions, "ListFunctions"),
        (&Method::GET, ["2015-03-31", "functions", _]) => (Op::GetFunction, "GetFunction"),
        (&Method::DELETE, ["2015-03-31", "functions", _]) => (Op::DeleteFunction, "DeleteFunction"),
        (&Method::GET, ["2015-03-31", "functions", _, "configuration"]) => {
            (Op::GetFunctionConfiguration, "GetFunctionConfiguration")
        }
        (&Method::PUT, ["2015-03-31", "functions", _, "configuration"]) => {
            (Op::UpdateFunctionConfiguration, "UpdateFunctionConfiguration")
        }
        (&Method::PUT, ["2015-03-31", "functions", _, "code"]) => (Op::UpdateFunctionCode, "UpdateFunctionCode"),
        (&Method::POST, ["2015-03-31", "functions", _, "invocations"]) => (Op::Invoke, "InvokeFunction"),
        (&Method::POST, ["2021-11-15", "functions", _, "response-streaming-invocations"]) => {
            (Op::InvokeWithResponseStream, "InvokeFunction")
        }
        (&Method::POST, ["2015-03-31", "functions", _, "versions"]) => (Op::PublishVersion, "PublishVersion"),
        (&Method::GET, ["2015-03-31", "functions", _, "versions"]) => (Op::ListVersions, "ListVersionsByFunction"),
        (&Method::POST, ["2015-03-31", "functions", _, "aliases"]) => (Op::CreateAlias, "CreateAlias"),
        (&Method::GET, ["2015-03-31", "functions", _, "aliases"]) => (Op::ListAliases, "ListAliases"),
        (&Method::GET, ["2015-03-31", "functions", _, "aliases", _]) => (Op::GetAlias, "GetAlias"),
        (&Method::PUT, ["2015-03-31", "functions", _, "aliases", _]) => (Op::UpdateAlias, "UpdateAlias"),
        (&Method::DELETE, ["2015-03-31", "functions", _, "aliases", _]) => (Op::DeleteAlias, "DeleteAlias"),
        (&Method::POST, ["2015-03-31", "functions", _, "policy"]) => (Op::AddPermission, "AddPermission"),
        (&Method::GET, ["2015-03-31", "functions", _, "policy"]) => (Op::GetPolicy, "GetPolicy"),
        (&Method::DELETE, ["2015-03-31", "functions", _, "policy", _]) => (Op::RemovePermission, "RemovePermission"),
        (&Method::PUT, ["2017-10-31", "functions", _, "concurrency"]) => (Op::PutConcurrency, "PutFunctionConcurrency"),
        (&Method::DELETE, ["2017-10-31", "functions", _, "concurrency"]) => (Op::DeleteConcurrency, "DeleteFunctionConcurrency"),
        (&Method::GET, ["2019-09-30", "functions", _, "concurrency"]) => (Op::GetConcurrency, "GetFunctionConcurrency"),
        (&Method::PUT, ["2019-09-30", "functions", _, "provisioned-concurrency"]) => {
            (Op::PutProvisioned, "PutProvisionedConcurrencyConfig")
        }
        (&Method::GET, ["2019-09-30", "functions", _, "provisioned-concurrency"]) if lists => {
            (Op::ListProvisioned, "ListProvisionedConcurrencyConfigs")
        }
        (&Method::GET, ["2019-09-30", "functions", _, "provisioned-concurrency"]) => {
            (Op::GetProvisioned, "GetProvisionedConcurrencyConfig")
        }
        (&Method::DELETE, ["2019-09-30", "functions", _, "provisioned-concurrency"]) => {
            (Op::DeleteProvisioned, "DeleteProvisionedConcurrencyConfig")
        }
        (&Method::PUT, ["2019-09-25", "functions", _, "event-invoke-config"]) => {
            (Op::PutEventInvoke, "PutFunctionEventInvokeConfig")
        }
        (&Method::POST, ["2019-09-25", "functions", _, "event-invoke-config"]) => {
            (Op::UpdateEventInvoke, "UpdateFunctionEventInvokeConfig")
        }
        (&Method::GET, ["2019-09-25", "functions", _, "event-invoke-config"]) => {
            (Op::GetEventInvoke, "GetFunctionEventInvokeConfig")
        }
        (&Method::DELETE, ["2019-09-25", "functions", _, "event-invoke-config"]) => {
            (Op::DeleteEventInvoke, "DeleteFunctionEventInvokeConfig")
        }
        (&Method::GET, ["2019-09-25", "functions", _, "event-invoke-config", "list"]) => {
            (Op::ListEventInvokes, "ListFunctionEventInvokeConfigs")
        }
        (&Method::POST, ["2021-10-31", "functions", _, "url"]) => (Op::CreateUrl, "CreateFunctionUrlConfig"),
        (&Method::PUT, ["2021-10-31", "functions", _, "url"]) => (Op::UpdateUrl, "UpdateFunctionUrlConfig"),
        (&Method::GET, ["2021-10-31", "functions", _, "url"]) => (Op::GetUrl, "GetFunctionUrlConfig"),
        (&Method::DELETE, ["2021-10-31", "functions", _, "url"]) => (Op::DeleteUrl, "DeleteFunctionUrlConfig"),
        (&Method::GET, ["2021-10-31", "functions", _, "urls"]) => (Op::ListUrls, "ListFunctionUrlConfigs"),
        (&Method::PUT, ["2021-07-20", "functions", _, "runtime-management-config"]) => {
            (Op::PutRuntimeManagement, "PutRuntimeManagementConfig")
        }
        (&Method::GET, ["2021-07-20", "functions", _, "runtime-management-config"]) => {
            (Op::GetRuntimeManagement, "GetRuntimeManagementConfig")
        }
        (&Method::PUT, ["2024-08-31", "functions", _, "recursion-config"]) => (Op::PutRecursion, "PutFunctionRecursionConfig"),
        (&Method::GET, ["2024-08-31", "functions", _, "recursion-config"]) => (Op::GetRecursion, "GetFunctionRecursionConfig"),
        (&Method::GET, ["2016-08-19", "account-settings"]) => (Op::AccountSettings, "GetAccountSettings"),
        (&Method::POST, ["2017-03-31", "tags", _]) => (Op::TagResource, "TagResource"),
        (&Method::DELETE, ["2017-03-31", "tags", _]) => (Op::UntagResource, "UntagResource"),
        (&Method::GET, ["2017-03-31", "tags", _]) => (Op::ListTags, "ListTags"),
        (&Method::POST, ["2018-10-31", "layers", _, "versions"]) => (Op::PublishLayer, "PublishLayerVersion"),
        (&Method::GET, ["2018-10-31", "layers", _, "versions"]) => (Op::ListLayerVersions, "ListLayerVersions"),
        (&Method::GET, ["2018-10-31", "layers", _, "versions", _]) => (Op::GetLayer, "GetLayerVersion"),
        (&Method::DELETE, ["2018-10-31", "layers", _, "versions", _]) => (Op::DeleteLayer, "DeleteLayerVersion"),
        (&Method::POST, ["2018-10-31", "layers", _, "versions", _, "policy"]) => {
            (Op::AddLayerPermission, "AddLayerVersionPermission")
        }
        (&Method::GET, ["2018-10-31", "layers", _, "versions", _, "policy"]) => (Op::GetLayerPolicy, "GetLayerVersionPolicy"),
        (&Method::DELETE, ["2018-10-31", "layers", _, "versions", _, "policy", _]) => {
            (Op::RemoveLayerPermission, "RemoveLayerVersionPermission")
        }
        (&Method::GET, ["2018-10-31", "layers"]) if request.parameter("find").is_some() => (Op::GetLayerByArn, "GetLayerVersion"),
        (&Method::GET, ["2018-10-31", "layers"]) => (Op::ListLayers, "ListLayers"),
        (_, [date, ..]) if date.len() == 10 && date.starts_with("20") => (Op::NotThere, "Unsupported"),
        _ => return None,
    };
    let text = |index: usize| parts.get(index).map(|part| (*part).to_owned()).unwrap_or_default();
    Some(Route { operation, action, subject: text(2), detail: text(4), statement: text(6) })
}
