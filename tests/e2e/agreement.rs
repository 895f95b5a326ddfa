//! `check`, `inspect` and `serve` say the same of a component: whether it can be deployed, and if not, why not.

use std::process::Output;

use crate::deploy::hook;
use crate::harness::{Config, Edge, component, edgeward};

fn run(folder: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = edgeward().args(arguments).current_dir(folder.path()).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// A worker component with this before its core module.
fn worker(imports: &str) -> Vec<u8> {
    let wat = format!(
        r#"(component
          {imports}
          (core module $m
            (memory (export "memory") 2)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384))
            (func (export "handle") (param i32 i32) (result i32) (i32.const 1024)))
          (core instance $i (instantiate $m))
          (func $handle (param "event" (list u8)) (result (list u8))
            (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
          (instance $e (export "handle" (func $handle)))
          (export "edgeward:edge/origin-request@0.1.0" (instance $e)))"#
    );
    wat::parse_str(wat).unwrap()
}

fn config(use_of_it: &str, origin: &str) -> Config {
    Config::new().function("f", "c.wasm").fixed("o", "").site(origin).set(use_of_it, "f")
}

#[test]
fn whatever_stands_against_a_component_is_said_by_all_three() {
    let cases: Vec<(&str, &str, Vec<u8>, &[&str])> = vec![
        ("threads", "viewer_request", hook("(memory 1 2 shared)"), &["threads must be enabled", "no threads, exceptions"]),
        ("exceptions", "viewer_request", hook("(tag)"), &["exceptions proposal not enabled"]),
        ("garbage collection", "viewer_request", hook("(type (struct (field i32)))"), &["gc"]),
        (
            "relaxed SIMD",
            "viewer_request",
            hook("(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))"),
            &["relaxed SIMD"],
        ),
        ("memory that no hook has", "viewer_request", hook("(memory 33)"), &["it has 2162688 bytes of memory from the start"]),
        (
            "memory over this function's limit",
            "origin_request",
            worker("(core module $big (memory 3200)) (core instance (instantiate $big))"),
            &[
                "it has 209846272 bytes of `memory_bytes` from the start, over its limit of 134217728",
                "limits = { memory_bytes =",
            ],
        ),
        (
            "a release candidate",
            "origin_request",
            wat::parse_str(
                r#"(component (import "wasi:http/types@0.3.0-rc-2026-01-06" (instance (export "f" (func))))
                   (instance $e) (export "wasi:http/handler@0.3.0-rc-2026-01-06" (instance $e)))"#,
            )
            .unwrap(),
            &[
                "it imports wasi:http/types@0.3.0-rc-2026-01-06",
                "exports: wasi:http/handler@0.3.0-rc-2026-01-06",
                "one of these is needed",
            ],
        ),
        (
            "interfaces that nobody has, all of them",
            "origin_request",
            worker(r#"(import "a:b/c@1.0.0" (instance (export "f" (func)))) (import "d:e/f" (instance)) (import "g" (func))"#),
            &["it imports a:b/c@1.0.0, d:e/f, g, which a worker component may not"],
        ),
        (
            "functions that an interface does not have, all of them",
            "origin_request",
            worker(
                r#"(import "wasi:random/random@0.2.6" (instance (export "get-random-u64" (func (result u64))) (export "get-dice" (func))))
                   (import "wasi:io/error@0.2.3" (instance
                     (export "error" (type $error (sub resource)))
                     (export "[method]error.to-debug-string" (func (param "self" (borrow $error)) (result string)))
                     (export "[method]error.to-number" (func (param "self" (borrow $error)) (result u32)))
                     (export "[static]error.none" (func))))"#,
            ),
            &["it imports wasi:random/random@0.2.6#get-dice, wasi:io/error@0.2.3#[method]error.to-number, \
                 wasi:io/error@0.2.3#[static]error.none, which Edgeward does not have"],
        ),
        (
            "a function of another type",
            "origin_request",
            worker(r#"(import "edgeward:edge/log@0.1.0" (instance (export "line" (func (param "text" u32)))))"#),
            &["component imports instance `edgeward:edge/log@0.1.0`"],
        ),
        (
            "too many values",
            "viewer_request",
            hook(&format!("(func (result {}) unreachable)", "i32 ".repeat(17))),
            &["17 results of a function are over 16"],
        ),
        (
            "globals that no instance has room for",
            "viewer_request",
            hook(&"(global i64 (i64.const 0))".repeat(70_000)),
            &[
                "bytes of globals, imports, segments, and functions in tables or exported, in one module; a viewer component may have at most 1048576",
            ],
        ),
        ("text", "viewer_request", b"hello".to_vec(), &["not a WebAssembly component"]),
    ];
    let mut wrong = Vec::new();
    for (what, use_of_it, bytes, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.wasm"), &bytes).unwrap();
        std::fs::write(folder.path().join("edge.toml"), config(use_of_it, "o").to_string()).unwrap();
        let check = run(&folder, &["check", "edge.toml"]);
        let inspect = run(&folder, &["inspect", "c.wasm"]);
        let serve = run(&folder, &["serve", "--log", "text"]);
        for (command, code, (ended, said)) in
            [("check", Some(64), &check), ("inspect", inspect.0, &inspect), ("serve", Some(1), &serve)]
        {
            let missing: Vec<_> = expected.iter().filter(|text| !said.contains(**text)).collect();
            if *ended != code || !missing.is_empty() {
                wrong.push(format!("{what}: `{command}` ends with {ended:?}, without {missing:?}:\n{said}"));
            }
        }
        if !check.1.contains("--> edge.toml:5:13") {
            wrong.push(format!("{what}: `check` does not tell the place:\n{}", check.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_shape_that_a_compiler_is_slow_with_is_refused_by_all_three() {
    let many = |piece: &str, n: usize| piece.repeat(n);
    let cases = [
        ("function 2 (at byte 0x", "100000 blocks within one another", {
            format!("(func {}{})", many("block ", 100_000), many("end ", 100_000))
        }),
        ("function 2 (at byte 0x", "blocks times instructions", {
            format!("(func (param i32) {})", many("block local.get 0 br_if 0 end ", 100_000))
        }),
        ("function 2 (at byte 0x", "blocks times instructions", {
            format!("(table 1 funcref) (func (param i32) {})", many("local.get 0 call_indirect ", 80_000))
        }),
        ("function 2 (at byte 0x", "values times instructions", {
            format!("(func (param i32) {} {})", many("local.get 0 i32.load ", 20_000), many("drop ", 20_000))
        }),
        ("it has 20001 ", "element segments", format!("(table 1 funcref) {}", many("(elem func 0)", 20_001))),
        ("it has 20001 ", "types in its modules", format!("(rec {})", many("(type (func))", 20_001))),
    ];
    for (place, what, inside) in cases {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.wasm"), hook(&inside)).unwrap();
        std::fs::write(folder.path().join("edge.toml"), config("viewer_request", "o").to_string()).unwrap();
        for arguments in [&["check", "edge.toml"][..], &["inspect", "c.wasm"], &["serve", "--log", "text"]] {
            let (_, said) = run(&folder, arguments);
            assert!(said.contains(place) && said.contains(what), "{what}: {arguments:?}: {said}");
        }
    }
}

#[test]
fn what_is_fine_is_fine_for_all_three() {
    for name in ["edge-rules", "jwt-check"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(component(name), folder.path().join("c.wasm")).unwrap();
        std::fs::write(folder.path().join("edge.toml"), config("viewer_request", "o").to_string()).unwrap();
        let (code, said) = run(&folder, &["check", "edge.toml"]);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(run(&folder, &["inspect", "c.wasm"]).1.contains("viewer      yes"), "{name}");
    }
}

/// A hook that asks for a handle by a function whose result is in a register, lowered with a memory all the same, and
/// behind its other parameter a number of 64 bits.
const BY_REGISTER: &str = r#"(component
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer)) (export "pollable" (type $own (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
  (core module $Main
    (memory (export "memory") 2) (data (i32.const 1024) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\01")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 1024)))
  (core instance $main (instantiate $Main))
  (core func $subscribe (canon lower (func $clock "subscribe-duration") (memory (core memory $main "memory"))))
  (core module $Outer (import "" "f" (func (param i64) (result i32))) (export "f" (func 0)))
  (core instance (instantiate $Outer (with "" (instance (export "f" (func $subscribe))))))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $main "handle") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))"#;

#[test]
fn what_cannot_be_restored_runs_all_the_same_and_all_three_know() {
    let store = "(i32.store (i32.const 0) (i32.const 0))";
    for (what, bytes, restorable) in [
        ("a result in a register", wat::parse_str(BY_REGISTER).unwrap(), "restorable  yes"),
        (
            "as many locals as there can be",
            hook(&format!("(func (local {}) {store})", "i32 ".repeat(50_000))),
            "restorable  no, each call takes a new instance: what makes it restorable does not fit into it: ",
        ),
        (
            "too many globals",
            hook(&"(global (mut i64) (i64.const 0))".repeat(1_001)),
            "restorable  no, each call takes a new instance: it has 1001 mutable globals, over 1000",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.wasm"), &bytes).unwrap();
        std::fs::write(folder.path().join("edge.toml"), config("viewer_request", "o").to_string()).unwrap();
        let (code, said) = run(&folder, &["check", "edge.toml"]);
        assert_eq!(code, Some(0), "{what}: {said}");
        let (_, said) = run(&folder, &["inspect", "c.wasm"]);
        assert!(said.contains(restorable), "{what}: {said}");
        let edge = Edge::start_in(folder, config("viewer_request", "o"));
        for _ in 0..3 {
            assert_eq!(edge.get("/").status, 200, "{what}: {}", edge.log());
        }
    }
}

#[test]
fn what_is_no_component_can_be_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.wasm"), hook("(tag)")).unwrap();
    let (_, said) = run(&folder, &["inspect", "c.wasm"]);
    assert!(said.contains("can be      none\n") && said.contains("viewer      not a WebAssembly component"), "{said}");
    let json: serde_json::Value = serde_json::from_str(&run(&folder, &["inspect", "c.wasm", "--json"]).1).unwrap();
    assert_eq!(json["roles"], serde_json::json!([]));
}

#[test]
fn components_and_certificates_are_among_every_error_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.wasm"), "hello").unwrap();
    for name in ["chain.pem", "key.pem"] {
        std::fs::write(folder.path().join(name), "none").unwrap();
    }
    let text = Config::new().https("chain.pem", "key.pem").with(config("viewer_request", "nowhere")).to_string();
    std::fs::write(folder.path().join("edge.toml"), text).unwrap();
    let (code, said) = run(&folder, &["check", "edge.toml"]);
    assert_eq!(code, Some(64));
    for expected in
        ["edge.toml:5:1\n", "chain.pem", "edge.toml:9:13\n", "not a WebAssembly component", "`nowhere`", "edge.toml:15:10\n"]
    {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
    let json: serde_json::Value = serde_json::from_str(&run(&folder, &["check", "edge.toml", "--json"]).1).unwrap();
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 3, "{json:#}");
    assert!(errors.iter().all(|error| error["place"]["line"].is_u64()), "{json:#}");
}
