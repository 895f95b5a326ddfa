//! What bounds the log and the traces.

/// What bounds the log, whatever clients, origins and functions do (`telemetry::repeats`).
pub mod logging {
    /// Between two lines about failures of the same origin or function.
    pub const INTERVAL_MS: u64 = 10_000;
    /// How often it is looked whether a summary is due.
    pub const TICK_MS: u64 = 1_000;
    /// Calls of a function whose log is written, per interval.
    pub const FUNCTION_LINES: u64 = 1_000;
    /// Series of metrics that functions write into their logs, and bytes of the names of one.
    pub const EMF_SERIES: usize = 10_000;
    pub const EMF_LABEL_BYTES: usize = 1_024;
    /// Of a path in a line; the rest is cut off.
    pub const PATH_BYTES: usize = 256;
    /// Of the cause of a failure in a line.
    pub const CAUSE_BYTES: usize = 4_096;
    /// Lines of the access log that wait for its reader; further ones are dropped.
    pub const ACCESS_LINES: usize = 16_384;
    /// Lines that are written at once.
    pub const ACCESS_GATHERED_BYTES: usize = 256 << 10;
    /// Between two writes of it.
    pub const ACCESS_FLUSH_MS: u64 = 20;
    /// How long the end of the process waits for a reader that does not read.
    pub const ACCESS_END_MS: u64 = 1_000;
}

/// What bounds traces on their way to the collector.
pub mod tracing {
    /// Spans of one request; further ones are dropped.
    pub const SPANS_PER_TRACE: usize = 64;
    /// Of the text of an attribute; the rest is cut off.
    pub const ATTRIBUTE_BYTES: usize = 1_024;
    /// Requests whose spans wait for the exporter, and the memory they may take.
    pub const WAITING_TRACES: usize = 4_096;
    pub const WAITING_BYTES: usize = 16 << 20;
    /// A batch is sent when it has so many spans, or is so old.
    pub const BATCH_SPANS: usize = 512;
    pub const BATCH_MS: u64 = 1_000;
    /// For the collector to connect, and between two steps of one exchange with it.
    pub const SEND_MS: u64 = 2_000;
    /// At the end of the process.
    pub const FLUSH_MS: u64 = 5_000;
    /// Between two attempts to tell an exporter of that whose queue is full.
    pub const FLUSH_RETRY_MS: u64 = 10;
    pub const SERVICE_NAME_BYTES: usize = 255;
}
