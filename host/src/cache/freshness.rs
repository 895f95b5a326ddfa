//! Whether a response may be stored, how long it is fresh, and what may be done with it now.
//!
//! There are two modes. `Standards` is RFC 9111 for a shared cache, with RFC 5861 (stale-*) and RFC 9213
//! (CDN-Cache-Control). `CloudFront` follows CloudFront: minimum, default and maximum TTL clamp the origin's lifetime,
//! errors are kept briefly, and the viewer's directives are ignored. [`admit`] applies the rules once, when a response is
//! stored or renewed, and returns [`Times`]; [`judge`] then only compares numbers.
//!
//!     admit ──► Times ──judge──► Fresh ─lifetime─► StaleWhileRevalidate ─► Revalidate { if_error }
//!
//! The caller passes the time, in milliseconds since 1970. If the clock is set forward, responses age at once. If it is
//! set back, responses from what is now the future are stale, since their age is unknown; otherwise they would be fresh
//! until the clock has caught up.

use http::header::{self, HeaderMap};
use http::{Method, StatusCode};

use crate::cache::control::{self, Control, DirectiveScope, SECOND_MS, Wishes};
use crate::cache::fields::{self, SetCookie};
use crate::cache::key::Vary;
use crate::cache::targeted;
use crate::limits;

/// Which rules a behavior follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    CloudFront,
    Standards,
}

/// The operator's bounds on how long a response is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// At least this long, even against the origin's directives. CloudFront mode only: the RFC has no minimum.
    pub min_ms: u64,
    /// The lifetime if the origin gives none.
    pub default_ms: u64,
    /// At most this long. 0 disables storing.
    pub max_ms: u64,
    /// At least this long for errors (CloudFront's error caching minimum TTL).
    pub error_min_ms: u64,
    /// How long a stale response may be used when the origin fails, unless the origin gives a time.
    pub stale_if_error_ms: u64,
}

impl Ttls {
    /// CloudFront's defaults: 0, a day, a year, 10 s for errors.
    pub const CLOUDFRONT: Ttls = Ttls {
        min_ms: 0,
        default_ms: 86_400 * SECOND_MS,
        max_ms: 31_536_000 * SECOND_MS,
        error_min_ms: 10 * SECOND_MS,
        stale_if_error_ms: u64::MAX,
    };

    /// The RFC's: only the origin's lifetimes, and a day of stale responses while it fails (section 4.2.4).
    pub const STANDARDS: Ttls =
        Ttls { min_ms: 0, default_ms: 0, max_ms: 31_536_000 * SECOND_MS, error_min_ms: 0, stale_if_error_ms: 86_400 * SECOND_MS };
}

/// A request as it was sent to the origin, and the head of the response.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    pub method: &'a Method,
    pub asked: &'a HeaderMap,
    /// Whether `Authorization` is in the cache key, so that clients do not share responses.
    pub authorization_keyed: bool,
    /// How `Set-Cookie` is handled.
    pub cookies: SetCookie,
    pub status: StatusCode,
    pub answered: &'a HeaderMap,
    /// When the request was sent.
    pub asked_ms: u64,
    /// When the response arrived.
    pub received_ms: u64,
}

/// The times that decide whether a stored response may be used, computed when it is stored or renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the response arrived (Unix).
    pub received_ms: u64,
    /// RFC 9111 section 4.2.3 `corrected_initial_age` at that moment.
    pub age_ms: u64,
    /// Freshness lifetime, after minimum, default and maximum TTL.
    pub lifetime_ms: u64,
    pub stale_while_revalidate_ms: u64,
    pub stale_if_error_ms: u64,
    /// Never stale (must-revalidate, proxy-revalidate, s-maxage, no-cache).
    pub must_revalidate: bool,
}

impl Times {
    /// RFC 9111 section 4.2.3 `current_age`.
    pub fn current_age_ms(&self, now_ms: u64) -> u64 {
        if was_set_back(self.received_ms, now_ms) {
            return self.age_ms.max(self.lifetime_ms);
        }
        self.age_ms.saturating_add(now_ms.saturating_sub(self.received_ms))
    }

    /// The value of `Age`, at most 2^31 (RFC 9111 section 1.2.2).
    pub fn age_s(&self, now_ms: u64) -> u64 {
        (self.current_age_ms(now_ms) / SECOND_MS).min(control::SECONDS_MAX)
    }

    /// How long it stays fresh from now on: `ttl` in Cache-Status.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.lifetime_ms.saturating_sub(self.current_age_ms(now_ms))
    }
}

/// Whether the clock was set back since `since_ms`. Small differences do not count: requests that wait look back some seconds,
/// and a clock may be slewed.
fn was_set_back(since_ms: u64, now_ms: u64) -> bool {
    since_ms.saturating_sub(now_ms) > limits::cache::CLOCK_SET_BACK_MS
}

/// A period of time, which also ends if the clock is set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub since_ms: u64,
    pub lasts_ms: u64,
}

impl Period {
    pub fn lasts(self, now_ms: u64) -> bool {
        now_ms < self.since_ms.saturating_add(self.lasts_ms) && !was_set_back(self.since_ms, now_ms)
    }
}

/// What may be done with a stored response now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Use it as it is.
    Fresh,
    /// Use it, and renew it in the background.
    StaleWhileRevalidate,
    /// Ask the origin first. With `if_error` it may still be used when the origin fails.
    Revalidate { if_error: bool },
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UncacheableReason {
    #[error("caching is off")]
    Disabled,
    #[error("the method's responses are not stored")]
    Method,
    #[error("responses of this status are not stored")]
    Status,
    #[error("only a part of the content")]
    Partial,
    #[error("the request said no-store")]
    RequestNoStore,
    #[error("the response said no-store")]
    NoStore,
    #[error("the response said private")]
    Private,
    #[error("the request had credentials")]
    Authorization,
    #[error("it varies by everything")]
    Vary,
    #[error("it sets a cookie")]
    SetCookie,
    #[error("it must be understood, and is not")]
    NotUnderstood,
    #[error("it could never be reused")]
    NotReusable,
}

impl UncacheableReason {
    /// Whether the reason is in the request, so that the response to another request may be stored.
    pub fn is_personal(self) -> bool {
        matches!(self, UncacheableReason::RequestNoStore | UncacheableReason::Authorization)
    }

    /// The word in metrics and in Cache-Status.
    pub fn name(self) -> &'static str {
        match self {
            UncacheableReason::Disabled => "disabled",
            UncacheableReason::Method => "method",
            UncacheableReason::Status => "status",
            UncacheableReason::Partial => "partial",
            UncacheableReason::RequestNoStore => "request-no-store",
            UncacheableReason::NoStore => "no-store",
            UncacheableReason::Private => "private",
            UncacheableReason::Authorization => "authorization",
            UncacheableReason::Vary => "vary",
            UncacheableReason::SetCookie => "set-cookie",
            UncacheableReason::NotUnderstood => "not-understood",
            UncacheableReason::NotReusable => "not-reusable",
        }
    }
}

/// Decides whether a response may be stored, and with which times. Its header fields must be those that
/// arrived, `Age` included, not those that `fields::storable` leaves. After a 304 see [`renew`].
pub fn admit(mode: Mode, ttls: &Ttls, fetched: &Fetched) -> Result<Times, UncacheableReason> {
    if ttls.max_ms == 0 {
        return Err(UncacheableReason::Disabled);
    }
    match *fetched.method {
        Method::GET => {}
        // A behavior may cache it; the key has the method.
        Method::OPTIONS if mode == Mode::CloudFront => {}
        _ => return Err(UncacheableReason::Method),
    }
    match fetched.status.as_u16() {
        206 => return Err(UncacheableReason::Partial),
        100..200 | 304 | 416 => return Err(UncacheableReason::Status),
        _ => {}
    }
    match mode {
        Mode::CloudFront => cloudfront(ttls, fetched),
        Mode::Standards => standards(ttls, fetched),
    }
}

/// Applies a 304 to the stored response that it is about (`condition::is_about`): updates the stored header fields, and
/// returns the new times, or why the response may no longer be stored.
pub fn renew(
    mode: Mode,
    ttls: &Ttls,
    not_modified: &Fetched,
    status: StatusCode,
    stored: &mut HeaderMap,
) -> Result<Times, UncacheableReason> {
    fields::freshen(stored, not_modified.answered, not_modified.cookies, not_modified.received_ms);
    // Age counts, but is not stored.
    if let Some(age) = not_modified.answered.get(header::AGE) {
        stored.insert(header::AGE, age.clone());
    }
    let times = admit(mode, ttls, &Fetched { status, answered: stored, ..*not_modified });
    stored.remove(header::AGE);
    times
}

/// RFC 9111 sections 3 and 4.2.1.
fn standards(ttls: &Ttls, fetched: &Fetched) -> Result<Times, UncacheableReason> {
    let targeted = targeted::control(fetched.answered);
    let said = targeted.unwrap_or_else(|| Control::of(fetched.answered));
    let status = fetched.status.as_u16();
    if Wishes::of(fetched.asked).no_store {
        return Err(UncacheableReason::RequestNoStore);
    }
    if said.must_understand && !is_understood(status) {
        return Err(UncacheableReason::NotUnderstood);
    }
    if said.no_store && !said.must_understand {
        return Err(UncacheableReason::NoStore);
    }
    if said.private == DirectiveScope::Everything {
        return Err(UncacheableReason::Private);
    }
    if needs_authorization(fetched, &said) {
        return Err(UncacheableReason::Authorization);
    }
    if Vary::of(fetched.answered) == Vary::Everything {
        return Err(UncacheableReason::Vary);
    }
    if fetched.cookies == SetCookie::Refuse && fields::sets_cookie(fetched.answered) {
        return Err(UncacheableReason::SetCookie);
    }
    let guessable = said.public || is_heuristically_cacheable(status);
    let lifetime_ms = match explicit_ms(&said, targeted.is_none(), fetched) {
        Some(lifetime_ms) => lifetime_ms,
        None if !guessable => return Err(UncacheableReason::NotReusable),
        None => {
            let fallback_ms = if status >= 400 { ttls.default_ms.max(ttls.error_min_ms) } else { ttls.default_ms };
            heuristic_ms(fetched).unwrap_or(fallback_ms)
        }
    };
    let no_cache = said.no_cache == DirectiveScope::Everything;
    let times = Times {
        received_ms: fetched.received_ms,
        age_ms: initial_age_ms(fetched),
        lifetime_ms: if no_cache { 0 } else { lifetime_ms.min(ttls.max_ms) },
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: no_cache || said.must_revalidate || said.proxy_revalidate || said.s_maxage_ms.is_some(),
    };
    reusable(with_stale(times, &said, ttls, status), fetched)
}

/// Errors that CloudFront always caches, and those that it caches only if the origin gives a lifetime.
const ERRORS_ALWAYS: [u16; 7] = [404, 414, 500, 501, 502, 503, 504];
const ERRORS_WHEN_SAID: [u16; 5] = [400, 403, 405, 412, 415];

/// CloudFront's "specifying how long objects stay in a cache".
fn cloudfront(ttls: &Ttls, fetched: &Fetched) -> Result<Times, UncacheableReason> {
    let said = Control::of(fetched.answered);
    let status = fetched.status.as_u16();
    let age_ms = initial_age_ms(fetched);
    // TTLs bound the time in this cache, so the age of the response on arrival does not count.
    let left_ms = explicit_ms(&said, true, fetched).map(|lifetime_ms| lifetime_ms.saturating_sub(age_ms));
    if needs_authorization(fetched, &said) {
        return Err(UncacheableReason::Authorization);
    }
    let no_cache = said.no_cache == DirectiveScope::Everything;
    let forbidden = if said.no_store {
        Some(UncacheableReason::NoStore)
    } else if said.private == DirectiveScope::Everything {
        Some(UncacheableReason::Private)
    } else if Vary::of(fetched.answered) == Vary::Everything {
        Some(UncacheableReason::Vary)
    } else {
        None
    };
    let left_ms = if status >= 400 {
        let said_ms = if forbidden.is_none() && !no_cache { left_ms.map(|left_ms| left_ms.min(ttls.max_ms)) } else { None };
        let max_age = said.s_maxage_ms.or(said.max_age_ms).is_some();
        match said_ms {
            _ if ERRORS_ALWAYS.contains(&status) => said_ms.unwrap_or(0).max(ttls.error_min_ms),
            Some(said_ms) if ERRORS_WHEN_SAID.contains(&status) && max_age => said_ms.max(ttls.error_min_ms),
            _ => return Err(forbidden.unwrap_or(UncacheableReason::Status)),
        }
    } else if let Some(reason) = forbidden {
        if ttls.min_ms == 0 {
            return Err(reason);
        }
        ttls.min_ms
    } else if no_cache {
        ttls.min_ms
    } else {
        match left_ms {
            Some(left_ms) => left_ms.min(ttls.max_ms).max(ttls.min_ms),
            None if is_kept_by_default(status) => ttls.default_ms.max(ttls.min_ms),
            None => return Err(UncacheableReason::Status),
        }
    };
    let times = Times {
        received_ms: fetched.received_ms,
        age_ms,
        lifetime_ms: if left_ms == 0 { 0 } else { age_ms.saturating_add(left_ms) },
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: no_cache || forbidden.is_some() || said.must_revalidate || said.proxy_revalidate,
    };
    reusable(with_stale(times, &said, ttls, status), fetched)
}

/// RFC 5861. A stale error is of no use when the origin fails again.
fn with_stale(times: Times, said: &Control, ttls: &Ttls, status: u16) -> Times {
    if times.must_revalidate {
        return times;
    }
    let stale_if_error_ms = if status < 500 { said.stale_if_error_ms.unwrap_or(ttls.stale_if_error_ms) } else { 0 };
    Times { stale_while_revalidate_ms: said.stale_while_revalidate_ms.unwrap_or(0), stale_if_error_ms, ..times }
}

/// A response that would have to be fetched whole the next time is not stored.
fn reusable(times: Times, fetched: &Fetched) -> Result<Times, UncacheableReason> {
    let validator = fetched.answered.contains_key(header::ETAG) || fetched.answered.contains_key(header::LAST_MODIFIED);
    let useful = times.lifetime_ms > 0 || validator || times.stale_while_revalidate_ms > 0;
    if useful { Ok(times) } else { Err(UncacheableReason::NotReusable) }
}

/// RFC 9111 section 3.5.
fn needs_authorization(fetched: &Fetched, said: &Control) -> bool {
    fetched.asked.contains_key(header::AUTHORIZATION)
        && !fetched.authorization_keyed
        && !(said.public || said.must_revalidate || said.s_maxage_ms.is_some())
}

/// s-maxage, max-age, Expires, in this order.
fn explicit_ms(said: &Control, with_expires: bool, fetched: &Fetched) -> Option<u64> {
    if let Some(lifetime_ms) = said.s_maxage_ms.or(said.max_age_ms) {
        return Some(lifetime_ms);
    }
    if !with_expires || !fetched.answered.contains_key(header::EXPIRES) {
        return None;
    }
    // An invalid date counts as expired (section 5.3).
    let expires_ms = control::date_ms(fetched.answered, header::EXPIRES).unwrap_or(0);
    Some(expires_ms.saturating_sub(date_ms(fetched)))
}

fn heuristic_ms(fetched: &Fetched) -> Option<u64> {
    let modified_ms = control::date_ms(fetched.answered, header::LAST_MODIFIED)?;
    Some((date_ms(fetched).saturating_sub(modified_ms) / 10).min(limits::cache::HEURISTIC_MS))
}

/// The date of a response; without one, the time at which it arrived.
fn date_ms(fetched: &Fetched) -> u64 {
    control::date_ms(fetched.answered, header::DATE).unwrap_or(fetched.received_ms)
}

/// RFC 9111 section 4.2.3.
fn initial_age_ms(fetched: &Fetched) -> u64 {
    let apparent_ms = match control::date_ms(fetched.answered, header::DATE) {
        // Dates are whole seconds: a response that arrived in the second of its date has no age.
        Some(date_ms) => (fetched.received_ms / SECOND_MS * SECOND_MS).saturating_sub(date_ms),
        None => 0,
    };
    let said_ms = control::age_ms(fetched.answered);
    // Without an Age no cache was involved, and the response was made at the origin while we waited.
    let delay_ms = if said_ms > 0 { fetched.received_ms.saturating_sub(fetched.asked_ms) } else { 0 };
    apparent_ms.max(said_ms.saturating_add(delay_ms))
}

/// RFC 9110 section 15.1, without 206.
fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses whose caching rules we follow: those of RFC 9110 without rules of their own.
fn is_understood(status: u16) -> bool {
    matches!(status, 200..=205 | 300..=303 | 307 | 308 | 400..=415 | 417 | 421 | 422 | 426 | 500..=505)
}

fn is_kept_by_default(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300..=303 | 307 | 308)
}

/// Decides what may be done with a stored response. CloudFront ignores the viewer's directives.
pub fn judge(mode: Mode, times: &Times, wishes: &Wishes, now_ms: u64) -> Freshness {
    let age_ms = times.current_age_ms(now_ms);
    let stale_ms = age_ms.saturating_sub(times.lifetime_ms);
    let fresh = age_ms < times.lifetime_ms;
    let if_error = !times.must_revalidate && (fresh || stale_ms < times.stale_if_error_ms);
    let may_be_stale = match mode {
        Mode::CloudFront => true,
        Mode::Standards => {
            let too_old = wishes.max_age_ms.is_some_and(|max_ms| age_ms > max_ms || max_ms == 0);
            let too_stale = wishes.min_fresh_ms.is_some_and(|min_ms| times.lifetime_ms.saturating_sub(age_ms) < min_ms);
            if wishes.no_cache || too_old || too_stale {
                return Freshness::Revalidate { if_error };
            }
            if !fresh && !times.must_revalidate && wishes.max_stale_ms.is_some_and(|max_ms| stale_ms <= max_ms) {
                return Freshness::Fresh;
            }
            // A request with max-age or min-fresh and without max-stale wants nothing stale (RFC 9111 section 5.2.1).
            wishes.max_age_ms.is_none() && wishes.min_fresh_ms.is_none()
        }
    };
    if fresh {
        Freshness::Fresh
    } else if may_be_stale && !times.must_revalidate && stale_ms < times.stale_while_revalidate_ms {
        Freshness::StaleWhileRevalidate
    } else {
        Freshness::Revalidate { if_error }
    }
}

#[cfg(test)]
mod tests;
