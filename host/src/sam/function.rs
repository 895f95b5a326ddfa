//! `AWS::Serverless::Function`: what it becomes of functions, aliases, URLs, roles and settings.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::PropertyReader;
use super::function_settings::FunctionSettings;
use super::node::TemplateNode;
use super::plan::{CodeArchive, Thing, ThingKey};
use super::policies::{Permissions, service_role};
use super::reading::ResourceReading;
use super::reference::Reference;
use super::role::{RoleMembers, trust};
use super::{events, permission, policies};

/// What this host has no equal for.
const REFUSED: [(&str, &str); 12] = [
    ("AutoPublishCodeSha256", "a version is published when something has changed: leave it out"),
    ("CodeSigningConfigArn", "code is not signed here: leave it out"),
    (
        "DeploymentPreference",
        "an alias moves at once here: leave it out, or shift by hand with `aws lambda update-alias --routing-config`",
    ),
    ("DurableConfig", "leave it out"),
    ("FileSystemConfigs", "there are no shared file systems"),
    ("FunctionScalingConfig", "use `ReservedConcurrentExecutions` and `ProvisionedConcurrencyConfig`"),
    ("ImageConfig", "container images do not run here"),
    ("ImageUri", "container images do not run here: `CodeUri` is a folder or a zip archive"),
    ("KmsKeyArn", "the environment is kept in the data folder: leave it out"),
    ("RecursiveLoop", "set it with `aws lambda put-function-recursion-config`"),
    ("RuntimeManagementConfig", "one engine of a language is installed: leave it out"),
    ("SourceKMSKeyArn", "leave it out"),
];

/// `written` are the properties as they stand in the template, to see what is literal.
pub(super) fn read(reading: &mut ResourceReading<'_, '_>, logical: &str, properties: &TemplateNode, written: &TemplateNode) {
    let (report, account) = (reading.scope.report, reading.scope.account);
    let Some(Reference::Function { name, alias, role, .. }) = reading.reference(logical) else { return };
    let fields = PropertyReader::of(&format!("function `{logical}`"), &properties.span, properties, report);
    for known in ["FunctionName", "AutoPublishAlias", "RolePath"] {
        fields.entry(known);
    }
    // A role of its own may have to allow what its settings name.
    let mut permissions = Permissions::default();
    let settings = FunctionSettings::read(&fields, &name, written, &mut permissions);
    let code = code(reading, &fields);
    let own_role = own_role(reading, &fields, logical, role.as_deref(), permissions);
    let arn = match (&own_role, fields.text("Role")) {
        (Some(Reference::Role { .. }), _) => own_role.as_ref().and_then(|role| role.attribute("Arn", account)),
        (_, Some(written)) if written.text.starts_with("arn:") => Some(written.text),
        (_, Some(written)) => {
            report.error(&written.span, format!("`{}` is no ARN of a role", written.text), "such as `!GetAtt ROLE.Arn`");
            None
        }
        (_, None) => {
            if fields.entry("Role").is_none_or(|entry| !entry.value.is_broken()) {
                report.error(
                    &fields.span,
                    format!("`Role` of `{logical}` is nothing"),
                    "leave it out, and the function gets a role of its own",
                );
            }
            None
        }
    };
    let mut tags = fields.pairs("Tags").unwrap_or_default();
    if let Some(tag) = tags.keys().find(|tag| tag.starts_with("edgeward:") || tag.starts_with("aws:")) {
        report.error(&fields.span, format!("the tag `{tag}` of `{logical}` is not the template's to set"), "rename it");
    }
    tags.extend(reading.tags(logical));
    let mut members = settings.members;
    members.extend([
        ("CodeSha256", code.unwrap_or_default().into()),
        ("Role", arn.unwrap_or_default().into()),
        ("Tags", json!(tags)),
    ]);
    let mut group = vec![Thing { key: ThingKey::Function(name.clone()), members }];
    if let Some(alias) = &alias {
        group.push(alias_thing(&group[0], &name, alias));
    } else {
        for needs in ["VersionDescription", "AutoPublishAliasAllProperties", "ProvisionedConcurrencyConfig"] {
            if let Some(entry) = fields.entry(needs)
                && !entry.value.is_null()
            {
                report.error(
                    &entry.key_span,
                    format!("`{needs}` of `{logical}` needs `AutoPublishAlias`"),
                    "such as `AutoPublishAlias: live`",
                );
            }
        }
    }
    fields.text("VersionDescription");
    fields.flag("AutoPublishAliasAllProperties");
    url(reading, &fields, logical, (&name, alias.as_deref()), &mut group);
    provisioned(reading, &fields, (&name, alias.as_deref()));
    if let Some(invoke) = settings.event_invoke {
        reading.asynchronous.insert(name.clone());
        reading.asynchronous.extend(settings.destinations);
        let key = ThingKey::EventInvoke { function: name.clone(), alias: alias.clone() };
        reading.after.push(Thing { key, members: invoke });
    }
    reading.functions.push(group);
    events::read(reading, &fields, &name, alias.as_deref(), settings.timeout_s);
    fields.finish(&REFUSED);
}

/// An alias leads to a version that has all of this.
fn alias_thing(function: &Thing, name: &str, alias: &str) -> Thing {
    // The description of a version is its own; the others are not of versions.
    let of_version = |member: &&str| !["Description", "Tags", "ReservedConcurrentExecutions"].contains(member);
    let version: serde_json::Map<String, Value> = function
        .members
        .iter()
        .filter(|(member, _)| of_version(member))
        .map(|(member, value)| ((*member).to_owned(), value.clone()))
        .collect();
    let key = ThingKey::Alias { function: name.to_owned(), alias: alias.to_owned() };
    Thing { key, members: BTreeMap::from([("Version", version.into())]) }
}

fn code(reading: &mut ResourceReading<'_, '_>, fields: &PropertyReader<'_>) -> Option<String> {
    let report = fields.report;
    let runtime = fields.text("Runtime").map(|runtime| runtime.text).unwrap_or_default();
    match (fields.entry("CodeUri"), fields.text("InlineCode")) {
        (Some(uri), Some(_)) => {
            let message = format!("{} has `CodeUri` and `InlineCode`", fields.owner);
            report.error(&uri.key_span, message, "remove one of them");
            None
        }
        (_, Some(inline)) => {
            let name = match runtime.as_str() {
                runtime if runtime.starts_with("python") => "index.py",
                runtime if runtime.starts_with("nodejs") => "index.js",
                _ => {
                    report.error(
                        &inline.span,
                        format!("`InlineCode` is for Python and Node.js, and the runtime is `{runtime}`"),
                        "use `CodeUri`",
                    );
                    return None;
                }
            };
            match CodeArchive::source(name, &inline.text) {
                Ok(archive) => Some(reading.keep(archive)),
                Err(why) => {
                    report.error(&inline.span, format!("`InlineCode` cannot be sent: {why}"), "");
                    None
                }
            }
        }
        (Some(_), None) => reading.package(fields, "CodeUri"),
        (None, None) => {
            report.error(&fields.span, format!("{} has no code", fields.owner), "`CodeUri` or `InlineCode`");
            None
        }
    }
}

/// The role that a function has if it names none.
fn own_role(
    reading: &mut ResourceReading<'_, '_>,
    fields: &PropertyReader<'_>,
    logical: &str,
    role: Option<&Reference>,
    mut permissions: Permissions,
) -> Option<Reference> {
    let report = fields.report;
    let policies = fields.node("Policies");
    let trusted = fields.node("AssumeRolePolicyDocument");
    let boundary = fields.text("PermissionsBoundary").map(|arn| arn.text);
    let shared = fields.flag("PropagateTags").unwrap_or(false);
    let Some(Reference::Role { name, path }) = role else {
        for only in ["Policies", "AssumeRolePolicyDocument", "PermissionsBoundary"] {
            if let Some(entry) = fields.entry(only)
                && !entry.value.is_null()
            {
                report.error(
                    &entry.key_span,
                    format!("`{only}` of `{logical}` is for a role of its own, and it names a `Role`"),
                    "remove one of them",
                );
            }
        }
        return None;
    };
    permissions.attach(service_role("AWSLambdaBasicExecutionRole"));
    if let Some(policies) = policies {
        permissions.read(policies, &format!("{logical}Role"), report, reading.scope.account);
    }
    let mut tags = if shared { fields.pairs("Tags").unwrap_or_default() } else { BTreeMap::new() };
    tags.extend(reading.tags(&format!("{logical}Role")));
    let members = RoleMembers {
        trust: trusted.and_then(|node| policies::document(node, report)).unwrap_or_else(trust),
        permissions,
        path: path.clone(),
        description: String::new(),
        session_s: 3_600,
        boundary,
        tags,
    };
    reading.roles.push(members.thing(name));
    role.cloned()
}

/// The URL, and who may call it.
fn url(
    reading: &mut ResourceReading<'_, '_>,
    fields: &PropertyReader<'_>,
    logical: &str,
    (name, alias): (&str, Option<&str>),
    group: &mut Vec<Thing>,
) {
    let Some(url) = fields.within("FunctionUrlConfig") else { return };
    let Some(auth) = url.required("AuthType", "`NONE`, or `AWS_IAM`").and_then(|_| url.choice("AuthType", &["NONE", "AWS_IAM"]))
    else {
        return;
    };
    let mode = url.choice("InvokeMode", &["BUFFERED", "RESPONSE_STREAM"]).unwrap_or_else(|| "BUFFERED".to_owned());
    let mut cors = serde_json::Map::new();
    if let Some(written) = url.within("Cors") {
        for list in ["AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders"] {
            if let Some(texts) = written.texts(list) {
                cors.insert(list.to_owned(), texts.into());
            }
        }
        if let Some(allowed) = written.flag("AllowCredentials") {
            cors.insert("AllowCredentials".to_owned(), allowed.into());
        }
        if let Some(age) = written.integer("MaxAge", 0..=86_400) {
            cors.insert("MaxAge".to_owned(), age.into());
        }
        written.finish(&[]);
    }
    url.finish(&[]);
    let alias = alias.map(str::to_owned);
    let members = BTreeMap::from([("AuthType", auth.as_str().into()), ("InvokeMode", mode.into()), ("Cors", cors.into())]);
    group.push(Thing { key: ThingKey::Url { function: name.to_owned(), alias: alias.clone() }, members });
    if auth == "NONE" {
        let members = BTreeMap::from([
            ("Action", "lambda:InvokeFunctionUrl".into()),
            ("Principal", "*".into()),
            ("FunctionUrlAuthType", "NONE".into()),
        ]);
        let sid = permission::sid(reading.scope.stack, &format!("{logical}UrlPublicPermissions"));
        group.push(Thing { key: ThingKey::Permission { function: name.to_owned(), alias, sid }, members });
    }
}

fn provisioned(reading: &mut ResourceReading<'_, '_>, fields: &PropertyReader<'_>, (name, alias): (&str, Option<&str>)) {
    let Some(config) = fields.within("ProvisionedConcurrencyConfig") else { return };
    config.required("ProvisionedConcurrentExecutions", "a number");
    let wanted = config.integer("ProvisionedConcurrentExecutions", 1..=1_000);
    config.finish(&[]);
    if let (Some(wanted), Some(alias)) = (wanted, alias) {
        let key = ThingKey::Provisioned { function: name.to_owned(), alias: alias.to_owned() };
        reading.after.push(Thing { key, members: BTreeMap::from([("ProvisionedConcurrentExecutions", wanted.into())]) });
    }
}
