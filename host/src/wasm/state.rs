//! What the host keeps beside an instance during a call, and the limiter that watches its growth.

use std::sync::Arc;

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Result, Trap};

use crate::failure::{Failure, Scope};
use crate::limits::{Limit, Limits};

/// The key-value store of a function, by key.
pub trait KeyValueStore: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &str;
    fn get(&self, key: &str) -> Option<&[u8]>;
    fn count(&self) -> usize;
    /// The key before which there are so many.
    fn key_at(&self, position: usize) -> Option<&str>;
    /// So many keys, in their order, behind this one.
    fn keys_after(&self, key: Option<&str>, max: usize) -> Vec<String>;
}

/// Counts what one instance has of memory and tables, all of them together.
#[derive(Debug)]
pub struct Growth {
    /// Of the memory, what is the host's.
    own_bytes: u64,
    memory_bytes: u64,
    memory_bytes_max: u64,
    table_elements: u64,
    table_elements_max: u64,
    /// The first limit that refused, with its value.
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

    /// What the guest has.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.own_bytes)
    }

    /// Whether so many bytes of the host's, beside what the guest has, are over its limit.
    pub fn has_no_room_for(&self, bytes: u64) -> bool {
        self.memory_bytes.saturating_add(bytes) > self.memory_bytes_max
    }

    /// The limit that a growth ran into in this call. Asking forgets it.
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

/// What an error of wasmtime means: a limit if one was hit, else a trap. `exceeded` is a limit that a host
/// call ran into.
pub(super) fn failure(growth: &mut Growth, exceeded: Option<Limit>, limits: &Limits, error: &wasmtime::Error) -> Failure {
    let limit = |limit| Failure::Limit { limit, value: limits.value(limit) };
    if let Some((denied, _)) = growth.take_denied(limits) {
        return limit(denied);
    }
    if let Some(exceeded) = exceeded {
        return limit(exceeded);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        // Which of the pool's numbers it was is for us to know.
        tracing::debug!("the pool of instances is full: {error:#}");
        return Failure::Throttled(Scope::Instances);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return limit(Limit::Handles);
    }
    // Two errors of the engine that have no type.
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

/// The log of one call: lines up to a number of bytes, then one line that says so.
#[derive(Debug, Default)]
pub struct CallLog {
    text: String,
    bytes_max: usize,
    truncated: bool,
}

impl CallLog {
    pub fn new(bytes_max: u64) -> CallLog {
        CallLog { text: String::new(), bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), truncated: false }
    }

    pub fn line(&mut self, line: &str) {
        if self.truncated {
            return;
        }
        let left = self.bytes_max.saturating_sub(self.text.len() + 1);
        let mut kept = line.len().min(left);
        while !line.is_char_boundary(kept) {
            kept -= 1;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&line[..kept]);
        if kept < line.len() {
            self.truncated = true;
            self.text.push_str("\n(log truncated: over log_bytes)");
        }
    }

    /// Whether nothing that comes is kept any more.
    pub fn is_full(&self) -> bool {
        self.truncated
    }

    /// The whole log; the next call starts with an empty one.
    pub fn take(&mut self) -> String {
        self.truncated = false;
        std::mem::take(&mut self.text)
    }
}

/// Beside a viewer instance.
pub struct ViewerState {
    pub growth: Growth,
    pub log: CallLog,
    pub(super) key_values: Option<Arc<dyn KeyValueStore>>,
    pub(super) host_calls_left: u64,
    /// A limit that a host call ran into; the trap that it caused says only that the host refused.
    pub(super) exceeded: Option<Limit>,
    /// Nanoseconds since 1970 at the start of the call: clocks do not move within one.
    pub(super) now_ns: u64,
    /// Each call's own; deterministic from the request.
    pub(super) random: u64,
    pub(super) handles: Handles,
}

/// Counts the handles that the host gave to an instance, and those that it took back. The instance's own table of them
/// cannot be read nor put back, so that one in which anything has moved is not used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handles {
    moved: u64,
}

impl Handles {
    /// A handle was given out, or dropped.
    pub(super) fn moved(&mut self) {
        self.moved += 1;
    }

    pub fn untouched(self) -> bool {
        self.moved == 0
    }
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
            handles: Handles::default(),
        }
    }

    /// Before each call: nothing here is left of the one before but the handles, which are counted for the instance.
    pub(super) fn begin(&mut self, limits: &Limits, now_ns: u64, seed: u64) {
        let ViewerState { growth, log, key_values: _, host_calls_left, exceeded, now_ns: now, random, handles: _ } = self;
        growth.denied = None;
        log.take();
        *host_calls_left = limits.value(Limit::HostCalls);
        *exceeded = None;
        *now = now_ns;
        *random = seed;
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
