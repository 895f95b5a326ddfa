//! The life of an edge request, readable on one screen (`edge::exchange`).
//!
//! An `Edge` is one configuration, resolved: sites, origins and hooks are reached by reference, and nothing in it changes
//! but where an alias of a function leads, which each call looks up once. A new configuration is a new `Edge`; requests
//! finish on the one they began with.
//!
//! ```text
//! serve ─► head ─► Site ─► Behavior ─► [signed?] ─► viewer-request ─► [cache] ─► Trip ─► viewer-response ─► ResponseBody
//!                                                        │                        │ per origin that is tried:
//!                                                        └─► answers itself       └ origin-request, fetch, origin-response
//! ```
//!
//! | file or folder | what it is |
//! |---|---|
//! | `exchange` | one request from its head to its answer |
//! | `caching` | what is answered from the cache, and what is stored |
//! | `trip` | the way to the origin and back, with its hooks |
//! | `response` | what the edge adds to an answer, or answers itself |
//! | `record` | what is known of a request until its response has ended |
//! | `site` | what the configuration says; nothing async |
//! | `node` | what all sites share |
//! | `hook` | a hook's event, its call, and what it asks for |
//! | `origin` | servers, folders, fixed answers, components |
//! | `body`, `answer` | what carries bytes |
//! | `request` | what came |
//! | `tools` | entry points other than a connection |
//!
//! Each names only what stands below it. Nothing here knows the function API or what a function's code is.

mod answer;
mod body;
mod caching;
mod exchange;
mod hook;
mod node;
mod origin;
mod record;
mod request;
mod response;
mod site;
mod tools;
mod trip;

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;

pub use response::body::ResponseBody;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use tools::fuzz;
pub use tools::inquiry::{CacheFinding, CacheInquiry};
pub use tools::trial::{Trial, trial};

use crate::cache::Cache;
use crate::config::Config;
use crate::function::catalog::Aliases;
use crate::function::lane::WorkerLane;
use crate::function::named::FunctionsByName;
use crate::net::Client;
use crate::path::NormalPath;
use crate::telemetry::Telemetry;
use node::Node;
use record::RequestRecord;
use response::rejection::Rejection;
use site::Sites;
use site::behavior::SiteParts;

/// See the module.
pub struct Edge {
    node: Arc<Node>,
    sites: Sites,
}

impl Edge {
    /// Resolves every name; reads folders' roots and CA files. The configuration has been checked, so that an error here
    /// comes from the machine.
    pub fn new(
        config: &Config,
        aliases: &Aliases,
        named: &Arc<FunctionsByName>,
        cache: &Arc<Cache>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Edge> {
        let node = Node::new(config, aliases, named, telemetry)?;
        let parts = SiteParts { backends: &node.backends, aliases, named, cache, geo: &config.geo, telemetry };
        let sites = Sites::new(&config.sites, &parts)?;
        Ok(Edge { node: Arc::new(node), sites })
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

    /// What a GET for this would find in the cache; `None` if nothing is stored. Blocks for a look at the disk.
    pub fn look_up(&self, sought: &CacheInquiry) -> Result<Option<CacheFinding>, String> {
        tools::inquiry::look_up(&self.node, &self.sites, sought)
    }

    /// For `bench/micro`: whether a host and path lead to a behavior.
    #[doc(hidden)]
    pub fn leads(&self, host: &str, path: &str) -> bool {
        self.sites.find(host).is_some_and(|site| site.behavior(&NormalPath::of(path)).is_some())
    }
}

/// For `bench/micro`: whether a request's head is taken.
#[doc(hidden)]
pub fn admits(parts: http::request::Parts) -> bool {
    request::head::RequestHead::admit(parts).is_ok()
}

/// Answers a request. Must run on a worker's `LocalSet`.
///
/// Not an async function: hyper moves the future that it is given, and so what is large goes to the heap first.
pub fn serve(
    edge: Arc<Edge>,
    lane: Rc<WorkerLane>,
    client: Arc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ResponseBody>> {
    let record = RequestRecord::open(edge.node.clone(), client, &request);
    answer(edge, lane, record, Box::new(request))
}

async fn answer(
    edge: Arc<Edge>,
    lane: Rc<WorkerLane>,
    mut record: Box<RequestRecord>,
    request: Box<Request<Incoming>>,
) -> Response<ResponseBody> {
    let answer = {
        let exchange = pin!(exchange::run(&edge.node, &edge.sites, &lane, &mut record, request));
        caught(exchange).await
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(rejection) => rejection.answer(&edge.node, record.occasion()),
    };
    response::finish::finish(&edge.node, record, answer)
}

/// The outcome of an exchange, or that it panicked: a bug of ours ends one request, and not all that share its connection.
/// What requests share is whole after each statement that changes it.
fn caught<T>(mut exchange: Pin<&mut impl Future<Output = Result<T, Rejection>>>) -> impl Future<Output = Result<T, Rejection>> {
    poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(Rejection::Panicked(panic_message(&*panic)))))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests;
