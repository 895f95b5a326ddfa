//! Encodes the worlds of `wit/edge` as the component linker wants them, from their source, for `src/abi.rs`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_component::StringEncoding;
use wit_parser::Resolve;

fn main() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/edge");
    println!("cargo::rerun-if-changed={}", wit.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&wit).unwrap_or_else(|error| panic!("{}: {error:#}", wit.display()));
    for moment in ["viewer-request", "origin-request", "origin-response", "viewer-response"] {
        let world = resolve.select_world(&[package], Some(&format!("{moment}-hook"))).expect("a world for each moment");
        let bytes = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).expect("a world");
        fs::write(out.join(moment), bytes).expect("OUT_DIR can be written");
    }
}
