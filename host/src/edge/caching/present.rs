//! I make of a stored response the answer to one request: its conditions, its ranges, its age.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::cache::condition::{self, ConditionResult};
use crate::cache::freshness::Mode;
use crate::cache::range::{self, Multipart, Selection};
use crate::cache::status::{CacheStatus, MEMBER_BYTES};
use crate::cache::{Hit, fields};
use crate::edge::body::Content;
use crate::edge::head::Head;
use crate::edge::id::RequestId;
use crate::edge::respond::Answer;
use crate::telemetry::ResultType;

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What we call ourselves in `Cache-Status`.
pub(super) const NAME: &str = "Edgeward";

/// Those that are put on a stored response here and by `respond::finish`.
const OWN_HEADERS: usize = 6;

const AGE_BYTES: usize = 20;

/// How we came by the response.
pub(super) struct How {
    pub(super) result: ResultType,
    pub(super) status: CacheStatus,
    /// It has an age worth telling.
    pub(super) aged: bool,
}

/// Puts `Age` and `Cache-Status`, which differ from second to second, into one piece of memory.
fn tell(headers: &mut HeaderMap, how: &How, age_s: u64) {
    let mut text = BytesMut::with_capacity(AGE_BYTES + MEMBER_BYTES);
    if how.aged && write!(text, "{age_s}").is_ok() {
        headers.insert(header::AGE, value(text.split()));
    }
    how.status.write(NAME, &mut text);
    headers.append(CACHE_STATUS, value(text));
}

fn value(text: BytesMut) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

pub(super) fn present(mode: Mode, head: &Head, hit: &Hit, now_ms: u64, how: How) -> Answer {
    let meta = &hit.meta;
    // A stored error is an error.
    let result = if meta.status.as_u16() < 400 { how.result } else { ResultType::Error };
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = meta.status;
    let headers = response.headers_mut();
    headers.reserve(meta.headers.len() + OWN_HEADERS);
    headers.extend(meta.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    tell(headers, &how, meta.times.age_s(now_ms));
    let held = condition::hold(&head.method, &head.headers, meta.status, &meta.headers, meta.times.received_ms);
    if held == ConditionResult::NotModified {
        fields::describe_nothing(headers);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Answer { response, result };
    }
    // A compressed body has no strong validator, without which no two parts of it may be put together.
    let length = hit.length().filter(|_| meta.original.is_none());
    let selected = range::select(mode, &head.method, &head.headers, meta.status, &meta.headers, length);
    let (status, content) = match (selected, length) {
        (Selection::One(part), Some(length)) => {
            range::part(headers, &part, length);
            (StatusCode::PARTIAL_CONTENT, Content::Stored(hit.part(part)))
        }
        (Selection::Several(parts), Some(length)) => {
            let boundary = RequestId::next().as_str().replace(['-', '_'], "x");
            let plan = Multipart::plan(headers, &parts, length, &boundary);
            let mut pieces = VecDeque::with_capacity(2 * plan.parts.len() + 1);
            for (text, part) in plan.parts {
                pieces.push_back(Content::full(text));
                pieces.push_back(Content::Stored(hit.part(part)));
            }
            pieces.push_back(Content::full(plan.end));
            (StatusCode::PARTIAL_CONTENT, Content::Sequence(pieces))
        }
        (Selection::Unsatisfiable, Some(length)) => {
            range::unsatisfiable(headers, length);
            (StatusCode::RANGE_NOT_SATISFIABLE, Content::Empty)
        }
        _ => (meta.status, Content::Stored(hit.body())),
    };
    *response.status_mut() = status;
    *response.body_mut() = content;
    Answer { response, result }
}
