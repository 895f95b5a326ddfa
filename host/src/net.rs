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
mod rules;
mod serve;
mod stillness;
mod sweep;
mod tls;
mod tunnel;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

pub use body::{BodyError, Pace, SteadyBody};
pub use departure::{Departure, Hold, Phase};
pub use descriptors::Descriptors;
pub use interim::Interim;
pub use listener::{BindError, bind};
pub use rules::Rules;
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

/// The other end of a connection, as a request's handler sees it.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: SocketAddr,
    /// The peer's IP address as text; made once per connection, for hooks and logs.
    pub ip: Arc<str>,
    /// Some for TLS.
    pub tls: Option<Tls>,
    /// What a request's body must bring on average while it is waited for; 0 is nothing.
    pub upload_bytes_per_s: usize,
    /// Where answers 1xx may go. None: the client's protocol has no way for them.
    pub interim: Option<Interim>,
    /// For answers that may be still for long. None: there is no connection.
    pub stillness: Option<Stillness>,
}

/// What a TLS handshake agreed on, as the access log names it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    pub cipher: &'static str,
    pub sni: Option<Arc<str>>,
    /// The hosts of the certificate that was shown.
    pub hosts: Arc<[String]>,
}

impl Tls {
    /// Whether the certificate that the client has seen is for this host.
    pub fn covers(&self, host: &str) -> bool {
        self.hosts.iter().any(|covered| covered.eq_ignore_ascii_case(host) || tls::covers(covered, host))
    }
}
