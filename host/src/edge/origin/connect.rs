//! I make connections to origins: addresses, TCP, TLS, under one deadline per attempt.

use std::hash::{Hash, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::edge::origin::{FetchError, Target, want};

/// Which connections may be shared: same address, same trust.
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    tls: Option<Trust>,
    reach: Reach,
}

/// Where an endpoint's name may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// The operator wrote it down.
    Anywhere,
    /// A hook made it up: it must not lead into the operator's network.
    Public,
}

struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The extra certificates, for equality.
    ca: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn new(host: &str, port: u16, tls: bool, ca: Option<&Path>, reach: Reach) -> anyhow::Result<Endpoint> {
        let tls = if tls { Some(Trust::new(host, ca)?) } else { None };
        Ok(Endpoint { host: host.to_owned(), port, tls, reach })
    }

    /// Stands for an address that is still to be set.
    pub(crate) fn nowhere() -> Endpoint {
        Endpoint { host: String::new(), port: 0, tls: None, reach: Reach::Public }
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn address(&self) -> (String, u16, bool) {
        (self.host.clone(), self.port, self.is_tls())
    }

    fn ca(&self) -> &[u8] {
        self.tls.as_ref().map_or(&[], |tls| &tls.ca)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Endpoint) -> bool {
        std::ptr::eq(self, other)
            || (self.port == other.port
                && self.host == other.host
                && self.is_tls() == other.is_tls()
                && self.reach == other.reach
                && self.ca() == other.ca())
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.host.hash(state);
        self.port.hash(state);
    }
}

impl Trust {
    fn new(host: &str, ca: Option<&Path>) -> anyhow::Result<Trust> {
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("`{host}` is not a name for TLS"))?;
        let Some(path) = ca else {
            static PUBLIC: OnceLock<Arc<ClientConfig>> = OnceLock::new();
            let config = match PUBLIC.get() {
                Some(config) => config.clone(),
                None => {
                    let config = client(public_roots())?;
                    PUBLIC.get_or_init(|| config).clone()
                }
            };
            return Ok(Trust { config, name, ca: Vec::new() });
        };
        let ca = std::fs::read(path).with_context(|| format!("cannot read CA certificates from {}", path.display()))?;
        let mut roots = public_roots();
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate.context("CA certificate")?).context("CA certificate")?;
        }
        Ok(Trust { config: client(roots)?, name, ca })
    }
}

fn client(roots: RootCertStore) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The system's certificates and Mozilla's: a container without the first still reaches the internet.
fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A certificate that cannot be used for TLS is of no concern here.
        let _ = roots.add(certificate);
    }
    roots
}

/// Tries up to `connect_attempts` times, each within `connect_timeout`.
pub(crate) async fn connect(target: &Target) -> Result<Stream, FetchError> {
    let mut last = FetchError::ConnectTimeout(target.connect_timeout);
    for _ in 0..target.connect_attempts {
        last = match tokio::time::timeout(target.connect_timeout, attempt(&target.endpoint)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error @ (FetchError::Forbidden(_) | FetchError::Exhausted(_)))) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => FetchError::ConnectTimeout(target.connect_timeout),
        };
    }
    Err(last)
}

async fn attempt(endpoint: &Endpoint) -> Result<Stream, FetchError> {
    let unreachable = |error: io::Error| FetchError::Unreachable(format!("{}:{}: {error}", endpoint.host, endpoint.port));
    let addresses: Vec<SocketAddr> = match endpoint.host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, endpoint.port)],
        Err(_) => match tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) if want::is_own(&error) || want::is_out_of_descriptors() => return Err(FetchError::Exhausted(error)),
            Err(error) => return Err(unreachable(error)),
        },
    };
    let mut last = unreachable(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in addresses {
        // Checked on what the name leads to, not on the name: it may be the attacker's.
        if endpoint.reach == Reach::Public && !is_public(address.ip()) {
            last = FetchError::Forbidden(address.to_string());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true);
                let Some(tls) = &endpoint.tls else { return Ok(Stream::Plain(tcp)) };
                let connecting = TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), tcp);
                return Ok(Stream::Tls(Box::new(connecting.await.map_err(unreachable)?)));
            }
            Err(error) if want::is_own_of(&error, address) => return Err(FetchError::Exhausted(error)),
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

/// Whether an address is one of the internet's, as far as its number tells.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            // Only global unicast; of that, not what wraps an IPv4 address (NAT64 is 64:ff9b, 6to4 is 2002).
            (segments[0] & 0xe000) == 0x2000 && segments[0] != 0x2002 && !(segments[0] == 0x2001 && segments[1] < 0x200)
        }
    }
}

/// A connection's bytes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Of the other end.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let tcp = match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        tcp.peer_addr().ok()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self {
            // A request without a body is one piece, and `write` is the cheaper call.
            Stream::Plain(stream) if let [only] = bytes => Pin::new(stream).poll_write(cx, only),
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Stream::Plain(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_operators_network_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "::",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
