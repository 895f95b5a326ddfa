//! The access log: one line of JSON for each request on standard output, with CloudFront's field names.
//! Everything else that is logged goes to standard error.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde::Serialize;

/// What became of a request (`x-edge-result-type`, and the first word of `X-Cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    Miss,
    Error,
    Redirect,
    FunctionGeneratedResponse,
    FunctionExecutionError,
    FunctionThrottledError,
    FunctionValidationError,
    LambdaGeneratedResponse,
    LambdaExecutionError,
    LambdaValidationError,
    LambdaLimitExceeded,
    ClientGone,
}

impl Result {
    pub const ALL: [Result; 12] = [
        Result::Miss,
        Result::Error,
        Result::Redirect,
        Result::FunctionGeneratedResponse,
        Result::FunctionExecutionError,
        Result::FunctionThrottledError,
        Result::FunctionValidationError,
        Result::LambdaGeneratedResponse,
        Result::LambdaExecutionError,
        Result::LambdaValidationError,
        Result::LambdaLimitExceeded,
        Result::ClientGone,
    ];

    pub fn name(self) -> &'static str {
        self.x_cache_text().split(' ').next().unwrap_or_default()
    }

    /// The value of `X-Cache`; CloudFront's words, so that what reads them goes on working.
    pub fn x_cache(self) -> HeaderValue {
        HeaderValue::from_static(self.x_cache_text())
    }

    fn x_cache_text(self) -> &'static str {
        match self {
            Result::Miss => "Miss from cloudfront",
            Result::Error => "Error from cloudfront",
            Result::Redirect => "Redirect from cloudfront",
            Result::FunctionGeneratedResponse => "FunctionGeneratedResponse from cloudfront",
            Result::FunctionExecutionError => "FunctionExecutionError from cloudfront",
            Result::FunctionThrottledError => "FunctionThrottledError from cloudfront",
            Result::FunctionValidationError => "FunctionValidationError from cloudfront",
            Result::LambdaGeneratedResponse => "LambdaGeneratedResponse from cloudfront",
            Result::LambdaExecutionError => "LambdaExecutionError from cloudfront",
            Result::LambdaValidationError => "LambdaValidationError from cloudfront",
            Result::LambdaLimitExceeded => "LambdaLimitExceeded from cloudfront",
            Result::ClientGone => "ClientCommError from cloudfront",
        }
    }
}

/// A request's line, filled as it goes and written when it is dropped.
pub struct AccessEntry {
    start: Instant,
    head_after: Duration,
    bytes: u64,
    cut: bool,
    fields: Fields,
}

/// What is known when a request's head has been read.
#[derive(Serialize)]
pub struct Fields {
    #[serde(rename = "x-edge-location")]
    pub edge_location: String,
    #[serde(skip)]
    pub peer: SocketAddr,
    #[serde(rename = "cs-method")]
    pub method: String,
    #[serde(rename = "cs-host")]
    pub host: String,
    #[serde(rename = "cs-uri-stem")]
    pub path: String,
    #[serde(rename = "cs-uri-query")]
    pub query: String,
    #[serde(rename = "cs-user-agent")]
    pub user_agent: String,
    #[serde(rename = "cs-referer")]
    pub referer: String,
    #[serde(rename = "x-edge-request-id")]
    pub request_id: String,
    #[serde(rename = "cs-protocol")]
    pub protocol: &'static str,
    #[serde(rename = "cs-protocol-version")]
    pub version: String,
    #[serde(rename = "ssl-protocol")]
    pub tls_protocol: &'static str,
    #[serde(rename = "ssl-cipher")]
    pub tls_cipher: &'static str,
    #[serde(rename = "sc-status")]
    pub status: u16,
    #[serde(rename = "x-edge-result-type")]
    pub result: &'static str,
    pub traceparent: String,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(rename = "c-ip")]
    ip: String,
    #[serde(rename = "c-port")]
    port: u16,
    #[serde(rename = "sc-bytes")]
    bytes: u64,
    /// Seconds until the last byte.
    #[serde(rename = "time-taken")]
    taken: f64,
    /// Seconds until the head.
    #[serde(rename = "time-to-first-byte")]
    first: f64,
    #[serde(rename = "x-edge-response-result-type")]
    response_result: &'a str,
    #[serde(flatten)]
    fields: &'a Fields,
}

impl AccessEntry {
    pub fn new(start: Instant, fields: Fields) -> AccessEntry {
        AccessEntry { start, head_after: start.elapsed(), bytes: 0, cut: false, fields }
    }

    pub fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The body ended with an error.
    pub fn cut(&mut self) {
        self.cut = true;
    }
}

impl Drop for AccessEntry {
    fn drop(&mut self) {
        let line = Line {
            time: humantime(),
            ip: self.fields.peer.ip().to_canonical().to_string(),
            port: self.fields.peer.port(),
            bytes: self.bytes,
            taken: self.start.elapsed().as_secs_f64(),
            first: self.head_after.as_secs_f64(),
            response_result: if self.cut { "Error" } else { self.fields.result },
            fields: &self.fields,
        };
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            // A log nobody reads any more must not end the process.
            let _ = std::io::stdout().lock().write_all(&line);
        }
    }
}

fn humantime() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}
