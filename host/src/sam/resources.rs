//! `Resources`: their types, and their names.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::fields::{Placed, PropertyReader};
use super::node::{Entry, Shape, TemplateNode};
use super::reference::Reference;
use super::report::one_of;
use super::resolve::NameScope;
use crate::limits::sam::{NAME_CHARS, RESOURCES};

/// A resource that is there: its condition holds.
pub(super) struct TemplateResource<'n> {
    pub(super) logical: &'n str,
    pub(super) span: Range<usize>,
    pub(super) kind: ResourceKind,
    /// Not resolved yet; with what `Globals` says.
    pub(super) properties: TemplateNode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourceKind {
    Function,
    Layer,
    Permission,
    Role,
}

const KINDS: [(&str, ResourceKind); 4] = [
    ("AWS::Serverless::Function", ResourceKind::Function),
    ("AWS::Serverless::LayerVersion", ResourceKind::Layer),
    ("AWS::Lambda::Permission", ResourceKind::Permission),
    ("AWS::IAM::Role", ResourceKind::Role),
];

/// Types that templates have often, and what to do about them.
const REFUSED: [(&str, &str); 11] = [
    ("AWS::Serverless::Api", "the edge serves `Api` events: leave `RestApiId` and this out"),
    ("AWS::Serverless::HttpApi", "the edge serves `HttpApi` events: leave `ApiId` and this out"),
    ("AWS::Serverless::SimpleTable", "make the table with `aws dynamodb create-table`, and name it in the environment"),
    ("AWS::DynamoDB::", "make the table with `aws dynamodb create-table`, and name it in the environment"),
    ("AWS::Serverless::StateMachine", "state machines are not there"),
    ("AWS::Serverless::Application", "applications are not nested here: deploy it as a stack of its own"),
    ("AWS::Lambda::Function", "write it as `AWS::Serverless::Function`"),
    ("AWS::Lambda::LayerVersion", "write it as `AWS::Serverless::LayerVersion`"),
    ("AWS::Lambda::Url", "write it as `FunctionUrlConfig` of the function"),
    ("AWS::SQS::", "queues are not deployed here: make it with `aws sqs create-queue`, and pass its ARN with `--parameter`"),
    ("AWS::SecretsManager::", "make it with `aws secretsmanager create-secret`, and pass its ARN with `--parameter`"),
];

/// The resources that are there, and what the name of each stands for.
pub(super) fn read<'n>(
    section: &'n TemplateNode,
    globals: Option<&TemplateNode>,
    scope: &NameScope<'n>,
) -> (Vec<TemplateResource<'n>>, BTreeMap<String, Reference>) {
    let (mut resources, mut names) = (Vec::new(), BTreeMap::new());
    let Some(entries) = section.as_map() else {
        if !section.is_broken() {
            scope.report.error(&section.span, format!("`Resources` is {}", section.kind()), "a map is expected");
        }
        return (resources, names);
    };
    if entries.len() > RESOURCES {
        scope.report.error(&section.span, format!("{} resources are too many", entries.len()), format!("at most {RESOURCES}"));
        return (resources, names);
    }
    for entry in entries {
        let reference = match resource(entry, section, globals, scope) {
            Some(Some(resource)) => {
                let reference = named(&resource, scope).unwrap_or(Reference::Broken);
                resources.push(resource);
                reference
            }
            Some(None) => Reference::Absent,
            None => Reference::Broken,
        };
        names.insert(entry.key.clone(), reference);
    }
    (resources, names)
}

/// `Some(None)` if its condition is false.
fn resource<'n>(
    entry: &'n Entry,
    section: &TemplateNode,
    globals: Option<&TemplateNode>,
    scope: &NameScope<'n>,
) -> Option<Option<TemplateResource<'n>>> {
    let report = scope.report;
    if entry.key.is_empty() || !entry.key.chars().all(|c| c.is_ascii_alphanumeric()) {
        report.error(&entry.key_span, format!("`{}` cannot be the name of a resource", entry.key), "letters and digits");
    }
    let fields = PropertyReader::of(&format!("resource `{}`", entry.key), &entry.key_span, &entry.value, report);
    let kind = fields.required("Type", "such as `Type: AWS::Serverless::Function`");
    let is_there = fields.node("Condition").is_none_or(|name| scope.condition(name).unwrap_or(false));
    for needed in fields.texts("DependsOn").unwrap_or_default() {
        if section.entry(&needed).is_none() {
            report.error(&entry.key_span, format!("`DependsOn` of `{}` names `{needed}`, which is no resource", entry.key), "");
        }
    }
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        if let Some(written) = fields.text(policy)
            && written.text != "Delete"
        {
            report.error(
                &written.span,
                format!("`{policy}: {}` is not supported here", written.text),
                "nothing is deleted without `--prune`: leave it out",
            );
        }
    }
    if let Some(built) = fields.node("Metadata").and_then(|metadata| metadata.entry("BuildMethod")) {
        report.warn(
            &built.key_span,
            format!("`BuildMethod` of `{}`: nothing is built here, files are sent as they are", entry.key),
        );
    }
    fields.entry("Properties");
    fields.finish(&[("CreationPolicy", "it is for machines"), ("UpdatePolicy", "aliases move at once: leave it out")]);
    let kind = kind?;
    let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == kind.text) else {
        let remedy = match REFUSED.iter().find(|(name, _)| kind.text.starts_with(name)) {
            Some((_, why)) => (*why).to_owned(),
            None => one_of(&kind.text, KINDS.map(|(name, _)| name)),
        };
        report.error(&kind.span, format!("`{}` is not supported here", kind.text), remedy);
        return None;
    };
    if !is_there {
        return Some(None);
    }
    let mut properties = match fields.node("Properties") {
        Some(properties) => properties.clone(),
        None => TemplateNode { shape: Shape::Map(Vec::new()), span: entry.key_span.clone() },
    };
    if *kind == ResourceKind::Function
        && let Some(globals) = globals
    {
        properties = super::globals::merged(globals, &properties);
    }
    Some(Some(TemplateResource { logical: &entry.key, span: entry.key_span.clone(), kind: *kind, properties }))
}

/// What the name of a resource stands for, by the properties that say so.
fn named(resource: &TemplateResource<'_>, scope: &NameScope<'_>) -> Option<Reference> {
    let property = |key: &str| -> Option<Option<Placed>> {
        let Some(entry) = resource.properties.entry(key) else { return Some(None) };
        let node = scope.resolve(&entry.value);
        match &node.shape {
            Shape::Text { text, .. } if !node.is_null() => Some(Some(Placed { text: text.clone(), span: node.span })),
            Shape::Broken => None,
            Shape::Nothing | Shape::Text { .. } => Some(None),
            _ => {
                scope.report.error(&node.span, format!("`{key}` is {}", node.kind()), "a text is expected");
                None
            }
        }
    };
    let name = |key: &str, otherwise: String| -> Option<String> {
        let Some(written) = property(key)? else { return Some(otherwise) };
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || (key == "RoleName" && "+=,.@".contains(c));
        if written.text.is_empty() || written.text.len() > NAME_CHARS || !written.text.chars().all(sound) {
            let remedy = format!("1 to {NAME_CHARS} letters, digits, `-` and `_`");
            scope.report.error(&written.span, format!("`{}` cannot be a `{key}`", written.text), remedy);
            return None;
        }
        Some(written.text)
    };
    let path = |key: &str| -> Option<String> {
        let Some(written) = property(key)? else { return Some("/".to_owned()) };
        if !written.text.starts_with('/') || !written.text.ends_with('/') {
            scope.report.error(&written.span, format!("`{}` is no path", written.text), "it begins and ends with `/`");
            return None;
        }
        Some(written.text)
    };
    match resource.kind {
        ResourceKind::Function => {
            let function = name("FunctionName", made(scope.stack, resource.logical));
            let alias = property("AutoPublishAlias");
            if let Some(Some(alias)) = &alias
                && (alias.text.is_empty()
                    || alias.text.bytes().all(|byte| byte.is_ascii_digit())
                    || !alias.text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
            {
                scope.report.error(
                    &alias.span,
                    format!("`{}` cannot be the name of an alias", alias.text),
                    "letters, digits, `-` and `_`, and not only digits",
                );
                return None;
            }
            let role = match resource.properties.entry("Role") {
                Some(_) => None,
                None => Some(Box::new(Reference::Role {
                    name: made(scope.stack, &format!("{}Role", resource.logical)),
                    path: path("RolePath")?,
                })),
            };
            let has_url = resource.properties.entry("FunctionUrlConfig").is_some();
            Some(Reference::Function { name: function?, alias: alias?.map(|alias| alias.text), has_url, role })
        }
        ResourceKind::Role => {
            Some(Reference::Role { name: name("RoleName", made(scope.stack, resource.logical))?, path: path("Path")? })
        }
        ResourceKind::Layer => Some(Reference::Layer { name: name("LayerName", resource.logical.to_owned())? }),
        ResourceKind::Permission => Some(Reference::Permission),
    }
}

/// The name of what has none: the same at each deployment.
pub(super) fn made(stack: &str, logical: &str) -> String {
    joined(stack, "-", logical, NAME_CHARS)
}

/// A long name ends in its hash.
pub(super) fn joined(stack: &str, between: &str, logical: &str, chars_max: usize) -> String {
    let name = [stack, between, logical].concat();
    if name.len() <= chars_max {
        return name;
    }
    let hash = hex::encode(&Sha256::digest(&name)[..4]);
    let kept: String = name.chars().take(chars_max - 1 - hash.len()).collect();
    format!("{kept}-{hash}")
}
