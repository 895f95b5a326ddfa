//! I map names to revisions and give a call a clean instance, a new one, or a refusal.
//!
//! Whoever publishes a function says what it is made of (`spec`); that becomes a revision (`build`). A configuration file
//! is one publisher among others: I do not know it. I never wait under a lock, and I know no HTTP route.

pub mod build;
pub mod call;
pub mod catalog;
pub mod concurrency;
pub mod defined;
pub mod error_payload;
pub mod lane;
mod left_files;
pub mod named;
pub mod platform_events;
pub mod pool;
pub mod report;
pub mod revision;
pub mod spec;
mod teardown;
pub mod worker_pool;
