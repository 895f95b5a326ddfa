//! The other end of a connection, as a request's handler sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::interim::Interim;
use crate::net::stillness::Stillness;
use crate::net::tls;

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
