//! What is said to be allowed is what is linked, at every version, and each function has the type that WASI gives it.

use wasmtime::component::Component;

use super::*;
use crate::wasm::engine::tests::engines;

/// A component that imports one function of an interface.
fn importer(interface: &str, function: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(component (import "{interface}" (instance (export {function}))))"#)).unwrap()
}

fn links(interface: &str, function: &str) -> bool {
    let engines = engines();
    let component = Component::new(&engines.viewer, importer(interface, function)).unwrap();
    engines.viewer_linker.instantiate_pre(&component).is_ok()
}

#[test]
fn an_interface_is_allowed_at_every_version_that_the_linker_finds_it_for_and_no_other() {
    const SEED: &str = r#""insecure-seed" (func (result (tuple u64 u64)))"#;
    const LINE: &str = r#""line" (func (param "text" string))"#;
    for (import, function, expected) in [
        ("wasi:random/insecure-seed@0.2.0", SEED, true),
        ("wasi:random/insecure-seed@0.2.6", SEED, true),
        ("wasi:random/insecure-seed@0.2.12", SEED, true),
        ("wasi:random/insecure-seed@0.2.99", SEED, true),
        ("wasi:random/insecure-seed@0.2.6+build.1", SEED, true),
        ("wasi:random/insecure-seed@0.2.0-rc-2023-12-05", SEED, false),
        ("wasi:random/insecure-seed@0.3.0", SEED, false),
        ("wasi:random/insecure-seed@1.2.0", SEED, false),
        ("wasi:random/insecure-seed", SEED, false),
        ("wasi:sockets/tcp@0.2.0", SEED, false),
        ("edgeward:edge/log@0.1.0", LINE, true),
        ("edgeward:edge/log@0.1.3", LINE, true),
        ("edgeward:edge/log@0.2.0", LINE, false),
    ] {
        assert_eq!(allows(import), expected, "{import}");
        assert_eq!(links(import, function), expected, "{import}");
    }
}

#[test]
fn a_function_that_an_interface_does_not_have_as_it_is_imported_does_not_link() {
    for (function, expected) in [
        (r#""now" (func (result u64))"#, true),
        (r#""now" (func (result u32))"#, false),
        (r#""now" (func (param "zone" string) (result u64))"#, false),
        (r#""then" (func (result u64))"#, false),
    ] {
        assert_eq!(links("wasi:clocks/monotonic-clock@0.2.3", function), expected, "{function}");
    }
}
