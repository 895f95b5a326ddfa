//! Where functions are called that have a name only while the call lasts: those that are made through an API.
//!
//!     a site ── name, request or hook ──► FunctionsByName ── once it is open ──► NamedFunctions (the AWS APIs)
//!
//! A name leads to a function, a version and a right to run at each call anew: a function may be made, changed or deleted at
//! any time. Who asks and who answers do not know each other; they meet here.

use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};

use crate::failure::Failure;
use crate::function::call::{HookCall, HookOutcome, StreamBody};
use crate::function::lane::WorkerLane;
use crate::function_name::QualifiedName;
use crate::limits::Limits;
use crate::telemetry::TraceContext;

/// What a function answers to a request, or why it has not.
pub type NamedResponse = Pin<Box<dyn Future<Output = Result<Response<NamedBody>, Failure>>>>;

/// The body of an answer.
pub enum NamedBody {
    Whole(Bytes),
    /// It is sent while the function writes it. An error says that something is missing.
    Stream(StreamBody),
}

/// Who has functions by their names.
pub trait NamedFunctions: Send + Sync {
    /// Whether a call of this name would find a function now.
    fn has(&self, name: &QualifiedName) -> bool;

    /// Lets a function answer a request, as an event of payload format 2.0, whose caller has proved nothing. Must be called on
    /// a `LocalSet`. A call goes on when nobody waits for it any more, as on Lambda.
    fn respond(self: Arc<Self>, lane: &Rc<WorkerLane>, name: &QualifiedName, request: Request<Bytes>) -> NamedResponse;

    /// Finds the version that a hook's call is for. It takes no place until it is called.
    ///
    /// # Errors
    /// There is none.
    fn hook(self: Arc<Self>, name: &QualifiedName) -> Result<Box<dyn NamedHook>, Failure>;
}

/// A version that is to be called as a hook.
pub trait NamedHook {
    fn limits(&self) -> Limits;

    /// Calls it, if there is room; `caller` is the span that the call is a part of. Must be called on a `LocalSet`. A call goes
    /// on when nobody waits for it any more, as on Lambda: it is logged and counted as all calls of its function.
    fn call(&self, lane: &Rc<WorkerLane>, call: HookCall<'static>, caller: Option<TraceContext>) -> NamedOutcome;
}

/// What comes of a hook's call.
pub type NamedOutcome = Pin<Box<dyn Future<Output = HookOutcome>>>;

/// See the module. Empty until whoever has the functions is open.
#[derive(Default)]
pub struct FunctionsByName(OnceLock<Arc<dyn NamedFunctions>>);

impl FunctionsByName {
    /// From now on calls go there. There is one of these in a process: a second one is not heard.
    pub fn open(&self, functions: Arc<dyn NamedFunctions>) {
        let _ = self.0.set(functions);
    }

    /// `None` while nobody knows.
    pub fn has(&self, name: &QualifiedName) -> Option<bool> {
        Some(self.0.get()?.has(name))
    }

    /// As `NamedFunctions::hook`.
    pub fn hook(&self, name: &QualifiedName) -> Result<Box<dyn NamedHook>, Failure> {
        self.0.get().ok_or_else(not_open)?.clone().hook(name)
    }

    /// As `NamedFunctions::respond`.
    pub fn respond(&self, lane: &Rc<WorkerLane>, name: &QualifiedName, request: Request<Bytes>) -> NamedResponse {
        match self.0.get() {
            Some(functions) => functions.clone().respond(lane, name, request),
            None => Box::pin(ready(Err(not_open()))),
        }
    }
}

fn not_open() -> Failure {
    let why = "the AWS APIs are not open: another process still has their data, or `api` was set after the start";
    Failure::NotRunnable(why.to_owned())
}
