//! Components of several modules: what the host writes is put back wherever it is called from, or the component is not
//! restorable.

use super::*;
use crate::wasm::restore::plan::Plan;
use crate::wasm::restore::rewrite;

/// A main module whose allocator gives out what address 40,000 says, plus one; `$parts` come behind it.
fn component(parts: &str, main: &str, handle: &str) -> String {
    format!(
        r#"(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $Main
    (memory (export "memory") 2)
    (table (export "table") 2 2 funcref)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (result i32) (i32.eq (local.get 3) (i32.const 1))
        (then (i32.add (i32.load (i32.const 40000)) (i32.const 1)))
        (else (i32.const 65536))))
    (func (export "inner") (param i32 i32) (result i32)
      (i64.store (i32.const 1032) (i64.load (i32.const 40000)))
      (i32.store (i32.const 1024) (i32.const 1032)) (i32.store (i32.const 1028) (i32.const 8))
      (i32.const 1024))
    {main})
  (core instance $main (instantiate $Main))
  (core func $bytes (canon lower (func $random "get-random-bytes")
    (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  {parts}
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift {handle} (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))"#
    )
}

const BY_CALL: &str = r#"(core module $Outer
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "main" "inner" (func $inner (param i32 i32) (result i32)))
    (func (export "handle") (param i32 i32) (result i32)
      (call $bytes (i64.const 1) (i32.const 40000))
      (call $inner (local.get 0) (local.get 1))))
  (core instance $host (export "bytes" (func $bytes)))
  (core instance $outer (instantiate $Outer (with "host" (instance $host)) (with "main" (instance $main))))"#;

const BY_TABLE: &str = r#"(core module $Outer
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "main" "table" (table 2 2 funcref))
    (elem (i32.const 1) func $bytes))
  (core instance $host (export "bytes" (func $bytes)))
  (core instance $outer (instantiate $Outer (with "host" (instance $host)) (with "main" (instance $main))))"#;

const BY_EXPORT: &str = r#"(core module $Passing
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (export "bytes" (func $bytes)))
  (core module $Outer
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "main" "inner" (func $inner (param i32 i32) (result i32)))
    (func (export "handle") (param i32 i32) (result i32)
      (call $bytes (i64.const 1) (i32.const 40000))
      (return_call $inner (local.get 0) (local.get 1))))
  (core instance $host (export "bytes" (func $bytes)))
  (core instance $passing (instantiate $Passing (with "host" (instance $host))))
  (core instance $outer (instantiate $Outer (with "host" (instance $passing)) (with "main" (instance $main))))"#;

const CALLS_TABLE: &str = r#"(func (export "handle") (param i32 i32) (result i32)
      (call_indirect (param i64 i32) (i64.const 1) (i32.const 40000) (i32.const 1))
      (i64.store (i32.const 1032) (i64.load (i32.const 40000)))
      (i32.store (i32.const 1024) (i32.const 1032)) (i32.store (i32.const 1028) (i32.const 8))
      (i32.const 1024))"#;

#[test]
fn what_the_host_writes_is_put_back_wherever_it_is_called_from() {
    let engines = engines();
    for (name, text) in [
        ("called by another module", component(BY_CALL, "", r#"(core func $outer "handle")"#)),
        ("in a table", component(BY_TABLE, CALLS_TABLE, r#"(core func $main "handle")"#)),
        ("exported again", component(BY_EXPORT, "", r#"(core func $outer "handle")"#)),
    ] {
        let code = code(engines, &text);
        let mut instance = code.instantiate().unwrap();
        let mut answer = || {
            let answer = instance.call(&code, Moment::ViewerRequest, b"event", 0, 0).result.unwrap();
            assert!(instance.restore(), "{name}");
            answer
        };
        // Where the random byte was put, and how many there are: one in each call anew.
        let first = answer();
        assert_eq!(first, [1, 0, 0, 0, 1, 0, 0, 0], "{name}");
        assert_eq!([answer(), answer()], [first.clone(), first], "{name}");
        assert_eq!(difference(&code, instance), None, "{name}");
    }
}

#[test]
fn a_result_is_guarded_where_the_canonical_abi_writes_it_and_nowhere_else() {
    let spilled: String = (0..17).map(|i| format!("(param \"p{i}\" u32) ")).collect();
    let full: String = (0..16).map(|i| format!("(param \"p{i}\" u32) ")).collect();
    let sixteen = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32";
    for (ty, core, area) in [
        ("".to_owned(), "".to_owned(), None),
        (r#"(param "a" u64)"#.to_owned(), "(param i64)".to_owned(), None),
        (r#"(param "a" u64) (result u32)"#.to_owned(), "(param i64) (result i32)".to_owned(), None),
        (r#"(param "a" string) (result f64)"#.to_owned(), "(param i32 i32) (result f64)".to_owned(), None),
        ("(result (tuple u64))".to_owned(), "(result i64)".to_owned(), None),
        ("(result (result))".to_owned(), "(result i32)".to_owned(), None),
        ("(result (option u8))".to_owned(), "(param i32)".to_owned(), Some(2)),
        ("(result string)".to_owned(), "(param i32)".to_owned(), Some(8)),
        (r#"(param "a" u64) (result (tuple u64 u64))"#.to_owned(), "(param i64 i32)".to_owned(), Some(16)),
        (format!("{full} (result u8)"), format!("{sixteen}) (result i32)"), None),
        (format!("{full} (result (list u8))"), format!("{sixteen} i32)"), Some(8)),
        (format!("{spilled} (result u8)"), "(param i32) (result i32)".to_owned(), None),
        (format!("{spilled} (result (option u64))"), "(param i32 i32)".to_owned(), Some(16)),
    ] {
        let parts = format!(
            r#"(import "asked" (func $asked {ty}))
               (core func $lowered (canon lower (func $asked) (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
               (core module $Outer (import "host" "f" (func $f {core})) (export "f" (func $f)))
               (core instance $host (export "f" (func $lowered)))
               (core instance (instantiate $Outer (with "host" (instance $host))))"#
        );
        let bytes = wat::parse_str(component(&parts, "", r#"(core func $main "inner")"#)).unwrap();
        let plan = Plan::read(&bytes).unwrap();
        let areas: Vec<u32> = plan.modules.iter().flat_map(|module| &module.guarded).map(|guarded| guarded.area).collect();
        assert_eq!(areas, Vec::from_iter(area), "{ty}");
        let rewritten = rewrite(&bytes, 2 << 20, Flavour::Function).unwrap();
        compile::charged(&rewritten, Profile::Viewer).unwrap_or_else(|error| panic!("{ty}: {error}"));
    }
}

#[track_caller]
fn refused(text: &str, reason: &str) {
    let error = rewrite(&wat::parse_str(text).unwrap(), 2 << 20, Flavour::Function).unwrap_err();
    assert_eq!(error.to_string(), reason);
}

#[test]
fn what_the_proof_does_not_cover_is_not_restorable() {
    let with = |parts: &str| component(parts, "", r#"(core func $main "inner")"#);
    refused(
        &component("", "", "(core func $lowered)").replace(
            r#"(func $handle (param "event""#,
            r#"(import "echo" (func $echo (param "a" u32) (param "b" u32) (result u32)))
               (core func $lowered (canon lower (func $echo))) (func $handle (param "event""#,
        ),
        "it lifts a function of the host",
    );
    refused(
        &component(BY_CALL, "", r#"(core func $outer "handle")"#)
            .replace("(core instance $outer", r#"(core instance (instantiate $Outer (with "host" (instance $host)) (with "main" (instance $main)))) (core instance $outer"#),
        "a module that is given functions of the host is instantiated twice",
    );
    refused(
        &with(
            r#"(core module $Allocator (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
                 (core instance $allocator (instantiate $Allocator))
                 (core func (canon lower (func $random "get-random-bytes")
                   (memory (core memory $main "memory")) (realloc (core func $allocator "realloc"))))"#,
        ),
        "its allocator is not in its main module",
    );
    refused(&with(r#"(type $own (resource (rep i32)))"#), "it makes resources, or uses asynchronous builtins");
    refused(&with(r#"(core module $Other (global (mut i32) (i32.const 0)))"#), "a module without memory has mutable globals");
    refused(&with(r#"(core module $Other (memory 1))"#), "several of its modules have memories");
    refused(&with(r#"(core module $Other (import "main" "memory" (memory 1)))"#), "a module imports a memory");
    refused(&with(r#"(core module $Other (import "m" "g" (global (mut i32))))"#), "a module imports a mutable global");
    refused(
        &with(r#"(core module $Other (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))"#),
        "its code changes tables",
    );
    refused(&with(r#"(core module $Other (elem $e func) (func (elem.drop $e)))"#), "its code drops segments");
    refused(&with(r#"(core module $Other (func $s) (start $s))"#), "a module has a start function");
    refused(&component("", r#"(func (export "edgeward-mark"))"#, r#"(core func $main "inner")"#), "it exports a reserved name");
    refused(&with("(component $inner (core module) )  (instance (instantiate $inner))"), "a nested component has code");
    refused(
        &with(
            "(component $inner (alias outer 1 $Main (core module $m)) (core instance (instantiate $m)))  (instance (instantiate $inner))",
        ),
        "a nested component has code",
    );
}

/// A component that asks for its standard output at each call, and drops it when the event says so.
const TAKES_HANDLES: &str = r#"(component
  (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $stream (type $outer))
    (export "get-stdout" (func (result (own $outer))))))
  (core func $get (canon lower (func $stdout "get-stdout")))
  (core func $drop (canon resource.drop $stream))
  (core instance $host (export "get" (func $get)) (export "drop" (func $drop)))
  (core module $Main
    (import "host" "get" (func $get (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "handle") (param i32 i32) (result i32)
      (local $handle i32)
      (if (i32.ge_u (local.get 1) (i32.const 1)) (then
        (local.set $handle (call $get))
        (if (i32.ge_u (local.get 1) (i32.const 2)) (then (call $drop (local.get $handle))))))
      (i32.store8 (i32.const 64) (local.get $handle))
      (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const 1))
      (i32.const 32)))
  (core instance $main (instantiate $Main (with "host" (instance $host))))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $main "handle") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))"#;

#[test]
fn an_instance_that_holds_a_handle_is_not_put_back_and_one_that_has_dropped_it_gives_the_same_one_again() {
    let code = code(engines(), TAKES_HANDLES);
    for (event, restored) in [(&b""[..], true), (b"a", false), (b"ab", true)] {
        let mut instance = code.instantiate().unwrap();
        let first = instance.call(&code, Moment::ViewerRequest, event, 0, 0).result.unwrap();
        assert_eq!(instance.restore(), restored, "{event:?}");
        if restored {
            let second = instance.call(&code, Moment::ViewerRequest, event, 0, 0).result.unwrap();
            assert_eq!(second, first, "{event:?}");
        }
    }
}

#[test]
fn a_growth_that_was_refused_is_forgotten_by_the_next_call() {
    let wat = INTERPRETER
        .replace("2 20)", "2)")
        .replace("(br $more)))", "(if (i32.eq (local.get $op) (i32.const 99)) (then unreachable)) (br $more)))");
    let code = code(engines(), &wat);
    let mut instance = code.instantiate().unwrap();
    let refused = record(9, 0, 3).repeat(20);
    assert!(instance.call(&code, Moment::ViewerRequest, &refused, 0, 0).result.is_ok());
    assert!(instance.restore());
    let called = instance.call(&code, Moment::ViewerRequest, &record(99, 0, 0), 0, 0);
    assert!(matches!(called.result, Err(Failure::Trap(_))), "{:?}", called.result);
}
