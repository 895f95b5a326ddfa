//! What bounds the commands that are not `serve`.

/// Names of origins that `edgeward check` resolves at once; others are not.
pub const NAMES: usize = 64;
pub const RESOLVE_MS: u64 = 3_000;
/// Nodes that are asked by one command.
pub const NODES: usize = 256;
/// For a node to answer. The admin port answers at once, except while a purge is written to disk.
pub const NODE_MS: u64 = 30_000;
pub const NODE_ANSWER_BYTES: usize = 1 << 20;
/// Most purges are completed by then, so that the number of responses is known.
pub const PURGE_MS: u64 = 1_000;
/// Between two questions whether one is.
pub const PURGE_POLL_MS: u64 = 50;
/// Files of a project whose changes `edgeward dev` notices.
pub const SOURCE_FILES: usize = 20_000;
/// Operators that `edgeward bench` lists by name: there are hundreds, and most are alike.
pub const OPERATORS: usize = 10;
