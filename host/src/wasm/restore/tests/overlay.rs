//! With an overlay, a restored instance is like a new one that was given the same overlay, whatever a call writes.

use super::*;
use crate::wasm::compile::compiled_as;
use crate::wasm::init::{Source, function};

/// The interpreter, with an INIT that does what the source says, of pairs of hexadecimal digits; and its first answer.
fn interpreter(records: &[u8]) -> ViewerCode {
    let init = r#"
    (func $digit (param i32) (result i32)
      (i32.sub (local.get 0) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get 0) (i32.const 58)))))
    (func (export "init") (param i32 i32 i32 i32 i32 i32) (result i32)
      (local $i i32)
      (block $done (loop $more
        (br_if $done (i32.ge_u (local.get $i) (local.get 5)))
        (i32.store8 offset=200000 (i32.shr_u (local.get $i) (i32.const 1))
          (i32.add
            (i32.shl (call $digit (i32.load8_u (i32.add (local.get 4) (local.get $i)))) (i32.const 4))
            (call $digit (i32.load8_u offset=1 (i32.add (local.get 4) (local.get $i))))))
        (local.set $i (i32.add (local.get $i) (i32.const 2)))
        (br $more)))
      (drop (call $handle (i32.const 200000) (i32.shr_u (local.get $i) (i32.const 1))))
      (i64.store (i32.const 696) (i64.const 0))
      (i64.store (i32.const 704) (i64.const 0))
      (i32.const 700))"#;
    let lifted = r#"
  (func $init (param "dialect" string) (param "file" string) (param "source" string) (result (result (error string)))
    (canon lift (core func $i "init") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
  (instance $source (export "init" (func $init)))
  (export "edgeward:runtime/source@0.1.0" (instance $source))
  (func $handle (param "event""#;
    let wat = INTERPRETER
        .replace("\"memory\") 2 20)", "\"memory\") 4 20)")
        .replace("(func (export \"handle\")", &format!("{init} (func $handle (export \"handle\")"))
        .replace("\n  (func $handle (param \"event\"", lifted);
    let source = ComponentSource::from_bytes(&wat::parse_str(wat).unwrap()).unwrap();
    let limits = Limits::defaults(Profile::Viewer);
    let runtime = compiled_as(engines(), &source, &limits, Compiling::default(), Flavour::Runtime).unwrap();
    let text = hex::encode(records);
    let source = Source::new(engines(), "hex", "test", &text, 0, 0);
    function(engines(), &runtime, &limits, None, &source).unwrap_or_else(|error| panic!("{error}")).0
}

/// Addresses of four pages, less what a record may write.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let records = prop::collection::vec((0u8..13, 0u32..180_000, any::<u32>()), 0..40);
    records.prop_map(|records| records.iter().flat_map(|&(op, address, operand)| record(op, address, operand)).collect())
}

#[test]
fn whatever_init_and_a_call_write_a_restored_instance_equals_a_new_one() {
    proptest!(ProptestConfig { cases: 60, ..ProptestConfig::default() }, |(init in records(), calls in prop::collection::vec(records(), 1..4))| {
        let code = interpreter(&init);
        let mut instance = code.instantiate().unwrap();
        let first = code.instantiate().unwrap().call(&code, Moment::ViewerRequest, &[], 0, 0).result.unwrap();
        for event in calls {
            if instance.call(&code, Moment::ViewerRequest, &event, 0, 0).result.is_err() {
                return Ok(());
            }
            prop_assert!(instance.restore());
            let again = instance.call(&code, Moment::ViewerRequest, &[], 0, 0).result.unwrap();
            prop_assert_eq!(&again, &first);
            prop_assert!(instance.restore());
        }
        prop_assert_eq!(difference(&code, instance), None);
    });
}

#[test]
fn a_store_across_the_end_of_a_granule_is_saved_and_put_back_whole() {
    // In the overlay, in the image, and in neither.
    for base in [100_000, 1_024, 130_000] {
        let init: Vec<u8> = (0..4).flat_map(|at| record(5, base / 1_024 * 1_024 - 8 + at * 1_024, 0x0101_0101)).collect();
        for init in [&[][..], &init] {
            let code = interpreter(init);
            for op in [1, 2, 4, 5] {
                for address in base - 24..base + 6 {
                    let mut instance = code.instantiate().unwrap();
                    instance.call(&code, Moment::ViewerRequest, &record(op, address, 99), 0, 0).result.unwrap();
                    assert!(instance.restore());
                    assert_eq!(difference(&code, instance), None, "op {op} at {address}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_saved_is_refused() {
    let wat = INTERPRETER.replace("(global $next", "(global (mut funcref) (ref.null func)) (global $next");
    let bytes = wat::parse_str(wat).unwrap();
    assert!(rewrite(&bytes, 2 << 20, Flavour::Function).is_ok());
    let error = rewrite(&bytes, 2 << 20, Flavour::Runtime).unwrap_err().to_string();
    assert_eq!(error, "it has mutable globals of references, which cannot be saved");
}
