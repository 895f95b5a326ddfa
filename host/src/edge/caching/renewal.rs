//! A renewal in the background, whose client has been answered with a stale response.

use std::sync::Arc;

use http::Method;

use crate::cache::control::Wishes;
use crate::cache::{Duty, condition};
use crate::edge::caching::fill::fill;
use crate::edge::caching::route::CacheRoute;
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::RequestHead;
use crate::edge::trip::OwnedTrip;

/// See the module.
pub(super) struct Renewal {
    pub(super) trip: OwnedTrip,
    pub(super) first: Option<Arc<Origin>>,
    pub(super) head: RequestHead,
    pub(super) duty: Duty,
}

impl Renewal {
    /// The task may be lost with its runtime: the duty then passes on.
    pub(super) fn start(self) {
        tokio::task::spawn_local(self.run());
    }

    async fn run(self) {
        let Renewal { trip, first, mut head, duty } = self;
        let Some((trip, caching)) = trip.lend() else { return };
        // No client waits whose wishes, conditions or ranges would count.
        condition::make_unconditional(&mut head.headers);
        head.method = Method::GET;
        head.interim = None;
        let route = CacheRoute::new(caching, &trip, first.as_ref(), head.version);
        if let Err(rejection) = fill(&route, &trip, first, &head, &Wishes::default(), duty).await {
            tracing::debug!(target: "edgeward::cache", %rejection, "a renewal failed");
        }
    }
}
