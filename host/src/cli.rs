//! I turn arguments into a `Config`, run a `Host`, and wait for it to drain.

pub mod bench;
pub mod inspect;
