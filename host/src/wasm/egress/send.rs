//! One outgoing HTTP/1.1 request of a guest: check, wait for a permit, resolve, check again, connect, send.
//!
//! The call's deadline bounds all of it; the guest's own timeouts (`request-options`) can only be shorter.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use crate::limits::egress::{CONNECT_MS, HEAD_BYTES, HEADERS, READ_MS};
use crate::loops;
use crate::network::{HostPort, NetworkHost};
use crate::wasm::egress::connections::{Permit, Permitted};
use crate::wasm::egress::policy::{Egress, EgressDenial};
use crate::wasm::worker::output::FunctionLog;

/// A response, and the future that drives its connection.
pub(super) type DrivenResponse = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// The timeouts if the guest sets none; the call's deadline is shorter by default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(CONNECT_MS);
const READ_TIMEOUT: Duration = Duration::from_millis(READ_MS);

pub(super) async fn send(
    egress: Arc<Egress>,
    log: FunctionLog,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<DrivenResponse, Error> {
    let (target, tls) = match destination(&egress, request.uri()) {
        Ok(destination) => destination,
        Err(DestinationError::Unreadable) => return Err(Error::HttpRequestUriInvalid),
        Err(DestinationError::By(refusal)) => {
            egress.refuse(&refusal, &log);
            return Err(match refusal {
                EgressDenial::Authority { .. } => Error::HttpRequestUriInvalid,
                _ => Error::HttpRequestDenied,
            });
        }
    };
    let request = in_origin_form(request, &target, tls)?;
    let connect_timeout = options.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let Ok(permit) = timeout(connect_timeout, egress.connections.permit()).await else {
        egress.exhausted(&log);
        return Err(Error::ConnectionLimitReached);
    };
    let connected = match timeout(connect_timeout, connect(&egress, &log, permit, &target, tls)).await {
        Ok(connected) => connected,
        Err(_) => Err(Error::ConnectionTimeout),
    };
    let sent = match connected {
        Ok(stream) => exchange(stream, request, options).await,
        Err(error) => Err(error),
    };
    match &sent {
        Ok(_) => egress.metrics.egress("ok"),
        // Counted and logged where they were refused.
        Err(Error::HttpRequestDenied | Error::DestinationIpProhibited) => {}
        Err(error) => {
            egress.metrics.egress("failed");
            log.line(&format!("network: {target}: {error}"));
        }
    }
    sent
}

/// Why a request is not sent.
enum DestinationError {
    /// Without a host, or with another scheme; wasi:http refuses that earlier.
    Unreadable,
    By(EgressDenial),
}

/// Where a request goes, and whether by TLS.
fn destination(egress: &Egress, uri: &Uri) -> Result<(HostPort, bool), DestinationError> {
    let authority = uri.authority().ok_or(DestinationError::Unreadable)?;
    let tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(DestinationError::Unreadable),
    };
    let target = egress.check(authority.as_str(), default_port(tls)).map_err(DestinationError::By)?;
    Ok((target, tls))
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Rewrites the target to origin form: only a request to a proxy has scheme and authority. `Host` is set to the
/// destination, whatever the guest wrote.
fn in_origin_form(mut request: Request<WasiBody>, target: &HostPort, tls: bool) -> Result<Request<WasiBody>, Error> {
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let path = match request.uri().path() {
        "" => format!("/{query}"),
        path if path.starts_with('/') => format!("{path}{query}"),
        _ => return Err(Error::HttpRequestUriInvalid),
    };
    let path = PathAndQuery::from_maybe_shared(path).map_err(|_| Error::HttpRequestUriInvalid)?;
    *request.uri_mut() = Uri::from(path);
    let host = HeaderValue::from_maybe_shared(target.authority(default_port(tls)));
    request.headers_mut().insert(header::HOST, host.map_err(|_| Error::HttpRequestUriInvalid)?);
    // Even if the guest removes it: a request that loops back here is refused.
    loops::mark(request.headers_mut());
    Ok(request)
}

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

async fn connect(
    egress: &Egress,
    log: &FunctionLog,
    permit: Permit,
    target: &HostPort,
    tls: bool,
) -> Result<Box<dyn ByteStream>, Error> {
    let (addresses, name) = match &target.host {
        // Granted as an address: no resolver is asked.
        NetworkHost::Address(address) => (vec![SocketAddr::new(*address, target.port)], ServerName::from(*address)),
        NetworkHost::Name(name) => {
            let addresses = resolve(egress, log, name, target.port).await?;
            (addresses, ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?)
        }
    };
    let stream = connect_any(permit, &addresses).await?;
    if !tls {
        return Ok(Box::new(stream));
    }
    let connector = tokio_rustls::TlsConnector::from(TLS.clone());
    Ok(Box::new(connector.connect(name, stream).await.map_err(Error::Tls)?))
}

/// Resolves a granted name to the addresses that it may lead to.
async fn resolve(egress: &Egress, log: &FunctionLog, name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let resolved = egress.lookup(name, port).await;
    let resolved = resolved.map_err(|error| Error::DnsError { rcode: Some(error.to_string()), info_code: None })?;
    egress.check_addresses(name, resolved.into_iter()).map_err(|refusal| {
        egress.refuse(&refusal, log);
        Error::DestinationIpProhibited
    })
}

/// Connects to the first of these addresses that accepts.
async fn connect_any(permit: Permit, addresses: &[SocketAddr]) -> Result<Permitted, Error> {
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(Error::Connect)?;
                return Ok(Permitted { stream, _permit: permit });
            }
            Err(error) => last = Error::Connect(error),
        }
    }
    Err(last)
}

/// The public certificate authorities.
static TLS: LazyLock<Arc<rustls::ClientConfig>> = LazyLock::new(|| {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("ring offers the default versions of TLS").with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
});

async fn exchange(
    stream: Box<dyn ByteStream>,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<DrivenResponse, Error> {
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut connection = Some(Box::pin(connection));
    let mut sending = pin!(timeout(options.first_byte_timeout.unwrap_or(READ_TIMEOUT), sender.send_request(request)));
    // The connection makes progress only while it is polled, so both are polled until the response's head arrives.
    let response = std::future::poll_fn(|cx| {
        if let Some(open) = connection.as_mut()
            && let Poll::Ready(ended) = open.as_mut().poll(cx)
        {
            connection = None;
            if let Err(error) = ended {
                return Poll::Ready(Err(Error::from(error)));
            }
        }
        sending.as_mut().poll(cx).map(|sent| match sent {
            Ok(response) => response.map_err(Error::from),
            Err(_) => Err(Error::ConnectionReadTimeout),
        })
    });
    let response = response.await?;
    let between_bytes = options.between_bytes_timeout.unwrap_or(READ_TIMEOUT);
    let response =
        response.map(|body| Received { body, between_bytes, timer: Box::pin(tokio::time::sleep(between_bytes)) }.boxed_unsync());
    let rest = async move {
        match connection {
            Some(connection) => connection.await.map_err(Error::from),
            None => Ok(()),
        }
    };
    Ok((response, Box::new(rest)))
}

/// A response's body that fails if it pauses for too long.
struct Received {
    body: Incoming,
    between_bytes: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let next = Instant::now() + self.between_bytes;
            self.timer.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
