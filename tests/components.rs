//! The guests of this repository, built once for all tests of a program.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder of their components.
pub fn components() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let guests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../guests");
        // What is up to date is not built again. The guests have a target folder and settings of their own.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--release", "--quiet", "--package", "build"]).current_dir(&guests);
        for variable in ["CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            cargo.env_remove(variable);
        }
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "the guests are not built:\n{}", String::from_utf8_lossy(&output.stderr));
        guests.join("target/components")
    })
}
