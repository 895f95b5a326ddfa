//! Operations in parts beside the operations themselves: equal memories and equal traps.

use proptest::prelude::*;
use wasmtime::{Config, Engine, Instance, Store};

use super::*;

const PART: u64 = BULK_BYTES;

/// Two memories of four parts and a bit each, the second one of 64 bits where `wide`; a segment of two and a half parts.
fn module(wide: bool) -> Vec<u8> {
    let second = if wide { "i64" } else { "" };
    let pages = PART * 4 / 65_536 + 1;
    let text = format!(
        r#"(module
          (memory (export "a") {pages})
          (memory (export "b") {second} {pages})
          (data $d "{data}")
          (func (export "fill a") (param i32 i32 i32) (memory.fill 0 (local.get 0) (local.get 1) (local.get 2)))
          (func (export "fill b") (param i32 i32 i32)
            (memory.fill 1 {b0} (local.get 1) {b2}))
          (func (export "copy a") (param i32 i32 i32) (memory.copy 0 0 (local.get 0) (local.get 1) (local.get 2)))
          (func (export "copy b") (param i32 i32 i32) (memory.copy 1 1 {b0} {b1} {b2}))
          (func (export "a to b") (param i32 i32 i32) (memory.copy 1 0 {b0} (local.get 1) (local.get 2)))
          (func (export "b to a") (param i32 i32 i32) (memory.copy 0 1 (local.get 0) {b1} (local.get 2)))
          (func (export "init a") (param i32 i32 i32) (memory.init 0 $d (local.get 0) (local.get 1) (local.get 2)))
          (func (export "init b") (param i32 i32 i32) (memory.init 1 $d {b0} (local.get 1) (local.get 2)))
          (func (export "drop") (param i32 i32 i32) (data.drop $d))
        )"#,
        data = (0..PART * 5 / 2).map(|at| char::from(b'a' + (at / 1_000 % 26) as u8)).collect::<String>(),
        b0 = extended(0, wide),
        b1 = extended(1, wide),
        b2 = extended(2, wide),
    );
    wat::parse_str(text).unwrap()
}

fn extended(local: u32, wide: bool) -> String {
    if wide { format!("(i64.extend_i32_u (local.get {local}))") } else { format!("(local.get {local})") }
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_memory64(true).wasm_multi_memory(true);
    Engine::new(&config).unwrap()
}

/// A memory each that was written with what its addresses are, so that every wrong byte shows.
fn instance(engine: &Engine, module: &[u8]) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    let module = wasmtime::Module::new(engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for (name, salt) in [("a", 3), ("b", 5)] {
        let memory = instance.get_memory(&mut store, name).unwrap();
        for (at, byte) in memory.data_mut(&mut store).iter_mut().enumerate() {
            *byte = ((at >> 3) ^ (at >> 11) ^ (at >> 17)) as u8 ^ salt;
        }
    }
    (store, instance)
}

/// A function of the module and what it is given.
type Asked = (&'static str, [u32; 3]);

fn same(wide: bool, steps: &[Asked]) {
    let engine = engine();
    let before = module(wide);
    let after = divided_module(&before).unwrap();
    assert!(matches!(after, Cow::Owned(_)));
    let (mut plain, one) = instance(&engine, &before);
    let (mut parts, other) = instance(&engine, &after);
    for (name, [to, from, length]) in steps {
        let call = |store: &mut Store<()>, instance: &Instance| {
            let function = instance.get_typed_func::<(u32, u32, u32), ()>(&mut *store, name).unwrap();
            let called = function.call(store, (*to, *from, *length));
            called.map_err(|error| error.downcast_ref::<wasmtime::Trap>().copied())
        };
        let (expected, found) = (call(&mut plain, &one), call(&mut parts, &other));
        assert_eq!(expected, found, "{name} {to} {from} {length}");
        for memory in ["a", "b"] {
            let expected = one.get_memory(&mut plain, memory).unwrap().data(&plain);
            let found = other.get_memory(&mut parts, memory).unwrap().data(&parts);
            assert!(expected == found, "{name} {to} {from} {length}: memory {memory}");
        }
    }
}

const NAMES: [&str; 9] = ["fill a", "fill b", "copy a", "copy b", "a to b", "b to a", "init a", "init b", "drop"];

#[test]
fn at_the_bounds_of_parts_and_memories() {
    let part = u32::try_from(PART).unwrap();
    let size = part * 4 + 65_536;
    for wide in [false, true] {
        for name in &NAMES[..8] {
            let mut steps = Vec::new();
            for length in [0, 1, part - 1, part, part + 1, part * 2, part * 5 / 2, part * 5 / 2 + 1, size, size + 1, u32::MAX] {
                steps.extend(
                    [(0, 0), (1, 0), (0, 1), (part, part - 1), (size - part, 7), (size, 0), (u32::MAX, u32::MAX)]
                        .map(|(to, from)| (*name, [to, from, length])),
                );
            }
            same(wide, &steps);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_body_in_parts_is_the_same_as_a_body_at_once(
        wide: bool,
        steps in proptest::collection::vec(
            (proptest::sample::select(&NAMES[..]), [0..u32::try_from(PART * 5).unwrap(), 0..u32::try_from(PART * 5).unwrap(), 0..u32::try_from(PART * 4).unwrap()]),
            1..6,
        ),
    ) {
        same(wide, &steps);
    }
}

#[test]
fn only_what_may_be_long_is_written_again() {
    let component = |inside: &str| wat::parse_str(format!("(component (core module (memory 1) {inside}))")).unwrap();
    let without = component("(func)");
    assert!(matches!(divided(Cow::Borrowed(&without)).unwrap(), Cow::Borrowed(same) if same == without));
    // A short segment is one part.
    let short = component("(data $d \"abc\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)))");
    assert_eq!(functions(&divided(Cow::Borrowed(&short)).unwrap()), 1);
    let nested = wat::parse_str(
        "(component (component (core module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 3))))))",
    )
    .unwrap();
    assert_eq!(functions(&divided(Cow::Borrowed(&nested)).unwrap()), 2);
}

fn functions(component: &[u8]) -> usize {
    wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(component).unwrap();
    Parser::new(0).parse_all(component).filter(|payload| matches!(payload, Ok(Payload::CodeSectionEntry(_)))).count()
}
