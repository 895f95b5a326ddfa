//! A connection to an HTTP server: name, socket, TLS, each within the connect timeout.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{FetchError, Url};

/// A stream to an origin.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects, trying again as often as is configured.
pub(super) async fn connect(url: &Url) -> Result<Stream, FetchError> {
    let mut last = None;
    for _ in 0..url.connect_attempts.max(1) {
        match tokio::time::timeout(url.connect_timeout, once(url)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(FetchError::ConnectTimeout { host: url.host.clone(), ms: url.connect_timeout.as_millis() }),
        }
    }
    Err(last.expect("at least one attempt was made"))
}

async fn once(url: &Url) -> Result<Stream, FetchError> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = tokio::net::lookup_host((host, url.port)).await;
    let addresses = addresses.map_err(|error| FetchError::Resolve { host: url.host.clone(), why: error.to_string() })?;
    let mut last = FetchError::Resolve { host: url.host.clone(), why: "no address".to_owned() };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return secure(url, host, stream).await;
            }
            Err(error) => last = FetchError::Connect { address: address.to_string(), why: error.to_string() },
        }
    }
    Err(last)
}

async fn secure(url: &Url, host: &str, stream: TcpStream) -> Result<Stream, FetchError> {
    let Some(config) = &url.tls else { return Ok(Stream::Tcp(stream)) };
    let failed = |why: String| FetchError::Tls { host: url.host.clone(), why };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// TLS settings by CA file. The public roots are read when the first `https` origin needs them.
#[derive(Default)]
pub struct TlsClients {
    public: OnceLock<Arc<ClientConfig>>,
    private: BTreeMap<PathBuf, Arc<ClientConfig>>,
}

impl TlsClients {
    /// The operating system's roots, or Mozilla's where it has none.
    pub(in crate::edge) fn public(&self) -> Arc<ClientConfig> {
        let make = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            client(roots)
        };
        self.public.get_or_init(make).clone()
    }

    /// The CAs of one PEM file, and no others.
    pub(in crate::edge) fn private(&mut self, file: &Path) -> anyhow::Result<Arc<ClientConfig>> {
        if let Some(known) = self.private.get(file) {
            return Ok(known.clone());
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))? {
            let certificate = certificate.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
            roots.add(certificate).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        }
        anyhow::ensure!(!roots.is_empty(), "{}: no certificate in it", file.display());
        let config = client(roots);
        self.private.insert(file.to_owned(), config.clone());
        Ok(config)
    }
}

fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has cipher suites for the default versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Stream::Tcp(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
