//! Hostile guests: the right status and category, the neighbours unharmed, the shelf refilled, memory bounded.

use std::time::{Duration, Instant};

use crate::harness::{Config, Edge, Origin, component, edgeward, eventually};

/// The guest at `/bad/*`, a good one everywhere else.
fn edge_with(guest: &str, hook: &str, settings: &str) -> (Edge, Origin) {
    let origin = Origin::echo();
    let edge = Edge::start(
        Config::new()
            .function("bad", component(guest))
            .with(settings)
            .function("good", component("spa-rewrite"))
            .origin("o", origin.url())
            .site("o")
            .set("viewer_request", "good")
            .behavior("/bad/*")
            .set(hook, "bad"),
    );
    (edge, origin)
}

const EXECUTION: &str = "FunctionExecutionError from cloudfront";

#[test]
fn an_infinite_loop_is_stopped_by_its_cpu_limit() {
    // Its utilization is over the limit all the time: after a while it is throttled instead of run.
    let (edge, _origin) = edge_with("hostile-infinite-loop", "viewer_request", "");
    let first = edge.get("/bad/x");
    assert_eq!((first.status, first.header("x-cache")), (503, EXECUTION));
    assert!(first.text().contains("limit"), "{first:?}");
    eventually("the log names the limit", || edge.log().contains("cpu_us"));
    for _ in 0..100 {
        assert_eq!(edge.get("/bad/x").status, 503);
        assert_eq!(edge.get("/route").status, 200);
    }
    // Sixteen strikes, and then it is not run for a while.
    assert!(edge.metric("edgeward_function_calls_total{function=\"bad\",result=\"limit:cpu_us\"}") >= 16.0);
    assert!(edge.metric("edgeward_function_calls_total{function=\"bad\",result=\"throttled:utilization\"}") >= 1.0);
}

#[test]
fn an_infinite_loop_in_an_origin_hook_is_stopped() {
    let (edge, _origin) = edge_with("hostile-infinite-loop", "origin_request", "limits = { cpu_us = 10_000 }");
    for _ in 0..10 {
        let answer = edge.get("/bad/x");
        assert_eq!((answer.status, answer.header("x-cache")), (503, "LambdaLimitExceeded from cloudfront"));
        assert_eq!(edge.get("/route").status, 200);
    }
}

#[test]
fn looping_calls_do_not_stop_the_others() {
    let (edge, _origin) = edge_with("hostile-infinite-loop", "viewer_request", "");
    let address = edge.http();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = crate::harness::get(address, "www", "/bad/x", "Connection: close\r\n");
                }
            });
        }
        let mut client = edge.connect();
        let mut slowest = Duration::ZERO;
        for _ in 0..300 {
            let start = Instant::now();
            assert_eq!(client.request("GET", "/route", "www", "", b"").status, 200);
            slowest = slowest.max(start.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(1), "a neighbour waited {slowest:?}");
    });
}

#[test]
fn each_hostile_guest_is_stopped_and_its_neighbour_is_not_affected() {
    let mut wrong = Vec::new();
    for (guest, status, result) in [
        ("trap", 503, "trap"),
        ("cleanup-trap", 503, "trap"),
        ("cleanup-loop", 503, "limit:cpu_us"),
        ("memory-bomb", 503, "limit:memory_bytes"),
        ("memory-bomb-once", 503, "limit:memory_bytes"),
        ("memory-fill", 503, "limit:cpu_us"),
        ("table-bomb", 503, "limit:table_elements"),
        ("deep-recursion", 503, "limit:stack_bytes"),
        ("division-loop", 503, "limit:cpu_us"),
        ("realloc-loop", 503, "limit:cpu_us"),
        ("realloc-trap", 503, "trap"),
        ("realloc-out-of-range", 503, "trap"),
        ("huge-list", 503, "trap"),
        ("wild-return", 503, "trap"),
        ("kv-flood", 503, "limit:host_calls"),
        // These calls end well; what they say is refused by the edge.
        ("giant-headers", 502, "ok"),
        ("realloc-over-answer", 502, "ok"),
        ("segment-drop", 200, "ok"),
    ] {
        wrong.extend(attack(guest, status, result));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Calls the guest between good calls, which must all be answered; says what was not as it should be.
fn attack(guest: &str, status: u16, result: &str) -> Vec<String> {
    const ATTACKS: u32 = 8;
    let (edge, origin) = edge_with(&format!("hostile-{guest}"), "viewer_request", "");
    let good = || edge.get("/route").text() == "GET /index.html\n";
    let mut wrong = Vec::new();
    if !good() {
        wrong.push(format!("{guest}: its neighbour does not answer"));
    }
    let before = edge.resident_bytes();
    for _ in 0..ATTACKS {
        let answer = edge.get("/bad/x");
        if answer.status != status {
            wrong.push(format!("{guest}: {} {:?}", answer.status, answer.text()));
        }
        if answer.text().contains("wasm") || answer.text().contains("unreachable") {
            wrong.push(format!("{guest}: a trap's text is told: {:?}", answer.text()));
        }
        if !good() {
            wrong.push(format!("{guest}: its neighbour suffers"));
        }
    }
    let counted = edge.metric(&format!("edgeward_function_calls_total{{function=\"bad\",result=\"{result}\"}}"));
    if counted != f64::from(ATTACKS) {
        let calls = edge.admin("/metrics").text();
        let calls: Vec<&str> = calls.lines().filter(|line| line.contains("calls_total{function=\"bad\"")).collect();
        wrong.push(format!("{guest}: {counted} calls are `{result}`: {calls:?}"));
    }
    let reached = origin.seen().iter().filter(|seen| seen.target.starts_with("/bad")).count();
    if (status != 200) && reached > 0 {
        wrong.push(format!("{guest}: {reached} of its requests reached the origin"));
    }
    let grown = edge.resident_bytes().saturating_sub(before);
    if grown > 32 << 20 {
        wrong.push(format!("{guest}: {grown} bytes more are resident"));
    }
    wrong
}

#[test]
fn no_call_sees_what_another_left_behind() {
    for (guest, clean) in [("hostile-counter", "111"), ("hostile-counter-table", "11")] {
        let (edge, _origin) = edge_with(guest, "viewer_request", "");
        let mut client = edge.connect();
        for _ in 0..200 {
            let answer = client.request("GET", "/bad/x", "www", "", b"");
            assert_eq!(answer.header("x-count"), clean, "{guest}: {answer:?}");
        }
    }
}

#[test]
fn an_instance_that_is_reused_keeps_its_state_until_its_quota() {
    let (edge, _origin) = edge_with("hostile-counter", "viewer_request", "policy = { reuse = { max_calls = 3 } }");
    let counts: Vec<String> = (0..12).map(|_| edge.get("/bad/x").header("x-count")[..1].to_owned()).collect();
    assert!(counts.iter().any(|count| count == "3"), "{counts:?}");
    assert!(counts.iter().all(|count| ["1", "2", "3"].contains(&count.as_str())), "{counts:?}");
}

#[test]
fn a_function_that_keeps_looping_is_throttled_and_its_neighbour_is_not() {
    let (edge, _origin) = edge_with("hostile-infinite-loop", "viewer_request", "");
    let mut throttled = 0;
    for _ in 0..40 {
        throttled += u32::from(edge.get("/bad/x").header("x-cache").starts_with("FunctionThrottledError"));
        assert_eq!(edge.get("/route").status, 200);
    }
    assert!(throttled > 0);
    assert_eq!(
        edge.metric("edgeward_function_calls_total{function=\"bad\",result=\"throttled:utilization\"}"),
        f64::from(throttled)
    );
}

#[test]
fn a_log_flood_is_truncated_and_affects_no_other_request() {
    for (guest, status) in [("hostile-log-flood", 503), ("hostile-log-huge-line", 200)] {
        let (edge, _origin) = edge_with(guest, "viewer_request", "");
        for _ in 0..10 {
            assert_eq!(edge.get("/bad/x").status, status, "{guest}");
            assert_eq!(edge.get("/route").status, 200, "{guest}");
        }
        eventually("the log says that it was cut", || edge.log().contains("log truncated: over log_bytes"));
        // 10 KiB a call, and what surrounds it.
        let log = edge.log().len();
        assert!(log < 10 * 16 * 1024, "{guest}: {log} bytes of log");
    }
}

#[test]
fn what_cannot_start_or_imports_too_much_is_refused_by_name() {
    for (guest, word) in [
        ("start-trap", "trap"),
        ("start-loop", "cpu_us"),
        ("start-memory-bomb", "memory_bytes"),
        ("imports-http", "wasi:http"),
        ("imports-sockets", "wasi:sockets"),
        ("imports-unknown", "example:nothing/here"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let function = Config::new().function("bad", component(&format!("hostile-{guest}")));
        let config = function.fixed("o", "").site("o").set("viewer_request", "bad");
        std::fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
        let output = edgeward().args(["serve"]).current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{guest}: {error}");
        assert!(error.contains("`bad`") && error.contains(word), "{guest}: {error}");
    }
}
