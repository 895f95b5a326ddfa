//! Spans as OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding"): ids in hex, 64-bit numbers as strings.

use serde_json::{Value as Json, json};

use super::{AttributeValue, Finished, Span};

/// The body of one export request.
pub(super) fn encode(service_name: &str, batch: &[Finished]) -> Vec<u8> {
    let spans = batch.iter().flat_map(|finished| finished.spans.iter().map(|span| encode_span(finished.trace, span)));
    let resource = [
        ("service.name", AttributeValue::Text(service_name.to_owned())),
        ("service.version", AttributeValue::Text(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes(&resource) },
            "scopeSpans": [{ "scope": { "name": "edgeward" }, "spans": spans.collect::<Vec<_>>() }],
        }],
    })
    .to_string()
    .into_bytes()
}

fn encode_span(trace: u128, span: &Span) -> Json {
    let mut json = json!({
        "traceId": format!("{trace:032x}"),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
        // Unset without a failure, as the semantic conventions require.
        "status": if span.failed { json!({ "code": 2 }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = format!("{parent:016x}").into();
    }
    json
}

fn attributes(attributes: &[(&'static str, AttributeValue)]) -> Json {
    let attribute = |(key, value): &(&'static str, AttributeValue)| {
        let value = match value {
            AttributeValue::Text(text) => json!({ "stringValue": text }),
            AttributeValue::Number(number) => json!({ "intValue": number.to_string() }),
            AttributeValue::Flag(flag) => json!({ "boolValue": flag }),
        };
        json!({ "key": key, "value": value })
    };
    attributes.iter().map(attribute).collect()
}
