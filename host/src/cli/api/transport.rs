//! Connections to the API: HTTP/1.1 in clear text, or over TLS with the roots of this machine, or those of `AWS_CA_BUNDLE`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::limits::sam::CONNECT_MS;

/// An address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiEndpoint {
    tls: bool,
    host: String,
    port: u16,
    /// As `Host` has it.
    pub(super) authority: String,
}

/// An open connection; its task ends with it.
pub(super) struct ApiConnection {
    pub(super) sender: SendRequest<Full<Bytes>>,
}

impl fmt::Display for ApiEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl ApiEndpoint {
    pub(super) fn parse(text: &str) -> Result<ApiEndpoint, &'static str> {
        let uri: http::Uri = text.parse().map_err(|_| "it cannot be read")?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("it begins with neither http:// nor https://"),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err("a host, with a port if need be, is all it has");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(ApiEndpoint { tls, host, port, authority: authority.as_str().to_owned() })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<ApiConnection> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
            let stream = stream.with_context(|| "nothing listens there; `edgeward serve --api ADDRESS` serves the API")?;
            stream.set_nodelay(true)?;
            if self.tls { opened(self.secured(stream).await?).await } else { opened(stream).await }
        };
        let limited = tokio::time::timeout(Duration::from_millis(CONNECT_MS), connecting).await;
        limited.unwrap_or_else(|_| Err(anyhow::anyhow!("no connection within {CONNECT_MS} ms")))
    }

    async fn secured(&self, stream: TcpStream) -> anyhow::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        let mut roots = RootCertStore::empty();
        match std::env::var_os("AWS_CA_BUNDLE").filter(|bundle| !bundle.is_empty()) {
            Some(bundle) => {
                let read = CertificateDer::pem_file_iter(&bundle).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                let read = read.with_context(|| format!("cannot read AWS_CA_BUNDLE, {}", Path::new(&bundle).display()))?;
                roots.add_parsable_certificates(read);
            }
            // One that cannot be read is as good as none: the handshake says whether another will do.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(self.host.clone()).context("the host is no name of a server")?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}

async fn opened(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> anyhow::Result<ApiConnection> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped; what goes wrong, the sender is told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(ApiConnection { sender })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_and_a_host() {
        let shown =
            |text: &str| ApiEndpoint::parse(text).map(|endpoint| format!("{endpoint} {} {}", endpoint.host, endpoint.port));
        assert_eq!(shown("http://127.0.0.1:9000").unwrap(), "http://127.0.0.1:9000 127.0.0.1 9000");
        assert_eq!(shown("https://[::1]/").unwrap(), "https://[::1] ::1 443");
        for wrong in ["127.0.0.1:9000", "ftp://a", "http://a/b", "http://u@a", "", "http://a?b"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
