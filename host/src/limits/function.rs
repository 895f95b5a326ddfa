//! What bounds functions: the limits of a revision, how long its instances serve, and what pools keep of them.

use std::time::Duration;

use crate::limits::limit::Limit;
use crate::limits::profile::Profile;

impl Limit {
    pub fn default(self, profile: Profile) -> u64 {
        profile.bound(self).default
    }

    /// The largest value a configuration may ask for.
    pub fn maximum(self, profile: Profile) -> u64 {
        profile.bound(self).maximum
    }
}

/// The limits of one revision: a value for each [`Limit`], none over its maximum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    profile: Profile,
    values: [u64; Limit::ALL.len()],
}

impl Limits {
    pub fn defaults(profile: Profile) -> Limits {
        Limits { profile, values: Limit::ALL.map(|limit| limit.default(profile)) }
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    pub fn value(&self, limit: Limit) -> u64 {
        self.values[limit as usize]
    }

    /// This set with one limit changed; the value must not be over the maximum.
    pub fn with(mut self, limit: Limit, value: u64) -> Result<Limits, OverMaximum> {
        let maximum = limit.maximum(self.profile);
        if value > maximum {
            return Err(OverMaximum { limit, value, maximum });
        }
        self.values[limit as usize] = value;
        Ok(self)
    }
}

/// How long an instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstancePolicy {
    /// Every call sees an instance in its initial state.
    Fresh,
    /// An instance serves calls one after the other until a quota.
    Reuse { max_calls: u64, max_idle: Duration },
}

/// A limit was set above what may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{}` may be at most {maximum} {}, not {value}", .limit.name(), .limit.unit())]
pub struct OverMaximum {
    pub limit: Limit,
    pub value: u64,
    pub maximum: u64,
}

/// What Lambda lets an event and a reply be, in bytes.
pub mod invoke {
    /// 6 MB.
    pub const EVENT_BYTES: usize = 6 << 20;
    /// As recorded from AWS.
    pub const REPLY_BYTES: u64 = 6_291_556;
    /// Of a reply that is streamed (Lambda's quota).
    pub const STREAM_BYTES: u64 = 200 << 20;
    /// So many parts of at most so many bytes are under way; then the function waits for its caller.
    pub const STREAM_PARTS: usize = 16;
    pub const STREAM_PART_BYTES: usize = 64 << 10;
    /// Of the head of a response whose body is streamed.
    pub const STREAM_HEAD_BYTES: usize = 64 << 10;
}

/// How often a viewer instance that was put back is compared with a new one (`function::pool`).
pub mod audit {
    /// The first restores of a revision, on each worker: none of them serves a second call before a comparison.
    pub const FIRST: u64 = 16;
    /// After that, one in so many.
    pub const EVERY: u64 = 1_000;
}

/// What a pool keeps ready for each lane, if `min_warm` does not say more.
pub mod shelf {
    /// One to use, one while that is replaced.
    pub const VIEWER: usize = 2;
    /// Once the lane has seen a call.
    pub const WORKER: usize = 1;
    /// Environments of a function that were reset and have files in `/tmp`, until instances take their place: each may have as
    /// many bytes as `/tmp` may.
    pub const LEFT: usize = 16;
}

/// When a function that uses its CPU limit up is refused (`function::concurrency::throttle`).
pub mod utilization {
    /// Calls that ran into the limit, with none between that did not.
    pub const STRIKES: u32 = 16;
    /// Time on the wall for each unit of the CPU limit: ordinary code takes two, and a busy machine takes its thread away.
    pub const TIME_PER_CPU: u32 = 4;
    /// The first rest; each relapse doubles it, so often at most.
    pub const REST_MS: u64 = 500;
    pub const REST_DOUBLINGS: u32 = 6;
}

/// Between two readings of the wall clock by one thread, for the time that a call is told.
pub const CLOCK_ANCHOR_MS: u64 = 1_000;
