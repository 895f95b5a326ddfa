//! The kinds of code. Each is a row: what its limits are, and what its engine has room for.
//!
//! Fuel, support for concurrency and the geometry of the pool are per engine, so that a kind of code is an engine. A new
//! kind is a variant and a row.

use serde::{Deserialize, Serialize};

use crate::limits::limit::Limit;
use crate::limits::wasm::compile;

/// More than anything can count to, and the largest number that a configuration can say.
pub const UNBOUNDED: u64 = i64::MAX as u64;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The two kinds of code: pure hooks at the viewer's side, and everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// Viewer hooks: 2 MB, sub-millisecond, no network; run inline on the connection's task.
    Viewer,
    /// Origin hooks and HTTP components: large, asynchronous, with network as granted.
    Worker,
}

/// A limit's default, and the largest value that a configuration may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub default: u64,
    pub maximum: u64,
}

/// What all code of a profile has in common.
pub(super) struct Row {
    name: &'static str,
    engine: EngineShape,
    limits: LimitRow,
}

/// What one engine has room for, and how it runs code.
#[derive(Debug, Clone, Copy)]
pub struct EngineShape {
    /// Live instances in the process. Each viewer instance takes two memory slots (one for marks) of 4 GiB of address
    /// space, and at most seven mappings of the kernel's `vm.max_map_count`; one of a source function takes three slots, so
    /// that there can be two thirds as many.
    pub instances: u32,
    /// What one instance may be made of.
    pub one: InstanceShape,
    /// What all may be made of, as many for each of `instances`: fewer than one may have, since most have few. A
    /// component counts those that it is made of.
    pub component_instances_each: u32,
    pub core_instances_each: u32,
    pub memories_each: u32,
    pub tables_each: u32,
    /// 0 where calls are synchronous.
    pub stacks_each: u32,
    /// What of a memory, a table or a stack stays mapped between two instances.
    pub memory_resident_bytes: usize,
    pub table_resident_bytes: usize,
    pub stack_resident_bytes: usize,
    /// Free slots that keep what was mapped there; `None`: the engine's default.
    pub warm_slots: Option<u32>,
    pub calls: Calls,
}

/// What the pool of an engine has room for in one instance.
#[derive(Debug, Clone, Copy)]
pub struct InstanceShape {
    pub core_instances: u64,
    pub memories: u64,
    pub memories_per_module: u64,
    pub tables: u64,
    pub tables_per_module: u64,
    /// Of one memory, where that may be more than the limit of all together.
    pub memory_bytes: u64,
    /// What the engine keeps for the instances of a component, beside memories and tables.
    pub instance_bytes_all: u64,
}

/// How an engine runs a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// On the caller's stack, to the end.
    Inline,
    /// On a stack of its own, with waits and slices of time.
    Async,
}

/// In the order of `Limit`.
struct LimitRow {
    cpu_us: Bound,
    deadline_ms: Bound,
    memory_bytes: Bound,
    ephemeral_storage_bytes: Bound,
    table_elements: Bound,
    stack_bytes: Bound,
    handles: Bound,
    connections: Bound,
    log_bytes: Bound,
    host_calls: Bound,
    reply_bytes: Bound,
    stream_bytes: Bound,
    header_count: Bound,
    header_bytes: Bound,
    body_bytes: Bound,
    instances: Bound,
    queue: Bound,
    queue_wait_ms: Bound,
}

/// Viewer and origin numbers follow CloudFront Functions and Lambda@Edge where those publish them.
static VIEWER: Row = Row {
    name: "viewer",
    engine: EngineShape {
        instances: 6_000,
        one: InstanceShape {
            core_instances: 20,
            // Two of them are for the marks and the overlay of `wasm::restore`.
            memories: 4,
            memories_per_module: 3,
            tables: 8,
            tables_per_module: 1,
            memory_bytes: 2 * MIB,
            instance_bytes_all: compile::INSTANCE_BYTES_ALL,
        },
        component_instances_each: 4,
        core_instances_each: 8,
        memories_each: 2,
        tables_each: 4,
        stacks_each: 0,
        memory_resident_bytes: 2 << 20,
        table_resident_bytes: 64 << 10,
        stack_resident_bytes: 0,
        warm_slots: Some(1_000),
        calls: Calls::Inline,
    },
    limits: LimitRow {
        cpu_us: up_to(1_000, 10_000),
        deadline_ms: always(1_000),
        memory_bytes: always(2 * MIB),
        ephemeral_storage_bytes: always(0),
        table_elements: up_to(10_000, 20_000),
        stack_bytes: always(256 * KIB),
        handles: always(64),
        connections: always(0),
        log_bytes: always(10 * KIB),
        host_calls: up_to(1_000, 10_000),
        reply_bytes: up_to(64 * KIB, 256 * KIB),
        stream_bytes: always(0),
        header_count: up_to(100, 200),
        header_bytes: up_to(20_480, 65_536),
        body_bytes: always(0),
        instances: up_to(64, 4_096),
        queue: always(0),
        queue_wait_ms: always(0),
    },
};

static WORKER: Row = Row {
    name: "worker",
    engine: EngineShape {
        instances: 1_000,
        one: InstanceShape {
            core_instances: 64,
            memories: 8,
            memories_per_module: 1,
            tables: 32,
            tables_per_module: 1,
            memory_bytes: 4 << 30,
            instance_bytes_all: compile::INSTANCE_BYTES_ALL_WORKER,
        },
        component_instances_each: 1,
        core_instances_each: 8,
        memories_each: 2,
        tables_each: 4,
        stacks_each: 2,
        memory_resident_bytes: 2 << 20,
        table_resident_bytes: 64 << 10,
        stack_resident_bytes: 64 << 10,
        warm_slots: None,
        calls: Calls::Async,
    },
    limits: LimitRow {
        cpu_us: up_to(1_000_000, 1_800_000_000),
        deadline_ms: up_to(30_000, 1_800_000),
        memory_bytes: up_to(128 * MIB, 10_240 * MIB),
        ephemeral_storage_bytes: up_to(512 * MIB, 10_240 * MIB),
        table_elements: up_to(100_000, 1_000_000),
        stack_bytes: always(MIB),
        handles: up_to(10_000, 100_000),
        connections: up_to(128, 10_000),
        log_bytes: up_to(256 * KIB, MIB),
        host_calls: up_to(1_000_000, 10_000_000),
        reply_bytes: up_to(MIB + 64 * KIB, 64 * MIB),
        // What streams is never held whole: no bound unless one is set.
        stream_bytes: always(UNBOUNDED),
        header_count: up_to(100, 200),
        header_bytes: up_to(20_480, 65_536),
        body_bytes: up_to(MIB, 16 * MIB),
        instances: up_to(64, 1_000),
        queue: up_to(1_000, 100_000),
        queue_wait_ms: up_to(1_000, 60_000),
    },
};

impl Profile {
    pub const ALL: [Profile; 2] = [Profile::Viewer, Profile::Worker];

    fn row(self) -> &'static Row {
        match self {
            Profile::Viewer => &VIEWER,
            Profile::Worker => &WORKER,
        }
    }

    /// In messages, and on the admin port.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub fn engine(self) -> &'static EngineShape {
        &self.row().engine
    }

    /// Limits that a profile does not use are equal to their maximum.
    pub fn bound(self, limit: Limit) -> Bound {
        let row = &self.row().limits;
        match limit {
            Limit::CpuUs => row.cpu_us,
            Limit::DeadlineMs => row.deadline_ms,
            Limit::MemoryBytes => row.memory_bytes,
            Limit::EphemeralStorageBytes => row.ephemeral_storage_bytes,
            Limit::TableElements => row.table_elements,
            Limit::StackBytes => row.stack_bytes,
            Limit::Handles => row.handles,
            Limit::Connections => row.connections,
            Limit::LogBytes => row.log_bytes,
            Limit::HostCalls => row.host_calls,
            Limit::ReplyBytes => row.reply_bytes,
            Limit::StreamBytes => row.stream_bytes,
            Limit::HeaderCount => row.header_count,
            Limit::HeaderBytes => row.header_bytes,
            Limit::BodyBytes => row.body_bytes,
            Limit::Instances => row.instances,
            Limit::Queue => row.queue,
            Limit::QueueWaitMs => row.queue_wait_ms,
        }
    }
}

const fn up_to(default: u64, maximum: u64) -> Bound {
    Bound { default, maximum }
}

const fn always(value: u64) -> Bound {
    Bound { default: value, maximum: value }
}
