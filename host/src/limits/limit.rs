//! What can be limited about one call or one instance, by name and unit.

/// A limit on one call or one instance of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// CPU time of one call. Enforced as fuel, see `wasm::fuel`.
    CpuUs,
    /// Wall-clock time of one call, network included. Workers only.
    DeadlineMs,
    /// Linear memory, summed over all memories of an instance.
    MemoryBytes,
    /// `/tmp` of one instance. Workers only.
    EphemeralStorageBytes,
    /// Table elements, summed over all tables of an instance.
    TableElements,
    /// WebAssembly stack.
    StackBytes,
    /// Open resource handles in one instance. Workers only.
    Handles,
    /// Outgoing connections of all instances of a revision, open at once. Workers only.
    Connections,
    /// Log bytes kept from one call.
    LogBytes,
    /// Calls from the guest into the host within one call.
    HostCalls,
    /// The packed answer of a hook.
    ReplyBytes,
    /// The body of a service's response, which streams. Workers only.
    StreamBytes,
    /// Headers in a reply.
    HeaderCount,
    /// All header names and values in a reply.
    HeaderBytes,
    /// The part of a body that an origin hook is shown.
    BodyBytes,
    /// Compiled instances of one revision, waiting and running.
    Instances,
    /// Calls of one revision that may wait for an instance. Workers only.
    Queue,
    /// How long a call may wait for an instance. Workers only.
    QueueWaitMs,
}

impl Limit {
    pub const ALL: [Limit; 18] = [
        Limit::CpuUs,
        Limit::DeadlineMs,
        Limit::MemoryBytes,
        Limit::EphemeralStorageBytes,
        Limit::TableElements,
        Limit::StackBytes,
        Limit::Handles,
        Limit::Connections,
        Limit::LogBytes,
        Limit::HostCalls,
        Limit::ReplyBytes,
        Limit::StreamBytes,
        Limit::HeaderCount,
        Limit::HeaderBytes,
        Limit::BodyBytes,
        Limit::Instances,
        Limit::Queue,
        Limit::QueueWaitMs,
    ];

    /// The key in a `limits` table of the configuration, and the label in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Limit::CpuUs => "cpu_us",
            Limit::DeadlineMs => "deadline_ms",
            Limit::MemoryBytes => "memory_bytes",
            Limit::EphemeralStorageBytes => "ephemeral_storage_bytes",
            Limit::TableElements => "table_elements",
            Limit::StackBytes => "stack_bytes",
            Limit::Handles => "handles",
            Limit::Connections => "connections",
            Limit::LogBytes => "log_bytes",
            Limit::HostCalls => "host_calls",
            Limit::ReplyBytes => "reply_bytes",
            Limit::StreamBytes => "stream_bytes",
            Limit::HeaderCount => "header_count",
            Limit::HeaderBytes => "header_bytes",
            Limit::BodyBytes => "body_bytes",
            Limit::Instances => "instances",
            Limit::Queue => "queue",
            Limit::QueueWaitMs => "queue_wait_ms",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Limit::CpuUs => "µs",
            Limit::DeadlineMs | Limit::QueueWaitMs => "ms",
            Limit::MemoryBytes
            | Limit::EphemeralStorageBytes
            | Limit::StackBytes
            | Limit::LogBytes
            | Limit::ReplyBytes
            | Limit::StreamBytes
            | Limit::HeaderBytes
            | Limit::BodyBytes => "bytes",
            Limit::TableElements => "elements",
            Limit::Handles => "handles",
            Limit::Connections => "connections",
            Limit::HostCalls => "calls",
            Limit::HeaderCount => "headers",
            Limit::Instances => "instances",
            Limit::Queue => "calls",
        }
    }
}
