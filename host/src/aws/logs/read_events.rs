//! `GetLogEvents` and `FilterLogEvents`: events by time, page by page.
//!
//! A token of `GetLogEvents` says a direction and a place: `f/` for what is behind it, `b/` for what is before it. At the end
//! the same token is answered, as AWS does, so that a reader may go on with it when there is more.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::logs::filter::FilterPattern;
use crate::aws::logs::groups::{Groups, LogGroup};
use crate::aws::logs::input::{MemberChecks, chosen_group, failed, invalid_token, no_group, no_stream, received_ms, wrong};
use crate::aws::logs::selection::{EventKey, EventPage, EventQuestion, SelectedEvent, StartAt};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::logs::{NAMED_STREAMS, PAGE_EVENTS, PATTERN_CHARS, TIME_MS};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetEventsInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterEventsInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(default)]
    filter_pattern: String,
    next_token: Option<String>,
    limit: Option<i64>,
}

/// The group that both operations name in two ways.
struct GroupPlace<'a> {
    name: Option<&'a str>,
    identifier: Option<&'a str>,
}

impl GroupPlace<'_> {
    fn check(&self, checks: &mut MemberChecks) {
        if let Some(name) = self.name {
            checks.group_name("logGroupName", name);
        }
        if let Some(identifier) = self.identifier {
            checks.identifier(identifier);
        }
    }
}

/// `GetLogEvents`
pub fn get(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GetEventsInput = request.json()?;
    let mut checks = MemberChecks::default();
    let place = GroupPlace { name: input.log_group_name.as_deref(), identifier: input.log_group_identifier.as_deref() };
    place.check(&mut checks);
    let stream = checks.stream(input.log_stream_name.as_deref());
    let start_ms = checks.time("startTime", input.start_time).unwrap_or(0);
    let end_ms = checks.time("endTime", input.end_time).unwrap_or(TIME_MS + 1);
    let limit = checks.limit(input.limit, PAGE_EVENTS);
    checks.finish()?;
    let group = chosen_group(groups, place.name, place.identifier)?;
    if !group.state().streams().map_err(|error| failed(&error))?.contains_key(stream) {
        return Err(no_stream());
    }

    let (after, before) = (just_before(EventKey::at(start_ms)), EventKey::at(end_ms));
    let token = input.next_token.as_deref().map(direction).transpose()?;
    let (after, before, start) = match token {
        Some((StartAt::Oldest, key)) => (after.max(key), before, StartAt::Oldest),
        Some((StartAt::Newest, key)) => (after, before.min(key), StartAt::Newest),
        None if input.start_from_head => (after, before, StartAt::Oldest),
        None => (after, before, StartAt::Newest),
    };
    let streams = |name: &str| name == stream;
    let question = EventQuestion { after, before, start, limit, streams: &streams, pattern: &FilterPattern::Everything };
    let page = read(&group, request, &question)?;
    let (forward, backward) = match (page.events.first(), page.events.last(), token) {
        (Some(first), Some(last), _) => (last.key, first.key),
        // Nothing there: the token that was sent stays what it was, and the other one leads to what it has passed.
        (_, _, Some((StartAt::Oldest, key))) => (key, EventKey(key.0.saturating_add(1))),
        (_, _, Some((StartAt::Newest, key))) => (just_before(key), key),
        (_, _, None) => (after, EventKey(after.0.saturating_add(1))),
    };
    let events: Vec<Value> = page
        .events
        .iter()
        .map(|event| json!({"timestamp": event.time_ms, "message": event.message, "ingestionTime": event.ingestion_ms}))
        .collect();
    answer(&json!({
        "events": events,
        "nextForwardToken": format!("f/{:056}/s", forward.0),
        "nextBackwardToken": format!("b/{:056}/s", backward.0),
    }))
}

/// `FilterLogEvents`
pub fn filter(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: FilterEventsInput = request.json()?;
    let mut checks = MemberChecks::default();
    let place = GroupPlace { name: input.log_group_name.as_deref(), identifier: input.log_group_identifier.as_deref() };
    place.check(&mut checks);
    let start_ms = checks.time("startTime", input.start_time).unwrap_or(0);
    let end_ms = checks.time("endTime", input.end_time).unwrap_or(TIME_MS);
    let limit = checks.limit(input.limit, PAGE_EVENTS);
    checks.also().length("filterPattern", &input.filter_pattern, 0..=PATTERN_CHARS);
    let names: BTreeSet<&str> = input.log_stream_names.iter().flatten().map(String::as_str).collect();
    if names.len() > NAMED_STREAMS {
        checks.also().fail("logStreamNames", &"[...]", &format!("have length less than or equal to {NAMED_STREAMS}"));
    } else {
        names.iter().for_each(|name| checks.stream_name("logStreamNames", name));
    }
    let prefix = input.log_stream_name_prefix.as_deref();
    prefix.inspect(|prefix| checks.stream_name("logStreamNamePrefix", prefix));
    checks.finish()?;
    if prefix.is_some() && input.log_stream_names.is_some() {
        return Err(wrong("logStreamNamePrefix and logStreamNames are mutually exclusive parameters."));
    }
    let pattern = FilterPattern::parse(&input.filter_pattern).map_err(wrong)?;
    let group = chosen_group(groups, place.name, place.identifier)?;
    if !names.is_empty() {
        let mut state = group.state();
        let streams = state.streams().map_err(|error| failed(&error))?;
        if !names.iter().all(|name| streams.contains_key(*name)) {
            return Err(no_stream());
        }
    }

    let after = match input.next_token.as_deref() {
        Some(token) => EventKey(token.parse().map_err(|_| invalid_token())?),
        None => EventKey(0),
    };
    let streams = |name: &str| (names.is_empty() || names.contains(name)) && prefix.is_none_or(|prefix| name.starts_with(prefix));
    let question = EventQuestion {
        after: after.max(just_before(EventKey::at(start_ms))),
        before: EventKey::at(end_ms + 1),
        start: StartAt::Oldest,
        limit,
        streams: &streams,
        pattern: &pattern,
    };
    let page = read(&group, request, &question)?;
    let events: Vec<Value> = page.events.iter().map(told).collect();
    let mut output = json!({"events": events, "searchedLogStreams": []});
    if let Some(last) = page.events.last().filter(|_| page.more) {
        output["nextToken"] = format!("{:056}", last.key.0).into();
    }
    answer(&output)
}

fn told(event: &SelectedEvent) -> Value {
    json!({
        "logStreamName": event.stream,
        "timestamp": event.time_ms,
        "message": event.message,
        "ingestionTime": event.ingestion_ms,
        "eventId": format!("{:056}", event.key.0),
    })
}

fn read(group: &LogGroup, request: &ApiRequest, question: &EventQuestion<'_>) -> Result<EventPage, ApiError> {
    let snapshot = {
        let mut state = group.state();
        if state.gone {
            return Err(no_group());
        }
        state.snapshot(received_ms(request)).map_err(|error| failed(&error))?
    };
    question.answer(&snapshot).map_err(|error| ApiError::internal(&error))
}

/// So that the event at the key is behind.
fn just_before(key: EventKey) -> EventKey {
    EventKey(key.0.saturating_sub(1))
}

/// What a token of `GetLogEvents` says.
fn direction(token: &str) -> Result<(StartAt, EventKey), ApiError> {
    let (from, key) = match token.split_once('/') {
        Some(("f", key)) => (StartAt::Oldest, key),
        Some(("b", key)) => (StartAt::Newest, key),
        _ => return Err(invalid_token()),
    };
    let key = key.strip_suffix("/s").unwrap_or(key).parse().map_err(|_| invalid_token())?;
    Ok((from, EventKey(key)))
}
