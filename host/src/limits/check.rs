//! What `edgeward check` asks of the network.

/// Names of origins that are resolved at once; others are not.
pub const NAMES: usize = 64;
pub const RESOLVE_MS: u64 = 3_000;
/// Nodes that are asked by one command.
pub const NODES: usize = 256;
