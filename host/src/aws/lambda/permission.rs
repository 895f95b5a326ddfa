//! Whether a caller may have an operation: by its own policies, and by the function's.

use std::sync::Arc;

use http::Method;

use crate::aws::authorization::{Caller, RequestContext};
use crate::aws::error::ApiError;
use crate::aws::lambda::code_folders::denied;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::layer_record;
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::route::{LambdaOperation, Route};
use crate::aws::policy::PolicyDocument;
use crate::aws::request::ApiRequest;

/// # Errors
/// `AccessDeniedException`, with AWS's text. `ResourceConflictException` for a change of what the configuration's file defines.
pub fn require(registry: &Registry, caller: &Caller, request: &ApiRequest, route: &Route) -> Result<(), ApiError> {
    let context = RequestContext::of(request);
    let authority = &registry.foundry.authority;
    let action = format!("lambda:{}", route.action);
    let Some(id) = function_of(registry, request, route) else {
        let resource = layer_of(registry, request, route).unwrap_or_else(|| "*".to_owned());
        let policy = layer_policy(registry, &resource)?;
        return authority.authorize(caller, &action, &resource, policy.as_deref(), &context);
    };
    let policy = resource_policy(registry, &id);
    // Only of calls AWS names the version in the resource.
    let is_call = route.operation.is_call();
    let resource = if is_call { id.arn(registry.account()) } else { registry.account().function_arn(&id.name) };
    authority.authorize(caller, &action, &resource, policy.as_deref(), &context)?;
    match registry.find(&id.name) {
        // What reads is a GET.
        Some(entry) if request.method != Method::GET && !is_call => entry.require_changeable(),
        _ => Ok(()),
    }
}

/// Whether a caller may call the URL of a function.
pub fn require_url(registry: &Registry, caller: &Caller, request: &ApiRequest, id: &FunctionIdentifier) -> Result<(), ApiError> {
    let context = RequestContext::of(request).with("lambda:FunctionUrlAuthType", "AWS_IAM");
    let policy = resource_policy(registry, id);
    let resource = id.arn(registry.account());
    registry.foundry.authority.authorize(caller, "lambda:InvokeFunctionUrl", &resource, policy.as_deref(), &context)
}

/// Whether the role of a new configuration may be given to a function by this caller.
pub fn require_role(registry: &Registry, caller: &Caller, request: &ApiRequest, role: &str) -> Result<(), ApiError> {
    const LAMBDA: &str = "lambda.amazonaws.com";
    let (authority, context) = (&registry.foundry.authority, RequestContext::of(request));
    authority.pass_role(caller, role, LAMBDA, &context)?;
    // One that is not there gives the function nothing; it may be made later.
    if authority.is_trusting(role, LAMBDA)? == Some(false) {
        return Err(ApiError::invalid_parameter("The role defined for the function cannot be assumed by Lambda."));
    }
    Ok(())
}

/// Whether a caller may give functions these versions of layers: who may get one may use it.
pub fn require_layers(registry: &Registry, caller: &Caller, request: &ApiRequest, arns: &[String]) -> Result<(), ApiError> {
    let context = RequestContext::of(request);
    for arn in arns {
        let policy = layer_policy(registry, arn)?;
        registry.foundry.authority.authorize(caller, "lambda:GetLayerVersion", arn, policy.as_deref(), &context)?;
    }
    Ok(())
}

/// Whether a caller may read an object of a bucket, as S3 decides it.
pub fn require_object(
    registry: &Registry,
    caller: &Caller,
    request: &ApiRequest,
    bucket: &str,
    key: &str,
) -> Result<(), ApiError> {
    let (resource, context) = (format!("arn:aws:s3:::{bucket}/{key}"), RequestContext::of(request));
    let allowed = registry.foundry.authority.authorize(caller, "s3:GetObject", &resource, None, &context);
    allowed.map_err(|error| if error.code == "AccessDeniedException" { denied(bucket, key) } else { error })
}

/// Whether anybody may call the URL of a function that asks for no signature: its policy says so.
pub fn is_public(registry: &Registry, id: &FunctionIdentifier) -> bool {
    let resource = id.arn(registry.account());
    let asked = ("lambda:FunctionUrlAuthType", "NONE");
    resource_policy(registry, id)
        .is_some_and(|policy| registry.foundry.authority.allows_anybody("lambda:InvokeFunctionUrl", &resource, &policy, asked))
}

/// Whether the policy of a function lets EventBridge call it for a rule.
pub fn allows_rule(registry: &Registry, id: &FunctionIdentifier, rule_arn: &str) -> bool {
    const EVENTS: &str = "events.amazonaws.com";
    let resource = id.arn(registry.account());
    let authority = &registry.foundry.authority;
    resource_policy(registry, id)
        .is_some_and(|policy| authority.allows_service(EVENTS, "lambda:InvokeFunction", &resource, &policy, rule_arn))
}

/// The function that an operation is about; of a name that is none, the operation itself tells what is wrong.
fn function_of(registry: &Registry, request: &ApiRequest, route: &Route) -> Option<FunctionIdentifier> {
    use LambdaOperation as Op;
    let (subject, qualifier) = match route.operation {
        Op::ListFunctions
        | Op::AccountSettings
        | Op::PublishLayer
        | Op::ListLayers
        | Op::ListLayerVersions
        | Op::GetLayer
        | Op::GetLayerByArn
        | Op::DeleteLayer
        | Op::AddLayerPermission
        | Op::GetLayerPolicy
        | Op::RemoveLayerPermission
        | Op::NotThere => return None,
        Op::CreateFunction => (request.json::<NameOnly>().ok()?.function_name, None),
        _ => (route.subject.clone(), request.parameter("Qualifier")),
    };
    FunctionIdentifier::parse(&subject, qualifier.as_deref(), registry.account()).ok()
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameOnly {
    function_name: String,
}

/// The ARN of the layer, or of its version, that an operation is about.
fn layer_of(registry: &Registry, request: &ApiRequest, route: &Route) -> Option<String> {
    use LambdaOperation as Op;
    let name = route.subject.rsplit(':').next().unwrap_or_default();
    match route.operation {
        Op::PublishLayer | Op::ListLayerVersions => Some(registry.account().layer_arn(name)),
        Op::GetLayerByArn => request.parameter("Arn"),
        Op::GetLayer | Op::DeleteLayer | Op::AddLayerPermission | Op::GetLayerPolicy | Op::RemoveLayerPermission => {
            Some(format!("{}:{}", registry.account().layer_arn(name), route.detail))
        }
        _ => None,
    }
}

/// The policy of what is named: of the function, of the version, or of the alias.
fn resource_policy(registry: &Registry, id: &FunctionIdentifier) -> Option<Arc<PolicyDocument>> {
    let place = match &id.qualifier {
        None | Some(Qualifier::Latest) => String::new(),
        Some(other) => other.to_string(),
    };
    registry.find(&id.name)?.now().policies.get(&place).cloned()
}

/// The policy of a version of a layer, if this is the ARN of one.
fn layer_policy(registry: &Registry, arn: &str) -> Result<Option<Arc<PolicyDocument>>, ApiError> {
    let layer = layer_record::find(registry.store(), registry.account(), arn)?;
    let policy = layer.and_then(|layer| layer.policy).filter(|policy| !policy.statements.is_empty());
    policy.map(|policy| policy.parsed().map_err(|error| ApiError::internal(&error))).transpose()
}
