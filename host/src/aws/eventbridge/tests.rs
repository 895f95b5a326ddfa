//! EventBridge through its door, with a list in the place of who delivers.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::delivery::TargetEvent;
use super::*;
use crate::account::Account;
use crate::aws::request::trial::{body, request};
use crate::events::clock::EventClock;
use crate::store::Store;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";
const HOUR_S: u64 = 3_600;

struct Room {
    folder: tempfile::TempDir,
    bridge: Option<EventBridge>,
    delivered: Arc<Mutex<Vec<TargetEvent>>>,
    /// Whether nothing can be kept, from the next start on.
    is_full: bool,
    second: u64,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room { folder, bridge: None, delivered: Arc::default(), is_full: false, second: 1_000 * HOUR_S };
        room.restart();
        room
    }

    fn restart(&mut self) {
        self.bridge = None;
        let store = Arc::new(Store::open(self.folder.path()).unwrap());
        let (delivered, is_full) = (self.delivered.clone(), self.is_full);
        let deliver = Arc::new(move |events| {
            if is_full {
                return Err(ApiError::no_room("full", 1));
            }
            delivered.lock().unwrap().extend::<Vec<TargetEvent>>(events);
            Ok(())
        });
        self.bridge = Some(EventBridge::open(store, Account::default(), deliver, EventClock::default()).unwrap());
    }

    fn bridge(&self) -> &EventBridge {
        self.bridge.as_ref().unwrap()
    }

    #[track_caller]
    fn done(&self, operation: &str, input: &Value) -> Value {
        let request = request(&format!("AWSEvents.{operation}"), self.second, input.to_string().as_bytes());
        body(self.bridge().answer(&request).1.unwrap_or_else(|error| panic!("{operation}: {error}")))
    }

    #[track_caller]
    fn refused(&self, operation: &str, input: &Value) -> (&'static str, String) {
        let request = request(&format!("AWSEvents.{operation}"), self.second, input.to_string().as_bytes());
        let error = self.bridge().answer(&request).1.expect_err(operation);
        (error.code, error.message.unwrap_or_default().into_owned())
    }

    /// What was delivered since the last time.
    fn taken(&self) -> Vec<Value> {
        let delivered = std::mem::take(&mut *self.delivered.lock().unwrap());
        delivered.iter().map(|event| serde_json::from_slice(&event.payload).unwrap()).collect()
    }

    fn tick(&self, after_s: u64) -> Option<u64> {
        let now_ms = (self.second + after_s) * 1_000;
        self.bridge().tick_until(now_ms).unwrap().map(|next_ms| next_ms / 1_000 - self.second)
    }
}

#[test]
fn an_event_goes_to_the_targets_of_the_rules_that_mean_it() {
    let room = Room::new();
    room.done(
        "PutRule",
        &json!({"Name": "r", "EventPattern": "{\"source\": [\"shop\"], \"detail\": {\"n\": [{\"numeric\": [\">\", 1]}]}}"}),
    );
    room.done(
        "PutTargets",
        &json!({"Rule": "r", "Targets": [
            {"Id": "whole", "Arn": FUNCTION},
            {"Id": "part", "Arn": FUNCTION, "InputPath": "$.detail"},
        ]}),
    );
    let entry = |source: &str, detail: &str| json!({"Source": source, "DetailType": "sold", "Detail": detail, "Time": 0});
    let put = room.done(
        "PutEvents",
        &json!({"Entries": [
            entry("shop", "{\"n\": 2.50}"), entry("shop", "{\"n\": 1}"), entry("other", "{\"n\": 2}"),
        ]}),
    );
    assert_eq!(put["FailedEntryCount"], 0);
    let id = &put["Entries"][0]["EventId"];
    let whole = json!({
        "version": "0", "id": id, "detail-type": "sold", "source": "shop", "account": "123456789012",
        "time": "1970-01-01T00:00:00Z", "region": "us-east-1", "resources": [], "detail": {"n": 2.5},
    });
    assert_eq!(room.taken(), [whole, json!({"n": 2.5})]);
    room.done("DisableRule", &json!({"Name": "r"}));
    room.done("PutEvents", &json!({"Entries": [entry("shop", "{\"n\": 2}")]}));
    assert!(room.taken().is_empty());
}

#[test]
fn what_is_wrong_with_an_entry_is_told_in_its_place() {
    let room = Room::new();
    let put = room.done(
        "PutEvents",
        &json!({"Entries": [
            {"DetailType": "t", "Detail": "{}"},
            {"Source": "s", "Detail": "{}"},
            {"Source": "s", "DetailType": "t"},
            {"Source": "s", "DetailType": "t", "Detail": "[1]"},
            {"Source": "aws.s3", "DetailType": "t", "Detail": "{}"},
            {"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "none"},
        ]}),
    );
    let codes: Vec<&str> = put["Entries"].as_array().unwrap().iter().filter_map(|entry| entry["ErrorCode"].as_str()).collect();
    let invalid = "InvalidArgument";
    assert_eq!(codes, [invalid, invalid, invalid, "MalformedDetail", "NotAuthorizedForSourceException"]);
    assert_eq!(put["FailedEntryCount"], 5);
    assert_eq!(
        put["Entries"][1]["ErrorMessage"],
        "Parameter DetailType is not valid. Reason: DetailType is a required argument."
    );
    let sized = |bytes: usize| json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": format!("{{\"d\":\"{}\"}}", "x".repeat(bytes - 10))}]});
    for (bytes, fits) in [((256 << 10) - 1, true), (256 << 10, true), ((256 << 10) + 1, false)] {
        match fits {
            true => assert_eq!(room.done("PutEvents", &sized(bytes))["FailedEntryCount"], 0),
            false => {
                let told = "Total size of the entries in the request is over the limit.".to_owned();
                assert_eq!(room.refused("PutEvents", &sized(bytes)), ("ValidationException", told));
            }
        }
    }
}

#[test]
fn a_schedule_ticks_once_and_what_is_missed_is_not_caught_up() {
    let mut room = Room::new();
    room.done("PutRule", &json!({"Name": "hourly", "ScheduleExpression": "rate(1 hour)"}));
    room.done("PutTargets", &json!({"Rule": "hourly", "Targets": [{"Id": "f", "Arn": FUNCTION}]}));
    assert_eq!((room.tick(0), room.taken().len()), (Some(HOUR_S), 0));
    assert_eq!((room.tick(HOUR_S - 1), room.taken().len()), (Some(HOUR_S), 0));
    assert_eq!(room.tick(HOUR_S), Some(2 * HOUR_S));
    let [event] = room.taken().try_into().unwrap();
    assert_eq!(
        (&event["detail-type"], &event["source"], &event["detail"]),
        (&json!("Scheduled Event"), &json!("aws.events"), &json!({}))
    );
    assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:123456789012:rule/hourly"]));
    assert_eq!(event["time"], "1970-02-11T17:00:00Z");
    // Not twice, and not after a restart either.
    assert_eq!((room.tick(HOUR_S + 1), room.taken().len()), (Some(2 * HOUR_S), 0));
    room.restart();
    assert_eq!((room.tick(HOUR_S + 2), room.taken().len()), (Some(2 * HOUR_S), 0));
    // A minute late is late; more is missed.
    assert_eq!((room.tick(2 * HOUR_S + 59), room.taken().len()), (Some(3 * HOUR_S), 1));
    assert_eq!((room.tick(3 * HOUR_S + 60), room.taken().len()), (Some(4 * HOUR_S), 0));
    room.done("DisableRule", &json!({"Name": "hourly"}));
    assert_eq!((room.tick(4 * HOUR_S), room.taken().len()), (None, 0));
    // What was due before it was enabled again is not given.
    room.second += 4 * HOUR_S + 1;
    room.done("EnableRule", &json!({"Name": "hourly"}));
    assert_eq!((room.tick(0), room.taken().len()), (Some(HOUR_S - 1), 0));
}

#[test]
fn a_rate_counts_from_when_it_was_set_by_the_clock_of_events() {
    let room = Room::new();
    room.bridge().clock.advance(std::time::Duration::from_mins(90));
    room.done("PutRule", &json!({"Name": "hourly", "ScheduleExpression": "rate(1 hour)"}));
    assert_eq!(room.tick(90 * 60), Some(HOUR_S * 5 / 2));
}

#[test]
fn events_that_cannot_be_kept_are_told_and_other_rules_go_on() {
    let mut room = Room::new();
    room.done("PutRule", &json!({"Name": "one", "ScheduleExpression": "rate(1 hour)", "EventPattern": "{\"source\": [\"s\"]}"}));
    room.done("PutRule", &json!({"Name": "two", "ScheduleExpression": "rate(1 hour)"}));
    for rule in ["one", "two"] {
        room.done("PutTargets", &json!({"Rule": rule, "Targets": [{"Id": "f", "Arn": FUNCTION}]}));
    }
    room.is_full = true;
    room.restart();
    let entry = json!({"Source": "s", "DetailType": "t", "Detail": "{}"});
    let other = json!({"Source": "nobody's", "DetailType": "t", "Detail": "{}"});
    let put = room.done("PutEvents", &json!({"Entries": [entry, other]}));
    assert_eq!((&put["FailedEntryCount"], &put["Entries"][0]["ErrorCode"]), (&json!(1), &json!("ThrottlingException")));
    assert!(put["Entries"][1]["EventId"].is_string());
    // The ticks are lost, once, and all rules have their next one.
    assert_eq!((room.tick(HOUR_S), room.taken().len()), (Some(2 * HOUR_S), 0));
    room.is_full = false;
    room.restart();
    assert_eq!((room.tick(HOUR_S), room.taken().len()), (Some(2 * HOUR_S), 0));
    assert_eq!((room.tick(2 * HOUR_S), room.taken().len()), (Some(3 * HOUR_S), 2));
}

#[test]
fn a_detail_is_as_deep_as_json_may_be() {
    let room = Room::new();
    room.done("PutRule", &json!({"Name": "r", "EventPattern": "{\"source\": [\"s\"]}"}));
    for (depth, code) in [(127, None), (128, Some("MalformedDetail"))] {
        let detail = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let put = room.done("PutEvents", &json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": detail}]}));
        assert_eq!(put["Entries"][0]["ErrorCode"].as_str(), code, "{depth}");
    }
}

#[test]
fn buses_and_rules_are_there_after_a_restart() {
    let mut room = Room::new();
    room.done("CreateEventBus", &json!({"Name": "orders", "Tags": [{"Key": "team", "Value": "fruit"}]}));
    let made = room.done("PutRule", &json!({"Name": "r", "EventBusName": "orders", "EventPattern": "{\"source\": [\"s\"]}"}));
    assert_eq!(made["RuleArn"], "arn:aws:events:us-east-1:123456789012:rule/orders/r");
    room.done("PutTargets", &json!({"Rule": "r", "EventBusName": "orders", "Targets": [{"Id": "f", "Arn": FUNCTION}]}));
    room.restart();
    let listed = room.done("ListEventBuses", &json!({}));
    let names: Vec<_> = listed["EventBuses"].as_array().unwrap().iter().map(|bus| bus["Name"].clone()).collect();
    assert_eq!(names, ["default", "orders"]);
    let targets = room.done("ListTargetsByRule", &json!({"Rule": "r", "EventBusName": "orders"}));
    assert_eq!(targets["Targets"], json!([{"Id": "f", "Arn": FUNCTION}]));
    assert_eq!(
        room.done("ListRuleNamesByTarget", &json!({"TargetArn": FUNCTION, "EventBusName": "orders"}))["RuleNames"],
        json!(["r"])
    );
    let tags =
        room.done("ListTagsForResource", &json!({"ResourceARN": "arn:aws:events:us-east-1:123456789012:event-bus/orders"}));
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "fruit"}]));
    let refused = room.refused("DeleteEventBus", &json!({"Name": "orders"}));
    assert_eq!(refused, ("ValidationException", "Event bus can't be deleted since it has rules.".to_owned()));
    let refused = room.refused("DeleteRule", &json!({"Name": "r", "EventBusName": "orders"}));
    assert_eq!(refused, ("ValidationException", "Rule can't be deleted since it has targets.".to_owned()));
    room.done("RemoveTargets", &json!({"Rule": "r", "EventBusName": "orders", "Ids": ["f"]}));
    room.done("DeleteRule", &json!({"Name": "r", "EventBusName": "orders"}));
    room.done("DeleteEventBus", &json!({"Name": "orders"}));
    room.restart();
    let refused = room.refused("DescribeEventBus", &json!({"Name": "orders"}));
    assert_eq!(refused, ("ResourceNotFoundException", "Event bus orders does not exist.".to_owned()));
}

#[test]
fn what_a_caller_needs_is_asked_by_the_arn_of_what_it_is_about() {
    let room = Room::new();
    let asked = |operation: &str, input: Value| {
        room.bridge().resources(&request(&format!("AWSEvents.{operation}"), 0, input.to_string().as_bytes())).unwrap()
    };
    let of = |action: &str, rest: &str| (format!("events:{action}"), format!("arn:aws:events:us-east-1:123456789012:{rest}"));
    assert_eq!(asked("PutRule", json!({"Name": "r"})), [of("PutRule", "rule/r")]);
    assert_eq!(asked("PutTargets", json!({"Rule": "r", "EventBusName": "b"})), [of("PutTargets", "rule/b/r")]);
    let entries = json!({"Entries": [{"EventBusName": "b"}, {}, {"EventBusName": "b"}]});
    assert_eq!(asked("PutEvents", entries), [of("PutEvents", "event-bus/b"), of("PutEvents", "event-bus/default")]);
    assert_eq!(asked("CreateArchive", json!({})), []);
    // One resource has one name, however it is spelled.
    let arn = |rest: &str| json!({"ResourceARN": format!("arn:aws:events:us-east-1:123456789012:{rest}")});
    for spelled in ["rule/r", "rule/default/r"] {
        assert_eq!(asked("TagResource", arn(spelled)), [of("TagResource", "rule/r")]);
    }
    // A list would be read as the members by their order: nobody would have asked for this bus.
    let listed = json!({"Entries": [{"EventBusName": "b"}, [0, "s", [], "t", "{}", "other"]]});
    let refused = room.bridge().resources(&request("AWSEvents.PutEvents", 0, listed.to_string().as_bytes())).unwrap_err();
    assert_eq!(refused.code, "SerializationException");
    // What cannot be read may still be read by an operation, in part.
    let unread = room.bridge().resources(&request("AWSEvents.PutRule", 0, b"{\"Name\": \"r\", \"z\": 1e999}")).unwrap_err();
    assert_eq!(unread.code, "SerializationException");
    let twice = format!("{0}{0}default", "arn:aws:events:us-east-1:123456789012:event-bus/");
    let refused = room.refused("PutRule", &json!({"Name": "r", "EventBusName": twice, "EventPattern": "{\"source\": [\"s\"]}"}));
    assert_eq!(refused.0, "ResourceNotFoundException");
}
