//! The public suite of tests for HTTP caches: exactly those may fail that docs/conformance.md lists.

use std::path::Path;
use std::process::Command;

#[test]
fn the_public_suite_passes_as_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let ran = Command::new("node").arg(root.join("tests/conformance/run.mjs")).arg(env!("CARGO_BIN_EXE_edgeward")).output();
    let ran = ran.expect("Node is installed: see the README");
    let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{error}");
    println!("{out}");
}
