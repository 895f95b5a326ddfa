//! The threads that build revisions: a few, whoever asks, since each uses a processor for as long as it builds.
//!
//! What waits is bounded by those who ask: a call that waits has a place of the account's concurrency, and a change of a
//! function waits for the one before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::aws::lambda::built::BuiltVersions;
use crate::aws::lambda::deployed::{Deployed, Foundry};
use crate::function::build::DeployError;
use crate::function::revision::Revision;
use crate::language::Language;
use crate::limits::Profile;
use crate::telemetry::ApiMetrics;

/// What was built, or why nothing was.
pub type Built = Result<Arc<Revision>, DeployError>;

struct BuildJob {
    deployed: Arc<Deployed>,
    concluded: Box<dyn FnOnce(Built) + Send>,
}

/// See the module.
pub struct BuildLane(Sender<BuildJob>);

impl BuildLane {
    /// Starts the threads, which end with this.
    pub fn start(foundry: &Arc<Foundry>, metrics: &ApiMetrics) -> std::io::Result<BuildLane> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (sender, jobs) = channel::<BuildJob>();
        let jobs = Arc::new(Mutex::new(jobs));
        let all = Arc::new(BuiltVersions::new(metrics.clone()));
        for _ in 0..threads {
            let (foundry, jobs, all) = (foundry.clone(), jobs.clone(), all.clone());
            let work = move || {
                while let Some(job) = next(&jobs) {
                    let built = catch_unwind(AssertUnwindSafe(|| {
                        let built = job.deployed.build(&foundry)?;
                        all.add(&job.deployed);
                        Ok(built)
                    }));
                    (job.concluded)(built.unwrap_or_else(|_| Err(std::io::Error::other("building it panicked").into())));
                }
            };
            std::thread::Builder::new().name("edgeward-build".to_owned()).spawn(work)?;
        }
        Ok(BuildLane(sender))
    }

    /// Compiles the Runtimes that are installed, on a thread of its own: a function that is made meanwhile waits for its own.
    pub fn prepare(foundry: &Arc<Foundry>) -> std::io::Result<()> {
        let foundry = foundry.clone();
        let work = move || {
            for language in Language::ALL.into_iter().filter(|language| language.profile() == Profile::Worker) {
                // Nothing is slowed down by it that would be there without it.
                if let Err(error) = foundry.builder.prepare(language, foundry.compiling.waited_for()) {
                    tracing::info!(%language, "its functions cannot be built: {error}");
                }
            }
        };
        std::thread::Builder::new().name("edgeward-prepare".to_owned()).spawn(work).map(drop)
    }

    /// Has a revision built; `concluded` hears what came of it, on a thread of the lane.
    pub fn build(&self, deployed: Arc<Deployed>, concluded: impl FnOnce(Built) + Send + 'static) {
        // The threads live as long as this does.
        let _ = self.0.send(BuildJob { deployed, concluded: Box::new(concluded) });
    }

    /// The same, for a call, which waits.
    pub async fn built(&self, deployed: &Arc<Deployed>) -> Built {
        let (sender, built) = oneshot::channel();
        self.build(deployed.clone(), |built| drop(sender.send(built)));
        built.await.unwrap_or_else(|_| Err(std::io::Error::other("the thread that was building it is gone").into()))
    }
}

fn next(jobs: &Mutex<Receiver<BuildJob>>) -> Option<BuildJob> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
