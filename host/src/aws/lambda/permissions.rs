//! Resource policies: who else may invoke a function.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::object;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::policy_record::{PolicyRecord, check_statement_id, identity_principal};
use crate::aws::lambda::record::Function;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PermissionInput {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    function_url_auth_type: Option<String>,
    invoked_via_function_url: Option<bool>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    revision_id: Option<String>,
}

/// Under what a qualifier's policy is kept.
fn place(id: &FunctionIdentifier) -> Result<String, ApiError> {
    match &id.qualifier {
        None => Ok(String::new()),
        Some(Qualifier::Latest) => Err(ApiError::invalid_parameter("We currently do not support adding policies for $LATEST.")),
        Some(other) => Ok(other.to_string()),
    }
}

fn require(function: &Function, id: &FunctionIdentifier, arn: &str) -> Result<(), ApiError> {
    let found = function.version_of(id.qualifier.as_ref());
    found.map(drop).ok_or_else(|| match &id.qualifier {
        Some(Qualifier::Alias(_)) => ApiError::not_found(format!("Cannot find alias arn: {arn}")),
        _ => ApiError::not_found(format!("Function not found: {arn}")),
    })
}

/// `POST /2015-03-31/functions/{name}/policy`
pub fn add(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: PermissionInput = request.json()?;
    let mut constraints = Constraints::default();
    let sid = constraints.required("statementId", input.statement_id.as_deref()).unwrap_or_default();
    let action = constraints.required("action", input.action.as_deref()).unwrap_or_default();
    constraints.required("principal", input.principal.as_ref());
    if input.statement_id.is_some() {
        check_statement_id(&mut constraints, sid);
    }
    if input.action.is_some() {
        let sound = |text: &str| {
            let rest = text.strip_prefix("lambda:");
            text == "*" || rest.is_some_and(|rest| rest == "*" || (!rest.is_empty() && rest.chars().all(char::is_alphabetic)))
        };
        constraints.pattern("action", action, "(lambda:[*]|lambda:[a-zA-Z]+|[*])", sound);
    }
    if let Some(auth) = &input.function_url_auth_type {
        constraints.one_of("functionUrlAuthType", auth, &["NONE", "AWS_IAM"]);
    }
    constraints.finish()?;
    let (place, arn) = (place(id)?, id.arn(registry.account()));
    let statement = statement(&input, &arn)?;
    let text = serde_json::to_string(&statement).map_err(|error| ApiError::internal(&error))?;
    registry.change(&id.name, &arn, |function, _| {
        require(function, id, &arn)?;
        let mut record = (*function.record).clone();
        let policy = record.policies.entry(place).or_insert_with(PolicyRecord::new);
        policy.add(statement, input.revision_id.as_deref(), "GetPolicy")?;
        function.record = Arc::new(record);
        Ok(())
    })?;
    json(StatusCode::CREATED, &json!({"Statement": text}))
}

fn statement(input: &PermissionInput, resource: &str) -> Result<Value, ApiError> {
    let principal = input.principal.as_deref().unwrap_or_default();
    let principal = if let Some(identity) = identity_principal(principal) {
        identity
    } else if principal.ends_with(".amazonaws.com")
        || principal.ends_with(".amazon.com")
        || principal.ends_with(".alexa.amazon.com")
    {
        json!({"Service": principal})
    } else {
        let message = "The provided principal was invalid. Please check the principal and try again.";
        return Err(ApiError::invalid_parameter(message));
    };
    let mut condition: Map<String, Value> = Map::new();
    let mut when = |operator: &str, key: &str, value: &str| {
        let entry = condition.entry(operator).or_insert_with(|| json!({}));
        entry[key] = value.into();
    };
    if let Some(auth) = &input.function_url_auth_type {
        when("StringEquals", "lambda:FunctionUrlAuthType", auth);
    }
    if let Some(account) = &input.source_account {
        when("StringEquals", "AWS:SourceAccount", account);
    }
    if let Some(token) = &input.event_source_token {
        when("StringEquals", "lambda:EventSourceToken", token);
    }
    if let Some(organisation) = &input.principal_org_id {
        when("StringEquals", "aws:PrincipalOrgID", organisation);
    }
    if let Some(arn) = &input.source_arn {
        when("ArnLike", "AWS:SourceArn", arn);
    }
    if input.invoked_via_function_url == Some(true) {
        when("Bool", "lambda:InvokedViaFunctionUrl", "true");
    }
    let mut members = object(json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": input.action,
        "Resource": resource,
    }));
    if !condition.is_empty() {
        members.insert("Condition".to_owned(), condition.into());
    }
    Ok(members.into())
}

/// `GET /2015-03-31/functions/{name}/policy`
pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let arn = id.arn(registry.account());
    let function = registry.get(&id.name, &arn)?.now();
    let place = id.qualifier.as_ref().map(ToString::to_string).unwrap_or_default();
    let policy = function.record.policies.get(&place).filter(|policy| !policy.statements.is_empty());
    let policy = policy.ok_or_else(|| ApiError::not_found("The resource you requested does not exist."))?;
    json(StatusCode::OK, &json!({"Policy": policy.document().to_string(), "RevisionId": policy.revision_id}))
}

/// `DELETE /2015-03-31/functions/{name}/policy/{sid}`
pub fn remove(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier, sid: &str) -> Result<ApiResponse, ApiError> {
    let (place, arn) = (place(id)?, id.arn(registry.account()));
    registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        let policy = record.policies.get_mut(&place).filter(|policy| !policy.statements.is_empty());
        let policy = policy.ok_or_else(|| ApiError::not_found("No policy is associated with the given resource."))?;
        policy.remove(sid, request.parameter("RevisionId").as_deref(), "GetPolicy")?;
        function.record = Arc::new(record);
        Ok(())
    })?;
    Ok(empty(StatusCode::NO_CONTENT))
}
