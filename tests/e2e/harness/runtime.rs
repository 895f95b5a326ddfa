//! The Runtimes, each compiled once for all tests: that takes longer than a test waits, and where the program is not
//! optimised, much longer.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use super::{Config, edgeward, runtimes};

/// What a Runtime runs.
#[derive(Debug, Clone, Copy)]
pub enum Runtime {
    CloudfrontJs,
    Nodejs,
    Python,
}

/// Puts the compiled Runtime where an edge in this folder looks for it.
pub fn compiled_in(folder: &Path, runtime: Runtime) {
    let aot = folder.join("data/aot");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&aot).unwrap();
    for file in runtime.compiled() {
        fs::copy(file, aot.join(file.file_name().unwrap())).unwrap();
    }
}

impl Runtime {
    /// What an edge has made of it.
    fn compiled(self) -> &'static [PathBuf] {
        static COMPILED: [OnceLock<(tempfile::TempDir, Vec<PathBuf>)>; 3] = [const { OnceLock::new() }; 3];
        let (_, files) = COMPILED[self as usize].get_or_init(|| self.compile());
        files
    }

    fn compile(self) -> (tempfile::TempDir, Vec<PathBuf>) {
        runtimes();
        let (file, source, name) = match self {
            Runtime::CloudfrontJs => ("f.js", "function handler(event) { return event.request; }\n", "cloudfront-js-2.0"),
            Runtime::Nodejs => ("f.mjs", "export const handler = async (event) => event;\n", "nodejs24.x"),
            Runtime::Python => ("f.py", "def lambda_handler(event, context):\n    return event\n", "python3.14"),
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), source).unwrap();
        let config = Config::new().table("function.f").set("source", file).set("runtime", name);
        let config = match self {
            Runtime::CloudfrontJs => config.fixed("o", "x").site("o").set("viewer_request", "f"),
            Runtime::Nodejs | Runtime::Python => config.table("origin.o").set("component", "f").site("o"),
        };
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
    }
}
