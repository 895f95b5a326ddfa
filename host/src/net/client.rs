//! The other end of a connection, as a request's handler sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::interim::Interim;
use crate::net::stillness::Stillness;
use crate::net::tls;

/// The other end of a connection, as a request's handler sees it.
#[derive(Debug, Clone)]
pub struct Client {
    pub entrance: Entrance,
    pub peer: SocketAddr,
    /// The peer's IP address as text; made once per connection, for hooks and logs.
    pub ip: Arc<str>,
    /// `None` for cleartext.
    pub tls: Option<Tls>,
    /// The average rate that a request's body must have while it is waited for. 0 disables the check.
    pub upload_bytes_per_s: usize,
    /// Sends responses 1xx. `None` if the client's protocol has no way for them.
    pub interim: Option<Interim>,
    /// Allows a response to pause for long. `None` without a connection.
    pub stillness: Option<Stillness>,
}

/// What a listening socket is for, as whoever bound it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    Sites,
    Api,
}

/// What a TLS handshake agreed on, as the access log names it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    pub cipher: &'static str,
    pub sni: Option<Arc<str>>,
    /// The hosts of the certificate that the client was shown.
    pub hosts: Arc<[String]>,
}

impl Tls {
    /// Whether the certificate that the client was shown is for this host.
    pub fn covers(&self, host: &str) -> bool {
        self.hosts.iter().any(|covered| covered.eq_ignore_ascii_case(host) || tls::covers(covered, host))
    }
}
