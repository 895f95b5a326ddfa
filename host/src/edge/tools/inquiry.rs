//! What a request would find in the cache, for the operator. No origin is asked, no hit or miss is counted, and no hook
//! runs: the path is what a viewer-request hook makes of it. To the tiers it is a lookup like any other: what is found
//! stays longer, and what turns out to be purged or damaged is removed.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use serde::{Deserialize, Serialize};

use crate::cache::freshness::Freshness;
use crate::edge::body::request::RequestBody;
use crate::edge::caching::lookup::CacheRequest;
use crate::edge::caching::route::CacheRoute;
use crate::edge::node::Node;
use crate::edge::request::head::RequestHead;
use crate::edge::site::Sites;
use crate::path::NormalPath;
use crate::telemetry::CacheTier;

/// A request that is not made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheInquiry {
    pub host: String,
    /// With its query string, as a viewer-request hook leaves them.
    pub path: String,
    /// Names and values, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whether the viewer came by HTTPS, where that is in the key.
    #[serde(default)]
    pub https: bool,
    /// The origin, or group, that a viewer-request hook chooses by its name; `None` for the behavior's.
    #[serde(default)]
    pub origin: Option<String>,
}

/// What is stored for a request, and what would be done with it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheFinding {
    pub site: String,
    /// `memory` or `disk`.
    pub tier: &'static str,
    /// `fresh`, `stale-while-revalidate` (used while it is renewed), or `revalidate` (the origin is asked first).
    pub verdict: &'static str,
    pub status: u16,
    pub age_s: u64,
    /// How long it stays fresh.
    pub ttl_s: u64,
    pub body_bytes: Option<u64>,
    /// The request's header fields that choose among variants.
    pub vary: Vec<String>,
    pub tags: Vec<String>,
    /// As stored; several values of a name are joined by commas.
    pub headers: BTreeMap<String, String>,
}

/// See `Edge::look_up`.
pub(crate) fn look_up(node: &Node, sites: &Sites, sought: &CacheInquiry) -> Result<Option<CacheFinding>, String> {
    let CacheInquiry { host, path: target, headers, https, origin } = sought;
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{}` is not a header name", name.escape_debug()))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("`{name}` has an invalid value"))?;
        fields.append(name, value);
    }
    let host = HeaderValue::from_str(host).map_err(|_| format!("`{}` is not a host", host.escape_debug()))?;
    fields.insert(header::HOST, host);
    let built = Request::get(target.as_str()).body(()).map_err(|_| format!("`{}` is not a path", target.escape_debug()))?;
    let mut parts = built.into_parts().0;
    parts.headers = fields;
    let mut head = RequestHead::admit(parts).map_err(|_| "the edge would not take such a request".to_owned())?;
    let site = sites.find(head.host()).ok_or_else(|| format!("no site has the host `{}`", head.host()))?;
    let behavior = site.behavior(&NormalPath::of(head.path())).ok_or("no behavior has this path")?;
    let caching = behavior.caching.as_ref().ok_or("its behavior has no cache_policy")?;
    let backend = match origin {
        None => None,
        Some(name) => Some(node.backends.get(name).ok_or_else(|| format!("no origin is called `{}`", name.escape_debug()))?),
    };
    let route = CacheRoute::supposed(caching, *https, backend);
    let Some(request) = CacheRequest::new(route, &mut head, &RequestBody::Empty) else { return Ok(None) };
    Ok(request.peek(&head).map(|peek| CacheFinding {
        site: site.name.to_string(),
        tier: match peek.tier {
            CacheTier::Disk => "disk",
            CacheTier::Memory | CacheTier::Flight => "memory",
        },
        verdict: match peek.verdict {
            Freshness::Fresh => "fresh",
            Freshness::StaleWhileRevalidate => "stale-while-revalidate",
            Freshness::Revalidate { .. } => "revalidate",
        },
        status: peek.meta.status.as_u16(),
        age_s: peek.meta.times.age_s(peek.now_ms),
        ttl_s: peek.meta.times.left_ms(peek.now_ms) / 1_000,
        body_bytes: peek.meta.length,
        vary: peek.meta.vary.iter().map(ToString::to_string).collect(),
        tags: peek.meta.tags.iter().map(ToString::to_string).collect(),
        headers: joined(&peek.meta.headers),
    }))
}

fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.to_string(), value(name))).collect()
}
