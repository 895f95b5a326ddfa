//! Answers from the cache what may be answered from it, and stores what the origin sends.
//!
//! ```text
//! lookup ─► Hit ─────────────────────────────────► present
//!      ├──► Stale ─► (renewal in the background) ─► present
//!      ├──► Stale, to be validated ─► fill ─► 304 ─► present
//!      ├──► Busy ─► wait ─► one of the others
//!      ├──► Miss (duty) ─► fill ─► may be stored? ─► store, and present what streams in
//!      │                              └─ no ─► pass it on
//!      └──► Bypass ─► a request of its own
//! ```
//!
//! The origin's answer to a request that fills is for everybody: it is asked for without this client's conditions and
//! ranges, and it keeps coming when this client has left. What is stored is presented to each client by its own method,
//! conditions and ranges.
//!
//! Nothing is decided here about freshness, keys or ranges; `cache` does that. Sockets and the statuses of failures are
//! not known here.

mod bypass;
mod compress;
mod fill;
mod forward;
pub(crate) mod lookup;
mod present;
mod renewal;
pub(crate) mod route;
mod store;

pub(crate) use bypass::bypass;
