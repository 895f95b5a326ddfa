//! I answer from the cache what may be answered from it, and bring there what the origin sends.
//!
//!     look ─► Hit ─────────────────────────────────► present
//!        ├──► Stale ─► (renewal behind the answer) ─► present
//!        ├──► Stale, to be validated ─► ask ─► 304 ─► present
//!        ├──► Busy ─► wait ─► one of the others
//!        ├──► Miss (duty) ─► ask ─► may be stored? ─► fill, and present what streams in
//!        │                              └─ no ─► pass it on
//!        └──► Bypass ─► ask for oneself
//!
//! The origin's answer to a request that fills belongs to everybody: it is asked for without this client's
//! conditions and ranges, and goes on coming when this client has left. What is stored is presented to each
//! client by its own method, conditions and ranges.
//!
//! I decide nothing about freshness, keys or ranges; `cache` does. I know neither sockets nor statuses of failures.

pub(crate) mod compress;
mod forward;
mod present;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap};
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::cache::control::Wishes;
use crate::cache::fields::{self, SetCookie};
use crate::cache::freshness::{self, Fetched, Mode, Reason, Spell, Ttls, Verdict};
use crate::cache::key::{self, Choice, Key, Vary};
use crate::cache::status::{CacheStatus, Forward};
use crate::cache::{Cache, Decline, Duty, Filler, Hit, Lookup, Meta, Purge, condition, invalidation};
use crate::config::{CachePolicy, Forwarding};
use crate::edge::body::Content;
use crate::edge::exchange::Trip;
use crate::edge::head::{Head, Trailers};
use crate::edge::origin::Origin;
use crate::edge::respond::{Answer, Refusal};
use crate::limits;
use crate::telemetry::{CacheTier, ResultType};
use present::{How, present};

/// How a behavior caches.
pub(crate) struct Caching {
    pub(crate) cache: Arc<Cache>,
    pub(crate) site: Arc<str>,
    pub(crate) policy: Arc<CachePolicy>,
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    /// The site's own, by status.
    pub(crate) error_ttls_ms: Arc<[(u16, u64)]>,
    pub(crate) compress: bool,
}

impl Caching {
    fn mode(&self) -> Mode {
        self.policy.mode
    }

    /// As `CachingDisabled`, which also waits for nobody; errors are kept all the same.
    fn keeps_nothing(&self) -> bool {
        self.mode() == Mode::CloudFront && self.policy.ttls.max_ms == 0
    }

    /// The policy's, with the site's own for errors of this status.
    fn ttls(&self, status: StatusCode) -> Ttls {
        let own = self.error_ttls_ms.iter().find(|(of, _)| *of == status.as_u16());
        own.map_or(self.policy.ttls, |(_, error_min_ms)| Ttls { error_min_ms: *error_min_ms, ..self.policy.ttls })
    }

    /// Whether a response's cookies are for everybody who has the same key.
    fn cookies(&self) -> SetCookie {
        match (self.mode(), &self.policy.key.cookies) {
            (Mode::CloudFront, Choice::None) => SetCookie::Drop,
            _ => SetCookie::Keep,
        }
    }
}

/// A request before the cache.
pub(crate) struct Asker<'a> {
    caching: &'a Caching,
    key: Key,
    wishes: Wishes,
    now_ms: u64,
}

/// What is stored, and what is to be done with it at this moment.
pub(crate) struct Peek {
    pub(crate) meta: Arc<Meta>,
    pub(crate) tier: CacheTier,
    pub(crate) verdict: Verdict,
    pub(crate) now_ms: u64,
}

impl<'a> Asker<'a> {
    /// None: such a request is never answered from the cache.
    pub(crate) fn new(caching: &'a Caching, head: &mut Head, content: &Content) -> Option<Asker<'a>> {
        let cached = match head.method {
            Method::GET | Method::HEAD => true,
            Method::OPTIONS => caching.mode() == Mode::CloudFront,
            _ => false,
        };
        if !cached || !content.is_empty() || head.asterisk {
            return None;
        }
        compress::hear(caching, head);
        let wishes = match caching.mode() {
            Mode::CloudFront => Wishes::default(),
            Mode::Standards => Wishes::of(&head.headers),
        };
        Some(Asker { caching, key: derive(caching, &Method::GET, head), wishes, now_ms: now_ms() })
    }

    /// Never waits.
    pub(crate) fn look(&self, head: &Head) -> Lookup {
        self.caching.cache.lookup(&self.key, &head.headers, self.now_ms, |meta| self.judge(meta))
    }

    /// What is there, and what would be done with it; see `edge::inquiry`.
    pub(crate) fn peek(&self, head: &Head) -> Option<Peek> {
        let (meta, tier) = self.caching.cache.peek(&self.key, &head.headers)?;
        Some(Peek { verdict: self.judge(&meta), meta, tier, now_ms: self.now_ms })
    }

    /// What is there and fresh is presented; anything else takes time.
    pub(crate) fn at_once(&self, head: &Head, lookup: &Lookup) -> Option<Answer> {
        match lookup {
            Lookup::Hit(hit) if !asks_the_origin(head) => Some(self.hit(head, hit, false)),
            _ => None,
        }
    }

    /// What is sent to the origin is taken out of `head` and `content`.
    pub(crate) async fn settle(
        &self,
        mut lookup: Lookup,
        trip: &Trip<'_>,
        first: Option<Arc<Origin>>,
        head: &mut Head,
        content: &mut Content,
    ) -> Result<Answer, Refusal> {
        if asks_the_origin(head) {
            // The duty, if there is one, passes on: this answer is for one client.
            drop(lookup);
            return alone(self.caching, trip, first, head, content, CacheStatus::forward(Forward::Request)).await;
        }
        let mut waited = false;
        if let Lookup::Busy(wait) = lookup {
            if self.caching.keeps_nothing() {
                let status = CacheStatus { detail: Some("keeps-nothing"), ..CacheStatus::forward(Forward::Bypass) };
                return alone(self.caching, trip, first, head, content, status).await;
            }
            waited = true;
            let patience = Duration::from_millis(limits::cache::WAIT_MS);
            lookup = wait.join(&head.headers, self.now_ms, |meta| self.judge(meta), patience).await;
        }
        match lookup {
            Lookup::Hit(hit) => Ok(self.hit(head, &hit, waited)),
            Lookup::Stale { hit, verdict: Verdict::Fresh | Verdict::StaleWhileRevalidate, duty } => {
                if let Some(duty) = duty {
                    let renewal = Renewal { trip: trip.own(), first, head: head.clone(), duty };
                    tokio::task::spawn_local(renewal.run());
                }
                Ok(self.hit(head, &hit, waited))
            }
            // The origin has failed a moment ago.
            Lookup::Stale { hit, verdict: Verdict::Revalidate { .. }, duty: None } => Ok(self.present(
                head,
                &hit,
                CacheStatus { detail: Some("stale-if-error"), collapsed: waited, ..CacheStatus::HIT },
            )),
            _ if self.wishes.only_if_cached => Err(Refusal::OnlyIfCached),
            Lookup::Miss(duty) | Lookup::Stale { duty: Some(duty), .. } => {
                fill(self.caching, trip, first, head, &self.wishes, duty).await
            }
            Lookup::Bypass(why) => {
                let status = CacheStatus { detail: Some(why.name()), ..CacheStatus::forward(Forward::Bypass) };
                alone(self.caching, trip, first, head, content, status).await
            }
            // `join` does not end busy.
            Lookup::Busy(_) => alone(self.caching, trip, first, head, content, CacheStatus::forward(Forward::Bypass)).await,
        }
    }

    fn judge(&self, meta: &Meta) -> Verdict {
        freshness::judge(self.caching.mode(), &meta.times, &self.wishes, self.now_ms)
    }

    fn hit(&self, head: &Head, hit: &Hit, collapsed: bool) -> Answer {
        self.present(head, hit, CacheStatus { collapsed, ..CacheStatus::HIT })
    }

    fn present(&self, head: &Head, hit: &Hit, status: CacheStatus) -> Answer {
        let left = i64::try_from(hit.meta.times.lifetime_ms).unwrap_or(i64::MAX)
            - i64::try_from(hit.meta.times.current_age_ms(self.now_ms)).unwrap_or(i64::MAX);
        let status = CacheStatus { ttl_s: Some(left / 1_000), ..status };
        present(self.caching.mode(), head, hit, self.now_ms, How { result: ResultType::Hit, status, aged: true })
    }
}

/// A request that is not answered from the cache: others than GET and HEAD, and those for which there was no room.
/// What it may have changed at the origin is forgotten here.
pub(crate) async fn alone(
    caching: &Caching,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut Head,
    content: &mut Content,
    status: CacheStatus,
) -> Result<Answer, Refusal> {
    let asked = (!invalidation::is_safe(&head.method)).then(|| head.clone());
    forward::reduce(caching, head);
    let mut answer = trip.fetch(first, head, content).await?;
    if let Some(asked) = asked
        && caching.mode() == Mode::Standards
    {
        invalidate(caching, trip, &asked, &answer.response).await;
    }
    forget_cookies(caching, answer.response.headers_mut());
    say(&mut answer, status);
    Ok(answer)
}

/// Fetches what is missing or stale, for everybody who wants it.
async fn fill(
    caching: &Caching,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &Head,
    wishes: &Wishes,
    duty: Duty,
) -> Result<Answer, Refusal> {
    let _span = trip.open_span("cache fill");
    let mode = caching.mode();
    let prior = duty.prior().cloned();
    let why = match &prior {
        None if duty.is_for_a_variant() => Forward::VaryMiss,
        None => Forward::Miss,
        Some(hit) if hit.meta.times.left_ms(now_ms()) > 0 => Forward::Request,
        Some(_) => Forward::Stale,
    };
    // It may still be used when the origin fails, by everything but its age.
    let usable = prior.as_ref().filter(|hit| {
        matches!(freshness::judge(mode, &hit.meta.times, wishes, now_ms()), Verdict::Revalidate { if_error: true })
    });

    let mut validates = prior.is_some();
    let (mut answer, sent, asked_ms) = loop {
        let mut asked = head.clone();
        // What follows a body is not stored, so nobody has it.
        asked.trailers = Trailers::Dropped;
        forward::reduce(caching, &mut asked);
        // HEAD is answered from what GET stores.
        if asked.method == Method::HEAD {
            asked.method = Method::GET;
        }
        match &prior {
            Some(hit) if validates => validates = condition::ask_whether_modified(&mut asked.headers, &hit.meta.as_sent()),
            _ => condition::ask_for_all(&mut asked.headers),
        }
        let (sent, asked_ms) = (asked.headers.clone(), now_ms());
        let answer = match trip.fetch(first.clone(), &mut asked, &mut Content::Empty).await {
            Ok(answer) => answer,
            Err(refusal) => match (&refusal, usable) {
                (Refusal::Fetch(error), Some(hit)) if error.is_elsewhere() => {
                    duty.decline(Decline::Failed);
                    return Ok(stale(mode, head, hit, why, None));
                }
                (Refusal::Fetch(_) | Refusal::OriginBody(_), Some(hit)) => {
                    let lasts_ms = caching.ttls(refusal.status()).error_min_ms;
                    duty.hold(Spell { since_ms: now_ms(), lasts_ms });
                    return Ok(stale(mode, head, hit, why, None));
                }
                // Remembered like an error that the origin sent.
                (Refusal::Fetch(error), None) if error.is_the_origins() => break (trip.refuse(&refusal), sent, asked_ms),
                _ => {
                    duty.decline(Decline::Failed);
                    return Err(refusal);
                }
            },
        };
        let not_modified = answer.response.status() == StatusCode::NOT_MODIFIED;
        match &prior {
            Some(hit) if validates && not_modified => {
                if condition::is_about(&hit.meta.as_sent(), answer.response.headers()) {
                    break (answer, sent, asked_ms);
                }
                // It speaks of something that we never had.
                validates = false;
            }
            _ => break (answer, sent, asked_ms),
        }
    };

    let received_ms = now_ms();
    let status = answer.response.status();
    let answered = answer.response.headers();
    let authorization_keyed = caching.policy.key.has_authorization();
    let fetched = Fetched { method: &Method::GET, asked: &sent, authorization_keyed, status, answered, asked_ms, received_ms };
    if let (Some(hit), true, StatusCode::NOT_MODIFIED) = (&prior, validates, status) {
        return Ok(renewed(caching, head, hit, duty, &fetched, why));
    }
    if let (Some(hit), 500 | 502..=504) = (usable, status.as_u16()) {
        duty.hold(Spell { since_ms: received_ms, lasts_ms: caching.ttls(status).error_min_ms });
        return Ok(stale(mode, head, hit, why, Some(status)));
    }
    let forwarded = CacheStatus { forward_status: None, ..CacheStatus::forward(why) };
    let times = match freshness::admit(mode, &caching.ttls(status), &fetched) {
        Ok(times) => times,
        Err(reason) => {
            duty.decline(if reason == Reason::Status { Decline::Failed } else { Decline::Uncacheable });
            forget_cookies(caching, answer.response.headers_mut());
            say(&mut answer, CacheStatus { detail: Some(reason.name()), ..forwarded });
            return Ok(answer);
        }
    };
    let mut meta = Meta {
        status,
        headers: fields::storable(answered, caching.cookies(), received_ms),
        times,
        vary: match (mode, Vary::of(answered)) {
            (Mode::Standards, Vary::Names(names)) => names,
            _ => Arc::new([]),
        },
        request_site: caching.site.clone(),
        path_and_query: head.target.as_str().into(),
        tags: tags(answered),
        length: said_length(answered).or(answer.response.body().size_hint().exact()),
        stored_ms: received_ms,
        original: None,
    };
    let content = std::mem::replace(answer.response.body_mut(), Content::Empty);
    let content = compress::offer(caching, &head.headers, &mut meta, content);
    let mut filler = duty.fill(meta, &head.headers);
    let Some(hit) = filler.take_hit() else {
        // Nobody has written yet, so it is there.
        say(&mut answer, forwarded);
        return Ok(answer);
    };
    let ttl_s = i64::try_from(times.left_ms(received_ms) / 1_000).ok();
    let how =
        How { result: answer.result, status: CacheStatus { stored: true, ttl_s, ..forwarded }, aged: times.age_ms >= 1_000 };
    let answer = present(mode, head, &hit, received_ms, how);
    drop(hit);
    // A body that is here is stored before anybody else asks.
    if matches!(content, Content::Empty | Content::Full(_)) {
        pump(content, filler).await;
    } else {
        tokio::task::spawn_local(pump(content, filler));
    }
    Ok(answer)
}

/// The origin has nothing newer.
fn renewed(caching: &Caching, head: &Head, prior: &Hit, duty: Duty, fetched: &Fetched<'_>, why: Forward) -> Answer {
    let mut headers = prior.meta.as_sent().into_owned();
    let status = prior.meta.status;
    let times = freshness::renew(caching.mode(), &caching.ttls(status), fetched, status, &mut headers, caching.cookies());
    compress::renewed(caching, &prior.meta, &mut headers);
    let said = CacheStatus { forward_status: Some(StatusCode::NOT_MODIFIED), ..CacheStatus::forward(why) };
    let (hit, said) = match times {
        Ok(times) => {
            let ttl_s = i64::try_from(times.left_ms(fetched.received_ms) / 1_000).ok();
            let hit = duty.renew(times, headers).unwrap_or_else(|| prior.clone());
            (hit, CacheStatus { stored: true, ttl_s, ..said })
        }
        Err(reason) => {
            // This client may have it, with what is said of it now.
            duty.decline(Decline::Uncacheable);
            let mut hit = prior.clone();
            hit.meta = Arc::new(Meta { headers, ..Meta::clone(&prior.meta) });
            (hit, CacheStatus { detail: Some(reason.name()), ..said })
        }
    };
    let how = How { result: ResultType::RefreshHit, status: said, aged: true };
    present(caching.mode(), head, &hit, fetched.received_ms, how)
}

/// The origin has failed, and an old answer is better than none.
fn stale(mode: Mode, head: &Head, hit: &Hit, why: Forward, status: Option<StatusCode>) -> Answer {
    let status = CacheStatus { forward_status: status, detail: Some("stale-if-error"), ..CacheStatus::forward(why) };
    present(mode, head, hit, now_ms(), How { result: ResultType::Hit, status, aged: true })
}

/// Brings a body to the cache, at the origin's speed. Dropped or broken before its end, it leaves nothing there.
async fn pump(mut content: Content, mut filler: Filler) {
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

/// A renewal that nobody waits for.
struct Renewal {
    trip: crate::edge::exchange::OwnedTrip,
    first: Option<Arc<Origin>>,
    head: Head,
    duty: Duty,
}

impl Renewal {
    async fn run(self) {
        let Renewal { trip, first, mut head, duty } = self;
        let Some((trip, caching)) = trip.lend() else { return };
        // Nobody is there who has wishes, conditions or ranges.
        condition::ask_for_all(&mut head.headers);
        head.method = Method::GET;
        head.interim = None;
        if let Err(refusal) = fill(caching, &trip, first, &head, &Wishes::default(), duty).await {
            tracing::debug!(target: "edgeward::cache", %refusal, "a renewal failed");
        }
    }
}

/// Purges what an unsafe request has made doubtful (RFC 9111 section 4.4).
async fn invalidate(caching: &Caching, trip: &Trip<'_>, asked: &Head, response: &Response<Content>) {
    let authority = asked.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let Some(authority) = authority else { return };
    let scheme = if trip.secure { Scheme::HTTPS } else { Scheme::HTTP };
    let target = invalidation::Target { scheme: &scheme, authority: &authority, path_and_query: &asked.target };
    for target in invalidation::targets(&asked.method, &target, response.status(), response.headers()) {
        let head = Head { target, ..asked.clone() };
        // A purge is work: none for what is not there.
        if !caching.cache.holds(&derive(caching, &Method::GET, &head)) {
            continue;
        }
        let purge = Purge::Path { site: caching.site.to_string(), pattern: head.target.as_str().to_owned() };
        if let Err(error) = caching.cache.purge(purge).await {
            tracing::warn!(target: "edgeward::cache", %error, "a response that a request has made doubtful stays");
        }
    }
}

fn derive(caching: &Caching, method: &Method, head: &Head) -> Key {
    let asked = key::Asked {
        site: &caching.site,
        host: head.host(),
        method: if head.method == Method::OPTIONS { &Method::OPTIONS } else { method },
        path: head.path(),
        query: head.target.query(),
        headers: &head.headers,
    };
    Key::derive(&caching.policy.key, &asked)
}

/// Conditions that protect a change: only the origin can judge them.
fn asks_the_origin(head: &Head) -> bool {
    head.headers.contains_key(header::IF_MATCH) || head.headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// CloudFront: a behavior that forwards no cookies answers with none.
fn forget_cookies(caching: &Caching, answered: &mut HeaderMap) {
    let forwarded = caching.forwarding.as_ref().is_some_and(|forwarding| forwarding.cookies != Choice::None);
    if caching.cookies() == SetCookie::Drop && !forwarded {
        answered.remove(header::SET_COOKIE);
    }
}

fn say(answer: &mut Answer, status: CacheStatus) {
    answer.response.headers_mut().append(present::CACHE_STATUS, status.member(present::NAME));
}

/// Surrogate keys: Fastly's `Surrogate-Key` (spaces) and Cloudflare's `Cache-Tag` (commas).
fn tags(answered: &HeaderMap) -> Box<[Box<str>]> {
    let lines = ["surrogate-key", "cache-tag"].into_iter().flat_map(|name| answered.get_all(name));
    let words = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split([' ', ',']));
    words.filter(|word| !word.is_empty()).take(limits::cache::TAGS).map(Box::from).collect()
}

fn said_length(answered: &HeaderMap) -> Option<u64> {
    answered.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
