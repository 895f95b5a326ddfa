//! What destinations and dead-letter queues are told of an event that is over
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::telemetry::Timestamp;

/// What came of an event in the end.
pub struct EventEnd<'a> {
    pub request_id: &'a str,
    /// Of the function, with the qualifier that it was called by.
    pub function_arn: &'a str,
    /// `Success`, or why it was given up.
    pub condition: &'a str,
    pub attempts: u32,
    pub payload: &'a Bytes,
    /// Of the last attempt, if there was one.
    pub response: Option<Response>,
    /// Milliseconds since 1970.
    pub ended_ms: u64,
}

/// What an attempt has answered.
pub struct Response {
    pub executed_version: String,
    pub is_error: bool,
    /// JSON.
    pub payload: Vec<u8>,
}

impl EventEnd<'_> {
    /// The record for a destination. Payloads are in it as they were sent: a number keeps its digits.
    pub fn record(&self) -> Bytes {
        let mut record = String::from("{\"version\":\"1.0\"");
        let time = Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_millis(self.ended_ms));
        push(&mut record, "timestamp", &Value::from(time.as_str()).to_string());
        let context = json!({
            "requestId": self.request_id,
            "functionArn": self.function_arn,
            "condition": self.condition,
            "approximateInvokeCount": self.attempts,
        });
        push(&mut record, "requestContext", &context.to_string());
        push(&mut record, "requestPayload", &String::from_utf8_lossy(self.payload));
        if let Some(response) = &self.response {
            let mut context = json!({"statusCode": 200, "executedVersion": response.executed_version});
            if response.is_error {
                context["functionError"] = "Unhandled".into();
            }
            push(&mut record, "responseContext", &context.to_string());
            push(&mut record, "responsePayload", &String::from_utf8_lossy(&response.payload));
        }
        record.push('}');
        record.into()
    }

    /// The code and the text that a dead letter has: those of the function's error, or why the event was given up.
    pub fn error(&self) -> (u16, String) {
        let Some(response) = &self.response else { return (429, self.condition.to_owned()) };
        let payload: Value = serde_json::from_slice(&response.payload).unwrap_or_default();
        let message = payload.get("errorMessage").and_then(Value::as_str).unwrap_or(self.condition);
        (200, message.to_owned())
    }
}

/// Adds a member whose value is JSON.
fn push(record: &mut String, name: &str, json: &str) {
    record.push_str(",\"");
    record.push_str(name);
    record.push_str("\":");
    record.push_str(json);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(payload: &Bytes, response: Option<Response>) -> EventEnd<'_> {
        EventEnd {
            request_id: "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            function_arn: "arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST",
            condition: "RetriesExhausted",
            attempts: 3,
            payload,
            response,
            ended_ms: 1_573_754_765_568,
        }
    }

    /// The example of the page.
    #[test]
    fn a_record_is_as_the_page_shows_it() {
        let payload = Bytes::from_static(br#"{"ORDER_IDS": [12345678901234567890.10]}"#);
        let response = Response {
            executed_version: "$LATEST".to_owned(),
            is_error: true,
            payload: br#"{"errorMessage": "RequestId: e4b46cbf Process exited before completing request"}"#.to_vec(),
        };
        let end = end(&payload, Some(response));
        let expected = "{\"version\":\"1.0\",\"timestamp\":\"2019-11-14T18:06:05.568Z\",\"requestContext\":";
        let record = String::from_utf8(end.record().to_vec()).unwrap();
        assert!(record.starts_with(expected), "{record}");
        assert!(record.contains("\"requestPayload\":{\"ORDER_IDS\": [12345678901234567890.10]},"), "{record}");
        let read: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(read["requestContext"]["approximateInvokeCount"], 3);
        assert_eq!(read["requestContext"]["condition"], "RetriesExhausted");
        let context = json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
        assert_eq!(read["responseContext"], context);
        assert_eq!(end.error(), (200, "RequestId: e4b46cbf Process exited before completing request".to_owned()));
    }

    #[test]
    fn an_event_that_never_ran_has_no_response() {
        let payload = Bytes::from_static(b"{}");
        let end = end(&payload, None);
        let read: Value = serde_json::from_slice(&end.record()).unwrap();
        assert!(read.get("responseContext").is_none() && read.get("responsePayload").is_none());
        assert_eq!(end.error(), (429, "RetriesExhausted".to_owned()));
    }
}
