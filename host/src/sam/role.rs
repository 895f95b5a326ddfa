//! `AWS::IAM::Role`, and the roles that functions get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::PropertyReader;
use super::node::{Shape, TemplateNode};
use super::plan::{Thing, ThingKey};
use super::policies::{Permissions, document};
use super::reading::ResourceReading;
use super::reference::Reference;

/// Who may take the role of a function.
pub(super) fn trust() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}],
    })
}

/// All that is compared of a role.
pub(super) struct RoleMembers {
    pub(super) trust: Value,
    pub(super) permissions: Permissions,
    pub(super) path: String,
    pub(super) description: String,
    pub(super) session_s: i64,
    pub(super) boundary: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl RoleMembers {
    pub(super) fn thing(self, name: &str) -> Thing {
        let mut members = BTreeMap::from(self.permissions.members());
        members.extend([
            ("AssumeRolePolicyDocument", self.trust),
            ("Path", self.path.into()),
            ("Description", self.description.into()),
            ("MaxSessionDuration", self.session_s.into()),
            ("PermissionsBoundary", self.boundary.unwrap_or_default().into()),
            ("Tags", json!(self.tags)),
        ]);
        Thing { key: ThingKey::Role(name.to_owned()), members }
    }
}

pub(super) fn read(reading: &mut ResourceReading<'_, '_>, logical: &str, properties: &TemplateNode) {
    let report = reading.scope.report;
    let Some(Reference::Role { name, path }) = reading.reference(logical) else { return };
    let fields = PropertyReader::of(&format!("role `{logical}`"), &properties.span, properties, report);
    fields.text("RoleName");
    fields.text("Path");
    if fields.entry("AssumeRolePolicyDocument").is_none() {
        report.error(
            &fields.span,
            format!("role `{logical}` has no `AssumeRolePolicyDocument`"),
            "one that lets `lambda.amazonaws.com` do `sts:AssumeRole`",
        );
    }
    let trust = fields.node("AssumeRolePolicyDocument").and_then(|node| document(node, report));
    let mut permissions = Permissions::default();
    for policy in fields.list("Policies").unwrap_or_default() {
        let fields = PropertyReader::of(&format!("a policy of role `{logical}`"), &policy.span, policy, report);
        let (name, body) = (fields.required("PolicyName", "a name"), fields.node("PolicyDocument"));
        if body.is_none() {
            report.error(&policy.span, format!("a policy of role `{logical}` has no `PolicyDocument`"), "");
        }
        fields.finish(&[]);
        if let (Some(name), Some(document)) = (name, body.and_then(|body| document(body, report)))
            && permissions.documents.insert(name.text.clone(), document).is_some()
        {
            report.error(&name.span, format!("the policy `{}` is there twice", name.text), "rename one of them");
        }
    }
    for arn in fields.texts("ManagedPolicyArns").unwrap_or_default() {
        if !arn.starts_with("arn:") {
            report.error(
                &fields.span,
                format!("`{arn}` in `ManagedPolicyArns` is no ARN"),
                "such as `arn:aws:iam::aws:policy/NAME`",
            );
        }
        permissions.attach(arn);
    }
    let mut tags = reading.tags(logical);
    for tag in fields.list("Tags").unwrap_or_default() {
        let pair = |key: &str| tag.entry(key).and_then(|entry| entry.value.as_text()).map(str::to_owned);
        match (pair("Key"), pair("Value")) {
            (Some(key), Some(value)) => drop(tags.insert(key, value)),
            _ if matches!(tag.shape, Shape::Broken) => {}
            _ => report.error(&tag.span, "a tag of a role has a key and a value", "`{Key: NAME, Value: VALUE}`"),
        }
    }
    let members = RoleMembers {
        trust: trust.unwrap_or_default(),
        permissions,
        path,
        description: fields.text("Description").map(|text| text.text).unwrap_or_default(),
        session_s: fields.integer("MaxSessionDuration", 3_600..=43_200).unwrap_or(3_600),
        boundary: fields.text("PermissionsBoundary").map(|arn| arn.text),
        tags,
    };
    fields.finish(&[]);
    reading.roles.push(members.thing(&name));
}
