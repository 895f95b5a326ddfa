//! One HTTP request through a component: the head of the response is sent first, then the guest goes on streaming.
//!
//!     serve ──► guest runs ──► head ──► caller, with the body
//!                  │                        ├─ read to its end ──► the guest may finish, until the deadline
//!                  │                        ├─ abandoned ────────► it has `LINGER` to finish
//!                  │                        └─ over its limit ───► it ends
//!                  ├─ refuses ─► the caller gets the error that the guest chose; the guest may finish, until the deadline
//!                  └─ fails ──► the caller gets the failure, or an error where the body stops
//!
//! A body ends with an error if its guest failed: a client can tell a complete response from a truncated one.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::{oneshot, watch};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::failure::Failure;
use crate::limits::worker::LINGER_MS;
use crate::limits::{Limit, Limits};
use crate::loops::LoopMarks;
use crate::wasm::worker::{Http, StreamBody, WorkerCallResult, WorkerCode, WorkerInstance};

/// How long a guest may go on for a client that has left.
const LINGER: Duration = Duration::from_millis(LINGER_MS);

/// Takes the head of a response, once.
pub type HeadSender = oneshot::Sender<Result<Response<StreamBody>, Failure>>;

/// How a call that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    Whole,
    /// The function gave an error of its own, of this category. Its instance is as good as any.
    Refused(&'static str),
    /// The client left before the end of the response.
    Abandoned,
}

/// The state of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyState {
    /// The client has the head, or waits for it.
    Open,
    Read,
    GivenUp,
    TooLong,
}

/// Hands the response of a request's guest over to the caller.
pub(super) struct Exchange {
    head: Option<HeadSender>,
    /// Why the guest failed, for the body; set before the guest's end of the body is dropped.
    torn: Arc<OnceLock<&'static str>>,
    /// Wakes the body when the call has ended: a body that does not come from the guest would not notice.
    over: Option<oneshot::Receiver<()>>,
    body: watch::Sender<BodyState>,
    /// The category of the error that the guest chose.
    refused: Option<&'static str>,
    limits: Limits,
}

impl WorkerInstance {
    /// Answers one request: the response's head goes to `head`, and the guest runs on until it has nothing
    /// left to do. A failure after the head becomes an error of the body. After a failure, or when the client
    /// left, the instance must be dropped.
    pub async fn serve(&mut self, code: &WorkerCode, request: Request<StreamBody>, head: HeadSender) -> WorkerCallResult<Served> {
        let (running, over) = oneshot::channel();
        let mut exchange = Exchange {
            head: Some(head),
            torn: Arc::default(),
            over: Some(over),
            body: watch::Sender::new(BodyState::Open),
            refused: None,
            limits: code.limits.clone(),
        };
        self.store.data_mut().set_loop_marks(LoopMarks::of(request.headers()));
        let torn = exchange.torn.clone();
        let result = self.serve_within(code, request, &mut exchange).await;
        let fuel = self.fuel_used(code);
        if let Err(failure) = &result {
            let _ = torn.set(failure.category());
        }
        drop(running);
        // Its sender goes with it: a caller that still waits is told by `WorkerCallResult`.
        drop(exchange.head.take());
        WorkerCallResult { result, fuel }
    }

    async fn serve_within(
        &mut self,
        code: &WorkerCode,
        request: Request<StreamBody>,
        exchange: &mut Exchange,
    ) -> Result<Served, Failure> {
        self.begin(code)?;
        let Some(http) = self.http.clone() else {
            return Err(Failure::NotRunnable(
                "it exports neither a wasi:http handler, nor edgeward:function/handler, nor wasi:cli/run".to_owned(),
            ));
        };
        let body = exchange.body.subscribe();
        let meter = self.store.data().meter.clone();
        let request = request.map(|body| body.map_err(|_| Error::ConnectionTerminated).boxed_unsync());
        let guest = async {
            match &*http {
                Http::P2(proxy) => self.serve_p2(code, proxy, request, exchange).await,
                Http::P3(service) => self.serve_p3(code, service, request, exchange).await,
                Http::Event => self.serve_event(code, request, exchange).await,
                Http::Cgi(program) => self.serve_cgi(code, program, request, exchange).await,
            }
        };
        let guest = WorkerInstance::within(code, &meter, guest);
        let served = tokio::select! {
            // Before the guest, which may succeed although the client got an error.
            biased;
            ended = abandoned(body) => match ended {
                BodyState::TooLong => Err(code.over(Limit::StreamBytes)),
                _ => Ok(Served::Abandoned),
            },
            result = guest => result?.map(|()| Served::Whole),
        };
        match (served, self.store.data_mut().exceeded.take(), exchange.refused) {
            // A guest may have ignored the error; the instance must not be kept.
            (Ok(Served::Whole), Some(limit), _) => Err(code.over(limit)),
            (Ok(Served::Whole), None, Some(category)) => Ok(Served::Refused(category)),
            (served, _, _) => served,
        }
    }
}

/// Resolves when the guest should end: never for a response that is read to its end.
async fn abandoned(mut body: watch::Receiver<BodyState>) -> BodyState {
    let state = body.wait_for(|state| *state != BodyState::Open).await.map_or(BodyState::GivenUp, |state| *state);
    match state {
        BodyState::GivenUp => tokio::time::sleep(LINGER).await,
        BodyState::Open | BodyState::Read => std::future::pending().await,
        BodyState::TooLong => {}
    }
    state
}

impl Exchange {
    /// Gives the head to the caller. Fails if its headers exceed the limits.
    pub(super) fn respond(&mut self, response: Response<WasiBody>) -> Result<(), Failure> {
        check_head(response.headers(), &self.limits)?;
        let announced = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let (over, left) = (self.over.take(), self.limits.value(Limit::StreamBytes));
        let (torn, state) = (self.torn.clone(), Some(self.body.clone()));
        let response = response.map(|inner| ReplyBody { inner, left, announced, torn, over, state }.boxed_unsync());
        if let Some(head) = self.head.take() {
            // A caller that has left drops the body, which `ReplyBody` notices.
            let _ = head.send(Ok(response));
        }
        Ok(())
    }

    /// Gives the caller an error that the guest chose itself, in place of a response.
    pub(super) fn refuse(&mut self, error: Failure) {
        self.refused = Some(error.category());
        // There is no body that anybody could give up: the guest may finish.
        self.body.send_replace(BodyState::Read);
        if let Some(head) = self.head.take() {
            // A caller that has left needs no error.
            let _ = head.send(Err(error));
        }
    }

    /// Or has refused to.
    pub(super) fn has_responded(&self) -> bool {
        self.head.is_none()
    }

    /// Watches the state of the body.
    pub(super) fn body(&self) -> watch::Receiver<BodyState> {
        self.body.subscribe()
    }
}

fn check_head(headers: &HeaderMap, limits: &Limits) -> Result<(), Failure> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    for (limit, used) in [(Limit::HeaderCount, headers.len()), (Limit::HeaderBytes, bytes)] {
        let value = limits.value(limit);
        if used as u64 > value {
            return Err(Failure::Limit { limit, value });
        }
    }
    Ok(())
}

/// A response's body on its way to the client.
struct ReplyBody {
    inner: WasiBody,
    /// How many bytes are left of the limit.
    left: u64,
    /// How many bytes are left of the announced length.
    announced: Option<u64>,
    torn: Arc<OnceLock<&'static str>>,
    over: Option<oneshot::Receiver<()>>,
    /// `None` once its end has been reported.
    state: Option<watch::Sender<BodyState>>,
}

impl ReplyBody {
    fn end(&mut self, state: BodyState) {
        if let Some(tell) = self.state.take() {
            tell.send_replace(state);
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        if self.over.as_mut().is_some_and(|over| Pin::new(over).poll(cx).is_ready()) {
            self.over = None;
        }
        if let Some(why) = self.torn.get() {
            return Poll::Ready(Some(Err(anyhow::anyhow!("the component failed ({why})"))));
        }
        let frame = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            None => {
                self.end(BodyState::Read);
                None
            }
            Some(Err(error)) => Some(Err(anyhow::Error::from(error))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.announced = self.announced.map(|left| left.saturating_sub(bytes));
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        self.end(BodyState::TooLong);
                        Some(Err(anyhow::anyhow!("the response is over stream_bytes")))
                    }
                }
            }
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.torn.get().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        // A server need not poll for the end of a body whose length it knows.
        let read = self.announced == Some(0) || self.inner.is_end_stream();
        self.end(if read { BodyState::Read } else { BodyState::GivenUp });
    }
}
