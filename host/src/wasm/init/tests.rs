//! INIT and what comes of it, with a Runtime of a few lines.

use super::*;
use crate::limits::{Compiling, Limits, Profile};
use crate::wasm::abi::Moment;
use crate::wasm::compile::{ComponentSource, compiled_as};
use crate::wasm::engine::tests::engines;
use crate::wasm::restore::Flavour;

/// Its language: a source that begins with `!` throws itself, `L` loops, `T` traps, `F` fills the memory, `G` grows it,
/// `H` keeps a handle; anything else is kept as it is. A handler adds one to the source's first byte, grows the memory by
/// a page, and answers with the source and the number of pages.
pub(crate) const RUNTIME: &str = r#"
(component
  (import "edgeward:runtime/call@0.1.0" (instance $call
    (export "now-ms" (func (result f64)))
    (export "seed" (func (result u64)))))
  (import "wasi:io/streams@0.2.0" (instance $streams (export "input-stream" (type (sub resource)))))
  (alias export $streams "input-stream" (type $stream))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (export "input-stream" (type $own (eq $stream)))
    (export "get-stdin" (func (result (own $own))))))
  (core func $now (canon lower (func $call "now-ms")))
  (core func $seed (canon lower (func $call "seed")))
  (core func $stdin (canon lower (func $stdin "get-stdin")))
  (core instance $host (export "now" (func $now)) (export "seed" (func $seed)) (export "stdin" (func $stdin)))
  (core module $M
    (import "host" "now" (func $now (result f64)))
    (import "host" "seed" (func $seed (result i64)))
    (import "host" "stdin" (func $stdin (result i32)))
    (memory (export "memory") 3 20)
    (global $next (mut i32) (i32.const 70000))
    (global $length (mut i32) (i32.const -1))
    (global $wide (mut i64) (i64.const -5))
    (global $number (mut f64) (f64.const 0.5))
    (global $vector (mut v128) (v128.const i32x4 1 2 3 4))
    (data (i32.const 1022) "image")
    (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "init") (param i32 i32 i32 i32 i32 i32) (result i32)
      (local $first i32)
      (memory.copy (i32.const 90000) (local.get 4) (local.get 5))
      (global.set $length (local.get 5))
      (global.set $wide (call $seed))
      (global.set $number (call $now))
      (global.set $vector (i8x16.splat (local.get 5)))
      (local.set $first (i32.load8_u (i32.const 90000)))
      (i64.store (i32.const 604) (i64.const 0))
      (i32.store8 (i32.const 600) (i32.const 0))
      (if (i32.eq (local.get $first) (i32.const 33)) (then
        (i32.store8 (i32.const 600) (i32.const 1))
        (i32.store (i32.const 604) (i32.const 90000))
        (i32.store (i32.const 608) (local.get 5))))
      (if (i32.eq (local.get $first) (i32.const 76)) (then (loop $more (br $more))))
      (if (i32.eq (local.get $first) (i32.const 84)) (then unreachable))
      (if (i32.eq (local.get $first) (i32.const 70)) (then
        (drop (memory.grow (i32.const 16)))
        (memory.fill (i32.const 131072) (i32.const 7) (i32.const 1048576))))
      (if (i32.eq (local.get $first) (i32.const 71)) (then (drop (memory.grow (i32.const 2)))))
      (if (i32.eq (local.get $first) (i32.const 72)) (then (drop (call $stdin))))
      (i32.const 600))
    (func (export "handle") (param i32 i32) (result i32)
      (i32.store8 (i32.const 90000) (i32.add (i32.load8_u (i32.const 90000)) (i32.const 1)))
      (drop (memory.grow (i32.const 1)))
      (global.set $number (f64.const 7))
      (i32.store (i32.const 2040) (memory.size))
      (memory.copy (i32.const 2044) (i32.const 90000) (global.get $length))
      (i32.store (i32.const 512) (i32.const 2040))
      (i32.store (i32.const 516) (i32.add (global.get $length) (i32.const 4)))
      (i32.const 512)))
  (core instance $m (instantiate $M (with "host" (instance $host))))
  (func $init (param "dialect" string) (param "file" string) (param "source" string) (result (result (error string)))
    (canon lift (core func $m "init") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (instance $source (export "init" (func $init)))
  (export "edgeward:runtime/source@0.1.0" (instance $source))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $m "handle") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))
"#;

pub(crate) fn runtime() -> Compiled {
    let source = ComponentSource::from_bytes(&wat::parse_str(RUNTIME).unwrap()).unwrap();
    let limits = Limits::defaults(Profile::Viewer);
    compiled_as(engines(), &source, &limits, Compiling::default(), Flavour::Runtime).unwrap_or_else(|error| panic!("{error}"))
}

fn initialised(text: &str) -> Result<ViewerCode, InitError> {
    let limits = Limits::defaults(Profile::Viewer);
    let source = Source::new(engines(), "test", "test.txt", text, 1_000_000_000_000, 42);
    function(engines(), &runtime(), &limits, None, &source).map(|(code, _)| code)
}

fn call(code: &ViewerCode, instance: &mut crate::wasm::viewer::ViewerInstance) -> (u8, String) {
    let answer = instance.call(code, Moment::ViewerRequest, b"event", 0, 0).result.unwrap();
    (answer[0], String::from_utf8(answer[4..].to_vec()).unwrap())
}

#[test]
fn every_call_finds_what_init_left_and_nothing_else() {
    for (text, pages, expected) in [("a function", 4, "b function"), ("Grown", 6, "Hrown")] {
        let code = initialised(text).unwrap();
        let mut instance = code.instantiate().unwrap();
        for _ in 0..3 {
            assert_eq!(call(&code, &mut instance), (pages, expected.to_owned()), "it is put back");
            assert!(instance.restore());
        }
        let mut new = code.instantiate().unwrap();
        assert_eq!(call(&code, &mut new), (pages, expected.to_owned()), "another begins the same");
        let mut restored = instance.into_state().unwrap();
        assert_eq!(code.instantiate().unwrap().into_state().unwrap().difference(&mut restored), None);
    }
}

#[test]
fn a_new_instance_is_as_init_has_left_its_own() {
    let limits = Limits::defaults(Profile::Viewer);
    let runtime = runtime();
    let code = ViewerCode::new(engines(), &runtime, &limits, None).unwrap();
    let text = "x".repeat(10_000);
    let source = Source::new(engines(), "test", "test.txt", &text, 7_000_000, 42);
    let mut initialised = code.instantiate().unwrap();
    let overlay = initialised.init(&code, &source).unwrap();
    assert!(overlay.len() < 40_000, "the source twice, and little more: {}", overlay.len());
    let code = code.with_overlay(&runtime, overlay.into()).unwrap();
    let mut new = code.instantiate().unwrap().into_state().unwrap();
    // Our marks are the first difference: the guest's memory comes before them.
    let difference = new.difference(&mut initialised.into_state().unwrap()).unwrap();
    assert!(difference.starts_with("memory 1 "), "{difference}");
}

#[test]
fn a_source_that_cannot_be_one_is_refused_by_its_reason() {
    for (text, told) in [
        ("!it throws", "!it throws"),
        ("Loop", "its code outside of the handler takes more than 1000000 µs of CPU time"),
        ("Trap", "its code outside of the handler failed: trap: "),
        ("Full", "it leaves more than 1048576 bytes in memory"),
        ("Handle", "it holds streams or other things of the host when it ends"),
    ] {
        let error = initialised(text).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(told), "{text}: {error}");
    }
    let long = format!("!{}", "é".repeat(5_000));
    let error = initialised(&long).map(drop).unwrap_err().to_string();
    assert!(error.ends_with("é …") && error.len() < 4_200, "it is cut");
}

#[test]
fn a_runtime_that_is_called_without_a_source_begins_like_its_segments() {
    let limits = Limits::defaults(Profile::Viewer);
    let source = ComponentSource::from_bytes(&wat::parse_str(RUNTIME).unwrap()).unwrap();
    let compiled = crate::wasm::compile::compiled(engines(), &source, &limits, Compiling::default()).unwrap();
    let code = ViewerCode::new(engines(), &compiled, &limits, None).unwrap();
    assert!(code.with_overlay(&compiled, Arc::from([])).is_err(), "it was compiled to be a function");
}
