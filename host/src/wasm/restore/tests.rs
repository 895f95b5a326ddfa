//! After any call that returned, a restored instance has the state of a new one, as the engine sees it.

mod overlay;
mod shapes;

use proptest::prelude::*;

use super::{Flavour, Unsuitable, rewrite};
use crate::failure::Failure;
use crate::limits::{Compiling, Limit, Limits, Profile};
use crate::wasm::abi::Moment;
use crate::wasm::compile::{self, ComponentSource};
use crate::wasm::engine::{Engines, tests::engines};
use crate::wasm::viewer::{ViewerCode, ViewerInstance};

/// A guest that does what the event says: records of (u8 op, u32 address, u32 operand). It answers with the
/// first 64 KiB page's bytes 0..8, what `memory.size` says, and a global.
const INTERPRETER: &str = r#"
(component
  (core module $m
    (memory (export "memory") 2 20)
    (global $next (mut i32) (i32.const 70000))
    (global $wide (mut i64) (i64.const -5))
    (data (i32.const 1022) "\01\02\03\04\05\06\07\08")
    (data (i32.const 66000) "image")
    (data $passive "passive segment")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "handle") (param $p i32) (param $n i32) (result i32)
      (local $op i32) (local $a i32) (local $v i32) (local $end i32)
      (local.set $end (i32.add (local.get $p) (local.get $n)))
      (block $done (loop $more
        (br_if $done (i32.gt_u (i32.add (local.get $p) (i32.const 9)) (local.get $end)))
        (local.set $op (i32.load8_u (local.get $p)))
        (local.set $a (i32.load offset=1 align=1 (local.get $p)))
        (local.set $v (i32.load offset=5 align=1 (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 9)))
        (if (i32.eq (local.get $op) (i32.const 0)) (then (i32.store8 offset=3 (local.get $a) (local.get $v))))
        (if (i32.eq (local.get $op) (i32.const 1)) (then (i32.store align=1 (local.get $a) (local.get $v))))
        (if (i32.eq (local.get $op) (i32.const 2)) (then (i64.store offset=9 align=1 (local.get $a) (i64.extend_i32_u (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 3)) (then (f32.store align=1 (local.get $a) (f32.convert_i32_u (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 4)) (then (f64.store align=1 (local.get $a) (f64.convert_i32_u (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 5)) (then (v128.store align=1 (local.get $a) (i32x4.splat (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 6)) (then (memory.fill (local.get $a) (i32.const 7) (i32.and (local.get $v) (i32.const 0x3fff)))))
        (if (i32.eq (local.get $op) (i32.const 7)) (then (memory.copy (local.get $a) (i32.const 1000) (i32.and (local.get $v) (i32.const 0x3fff)))))
        (if (i32.eq (local.get $op) (i32.const 8)) (then (memory.init $passive (local.get $a) (i32.const 0) (i32.const 15))))
        (if (i32.eq (local.get $op) (i32.const 9)) (then (drop (memory.grow (i32.and (local.get $v) (i32.const 3))))))
        (if (i32.eq (local.get $op) (i32.const 10)) (then (global.set $wide (i64.extend_i32_u (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 11)) (then (i64.store16 (local.get $a) (i64.extend_i32_u (local.get $v)))))
        (if (i32.eq (local.get $op) (i32.const 12)) (then (v128.store16_lane 3 (local.get $a) (i32x4.splat (local.get $v)))))
        (br $more)))
      (i32.store (i32.const 512) (i32.const 520))
      (i32.store (i32.const 516) (i32.const 16))
      (i64.store (i32.const 520) (i64.load (i32.const 1022)))
      (i32.store (i32.const 528) (memory.size))
      (i32.store (i32.const 532) (i32.wrap_i64 (global.get $wide)))
      (i32.const 512)))
  (core instance $i (instantiate $m))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (instance $e (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $e)))
"#;

const FIRST_ANSWER: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 2, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff];

fn code(engines: &Engines, wat: &str) -> ViewerCode {
    let limits = Limits::defaults(Profile::Viewer);
    let compiled = compile::compiled(
        engines,
        &ComponentSource::from_bytes(&wat::parse_str(wat).unwrap()).unwrap(),
        &limits,
        Compiling::default(),
    )
    .unwrap();
    compiled.restorable.as_ref().unwrap();
    ViewerCode::new(engines, &compiled, &limits, None).unwrap()
}

fn record(op: u8, address: u32, operand: u32) -> Vec<u8> {
    [&[op][..], &address.to_le_bytes(), &operand.to_le_bytes()].concat()
}

/// What tells an instance from a new one.
fn difference(code: &ViewerCode, instance: ViewerInstance) -> Option<String> {
    let mut new = code.instantiate().unwrap().into_state().unwrap();
    new.difference(&mut instance.into_state().unwrap())
}

#[test]
fn whatever_a_call_writes_a_restored_instance_equals_a_new_one() {
    let engines = engines();
    let code = code(engines, INTERPRETER);
    // Addresses up to a little over the size of two pages: the last ones trap.
    let records = prop::collection::vec((0u8..13, 0u32..131_080, any::<u32>()), 0..40);
    let calls = prop::collection::vec(records, 1..5);
    proptest!(ProptestConfig { cases: 200, ..ProptestConfig::default() }, |(calls in calls)| {
        let mut instance = code.instantiate().unwrap();
        for records in calls {
            let event: Vec<u8> = records.iter().flat_map(|&(op, address, operand)| record(op, address, operand)).collect();
            if instance.call(&code, Moment::ViewerRequest, &event, 0, 0).result.is_err() {
                return Ok(());
            }
            prop_assert!(instance.restore());
            let again = instance.call(&code, Moment::ViewerRequest, &[], 0, 0).result.unwrap();
            prop_assert_eq!(&again[..], &FIRST_ANSWER[..]);
            prop_assert!(instance.restore());
        }
        prop_assert_eq!(difference(&code, instance), None);
    });
}

#[test]
fn a_store_across_two_granules_is_restored() {
    let engines = engines();
    let code = code(engines, INTERPRETER);
    for op in [1, 2, 4, 5] {
        for address in 1000..1030 {
            let written = |restored: bool| {
                let mut instance = code.instantiate().unwrap();
                instance.call(&code, Moment::ViewerRequest, &record(op, address, 99), 0, 0).result.unwrap();
                assert!(!restored || instance.restore());
                difference(&code, instance)
            };
            assert!(written(false).is_some(), "op {op} at {address}");
            assert_eq!(written(true), None, "op {op} at {address}");
        }
    }
}

#[test]
fn memory_grows_to_the_limit_and_is_small_again() {
    let engines = engines();
    let code = code(engines, INTERPRETER);
    let mut instance = code.instantiate().unwrap();
    let grow: Vec<u8> = (0..5).flat_map(|_| record(9, 0, 3)).collect();
    let answer = instance.call(&code, Moment::ViewerRequest, &grow, 0, 0).result.unwrap();
    assert_eq!(answer[8], 17, "2 pages and 5 times 3");
    let grow: Vec<u8> = (0..5).flat_map(|_| record(9, 0, 3)).collect();
    let answer = instance.call(&code, Moment::ViewerRequest, &grow, 0, 0).result.unwrap();
    assert_eq!(answer[8], 20, "the module's own maximum");
    assert!(instance.restore());
    assert_eq!(instance.call(&code, Moment::ViewerRequest, &[], 0, 0).result.unwrap(), FIRST_ANSWER);
}

#[test]
fn the_memory_size_that_is_shown_excludes_the_hosts() {
    let code = code(engines(), INTERPRETER);
    let mut instance = code.instantiate().unwrap();
    for (grow, pages) in [(0, 2), (3, 5), (1, 3)] {
        instance.call(&code, Moment::ViewerRequest, &record(9, 0, grow), 0, 0).result.unwrap();
        assert_eq!(instance.memory_bytes(&code).unwrap(), pages << 16);
        assert_eq!(instance.mapped_bytes(), 2 << 20);
        assert!(instance.restore());
    }
    assert_eq!(instance.memory_bytes(&code).unwrap(), 2 << 16);
}

#[test]
fn growth_over_the_limit_is_told_as_the_limit() {
    let engines = engines();
    let wat = INTERPRETER.replace("2 20)", "2)");
    let wat = wat.replace(
        "(drop (memory.grow (i32.and (local.get $v) (i32.const 3))))",
        "(if (i32.eq (memory.grow (local.get $v)) (i32.const -1)) (then unreachable))",
    );
    let code = code(engines, &wat);
    let mut instance = code.instantiate().unwrap();
    assert!(instance.call(&code, Moment::ViewerRequest, &record(9, 0, 30), 0, 0).result.is_ok());
    let called = instance.call(&code, Moment::ViewerRequest, &record(9, 0, 1), 0, 0);
    assert!(matches!(called.result, Err(Failure::Limit { limit: Limit::MemoryBytes, value: 2_097_152 })), "{:?}", called.result);
}

#[test]
fn what_cannot_be_restored_is_refused_by_its_reason() {
    let check = |from: &str, to: &str, reason: &str| {
        let wat = INTERPRETER.replace(from, to);
        assert_ne!(wat, INTERPRETER);
        let error = rewrite(&wat::parse_str(&wat).unwrap(), 2 << 20, Flavour::Function).unwrap_err();
        assert_eq!(error.to_string(), reason);
    };
    check("(data $passive", "(func $s) (start $s) (data $passive", "a module has a start function");
    check("(br $more)))", "(data.drop $passive) (br $more)))", "its code drops segments");
    check(
        "(data $passive",
        "(table 1 funcref) (func (table.set (i32.const 0) (ref.null func))) (data $passive",
        "its code changes tables",
    );
    check("2 20)", "64)", "its memory of 4194304 bytes is over the limit of 2097152");
    check(
        "(core instance $i",
        "(core instance (instantiate $m)) (core instance $i",
        "its main module is not instantiated exactly once",
    );
    let bare = "(component (core module $m (memory 1)) (core instance (instantiate $m)))";
    let error = rewrite(&wat::parse_str(bare).unwrap(), 2 << 20, Flavour::Function).unwrap_err();
    assert_eq!(error.to_string(), "its main module has no code");
    let shape: Result<Vec<u8>, Unsuitable> = rewrite(&wat::parse_str("(component)").unwrap(), 2 << 20, Flavour::Function);
    assert_eq!(shape.unwrap_err().to_string(), "it has no memory");
}

#[test]
fn a_module_that_exports_nothing_is_rewritten_into_a_valid_one() {
    let hidden =
        "(component (core module $m (memory 1) (func (i32.store (i32.const 0) (i32.const 1)))) (core instance (instantiate $m)))";
    let rewritten = rewrite(&wat::parse_str(hidden).unwrap(), 2 << 20, Flavour::Function).unwrap();
    assert!(compile::charged(&rewritten, Profile::Viewer).is_ok());
}
