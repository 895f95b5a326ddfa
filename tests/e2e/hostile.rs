//! Each hostile guest is stopped in its own way, its clients are told no more than a category, and its
//! neighbour on the same edge notices nothing.

use crate::harness::{Edge, Origin, Reply, component};

/// An edge with a good site and one behind the hostile hook, on one origin.
fn beside(name: &str) -> (Edge, Origin) {
    let origin = Origin::start();
    let tables = format!(
        "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n\
         [function.hostile]\ncomponent = {:?}\n[function.good]\ncomponent = {:?}\n\
         [[site]]\nname = \"bad\"\nhosts = [\"bad.test\"]\norigin = \"app\"\nviewer_request = \"hostile\"\n\
         [[site]]\nname = \"good\"\nhosts = [\"*\"]\norigin = \"app\"\nviewer_request = \"good\"\n",
        origin.port,
        component(name),
        component("spa-rewrite"),
    );
    (Edge::start(&tables), origin)
}

fn attack(edge: &Edge, path: &str) -> Reply {
    edge.get_with(path, &[("host", "bad.test")])
}

fn failures(edge: &Edge, result: &str) -> f64 {
    edge.metric(&format!("edgeward_function_calls_total{{function=\"hostile\",result=\"{result}\"}}"))
}

/// Attacks a few times; the neighbour answers after each, and memory stays where it was.
fn stopped_by(name: &str, result: &str, status: u16) {
    let (edge, _origin) = beside(name);
    assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"));
    let before = edge.resident();
    const ATTACKS: u32 = 8;
    for _ in 0..ATTACKS {
        let reply = attack(&edge, "/");
        assert_eq!(reply.status, status, "{} {}", reply.text(), edge.log());
        assert!(!reply.text().contains("wasm"), "a trap's text was told: {}", reply.text());
        assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"));
    }
    assert_eq!(failures(&edge, result), f64::from(ATTACKS), "{}", edge.log());
    let grown = edge.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more are resident");
}

#[test]
fn an_infinite_loop() {
    stopped_by("hostile-infinite-loop", "limit:cpu_us", 503);
}

#[test]
fn a_memory_bomb() {
    stopped_by("hostile-memory-bomb", "limit:memory_bytes", 503);
}

#[test]
fn a_table_bomb() {
    stopped_by("hostile-table-bomb", "limit:table_elements", 503);
}

#[test]
fn recursion() {
    stopped_by("hostile-deep-recursion", "limit:stack_bytes", 503);
}

#[test]
fn a_trap() {
    stopped_by("hostile-trap", "trap", 503);
}

#[test]
fn a_trap_in_cleanup() {
    stopped_by("hostile-cleanup-trap", "trap", 503);
}

#[test]
fn a_loop_in_cleanup() {
    stopped_by("hostile-cleanup-loop", "limit:cpu_us", 503);
}

#[test]
fn a_loop_in_the_allocator() {
    stopped_by("hostile-realloc-loop", "limit:cpu_us", 503);
}

#[test]
fn an_allocator_that_points_outside() {
    stopped_by("hostile-realloc-out-of-range", "trap", 503);
}

#[test]
fn an_answer_longer_than_memory() {
    stopped_by("hostile-huge-list", "trap", 503);
}

#[test]
fn memory_written_without_end() {
    stopped_by("hostile-memory-fill", "limit:cpu_us", 503);
}

#[test]
fn a_function_that_keeps_looping_is_throttled_and_its_neighbour_is_not() {
    let (edge, _origin) = beside("hostile-infinite-loop");
    let mut throttled = 0;
    for _ in 0..40 {
        throttled += u32::from(attack(&edge, "/").x_cache().starts_with("FunctionThrottledError"));
        assert_eq!(edge.get("/a/").status, 200);
    }
    assert!(throttled > 0, "{}", edge.log());
    assert_eq!(failures(&edge, "throttled:utilization"), f64::from(throttled));
}

#[test]
fn what_cannot_start_is_not_deployed() {
    for name in ["hostile-start-trap", "hostile-start-loop"] {
        let origin = Origin::start();
        let good = format!(
            "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n[function.f]\ncomponent = {:?}\n\
             [[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\nviewer_request = \"f\"\n",
            origin.port,
            component("spa-rewrite"),
        );
        let edge = Edge::start(&good);
        edge.reconfigure("", &good.replace("spa-rewrite", name));
        edge.wait_for_log(name);
        assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"), "the old revision serves on");
    }
}

#[test]
fn bad_replies_are_validation_errors() {
    let (edge, origin) = beside("hostile-bad-replies");
    for what in
        ["garbage", "wrong-version", "unknown-op", "cut-off", "length-overflow", "uri-without-slash", "uri-with-line-break"]
    {
        let reply = attack(&edge, &format!("/{what}"));
        assert_eq!((reply.status, reply.x_cache()), (502, "FunctionValidationError from cloudfront"), "{what}: {}", edge.log());
    }
    assert!(origin.seen().is_empty(), "nothing of it went on");
}

#[test]
fn no_call_sees_what_another_left_behind() {
    let (edge, _origin) = beside("hostile-counter");
    for _ in 0..50 {
        let reply = attack(&edge, "/");
        assert_eq!(reply.header("x-count"), Some("111"), "{} {}", reply.text(), edge.log());
    }
}

#[test]
fn a_policy_of_reuse_keeps_state_until_its_quota() {
    let origin = Origin::start();
    let tables = format!(
        "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n[function.f]\ncomponent = {:?}\npolicy = {{ reuse = {{ max_calls = 3 }} }}\n\
         [[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\nviewer_request = \"f\"\n",
        origin.port,
        component("hostile-counter"),
    );
    let edge = Edge::start_with("", &tables);
    let counts: Vec<String> = (0..12).map(|_| edge.get("/").header("x-count").unwrap()[..1].to_owned()).collect();
    assert!(counts.iter().any(|count| count == "2" || count == "3"), "{counts:?}");
    assert!(counts.iter().all(|count| matches!(count.as_str(), "1" | "2" | "3")), "{counts:?}");
}
