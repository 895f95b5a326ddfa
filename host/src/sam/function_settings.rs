//! What a function is set to: its configuration as the API has it, with the API's defaults.
//!
//! Source of the names: "AWS::Serverless::Function" in the SAM developer guide.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::fields::PropertyReader;
use super::node::TemplateNode;
use super::policies::{Permissions, service_role};
use crate::advice;
use crate::limits::init::LAYERS;
use crate::limits::lambda as limits;

/// See the module.
pub(super) struct FunctionSettings {
    pub(super) members: BTreeMap<&'static str, Value>,
    pub(super) timeout_s: i64,
    pub(super) event_invoke: Option<BTreeMap<&'static str, Value>>,
    /// Functions that it hands its results to.
    pub(super) destinations: BTreeSet<String>,
}

impl FunctionSettings {
    /// What they name is added to `permissions`.
    pub(super) fn read(
        fields: &PropertyReader<'_>,
        name: &str,
        written: &TemplateNode,
        permissions: &mut Permissions,
    ) -> FunctionSettings {
        let text = |key: &'static str| fields.text(key).map(|text| text.text);
        fields.required("Runtime", "such as `Runtime: python3.14`");
        fields.required("Handler", "such as `Handler: app.handler`");
        fields.choice("PackageType", &["Zip"]);
        let timeout_s = fields.integer("Timeout", 1..=limits::TIMEOUT_S_MAX).unwrap_or(limits::TIMEOUT_S.into());
        let memory_mb = fields.integer("MemorySize", limits::MEMORY_MB_MIN..=limits::MEMORY_MB_MAX);
        let storage_mb = fields.within("EphemeralStorage").and_then(|storage| {
            let size = storage.integer("Size", limits::STORAGE_MB_MIN..=limits::STORAGE_MB_MAX);
            storage.finish(&[]);
            size
        });
        let tracing = fields.choice("Tracing", &["Active", "PassThrough", "Disabled"]).filter(|mode| mode != "Disabled");
        if tracing.as_deref() == Some("Active") {
            permissions.attach("arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess".to_owned());
        }
        let snap_start = fields.within("SnapStart").and_then(|snap| {
            let on = snap.choice("ApplyOn", &["PublishedVersions", "None"]);
            snap.finish(&[]);
            on
        });
        let dead_letter = dead_letter(fields, permissions);
        let (event_invoke, destinations) = event_invoke(fields, dead_letter.is_some(), permissions);
        let reserved = fields.integer("ReservedConcurrentExecutions", 0..=limits::CONCURRENCY.into());
        let members = BTreeMap::from([
            ("Runtime", text("Runtime").unwrap_or_default().into()),
            ("Handler", text("Handler").unwrap_or_default().into()),
            ("Description", text("Description").unwrap_or_default().into()),
            ("Timeout", timeout_s.into()),
            ("MemorySize", memory_mb.unwrap_or(limits::MEMORY_MB.into()).into()),
            ("EphemeralStorage", json!({"Size": storage_mb.unwrap_or(limits::STORAGE_MB.into())})),
            ("TracingConfig", json!({"Mode": tracing.unwrap_or_else(|| "PassThrough".to_owned())})),
            ("SnapStart", snap_start.map_or_else(|| json!({}), |on| json!({"ApplyOn": on}))),
            ("Architectures", architectures(fields)),
            ("Environment", environment(fields, written)),
            ("Layers", layers(fields)),
            ("LoggingConfig", logging(fields, name)),
            ("DeadLetterConfig", json!({"TargetArn": dead_letter.unwrap_or_default()})),
            ("VpcConfig", vpc(fields, permissions)),
            ("ReservedConcurrentExecutions", reserved.map_or(Value::Null, Value::from)),
        ]);
        FunctionSettings { members, timeout_s, event_invoke, destinations }
    }
}

fn architectures(fields: &PropertyReader<'_>) -> Value {
    let asked = fields.texts("Architectures").unwrap_or_default();
    if let Some(entry) = fields.entry("Architectures")
        && (asked.len() > 1 || asked.iter().any(|name| !["x86_64", "arm64"].contains(&name.as_str())))
    {
        fields.report.error(
            &entry.value.span,
            "`Architectures` is one of `x86_64`, `arm64`",
            "functions run on any machine: leave it out",
        );
    }
    json!([asked.first().map_or("x86_64", String::as_str)])
}

fn environment(fields: &PropertyReader<'_>, written: &TemplateNode) -> Value {
    let Some(environment) = fields.within("Environment") else { return json!({}) };
    let variables = environment.pairs("Variables").unwrap_or_default();
    environment.finish(&[]);
    let literal = written.entry("Environment").and_then(|entry| entry.value.entry("Variables"));
    for entry in literal.and_then(|entry| entry.value.as_map()).unwrap_or_default() {
        if let Some(advice) = entry.value.as_text().and_then(|value| advice::secret(&fields.owner, &entry.key, value)) {
            fields.report.advise(&entry.key_span, &advice);
        }
    }
    let variables: Map<String, Value> = variables.into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({"Variables": variables})
}

fn layers(fields: &PropertyReader<'_>) -> Value {
    let layers = fields.texts("Layers").unwrap_or_default();
    if let Some(entry) = fields.entry("Layers") {
        if layers.len() > LAYERS {
            fields.report.error(&entry.key_span, format!("{} layers are too many", layers.len()), format!("at most {LAYERS}"));
        }
        for layer in layers.iter().filter(|layer| !layer.starts_with("arn:") && !layer.starts_with('\0')) {
            fields.report.error(&entry.key_span, format!("`{layer}` is no version of a layer"), "an ARN, or `!Ref LAYER`");
        }
    }
    layers.into()
}

fn logging(fields: &PropertyReader<'_>, name: &str) -> Value {
    let group = format!("/aws/lambda/{name}");
    let Some(logging) = fields.within("LoggingConfig") else { return json!({"LogFormat": "Text", "LogGroup": group}) };
    let format = logging.choice("LogFormat", &["JSON", "Text"]).unwrap_or_else(|| "Text".to_owned());
    let application = logging.choice("ApplicationLogLevel", &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]);
    let system = logging.choice("SystemLogLevel", &["DEBUG", "INFO", "WARN"]);
    let group = logging.text("LogGroup").map_or(group, |group| group.text);
    logging.finish(&[]);
    let info = || "INFO".to_owned();
    if format == "JSON" {
        let (application, system) = (application.unwrap_or_else(info), system.unwrap_or_else(info));
        return json!({"LogFormat": format, "LogGroup": group, "ApplicationLogLevel": application, "SystemLogLevel": system});
    }
    if application.is_some() || system.is_some() {
        fields.report.error(&logging.span, "levels are for `LogFormat: JSON`", "remove the levels, or write JSON");
    }
    json!({"LogFormat": format, "LogGroup": group})
}

fn dead_letter(fields: &PropertyReader<'_>, permissions: &mut Permissions) -> Option<String> {
    let queue = fields.within("DeadLetterQueue")?;
    queue.required("Type", "`SQS`, or `SNS`");
    let kind = queue.choice("Type", &["SQS", "SNS"]);
    let target = queue.required("TargetArn", "the ARN of the queue or topic");
    queue.finish(&[]);
    let (kind, target) = (kind?, target?);
    let action = if kind == "SQS" { "sqs:SendMessage" } else { "sns:Publish" };
    permissions.documents.insert("DeadLetterQueuePolicy".to_owned(), allows(action, &target.text));
    Some(target.text)
}

fn allows(action: &str, resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
}

fn vpc(fields: &PropertyReader<'_>, permissions: &mut Permissions) -> Value {
    let Some(vpc) = fields.within("VpcConfig") else { return json!({}) };
    let (subnets, groups) = (vpc.texts("SubnetIds").unwrap_or_default(), vpc.texts("SecurityGroupIds").unwrap_or_default());
    // What is not allowed is not told.
    let ipv6 = vpc.flag("Ipv6AllowedForDualStack").filter(|allowed| *allowed);
    vpc.finish(&[]);
    if subnets.is_empty() && groups.is_empty() {
        return json!({});
    }
    permissions.attach(service_role("AWSLambdaVPCAccessExecutionRole"));
    json!({"SubnetIds": subnets, "SecurityGroupIds": groups, "Ipv6AllowedForDualStack": ipv6})
}

fn event_invoke(
    fields: &PropertyReader<'_>,
    has_dead_letters: bool,
    permissions: &mut Permissions,
) -> (Option<BTreeMap<&'static str, Value>>, BTreeSet<String>) {
    let (mut functions, mut failure) = (BTreeSet::new(), false);
    let Some(config) = fields.within("EventInvokeConfig") else { return (None, functions) };
    let retries = config.integer("MaximumRetryAttempts", 0..=2);
    let age_s = config.integer("MaximumEventAgeInSeconds", 60..=21_600);
    let mut destinations = Map::new();
    if let Some(written) = config.within("DestinationConfig") {
        for key in ["OnSuccess", "OnFailure"] {
            let Some(to) = written.within(key) else { continue };
            let kind = to.choice("Type", &["SQS", "SNS", "Lambda", "EventBridge", "S3Bucket"]);
            let arn = to.required("Destination", "the ARN of a queue, topic or function: SAM's own are not made here");
            to.finish(&[]);
            let Some(arn) = arn else { continue };
            failure |= key == "OnFailure";
            let action = match (kind.as_deref(), arn.text.split(':').nth(2)) {
                (Some("SQS"), _) | (None, Some("sqs")) => "sqs:SendMessage",
                (Some("SNS"), _) | (None, Some("sns")) => "sns:Publish",
                (Some("Lambda"), _) | (None, Some("lambda")) => {
                    functions.extend(arn.text.split(':').nth(6).map(str::to_owned));
                    "lambda:InvokeFunction"
                }
                (Some("EventBridge"), _) | (None, Some("events")) => "events:PutEvents",
                _ => "s3:PutObject",
            };
            if !arn.text.starts_with("arn:") {
                fields.report.error(&arn.span, format!("`{}` is no ARN", arn.text), "such as `!GetAtt FUNCTION.Arn`");
            }
            permissions.documents.insert(format!("{key}DestinationPolicy"), allows(action, &arn.text));
            destinations.insert(key.to_owned(), json!({"Destination": arn.text}));
        }
        written.finish(&[]);
    }
    config.finish(&[]);
    if !failure && !has_dead_letters {
        fields.report.advise(&config.span, &advice::lost_events(&fields.owner));
    }
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::from);
    let on = |key: &str| destinations.get(key).cloned().unwrap_or_else(|| json!({}));
    let members = BTreeMap::from([
        ("MaximumRetryAttempts", number(retries)),
        ("MaximumEventAgeInSeconds", number(age_s)),
        ("DestinationConfig", json!({"OnSuccess": on("OnSuccess"), "OnFailure": on("OnFailure")})),
    ]);
    (Some(members), functions)
}
