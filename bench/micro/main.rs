//! The parts of the hot path, one by one: what each request with a viewer hook pays, in its order.
//!
//!     cargo bench -p edgeward --bench micro              all
//!     cargo bench -p edgeward --bench micro -- route     one
//!
//! `bench/check` compares a run with `bench/budgets.toml`. I run the code of production on one thread, warm; what
//! the sockets, hyper and the kernel cost is not here (see `bench/README.md`).

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use edgeward::config;
use edgeward::edge::{self, Edge};
use edgeward::function::catalog::Aliases;
use edgeward::function::lane::WorkerLane;
use edgeward::function::pool::ViewerPool;
use edgeward::limits::{Compiling, InstancePolicy, Limit, Limits, Profile};
use edgeward::measure::sample_event;
use edgeward::net;
use edgeward::telemetry::Telemetry;
use edgeward::wasm::abi::{EventBody, EventHeader, EventWriter, Moment, Ops};
use edgeward::wasm::compile::{self, Compiler, ComponentSource};
use edgeward::wasm::engine::Engines;
use edgeward::wasm::viewer::ViewerCode;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A browser's request; Host is the first header.
const HEADERS: [(&str, &str); 12] = [
    ("host", "www.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=0a1b2c3d4e5f60718293a4b5c6d7e8f9; theme=dark; variant=b"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-user", "?1"),
    ("priority", "u=0, i"),
];

fn framing(c: &mut Criterion) {
    let mut bytes = b"GET /docs/?page=2 HTTP/1.1\r\n".to_vec();
    for (name, value) in HEADERS {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    assert!(net::is_certain(&bytes));
    c.bench_function("framing", |b| b.iter(|| net::is_certain(black_box(&bytes))));
}

fn head(c: &mut Criterion) {
    let request =
        HEADERS.iter().fold(http::Request::get("/docs/?page=2"), |request, (name, value)| request.header(*name, *value));
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    assert!(edge::admits(parts.clone()));
    c.bench_function("head", |b| b.iter_batched(|| parts.clone(), edge::admits, BatchSize::SmallInput));
}

fn route(c: &mut Criterion) {
    let mut text = String::from(
        "[server]\nhttp = [\"127.0.0.1:8080\"]\naccess_log = false\n[origin.o]\nfixed = {}\n[[site]]\nname = \"s\"\n\
         hosts = [\"www.example.com\", \"*.example.org\"]\norigin = \"o\"\n",
    );
    for n in 0..20 {
        text += &format!("[[site.behavior]]\npath = \"/part-{n}/*.html\"\n");
    }
    let config = config::parse(&text, Path::new("edge.toml")).expect("a configuration");
    let telemetry = Telemetry::new();
    let options = edgeward::cache::Options { memory_bytes: 0, memory_object_bytes: 0, disk: None };
    let cache = edgeward::cache::Cache::open(&options, telemetry.cache()).expect("a cache");
    let edge = Edge::new(&config, &Aliases::default(), &Arc::default(), &cache, &telemetry).expect("an edge");
    // By a wildcard host to the last of twenty patterns.
    let (host, path) = ("a.b.example.org", "/part-19/a/b/c/index.html");
    assert!(edge.leads(host, path));
    c.bench_function("route", |b| b.iter(|| edge.leads(black_box(host), black_box(path))));
}

fn event(c: &mut Criterion) {
    let mut buffer = Vec::new();
    c.bench_function("event", |b| {
        b.iter(|| {
            let moment = Moment::ViewerRequest;
            let context = EventHeader {
                moment,
                has_query: true,
                site: "example",
                request_id: "bench-0000",
                client_ip: "192.0.2.7",
                edge_location: "local",
            };
            let mut event = EventWriter::begin(&mut buffer, &context);
            event.request("GET", "/docs/", "page=2");
            event.headers(black_box(&HEADERS).iter().map(|(name, value)| (*name, value.as_bytes())));
            event.body(EventBody::Hidden);
            black_box(buffer.len())
        });
    });
}

/// Ops, and the call itself, of the hook of the benchmark's workload W1.
fn hook(c: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/target/components/edge-rules.wasm");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; build it: (cd guests && cargo run --release -p build -- edge-rules)", path.display())
    });
    let folder = tempfile::tempdir().expect("a folder");
    let engines = Engines::new(folder.path(), Compiler::Unbounded).expect("engines");
    let limits = Limits::defaults(Profile::Viewer);
    let compiled =
        compile::compiled(&engines, &ComponentSource::from_bytes(&bytes).expect("a file"), &limits, Compiling::default())
            .expect("a hook");
    let code = || ViewerCode::new(&engines, &compiled, &limits, None).expect("code");

    let metrics = Arc::new(Telemetry::new().function("micro"));
    let pool = ViewerPool::new(code(), InstancePolicy::Fresh, None, limits.value(Limit::Instances), 1, metrics);
    let lane = WorkerLane::new(0);
    pool.warm_up(edgeward::limits::shelf::VIEWER).expect("instances");
    let clean_call = |moment: Moment, event: &[u8]| {
        let (mut instance, _) = pool.take(&lane, Instant::now()).expect("an instance");
        let called = instance.inner().call(pool.code(), moment, event, 0, 0);
        pool.put_back(&lane, instance);
        called.result.expect("an answer")
    };
    for (name, moment) in [("clean-call-request", Moment::ViewerRequest), ("clean-call-response", Moment::ViewerResponse)] {
        let event = sample_event(moment);
        c.bench_function(name, |b| b.iter(|| clean_call(moment, black_box(&event))));
    }

    let answer = clean_call(Moment::ViewerResponse, &sample_event(Moment::ViewerResponse));
    let ops = |answer| Ops::parse(answer).expect("an answer").filter(Result::is_ok).count();
    assert!(ops(&answer) > 1);
    c.bench_function("ops", |b| b.iter(|| ops(black_box(&answer))));

    let code = code();
    c.bench_function("instantiate-and-drop", |b| b.iter(|| code.instantiate().expect("an instance")));
}

criterion_group! {
    name = hot_path;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .without_plots();
    targets = framing, head, route, event, hook
}
criterion_main!(hot_path);
