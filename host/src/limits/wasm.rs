//! What bounds code: compiling it, its instances, and what one call may ask of the host.

use serde::{Deserialize, Serialize};

/// What one deployment may spend on one component, unless the configuration says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiling {
    /// Address space of the process that compiles.
    pub memory_bytes: u64,
    /// CPU time of all its threads; by the clock it may take `compile::PATIENCE` times as long.
    pub cpu_s: u64,
    /// Of the process, from 0 to 19: whoever serves has the CPU first.
    pub niceness: i32,
}

impl Default for Compiling {
    fn default() -> Compiling {
        Compiling { memory_bytes: compile::MEMORY_BYTES, cpu_s: compile::CPU_S, niceness: compile::NICENESS }
    }
}

impl Compiling {
    /// Somebody waits for it, and nobody is served meanwhile.
    pub fn waited_for(self) -> Compiling {
        Compiling { niceness: 0, ..self }
    }
}

/// What bounds compiling: first by what can be foretold of a component, then by what the process that compiles may use.
pub mod compile {
    /// Address space of the process that compiles one component.
    pub const MEMORY_BYTES: u64 = 4 << 30;
    pub const MEMORY_BYTES_MIN: u64 = 256 << 20;
    pub const MEMORY_BYTES_MAX: u64 = 256 << 30;
    /// CPU time of it, summed over its threads.
    pub const CPU_S: u64 = 120;
    pub const CPU_S_MAX: u64 = 3_600;
    /// Of the process, where others are served.
    pub const NICENESS: i32 = 19;
    /// By the clock it may take so many times its CPU time: it has the lowest priority, and others may want the CPU.
    pub const PATIENCE: u32 = 4;
    /// Such processes at once.
    pub const PROCESSES: usize = 2;
    /// What comes out: machine code, and all that belongs to it.
    pub const CODE_BYTES: u64 = 1 << 30;
    /// What it may say: among other things, the names of exports and imports.
    pub const ANSWER_BYTES: u64 = 16 << 20;
    /// Cranelift's time grows faster than a function's size.
    pub const FUNCTION_BODY_BYTES: u64 = 1 << 20;
    /// Values that a function holds times its branches: as often it may be written down where a value is.
    pub const FUNCTION_SPREAD: u64 = 4_000_000;
    /// The same, summed over all functions.
    pub const SPREAD: u64 = 200_000_000;
    /// Values that a function holds times its instructions, and the same of all functions; up to 26 ns each.
    pub const FUNCTION_PRESSURE: u64 = 100_000_000;
    pub const PRESSURE: u64 = 2_000_000_000;
    /// Blocks of a function times its instructions, and the same of all functions; up to 5 ns each.
    pub const FUNCTION_TANGLE: u64 = 3_000_000_000;
    pub const TANGLE: u64 = 20_000_000_000;
    /// Blocks of a function within one another.
    pub const FUNCTION_NESTING: u64 = 5_000;
    /// Empty ones take up to a millisecond, each with its trampolines.
    pub const FUNCTIONS: u64 = 50_000;
    /// Instructions, weighed by what they become; up to 2 µs each.
    pub const WORK: u64 = 40_000_000;
    /// Types in modules; up to 0.4 ms each.
    pub const TYPES: u64 = 20_000;
    /// Element segments, elements and globals that a module computes as it starts.
    pub const SETTINGS: u64 = 20_000;
    /// Functions that are asked for by name when not all imports are there.
    pub const NAMES_ASKED: usize = 1_000;
    /// Names that an error lists of one kind; the rest is counted.
    pub const NAMES_TOLD: usize = 20;
    /// The heap of a program that Go's compiler has made, in pages of 64 KiB: 60 MiB, twice which and its data are within the
    /// default of `memory_bytes`. Memory that it does not touch costs nothing.
    pub const GO_HEAP_PAGES: u64 = 960;
    /// Refused components that are remembered, each with an error of at most so many bytes.
    pub const REFUSALS: usize = 256;
    pub const REFUSAL_BYTES: usize = 16 << 10;
    /// Read of a component at once.
    pub const CHUNK_BYTES: usize = 64 << 10;
    /// A few bytes may declare fifty thousand locals: the `nop`s for them are bounded by the component's size plus this.
    pub const NOPS_SPARE: usize = 1 << 20;
    /// Instances of components and modules in one component.
    pub const INSTANCES: u64 = 1_000;
    /// Of one core instance, what the engine keeps for it beside memories and tables: globals, functions that are exported or
    /// in tables, imports, segments.
    pub const INSTANCE_BYTES: u64 = 1 << 20;
    /// The same, of all instances that a component is made of.
    pub const INSTANCE_BYTES_ALL: u64 = 1 << 20;
    pub const INSTANCE_BYTES_ALL_WORKER: u64 = 4 << 20;
}

/// Compiled components on disk.
pub mod aot {
    /// Of all of them; over it, those go that were not used for the longest time.
    pub const BYTES: u64 = 4 << 30;
    /// Of what is known of a component: exports and imports by name.
    pub const NOTE_BYTES: u64 = 16 << 20;
    /// An unfinished file without a lock is removed after so long: more than the time between its creation and its lock.
    pub const SETTLED_MS: u64 = 1_000;
}

/// What bounds putting an instance back to its first state after a call, beside its memory.
pub mod restore {
    /// Mutable globals, all of which are set each time. A toolchain makes a handful; a component with more of them gets a
    /// new instance for each call.
    pub const GLOBALS: usize = 1_000;
    /// Putting back the whole of the memory takes a few thousand units per kilobyte at most.
    pub const FUEL: u64 = 1 << 32;
    /// The memory of a Runtime's overlay: what INIT may have changed, in kilobytes that differ, and where each is.
    pub const OVERLAY_BYTES: u64 = 1 << 20;
    /// Types that are visited over all functions of a component, as one type may name another many times.
    pub const TYPES: u32 = 1_000_000;
}

/// What bounds INIT: a source is read, compiled and run once, at deployment.
pub mod init {
    /// CPU time. No call of it waits for anything, so that it is the deadline as well.
    pub const CPU_US: u64 = 1_000_000;
    /// The same of a function (Lambda's INIT phase), and by the clock; unless one of its calls may take longer.
    pub const FUNCTION_CPU_US: u64 = 10_000_000;
    pub const FUNCTION_MS: u64 = 10_000;
    /// For reading the state that INIT has left, which takes a few instructions for each global.
    pub const SAVE_FUEL: u64 = 1 << 32;
    /// Zeroes up to so many bytes are kept in a function's state.
    pub const SNAPSHOT_BLOCK_BYTES: usize = 4_096;
    /// Globals of a Runtime that its code sets: as many as can be read from one page of memory.
    pub const SNAPSHOT_GLOBALS: usize = 8_000;
    /// Files of a function's code and its dependencies, and all their bytes (Lambda's quota for an unzipped package).
    pub const PACKAGE_FILES: usize = 20_000;
    pub const PACKAGE_BYTES: u64 = 250 << 20;
    /// Folders within one another.
    pub const PACKAGE_DEPTH: usize = 32;
    /// Layers of a function (Lambda's quota). Their bytes and the package's are `PACKAGE_BYTES` at most, together.
    pub const LAYERS: usize = 5;
    /// Packages that are kept for functions which are not deployed any more.
    pub const PACKAGES_UNUSED: usize = 16;
    /// Source bytes of a CloudFront function (CloudFront's quota).
    pub const CLOUDFRONT_SOURCE_BYTES: u64 = 10_240;
    /// What the host takes from the guest at once: the overlay, or a message with its stack.
    pub const HOST_CALL_BYTES: usize = 2 << 20;
    /// Of such a message, what is kept.
    pub const MESSAGE_BYTES: usize = 4 << 10;
    /// A Runtime's file.
    pub const RUNTIME_BYTES: u64 = 64 << 20;
}

/// How a worker component shares its thread, and what one call of it into the host may ask for.
pub mod worker {
    /// Parts of a processor are counted in thousandths.
    pub const CPU_WHOLE: u32 = 1_000;
    /// Polled at once, before the others of the thread have their turn.
    pub const SLICE_US: u64 = 25;
    /// Fuel after which a guest is looked at: between these, the less the slower its code runs.
    pub const LOOK_US_MIN: u64 = 1;
    pub const LOOK_US_MAX: u64 = 4;
    /// Code that runs longer between two looks is slow.
    pub const STRETCH_US: u64 = 40;
    /// Time polled is time on the wall: on a busy machine the thread may have waited for its core meanwhile. And fuel
    /// that is a microsecond of ordinary code is several of the slowest.
    pub const POLLED_PER_CPU: u64 = 4;
    /// One stay in the host is paid for up to this; longer ones are the machine's fault.
    pub const CHARGE_US_MAX: u64 = 2_000;
    /// Random bytes of one call: WASI 0.3 gives no more at once, 0.2 traps.
    pub const RANDOM_BYTES: u64 = 64 << 10;
    /// What stdout and stderr take at once.
    pub const WRITE_BYTES: usize = 16 << 10;
    /// The longest line of a log; longer ones are cut into several.
    pub const LINE_BYTES: usize = 8 << 10;
    /// What a guest may pass to the host at once, beside an answer of full size.
    pub const HOST_CALL_BYTES: usize = 1 << 20;
    /// Items that one read or write of a stream (WASI 0.3) moves.
    pub const STREAM_ITEMS: i32 = 16 << 10;
    /// What `memory.fill`, `memory.copy` and `memory.init` move before others have their turn.
    pub const BULK_BYTES: u64 = 256 << 10;
    /// An instance with more memory takes milliseconds to let go: it is dropped on a thread of its own.
    pub const TEARDOWN_INLINE_BYTES: u64 = 4 << 20;
    /// And so is one with more handles to what the host holds for it, or more tasks, futures and streams under way: a
    /// hundred thousand header fields, or waits, take as long.
    pub const TEARDOWN_INLINE_HANDLES: usize = 64;
    /// The niceness of that thread: of a core that both want it gets a seventieth. The kernel gives it that in slices of several
    /// milliseconds, in which requests wait: they should be fewer than one in a hundred.
    pub const TEARDOWN_NICE: i32 = 19;
    /// Calls that may make or fill `Fields`, until it is looked what they hold.
    pub const FIELD_CALLS_UNCOUNTED: u32 = 64;
    /// What an entry of a header map counts for: its slot, two index entries, and the allocations of a short name and value.
    pub const FIELD_ENTRY_BYTES: u64 = 160;
    /// The text of a map of no more fields is added up, that of a larger one estimated.
    pub const FEW_FIELDS: usize = 4;
    /// What wasi-http counts for a field in addition to the text of its name and value.
    pub const FIELD_OVERHEAD_BYTES: usize = 72;
    /// What a guest may still do for a client that has left.
    pub const LINGER_MS: u64 = 500;
}

/// `/tmp` of one instance, beside its size (`Limit::EphemeralStorageBytes`).
pub mod tmp {
    /// What a file's size is rounded up to: the unit in which space is taken.
    pub const BLOCK_BYTES: usize = 4 << 10;
    /// The first so many are in memory. An instance that writes no more needs no file of the host, and no other thread.
    pub const MEMORY_BLOCKS: u32 = 256;
    /// Files, folders and links, by their names; as many as a disk of 512 MiB has inodes.
    pub const NAMES: usize = 32_768;
    /// All names together, and what links lead to: they are in the host's memory.
    pub const NAMES_BYTES: usize = 4 << 20;
    pub const NAME_BYTES: usize = 255;
    pub const PATH_BYTES: usize = 4 << 10;
    /// Followed within one path.
    pub const LINKS: u32 = 32;
    /// What a link leads to.
    pub const LINK_BYTES: usize = 512;
    /// Read or written at once.
    pub const TRANSFER_BYTES: usize = 64 << 10;
    /// What was written to streams and is not yet in its file, all streams together.
    pub const PENDING_BYTES: usize = 1 << 20;
    /// More of them are freed, and copied from what INIT has left, on another thread.
    pub const INLINE_NODES: usize = 64;
}

/// What bounds what one call of a viewer hook into the host may ask for.
pub mod host {
    /// Lists and text that the guest gives, as the host holds them.
    pub const CALL_BYTES: usize = 1 << 20;
    /// Random bytes that are asked for at once.
    pub const RANDOM_BYTES: u64 = 64 << 10;
    /// Entries of all tables of handles, what is lent for a call among them. `Limit::Handles` bounds those that the
    /// host gives.
    pub const VIEWER_HANDLES: usize = 256;
    /// What is kept of a message that a hook reports instead of an answer.
    pub const REPORT_BYTES: usize = 4 << 10;
    /// What may be written at once, as guests that ask are told. More is taken all the same.
    pub const PERMIT_BYTES: u64 = 64 << 10;
}

/// What bounds a function's way out, beside its limits.
pub mod egress {
    /// Addresses of a name that are looked at.
    pub const ADDRESSES: usize = 8;
    /// Names of one function that are being resolved; further ones wait. Each takes a thread of those that also read files.
    pub const LOOKUPS: usize = 16;
    /// Where the guest names no timeout; the call's deadline is shorter by default.
    pub const CONNECT_MS: u64 = 10_000;
    pub const READ_MS: u64 = 120_000;
    /// What a response's head may take.
    pub const HEAD_BYTES: usize = 64 << 10;
    pub const HEADERS: usize = 200;
    /// A guest may write a chunk of this size at once: it is held by the host until it is sent.
    pub const BODY_CHUNK_BYTES: usize = 64 << 10;
    /// Names that an instance's raw sockets remember to have resolved; the oldest are forgotten.
    pub const RESOLVED_NAMES: usize = 64;
}

/// What bounds a program of the CGI kind, beside its function's limits.
pub mod cgi {
    /// What it has written and nobody has read; then it waits.
    pub const PIPE_BYTES: usize = 64 << 10;
}

/// What bounds an HTTP request that a function gets as an event.
pub mod event {
    /// Of its body: Lambda's limit of a synchronous event, 6 MB, less a third for base64.
    pub const BODY_BYTES: usize = 4_500_000;
    /// Of requests to functions of the AWS APIs that are read at the same time, in all: their functions have been given no
    /// room yet.
    pub const BODY_BYTES_ALL: usize = 64 * BODY_BYTES;
}

/// What bounds one call of the interfaces that are offered beside WASI.
pub mod offered {
    /// Keys that a store lists at once.
    pub const KEYS_PER_PAGE: usize = 1_000;
    /// Keys that are counted to find where a page begins, where a cursor is a number.
    pub const KEYS_COUNTED: usize = 100_000;
    /// Keys that a batch asks for, of 1 KiB values each.
    pub const BATCH_KEYS: usize = 1_000;
    /// All keys at once, for an interface without pages.
    pub const KEY_LIST_BYTES: usize = 256 << 10;
}

/// What bounds the start of an instance: start functions and initialisers, which have a budget of their own.
pub mod instantiation {
    /// Of a viewer hook, in CPU limits of a call.
    pub const VIEWER_CALLS: u64 = 100;
    /// Of a worker: what Lambda gives a runtime's init.
    pub const WORKER_CPU_US: u64 = 10_000_000;
    pub const WORKER_MS: u64 = 10_000;
}
