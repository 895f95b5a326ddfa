//! The Runtime of JavaScript, compiled once for all tests: where the program is not optimised, that takes longer than a test
//! waits.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use super::{Config, edgeward, runtimes};

/// Puts the compiled Runtime where an edge in this folder looks for it.
pub fn compiled_in(folder: &Path) {
    let aot = folder.join("data/aot");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&aot).unwrap();
    for file in compiled() {
        fs::copy(file, aot.join(file.file_name().unwrap())).unwrap();
    }
}

/// What an edge has made of it.
fn compiled() -> &'static [PathBuf] {
    static COMPILED: OnceLock<(tempfile::TempDir, Vec<PathBuf>)> = OnceLock::new();
    let (_, files) = COMPILED.get_or_init(|| {
        runtimes();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f.js"), "function handler(event) { return event.request; }\n").unwrap();
        let config = Config::new().source("f", "f.js").fixed("o", "x").site("o").set("viewer_request", "f");
        fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
        let mut command = edgeward();
        command.args(["serve", "-c", "edge.toml"]).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut edge = command.spawn().unwrap();
        let files =
            |folder: &Path| fs::read_dir(folder.join("data/aot")).into_iter().flatten().map(|entry| entry.unwrap().path());
        // A file has its name when it is complete.
        let is_code = |path: PathBuf| path.extension().is_some_and(|extension| extension == "cwasm");
        while !files(folder.path()).any(is_code) && edge.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        edge.kill().unwrap();
        edge.wait().unwrap();
        let kept = files(folder.path()).filter(|path| path.extension().is_some_and(|extension| extension != "tmp")).collect();
        (folder, kept)
    });
    files
}
