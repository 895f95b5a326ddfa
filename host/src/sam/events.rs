//! `Events` of a function. Those of APIs become routes, which the edge serves; the others are not there yet.

use super::edge::EventRoute;
use super::fields::PropertyReader;
use super::reading::ResourceReading;
use super::report::one_of;
use crate::advice;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const KINDS: [&str; 2] = ["Api", "HttpApi"];

/// Kinds of events that are not there, and what of this host is missing for them.
const MISSING: [(&str, &str); 22] = [
    ("AlexaSkill", "Alexa"),
    ("CloudWatchEvent", "event buses"),
    ("CloudWatchLogs", "subscriptions of logs"),
    ("Cognito", "user pools"),
    ("DocumentDB", "streams"),
    ("DynamoDB", "streams"),
    ("EventBridgeRule", "event buses"),
    ("IoTRule", "rules of devices"),
    ("Kafka", "streams"),
    ("Kinesis", "streams"),
    ("MQ", "brokers"),
    ("MSK", "streams"),
    ("S3", "events of buckets"),
    ("SNS", "topics"),
    ("SQS", "queues as sources of events"),
    ("Schedule", "schedules"),
    ("ScheduleV2", "schedules"),
    ("SelfManagedKafka", "streams"),
    ("StepFunctions", "state machines"),
    ("VPCLattice", "service networks"),
    ("WebSocket", "WebSocket APIs"),
    ("WebSocketApi", "WebSocket APIs"),
];

pub(super) fn read(
    reading: &mut ResourceReading<'_, '_>,
    fields: &PropertyReader<'_>,
    function: &str,
    alias: Option<&str>,
    timeout_s: i64,
) {
    let report = fields.report;
    let Some(node) = fields.node("Events") else { return };
    let Some(events) = node.as_map() else {
        report.error(&node.span, format!("`Events` of {} is {}", fields.owner, node.kind()), "a map is expected");
        return;
    };
    for entry in events {
        let owner = format!("event `{}`", entry.key);
        let event = PropertyReader::of(&owner, &entry.key_span, &entry.value, report);
        let Some(kind) = event.required("Type", "`Api`, or `HttpApi`") else { continue };
        if !KINDS.contains(&kind.text.as_str()) {
            match MISSING.iter().find(|(name, _)| *name == kind.text) {
                Some((_, missing)) => {
                    let message = format!("`{}` events are not there yet: this host has no {missing}", kind.text);
                    report.error(&kind.span, message, "leave the event out, and invoke the function by the API");
                }
                None => {
                    report.error(&kind.span, format!("there are no events of type `{}`", kind.text), one_of(&kind.text, KINDS))
                }
            }
            continue;
        }
        let properties = event.within("Properties");
        event.finish(&[]);
        let (mut path, mut method) = (None, None);
        if let Some(properties) = &properties {
            path = properties.text("Path");
            method = properties.text("Method");
            if kind.text == "HttpApi" {
                properties.choice("PayloadFormatVersion", &["2.0"]);
            }
            let by_edge = "the edge serves it: leave it out, and see edge.toml";
            let names = [
                "ApiId",
                "Auth",
                "RequestModel",
                "RequestParameters",
                "RestApiId",
                "RouteSettings",
                "TimeoutInMillis",
                "ResponseTransferMode",
            ];
            properties.finish(&names.map(|name| (name, by_edge)));
        }
        if kind.text == "Api" {
            for (name, value) in [("Path", &path), ("Method", &method)] {
                if value.is_none()
                    && properties
                        .as_ref()
                        .is_none_or(|properties| properties.entry(if name == "Path" { "Path" } else { "Method" }).is_none())
                {
                    report.error(&entry.key_span, format!("{owner} has no `{name}`"), "such as `Path: /items` and `Method: get`");
                }
            }
            report.warn(
                &kind.span,
                format!("{owner}: the edge sends events of format 2.0, as `HttpApi` has them, and not those of `Api`"),
            );
        }
        if let Some(advice) = advice::behind_gateway(&fields.owner, timeout_s) {
            report.advise(&entry.key_span, &advice);
        }
        let path = match path {
            Some(path) if !path.text.starts_with('/') => {
                report.error(&path.span, format!("the path `{}` is none", path.text), "it begins with `/`");
                continue;
            }
            Some(path) => path.text,
            // The `$default` route.
            None => "/{proxy+}".to_owned(),
        };
        let method = match method {
            Some(method) if method.text.eq_ignore_ascii_case("any") => None,
            Some(method) => {
                let upper = method.text.to_ascii_uppercase();
                if !METHODS.contains(&upper.as_str()) {
                    report.error(&method.span, format!("`{}` is no method", method.text), one_of(&upper, METHODS));
                    continue;
                }
                Some(upper)
            }
            None => None,
        };
        reading.routes.push(EventRoute { path, method, function: function.to_owned(), alias: alias.map(str::to_owned) });
    }
}
