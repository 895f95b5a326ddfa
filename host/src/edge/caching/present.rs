//! Presents a stored response to one request: by its conditions, its ranges, its age.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::cache::Hit;
use crate::cache::condition::{self, ConditionResult};
use crate::cache::fields::{self, SetCookie};
use crate::cache::freshness::Mode;
use crate::cache::key::Choice;
use crate::cache::range::{self, Multipart, Selection};
use crate::cache::status::{CacheStatus, MEMBER_BYTES};
use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::request::head::RequestHead;
use crate::edge::request::id::RequestId;
use crate::edge::request::spare;
use crate::edge::site::caching::Caching;
use crate::telemetry::ResultType;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the edge calls itself in `Cache-Status`.
const NAME: &str = "Edgeward";

/// Headers that are added to a stored response here and by `response::finish`.
const OWN_HEADERS: usize = 6;

const AGE_BYTES: usize = 20;

/// How a stored response came about.
pub(super) struct Presentation {
    pub(super) result: ResultType,
    pub(super) status: CacheStatus,
    /// Whether its age is shown.
    pub(super) aged: bool,
}

/// Adds `Age` and `Cache-Status`, which differ from second to second. They share one piece of memory.
fn add_age_and_status(headers: &mut HeaderMap, presentation: &Presentation, age_s: u64) {
    let mut text = BytesMut::with_capacity(AGE_BYTES + MEMBER_BYTES);
    if presentation.aged && write!(text, "{age_s}").is_ok() {
        headers.insert(header::AGE, value(text.split()));
    }
    presentation.status.write(NAME, &mut text);
    headers.append(CACHE_STATUS, value(text));
}

fn value(text: BytesMut) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Adds `Cache-Status` to an answer that does not come from the cache.
pub(super) fn append_cache_status(answer: &mut Answer, status: CacheStatus) {
    answer.response.headers_mut().append(CACHE_STATUS, status.member(NAME));
}

/// As in CloudFront: a behavior that forwards no cookies answers with none.
pub(super) fn drop_unforwarded_cookies(caching: &Caching, answered: &mut HeaderMap) {
    let forwarded = caching.forwarding.as_ref().is_some_and(|forwarding| forwarding.cookies != Choice::None);
    if caching.cookies() == SetCookie::Drop && !forwarded {
        answered.remove(header::SET_COOKIE);
    }
}

pub(super) fn present(mode: Mode, head: &RequestHead, hit: &Hit, now_ms: u64, presentation: Presentation) -> Answer {
    let meta = &hit.meta;
    // A stored error counts as an error.
    let result = if meta.status.as_u16() < 400 { presentation.result } else { ResultType::Error };
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = meta.status;
    *response.headers_mut() = spare::take();
    let headers = response.headers_mut();
    headers.reserve(meta.headers.len() + OWN_HEADERS);
    headers.extend(meta.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    add_age_and_status(headers, &presentation, meta.times.age_s(now_ms));
    let held = condition::evaluate(&head.method, &head.headers, meta.status, &meta.headers, meta.times.received_ms);
    if held == ConditionResult::NotModified {
        fields::remove_content_fields(headers);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Answer { response, result };
    }
    // A compressed body has no strong validator, without which its parts may not be combined.
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
