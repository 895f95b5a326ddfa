//! How many connections a worker has to one origin, and who waits for one.
//!
//! ```text
//! turn ──► room left? ──► Fresh (to connect with)
//!            └─ none ──► waits, first come first served ──► Fresh, when a connection has ended
//!                          │                           └──► Idle, when one has its answer
//!                          └─ too many wait, or too long: refused; the origin has no part in that
//! ```
//!
//! A place is taken before anything is connected and goes with its connection to the end: an idle one has it, and a
//! tunnel. Nothing says that a connection ends on its worker's thread, so a lane is shared with its places.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

use crate::edge::origin::connect::Endpoint;
use crate::edge::origin::pool::Connection;
use crate::edge::origin::{FetchError, Target};
use crate::limits::origin::WAITING;
use crate::telemetry::OriginMetrics;

/// The connections of one worker to one endpoint.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// What whoever waits is given.
pub(crate) enum Turn {
    /// It may be closing at this moment.
    Idle(Box<Connection>),
    Fresh(Place),
}

/// The right to one connection; another's when dropped.
pub(crate) struct Place {
    lane: Option<Arc<Lane>>,
}

thread_local! {
    static LANES: RefCell<HashMap<Arc<Endpoint>, Weak<Lane>>> = RefCell::default();
}

/// A place, or an idle connection that somebody gave back meanwhile. There is none idle when this is asked.
pub(crate) async fn turn(target: &Target, metrics: &OriginMetrics) -> Result<Turn, FetchError> {
    let waiting = match lane_of(&target.endpoint).enter(target.connections) {
        Ok(entered) => return Ok(Turn::Fresh(entered)),
        Err(None) => return Err(FetchError::Connections(target.connections)),
        Err(Some(waiting)) => waiting,
    };
    metrics.waited();
    match tokio::time::timeout(target.connect_timeout, waiting).await {
        Ok(Ok(turn)) => Ok(turn),
        // The lane does not go while somebody has a place.
        Ok(Err(_)) | Err(_) => Err(FetchError::Connections(target.connections)),
    }
}

fn lane_of(endpoint: &Arc<Endpoint>) -> Arc<Lane> {
    LANES.with_borrow_mut(|lanes| {
        if let Some(lane) = lanes.get(endpoint).and_then(Weak::upgrade) {
            return lane;
        }
        // Hooks can make up any number of endpoints.
        if lanes.len().is_power_of_two() {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let lane = Arc::new(Lane::default());
        lanes.insert(endpoint.clone(), Arc::downgrade(&lane));
        lane
    })
}

impl Lane {
    /// A place, or a place in the queue. None where that is full too.
    fn enter(self: Arc<Lane>, max: usize) -> Result<Place, Option<oneshot::Receiver<Turn>>> {
        let mut state = self.lock();
        if state.open < max {
            state.open += 1;
            drop(state);
            return Ok(Place { lane: Some(self) });
        }
        // Those who have left while they waited.
        state.waiting.retain(|waiting| !waiting.is_closed());
        if state.waiting.len() >= WAITING {
            return Err(None);
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        Err(Some(receiver))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives an idle connection to whoever has waited longest; gives it back if nobody does.
    pub(crate) fn hand_on(connection: Box<Connection>) -> Option<Box<Connection>> {
        // As a rule nobody waits, and this is on the way of every answer.
        let waited_for = connection.place().lane.as_ref().filter(|lane| !lane.lock().waiting.is_empty());
        let Some(lane) = waited_for.cloned() else { return Some(connection) };
        let mut turn = Turn::Idle(connection);
        loop {
            let next = lane.lock().waiting.pop_front();
            let Some(next) = next else { break };
            match next.send(turn) {
                Ok(()) => return None,
                Err(back) => turn = back,
            }
        }
        match turn {
            Turn::Idle(connection) => Some(connection),
            Turn::Fresh(_) => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        loop {
            let next = {
                let mut state = lane.lock();
                let next = state.waiting.pop_front();
                if next.is_none() {
                    state.open -= 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn::Fresh(Place { lane: Some(lane.clone()) })) {
                // Whoever has left did not want it: the next one does, or nobody.
                Err(Turn::Fresh(mut place)) => drop(place.lane.take()),
                Ok(()) | Err(Turn::Idle(_)) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_to_whoever_has_waited_longest_and_is_still_there() {
        let lane = Arc::new(Lane::default());
        let enter = |max| lane.clone().enter(max);
        let first = enter(1).ok().expect("there is room");
        let waiting: Vec<_> = (0..3).map(|_| enter(1).err().flatten().expect("it waits")).collect();
        let Ok([left, mut second, mut third]) = <[_; 3]>::try_from(waiting) else { panic!("three wait") };
        drop(left);
        drop(first);
        let Ok(Turn::Fresh(place)) = second.try_recv() else { panic!("the second has it") };
        assert!(third.try_recv().is_err());
        // Given, and left before it was taken.
        drop(place);
        drop(third);
        assert_eq!(lane.lock().open, 0);
        assert!(enter(1).is_ok());
    }

    #[test]
    fn no_more_wait_than_may() {
        let lane = Arc::new(Lane::default());
        let enter = || lane.clone().enter(1);
        let _place = enter().ok().expect("there is room");
        let waiting: Vec<_> = (0..WAITING).map(|_| enter().err().flatten().expect("it waits")).collect();
        assert!(matches!(enter(), Err(None)));
        drop(waiting);
        assert!(matches!(enter(), Err(Some(_))), "who has left waits no more");
    }
}
