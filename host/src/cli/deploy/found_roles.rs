//! Roles as they are: those of the plan, and those that belong to its stack.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cli::api::{ApiClient, elements, there};
use crate::limits::sam::PAGES;
use crate::percent::decoded;
use crate::sam::{FoundStack, FoundThing, Owner, STACK_TAG, StackPlan, ThingKey};

pub(super) async fn look(client: &mut ApiClient, plan: &StackPlan, found: &mut FoundStack) -> anyhow::Result<()> {
    let planned: Vec<&str> = plan
        .things
        .iter()
        .filter_map(|thing| match &thing.key {
            ThingKey::Role(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let names = match all(client, "ListRoles", &[]).await {
        Ok(pages) => pages.iter().flat_map(|page| elements(page, "RoleName")).collect(),
        // A host without IAM has no roles, and a stack without roles needs none, nor who may see them.
        Err(error) if planned.is_empty() && is_elsewhere(&error) => Vec::new(),
        Err(error) => return Err(error.context("the template has functions without a `Role`, for which roles are made")),
    };
    for name in names {
        let is_planned = planned.contains(&name.as_str());
        let tags = tags(client, &name).await?;
        let owner = tags.get(STACK_TAG).and_then(Value::as_str).map_or(Owner::Nobody, |stack| Owner::Stack(stack.to_owned()));
        if is_planned || owner == Owner::Stack(plan.stack.clone()) {
            let mut members = members(client, &name).await?;
            members.insert("Tags", tags.into());
            found.things.insert(ThingKey::Role(name), FoundThing { members, owner });
        }
    }
    Ok(())
}

fn is_elsewhere(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<crate::cli::api::Refusal>();
    refusal.is_some_and(|refusal| ["UnknownOperationException", "AccessDenied"].contains(&refusal.code.as_str()))
}

/// All pages of a list.
async fn all(client: &mut ApiClient, operation: &'static str, parameters: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let (mut pages, mut marker): (Vec<String>, Option<String>) = (Vec::new(), None);
    for _ in 0..PAGES {
        let mut parameters = parameters.to_vec();
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = client.query("iam", operation, &parameters).await??;
        let is_last = elements(&page, "IsTruncated").first().is_none_or(|truncated| truncated != "true");
        marker = elements(&page, "Marker").into_iter().next();
        pages.push(page);
        if is_last || marker.is_none() {
            break;
        }
    }
    Ok(pages)
}

async fn tags(client: &mut ApiClient, name: &str) -> anyhow::Result<Map<String, Value>> {
    let pages = all(client, "ListRoleTags", &[("RoleName", name)]).await?;
    let first = |xml: &str, name: &str| elements(xml, name).into_iter().next().unwrap_or_default();
    let tags = pages.iter().flat_map(|page| elements(page, "member"));
    Ok(tags.map(|tag| (first(&tag, "Key"), first(&tag, "Value").into())).collect())
}

async fn members(client: &mut ApiClient, name: &str) -> anyhow::Result<BTreeMap<&'static str, Value>> {
    let of_role = [("RoleName", name)];
    let Some(told) = there(client.query("iam", "GetRole", &of_role).await?)? else { return Ok(BTreeMap::new()) };
    let part = |name: &str| elements(&told, name).into_iter().next().unwrap_or_default();
    let document = |text: &str| serde_json::from_str::<Value>(&decoded(text)).unwrap_or_default();
    let mut policies = Map::new();
    for page in all(client, "ListRolePolicies", &of_role).await? {
        for policy in elements(&page, "member") {
            let told = client.query("iam", "GetRolePolicy", &[("RoleName", name), ("PolicyName", &policy)]).await??;
            policies.insert(policy, document(&elements(&told, "PolicyDocument").into_iter().next().unwrap_or_default()));
        }
    }
    let attached = all(client, "ListAttachedRolePolicies", &of_role).await?;
    let mut attached: Vec<String> = attached.iter().flat_map(|page| elements(page, "PolicyArn")).collect();
    attached.sort_unstable();
    Ok(BTreeMap::from([
        ("AssumeRolePolicyDocument", document(&part("AssumeRolePolicyDocument"))),
        ("Path", part("Path").into()),
        ("Description", part("Description").into()),
        ("MaxSessionDuration", part("MaxSessionDuration").parse::<i64>().unwrap_or(3_600).into()),
        ("PermissionsBoundary", part("PermissionsBoundaryArn").into()),
        ("Policies", policies.into()),
        ("ManagedPolicyArns", json!(attached)),
    ]))
}
