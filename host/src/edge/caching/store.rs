//! Brings a body into the cache, and says what of its head is stored with it.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;

use crate::cache::Filler;
use crate::cache::fields::{self, SetCookie};
use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::limits;

/// Stores a body at the origin's speed. If it is dropped, or breaks off, nothing is stored.
pub(super) async fn store(mut content: Content, mut filler: Filler) {
    while let Some(frame) = content.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(target: "edgeward::cache", "not stored: {error:#}");
                return;
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if let Err(error) = filler.write(data).await {
            tracing::debug!(target: "edgeward::cache", %error, "not stored");
            return;
        }
    }
    if let Err(error) = filler.finish().await {
        tracing::debug!(target: "edgeward::cache", %error, "not stored");
    }
}

/// The fields of an answer that are for its client alone, and are not stored.
pub(super) struct PersonalFields(Vec<(HeaderName, HeaderValue)>);

impl PersonalFields {
    pub(super) fn of(answered: &HeaderMap, cookies: SetCookie) -> PersonalFields {
        let names = fields::personal(answered, cookies);
        let lines =
            |name: &HeaderName| answered.get_all(name).iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>();
        PersonalFields(names.iter().flat_map(lines).collect())
    }

    pub(super) fn add_to(self, answer: &mut Answer) {
        let headers = answer.response.headers_mut();
        for (name, _) in &self.0 {
            headers.remove(name);
        }
        for (name, value) in self.0 {
            headers.append(name, value);
        }
    }
}

/// Surrogate keys: Fastly's `Surrogate-Key` (separated by spaces) and Cloudflare's `Cache-Tag` (by commas).
pub(super) fn tags(answered: &HeaderMap) -> Box<[Box<str>]> {
    let lines = ["surrogate-key", "cache-tag"].into_iter().flat_map(|name| answered.get_all(name));
    let words = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split([' ', ',']));
    words.filter(|word| !word.is_empty()).take(limits::cache::TAGS).map(Box::from).collect()
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
