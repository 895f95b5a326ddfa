//! Calls of worker revisions: origin hooks, and requests to HTTP components.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, Uri};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::{Failure, GUEST_ERROR, Scope};
use crate::function::call::{HookCall, HookOutcome, Invocation, InvokeOutcome, Outcome, StreamBody, Usage};
use crate::function::pool::InstanceSource;
use crate::function::revision::Revision;
use crate::function::worker_pool::{Instance, WorkerPool};
use crate::limits::Limit;
use crate::telemetry::{InstanceEvent, Occasion};
use crate::wasm::abi;
use crate::wasm::worker::WorkerCallResult;
use crate::wasm::worker::exchange::{HeadSender, Served};

/// The label of calls that ended because their caller had left.
const ABANDONED: &str = "abandoned";

impl Revision {
    /// Runs an origin hook, waiting for an instance within the queue limits.
    pub(super) async fn run_hook(&self, pool: &Arc<WorkerPool>, lane: usize, call: HookCall<'_>) -> HookOutcome {
        let (mut instance, acquired) = match self.acquire(pool, lane).await {
            Ok(acquired) => acquired,
            Err(failure) => return HookOutcome::refused(failure),
        };
        let unfinished = UnfinishedCall::of(self, acquired.start);
        let HookCall { moment, event, passed, context, .. } = call;
        let init_log = instance.inner().take_log();
        let called = instance.inner().call(pool.code(), moment, event.into_owned(), context, passed).await;
        unfinished.end();
        let reported = called.result.as_ref().ok().and_then(|answer| abi::reported(answer));
        let served = reported.as_ref().map_or(Served::Whole, |failure| Served::Refused(failure.category()));
        let outcome = self.concluded(pool, instance, acquired, init_log, called, |_| served);
        match reported {
            Some(failure) => Outcome { result: Err(failure), ..outcome },
            None => outcome,
        }
    }

    /// Runs a function, waiting for an instance within the queue limits.
    pub(super) async fn run_invoke(&self, pool: &Arc<WorkerPool>, lane: usize, invocation: Invocation) -> InvokeOutcome {
        let (mut instance, acquired) = match self.acquire(pool, lane).await {
            Ok(acquired) => acquired,
            Err(failure) => return InvokeOutcome::refused(failure),
        };
        let unfinished = UnfinishedCall::of(self, acquired.start);
        let Invocation { event, context, stream, passed } = invocation;
        let init_log = instance.inner().take_log();
        let called = instance.inner().invoke(pool.code(), event, context, stream, passed).await;
        unfinished.end();
        self.concluded(pool, instance, acquired, init_log, called, |answer| match answer {
            Ok(_) => Served::Whole,
            Err(_) => Served::Refused(GUEST_ERROR),
        })
    }

    /// Decides about the instance of a call that has ended, and tells what it cost.
    fn concluded<T>(
        &self,
        pool: &Arc<WorkerPool>,
        mut instance: Instance,
        acquired: Acquired,
        init_log: String,
        called: WorkerCallResult<T>,
        served: impl FnOnce(&T) -> Served,
    ) -> Outcome<T> {
        let log = instance.inner().take_log();
        let elapsed = acquired.start.elapsed();
        // The limit may have been hit by time in the host, which is not in the fuel.
        let overran = matches!(called.result, Err(Failure::Limit { limit: Limit::CpuUs, .. }));
        let usage = Usage {
            fuel: called.fuel,
            utilization: if overran { 100 } else { pool.code().utilization(called.fuel) },
            cold: acquired.source == InstanceSource::Cold,
            memory_bytes: instance.inner().memory_bytes(),
            duration_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            waited_us: u64::try_from(acquired.waited.as_micros()).unwrap_or(u64::MAX),
        };
        self.finish(pool, instance, acquired.start, elapsed, called.fuel, called.result.as_ref().map(served));
        Outcome { result: called.result, usage, log, init_log }
    }

    /// Lets a wasi:http component answer a request. Dropped before the head of the response is here, it takes the task
    /// that runs the component with it.
    pub(super) async fn serve_http(
        self: &Arc<Self>,
        pool: &Arc<WorkerPool>,
        lane: usize,
        request: Request<StreamBody>,
    ) -> Result<Response<StreamBody>, Failure> {
        let (instance, Acquired { start, .. }) = self.acquire(pool, lane).await?;
        let about = About::of(&request);
        let (sender, head) = oneshot::channel();
        let (tell, mut failed) = oneshot::channel();
        // From here on: a task may be aborted before it begins.
        let unfinished = UnfinishedCall::of(self.clone(), start);
        let serve = self.clone().serve(pool.clone(), instance, request, sender, tell, unfinished);
        let mut task = AbortOnDrop(Some(tokio::spawn(serve)));
        let answer = head.await;
        let task = task.0.take();
        match answer {
            Ok(answer) => {
                // It may have failed since; from now on nobody listens.
                failed.close();
                if let Ok(failure) = failed.try_recv() {
                    self.failed_late(&about, &failure);
                }
                answer
            }
            // The head will not come. The task says why, unless it panicked.
            Err(_) => match failed.await {
                Ok(failure) => Err(failure),
                Err(_) => Err(gone(task).await),
            },
        }
    }

    /// The whole of one HTTP request. A failure goes to `failed`, where nobody listens once the response is
    /// on its way; then the log has it.
    async fn serve(
        self: Arc<Self>,
        pool: Arc<WorkerPool>,
        mut instance: Instance,
        request: Request<StreamBody>,
        head: HeadSender,
        failed: oneshot::Sender<Failure>,
        unfinished: UnfinishedCall<Arc<Self>>,
    ) {
        let about = About::of(&request);
        let start = unfinished.start;
        let called = instance.inner().serve(pool.code(), request, head).await;
        unfinished.end();
        let log = instance.inner().take_log();
        let (fuel, elapsed) = (called.fuel, start.elapsed());
        self.finish(&pool, instance, start, elapsed, fuel, called.result.as_ref().copied());
        if !log.is_empty() && self.metrics.may_speak() {
            tracing::info!(function = self.name(), log, "function log");
        }
        if let Err(failure) = called.result
            && let Err(failure) = failed.send(failure)
        {
            self.failed_late(&about, &failure);
        }
    }

    fn failed_late(&self, about: &About, failure: &Failure) {
        let request_id = about.id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        self.metrics.failed_late(Occasion {
            site: "",
            path: about.uri.path(),
            request_id,
            category: failure.category(),
            cause: &format_args!("failed after its response began: {failure}"),
        });
    }

    /// Begins a call: an instance for it, within the queue limits. A call that gets none is over, and in the books.
    async fn acquire(&self, pool: &WorkerPool, lane: usize) -> Result<(Instance, Acquired), Failure> {
        let start = Instant::now();
        let acquired =
            if self.throttle.admits(start) { pool.acquire(lane).await } else { Err(Failure::Throttled(Scope::Utilization)) };
        let waited = start.elapsed();
        match acquired {
            Ok((instance, source)) => Ok((instance, Acquired { source, start, waited })),
            Err(failure) => {
                self.metrics.failed(&failure.label(), waited.as_secs_f64(), 0);
                Err(failure)
            }
        }
    }

    /// Writes a call into the books, and decides about its instance.
    fn finish(
        &self,
        pool: &WorkerPool,
        instance: Instance,
        start: Instant,
        elapsed: Duration,
        fuel: u64,
        served: Result<Served, &Failure>,
    ) {
        match served {
            Ok(Served::Whole) => {
                self.throttle.kept();
                self.metrics.succeeded(elapsed.as_secs_f64(), fuel);
                pool.put_back(instance);
            }
            Ok(Served::Refused(category)) => {
                self.throttle.kept();
                self.metrics.failed(category, elapsed.as_secs_f64(), fuel);
                pool.put_back(instance);
            }
            Ok(Served::Abandoned) => {
                self.metrics.failed(ABANDONED, elapsed.as_secs_f64(), fuel);
                pool.retire(instance, ABANDONED);
            }
            Err(failure) => {
                // A flood of calls into the host is CPU time too.
                if matches!(failure, Failure::Limit { limit: Limit::CpuUs | Limit::HostCalls, .. }) {
                    self.throttle.overran(start);
                }
                self.metrics.failed(&failure.label(), elapsed.as_secs_f64(), fuel);
                pool.reset(instance, failure.category());
            }
        }
    }
}

/// What the log needs of a request that is the guest's already. Counted, not copied.
struct About {
    uri: Uri,
    id: Option<HeaderValue>,
}

impl About {
    fn of(request: &Request<StreamBody>) -> About {
        About { uri: request.uri().clone(), id: request.headers().get("x-amz-cf-id").cloned() }
    }
}

/// How a call came to its instance, and when it began.
struct Acquired {
    source: InstanceSource,
    start: Instant,
    waited: Duration,
}

/// A call that runs. Dropped with it, together with its instance, when the caller leaves.
struct UnfinishedCall<R: Deref<Target = Revision>> {
    revision: R,
    start: Instant,
    ended: bool,
}

impl<R: Deref<Target = Revision>> UnfinishedCall<R> {
    fn of(revision: R, start: Instant) -> UnfinishedCall<R> {
        UnfinishedCall { revision, start, ended: false }
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl<R: Deref<Target = Revision>> Drop for UnfinishedCall<R> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.revision.metrics.failed(ABANDONED, self.start.elapsed().as_secs_f64(), 0);
        self.revision.metrics.instance(InstanceEvent::Retired(ABANDONED));
    }
}

/// Why a task is gone that has said nothing. A panic goes on here, to the boundary of the request.
async fn gone(task: Option<JoinHandle<()>>) -> Failure {
    if let Some(task) = task
        && let Err(error) = task.await
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
    Failure::Host("the task of the call is gone".to_owned())
}

/// The task of a call whose caller still waits for the head of the response.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
