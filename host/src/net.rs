//! I turn sockets into HTTP connections: TCP and TLS, HTTP/1.1 and HTTP/2, limits on heads and slow clients.
//!
//! I know no routes: a request goes to the handler I was given. Each worker thread has its own listening
//! sockets and serves what they accept to the end; workers share nothing.
//!
//!     bind ──► listener per worker ──► accept ──► TLS or preface ──► guard (framing, pulse) ──► hyper ──► handler
//!                (SO_REUSEPORT)          └──► refused (too many)       └──► refused (smuggling), swept (slow, idle)
//!
//! A handler that answers 101 with a `Switch` has the connection carried on as a tunnel (`tunnel`).
//!
//! A request that reaches the handler has one meaning: its extent is certain (`framing`), and its Host
//! header is the authority it is for. A handler that waits for a request's body wraps it in `SteadyBody`.
//!
//! What clients may have of us together is in `rules` and `descriptors`, how we stop in `departure`.

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
pub use client::{Client, Tls};
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

/// For `bench/micro`: whether the extent of each request in these bytes, the first of a connection, is certain.
#[doc(hidden)]
pub fn is_certain(bytes: &[u8]) -> bool {
    framing::Framing::default().feed(bytes).is_ok()
}
