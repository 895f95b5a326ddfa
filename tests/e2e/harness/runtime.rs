//! Runtimes, each compiled once for all tests: where the program is not optimised, that takes longer than a test waits.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use super::{Config, edgeward, runtimes};

/// What an edge has made of a Runtime, in a folder that lasts as long as the tests.
type Compiled = Arc<(tempfile::TempDir, Vec<PathBuf>)>;

/// Puts the compiled Runtime where an edge in this folder looks for it. `name` is what a configuration calls it.
pub fn compiled_in(folder: &Path, name: &'static str) {
    let aot = folder.join("data/aot");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&aot).unwrap();
    for file in &compiled(name).1 {
        fs::copy(file, aot.join(file.file_name().unwrap())).unwrap();
    }
}

fn compiled(name: &'static str) -> Compiled {
    static COMPILED: Mutex<BTreeMap<&str, Compiled>> = Mutex::new(BTreeMap::new());
    let mut known = COMPILED.lock().unwrap();
    known.entry(name).or_insert_with(|| Arc::new(compile(name))).clone()
}

fn compile(name: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    runtimes();
    let folder = tempfile::tempdir().unwrap();
    let (source, text) = match name {
        "python3.14" => ("f.py", "def lambda_handler(event, context):\n    pass\n"),
        _ => ("f.js", "function handler(event) { return event.request; }\n"),
    };
    fs::write(folder.path().join(source), text).unwrap();
    let config = Config::new().table("function.f").set("source", source).set("runtime", name);
    let config = match name {
        "cloudfront-js-2.0" => config.fixed("o", "x").site("o").set("viewer_request", "f"),
        _ => config.service("o", "f").site("o"),
    };
    fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
    let mut command = edgeward();
    command.args(["serve", "-c", "edge.toml"]).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut edge = command.spawn().unwrap();
    let files = |folder: &Path| fs::read_dir(folder.join("data/aot")).into_iter().flatten().map(|entry| entry.unwrap().path());
    // A file has its name when it is complete.
    let is_code = |path: PathBuf| path.extension().is_some_and(|extension| extension == "cwasm");
    while !files(folder.path()).any(is_code) && edge.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    edge.kill().unwrap();
    edge.wait().unwrap();
    let kept = files(folder.path()).filter(|path| path.extension().is_some_and(|extension| extension != "tmp")).collect();
    (folder, kept)
}
