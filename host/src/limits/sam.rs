//! What bounds templates, and the command line that deploys them.

/// Of a template: ten times what CloudFormation takes.
pub const TEMPLATE_BYTES: u64 = 10 << 20;
/// Values of a template, with those that aliases repeat.
pub const NODES: usize = 200_000;
/// Of values within values.
pub const DEPTH: usize = 64;
/// Of a text that intrinsic functions make.
pub const TEXT_BYTES: usize = 1 << 20;
/// Of all such texts.
pub const TEXTS_BYTES: usize = 64 << 20;
/// CloudFormation's quota.
pub const RESOURCES: usize = 500;
/// Of a folder that is sent.
pub const FILES: usize = 20_000;
/// Of a name that is made from those of a stack and a resource.
pub const NAME_CHARS: usize = 64;

/// For an answer of the API. A function that is invoked takes no longer than this one is waited for.
pub const ANSWER_MS: u64 = 60_000;
pub const CONNECT_MS: u64 = 5_000;
pub const ANSWER_BYTES: usize = 64 << 20;
/// For a function to become Active after a change, which compiles it.
pub const ACTIVE_MS: u64 = 300_000;
pub const ACTIVE_POLL_MS: u64 = 200;
/// Between two questions of `edgeward logs -f`.
pub const FOLLOW_MS: u64 = 1_000;
/// How late an event of a log may arrive.
pub const LATE_MS: u64 = 5_000;
/// Of pages of one list.
pub const PAGES: usize = 10_000;
