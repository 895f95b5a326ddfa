//! The cache through its door: lookups, duties, waits and purges, on one thread and on several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tempfile::TempDir;

use super::disk::DiskTier;
use super::freshness::{Freshness, Times};
use super::hit::BodySource;
use super::key::{Key, Selecting};
use super::memory::{MemoryEntry, MemoryTier};
use super::object::Stored;
use super::stream::FillStream;
use super::*;
use crate::limits::cache::weight::OBJECT_BYTES;
use crate::telemetry::Telemetry;

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const NOW: u64 = 1_700_000_000_000;

pub(super) fn key(name: &str) -> Key {
    let mut bytes = [0; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Key::from_bytes(bytes)
}

pub(crate) fn meta(path: &str, length: Option<u64>) -> Meta {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/plain"));
    let times = Times {
        received_ms: NOW,
        age_ms: 0,
        lifetime_ms: 60_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: false,
    };
    Meta {
        status: StatusCode::OK,
        headers,
        times,
        vary: [].into(),
        request_site: "site".into(),
        host: "".into(),
        path_and_query: path.into(),
        tags: ["tag".into()].into(),
        length,
        stored_ms: NOW,
        original: None,
    }
}

/// A request without header fields.
pub(super) fn nothing() -> Selecting<'static> {
    static NOTHING: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
    (&*NOTHING).into()
}

pub(super) fn fresh(_: &Meta) -> Freshness {
    Freshness::Fresh
}

fn stale(_: &Meta) -> Freshness {
    Freshness::Revalidate { if_error: true }
}

pub(super) fn metrics() -> crate::telemetry::CacheMetrics {
    Telemetry::new().cache()
}

fn memory_only() -> Arc<Cache> {
    open(None)
}

pub(super) fn open(folder: Option<&TempDir>) -> Arc<Cache> {
    let disk = folder.map(|folder| DiskOptions { folder: folder.path().into(), bytes: 64 << 20, object_bytes: 8 << 20 });
    let options = Options { memory_bytes: 8 << 20, memory_object_bytes: 256 << 10, disk };
    Cache::open(&options, metrics()).unwrap()
}

pub(super) fn look(cache: &Arc<Cache>, name: &str) -> Lookup {
    cache.lookup(&key(name), nothing(), NOW, fresh)
}

async fn join(wait: Wait) -> LookupResult {
    wait.join(nothing(), NOW, fresh, PATIENCE).await
}

pub(super) async fn settled(cache: &Arc<Cache>, name: &str) -> LookupResult {
    match look(cache, name) {
        Lookup::Busy(wait) => join(wait).await,
        Lookup::Settled(result) => result,
    }
}

#[track_caller]
pub(super) fn duty(lookup: impl Into<Lookup>) -> Duty {
    match lookup.into() {
        Lookup::Settled(LookupResult::Miss(duty)) => duty,
        other => panic!("not a miss but {}", word(&other)),
    }
}

#[track_caller]
fn busy(lookup: Lookup) -> Wait {
    match lookup {
        Lookup::Busy(wait) => wait,
        other => panic!("not busy but {}", word(&other)),
    }
}

#[track_caller]
pub(super) fn hit(lookup: impl Into<Lookup>) -> Hit {
    match lookup.into() {
        Lookup::Settled(LookupResult::Hit(hit)) => hit,
        other => panic!("not a hit but {}", word(&other)),
    }
}

pub(super) fn word(lookup: &Lookup) -> &'static str {
    match lookup {
        Lookup::Settled(LookupResult::Stale { duty: Some(_), .. }) => "stale with duty",
        lookup => lookup.name(),
    }
}

pub(super) async fn text(hit: &Hit) -> Bytes {
    hit.body().collect().await.unwrap().to_bytes()
}

pub(super) async fn fill(cache: &Arc<Cache>, name: &str, body: &[u8]) {
    let duty = duty(settled(cache, name).await);
    let mut filler = duty.fill(meta(name, Some(body.len() as u64)), nothing());
    for piece in body.chunks(10_000) {
        filler.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(filler.finish().await.unwrap());
}

#[tokio::test]
async fn what_was_filled_is_hit() {
    let cache = memory_only();
    fill(&cache, "a", b"hello").await;
    let hit = hit(look(&cache, "a"));
    assert_eq!((text(&hit).await, hit.tier()), (Bytes::from_static(b"hello"), CacheTier::Memory));
    assert_eq!(hit.part(1..3).collect().await.unwrap().to_bytes(), "el");
    assert_eq!(hit.meta.length, Some(5));
    assert_eq!(word(&look(&cache, "b")), "miss");
    assert_eq!(cache.stats().flights, 0, "the duty that was dropped leaves nothing behind");
}

#[tokio::test]
async fn ten_thousand_wait_for_one_fill_on_one_thread() {
    let cache = memory_only();
    let owed = duty(look(&cache, "a"));
    let waits: Vec<_> = (0..10_000).map(|_| busy(look(&cache, "a"))).collect();
    let tasks: Vec<_> = waits.into_iter().map(|wait| tokio::spawn(async { text(&hit(join(wait).await)).await })).collect();
    tokio::task::yield_now().await;
    let mut filler = owed.fill(meta("a", None), nothing());
    for piece in ["one ", "two ", "three"] {
        filler.write(piece.into()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(filler.finish().await.unwrap());
    for task in tasks {
        assert_eq!(task.await.unwrap(), "one two three");
    }
    assert_eq!(cache.stats().flights, 0);
}

#[test]
fn ten_thousand_requests_of_four_workers_make_one_fill() {
    for _ in 0..5 {
        let cache = memory_only();
        let fills = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(std::sync::Barrier::new(4));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (cache, fills, start) = (cache.clone(), fills.clone(), start.clone());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    start.wait();
                    tokio::task::LocalSet::new().block_on(&runtime, async {
                        let requests: Vec<_> = (0..2_500)
                            .map(|_| {
                                let (cache, fills) = (cache.clone(), fills.clone());
                                tokio::task::spawn_local(async move {
                                    match settled(&cache, "a").await {
                                        LookupResult::Hit(hit) => assert_eq!(text(&hit).await, "body"),
                                        LookupResult::Miss(duty) => {
                                            fills.fetch_add(1, Ordering::Relaxed);
                                            tokio::task::yield_now().await;
                                            let mut filler = duty.fill(meta("a", Some(4)), nothing());
                                            filler.write("bo".into()).await.unwrap();
                                            tokio::task::yield_now().await;
                                            filler.write("dy".into()).await.unwrap();
                                            filler.finish().await.unwrap();
                                        }
                                        other => panic!("{}", word(&other.into())),
                                    }
                                })
                            })
                            .collect();
                        for request in requests {
                            request.await.unwrap();
                        }
                    });
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(fills.load(Ordering::Relaxed), 1);
        assert_eq!(cache.stats().flights, 0);
    }
}

#[tokio::test]
async fn a_duty_that_is_dropped_at_any_step_passes_to_the_next_waiter() {
    for step in ["duty", "head", "first bytes", "short", "long"] {
        let cache = memory_only();
        let owed = duty(look(&cache, "a"));
        let waits: Vec<_> = (0..3).map(|_| busy(look(&cache, "a"))).collect();
        // Goes away without ever having been polled.
        drop(busy(look(&cache, "a")));
        let mut reader = None;
        match step {
            "duty" => drop(owed),
            _ => {
                let mut filler = owed.fill(meta("a", Some(4)), nothing());
                reader = filler.take_hit();
                match step {
                    "head" => drop(filler),
                    "first bytes" => {
                        filler.write("ab".into()).await.unwrap();
                        drop(filler);
                    }
                    "short" => {
                        filler.write("ab".into()).await.unwrap();
                        assert_eq!(filler.finish().await, Err(WrongLength { said: 4, came: 2 }));
                    }
                    _ => assert_eq!(filler.write("abcde".into()).await, Err(WrongLength { said: 4, came: 5 })),
                }
            }
        }
        if let Some(reader) = reader {
            assert_eq!(reader.body().collect().await.unwrap_err(), BodyError::Cut, "{step}");
        }
        // Each of those who wait gets it in turn, and the last one fills.
        let mut waits = waits.into_iter();
        for wait in waits.by_ref().take(2) {
            drop(duty(join(wait).await));
        }
        let owed = duty(join(waits.next().unwrap()).await);
        let wait = busy(look(&cache, "a"));
        let mut filler = owed.fill(meta("a", Some(4)), nothing());
        filler.write("abcd".into()).await.unwrap();
        assert!(filler.finish().await.unwrap());
        assert_eq!(text(&hit(join(wait).await)).await, "abcd", "{step}");
        assert_eq!(cache.stats().flights, 0, "{step}");
        assert_eq!(cache.stats().flight_bytes, 0, "{step}");
    }
}

#[tokio::test]
async fn a_wakeup_is_not_lost_with_the_one_that_was_woken() {
    let cache = memory_only();
    let owed = duty(look(&cache, "a"));
    let (first, second) = (busy(look(&cache, "a")), busy(look(&cache, "a")));
    let first = tokio::spawn(join(first));
    let second = tokio::spawn(async { duty(join(second).await) });
    tokio::task::yield_now().await;
    drop(owed);
    // Woken, but aborted before it runs.
    first.abort();
    drop(second.await.unwrap());
    assert_eq!(cache.stats().flights, 0);
}

#[tokio::test]
async fn a_reader_may_be_slower_or_faster_than_the_fill() {
    let cache = memory_only();
    let mut filler = duty(look(&cache, "a")).fill(meta("a", Some(6)), nothing());
    let own = filler.take_hit().unwrap();
    let mut fast = own.body();
    let mut slow = hit(join(busy(look(&cache, "a"))).await).body();
    let part = own.part(1..5);
    drop(own);
    for piece in ["ab", "cd", "ef"] {
        let next = tokio::spawn(async move {
            let frame = fast.frame().await.unwrap().unwrap().into_data().unwrap();
            (frame, fast)
        });
        tokio::task::yield_now().await;
        filler.write(piece.into()).await.unwrap();
        let (frame, back) = next.await.unwrap();
        assert_eq!(frame, piece);
        fast = back;
    }
    assert!(fast.frame().await.is_none(), "it knows its length");
    assert!(filler.finish().await.unwrap());
    assert_eq!(slow.frame().await.unwrap().unwrap().into_data().unwrap(), "abcdef");
    assert!(slow.frame().await.is_none());
    assert_eq!(part.collect().await.unwrap().to_bytes(), "bcde");
}

#[tokio::test]
async fn the_slowest_reader_holds_a_window_up_until_it_is_cut_off() {
    let stream = FillStream::new(Arc::new(meta("a", None)), key("a"), 0, Arc::default());
    let (quick, slow) = (stream.reader().unwrap(), stream.reader().unwrap());
    let bodies = [quick, slow].map(|reader| Hit { meta: stream.meta.clone(), source: BodySource::Stream(reader) }.body());
    let [mut quick, mut slow] = bodies;
    for _ in 0..4 {
        stream.push(Bytes::from_static(b"0123"));
        quick.frame().await.unwrap().unwrap();
    }
    // Twelve of sixteen bytes should go, but one reader has not had them.
    stream.room(4, Duration::ZERO).await;
    assert_eq!(slow.frame().await.unwrap().unwrap_err(), BodyError::Slow);
    stream.push(Bytes::from_static(b"4567"));
    assert_eq!(quick.frame().await.unwrap().unwrap().into_data().unwrap(), "4567");
    assert!(stream.reader().is_none(), "the beginning is gone");
    stream.fail();
    assert_eq!(quick.frame().await.unwrap().unwrap_err(), BodyError::Cut);
}

#[tokio::test]
async fn readers_that_keep_up_do_not_hold_a_window_up() {
    let stream = FillStream::new(Arc::new(meta("a", None)), key("a"), 0, Arc::default());
    let hit = Hit { meta: stream.meta.clone(), source: BodySource::Stream(stream.reader().unwrap()) };
    let mut body = hit.body();
    drop(hit);
    for _ in 0..10 {
        stream.push(Bytes::from_static(b"0123456"));
        body.frame().await.unwrap().unwrap();
        // The floor lies within a piece, which has to stay. An hour of patience would show.
        stream.room(10, Duration::from_secs(3_600)).await;
    }
    assert!(stream.pieces().len() <= 3);
}

#[tokio::test]
async fn an_object_too_large_for_any_tier_passes_through_and_is_not_stored() {
    let cache = memory_only();
    let body: Vec<u8> = (0..6_000_000u32).map(|at| (at / 1000) as u8).collect();
    let mut filler = duty(look(&cache, "a")).fill(meta("a", Some(body.len() as u64)), nothing());
    let own = filler.take_hit().unwrap().body();
    let read = tokio::spawn(async { own.collect().await.unwrap().to_bytes() });
    for piece in body.chunks(60_000) {
        filler.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(!filler.finish().await.unwrap());
    assert_eq!(read.await.unwrap(), body);
    assert_eq!(word(&look(&cache, "a")), "miss");
    assert_eq!(cache.stats().flight_bytes, 0);
}

#[tokio::test]
async fn a_purge_removes_fills_that_began_before_it_and_none_after() {
    let purges = [
        Purge::Everything,
        Purge::Site { site: "site".into() },
        Purge::Path { site: "site".into(), pattern: "/a*".into() },
        Purge::Tag { site: None, tag: "tag".into() },
    ];
    for purge in purges {
        for moment in ["before the head", "while it streams", "when it is stored"] {
            let cache = memory_only();
            let owed = duty(look(&cache, "a"));
            let older = busy(look(&cache, "a"));
            if moment == "before the head" {
                cache.purge(purge.clone()).await.unwrap();
            }
            let mut filler = owed.fill(meta("/a?b", None), nothing());
            if moment == "while it streams" {
                cache.purge(purge.clone()).await.unwrap();
            }
            if moment != "when it is stored" {
                // Who asked before may have it; who asks after does not find it.
                let older = hit(join(older).await);
                let newer = duty(settled(&cache, "a").await);
                filler.write("old".into()).await.unwrap();
                assert!(!filler.finish().await.unwrap());
                assert_eq!(text(&older).await, "old");
                let mut filler = newer.fill(meta("/a?b", None), nothing());
                filler.write("new".into()).await.unwrap();
                assert!(filler.finish().await.unwrap());
                assert_eq!(text(&hit(look(&cache, "a"))).await, "new", "{purge:?} {moment}");
            } else {
                filler.write("old".into()).await.unwrap();
                assert!(filler.finish().await.unwrap());
                let number = cache.purge(purge.clone()).await.unwrap();
                drop(duty(look(&cache, "a")));
                cache.purge_swept(number).await;
                assert_eq!(cache.is_swept(number), Some(true));
                assert_eq!(cache.is_swept(number + 1), None);
                assert_eq!(cache.stats().memory_objects, 0);
                assert_eq!(cache.stats().pending_purges, 0);
            }
        }
    }
}

#[tokio::test]
async fn a_purge_keeps_responses_that_it_does_not_match() {
    let cache = memory_only();
    fill(&cache, "a", b"body").await;
    for purge in [
        Purge::Site { site: "other".into() },
        Purge::Path { site: "site".into(), pattern: "b*".into() },
        Purge::Tag { site: Some("other".into()), tag: "tag".into() },
        Purge::Tag { site: None, tag: "ta".into() },
    ] {
        let number = cache.purge(purge).await.unwrap();
        assert_eq!(text(&hit(look(&cache, "a"))).await, "body");
        cache.purge_swept(number).await;
        assert_eq!(text(&hit(look(&cache, "a"))).await, "body");
    }
}

#[tokio::test]
async fn a_declined_key_disables_waiting_for_a_while() {
    let cache = memory_only();
    let owed = duty(look(&cache, "a"));
    let wait = busy(look(&cache, "a"));
    owed.decline(Decline::Uncacheable);
    assert!(matches!(join(wait).await, LookupResult::Bypass(BypassReason::Uncacheable)));
    let scout = duty(look(&cache, "a"));
    assert!(
        matches!(look(&cache, "a"), Lookup::Settled(LookupResult::Bypass(BypassReason::Uncacheable))),
        "one finds out, others do not wait"
    );
    let later = NOW + crate::limits::cache::UNCACHEABLE_MS;
    let look_later = || cache.lookup(&key("a"), nothing(), later, fresh);
    drop(busy(look_later()));
    scout.decline(Decline::Failed);
    let scout = duty(look_later());
    assert_eq!(word(&look_later()), "busy");
    drop(scout);
}

#[tokio::test]
async fn a_cacheable_response_ends_the_bypass() {
    let cache = memory_only();
    duty(look(&cache, "a")).decline(Decline::Uncacheable);
    let scout = duty(look(&cache, "a"));
    let mut filler = scout.fill(meta("a", Some(4)), nothing());
    let wait = busy(look(&cache, "a"));
    filler.write("body".into()).await.unwrap();
    assert!(filler.finish().await.unwrap());
    assert_eq!(text(&hit(join(wait).await)).await, "body");
    duty(look(&cache, "b")).decline(Decline::Failed);
    assert_eq!(word(&look(&cache, "b")), "miss");
}

#[tokio::test]
async fn what_was_personal_says_nothing_about_others() {
    let cache = memory_only();
    let owed = duty(look(&cache, "a"));
    let (first, second) = (busy(look(&cache, "a")), busy(look(&cache, "a")));
    owed.decline(Decline::Personal);
    let next = duty(join(first).await);
    assert_eq!(word(&look(&cache, "a")), "busy");
    drop(next);
    drop(duty(join(second).await));
    assert_eq!(cache.stats().flights, 0);
}

#[tokio::test]
async fn waiting_for_a_fill_ends_at_its_deadline() {
    let cache = memory_only();
    let owed = duty(look(&cache, "a"));
    let wait = busy(look(&cache, "a"));
    let waited = wait.join(nothing(), NOW, fresh, Duration::ZERO).await;
    assert!(matches!(waited, LookupResult::Bypass(BypassReason::Patience)));
    drop(owed);
    assert_eq!(cache.stats().flights, 0);
}

#[tokio::test]
async fn one_request_revalidates_for_all() {
    let cache = memory_only();
    fill(&cache, "a", b"body").await;
    let look = |judge: fn(&Meta) -> Freshness| cache.lookup(&key("a"), nothing(), NOW, judge);
    let Lookup::Settled(LookupResult::Stale { hit: old, duty: Some(owed), .. }) = look(stale) else { panic!() };
    assert_eq!(text(&old).await, "body");
    let wait = busy(look(stale));
    // Meanwhile it may be used as it is, by whose judge says so; nobody else renews.
    let Lookup::Settled(LookupResult::Stale { duty: None, .. }) = look(|_| Freshness::StaleWhileRevalidate) else { panic!() };
    let mut headers = HeaderMap::new();
    headers.insert("etag", HeaderValue::from_static("\"2\""));
    let times = Times { lifetime_ms: 1, ..owed.prior().unwrap().meta.times };
    assert_eq!(text(&owed.renew(times, headers).unwrap()).await, "body");
    // The one who waited is content, although a judge would call it stale again.
    let renewed = hit(wait.join(nothing(), NOW, stale, PATIENCE).await);
    assert_eq!(renewed.meta.headers["etag"], "\"2\"");
    assert_eq!(hit(look(fresh)).meta.times.lifetime_ms, 1);
}

#[tokio::test]
async fn variants_are_told_apart_also_while_they_stream() {
    let cache = memory_only();
    let asked = |value: &'static str| HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static(value))]);
    let (html, json) = (asked("text/html"), asked("application/json"));
    let look = |asked: &HeaderMap| cache.lookup(&key("a"), asked.into(), NOW, fresh);
    let varied = || Meta { vary: [HeaderName::from_static("accept")].into(), ..meta("a", None) };
    let owed = duty(look(&html));
    let (same, other) = (busy(look(&html)), busy(look(&json)));
    let mut filler = owed.fill(varied(), (&html).into());
    let same = hit(same.join((&html).into(), NOW, fresh, PATIENCE).await);
    let other = duty(other.join((&json).into(), NOW, fresh, PATIENCE).await);
    assert_eq!(word(&look(&html)), "busy", "the one that streams is found under its own key");
    filler.write("html".into()).await.unwrap();
    assert!(filler.finish().await.unwrap());
    let mut filler = other.fill(varied(), (&json).into());
    filler.write("json".into()).await.unwrap();
    assert!(filler.finish().await.unwrap());
    assert_eq!(text(&same).await, "html");
    assert_eq!(text(&hit(look(&html))).await, "html");
    assert_eq!(text(&hit(look(&json))).await, "json");
    assert_eq!(word(&look(&asked("*/*"))), "miss");
    assert_eq!(cache.stats().flights, 0);
}

#[test]
fn an_object_costs_no_more_than_is_stated() {
    const OBJECTS: u64 = 100_000;
    let memory = MemoryTier::new(1 << 30, 64 << 10, metrics());
    let meta = Arc::new(meta("a", None));
    for at in 0..OBJECTS {
        let stored = Stored::new(meta.clone(), Bytes::new(), 0);
        memory.insert(key(&at.to_string()), MemoryEntry::Object(Arc::new(stored)));
    }
    assert_eq!(memory.objects(), OBJECTS);
    // An `Arc` has two counts; the first clone of a `Bytes` makes a shared one of three words.
    let own = size_of::<Stored>() + 16 + size_of::<Meta>() + 16 + 24;
    let each = memory.structure_bytes() / OBJECTS + own as u64;
    assert!(each <= OBJECT_BYTES, "{each}");
    assert!(each >= OBJECT_BYTES / 2, "stated much too high: {each}");
}

#[test]
fn a_scan_does_not_evict_popular_objects() {
    // So large that the part of a shard for what has been asked for once, three in a hundred, holds some objects.
    let memory = MemoryTier::new(32 << 20, 4 << 10, metrics());
    let stored = || MemoryEntry::Object(Arc::new(Stored::new(Arc::new(meta("a", None)), Bytes::from(vec![0; 1024]), 0)));
    for _ in 0..3 {
        for at in 0..100 {
            if memory.find(&key(&format!("hot{at}"))).is_none() {
                memory.insert(key(&format!("hot{at}")), stored());
            }
        }
    }
    for at in 0..50_000 {
        memory.insert(key(&format!("scan{at}")), stored());
    }
    let left = (0..100).filter(|at| memory.find(&key(&format!("hot{at}"))).is_some()).count();
    assert!(left >= 80, "{left} of 100 are left");
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u16),
    Find(u8),
    Sweep(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), 0..20_000u16).prop_map(|(name, bytes)| Step::Insert(name, bytes)),
        4 => any::<u8>().prop_map(Step::Find),
        1 => any::<u8>().prop_map(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Memory may forget, but never gives what was replaced or swept, and never holds more than it may.
    #[test]
    fn memory_returns_the_last_object_or_nothing(steps in prop::collection::vec(step(), 1..400)) {
        const BYTES: u64 = 200_000;
        let memory = MemoryTier::new(BYTES, 16_384, metrics());
        let mut model = std::collections::HashMap::new();
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(name, bytes) => {
                    let mut meta = meta("a", None);
                    meta.stored_ms = u64::from(name);
                    let stored = Arc::new(Stored::new(Arc::new(meta), Bytes::from(vec![count as u8; bytes.into()]), count as u64));
                    memory.insert(key(&name.to_string()), MemoryEntry::Object(stored));
                    model.insert(name, count as u64);
                }
                Step::Find(name) => {
                    if let Some(MemoryEntry::Object(stored)) = memory.find(&key(&name.to_string())) {
                        prop_assert_eq!(Some(&stored.fill_epoch), model.get(&name));
                        prop_assert!(stored.body.iter().all(|byte| *byte == stored.fill_epoch as u8));
                    }
                }
                Step::Sweep(below) => {
                    memory.sweep(|stored| stored.meta.stored_ms >= u64::from(below));
                    model.retain(|name, _| *name >= below);
                }
            }
            prop_assert!(memory.bytes() <= BYTES);
        }
    }
}

#[test]
fn parts_may_be_shared_between_workers() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Cache>();
    shared::<DiskTier>();
    sent::<Hit>();
    sent::<HitBody>();
    sent::<Duty>();
    sent::<Filler>();
    sent::<Wait>();
}
