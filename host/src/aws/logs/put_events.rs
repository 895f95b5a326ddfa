//! `PutLogEvents`: a batch of events, each taken or rejected for its time.

use serde::Deserialize;
use serde_json::{Map, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::logs::entry::{EntryKind, LogEntry};
use crate::aws::logs::groups::Groups;
use crate::aws::logs::input::{MemberChecks, failed, no_group, no_stream, received_ms, wrong};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::logs::{
    BATCH_BYTES, BATCH_EVENTS, BATCH_SPAN_MS, DAY_MS, EVENT_BYTES, EVENT_OVERHEAD_BYTES, NEWEST_MS, OLDEST_MS,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutEventsInput {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    log_events: Option<Vec<EventInput>>,
}

#[derive(Deserialize)]
struct EventInput {
    timestamp: i64,
    message: String,
}

/// `PutLogEvents`
pub fn put(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: PutEventsInput = request.json()?;
    let mut checks = MemberChecks::default();
    let group = checks.group(input.log_group_name.as_deref());
    let stream = checks.stream(input.log_stream_name.as_deref());
    let events = checks.also().required("logEvents", input.log_events.as_deref()).unwrap_or_default();
    if input.log_events.is_some() {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let most = i64::try_from(BATCH_EVENTS).unwrap_or(i64::MAX);
        if !(1..=most).contains(&count) {
            let must = if count == 0 { "greater than or equal to 1".to_owned() } else { format!("less than or equal to {most}") };
            checks.also().fail("logEvents", &"[...]", &format!("have length {must}"));
        }
    }
    for (at, event) in events.iter().enumerate() {
        let place = |member| format!("logEvents.{}.member.{member}", at + 1);
        if event.message.is_empty() {
            checks.also().fail(&place("message"), &"", "have length greater than or equal to 1");
        }
        if event.timestamp < 0 {
            checks.also().fail(&place("timestamp"), &event.timestamp, "have value greater than or equal to 0");
        }
        if event.message.is_empty() || event.timestamp < 0 {
            // One is enough to say what is wrong with ten thousand.
            break;
        }
    }
    checks.finish()?;
    check_batch(events)?;
    let group = groups.find(group).ok_or_else(no_group)?;
    let now_ms = received_ms(request);
    let retention_days = {
        let mut state = group.state();
        if !state.streams().map_err(|error| failed(&error))?.contains_key(stream) {
            return Err(no_stream());
        }
        state.record.retention_days
    };

    // In the order of time: too old, expired, taken, too new.
    let time_of = |event: &EventInput| u64::try_from(event.timestamp).unwrap_or(0);
    let before = |oldest_ms: u64| events.partition_point(|event| time_of(event) < oldest_ms);
    let too_old = before(now_ms.saturating_sub(OLDEST_MS));
    let kept_ms = retention_days.map_or(u64::MAX, |days| u64::from(days) * DAY_MS);
    let expired = before(now_ms.saturating_sub(kept_ms)).max(too_old);
    let too_new = before(now_ms.saturating_add(NEWEST_MS).saturating_add(1)).max(expired);
    let entries: Vec<LogEntry<'_>> = events[expired..too_new]
        .iter()
        .map(|event| LogEntry {
            kind: EntryKind::Event,
            time_ms: time_of(event),
            ingestion_ms: now_ms,
            stream,
            message: &event.message,
        })
        .collect();
    groups.write(&group, &entries).map_err(|error| failed(&error))?;

    let mut rejected = Map::new();
    if too_old > 0 {
        rejected.insert("tooOldLogEventEndIndex".to_owned(), too_old.into());
    }
    if expired > too_old {
        rejected.insert("expiredLogEventEndIndex".to_owned(), expired.into());
    }
    if too_new < events.len() {
        rejected.insert("tooNewLogEventStartIndex".to_owned(), too_new.into());
    }
    // Nobody has to send it back any more.
    let mut output = json!({"nextSequenceToken": format!("{now_ms:056}")});
    if !rejected.is_empty() {
        output["rejectedLogEventsInfo"] = rejected.into();
    }
    answer(&output)
}

/// What a batch as a whole must be.
fn check_batch(events: &[EventInput]) -> Result<(), ApiError> {
    let mut bytes = 0_usize;
    for event in events {
        let event_bytes = event.message.len() + EVENT_OVERHEAD_BYTES;
        if event_bytes > EVENT_BYTES {
            return Err(wrong(format!("Log event too large: {event_bytes} bytes exceeds limit of {EVENT_BYTES}")));
        }
        bytes += event_bytes;
    }
    if bytes > BATCH_BYTES {
        return Err(wrong(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(wrong("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.timestamp.abs_diff(first.timestamp) > BATCH_SPAN_MS
    {
        return Err(wrong("The batch of log events in a single PutLogEvents request cannot span more than 24 hours."));
    }
    Ok(())
}
