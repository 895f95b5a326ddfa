//! Components as dynamic linking makes them: a module with the memory and the globals, a library that uses both, and a C
//! library that keeps track of folders.

use wasmtime::component::{Component, Instance, Linker, WasmList};
use wasmtime::{Engine, Module, Store};

use super::*;
use crate::wasm::engine::tests::engines;

const LINKED: &str = r#"
(component
  (core module $main
    (memory (export "memory") 2 20)
    (global $base (export "__memory_base") i32 (i32.const 4096))
    (global $first (export "first") (mut i32) (i32.const 7))
    (global $untouched (export "untouched") (mut i32) (i32.const 11))
    (global $wide (export "wide") (mut i64) (i64.const -3))
    (global $private (mut f64) (f64.const 1.5))
    (global $single (export "single") (mut f32) (f32.const 0.25))
    (data (i32.const 64) "at the start")
    (func (export "bump") (global.set $private (f64.add (global.get $private) (f64.const 1))))
    (func (export "private") (result i32) (i32.trunc_f64_s (f64.mul (global.get $private) (f64.const 10))))
    (func (export "unset") (result i32) (global.get $untouched)))
  (core module $library
    (import "env" "memory" (memory 1))
    (import "env" "__memory_base" (global $base i32))
    (import "env" "first" (global $first (mut i32)))
    (import "env" "wide" (global $wide (mut i64)))
    (import "env" "single" (global $single (mut f32)))
    (import "env" "bump" (func $bump))
    (import "env" "private" (func $private (result i32)))
    (global $own i32 (global.get $base))
    (global $counted (mut i32) (global.get $base))
    (table 4 funcref)
    (elem (i32.const 1) func $five)
    (type $number (func (result i32)))
    (data (global.get $base) "library")
    (data $passive "passive")
    (func $five (result i32) (i32.const 5))
    (func (export "work")
      (call $bump)
      (global.set $first (i32.add (global.get $first) (i32.const 1)))
      (global.set $wide (i64.const 0x7fffffffffffffff))
      (global.set $single (f32.const -2.5))
      (global.set $counted (i32.add (global.get $counted) (i32.const 2)))
      (i32.store8 (global.get $own) (i32.const 76))
      (memory.init $passive (i32.const 8000) (i32.const 0) (i32.const 7))
      (drop (memory.grow (i32.const 3)))
      (i32.store (i32.const 200000) (i32.const 99)))
    (func (export "sum") (result i32)
      (global.get $first) (call $private) (i32.add)
      (i32.mul (i32.wrap_i64 (i64.shr_u (global.get $wide) (i64.const 62))) (i32.const 1000)) (i32.add)
      (i32.mul (i32.trunc_f32_s (global.get $single)) (i32.const -100000)) (i32.add)
      (i32.mul (i32.sub (global.get $counted) (i32.const 4096)) (i32.const 1000000)) (i32.add)
      (i32.mul (call_indirect (type $number) (i32.const 1)) (i32.const 10000000)) (i32.add))
    (func (export "byte") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
        (then (i32.load8_u (local.get 0)))
        (else (i32.const 0))))
    (func (export "pages") (result i32) (memory.size)))
  (core module $libc
    (import "env" "memory" (memory 1))
    (func (export "__wasilibc_reset_preopens") (i32.store8 (i32.const 9000) (i32.const 1))))
  (core instance $m (instantiate $main))
  (alias core export $m "first" (core global $f))
  (core instance $env
    (export "memory" (memory $m "memory")) (export "__memory_base" (global $m "__memory_base"))
    (export "first" (global $f)) (export "wide" (global $m "wide")) (export "single" (global $m "single"))
    (export "bump" (func $m "bump")) (export "private" (func $m "private")))
  (core instance $l (instantiate $library (with "env" (instance $env))))
  (core instance $c (instantiate $libc (with "env" (instance $env))))
  (func (export "work") (canon lift (core func $l "work")))
  (func (export "sum") (result u32) (canon lift (core func $l "sum")))
  (func (export "byte") (param "at" u32) (result u32) (canon lift (core func $l "byte")))
  (func (export "pages") (result u32) (canon lift (core func $l "pages")))
  (func (export "unset") (result u32) (canon lift (core func $m "unset"))))
"#;

/// An instance and its store, on the engine of workers.
struct Running {
    store: Store<()>,
    instance: Instance,
}

impl Running {
    fn of(component: &[u8], state: Option<&[u8]>) -> Running {
        let engine: &Engine = &engines().worker;
        let component = Component::new(engine, component).unwrap();
        let mut linker = Linker::new(engine);
        if let Some(state) = state {
            linker.root().module(STATE, &Module::new(engine, state).unwrap()).unwrap();
        }
        let mut store = Store::new(engine, ());
        store.set_fuel(1 << 40).unwrap();
        let instance = wait(linker.instantiate_async(&mut store, &component)).unwrap();
        Running { store, instance }
    }

    fn call<P, R>(&mut self, name: &str, parameters: P) -> R
    where
        P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
        R: Send + Sync + 'static,
        (R,): wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
    {
        let function = self.instance.get_typed_func::<P, (R,)>(&mut self.store, name).unwrap();
        wait(function.call_async(&mut self.store, parameters)).unwrap().0
    }

    fn run(&mut self, name: &str) {
        let function = self.instance.get_typed_func::<(), ()>(&mut self.store, name).unwrap();
        wait(function.call_async(&mut self.store, ())).unwrap();
    }

    /// What a guest can see of its state.
    fn seen(&mut self) -> (u32, u32, u32, Vec<u32>) {
        let bytes = [64, 4_096, 4_097, 8_000, 200_000].map(|at: u32| self.call("byte", (at,)));
        (self.call("sum", ()), self.call("unset", ()), self.call("pages", ()), bytes.to_vec())
    }

    fn state(mut self, layout: &StateLayout) -> Vec<u8> {
        let memory: WasmList<u8> = self.call(MEMORY, ());
        let memory = memory.as_le_slice(&self.store).to_vec();
        let bits: Vec<u64> = self.call(GLOBALS, ());
        let globals: Vec<_> = layout.globals.iter().zip(bits).map(|(value, bits)| value.with(bits)).collect();
        state_module(layout, &memory, &globals)
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn an_instance_begins_where_the_one_before_has_ended() {
    let whole = wat::parse_str(LINKED).unwrap();
    let Split { component, layout } = split(&whole).unwrap();
    assert_eq!((layout.memory_min, layout.memory_max), (2, Some(20)));
    assert_eq!(layout.globals.len(), 5, "those that code sets, and no others: {:?}", layout.globals);

    let mut original = Running::of(&whole, None);
    let mut first = Running::of(&component, Some(&state_module(&layout, &[], &layout.globals)));
    first.run(LOAD);
    assert_eq!(first.seen(), original.seen(), "as it was before it was split");
    first.run("work");
    original.run("work");
    let worked = original.seen();
    assert_eq!(first.seen(), worked);

    let state = first.state(&layout);
    let mut second = Running::of(&component, Some(&state));
    assert_eq!(second.seen(), worked, "the memory is no larger, either");
    assert_eq!(second.call::<_, u32>("byte", (9_000u32,)), 1, "the C library was told");
    second.run("work");
    original.run("work");
    assert_eq!(second.seen(), original.seen());
    assert_eq!(Running::of(&component, Some(&state)).seen(), worked, "another begins there again");
}

#[test]
fn what_no_snapshot_would_put_back_is_refused() {
    let main = |inside: &str| format!("(component (core module $m (memory 1) {inside}) (core instance (instantiate $m)))");
    for (text, why) in [
        (main("(func $f) (start $f)"), "a module has a start function"),
        (main("(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"), "its code changes a table"),
        (main("(table 1 funcref) (elem $e func $f) (func $f (elem.drop $e))"), "its code changes a table"),
        (main(r#"(data $d "x") (func (data.drop $d))"#), "its code drops a data segment"),
        (
            main("(global $g (mut funcref) (ref.null func)) (func (global.set $g (ref.null func)))"),
            "a global that it sets is no number",
        ),
        (
            main("(global $g (mut v128) (v128.const i64x2 0 0)) (func (global.set $g (v128.const i64x2 1 1)))"),
            "a global that it sets is no number",
        ),
        (
            "(component (core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m)))".to_owned(),
            "a module with state is instantiated several times",
        ),
        (
            "(component (core module $m (memory 1)) (core module $n (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $n)))"
                .to_owned(),
            "it has several, 64-bit, shared or odd-paged memories, or none",
        ),
        ("(component (core module $m) (core instance (instantiate $m)))".to_owned(), "it has several, 64-bit, shared or odd-paged memories, or none"),
        (
            "(component (component $c (core module $m (memory 1)) (core instance (instantiate $m))) (instance (instantiate $c)))".to_owned(),
            "a component in it has code",
        ),
        (r#"(component (core module $m (memory 1)) (core instance $i (instantiate $m)) (export "m" (core module $m)))"#.to_owned(), "it exports code"),
        (
            r#"(component (core module $m (memory 1) (func (export "f"))) (core instance $i (instantiate $m)) (func (export "edgeward-load") (canon lift (core func $i "f"))))"#
                .to_owned(),
            "it imports or exports a reserved name",
        ),
    ] {
        let refused = split(&wat::parse_str(&text).unwrap()).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), why, "{text}");
    }
}
