//! I map names to revisions and give a call a clean instance, a new one, or a refusal.
//!
//! I never wait under a lock, and I know no HTTP route.

pub mod admission;
pub mod catalog;
pub mod pool;
pub mod revision;
mod teardown;
pub mod worker_pool;
