//! What is known of a request until its response has ended: for metrics, the access log and the trace.
//!
//! Dropping the record is the end of the request, however it ends.

pub(crate) mod tally;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Version, response};

use crate::edge::node::Node;
use crate::edge::record::tally::Tally;
use crate::edge::request::head::RequestHead;
use crate::edge::request::id::RequestId;
use crate::edge::site::Site;
use crate::net::{Client, Side};
use crate::telemetry::{Line, Occasion, ResultType, Timestamp, Trace};

pub(crate) struct RequestRecord {
    pub(crate) node: Arc<Node>,
    pub(crate) id: RequestId,
    client: Arc<Client>,
    pub(crate) method: Method,
    pub(crate) version: Version,
    started: Instant,
    pub(crate) site: Option<Arc<Site>>,
    /// As the client sent it.
    target: Option<PathAndQuery>,
    pub(crate) tally: Tally,
    seen: Option<LoggedHeaders>,
    answer: Option<AnswerSummary>,
    bytes: u64,
    /// `Some` for a tunnel.
    bytes_received: Option<u64>,
    end: RequestEnd,
    /// `None` if it is not traced.
    pub(crate) trace: Option<Box<Trace>>,
    /// The answer's `Cache-Status`; only kept for the trace.
    cache_status: Option<HeaderValue>,
}

/// Headers as the client sent them; only kept for the log. Cheap: values are shared, not copied.
struct LoggedHeaders {
    headers: [Option<HeaderValue>; 5],
}

struct AnswerSummary {
    status: StatusCode,
    result: ResultType,
    /// Time to the head of the answer; only measured for the log and for tunnels.
    after: Duration,
    content_type: Option<HeaderValue>,
    content_length: Option<u64>,
    /// First and last byte of a partial body.
    range: Option<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestEnd {
    Complete,
    OriginBroke,
    ClientLeft,
}

impl RequestRecord {
    pub(crate) fn open<B>(node: Arc<Node>, client: Arc<Client>, request: &Request<B>) -> Box<RequestRecord> {
        node.metrics.opened();
        let trace = node.tracer.as_ref().and_then(|tracer| {
            let parent = request.headers().get("traceparent");
            tracer.begin(parent.map(HeaderValue::as_bytes))
        });
        Box::new(RequestRecord {
            node,
            id: RequestId::next(),
            client,
            method: request.method().clone(),
            version: request.version(),
            started: Instant::now(),
            site: None,
            target: None,
            tally: Tally::default(),
            seen: None,
            answer: None,
            bytes: 0,
            bytes_received: None,
            end: RequestEnd::ClientLeft,
            trace,
            cache_status: None,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn saw(&mut self, head: &RequestHead) {
        self.target = Some(head.target.clone());
        if self.node.access.is_some() || self.trace.is_some() {
            let names = [
                header::HOST,
                header::REFERER,
                header::USER_AGENT,
                header::COOKIE,
                header::HeaderName::from_static("x-forwarded-for"),
            ];
            self.seen = Some(LoggedHeaders { headers: names.map(|name| head.headers.get(name).cloned()) });
        }
    }

    pub(crate) fn answered(&mut self, response: &response::Parts, result: ResultType) {
        if self.trace.is_some() {
            self.cache_status = response.headers.get_all("cache-status").iter().next_back().cloned();
        }
        let logged = self.node.access.is_some();
        let value = |name| response.headers.get(name).filter(|_| logged);
        self.answer = Some(AnswerSummary {
            status: response.status,
            result,
            after: if logged || self.bytes_received.is_some() { self.started.elapsed() } else { Duration::ZERO },
            content_type: value(header::CONTENT_TYPE).cloned(),
            content_length: value(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()),
            range: value(header::CONTENT_RANGE).and_then(range),
        });
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The request goes on as a tunnel, whose end is no failure unless one is reported.
    pub(crate) fn switched(&mut self) {
        self.bytes_received = Some(0);
        self.end = RequestEnd::Complete;
    }

    pub(crate) fn received(&mut self, bytes: u64) {
        self.bytes_received = self.bytes_received.map(|before| before + bytes);
    }

    pub(crate) fn tunnel_broke(&mut self, side: Side) {
        self.end = if side == Side::Viewer { RequestEnd::ClientLeft } else { RequestEnd::OriginBroke };
    }

    pub(crate) fn complete(&mut self) {
        self.end = RequestEnd::Complete;
    }

    pub(crate) fn broke(&mut self, error: &anyhow::Error) {
        self.end = RequestEnd::OriginBroke;
        let cause = &format_args!("response broke off: {error:#}");
        let occasion = Occasion { category: "response-broke", cause, ..self.occasion() };
        match self.tally.origin() {
            Some(origin) => origin.broke(occasion),
            None => self.node.metrics.broke(occasion),
        }
    }

    /// What the log says of the request, whatever happens to it.
    pub(crate) fn occasion(&self) -> Occasion<'_> {
        Occasion {
            site: self.site.as_ref().map_or("", |site| &site.name),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            request_id: self.id.as_str(),
            category: "",
            cause: &"",
        }
    }

    /// Finishes the request's own span, with the names of the semantic conventions for HTTP servers.
    fn finish(&self, trace: Trace) {
        trace.finish(self.method.as_str(), |span| {
            let seen = self.seen.as_ref();
            let header = |i: usize| seen.and_then(|seen| seen.headers[i].as_ref()?.to_str().ok());
            span.text("http.request.method", self.method.as_str());
            span.text("url.scheme", if self.client.tls.is_some() { "https" } else { "http" });
            if let Some(target) = &self.target {
                span.text("url.path", target.path());
            }
            if let Some(host) = header(0) {
                span.text("server.address", host);
            }
            if let Some(agent) = header(2) {
                span.text("user_agent.original", agent);
            }
            span.text("client.address", &self.client.ip);
            span.number("client.port", u64::from(self.client.peer.port()));
            span.text(
                "network.protocol.version",
                match self.version {
                    Version::HTTP_2 => "2",
                    Version::HTTP_10 => "1.0",
                    _ => "1.1",
                },
            );
            span.text("edgeward.request_id", self.id.as_str());
            if let Some(site) = &self.site {
                span.text("edgeward.site", &site.name);
            }
            if let Some(status) = self.cache_status.as_ref().and_then(|status| status.to_str().ok()) {
                span.text("edgeward.cache.status", status);
            }
            let Some(answer) = &self.answer else { return span.fail("client-left") };
            span.number("http.response.status_code", u64::from(answer.status.as_u16()));
            span.text("edgeward.result", answer.result.name());
            match self.end {
                _ if answer.status.is_server_error() => span.fail(answer.status.as_str()),
                RequestEnd::Complete => {}
                RequestEnd::OriginBroke => span.fail("origin-broke"),
                RequestEnd::ClientLeft => span.fail("client-left"),
            }
        });
    }

    fn log(&self, seconds: f64) {
        let (Some(access), Some(answer)) = (&self.node.access, &self.answer) else { return };
        let (seen, tally) = (self.seen.as_ref(), &self.tally);
        let (origin, asked, called) = (tally.origin(), tally.tries() > 0, tally.calls() > 0);
        let headers = seen.map(|seen| seen.headers.each_ref().map(|value| value.as_ref().map(escaped)));
        let header = |i: usize| headers.as_ref().and_then(|headers| headers[i].as_deref());
        let content_type = answer.content_type.as_ref().map(escaped);
        let result = answer.result.name();
        let referer = header(1).map(|referer| access.shown(referer));
        let line = Line {
            timestamp: Timestamp::now(),
            location: &self.node.location,
            bytes_sent: self.bytes,
            bytes_received: self.bytes_received,
            client_ip: &self.client.ip,
            client_port: self.client.peer.port(),
            method: self.method.as_str(),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            query: self.target.as_ref().and_then(PathAndQuery::query).map(|query| access.shown_query(query)),
            status: answer.status.as_u16(),
            host: header(0).unwrap_or_default(),
            referer: referer.as_deref(),
            user_agent: header(2),
            cookie: header(3),
            forwarded_for: header(4),
            result: if self.end == RequestEnd::Complete { result } else { ResultType::Error.name() },
            response_result: result,
            detailed_result: match self.end {
                RequestEnd::Complete => result,
                RequestEnd::OriginBroke => "OriginCommError",
                RequestEnd::ClientLeft => "ClientCommError",
            },
            request_id: self.id.as_str(),
            site: self.site.as_ref().map_or("", |site| &site.name),
            protocol: if self.client.tls.is_some() { "https" } else { "http" },
            protocol_version: match self.version {
                Version::HTTP_2 => "HTTP/2.0",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            seconds,
            first_byte_seconds: answer.after.as_secs_f64(),
            tls_protocol: self.client.tls.as_ref().map(|tls| tls.protocol),
            tls_cipher: self.client.tls.as_ref().map(|tls| tls.cipher),
            content_type: content_type.as_deref(),
            content_length: answer.content_length,
            range_start: answer.range.map(|(first, _)| first),
            range_end: answer.range.map(|(_, last)| last),
            origin: origin.as_ref().map(|origin| origin.name()),
            origin_address: tally.address(),
            origin_connect_seconds: tally.connect().map(|connect| connect.as_secs_f64()),
            origin_first_byte_seconds: tally.first_byte().map(|after| after.as_secs_f64()),
            origin_tries: asked.then(|| tally.tries()),
            origin_failovers: asked.then(|| tally.failovers()),
            function_calls: called.then(|| tally.calls()),
            function_seconds: called.then(|| tally.in_functions().as_secs_f64()),
        };
        access.log.write(&line, &access.fields);
    }
}

/// As in CloudFront's log: bytes that are not printable ASCII are percent-encoded, and the others are kept.
fn escaped(value: &HeaderValue) -> Cow<'_, str> {
    if let Ok(text) = value.to_str() {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(value.len() + 32);
    for &byte in value.as_bytes() {
        if byte.is_ascii_graphic() || byte == b' ' {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

/// `bytes FIRST-LAST/LENGTH`; `None` for `bytes */LENGTH` (RFC 9110 section 14.4).
fn range(content_range: &HeaderValue) -> Option<(u64, u64)> {
    let (first, rest) = content_range.to_str().ok()?.strip_prefix("bytes ")?.split_once('-')?;
    Some((first.parse().ok()?, rest.split_once('/')?.0.parse().ok()?))
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.node.metrics.closed();
        match (&self.site, &self.answer) {
            (Some(site), Some(answer)) => {
                let result = if self.end == RequestEnd::Complete { answer.result } else { ResultType::Error };
                // How long a tunnel lasts does not show how fast the edge is.
                let seconds = if self.bytes_received.is_some() { answer.after.as_secs_f64() } else { seconds };
                site.metrics.answered(answer.status.as_u16(), result, seconds, self.bytes);
            }
            (_, None) => self.node.metrics.refused("client-left"),
            (None, Some(_)) => {}
        }
        self.log(seconds);
        if let Some(trace) = self.trace.take() {
            self.finish(*trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_ascii_hides_none_of_the_others() {
        for (value, text) in [
            (&b"curl/8 (x; y) 100%"[..], "curl/8 (x; y) 100%"),
            (b"caf\xc3\xa9 \xff", "caf%C3%A9 %FF"),
            (b"a\tb", "a\tb"),
            (b"\xe9\"\\", "%E9\"\\"),
            (b"", ""),
        ] {
            assert_eq!(escaped(&HeaderValue::from_bytes(value).unwrap()), text);
        }
    }
}
