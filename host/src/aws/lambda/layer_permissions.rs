//! Policies of versions of layers: who else may have one.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::object;
use crate::aws::lambda::layer_record::{LayerRecord, key};
use crate::aws::lambda::layers::{name, number};
use crate::aws::lambda::policy_record::{PolicyRecord, check_statement_id, identity_principal, malformed};
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::store::Collection;

/// What a policy of a layer can allow.
const ACTION: &str = "lambda:GetLayerVersion";
/// As AWS's texts call the operation that tells a policy.
const TELLS: &str = "GetLayerPolicy";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LayerPermissionInput {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    organization_id: Option<String>,
}

/// `POST /2018-10-31/layers/{name}/versions/{number}/policy`
pub fn add(registry: &Registry, request: &ApiRequest, layer: &str, version: &str) -> Result<ApiResponse, ApiError> {
    let input: LayerPermissionInput = request.json()?;
    let mut constraints = Constraints::default();
    let sid = constraints.required("statementId", input.statement_id.as_deref());
    let action = constraints.required("action", input.action.as_deref());
    let principal = constraints.required("principal", input.principal.as_deref());
    if let Some(sid) = sid {
        check_statement_id(&mut constraints, sid);
    }
    if let Some(action) = action {
        constraints.pattern("action", action, ACTION, |action| action == ACTION);
    }
    if let Some(principal) = principal {
        const PATTERN: &str = "\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root";
        constraints.pattern("principal", principal, PATTERN, is_principal);
    }
    if let Some(organization) = &input.organization_id {
        constraints.pattern("organizationId", organization, "o-[a-z0-9]{10,32}", is_organization);
    }
    constraints.finish()?;
    if input.organization_id.is_some() && principal != Some("*") {
        return Err(ApiError::invalid_parameter(
            "OrganizationId needs the principal *: it is for the accounts of an organization.",
        ));
    }
    let named = NamedVersion::of(registry, layer, version)?;
    let mut statement = object(json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": identity_principal(principal.unwrap_or_default()),
        "Action": ACTION,
        "Resource": named.arn,
    }));
    if let Some(organization) = &input.organization_id {
        statement.insert("Condition".to_owned(), json!({"StringEquals": {"aws:PrincipalOrgID": organization}}));
    }
    let statement = Value::from(statement);
    let text = statement.to_string();
    let revision_id = named.change(registry, |policy| {
        let mut policy = policy.unwrap_or_else(PolicyRecord::new);
        policy.add(statement, request.parameter("RevisionId").as_deref(), TELLS)?;
        policy.parsed().map_err(|error| malformed(&error))?;
        Ok(policy)
    })?;
    json(StatusCode::CREATED, &json!({"Statement": text, "RevisionId": revision_id}))
}

/// `GET /2018-10-31/layers/{name}/versions/{number}/policy`
pub fn get(registry: &Registry, layer: &str, version: &str) -> Result<ApiResponse, ApiError> {
    let named = NamedVersion::of(registry, layer, version)?;
    let record: Option<LayerRecord> = registry.store().record(Collection::Layers, &named.key)?;
    let policy = said(record.ok_or_else(|| named.missing())?.policy)?;
    json(StatusCode::OK, &json!({"Policy": policy.document().to_string(), "RevisionId": policy.revision_id}))
}

/// `DELETE /2018-10-31/layers/{name}/versions/{number}/policy/{sid}`
pub fn remove(registry: &Registry, request: &ApiRequest, layer: &str, version: &str, sid: &str) -> Result<ApiResponse, ApiError> {
    let named = NamedVersion::of(registry, layer, version)?;
    named.change(registry, |policy| {
        let mut policy = said(policy)?;
        policy.remove(sid, request.parameter("RevisionId").as_deref(), TELLS)?;
        Ok(policy)
    })?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// A policy that says something.
fn said(policy: Option<PolicyRecord>) -> Result<PolicyRecord, ApiError> {
    let policy = policy.filter(|policy| !policy.statements.is_empty());
    policy.ok_or_else(|| ApiError::not_found("No policy is associated with the given resource."))
}

/// The version of a layer that a path names, whether it is there or not.
struct NamedVersion {
    arn: String,
    key: String,
}

impl NamedVersion {
    fn of(registry: &Registry, layer: &str, version: &str) -> Result<NamedVersion, ApiError> {
        let name = name(registry, layer)?;
        let arn = format!("{}:{version}", registry.account().layer_arn(name));
        let key = number(version)?.map(|number| key(name, number)).unwrap_or_default();
        Ok(NamedVersion { arn, key })
    }

    fn missing(&self) -> ApiError {
        ApiError::not_found(format!("Layer version {} does not exist.", self.arn))
    }

    /// Changes the policy; returns its new revision id. Blocks for the disk.
    fn change(
        &self,
        registry: &Registry,
        work: impl FnOnce(Option<PolicyRecord>) -> Result<PolicyRecord, ApiError>,
    ) -> Result<String, ApiError> {
        registry.store().change(|change| {
            let record: Option<LayerRecord> = change.record(Collection::Layers, &self.key)?;
            let mut record = record.ok_or_else(|| self.missing())?;
            let policy = work(record.policy.take())?;
            let revision_id = policy.revision_id.clone();
            record.policy = Some(policy);
            change.put(Collection::Layers, &self.key, &record)?;
            Ok(revision_id)
        })
    }
}

fn is_principal(text: &str) -> bool {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let root = || text.strip_prefix("arn:aws:iam::")?.strip_suffix(":root");
    text == "*" || is_account(text) || root().is_some_and(is_account)
}

fn is_organization(text: &str) -> bool {
    let sound =
        |id: &str| (10..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.strip_prefix("o-").is_some_and(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_shared_with_accounts_and_organizations() {
        for sound in ["*", "123456789012", "arn:aws:iam::123456789012:root"] {
            assert!(is_principal(sound), "{sound}");
        }
        for wrong in ["", "1234567890123", "arn:aws:iam::123456789012:user/ada", "lambda.amazonaws.com", "arn:aws:iam::1:root"] {
            assert!(!is_principal(wrong), "{wrong}");
        }
        assert!(is_organization("o-0123456789") && !is_organization("o-012345678") && !is_organization("0123456789"));
        assert!(!is_organization(&format!("o-{}", "a".repeat(33))) && !is_organization("o-ABCDEFGHIJ"));
    }
}
