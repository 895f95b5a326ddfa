//! The hook between a guest's code and the host: it charges the time outside, and yields when the slice is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use wasmtime::{CallHook, CallHookHandler, Error, Result, StoreContextMut, Trap};

use crate::limits::worker;
use crate::wasm::fuel::FuelScale;
use crate::wasm::worker::meter::Meter;
use crate::wasm::worker::state::WorkerState;

/// The hook at every transition between a guest's code and the host.
pub(super) struct Toll {
    pub(super) meter: Arc<Meter>,
    pub(super) fuel: FuelScale,
}

impl Toll {
    /// Charges the time outside to the guest's fuel.
    fn charge(&self, store: &mut StoreContextMut<'_, WorkerState>, outside_ns: u64) -> Result<()> {
        // Bounded, since the thread may have been descheduled meanwhile.
        let price = self.fuel.fuel(outside_ns.min(worker::CHARGE_US_MAX * 1_000)) / 1_000;
        let left = store.get_fuel()?;
        if price >= left {
            store.set_fuel(0)?;
            return Err(Trap::OutOfFuel.into());
        }
        store.set_fuel(left - price)?;
        store.fuel_async_yield_interval(Some(self.fuel.fuel(self.meter.look_us())))
    }
}

/// Without `async_trait`: a transition that need not wait allocates nothing.
impl CallHookHandler<WorkerState> for Toll {
    fn handle_call_event<'a, 'b, 'c>(
        &'a self,
        mut store: StoreContextMut<'b, WorkerState>,
        crossing: CallHook,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        if crossing.entering_host() {
            self.meter.leave();
            return Box::pin(Done);
        }
        if let Some(limit) = store.data_mut().overrun() {
            store.data_mut().exceeded = Some(limit);
            return Box::pin(std::future::ready(Err(Error::msg("over a limit in the host"))));
        }
        let (outside_ns, over) = self.meter.come_back();
        match self.charge(&mut store, outside_ns) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(()) if over => Box::pin(GiveWay { gave: false }),
            Ok(()) => Box::pin(Done),
        }
    }
}

struct Done;

impl Future for Done {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Yields the thread once.
struct GiveWay {
    gave: bool,
}

impl Future for GiveWay {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if std::mem::replace(&mut self.gave, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
