//! Makes, changes and deletes roles.

use serde_json::Value;

use super::stage::Stage;
use crate::sam::{FoundThing, ThingMembers};

pub(super) async fn create(stage: &mut Stage<'_>, name: &str, members: &ThingMembers) -> anyhow::Result<()> {
    let text = |member: &str| members[member].as_str().unwrap_or_default().to_owned();
    let (trust, path) = (members["AssumeRolePolicyDocument"].to_string(), text("Path"));
    let (description, boundary) = (text("Description"), text("PermissionsBoundary"));
    let session_s = members["MaxSessionDuration"].to_string();
    let tags = tag_parameters(&members["Tags"]);
    let mut parameters =
        vec![("RoleName", name), ("AssumeRolePolicyDocument", &trust), ("Path", &path), ("MaxSessionDuration", &session_s)];
    for (parameter, value) in [("Description", &description), ("PermissionsBoundary", &boundary)] {
        if !value.is_empty() {
            parameters.push((parameter, value));
        }
    }
    parameters.extend(tags.iter().map(|(parameter, value)| (parameter.as_str(), value.as_str())));
    stage.client.query("iam", "CreateRole", &parameters).await??;
    permissions(stage, name, members, None).await
}

pub(super) async fn update(stage: &mut Stage<'_>, name: &str, members: &ThingMembers, there: &FoundThing) -> anyhow::Result<()> {
    let differs = |member: &str| there.members.get(member) != members.get(member);
    if differs("Path") {
        anyhow::bail!("the path of a role cannot change: give it another name, or delete it with `aws iam delete-role`");
    }
    if differs("AssumeRolePolicyDocument") {
        let trust = members["AssumeRolePolicyDocument"].to_string();
        stage.client.query("iam", "UpdateAssumeRolePolicy", &[("RoleName", name), ("PolicyDocument", &trust)]).await??;
    }
    if differs("Description") || differs("MaxSessionDuration") {
        let (description, session_s) =
            (members["Description"].as_str().unwrap_or_default(), members["MaxSessionDuration"].to_string());
        let parameters = [("RoleName", name), ("Description", description), ("MaxSessionDuration", &session_s)];
        stage.client.query("iam", "UpdateRole", &parameters).await??;
    }
    if differs("PermissionsBoundary") {
        match members["PermissionsBoundary"].as_str().unwrap_or_default() {
            "" => stage.client.query("iam", "DeleteRolePermissionsBoundary", &[("RoleName", name)]).await??,
            arn => {
                stage
                    .client
                    .query("iam", "PutRolePermissionsBoundary", &[("RoleName", name), ("PermissionsBoundary", arn)])
                    .await??
            }
        };
    }
    if differs("Tags") {
        let (old, new) = (there.members["Tags"].as_object(), members["Tags"].as_object());
        let gone = old.into_iter().flatten().filter(|(key, _)| new.is_none_or(|new| !new.contains_key(*key)));
        let gone: Vec<(String, String)> =
            (1..).zip(gone).map(|(number, (key, _)): (usize, _)| (format!("TagKeys.member.{number}"), key.clone())).collect();
        let tags = tag_parameters(&members["Tags"]);
        for (operation, parameters) in [("UntagRole", gone), ("TagRole", tags)] {
            if !parameters.is_empty() {
                let parameters = parameters.iter().map(|(parameter, value)| (parameter.as_str(), value.as_str()));
                let parameters: Vec<(&str, &str)> = [("RoleName", name)].into_iter().chain(parameters).collect();
                stage.client.query("iam", operation, &parameters).await??;
            }
        }
    }
    permissions(stage, name, members, Some(there)).await
}

/// New ones first, so that there is no moment without.
async fn permissions(
    stage: &mut Stage<'_>,
    name: &str,
    members: &ThingMembers,
    there: Option<&FoundThing>,
) -> anyhow::Result<()> {
    let old = there.map(|there| &there.members);
    let old_documents = old.and_then(|old| old.get("Policies")?.as_object());
    let old_arns: Vec<&str> =
        old.and_then(|old| old.get("ManagedPolicyArns")?.as_array()).into_iter().flatten().filter_map(Value::as_str).collect();
    let new_documents = members.get("Policies").and_then(Value::as_object);
    let new_arns: Vec<&str> =
        members.get("ManagedPolicyArns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (policy, document) in new_documents.into_iter().flatten() {
        if old_documents.and_then(|old| old.get(policy)) != Some(document) {
            let document = document.to_string();
            let parameters = [("RoleName", name), ("PolicyName", policy), ("PolicyDocument", &document)];
            stage.client.query("iam", "PutRolePolicy", &parameters).await??;
        }
    }
    for arn in new_arns.iter().filter(|arn| !old_arns.contains(arn)) {
        stage.client.query("iam", "AttachRolePolicy", &[("RoleName", name), ("PolicyArn", arn)]).await??;
    }
    for policy in old_documents
        .into_iter()
        .flat_map(|old| old.keys())
        .filter(|policy| new_documents.is_none_or(|new| !new.contains_key(*policy)))
    {
        stage.client.query("iam", "DeleteRolePolicy", &[("RoleName", name), ("PolicyName", policy)]).await??;
    }
    for arn in old_arns.iter().filter(|arn| !new_arns.contains(arn)) {
        stage.client.query("iam", "DetachRolePolicy", &[("RoleName", name), ("PolicyArn", arn)]).await??;
    }
    Ok(())
}

pub(super) async fn delete(stage: &mut Stage<'_>, name: &str, there: &FoundThing) -> anyhow::Result<()> {
    permissions(stage, name, &ThingMembers::new(), Some(there)).await?;
    stage.client.query("iam", "DeleteRole", &[("RoleName", name)]).await??;
    Ok(())
}

fn tag_parameters(tags: &Value) -> Vec<(String, String)> {
    let tags = tags.as_object().into_iter().flatten();
    (1..)
        .zip(tags)
        .flat_map(|(number, (key, value)): (usize, _)| {
            [
                (format!("Tags.member.{number}.Key"), key.clone()),
                (format!("Tags.member.{number}.Value"), value.as_str().unwrap_or_default().to_owned()),
            ]
        })
        .collect()
}
