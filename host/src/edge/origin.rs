//! Where answers come from: a server behind a URL, a folder, a fixed response, a component, a function of the AWS APIs.
//!
//! ```text
//! backends (by name) ─► backend: one origin or a group ─► fetch ─┬► upstream ─► pool ─► slots
//!                                                                │      └► connect ─► endpoint
//!                                                                ├► folder
//!                                                                ├► a fixed response
//!                                                                ├► a component
//!                                                                └► a function of the AWS APIs, by its name
//! ```
//!
//! This module knows neither hooks' code nor the cache; what a hook edits is laid over a copy of an origin.

pub(crate) mod address;
pub(crate) mod announce;
mod api_function;
pub(crate) mod backend;
pub(crate) mod backends;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod endpoint;
pub(crate) mod error;
mod exhausted;
pub(crate) mod fetch;
pub(crate) mod folder;
mod identity;
mod interim;
pub(crate) mod pool;
pub(crate) mod server;
pub(crate) mod slots;
pub(crate) mod upstream;
