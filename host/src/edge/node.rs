//! What all sites of one configuration share: where this node is, what it calls itself, its origins, logs and metrics.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::Version;
use http::header::{HeaderValue, InvalidHeaderValue};

use crate::config::{self, Config};
use crate::edge::origin::backends::Backends;
use crate::fields::Field;
use crate::function::catalog::Aliases;
use crate::function::named::FunctionsByName;
use crate::loops;
use crate::telemetry::{AccessLog, EdgeMetrics, SIGNED, Telemetry, TraceSettings, Tracer, is_signed, without_signature};

/// See the module.
pub(crate) struct Node {
    pub(crate) location: String,
    /// For answers.
    pub(crate) via: Via,
    /// For requests to origins.
    pub(crate) via_onwards: Via,
    pub(crate) backends: Backends,
    pub(crate) metrics: Arc<EdgeMetrics>,
    pub(crate) access: Option<Access>,
    pub(crate) tracer: Option<Tracer>,
    /// Open WebSocket tunnels of one worker.
    pub(crate) tunnels_max: usize,
    /// Where clients that must use HTTPS are redirected; `None` if it is not served, or on a port that the system chooses.
    pub(crate) https_port: Option<u16>,
}

/// The access log, and what it may contain.
pub(crate) struct Access {
    pub(crate) log: AccessLog,
    pub(crate) fields: Vec<Field>,
    signed_queries: bool,
}

/// What this node says of itself in `Via` and `X-Amz-Cf-Pop`.
pub(crate) struct Via {
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
    pub(crate) pop: HeaderValue,
}

impl Node {
    /// The configuration has been checked, so that an error here comes from the machine.
    pub(crate) fn new(
        config: &Config,
        aliases: &Aliases,
        named: &Arc<FunctionsByName>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Node> {
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
            Some(tracing) => Some(telemetry.tracer(trace_settings(tracing)).context("tracing")?),
        };
        Ok(Node {
            location: config.server.edge_location.clone(),
            via: Via::in_answers(&config.server.edge_location).context("edge location")?,
            via_onwards: Via::in_requests(&config.server.edge_location).context("edge location")?,
            backends: Backends::new(config, aliases, named, telemetry)?,
            metrics: Arc::new(telemetry.edge()),
            access,
            tracer,
            tunnels_max: config.server.websockets_per_worker,
            https_port: config.server.https.first().map(SocketAddr::port).filter(|&port| port != 0),
        })
    }
}

fn trace_settings(tracing: &config::Tracing) -> TraceSettings {
    let config::Tracing { host, port, path, headers, service_name, sample_rate } = tracing.clone();
    TraceSettings { host, port, path, headers: headers.0, service_name, sample_rate }
}

impl Access {
    /// A URL as it may be logged: whoever reads the log must not get access by it.
    pub(crate) fn shown<'u>(&self, url: &'u str) -> Cow<'u, str> {
        if self.signed_queries { Cow::Borrowed(url) } else { without_signature(url) }
    }

    pub(crate) fn shown_query<'q>(&self, query: &'q str) -> &'q str {
        if !self.signed_queries && is_signed(query) { SIGNED } else { query }
    }
}

impl Via {
    /// In answers, which anybody may read: where this node is.
    fn in_answers(location: &str) -> Result<Via, InvalidHeaderValue> {
        Via::new(location, &format!("{location} (edgeward)"))
    }

    /// In requests: which node this is, so that it recognizes them.
    fn in_requests(location: &str) -> Result<Via, InvalidHeaderValue> {
        Via::new(location, &format!("{} ({location})", loops::name()))
    }

    fn new(location: &str, by: &str) -> Result<Via, InvalidHeaderValue> {
        let via = |version: &str| HeaderValue::from_str(&format!("{version} {by}"));
        Ok(Via { http10: via("1.0")?, http11: via("1.1")?, http2: via("2.0")?, pop: HeaderValue::from_str(location)? })
    }

    /// By the version of the message that came.
    pub(crate) fn of(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_10 => &self.http10,
            _ => &self.http11,
        }
    }
}
