//! HTTP requests from an origin hook, through `wasi:http` 0.2.
//!
//! One blocking call, for the short questions that a hook asks: may this client pass, what does the database
//! say. The function needs the host in its `network` list; the component is built for `wasm32-wasip2`.

use std::fmt;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::streams::StreamError;

/// A question to another service.
#[derive(Debug)]
pub struct Fetch<'a> {
    method: Method,
    tls: bool,
    authority: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
    timeout_ms: u64,
    body_bytes_max: usize,
}

/// What it said.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers: name and value, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// The request cannot be put into words: an invalid method, authority, path or header.
    Invalid,
    /// The service did not answer.
    Http(ErrorCode),
    /// The body broke off.
    Broken,
    /// The body is larger than asked for.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid => f.write_str("the request is not valid HTTP"),
            Error::Http(code) => write!(f, "no answer: {code:?}"),
            Error::Broken => f.write_str("the body broke off"),
            Error::TooLarge => f.write_str("the body is too large"),
        }
    }
}

impl std::error::Error for Error {}

impl<'a> Fetch<'a> {
    /// A GET request for a path (with its query) at `host` or `host:port`, in cleartext, with a second to
    /// answer and a megabyte at most.
    pub fn get(authority: &'a str, path: &'a str) -> Fetch<'a> {
        Fetch {
            method: Method::Get,
            tls: false,
            authority,
            path,
            headers: Vec::new(),
            body: &[],
            timeout_ms: 1_000,
            body_bytes_max: 1 << 20,
        }
    }

    /// As `get`, with POST and a body.
    pub fn post(authority: &'a str, path: &'a str, body: &'a [u8]) -> Fetch<'a> {
        Fetch { method: Method::Post, body, ..Fetch::get(authority, path) }
    }

    /// Over TLS.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.headers.push((name, value.as_ref()));
        self
    }

    /// How long connecting, the head, and each part of the body may take.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// How large the answer's body may be.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Asks, and waits for the whole answer.
    pub fn send(self) -> Result<Answer, Error> {
        let fields = Fields::new();
        for (name, value) in &self.headers {
            fields.append(name, value).map_err(|_| Error::Invalid)?;
        }
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            fields.append("content-length", length.as_bytes()).map_err(|_| Error::Invalid)?;
        }
        let request = OutgoingRequest::new(fields);
        let scheme = if self.tls { Scheme::Https } else { Scheme::Http };
        request.set_method(&self.method).map_err(|()| Error::Invalid)?;
        request.set_scheme(Some(&scheme)).map_err(|()| Error::Invalid)?;
        request.set_authority(Some(self.authority)).map_err(|()| Error::Invalid)?;
        request.set_path_with_query(Some(self.path)).map_err(|()| Error::Invalid)?;

        let timeout = Some(self.timeout_ms.saturating_mul(1_000_000));
        let options = RequestOptions::new();
        // A host that cannot keep one of them says so; its own deadline still holds.
        let _ = options.set_connect_timeout(timeout);
        let _ = options.set_first_byte_timeout(timeout);
        let _ = options.set_between_bytes_timeout(timeout);

        let body = request.body().map_err(|()| Error::Invalid)?;
        let pending = outgoing_handler::handle(request, Some(options)).map_err(Error::Http)?;
        write(body, self.body)?;
        pending.subscribe().block();
        let response = pending.get().and_then(Result::ok).ok_or(Error::Broken)?.map_err(Error::Http)?;
        read(&response, self.body_bytes_max)
    }
}

fn write(body: OutgoingBody, data: &[u8]) -> Result<(), Error> {
    if !data.is_empty() {
        let stream = body.write().map_err(|()| Error::Broken)?;
        // The most that one blocking write takes.
        for part in data.chunks(4_096) {
            stream.blocking_write_and_flush(part).map_err(|_| Error::Broken)?;
        }
    }
    OutgoingBody::finish(body, None).map_err(Error::Http)
}

fn read(response: &IncomingResponse, body_bytes_max: usize) -> Result<Answer, Error> {
    let (status, headers) = (response.status(), response.headers().entries());
    let incoming = response.consume().map_err(|()| Error::Broken)?;
    let stream = incoming.stream().map_err(|()| Error::Broken)?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(65_536) {
            Ok(part) => body.extend_from_slice(&part),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(Error::Broken),
        }
        if body.len() > body_bytes_max {
            return Err(Error::TooLarge);
        }
    }
    Ok(Answer { status, headers, body })
}
