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
mod way;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::cache::control::Wishes;
use crate::cache::fields::{self, SetCookie};
use crate::cache::freshness::{self, Fetched, Freshness, Mode, Period, Ttls, UncacheableReason};
use crate::cache::key::{Base, Choice, Identity, Key, Vary};
use crate::cache::status::{CacheStatus, Forward};
use crate::cache::{Cache, Decline, Duty, Filler, Hit, Lookup, Meta, condition, invalidation};
use crate::config::{self, CachePolicy, Forwarding};
use crate::edge::body::Content;
use crate::edge::exchange::Trip;
use crate::edge::head::{Head, Trailers};
use crate::edge::origin::{Backend, Origin};
use crate::edge::respond::{Answer, Refusal};
use crate::limits;
use crate::telemetry::{CacheTier, ResultType};
use present::{How, present};
use way::Shown;
pub(crate) use way::Way;

/// How a behavior caches.
pub(crate) struct Caching {
    cache: Arc<Cache>,
    site: Arc<str>,
    policy: Arc<CachePolicy>,
    forwarding: Option<Arc<Forwarding>>,
    /// The site's own, by status.
    error_ttls_ms: Arc<[(u16, u64)]>,
    compress: bool,
    behavior: Identity,
    shown: Shown,
    /// Of the keys of requests for the behavior's own origin.
    base: Base,
}

/// What a behavior's caching has from around it.
pub(crate) struct Around<'a> {
    pub(crate) cache: &'a Arc<Cache>,
    pub(crate) site: &'a Arc<str>,
    /// By status.
    pub(crate) error_ttls_ms: &'a Arc<[(u16, u64)]>,
    /// Whether one of the origins is a component.
    pub(crate) any_component: bool,
}

impl Caching {
    pub(crate) fn new(behavior: &config::Behavior, policy: &Arc<CachePolicy>, backend: &Backend, around: &Around<'_>) -> Caching {
        let identity = way::behavior(around.site, behavior, policy.mode);
        let shown = Shown::new(behavior, policy.mode, around.any_component);
        Caching {
            cache: around.cache.clone(),
            site: around.site.clone(),
            policy: policy.clone(),
            forwarding: behavior.forwarding.clone(),
            error_ttls_ms: around.error_ttls_ms.clone(),
            compress: behavior.compress,
            behavior: identity,
            shown,
            base: Base::new(&identity, &backend.identity(None), shown.to(backend, None)),
        }
    }

    /// `first` is the primary of the backend as a hook has changed it.
    fn base_to(&self, backend: &Backend, first: Option<&Arc<Origin>>) -> Base {
        Base::new(&self.behavior, &backend.identity(first), self.shown.to(backend, first))
    }

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

    /// Whether the origin will know by credentials that are not in the key who asks: its answer may be for nobody else.
    fn tells_who_asks(&self, head: &Head) -> bool {
        let is_it = |name: &HeaderName| *name == header::AUTHORIZATION;
        head.headers.contains_key(header::AUTHORIZATION)
            && !self.policy.key.has_authorization()
            && (self.mode() == Mode::Standards || self.forwarding.as_ref().is_some_and(|also| also.headers.takes(is_it)))
    }

    /// Whether a response's cookies are for everybody who has the same key.
    fn cookies(&self) -> SetCookie {
        match self.mode() {
            _ if self.policy.key.has_cookies() => SetCookie::Keep,
            Mode::CloudFront => SetCookie::Drop,
            Mode::Standards if self.policy.store_set_cookie => SetCookie::Keep,
            Mode::Standards => SetCookie::Refuse,
        }
    }
}

/// A request before the cache.
pub(crate) struct Asker<'a> {
    way: Way<'a>,
    key: Key,
    wishes: Wishes,
    now_ms: u64,
}

/// What is stored, and what is to be done with it at this moment.
pub(crate) struct Peek {
    pub(crate) meta: Arc<Meta>,
    pub(crate) tier: CacheTier,
    pub(crate) verdict: Freshness,
    pub(crate) now_ms: u64,
}

impl<'a> Asker<'a> {
    /// None: such a request is never answered from the cache.
    pub(crate) fn new(way: Way<'a>, head: &mut Head, content: &Content) -> Option<Asker<'a>> {
        let caching = way.caching;
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
        let key = way.key(&head.method, head);
        Some(Asker { way, key, wishes, now_ms: now_ms() })
    }

    /// Never waits.
    pub(crate) fn look(&self, head: &Head) -> Lookup {
        self.way.caching.cache.lookup(&self.key, self.way.selecting(head), self.now_ms, |meta| self.judge(meta))
    }

    /// What is there, and what would be done with it; see `edge::inquiry`.
    pub(crate) fn peek(&self, head: &Head) -> Option<Peek> {
        let (meta, tier) = self.way.caching.cache.peek(&self.key, self.way.selecting(head))?;
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
        let caching = self.way.caching;
        if asks_the_origin(head) {
            // The duty, if there is one, passes on: this answer is for one client.
            drop(lookup);
            return alone(caching, trip, first, head, content, CacheStatus::forward(Forward::Request)).await;
        }
        let mut waited = false;
        if let Lookup::Busy(wait) = &lookup
            && wait.is_for_a_fill()
            && caching.tells_who_asks(head)
            && !self.wishes.only_if_cached
        {
            // What comes for another may be for another, and what comes for this one not for those who wait.
            drop(lookup);
            let status =
                CacheStatus { detail: Some(UncacheableReason::Authorization.name()), ..CacheStatus::forward(Forward::Bypass) };
            return alone(caching, trip, first, head, content, status).await;
        }
        if let Lookup::Busy(wait) = lookup {
            if caching.keeps_nothing() {
                let status = CacheStatus { detail: Some("keeps-nothing"), ..CacheStatus::forward(Forward::Bypass) };
                return alone(caching, trip, first, head, content, status).await;
            }
            waited = true;
            let patience = Duration::from_millis(limits::cache::WAIT_MS);
            lookup = wait.join(self.way.selecting(head), self.now_ms, |meta| self.judge(meta), patience).await;
        }
        let owes = matches!(lookup, Lookup::Miss(_) | Lookup::Stale { verdict: Freshness::Revalidate { .. }, duty: Some(_), .. });
        if owes && self.wishes.no_store && !self.wishes.only_if_cached {
            // It brings nothing to the store; the duty passes on to one who may.
            drop(lookup);
            let detail = Some(UncacheableReason::RequestNoStore.name());
            let status = CacheStatus { detail, ..CacheStatus::forward(Forward::Request) };
            return alone(caching, trip, first, head, content, status).await;
        }
        match lookup {
            Lookup::Hit(hit) => Ok(self.hit(head, &hit, waited)),
            Lookup::Stale { hit, verdict: Freshness::Fresh | Freshness::StaleWhileRevalidate, duty } => {
                if let Some(duty) = duty {
                    let renewal = Renewal { trip: trip.own(), first, head: head.clone(), duty };
                    tokio::task::spawn_local(renewal.run());
                }
                Ok(self.hit(head, &hit, waited))
            }
            // The origin has failed a moment ago.
            Lookup::Stale { hit, verdict: Freshness::Revalidate { .. }, duty: None } => Ok(self.present(
                head,
                &hit,
                CacheStatus { detail: Some("stale-if-error"), collapsed: waited, ..CacheStatus::HIT },
            )),
            _ if self.wishes.only_if_cached => Err(Refusal::OnlyIfCached),
            Lookup::Miss(duty) | Lookup::Stale { duty: Some(duty), .. } => {
                fill(&self.way, trip, first, head, &self.wishes, duty).await
            }
            Lookup::Bypass(why) => {
                let status = CacheStatus { detail: Some(why.name()), ..CacheStatus::forward(Forward::Bypass) };
                alone(caching, trip, first, head, content, status).await
            }
            // `join` does not end busy.
            Lookup::Busy(_) => alone(caching, trip, first, head, content, CacheStatus::forward(Forward::Bypass)).await,
        }
    }

    fn judge(&self, meta: &Meta) -> Freshness {
        freshness::judge(self.way.caching.mode(), &meta.times, &self.wishes, self.now_ms)
    }

    fn hit(&self, head: &Head, hit: &Hit, collapsed: bool) -> Answer {
        self.present(head, hit, CacheStatus { collapsed, ..CacheStatus::HIT })
    }

    fn present(&self, head: &Head, hit: &Hit, status: CacheStatus) -> Answer {
        let left = i64::try_from(hit.meta.times.lifetime_ms).unwrap_or(i64::MAX)
            - i64::try_from(hit.meta.times.current_age_ms(self.now_ms)).unwrap_or(i64::MAX);
        let status = CacheStatus { ttl_s: Some(left / 1_000), ..status };
        present(self.way.caching.mode(), head, hit, self.now_ms, How { result: ResultType::Hit, status, aged: true })
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
    let way = Way::of(caching, trip, first.as_ref(), head.version);
    forward::own(way.rules(), head);
    let mut answer = trip.fetch(first, head, content).await?;
    if let Some(asked) = asked
        && caching.mode() == Mode::Standards
    {
        invalidate(&way, trip, &asked, &answer.response).await;
    }
    forget_cookies(caching, answer.response.headers_mut());
    say(&mut answer, status);
    Ok(answer)
}

/// Fetches what is missing or stale, for everybody who wants it.
async fn fill(
    way: &Way<'_>,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &Head,
    wishes: &Wishes,
    duty: Duty,
) -> Result<Answer, Refusal> {
    let _span = trip.open_span("cache fill");
    let caching = way.caching;
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
        matches!(freshness::judge(mode, &hit.meta.times, wishes, now_ms()), Freshness::Revalidate { if_error: true })
    });

    let mut target;
    let mut validates = prior.is_some();
    let (mut answer, sent, asked_ms) = loop {
        let mut asked =
            if caching.keeps_nothing() { forward::unshared(way.rules(), head) } else { forward::shared(way.rules(), head) };
        // What follows a body is not stored, so nobody has it.
        asked.trailers = Trailers::Dropped;
        target = asked.target.clone();
        if let Some(hit) = &prior
            && validates
        {
            validates = condition::ask_whether_modified(&mut asked.headers, &hit.meta.as_sent());
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
                    duty.hold(Period { since_ms: now_ms(), lasts_ms });
                    return Ok(stale(mode, head, hit, why, None));
                }
                // Remembered like an error that the origin sent.
                (Refusal::Fetch(error), None) if error.is_the_origins() => {
                    break (trip.refuse(&refusal, head.path()), sent, asked_ms);
                }
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
    let cookies = caching.cookies();
    let fetched =
        Fetched { method: &Method::GET, asked: &sent, authorization_keyed, cookies, status, answered, asked_ms, received_ms };
    if let (Some(hit), true, StatusCode::NOT_MODIFIED) = (&prior, validates, status) {
        return Ok(renewed(caching, head, hit, duty, &fetched, why));
    }
    if let (Some(hit), 500 | 502..=504) = (usable, status.as_u16()) {
        duty.hold(Period { since_ms: received_ms, lasts_ms: caching.ttls(status).error_min_ms });
        return Ok(stale(mode, head, hit, why, Some(status)));
    }
    let forwarded = CacheStatus { forward_status: None, ..CacheStatus::forward(why) };
    let times = match freshness::admit(mode, &caching.ttls(status), &fetched) {
        Ok(times) => times,
        Err(reason) => {
            duty.decline(match reason {
                _ if reason.is_personal() => Decline::Personal,
                UncacheableReason::Status => Decline::Failed,
                _ => Decline::Uncacheable,
            });
            forget_cookies(caching, answer.response.headers_mut());
            say(&mut answer, CacheStatus { detail: Some(reason.name()), ..forwarded });
            return Ok(answer);
        }
    };
    let mut meta = Meta {
        status,
        headers: fields::storable(answered, cookies, received_ms),
        times,
        vary: match (mode, Vary::of(answered)) {
            (Mode::Standards, Vary::Names(names)) => names,
            _ => Arc::new([]),
        },
        request_site: caching.site.clone(),
        host: way.keyed_host(head),
        // As the origin knows it: what is not keyed must not hide it from a purge.
        path_and_query: target.as_str().into(),
        tags: tags(answered),
        length: said_length(answered).or(answer.response.body().size_hint().exact()),
        stored_ms: received_ms,
        original: None,
    };
    let personal = Personal::of(answered, cookies);
    let content = std::mem::replace(answer.response.body_mut(), Content::Empty);
    let content = compress::offer(caching, &head.headers, &mut meta, content);
    let mut filler = duty.fill(meta, way.selecting(head));
    let Some(hit) = filler.take_hit() else {
        // Nobody has written yet, so it is there.
        say(&mut answer, forwarded);
        return Ok(answer);
    };
    let ttl_s = i64::try_from(times.left_ms(received_ms) / 1_000).ok();
    let how =
        How { result: answer.result, status: CacheStatus { stored: true, ttl_s, ..forwarded }, aged: times.age_ms >= 1_000 };
    let mut answer = present(mode, head, &hit, received_ms, how);
    personal.put_on(&mut answer);
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
    let times = freshness::renew(caching.mode(), &caching.ttls(status), fetched, status, &mut headers);
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
            duty.decline(if reason.is_personal() { Decline::Personal } else { Decline::Uncacheable });
            let mut hit = prior.clone();
            hit.meta = Arc::new(Meta { headers, ..Meta::clone(&prior.meta) });
            (hit, CacheStatus { detail: Some(reason.name()), ..said })
        }
    };
    let how = How { result: ResultType::RefreshHit, status: said, aged: true };
    let mut answer = present(caching.mode(), head, &hit, fetched.received_ms, how);
    Personal::of(fetched.answered, fetched.cookies).put_on(&mut answer);
    answer
}

/// What of an answer is for the one who asked, and not in what is stored.
struct Personal(Vec<(HeaderName, HeaderValue)>);

impl Personal {
    fn of(answered: &HeaderMap, cookies: SetCookie) -> Personal {
        let names = fields::personal(answered, cookies);
        let lines =
            |name: &HeaderName| answered.get_all(name).iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>();
        Personal(names.iter().flat_map(lines).collect())
    }

    fn put_on(self, answer: &mut Answer) {
        let headers = answer.response.headers_mut();
        for (name, _) in &self.0 {
            headers.remove(name);
        }
        for (name, value) in self.0 {
            headers.append(name, value);
        }
    }
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
        let way = Way::of(caching, &trip, first.as_ref(), head.version);
        if let Err(refusal) = fill(&way, &trip, first, &head, &Wishes::default(), duty).await {
            tracing::debug!(target: "edgeward::cache", %refusal, "a renewal failed");
        }
    }
}

/// What an unsafe request has made doubtful is not used any more (RFC 9111 section 4.4): these very URIs.
async fn invalidate(way: &Way<'_>, trip: &Trip<'_>, asked: &Head, response: &Response<Content>) {
    let caching = way.caching;
    let authority = asked.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let Some(authority) = authority else { return };
    let scheme = if way.secure { Scheme::HTTPS } else { Scheme::HTTP };
    let host = way.keyed_host(asked);
    let target = invalidation::InvalidationTarget { scheme: &scheme, authority: &authority, path_and_query: &asked.target };
    for target in invalidation::targets(&asked.method, &target, response.status(), response.headers()) {
        let head = Head { target, ..asked.clone() };
        // As what is stored is called.
        let target = forward::shared(way.rules(), &head).target;
        if caching.cache.invalidate(&caching.site, &host, target.as_str(), trip.client()) {
            continue;
        }
        // This client's room is used up: at least what it would get itself.
        caching.cache.forget(way.key(&Method::GET, &head)).await;
    }
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
