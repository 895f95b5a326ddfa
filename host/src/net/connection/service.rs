//! The service that hyper calls for each request: the handler, within an exchange of the connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HOST};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use pin_project_lite::pin_project;

use crate::net::body::ExchangeBody;
use crate::net::client::Client;
use crate::net::guard::Protocol;
use crate::net::interim::Interim;
use crate::net::state::{ConnectionState, ExchangeGuard};
use crate::net::sweep::OpenConnection;
use crate::net::tunnel::Switch;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes the service of one connection.
pub(super) fn service<H, F, B>(
    handler: Rc<H>,
    client: Client,
    protocol: Protocol,
    entry: &OpenConnection,
) -> impl Service<Request<Incoming>, Response = Response<ExchangeBody<B>>, Error = Infallible, Future = Answering<F>> + use<H, F, B>
where
    H: Fn(Arc<Client>, Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body,
{
    let (state, metrics) = (entry.state().clone(), entry.metrics().clone());
    // Shared by the requests of this connection.
    let client = Arc::new(client);
    service_fn(move |mut request: Request<Incoming>| {
        let exchange = state.exchange();
        metrics.request(protocol == Protocol::Http2);
        set_host_from_target(&mut request);
        if protocol == Protocol::Http1 {
            restore_asterisk(&mut request, &state);
        }
        let interim = client.interim.clone();
        Answering {
            answer: handler(client.clone(), request),
            exchange: Some(exchange),
            may_say_close: protocol == Protocol::Http1,
            interim,
        }
    })
}

pin_project! {
    /// The handler's future, within its exchange. An async block would hold the handler's future twice.
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        exchange: Option<ExchangeGuard>,
        // HTTP/1.1 has a header for it, HTTP/2 a frame.
        may_say_close: bool,
        interim: Option<Interim>,
    }
}

impl<B, F: Future<Output = Response<B>>> Future for Answering<F> {
    type Output = Result<Response<ExchangeBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(cx));
        let exchange = this.exchange.take();
        if let (Some(interim), Some(exchange)) = (this.interim, &exchange)
            && exchange.is_unflushed()
        {
            // Interim responses that could not be sent before this response are dropped.
            drop(interim.take());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(tunnel) = response.extensions_mut().remove::<Switch>().and_then(Switch::take)
            && let Some(exchange) = &exchange
        {
            exchange.switch(tunnel);
        } else if *this.may_say_close && exchange.as_ref().is_some_and(ExchangeGuard::is_last) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| ExchangeBody::new(body, exchange))))
    }
}

/// `OPTIONS http://example.com` is `OPTIONS *` of that host (RFC 9112 section 3.2.4), but `http::Uri` reads `/`.
fn restore_asterisk(request: &mut Request<Incoming>, state: &ConnectionState) {
    if request.method() == Method::OPTIONS && request.uri().authority().is_some() {
        let is_web = request.uri().scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        if state.is_about_the_server() && is_web {
            *request.uri_mut() = Uri::from_static("*");
        }
    }
}

/// Sets Host to the authority of the request's target, if it has one (HTTP/2, or an absolute URL in HTTP/1.1): it
/// overrides the header (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn set_host_from_target(request: &mut Request<Incoming>) {
    let Some(authority) = request.uri().authority() else { return };
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        // The handler refuses a request with two Host fields; they are not merged here.
        return;
    }
    // User information has no place in Host (RFC 9110 §4.2.4).
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        debug_assert!(request.version() >= Version::HTTP_10);
        request.headers_mut().insert(HOST, host);
    }
}
