//! Makes connections to origins: resolves names, connects, speaks TLS; each attempt has one deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::edge::origin::endpoint::{Endpoint, Reach};
use crate::edge::origin::error::FetchError;
use crate::edge::origin::exhausted;
use crate::edge::origin::server::OriginServer;

/// Tries up to `connect_attempts` times, each within `connect_timeout`.
pub(crate) async fn connect(server: &OriginServer) -> Result<OriginStream, FetchError> {
    let mut last = FetchError::ConnectTimeout(server.connect_timeout);
    for _ in 0..server.connect_attempts {
        last = match tokio::time::timeout(server.connect_timeout, attempt(&server.endpoint)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error @ (FetchError::Forbidden(_) | FetchError::Exhausted(_)))) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => FetchError::ConnectTimeout(server.connect_timeout),
        };
    }
    Err(last)
}

async fn attempt(endpoint: &Endpoint) -> Result<OriginStream, FetchError> {
    let (host, port) = (endpoint.address().host(), endpoint.address().port());
    let unreachable = |error: io::Error| FetchError::Unreachable(format!("{host}:{port}: {error}"));
    let addresses: Vec<SocketAddr> = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) if exhausted::is_own(&error) || exhausted::is_out_of_descriptors() => {
                return Err(FetchError::Exhausted(error));
            }
            Err(error) => return Err(unreachable(error)),
        },
    };
    let mut last = unreachable(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in addresses {
        // The resolved address is checked, not the name, whose owner may be the attacker.
        if endpoint.reach() == Reach::Public && !is_public(address.ip()) {
            last = FetchError::Forbidden(address.to_string());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true);
                let Some(trust) = endpoint.trust() else { return Ok(OriginStream::Plain(tcp)) };
                let connecting = TlsConnector::from(trust.config.clone()).connect(trust.name.clone(), tcp);
                return Ok(OriginStream::Tls(Box::new(connecting.await.map_err(unreachable)?)));
            }
            Err(error) if exhausted::is_own_of(&error, address) => return Err(FetchError::Exhausted(error)),
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

/// Whether an address belongs to the public internet, as far as its number tells.
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
pub(crate) enum OriginStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl OriginStream {
    /// The other end's address.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let tcp = match self {
            OriginStream::Plain(tcp) => tcp,
            OriginStream::Tls(tls) => tls.get_ref().0,
        };
        tcp.peer_addr().ok()
    }
}

impl AsyncRead for OriginStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            OriginStream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for OriginStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            OriginStream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self {
            // A request without a body is one piece, for which `write` is cheaper.
            OriginStream::Plain(stream) if let [only] = bytes => Pin::new(stream).poll_write(cx, only),
            OriginStream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            OriginStream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, OriginStream::Plain(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            OriginStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            OriginStream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
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
