//! One call of an origin hook. A function that does not speak the hook's interface takes a Lambda@Edge event
//! (`lambda_edge`).

use crate::failure::Failure;
use crate::limits::Limit;
use crate::loops::LoopMarks;
use crate::wasm::abi::Moment;
use crate::wasm::worker::invoke::InvokeContext;
use crate::wasm::worker::{WorkerCallResult, WorkerCode, WorkerInstance, failure, host};
use crate::wasm::world::interface;

impl WorkerInstance {
    /// Runs one hook. A function is told of the context, if there is one. After a failure the instance must be dropped.
    pub async fn call(
        &mut self,
        code: &WorkerCode,
        moment: Moment,
        event: Vec<u8>,
        context: Option<Box<InvokeContext>>,
        passed: LoopMarks,
    ) -> WorkerCallResult<Vec<u8>> {
        self.store.data_mut().set_loop_marks(passed);
        let result = self.call_within(code, moment, event, context).await;
        WorkerCallResult { result, fuel: self.fuel_used(code) }
    }

    async fn call_within(
        &mut self,
        code: &WorkerCode,
        moment: Moment,
        event: Vec<u8>,
        context: Option<Box<InvokeContext>>,
    ) -> Result<Vec<u8>, Failure> {
        self.begin(code)?;
        let handle = match (self.handles[moment as usize], self.handler) {
            (Some(handle), _) => handle,
            (None, Some(handler)) if !moment.is_viewer() => return self.call_handler(code, handler, &event, context).await,
            (None, _) => return Err(Failure::NotRunnable(format!("it does not export {}", interface(moment)))),
        };
        let typed = handle.typed::<(Vec<u8>,), (Vec<u8>,)>(&self.store).map_err(host)?;
        let meter = self.store.data().meter.clone();
        let called = WorkerInstance::within(code, &meter, typed.call_async(&mut self.store, (event,))).await?;
        match called {
            Ok((answer,)) if answer.len() as u64 > code.limits.value(Limit::ReplyBytes) => Err(code.over(Limit::ReplyBytes)),
            Ok((answer,)) => Ok(answer),
            Err(error) => Err(failure(&mut self.store, &code.limits, &error)),
        }
    }
}
