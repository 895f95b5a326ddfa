//! The host's state of an instance during a call, and the limiter of its growth.

mod log;

use std::sync::Arc;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Result, Trap};

use crate::failure::{Failure, Scope};
use crate::limits::{Limit, Limits};

pub use log::{CallLog, StdStream};

/// The key-value store of a function, by key.
pub trait KeyValueStore: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    fn get(&self, key: &str) -> Option<&[u8]>;
    fn count(&self) -> usize;
    /// The key at this position in their order.
    fn key_at(&self, position: usize) -> Option<&str>;
    /// At most `max` keys, in their order, after this one.
    fn keys_after(&self, key: Option<&str>, max: usize) -> Vec<String>;
}

/// Counts and limits the memory and the table elements of one instance, all of them together.
#[derive(Debug)]
pub struct Growth {
    /// The part of the memory that belongs to the host.
    own_bytes: u64,
    memory_bytes: u64,
    memory_bytes_max: u64,
    table_elements: u64,
    table_elements_max: u64,
    /// The first limit that was hit, with its value.
    denied: Option<(Limit, u64)>,
}

impl Growth {
    /// `own_bytes` are the host's, and come on top of the guest's limit.
    pub fn new(limits: &Limits, own_bytes: u64) -> Growth {
        Growth {
            own_bytes,
            memory_bytes: 0,
            memory_bytes_max: limits.value(Limit::MemoryBytes) + own_bytes,
            table_elements: 0,
            table_elements_max: limits.value(Limit::TableElements),
            denied: None,
        }
    }

    /// The memory of the guest.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.own_bytes)
    }

    /// Whether so many bytes of the host's, added to the guest's memory, exceed its limit.
    pub fn has_no_room_for(&self, bytes: u64) -> bool {
        self.memory_bytes.saturating_add(bytes) > self.memory_bytes_max
    }

    /// Takes the limit that a growth hit in this call.
    pub fn take_denied(&mut self, limits: &Limits) -> Option<(Limit, u64)> {
        self.denied.take().map(|(limit, _)| (limit, limits.value(limit)))
    }

    fn deny(&mut self, limit: Limit) -> Result<bool> {
        self.denied.get_or_insert((limit, 0));
        Ok(false)
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.memory_bytes + (desired.saturating_sub(current)) as u64;
        if total > self.memory_bytes_max {
            return self.deny(Limit::MemoryBytes);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.table_elements + (desired.saturating_sub(current)) as u64;
        if total > self.table_elements_max {
            return self.deny(Limit::TableElements);
        }
        self.table_elements = total;
        Ok(true)
    }
}

/// Translates an error of wasmtime: a limit if one was hit, else a trap. `exceeded` is a limit that a host
/// call has hit.
pub(super) fn failure(growth: &mut Growth, exceeded: Option<Limit>, limits: &Limits, error: &wasmtime::Error) -> Failure {
    let limit = |limit| Failure::Limit { limit, value: limits.value(limit) };
    if let Some((denied, _)) = growth.take_denied(limits) {
        return limit(denied);
    }
    if let Some(exceeded) = exceeded {
        return limit(exceeded);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        // Which number of the pool was exhausted is for our log only.
        tracing::debug!("the pool of instances is full: {error:#}");
        return Failure::Throttled(Scope::Instances);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return limit(Limit::Handles);
    }
    // The engine has no types for these two errors.
    let cause = error.root_cause().to_string();
    if cause.contains("handle limit exceeded") {
        return limit(Limit::Handles);
    }
    if cause.contains("fuel allocated for hostcalls") {
        return limit(Limit::ReplyBytes);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => limit(Limit::CpuUs),
        Some(Trap::StackOverflow) => limit(Limit::StackBytes),
        _ => Failure::Trap(text(error)),
    }
}

/// The causes of an error, without the core dump that the viewer engine puts before them.
fn text(error: &wasmtime::Error) -> String {
    let dump = usize::from(error.is::<wasmtime::WasmCoreDump>());
    error.chain().skip(dump).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Counts the handles to host resources (streams, pollables) that a guest holds. For each handle the host keeps only
/// the number that it assigned (`rep`): its kind, and how many handles there were before it.
///
/// A handle's index is the guest's to see, and the engine has no way to read or put back its table. The next handle that
/// is made has the index of the one that was dropped last. So the guest sees those of a new instance if all handles were
/// dropped, each before those that were made earlier: `is_initial`.
#[derive(Debug)]
pub struct Handles {
    live: u32,
    max: u32,
    /// One was dropped before another that was made later.
    disordered: bool,
}

impl Handles {
    const KIND_BITS: u32 = 8;

    fn new(limits: &Limits) -> Handles {
        Handles { live: 0, max: u32::try_from(limits.value(Limit::Handles)).unwrap_or(u32::MAX), disordered: false }
    }

    /// The number of a new handle. `None` over the limit.
    fn made(&mut self, kind: u8) -> Option<u32> {
        let rep = (self.live << Self::KIND_BITS) | u32::from(kind);
        (self.live < self.max.min(u32::MAX >> Self::KIND_BITS)).then(|| {
            self.live += 1;
            rep
        })
    }

    /// Whether the next handles have the indices that they have in a new instance.
    pub fn is_initial(&self) -> bool {
        self.live == 0 && !self.disordered
    }

    pub(super) fn kind(rep: u32) -> u8 {
        rep.to_le_bytes()[0]
    }

    pub(super) fn dropped(&mut self, rep: u32) {
        self.live = self.live.saturating_sub(1);
        self.disordered |= rep >> Self::KIND_BITS != self.live;
    }
}

/// The host's state of a viewer instance.
pub struct ViewerState {
    pub growth: Growth,
    pub log: CallLog,
    pub(super) key_values: Option<Arc<dyn KeyValueStore>>,
    pub(super) host_calls_left: u64,
    /// A limit that a host call has hit; the trap that it caused says only that the host refused.
    pub(super) exceeded: Option<Limit>,
    /// Nanoseconds since 1970 at the start of the call: clocks do not move within one.
    pub(super) now_ns: u64,
    /// The state of the random numbers: each call has its own, derived from the request.
    pub(super) random: u64,
    /// Where they began.
    pub(super) seed: u64,
    pub(super) handles: Handles,
}

impl ViewerState {
    pub(super) fn new(limits: &Limits, own_bytes: u64, key_values: Option<Arc<dyn KeyValueStore>>) -> ViewerState {
        ViewerState {
            growth: Growth::new(limits, own_bytes),
            log: CallLog::new(limits.value(Limit::LogBytes)),
            key_values,
            host_calls_left: 0,
            exceeded: None,
            now_ns: 0,
            random: 0,
            seed: 0,
            handles: Handles::new(limits),
        }
    }

    /// Resets everything before each call, except the handles, which are counted for the instance.
    pub(super) fn begin(&mut self, limits: &Limits, now_ns: u64, seed: u64) {
        let ViewerState { growth, log, key_values: _, host_calls_left, exceeded, now_ns: now, random, seed: first, handles: _ } =
            self;
        growth.denied = None;
        log.clear();
        *host_calls_left = limits.value(Limit::HostCalls);
        *exceeded = None;
        *now = now_ns;
        *random = seed;
        *first = seed;
    }

    /// Counts a handle that is given to the guest. Returns its number.
    pub(super) fn handle(&mut self, kind: u8) -> Result<u32> {
        self.handles.made(kind).ok_or_else(|| {
            self.exceeded = Some(Limit::Handles);
            wasmtime::Error::msg("too many handles to resources of the host")
        })
    }

    /// Counts one call of the guest into the host.
    pub(super) fn enter(&mut self) -> Result<()> {
        match self.host_calls_left.checked_sub(1) {
            Some(left) => {
                self.host_calls_left = left;
                Ok(())
            }
            None => {
                self.exceeded = Some(Limit::HostCalls);
                Err(wasmtime::Error::msg("too many calls into the host"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;

    fn state() -> ViewerState {
        ViewerState::new(&Limits::defaults(Profile::Viewer), 0, None)
    }

    #[test]
    fn handles_dropped_in_the_reverse_of_their_order_leave_no_trace_and_others_do() {
        for (drops, clean) in [(&[2, 1, 0][..], true), (&[0, 1, 2], false), (&[2, 0, 1], false), (&[2, 1], false)] {
            let mut state = state();
            let reps: Vec<u32> = (0..3).map(|kind| state.handle(kind).unwrap()).collect();
            assert_eq!(reps.iter().map(|rep| Handles::kind(*rep)).collect::<Vec<_>>(), [0, 1, 2]);
            for index in drops {
                state.handles.dropped(reps[*index]);
            }
            assert_eq!(state.handles.is_initial(), clean, "{drops:?}");
        }
    }

    #[test]
    fn what_was_disordered_once_stays_so() {
        let mut state = state();
        let (first, second) = (state.handle(0).unwrap(), state.handle(0).unwrap());
        state.handles.dropped(first);
        state.handles.dropped(second);
        let again = state.handle(0).unwrap();
        state.handles.dropped(again);
        assert_eq!((state.handles.live, state.handles.is_initial()), (0, false));
    }

    #[test]
    fn as_many_handles_as_the_limit_says_can_be_alive() {
        let mut state = state();
        let max = Limits::defaults(Profile::Viewer).value(Limit::Handles);
        for _ in 0..max {
            state.handle(7).unwrap();
        }
        assert_eq!(u64::from(state.handles.live), max);
        assert!(state.exceeded.is_none());
        assert!(state.handle(7).is_err());
        assert_eq!(state.exceeded, Some(Limit::Handles));
    }
}
