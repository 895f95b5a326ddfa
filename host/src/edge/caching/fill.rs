//! Fetches what is missing or stale, for everybody who wants it.
//!
//! ```text
//! ask the origin ─┬► it failed ──────► the stale response, or its error (which is stored like one that it sent)
//!                 ├► 304 ────────────► renew what is stored
//!                 ├► 500, 502..=504 ─► the stale response, if there is one that may be used
//!                 ├► not storable ───► pass it on
//!                 └► storable ───────► store it, and present what streams in
//! ```

use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use http_body::Body as _;

use crate::cache::control::Wishes;
use crate::cache::fields;
use crate::cache::freshness::{self, Fetched, Freshness, Mode, Period, Times, UncacheableReason};
use crate::cache::key::Vary;
use crate::cache::status::{CacheStatus, Forward};
use crate::cache::{Decline, Duty, Hit, Meta, condition};
use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::body::request::RequestBody;
use crate::edge::caching::present::{Presentation, append_cache_status, drop_unforwarded_cookies, present};
use crate::edge::caching::route::CacheRoute;
use crate::edge::caching::store::{PersonalFields, now_ms, store, tags};
use crate::edge::caching::{compress, forward};
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::{RequestHead, Trailers};
use crate::edge::response::rejection::Rejection;
use crate::edge::site::caching::Caching;
use crate::edge::trip::Trip;
use crate::telemetry::ResultType;

pub(super) async fn fill(
    route: &CacheRoute<'_>,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &RequestHead,
    wishes: &Wishes,
    duty: Duty,
) -> Result<Answer, Rejection> {
    let _span = trip.open_span("cache fill");
    let fill = Fill::new(route, head, wishes, &duty);
    let came = match fill.ask(trip, first).await {
        Ok(came) => came,
        Err(rejection) => return fill.after_failure(duty, rejection),
    };
    let status = came.answer.response.status();
    let fetched = fill.fetched(&came);
    if let (Some(prior), true, StatusCode::NOT_MODIFIED) = (&fill.prior, came.validated, status) {
        return Ok(fill.renew(duty, prior, &fetched));
    }
    if let (Some(stale), 500 | 502..=504) = (fill.usable(), status.as_u16()) {
        fill.hold(duty, status);
        return Ok(fill.present_stale(stale, Some(status)));
    }
    match freshness::admit(fill.mode(), &fill.caching().ttls(status), &fetched) {
        Ok(times) => Ok(fill.store(duty, came, times).await),
        Err(reason) => Ok(fill.pass_on(duty, came, reason)),
    }
}

/// One request for everybody who wants what it brings.
struct Fill<'a> {
    route: &'a CacheRoute<'a>,
    /// Of the request that asks first.
    head: &'a RequestHead,
    /// What is stored and stale.
    prior: Option<Hit>,
    /// Whether `prior` may be used when the origin fails.
    is_usable: bool,
    why: Forward,
}

/// What came from the origin, and how it was asked.
struct Came {
    answer: Answer,
    /// The headers of the request that was sent.
    sent: HeaderMap,
    target: PathAndQuery,
    /// Whether it was asked only for something newer than `prior`.
    validated: bool,
    asked_ms: u64,
    received_ms: u64,
}

impl<'a> Fill<'a> {
    fn new(route: &'a CacheRoute<'a>, head: &'a RequestHead, wishes: &Wishes, duty: &Duty) -> Fill<'a> {
        let prior = duty.prior().cloned();
        let why = match &prior {
            None if duty.is_for_a_variant() => Forward::VaryMiss,
            None => Forward::Miss,
            Some(hit) if hit.meta.times.left_ms(now_ms()) > 0 => Forward::Request,
            Some(_) => Forward::Stale,
        };
        let is_usable = prior.as_ref().is_some_and(|hit| {
            let verdict = freshness::judge(route.caching.mode(), &hit.meta.times, wishes, now_ms());
            matches!(verdict, Freshness::Revalidate { if_error: true })
        });
        Fill { route, head, prior, is_usable, why }
    }

    fn caching(&self) -> &'a Caching {
        self.route.caching
    }

    fn mode(&self) -> Mode {
        self.caching().mode()
    }

    /// The stale response that may be used when the origin fails.
    fn usable(&self) -> Option<&Hit> {
        self.prior.as_ref().filter(|_| self.is_usable)
    }

    /// Asks the origin, at first only for something newer than what is stored.
    async fn ask(&self, trip: &Trip<'_>, first: Option<Arc<Origin>>) -> Result<Came, Rejection> {
        let mut validated = self.prior.is_some();
        loop {
            let rules = self.route.rules();
            let mut asked = match self.caching().keeps_nothing() {
                true => forward::unshared(rules, self.head),
                false => forward::shared(rules, self.head),
            };
            // Trailers are not stored, so nobody gets them.
            asked.trailers = Trailers::Dropped;
            let target = asked.target.clone();
            if let Some(hit) = &self.prior
                && validated
            {
                validated = condition::make_conditional(&mut asked.headers, &hit.meta.as_sent());
            }
            let (sent, asked_ms) = (asked.headers.clone(), now_ms());
            let answer = match trip.fetch(first.clone(), &mut asked, &mut RequestBody::Empty).await {
                Ok(answer) => answer,
                // Stored like an error that the origin sent.
                Err(Rejection::Fetch(error)) if self.usable().is_none() && error.is_the_origins() => {
                    trip.reject(&Rejection::Fetch(error), self.head.path())
                }
                Err(rejection) => return Err(rejection),
            };
            if let Some(hit) = &self.prior
                && validated
                && answer.response.status() == StatusCode::NOT_MODIFIED
                && !condition::is_about(&hit.meta.as_sent(), answer.response.headers())
            {
                // It confirms something that was never stored here: ask for the whole.
                validated = false;
                continue;
            }
            return Ok(Came { answer, sent, target, validated, asked_ms, received_ms: now_ms() });
        }
    }

    fn fetched<'c>(&self, came: &'c Came) -> Fetched<'c> {
        Fetched {
            method: &Method::GET,
            asked: &came.sent,
            authorization_keyed: self.caching().policy.key.has_authorization(),
            cookies: self.caching().cookies(),
            status: came.answer.response.status(),
            answered: came.answer.response.headers(),
            asked_ms: came.asked_ms,
            received_ms: came.received_ms,
        }
    }

    /// Answers when no response came: with the stale one, if it may be used.
    fn after_failure(&self, duty: Duty, rejection: Rejection) -> Result<Answer, Rejection> {
        match (&rejection, self.usable()) {
            (Rejection::Fetch(error), Some(stale)) if error.is_elsewhere() => {
                duty.decline(Decline::Failed);
                Ok(self.present_stale(stale, None))
            }
            (Rejection::Fetch(_) | Rejection::OriginBody(_), Some(stale)) => {
                self.hold(duty, rejection.status());
                Ok(self.present_stale(stale, None))
            }
            _ => {
                duty.decline(Decline::Failed);
                Err(rejection)
            }
        }
    }

    /// Keeps the origin from being asked again for as long as an error of this status would be stored.
    fn hold(&self, duty: Duty, status: StatusCode) {
        duty.hold(Period { since_ms: now_ms(), lasts_ms: self.caching().ttls(status).error_min_ms });
    }

    fn present_stale(&self, hit: &Hit, status: Option<StatusCode>) -> Answer {
        let status = CacheStatus { forward_status: status, detail: Some("stale-if-error"), ..CacheStatus::forward(self.why) };
        present(self.mode(), self.head, hit, now_ms(), Presentation { result: ResultType::Hit, status, aged: true })
    }

    /// Renews what is stored: the origin has nothing newer.
    fn renew(&self, duty: Duty, prior: &Hit, fetched: &Fetched<'_>) -> Answer {
        let mut headers = prior.meta.as_sent().into_owned();
        let status = prior.meta.status;
        let times = freshness::renew(self.mode(), &self.caching().ttls(status), fetched, status, &mut headers);
        compress::renew(self.caching(), &prior.meta, &mut headers);
        let said = CacheStatus { forward_status: Some(StatusCode::NOT_MODIFIED), ..CacheStatus::forward(self.why) };
        let (hit, status) = match times {
            Ok(times) => {
                let ttl_s = i64::try_from(times.left_ms(fetched.received_ms) / 1_000).ok();
                let hit = duty.renew(times, headers).unwrap_or_else(|| prior.clone());
                (hit, CacheStatus { stored: true, ttl_s, ..said })
            }
            Err(reason) => {
                // This client may have it, with the headers that it has now.
                duty.decline(if reason.is_personal() { Decline::Personal } else { Decline::Uncacheable });
                let mut hit = prior.clone();
                hit.meta = Arc::new(Meta { headers, ..Meta::clone(&prior.meta) });
                (hit, CacheStatus { detail: Some(reason.name()), ..said })
            }
        };
        let presentation = Presentation { result: ResultType::RefreshHit, status, aged: true };
        let mut answer = present(self.mode(), self.head, &hit, fetched.received_ms, presentation);
        PersonalFields::of(fetched.answered, fetched.cookies).add_to(&mut answer);
        answer
    }

    /// Passes on what may not be stored.
    fn pass_on(&self, duty: Duty, came: Came, reason: UncacheableReason) -> Answer {
        duty.decline(match reason {
            _ if reason.is_personal() => Decline::Personal,
            UncacheableReason::Status => Decline::Failed,
            _ => Decline::Uncacheable,
        });
        let mut answer = came.answer;
        drop_unforwarded_cookies(self.caching(), answer.response.headers_mut());
        append_cache_status(&mut answer, CacheStatus { detail: Some(reason.name()), ..CacheStatus::forward(self.why) });
        answer
    }

    /// Stores the response, and presents it while it streams in.
    async fn store(&self, duty: Duty, came: Came, times: Times) -> Answer {
        let Came { mut answer, target, received_ms, .. } = came;
        let cookies = self.caching().cookies();
        let mut meta = self.meta(&answer, &target, times, received_ms);
        let personal = PersonalFields::of(answer.response.headers(), cookies);
        let content = std::mem::replace(answer.response.body_mut(), Content::Empty);
        let content = compress::compress(self.caching(), &self.head.headers, &mut meta, content);
        let mut filler = duty.fill(meta, self.route.selecting(self.head));
        let status = CacheStatus::forward(self.why);
        let Some(hit) = filler.take_hit() else {
            // Always there before the first write.
            append_cache_status(&mut answer, status);
            return answer;
        };
        let ttl_s = i64::try_from(times.left_ms(received_ms) / 1_000).ok();
        let status = CacheStatus { stored: true, ttl_s, ..status };
        let presentation = Presentation { result: answer.result, status, aged: times.age_ms >= 1_000 };
        let mut answer = present(self.mode(), self.head, &hit, received_ms, presentation);
        personal.add_to(&mut answer);
        drop(hit);
        // A body that has come already is stored before anybody else asks.
        if matches!(content, Content::Empty | Content::Full(_)) {
            store(content, filler).await;
        } else {
            tokio::task::spawn_local(store(content, filler));
        }
        answer
    }

    fn meta(&self, answer: &Answer, target: &PathAndQuery, times: Times, received_ms: u64) -> Meta {
        let answered = answer.response.headers();
        let said_length = answered.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Meta {
            status: answer.response.status(),
            headers: fields::storable(answered, self.caching().cookies(), received_ms),
            times,
            vary: match (self.mode(), Vary::of(answered)) {
                (Mode::Standards, Vary::Names(names)) => names,
                _ => Arc::new([]),
            },
            request_site: self.caching().site.clone(),
            host: self.route.keyed_host(self.head),
            // As the origin knows it: what is not in the key must not hide the object from a purge.
            path_and_query: target.as_str().into(),
            tags: tags(answered),
            length: said_length.or(answer.response.body().size_hint().exact()),
            stored_ms: received_ms,
            original: None,
        }
    }
}
