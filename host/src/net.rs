//! Turns sockets into HTTP connections: TCP and TLS, HTTP/1.1 and HTTP/2, limits on heads and slow clients.
//!
//! No routes here: every request goes to the handler that the caller passes. Each worker thread has its own listening
//! sockets and serves the connections they accept; workers share nothing.
//!
//!     bind ──► listener per worker ──► accept ──► TLS or preface ──► guard (framing, state) ──► hyper ──► handler
//!                (SO_REUSEPORT)          └──► refused (too many)       └──► refused (smuggling), swept (slow, idle)
//!
//! A handler that answers 101 with a `Switch` turns the connection into a tunnel (`tunnel`, `relay`).
//!
//! A request that reaches the handler has one meaning: where it ends is certain (`framing`), and its Host
//! header is the authority it is for. A handler that reads a request's body wraps it in `SteadyBody`.
//!
//! The limits per client are in `rules`, those of the process in `descriptors`; `departure` is the graceful shutdown.

mod body;
mod client;
mod connection;
mod departure;
mod descriptors;
mod frames;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod guard;
mod interim;
mod leftover;
mod listener;
mod relay;
mod rules;
mod serve;
mod state;
mod stillness;
mod sweep;
mod ticks;
mod tls;
mod tunnel;

#[cfg(test)]
mod tests;

pub use body::{Pace, RequestBodyError, SteadyBody};
pub use client::{Client, Entrance, Tls};
pub use departure::{Departure, DeparturePhase, Hold};
pub use descriptors::Descriptors;
pub use interim::Interim;
pub use listener::{BindError, bind};
pub use rules::ClientRules;
pub use serve::{Acceptor, serve};
pub use stillness::Stillness;
pub use sweep::Bounds;
pub use tls::{TlsError, TlsSlot};
pub use tunnel::{Far, Side, Switch, Tunnel, Witness};

/// For `bench/micro`: whether it is certain where each request in these first bytes of a connection ends.
#[doc(hidden)]
pub fn is_certain(bytes: &[u8]) -> bool {
    framing::Framing::default().feed(bytes).is_ok()
}
