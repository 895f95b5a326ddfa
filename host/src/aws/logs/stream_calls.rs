//! The operations on streams: begun, ended, described.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::logs::change::done;
use crate::aws::logs::entry::{EntryKind, LogEntry};
use crate::aws::logs::groups::Groups;
use crate::aws::logs::input::{
    MemberChecks, chosen_group, described, failed, group_arn, invalid_token, no_group, no_stream, page_start, page_token,
    received_ms, wrong,
};
use crate::aws::logs::streams::StreamState;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::logs::STREAMS;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamInput {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeStreamsInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<i64>,
}

/// `CreateLogStream`
pub fn create(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(groups, request, EntryKind::Began)
}

/// `DeleteLogStream`
pub fn delete(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(groups, request, EntryKind::Ended)
}

fn change(groups: &Groups, request: &ApiRequest, kind: EntryKind) -> Result<ApiResponse, ApiError> {
    let input: StreamInput = request.json()?;
    let mut checks = MemberChecks::default();
    let group = checks.group(input.log_group_name.as_deref());
    let stream = checks.stream(input.log_stream_name.as_deref());
    checks.finish()?;
    let group = groups.find(group).ok_or_else(no_group)?;
    let mut state = group.state();
    if state.gone {
        return Err(no_group());
    }
    let streams = state.streams().map_err(|error| failed(&error))?;
    match (kind, streams.contains_key(stream)) {
        (EntryKind::Ended, false) => return Err(no_stream()),
        (EntryKind::Began, true) => {
            let message = "The specified log stream already exists";
            return Err(ApiError::bad_request("ResourceAlreadyExistsException", message));
        }
        (EntryKind::Began, false) if streams.len() >= STREAMS => {
            return Err(ApiError::bad_request("LimitExceededException", "Resource limit exceeded."));
        }
        _ => {}
    }
    let now_ms = received_ms(request);
    let entry = LogEntry { kind, time_ms: now_ms, ingestion_ms: now_ms, stream, message: "" };
    state.write(&[entry]).map_err(|error| failed(&error))?;
    Ok(done())
}

/// `DescribeLogStreams`
pub fn describe(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DescribeStreamsInput = request.json()?;
    let mut checks = MemberChecks::default();
    let limit = described(&mut checks, input.limit);
    let order = input.order_by.as_deref().unwrap_or("LogStreamName");
    checks.also().one_of("orderBy", order, &["LogStreamName", "LastEventTime"]);
    if let Some(name) = &input.log_group_name {
        checks.group_name("logGroupName", name);
    }
    if let Some(identifier) = &input.log_group_identifier {
        checks.identifier(identifier);
    }
    if let Some(prefix) = &input.log_stream_name_prefix {
        checks.stream_name("logStreamNamePrefix", prefix);
    }
    checks.finish()?;
    let by_time = order == "LastEventTime";
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(wrong("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let after = page_start(input.next_token.as_deref())?;
    let group = chosen_group(groups, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let mut state = group.state();
    let streams = state.streams().map_err(|error| failed(&error))?;
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut found: Vec<(u64, &Arc<str>, &StreamState)> = streams
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, stream)| (if by_time { stream.events.map_or(0, |events| events.last_ms) } else { 0 }, name, stream))
        .collect();
    found.sort_unstable_by_key(|(last_ms, name, _)| (*last_ms, *name));
    if input.descending {
        found.reverse();
    }
    let from = place_after(&after, &found, input.descending)?;
    let page = &found[from..found.len().min(from.saturating_add(limit))];
    let arn = group_arn(&groups.account, &group.name);
    let told: Vec<Value> = page.iter().map(|(_, name, stream)| told(&arn, name, stream)).collect();
    let mut output = json!({"logStreams": told});
    if let Some((last_ms, name, _)) = page.last().filter(|_| from + page.len() < found.len()) {
        output["nextToken"] = page_token(&format!("{last_ms} {name}")).into();
    }
    answer(&output)
}

/// Where the page begins whose token names the time and the name of the stream before it.
fn place_after(token: &str, found: &[(u64, &Arc<str>, &StreamState)], descending: bool) -> Result<usize, ApiError> {
    if token.is_empty() {
        return Ok(0);
    }
    let (last_ms, name) = token.split_once(' ').ok_or_else(invalid_token)?;
    let after: (u64, &str) = (last_ms.parse().map_err(|_| invalid_token())?, name);
    Ok(found.partition_point(|(last_ms, name, _)| {
        let place = (*last_ms, &***name);
        if descending { place >= after } else { place <= after }
    }))
}

fn told(group_arn: &str, name: &str, stream: &StreamState) -> Value {
    let mut told = json!({
        "logStreamName": name,
        "creationTime": stream.created_ms,
        "arn": format!("{group_arn}:log-stream:{name}"),
        // As AWS tells it of every stream.
        "storedBytes": 0,
    });
    if let Some(events) = &stream.events {
        told["firstEventTimestamp"] = events.first_ms.into();
        told["lastEventTimestamp"] = events.last_ms.into();
        told["lastIngestionTime"] = events.ingestion_ms.into();
        told["uploadSequenceToken"] = format!("{:056}", events.ingestion_ms).into();
    }
    told
}
