//! What instances that failed have left in `/tmp`, until others take their place: as in Lambda, where an environment is
//! reset by a failure and keeps its files
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>).

use std::time::Instant;

use crate::function::teardown;
use crate::limits::shelf::LEFT;
use crate::wasm::worker::tmp::LeftFiles;

/// The files of one environment. To drop them does not hold anybody up.
pub(super) struct LeftEnvironment {
    /// There until they are taken, or dropped.
    files: Option<LeftFiles>,
    /// What the environment has served.
    pub(super) calls: u64,
    pub(super) since: Instant,
}

impl LeftEnvironment {
    pub(super) fn new(files: LeftFiles, calls: u64) -> LeftEnvironment {
        LeftEnvironment { files: Some(files), calls, since: Instant::now() }
    }

    pub(super) fn into_files(mut self) -> Option<LeftFiles> {
        self.files.take()
    }
}

impl Drop for LeftEnvironment {
    fn drop(&mut self) {
        if let Some(files) = self.files.take_if(|files| files.is_slow_to_drop()) {
            teardown::let_go(files);
        }
    }
}

/// Those of a pool.
#[derive(Default)]
pub(super) struct LeftEnvironments(Vec<LeftEnvironment>);

impl LeftEnvironments {
    /// Adds one. What there is too much of is given back: the oldest.
    pub(super) fn push(&mut self, left: LeftEnvironment) -> Option<LeftEnvironment> {
        self.0.push(left);
        (self.0.len() > LEFT).then(|| self.0.remove(0))
    }

    pub(super) fn pop(&mut self) -> Option<LeftEnvironment> {
        self.0.pop()
    }

    /// Takes those that are older.
    pub(super) fn older_than(&mut self, begin: Instant) -> Vec<LeftEnvironment> {
        self.0.extract_if(.., |left| left.since < begin).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
