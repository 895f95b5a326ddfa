//! Looks a request up in the cache, and decides what to do with what is found.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Version, header};

use crate::cache::control::Wishes;
use crate::cache::freshness::{self, Freshness, Mode, UncacheableReason};
use crate::cache::key::Key;
use crate::cache::status::{CacheStatus, Forward};
use crate::cache::{Hit, Lookup, LookupResult, Meta, Wait};
use crate::edge::answer::Answer;
use crate::edge::body::request::RequestBody;
use crate::edge::caching::bypass::bypass;
use crate::edge::caching::fill::fill;
use crate::edge::caching::present::{Presentation, present};
use crate::edge::caching::renewal::Renewal;
use crate::edge::caching::route::CacheRoute;
use crate::edge::caching::store::now_ms;
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::RequestHead;
use crate::edge::response::rejection::Rejection;
use crate::edge::trip::Trip;
use crate::limits;
use crate::telemetry::{CacheTier, ResultType};

/// A request that the cache may answer.
pub(crate) struct CacheRequest<'a> {
    route: CacheRoute<'a>,
    key: Key,
    wishes: Wishes,
    now_ms: u64,
}

/// What is stored for a request, and what would be done with it now.
pub(crate) struct Peeked {
    pub(crate) meta: Arc<Meta>,
    pub(crate) tier: CacheTier,
    pub(crate) verdict: Freshness,
    pub(crate) now_ms: u64,
}

impl<'a> CacheRequest<'a> {
    /// `None` if such a request is never answered from the cache.
    pub(crate) fn new(route: CacheRoute<'a>, head: &mut RequestHead, body: &RequestBody) -> Option<CacheRequest<'a>> {
        let caching = route.caching;
        let cached = match head.method {
            Method::GET | Method::HEAD => true,
            Method::OPTIONS => caching.mode() == Mode::CloudFront,
            _ => false,
        };
        if !cached || !body.is_empty() || head.asterisk {
            return None;
        }
        if caching.compress && head.version == Version::HTTP_10 {
            // As in CloudFront: it compresses nothing for HTTP/1.0.
            head.headers.remove(header::ACCEPT_ENCODING);
        }
        let wishes = match caching.mode() {
            Mode::CloudFront => Wishes::default(),
            Mode::Standards => Wishes::of(&head.headers),
        };
        let key = route.key(&head.method, head);
        Some(CacheRequest { route, key, wishes, now_ms: now_ms() })
    }

    /// Never waits.
    pub(crate) fn look_up(&self, head: &RequestHead) -> Lookup {
        self.route.caching.cache.lookup(&self.key, self.route.selecting(head), self.now_ms, |meta| self.judge(meta))
    }

    /// What is stored, without asking for it; see `tools::inquiry`.
    pub(crate) fn peek(&self, head: &RequestHead) -> Option<Peeked> {
        let (meta, tier) = self.route.caching.cache.peek(&self.key, self.route.selecting(head))?;
        Some(Peeked { verdict: self.judge(&meta), meta, tier, now_ms: self.now_ms })
    }

    /// Presents a fresh hit; `None` for anything else, which takes time.
    pub(crate) fn answer_at_once(&self, head: &RequestHead, lookup: &Lookup) -> Option<Answer> {
        match lookup {
            Lookup::Settled(LookupResult::Hit(hit)) if !asks_the_origin(head) => Some(self.hit(head, hit, false)),
            _ => None,
        }
    }

    /// Answers what `answer_at_once` cannot. Takes what is sent out of `head` and `body`.
    pub(crate) async fn settle(
        self,
        lookup: Lookup,
        trip: &Trip<'_>,
        first: Option<Arc<Origin>>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Answer, Rejection> {
        let caching = self.route.caching;
        let waits = matches!(lookup, Lookup::Busy(_));
        // A duty that is not used passes on to somebody who waits.
        if let Some(status) = self.why_alone(head, &lookup) {
            drop(lookup);
            return bypass(caching, trip, first, head, body, status).await;
        }
        let result = match lookup {
            Lookup::Settled(result) => result,
            Lookup::Busy(wait) => self.join(wait, head).await,
        };
        if let Some(status) = self.why_not_stored(&result) {
            drop(result);
            return bypass(caching, trip, first, head, body, status).await;
        }
        match result {
            LookupResult::Hit(hit) => Ok(self.hit(head, &hit, waits)),
            LookupResult::Stale { hit, verdict: Freshness::Fresh | Freshness::StaleWhileRevalidate, duty } => {
                if let Some(duty) = duty {
                    Renewal { trip: trip.own(), first, head: head.clone(), duty }.start();
                }
                Ok(self.hit(head, &hit, waits))
            }
            // The origin has failed a moment ago.
            LookupResult::Stale { hit, verdict: Freshness::Revalidate { .. }, duty: None } => {
                let status = CacheStatus { detail: Some("stale-if-error"), collapsed: waits, ..CacheStatus::HIT };
                Ok(self.present(head, &hit, status))
            }
            _ if self.wishes.only_if_cached => Err(Rejection::OnlyIfCached),
            LookupResult::Miss(duty) | LookupResult::Stale { duty: Some(duty), .. } => {
                fill(&self.route, trip, first, head, &self.wishes, duty).await
            }
            LookupResult::Bypass(why) => bypass(caching, trip, first, head, body, detailed(Forward::Bypass, why.name())).await,
        }
    }

    /// Why a request is neither answered from the cache nor waits for what others fetch.
    fn why_alone(&self, head: &RequestHead, lookup: &Lookup) -> Option<CacheStatus> {
        let caching = self.route.caching;
        if asks_the_origin(head) {
            return Some(CacheStatus::forward(Forward::Request));
        }
        let Lookup::Busy(wait) = lookup else { return None };
        if wait.is_for_a_fill() && caching.forwards_credentials(&head.headers) && !self.wishes.only_if_cached {
            // What comes for another client may be for that one alone, and what comes for this one not for those who wait.
            return Some(detailed(Forward::Bypass, UncacheableReason::Authorization.name()));
        }
        caching.keeps_nothing().then(|| detailed(Forward::Bypass, "keeps-nothing"))
    }

    /// Why a request that owes the cache an answer fetches one for itself instead.
    fn why_not_stored(&self, result: &LookupResult) -> Option<CacheStatus> {
        let owes = match result {
            LookupResult::Miss(_) => true,
            LookupResult::Stale { verdict, duty, .. } => duty.is_some() && matches!(verdict, Freshness::Revalidate { .. }),
            LookupResult::Hit(_) | LookupResult::Bypass(_) => false,
        };
        let refuses = owes && self.wishes.no_store && !self.wishes.only_if_cached;
        refuses.then(|| detailed(Forward::Request, UncacheableReason::RequestNoStore.name()))
    }

    async fn join(&self, wait: Wait, head: &RequestHead) -> LookupResult {
        let patience = Duration::from_millis(limits::cache::WAIT_MS);
        wait.join(self.route.selecting(head), self.now_ms, |meta| self.judge(meta), patience).await
    }

    fn judge(&self, meta: &Meta) -> Freshness {
        freshness::judge(self.route.caching.mode(), &meta.times, &self.wishes, self.now_ms)
    }

    fn hit(&self, head: &RequestHead, hit: &Hit, collapsed: bool) -> Answer {
        self.present(head, hit, CacheStatus { collapsed, ..CacheStatus::HIT })
    }

    fn present(&self, head: &RequestHead, hit: &Hit, status: CacheStatus) -> Answer {
        let left = i64::try_from(hit.meta.times.lifetime_ms).unwrap_or(i64::MAX)
            - i64::try_from(hit.meta.times.current_age_ms(self.now_ms)).unwrap_or(i64::MAX);
        let status = CacheStatus { ttl_s: Some(left / 1_000), ..status };
        let presentation = Presentation { result: ResultType::Hit, status, aged: true };
        present(self.route.caching.mode(), head, hit, self.now_ms, presentation)
    }
}

/// Whether a request has conditions that protect a change: only the origin can judge those.
fn asks_the_origin(head: &RequestHead) -> bool {
    head.headers.contains_key(header::IF_MATCH) || head.headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

fn detailed(forward: Forward, detail: &'static str) -> CacheStatus {
    CacheStatus { detail: Some(detail), ..CacheStatus::forward(forward) }
}
