//! What a role's or user's policies would say of requests that nobody makes: `SimulatePrincipalPolicy`.

use crate::aws::error::ApiError;
use crate::aws::iam::operation::IamOperation;
use crate::aws::iam::paging::ListPage;
use crate::aws::iam::{entity, input};
use crate::aws::identities::IdentityKind;
use crate::aws::policy::{Context, Decision, Principal, Request};
use crate::aws::query::{QueryForm, Xml};
use crate::limits::iam::{PARAMETERS, RESOURCE_BYTES, SIMULATED};

/// What would change the answer, and is not known here.
const NOT_HERE: [&str; 4] = ["PolicyInputList", "PermissionsBoundaryPolicyInputList", "ResourcePolicy", "CallerArn"];

pub fn simulate(op: &IamOperation<'_>) -> Result<Option<Xml>, ApiError> {
    if let Some(absent) = NOT_HERE.iter().find(|name| op.form.has(name)) {
        return Err(ApiError::not_there(&format!("{absent} of iam:SimulatePrincipalPolicy")));
    }
    let arn = input::required(op.form, "PolicySourceArn")?;
    let kind = if arn.contains(":role/") { IdentityKind::Role } else { IdentityKind::User };
    let name = arn.rsplit('/').next().unwrap_or_default();
    let identity = op.identities().find(kind, name)?.filter(|identity| identity.arn == arn);
    let identity = identity.ok_or_else(|| entity::missing(format!("The entity with arn {arn} cannot be found.")))?;
    let principal = match kind {
        IdentityKind::User => Principal::of_user(arn),
        IdentityKind::Role => Principal::of_session(arn, "simulation"),
    };
    let principal = principal.map_err(|error| ApiError::validation(error.to_string()))?;
    let actions = op.form.list("ActionNames");
    let mut resources = op.form.list("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
    }
    if actions.iter().chain(&resources).any(|text| text.len() > RESOURCE_BYTES) {
        return Err(ApiError::validation(format!("Actions and resources may have {RESOURCE_BYTES} bytes each.")));
    }
    if actions.len().saturating_mul(resources.len()) > SIMULATED {
        return Err(ApiError::validation(format!("A simulation may have {SIMULATED} actions times resources.")));
    }
    let context = context(&principal, op.form)?;
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            let request = Request { principal: &principal, action, resource, context: &context };
            results.push((results.len(), *action, *resource, op.authority.simulate(&identity, &request)));
        }
    }
    let page = ListPage::of(op.form, results, |(place, ..)| format!("{place:06}"))?;
    let mut xml = Xml::default();
    xml.list("EvaluationResults", &page.items, |xml, (_, action, resource, decision)| {
        xml.text("EvalActionName", action);
        xml.text("EvalResourceName", resource);
        xml.text(
            "EvalDecision",
            match decision {
                Decision::Allowed => "allowed",
                Decision::ExplicitlyDenied { .. } => "explicitDeny",
                Decision::ImplicitlyDenied { .. } => "implicitDeny",
            },
        );
        xml.list("MatchedStatements", [(); 0], |_, ()| {});
        xml.list("MissingContextValues", [(); 0], |_, ()| {});
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

/// `ContextEntries`, in place of what follows from the identity.
fn context(principal: &Principal, form: &QueryForm) -> Result<Context, ApiError> {
    let mut context = Context::of(principal);
    for number in 1..=PARAMETERS {
        let Some(key) = form.member("ContextEntries", number, "ContextKeyName") else { break };
        let values = form.list(&format!("ContextEntries.member.{number}.ContextKeyValues"));
        if values.iter().any(|value| value.len() > RESOURCE_BYTES) {
            return Err(ApiError::validation(format!("Values of context keys may have {RESOURCE_BYTES} bytes each.")));
        }
        let is_list = form.member("ContextEntries", number, "ContextKeyType").is_some_and(|kind| kind.ends_with("List"));
        match &values[..] {
            [value] if !is_list => context.put(key, *value),
            _ => context.put_all(key, values),
        }
    }
    Ok(context)
}
