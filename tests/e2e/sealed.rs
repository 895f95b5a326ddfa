//! What a viewer hook finds of the system: a stock Rust hook with its standard library, each function of the sealed WASI
//! by itself, what a call costs, and what a panic says.

use crate::harness::{Answer, Config, Edge, Origin, component, eventually};

/// `guest` at `/bad/*`, with a key-value store.
fn edge_with(guest: &str) -> (Edge, Origin) {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let values = format!(r#"{{"long": "{}"}}"#, "v".repeat(1_024));
    std::fs::write(folder.path().join("values.json"), values).unwrap();
    let config = Config::new()
        .function("bad", component(guest))
        .set("key_value_store", "values")
        .table("key_value_store.values")
        .set("file", "values.json")
        .function("good", component("spa-rewrite"))
        .origin("o", origin.url())
        .site("o")
        .set("viewer_request", "good")
        .behavior("/bad/*")
        .set("viewer_request", "bad");
    // Otherwise only the first of several failures is told at once.
    (Edge::start_by_level("debug", folder, &config), origin)
}

/// Asks for each path; says what was answered otherwise.
fn ask(edge: &Edge, cases: &[(&str, &str)]) -> Vec<String> {
    let wrong = |(what, expected): &(&str, &str)| {
        let answer = edge.get(&format!("/bad/{what}"));
        ((answer.status, answer.text().as_str()) != (200, *expected)).then(|| format!("{what}: {answer:?}"))
    };
    cases.iter().filter_map(wrong).collect()
}

fn assert_none(wrong: &[String], edge: &Edge) {
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), edge.log());
}

fn logged(edge: &Edge, texts: &[&str]) {
    for text in texts {
        eventually(&format!("the log says {text:?}"), || edge.log().contains(text));
    }
}

fn failed(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("x-cache")), (503, "FunctionExecutionError from cloudfront"), "{what}: {answer:?}");
}

#[test]
fn a_hook_that_uses_rusts_std_runs_in_an_empty_system() {
    let (edge, _origin) = edge_with("hostile-std");
    let wrong = ask(
        &edge,
        &[
            ("hash-map", "3"),
            ("println", "printed"),
            ("eprintln", "printed"),
            ("print", "printed"),
            ("instant", "0ns"),
            ("env", "Err(NotPresent) 0 0"),
            ("stdin", "Ok(0) \"\""),
            ("sleep", "awake"),
            ("spawn", "true"),
        ],
    );
    assert_none(&wrong, &edge);
    for file in ["read-file", "create-file", "read-dir"] {
        let answer = edge.get(&format!("/bad/{file}"));
        assert!(answer.status == 200 && answer.text().starts_with("Err("), "{file}: {answer:?}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let told = edge.get("/bad/system-time").text();
    let told: u64 = told.strip_prefix("true ").expect("the clock stands still").parse().unwrap();
    assert!(told.abs_diff(now) < 60, "{told}, and it is {now}");
    let seeds = [edge.get("/bad/hash-state").text(), edge.get("/bad/hash-state").text()];
    assert_ne!(seeds[0], seeds[1], "each call has its own");
    logged(&edge, &["to stdout: 1", "and a second line", "to stderr: 2", "no end of line"]);
}

#[test]
fn what_ends_a_std_hook_is_told_by_the_log_with_its_place() {
    let (edge, _origin) = edge_with("hostile-std");
    for what in ["exit", "abort", "panic", "index", "unwrap"] {
        failed(&edge.get(&format!("/bad/{what}")), what);
        assert_eq!(edge.get("/route").status, 200);
    }
    logged(
        &edge,
        &[
            "it exited with code 1",
            "a text of its own: 42",
            "hostile/std/src/std_things.rs:",
            "index out of bounds",
            "a number was expected",
        ],
    );
}

#[test]
fn the_log_has_the_text_and_place_of_a_panic_in_an_sdk_hook() {
    let (edge, _origin) = edge_with("hostile-panics");
    for what in ["static", "formatted", "index", "unwrap"] {
        failed(&edge.get(&format!("/bad/{what}")), what);
    }
    assert_eq!(edge.get("/bad/nothing").status, 200);
    logged(
        &edge,
        &[
            "panicked at hostile/panics/src/lib.rs:",
            ": a text as it stands",
            "the path has 14 bytes",
            "index out of bounds",
            "a header that is there",
        ],
    );
}

#[test]
fn each_function_of_the_sealed_wasi_answers() {
    let (edge, _origin) = edge_with("hostile-std");
    let wrong = ask(
        &edge,
        &[
            ("wasi-environment", "[] [] None"),
            ("wasi-terminals", "true true true"),
            ("wasi-clocks", "true 0 1 1"),
            ("wasi-poll", "true true [0, 1]"),
            ("wasi-random", "13 13 true true true"),
            ("wasi-random-most", "65536"),
            ("wasi-preopens", "0"),
            ("wasi-output", "[true, true, true, true, true, true, true, true, true] true true"),
            (
                "wasi-input",
                "Err(StreamError::Closed) Err(StreamError::Closed) Err(StreamError::Closed) Err(StreamError::Closed) true",
            ),
        ],
    );
    assert_none(&wrong, &edge);
    for what in ["wasi-exit-ok", "wasi-exit-err", "wasi-poll-nothing", "wasi-random-more"] {
        failed(&edge.get(&format!("/bad/{what}")), what);
    }
    logged(
        &edge,
        &[
            "first half, second half",
            "of the other",
            "it exited with code 0",
            "it exited with code 1",
            "an empty list of pollables is polled",
            "65537 random bytes are asked for at once; at most 65536 may be",
        ],
    );
}

#[test]
fn handles_are_bounded_and_no_call_sees_those_of_another() {
    let (edge, _origin) = edge_with("hostile-std");
    assert_eq!(edge.get("/bad/hold-63").text(), "63");
    assert_eq!(edge.get("/bad/hold-64").text(), "64");
    failed(&edge.get("/bad/hold-65"), "one over the limit");
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"bad\",result=\"limit:handles\"}"), 1.0);
    let first = ["handle", "handle-kept", "handle-printed", "handle-disorder"]
        .map(|what| (what, edge.get(&format!("/bad/{what}")).text()));
    for _ in 0..20 {
        for (what, indices) in &first {
            assert_eq!(edge.get(&format!("/bad/{what}")).text(), *indices, "{what}");
        }
    }
}

/// Each call of these ends by its own cost, long before it could hold the thread up, and after sixteen it rests.
#[test]
fn floods_of_calls_into_the_host_are_ended_and_throttled() {
    for flood in [
        "random",
        "random-most",
        "clock",
        "newlines",
        "output",
        "zeroes",
        "handles",
        "poll",
        "log",
        "get",
        "get-long",
        "get-value",
    ] {
        let (edge, _origin) = edge_with("hostile-std");
        for _ in 0..40 {
            assert_eq!(edge.get(&format!("/bad/flood-{flood}")).status, 503, "{flood}");
            assert_eq!(edge.get("/route").status, 200, "{flood}");
        }
        let calls = |result: &str| edge.metric(&format!("edgeward_function_calls_total{{function=\"bad\",result=\"{result}\"}}"));
        let (ended, throttled) = (calls("limit:cpu_us") + calls("limit:host_calls"), calls("throttled:utilization"));
        assert!(ended >= 16.0 && throttled >= 1.0 && ended + throttled == 40.0, "{flood}: {ended} {throttled}\n{}", edge.log());
    }
}

#[test]
fn the_place_of_a_trap_is_told_by_the_name_of_its_function() {
    let (edge, _origin) = edge_with("hostile-trap");
    failed(&edge.get("/bad/x"), "trap");
    eventually("the log names the function", || edge.log().contains("!handle"));
}
