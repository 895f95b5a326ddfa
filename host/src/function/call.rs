//! What is asked of a revision, and what comes of it.

use std::borrow::Cow;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};

use crate::failure::Failure;
use crate::loops::LoopMarks;
use crate::wasm::abi::Moment;

pub use crate::wasm::worker::StreamBody;
pub use crate::wasm::worker::invoke::{HandlerError, HandlerResult, InvokeContext};
pub use crate::wasm::worker::reply_stream::{ReplyPart, ReplyReceiver, ReplySender, reply_stream};
pub use crate::wasm::worker::streamed_reply::{ReplyStart, StreamedReply};

/// One call of a revision.
pub enum Call<'a> {
    Hook(HookCall<'a>),
    /// A request to a component that answers HTTP; bodies stream both ways.
    Http(Request<StreamBody>),
    /// An event to a function.
    Invoke(Invocation),
}

/// One event for a function.
pub struct Invocation {
    /// By convention JSON; not read here.
    pub event: Bytes,
    pub context: InvokeContext,
    /// Where the reply goes that the function writes piece by piece; without it, it is gathered.
    pub stream: Option<ReplySender>,
    /// Where the request has been that the event is of; the function may ask others.
    pub passed: LoopMarks,
}

/// One hook of one request.
pub struct HookCall<'a> {
    pub moment: Moment,
    /// Packed (`wasm::abi::EventWriter`). A worker keeps it: only viewer hooks should be lent one.
    pub event: Cow<'a, [u8]>,
    /// Where the request has been that the hook is called for; an origin hook may ask others.
    pub passed: LoopMarks,
    /// What a function learns of the call. Without it, it is told that it is in no account.
    pub context: Option<Box<InvokeContext>>,
    pub memory: MemoryUse,
}

impl<'a> HookCall<'a> {
    /// Of a viewer hook.
    pub fn lent(moment: Moment, event: &'a [u8]) -> HookCall<'a> {
        let (passed, memory) = (LoopMarks::default(), MemoryUse::Unmeasured);
        HookCall { moment, event: Cow::Borrowed(event), passed, context: None, memory }
    }

    /// Of an origin hook.
    pub fn owned(moment: Moment, event: Vec<u8>, passed: LoopMarks) -> HookCall<'static> {
        HookCall { moment, event: Cow::Owned(event), passed, context: None, memory: MemoryUse::Unmeasured }
    }
}

/// Whether a viewer hook's call tells the size of the guest's memory, which costs it another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryUse {
    Unmeasured,
    /// For whoever shows it.
    Measured,
}

/// A call that was taken on.
#[must_use = "a call that nobody waits for is given up"]
pub enum Calling<'a> {
    /// A viewer hook, which runs inline.
    Over(Reply),
    /// Dropped before it has ended, it takes the call and its instance with it.
    Running(CallFuture<'a>),
}

/// On the heap: the future of a request would be larger by kilobytes, and is moved.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

impl<'a> IntoFuture for Calling<'a> {
    type Output = Reply;
    type IntoFuture = CallFuture<'a>;

    fn into_future(self) -> CallFuture<'a> {
        match self {
            Calling::Over(reply) => Box::pin(std::future::ready(reply)),
            Calling::Running(running) => running,
        }
    }
}

impl Calling<'_> {
    /// The outcome of a viewer hook, for a caller that cannot wait.
    pub fn inline(self) -> HookOutcome {
        match self {
            Calling::Over(reply) => reply.into_hook(),
            Calling::Running(_) => HookOutcome::refused(Failure::NotRunnable("it is a worker function".to_owned())),
        }
    }
}

/// What came of a call.
pub enum Reply {
    Hook(HookOutcome),
    /// The component may go on after the head of its response is here: a task of its own runs it, within its deadline.
    Http(Result<Response<StreamBody>, Failure>),
    /// On the heap, since no request waits for it.
    Invoke(Box<InvokeOutcome>),
}

impl Reply {
    pub fn into_hook(self) -> HookOutcome {
        match self {
            Reply::Hook(outcome) => outcome,
            Reply::Http(_) | Reply::Invoke(_) => {
                HookOutcome::refused(Failure::Host("a hook was called, and something else answered".to_owned()))
            }
        }
    }

    pub fn into_http(self) -> Result<Response<StreamBody>, Failure> {
        match self {
            Reply::Http(response) => response,
            Reply::Hook(_) | Reply::Invoke(_) => Err(Failure::Host("a request was sent, and something else called".to_owned())),
        }
    }

    pub fn into_invoke(self) -> InvokeOutcome {
        match self {
            Reply::Invoke(outcome) => *outcome,
            Reply::Hook(_) | Reply::Http(_) => {
                InvokeOutcome::refused(Failure::Host("a function was invoked, and something else called".to_owned()))
            }
        }
    }
}

/// What came of a hook: the packed answer (`wasm::abi::Ops`).
pub type HookOutcome = Outcome<Vec<u8>>;

/// What came of an invocation: a reply, or the function's own error.
pub type InvokeOutcome = Outcome<HandlerResult>;

/// What came of a call, and what it cost.
#[derive(Debug)]
pub struct Outcome<T> {
    pub result: Result<T, Failure>,
    pub usage: Usage,
    /// What the function logged, lines joined by `\n`; empty without a log.
    pub log: String,
    /// The same of an INIT that its instance has run since the call before.
    pub init_log: String,
}

impl<T> Outcome<T> {
    /// A call that did not run.
    pub fn refused(failure: Failure) -> Outcome<T> {
        Outcome { result: Err(failure), usage: Usage::default(), log: String::new(), init_log: String::new() }
    }
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub fuel: u64,
    /// Percent of the CPU limit, 0–100 (CloudFront's compute utilization).
    pub utilization: u8,
    /// The call had to wait for an instance to be made.
    pub cold: bool,
    /// Linear memory at the end, summed, as the guest sees it; after a failure what was mapped. Of a viewer hook only
    /// `MemoryUse::Measured` tells it, else it is 0.
    pub memory_bytes: u64,
    pub duration_us: u64,
    /// The part of it in which the call waited for its instance, or for one to be made.
    pub waited_us: u64,
}
