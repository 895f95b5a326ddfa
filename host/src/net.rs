//! I turn sockets into HTTP connections: TCP and TLS, HTTP/1.1 and HTTP/2, limits on heads and slow clients.
//!
//! I know no routes: a request goes to the handler I was given.
//!
//!     bind ──► listener per worker ──► accept ──► TLS ──► HTTP/1.1 or HTTP/2 ──► handler
//!                (SO_REUSEPORT)          └──► refused (too many)     └──► swept (slow, idle)
//!
//! No timer is armed per request: each connection notes when it last moved, and once a second the worker
//! sweeps those that did not for too long.

mod connection;
mod listener;
mod sweep;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

pub use connection::{Acceptor, Drain, serve};
pub use listener::{BindError, bind};
pub use tls::{TlsError, TlsSlot};

/// The other end of a connection, as a request's handler sees it.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: SocketAddr,
    /// The peer's IP address as text; made once per connection, for hooks and logs.
    pub ip: Arc<str>,
    /// Some for TLS.
    pub tls: Option<Tls>,
}

/// What a TLS handshake agreed on, as the access log names it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    pub cipher: &'static str,
    pub sni: Option<Arc<str>>,
}
