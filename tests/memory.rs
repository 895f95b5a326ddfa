//! What the cache counts is what is resident: through the cache's own door, with responses as they come from a
//! connection, as slices of a read buffer.
//!
//! A process of its own, with the program's allocator and nothing else in it.

use std::sync::Arc;

use bytes::Bytes;
use edgeward::cache::freshness::{Freshness, Times};
use edgeward::cache::key::parts::{KeyRequest, OriginView};
use edgeward::cache::key::{Base, Identity, Key, KeyPolicy};
use edgeward::cache::{Cache, Lookup, LookupResult, Meta, Options};
use edgeward::telemetry::Telemetry;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MEMORY_BYTES: u64 = 64 << 20;

/// What a process has beside the objects: the shards' own tables, ghosts of what was evicted, the allocator's pages that
/// are not full. As `docs/limits.md` has it.
const CONSTANT_BYTES: u64 = 24 << 20;

/// hyper's read buffer.
const BUFFER_BYTES: usize = 8_192;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// A response of which head and body lie in one buffer.
fn came(path: &str, bytes: usize) -> (Meta, Bytes) {
    let fields = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "public, max-age=31536000"),
        ("etag", "\"5f3759df-1234567890\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", "nginx/1.29.3"),
        ("x-request-id", "0123456789abcdef"),
    ];
    let head: usize = fields.iter().map(|(_, value)| value.len()).sum();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES.max(head + bytes));
    fields.iter().for_each(|(_, value)| buffer.extend_from_slice(value.as_bytes()));
    buffer.resize(buffer.capacity(), b'x');
    let buffer = Bytes::from(buffer);
    let mut headers = HeaderMap::new();
    let mut at = 0;
    for (name, value) in fields {
        let value = buffer.slice(at..at + value.len());
        at += value.len();
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_maybe_shared(value).unwrap());
    }
    let times = Times {
        received_ms: 0,
        age_ms: 0,
        lifetime_ms: 60_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: false,
    };
    let meta = Meta {
        status: StatusCode::OK,
        headers,
        times,
        vary: [].into(),
        request_site: "site".into(),
        host: "".into(),
        path_and_query: path.into(),
        tags: ["front".into(), "news".into()].into(),
        length: Some(bytes as u64),
        stored_ms: 0,
        original: None,
    };
    (meta, buffer.slice(at..at + bytes))
}

async fn fill(cache: &Arc<Cache>, base: &Base, path: &str, bytes: usize) {
    let headers = HeaderMap::new();
    let asked = KeyRequest { secure: false, method: &Method::GET, path, query: None, headers: &headers };
    let key = Key::derive(base, &KeyPolicy::default(), &asked);
    let Lookup::Settled(LookupResult::Miss(duty)) = cache.lookup(&key, (&headers).into(), 0, |_| Freshness::Fresh) else {
        panic!("a miss")
    };
    let (meta, body) = came(path, bytes);
    let mut filler = duty.fill(meta, (&headers).into());
    filler.write(body).await.unwrap();
    assert!(filler.finish().await.unwrap());
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_stored_takes_the_memory_that_is_counted() {
    let options = Options { memory_bytes: MEMORY_BYTES, memory_object_bytes: 8 << 20, disk: None };
    let cache = Cache::open(&options, Telemetry::new().cache()).unwrap();
    let identity = Identity::of("test", []);
    let base = Base::new(&identity, &identity, OriginView::default());
    fill(&cache, &base, "/first", 100).await;
    let before = resident();
    for (kind, objects, bytes) in [("small", 100_000, 100), ("middling", 10_000, 20_000), ("small-again", 100_000, 100)] {
        for at in 0..objects {
            fill(&cache, &base, &format!("/{kind}/{at}"), bytes).await;
        }
        let stats = cache.stats();
        let grown = resident().saturating_sub(before);
        println!("{kind}: {} objects, {} bytes counted, {grown} resident", stats.memory_objects, stats.memory_bytes);
        assert!(stats.memory_bytes <= MEMORY_BYTES, "{stats:?}");
        assert!(stats.memory_bytes > MEMORY_BYTES / 10 * 9, "the cache is full: {stats:?}");
        let most = MEMORY_BYTES + MEMORY_BYTES / 10 + CONSTANT_BYTES;
        assert!(grown <= most, "{kind}: {grown} bytes are resident, for {} that are counted", stats.memory_bytes);
    }
}
