//! Encodes the Runtime's world as the component linker wants it, for `src/abi.rs`, and sets the sizes of its memory.

use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_component::StringEncoding;
use wit_parser::Resolve;

fn main() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    println!("cargo::rerun-if-changed={}", wit.display());
    let mut resolve = Resolve::default();
    let mut package = None;
    for folder in ["edge", "function", "runtime"] {
        let path = wit.join(folder);
        package = Some(resolve.push_dir(&path).unwrap_or_else(|error| panic!("{}: {error:#}", path.display())).0);
    }
    let package = package.expect("three packages");
    let world = resolve.select_world(&[package], Some("viewer-runtime")).expect("the Runtime's world");
    let bytes = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).expect("a world");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("world"), bytes).expect("OUT_DIR can be written");

    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        // The stack is at the bottom of memory, so that an overflow traps; `engine::STACK_BYTES` is below it.
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=98304");
        // The heap is what of this is left (`alloc`); the memory does not grow.
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=1114112");
    }
}
