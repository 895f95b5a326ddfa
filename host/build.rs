//! Tells the program what it is made of: for which target, and with which version of Wasmtime, as Cargo.lock has it.

use std::path::Path;

fn main() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rustc-env=EDGEWARD_WASMTIME={}", version(&lock, "wasmtime").unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo::rustc-env=EDGEWARD_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}

fn version(lock: &Path, package: &str) -> Option<String> {
    let text = std::fs::read_to_string(lock).ok()?;
    let (_, after) = text.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(after.split_once('"')?.0.to_owned())
}
