//! A wall clock that a test sets, for a program that knows nothing of it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use super::{Config, Edge};

pub struct Clock {
    folder: tempfile::TempDir,
    ahead: File,
}

impl Clock {
    pub fn new() -> Clock {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/e2e/harness/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(folder.path().join("clock.so")).arg(source);
        assert!(compiler.status().expect("a C compiler").success());
        let ahead = File::create(folder.path().join("ahead")).unwrap();
        let clock = Clock { folder, ahead };
        clock.set(0);
        clock
    }

    /// The clock is so many seconds ahead from now on.
    pub fn set(&self, seconds: i64) {
        self.ahead.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// An edge that goes by it.
    #[track_caller]
    pub fn edge(&self, config: impl Into<Config>) -> Edge {
        let folder = self.folder.path().display();
        Edge::start_behind(&format!("export LD_PRELOAD={folder}/clock.so EDGEWARD_TEST_CLOCK={folder}/ahead"), config)
    }
}
