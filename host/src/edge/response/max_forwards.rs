//! How far a request may go (`Max-Forwards`, RFC 9110 section 7.6.2). Of the methods that it is defined for, only OPTIONS
//! is served here.

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::request::head::RequestHead;
use crate::edge::site::behavior::Behavior;
use crate::telemetry::ResultType;

/// Answers a request that may go no further; counts down the hops of any other.
pub(crate) fn answer_last_hop(head: &mut RequestHead, behavior: &Behavior) -> Option<Answer> {
    if head.method != Method::OPTIONS {
        return None;
    }
    let left = left(&head.headers)?;
    if let Some(fewer) = left.checked_sub(1) {
        head.headers.insert(header::MAX_FORWARDS, fewer.into());
        return None;
    }
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&behavior.methods()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Some(Answer { response, result: ResultType::Miss })
}

/// `None` if the field is missing, or not one number for all readers; it stays as it is then. A number that is too large
/// counts as the largest.
fn left(headers: &http::HeaderMap) -> Option<u32> {
    let mut lines = headers.get_all(header::MAX_FORWARDS).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let digits = line.as_bytes().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_forwards_is_a_number_or_ignored() {
        for (lines, hops) in [
            (&[][..], None),
            (&["0"], Some(0)),
            (&["5"], Some(5)),
            (&[" 07 "], Some(7)),
            (&["99999999999999999999"], Some(u32::MAX)),
            (&[""], None),
            (&["-1"], None),
            (&["+1"], None),
            (&["1, 2"], None),
            (&["1", "2"], None),
        ] {
            let mut headers = http::HeaderMap::new();
            for line in lines {
                headers.append(header::MAX_FORWARDS, HeaderValue::from_static(line));
            }
            assert_eq!(left(&headers), hops, "{lines:?}");
        }
    }
}
