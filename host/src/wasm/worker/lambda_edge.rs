//! One call of an origin hook on a function that knows Lambda@Edge's events, and not the hook's interface.
//!
//!     event of the hook ──► Lambda@Edge event ──► handle ──► reply ──► answer of the hook
//!
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html>. Both conversions are pure.
//! A reply gives a whole request or response; the answer has what is different from the event. So headers that are hidden
//! stay, and what the function has left alone keeps its bytes. The rules of a moment are `edge::hook`'s, as for any answer; here
//! are those that an answer cannot break.
//!
//! An error of the function's own, and a reply that is not valid, are reports (ops 32 and 33).

mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::wasm) mod fuzz;
mod reply;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use wasmtime::component::Func;

use crate::failure::Failure;
use crate::wasm::abi::Op;
use crate::wasm::abi::guest_side::{AnswerWriter, OriginEvent};
use crate::wasm::worker::invoke::{HandlerError, InvokeContext};
use crate::wasm::worker::{WorkerCode, WorkerInstance};

impl WorkerInstance {
    /// Takes the event of an origin hook and returns its answer.
    pub(super) async fn call_handler(
        &mut self,
        code: &WorkerCode,
        handler: Func,
        event: &[u8],
        context: Option<Box<InvokeContext>>,
    ) -> Result<Vec<u8>, Failure> {
        let event = OriginEvent::read(event).ok_or_else(|| Failure::Host("the event of a hook cannot be read".to_owned()))?;
        let context = context.map_or_else(
            || {
                let (name, id) = (&code.surroundings.name, event.request_id.to_owned());
                InvokeContext::local(name, id, &code.limits, SystemTime::now())
            },
            |context| *context,
        );
        let meter = self.store.data().meter.clone();
        let handled = self.handle(code, handler, event::of(&event).into(), &context);
        Ok(match WorkerInstance::within(code, &meter, handled).await?? {
            Ok(reply) => reply::answer(&event, &reply).unwrap_or_else(|why| AnswerWriter::only(&Op::Invalid(&why))),
            Err(HandlerError { error_type, message, stack_trace }) => {
                self.log_stack(code, &stack_trace);
                AnswerWriter::only(&Op::Failed(&format!("{error_type}: {message}")))
            }
        })
    }
}
