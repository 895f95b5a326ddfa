//! I am the life of an edge request, readable on one screen (`edge::exchange`).
//!
//! An `Edge` is one configuration, resolved: sites, origins and hooks are reached by reference, and nothing
//! in it changes. A new configuration is a new `Edge`; requests finish on the one they began with.
//!
//!     serve ─► Head ─► Site ─► Behavior ─► [signed?] ─► viewer-request ─► [cache] ─► Trip ─► viewer-response ─► Body
//!                                                            │                        │ per origin that is tried:
//!                                                            └─► answers itself       └ origin-request, fetch, origin-response
//!
//! I know neither the function API nor what a function's code is.

mod body;
mod caching;
mod device;
mod error_page;
mod exchange;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod head;
mod header;
mod hook;
mod hops;
mod id;
mod inquiry;
mod origin;
mod record;
mod respond;
mod response_headers;
mod signed;
mod site;
mod tally;
mod trial;
mod tunnel;
mod viewer;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::header::HeaderValue;
use http::{Request, Response};
use hyper::body::Incoming;

pub use body::Body;
pub use inquiry::{Found, Sought};
pub use trial::{Trial, trial};

use crate::cache::Cache;
use crate::config::{self, Config};
use crate::fields::Field;
use crate::function::catalog::Revisions;
use crate::net::Client;
use crate::path::NormalPath;
use crate::telemetry::{AccessLog, EdgeMetrics, SIGNED, Telemetry, TraceSettings, Tracer, is_signed, without_signature};
use origin::Backends;
use record::Record;
use site::{Parts, Sites};

/// See the module.
pub struct Edge {
    location: String,
    via: Via,
    via_onwards: Via,
    sites: Sites,
    backends: Backends,
    metrics: EdgeMetrics,
    access: Option<Access>,
    tracer: Option<Tracer>,
    /// Open ones of a worker.
    tunnels_max: usize,
    /// Where clients are sent that must come by HTTPS; `None` if we do not listen for it, or the system chooses.
    https_port: Option<u16>,
}

/// The access log, and what it may have.
struct Access {
    log: AccessLog,
    fields: Vec<Field>,
    signed_queries: bool,
}

impl Access {
    /// A URL as it may be written down: whoever reads the log must not be let in by it.
    fn shown<'u>(&self, url: &'u str) -> Cow<'u, str> {
        if self.signed_queries { Cow::Borrowed(url) } else { without_signature(url) }
    }

    fn shown_query<'q>(&self, query: &'q str) -> &'q str {
        if !self.signed_queries && is_signed(query) { SIGNED } else { query }
    }
}

/// What this node says of itself in headers.
struct Via {
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
    pop: HeaderValue,
}

impl Edge {
    /// Resolves every name; reads folders' roots and CA files. The configuration has been checked, so that an
    /// error here is of the machine.
    pub fn new(config: &Config, revisions: &Revisions, cache: &Arc<Cache>, telemetry: &Telemetry) -> anyhow::Result<Edge> {
        let backends = Backends::new(config, revisions, telemetry)?;
        let access = match &config.server.access_log {
            None => None,
            Some(settings) => Some(Access {
                log: telemetry.access_log().context("access log")?,
                fields: settings.fields.clone(),
                signed_queries: settings.signed_queries,
            }),
        };
        let tracer = match &config.tracing {
            None => None,
            Some(tracing) => Some(telemetry.tracer(settings(tracing)).context("tracing")?),
        };
        Ok(Edge {
            location: config.server.edge_location.clone(),
            via: Via::new(&config.server.edge_location).context("edge location")?,
            via_onwards: Via::onwards(&config.server.edge_location).context("edge location")?,
            sites: Sites::new(&config.sites, &Parts { backends: &backends, revisions, cache, geo: &config.geo, telemetry })?,
            backends,
            metrics: telemetry.edge(),
            access,
            tracer,
            tunnels_max: config.server.websockets_per_worker,
            https_port: config.server.https.first().map(SocketAddr::port).filter(|&port| port != 0),
        })
    }

    /// Whether a site of this configuration has that name.
    pub fn has_site(&self, name: &str) -> bool {
        self.sites.is_named(name)
    }

    /// The name of the site that serves a host, with or without a port.
    pub fn site_of_host(&self, host: &str) -> Option<&str> {
        let authority: http::uri::Authority = host.parse().ok()?;
        self.sites.find(authority.host().trim_end_matches('.')).map(|site| &*site.name)
    }

    /// For `bench/micro`: whether a host and path lead to a behavior.
    #[doc(hidden)]
    pub fn leads(&self, host: &str, path: &str) -> bool {
        self.sites.find(host).is_some_and(|site| site.behavior(&NormalPath::of(path)).is_some())
    }
}

fn settings(tracing: &config::Tracing) -> TraceSettings {
    let config::Tracing { host, port, path, headers, service_name, sample_rate } = tracing.clone();
    TraceSettings { host, port, path, headers: headers.0, service_name, sample_rate }
}

/// For `bench/micro`: whether a request's head is taken.
#[doc(hidden)]
pub fn admits(parts: http::request::Parts) -> bool {
    head::Head::admit(parts).is_ok()
}

/// Answers a request. Must run on a worker's `LocalSet`.
///
/// Not an async function: hyper moves the future that it is given, and so what is large goes to the heap first.
pub fn serve(edge: Arc<Edge>, client: Arc<Client>, request: Request<Incoming>) -> impl Future<Output = Response<Body>> {
    let record = Record::open(edge, client, &request);
    answer(record, Box::new(request))
}

async fn answer(mut record: Box<Record>, request: Box<Request<Incoming>>) -> Response<Body> {
    let edge = record.edge.clone();
    let answer = match exchange::run(&edge, &mut record, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(&edge, record.occasion()),
    };
    respond::finish(&edge, record, answer)
}

#[cfg(test)]
mod tests;
