//! Request collapsing: one request at a time fills a key, and every other one that waits for it is woken.
//!
//! The first request gets the `Claim`; the others become a `Waiter`. A claim that is dropped unfulfilled makes
//! the flight vacant and wakes one waiter; if that one goes away before it looks, the wake-up passes on
//! (tokio's `Notify` promises that). A vacant flight without waiters leaves the map, so none is left
//! behind. A request that looks a key up while its flight is vacant takes the claim at once.
//!
//!     claim ──► Pending ──stream──► Streaming ──close──► Done · Declined · Gone  (and out of the map)
//!                │   ▲                  │
//!               drop │ next in line    drop
//!                ▼   │                  │
//!               Vacant ◄────────────────┘
//!
//! Lock order: a shard of the map, then a flight; never the other way round, and never both for long.
//! A flight does not know what is stored; it passes on what the holder of the claim reports.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::cache::key::Key;
use crate::cache::object::{Meta, Stored};
use crate::cache::purge::lock;
use crate::cache::stream::FillStream;
use crate::limits::cache::{FLIGHTS, WAITERS};

#[derive(Default)]
pub(crate) struct Flights {
    map: DashMap<Key, Arc<Flight>>,
    count: AtomicUsize,
    /// Bytes that all streams buffer.
    pub(crate) buffered: Arc<AtomicU64>,
}

struct Flight {
    state: Mutex<FlightState>,
    changed: Notify,
}

struct FlightState {
    phase: FlightPhase,
    waiters: usize,
    /// The keys under which the map has it: the one that was asked for, and the object's own.
    keys: Vec<Key>,
}

/// How far a flight is.
#[derive(Clone)]
pub(crate) enum FlightPhase {
    /// A request holds the claim, and no response has arrived.
    Pending,
    /// No request holds the claim.
    Vacant,
    Streaming(Arc<FillStream>),
    Done(Key, Arc<Stored>),
    /// The response is for one request only.
    Declined,
    /// The flight is over; look the key up again.
    Gone,
}

/// The result of an attempt to claim a key.
pub(crate) enum Claimed {
    Claim(Claim),
    Waiter(Waiter),
    Full,
}

impl Flights {
    pub(crate) fn claim(self: &Arc<Self>, key: Key) -> Claimed {
        loop {
            let flight = match self.map.entry(key) {
                Entry::Occupied(found) => found.get().clone(),
                Entry::Vacant(free) => {
                    if self.count.fetch_add(1, Ordering::Relaxed) >= FLIGHTS {
                        self.count.fetch_sub(1, Ordering::Relaxed);
                        return Claimed::Full;
                    }
                    let state = Mutex::new(FlightState { phase: FlightPhase::Pending, waiters: 0, keys: vec![key] });
                    let flight = Arc::new(Flight { state, changed: Notify::new() });
                    free.insert(flight.clone());
                    return Claimed::Claim(Claim { flights: self.clone(), flight, over: false });
                }
            };
            let mut state = lock(&flight.state);
            match state.phase {
                FlightPhase::Pending | FlightPhase::Streaming(_) if state.waiters >= WAITERS => return Claimed::Full,
                FlightPhase::Pending | FlightPhase::Streaming(_) => {
                    state.waiters += 1;
                    drop(state);
                    return Claimed::Waiter(Waiter { flights: self.clone(), flight });
                }
                FlightPhase::Vacant => {
                    state.phase = FlightPhase::Pending;
                    drop(state);
                    return Claimed::Claim(Claim { flights: self.clone(), flight, over: false });
                }
                // It is about to leave the map.
                FlightPhase::Done(..) | FlightPhase::Declined | FlightPhase::Gone => {}
            }
            drop(state);
            self.take_out(&flight, [key]);
        }
    }

    /// Hides the streams that `struck` picks: their readers go on, and nobody else finds them.
    pub(crate) fn strike(&self, struck: impl Fn(&Meta) -> bool) {
        let flights: Vec<_> = self.map.iter().map(|entry| entry.value().clone()).collect();
        for flight in flights {
            let mut state = lock(&flight.state);
            if let FlightPhase::Streaming(stream) = &state.phase
                && struck(&stream.meta)
            {
                stream.strike();
                let keys = std::mem::take(&mut state.keys);
                drop(state);
                self.take_out(&flight, keys);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn take_out(&self, flight: &Arc<Flight>, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if self.map.remove_if(&key, |_, found| Arc::ptr_eq(found, flight)).is_some() {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Ends a flight that nobody will come back to.
    fn abandon(&self, flight: &Arc<Flight>, mut state: std::sync::MutexGuard<'_, FlightState>) {
        state.phase = FlightPhase::Gone;
        let keys = std::mem::take(&mut state.keys);
        drop(state);
        self.take_out(flight, keys);
        flight.changed.notify_waiters();
    }
}

/// The right, and the duty, to fill a key.
pub(crate) struct Claim {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    over: bool,
}

impl Claim {
    /// Enters the flight under one more key, unless that key has a flight already.
    pub(crate) fn also(&self, key: Key) {
        let mut added = false;
        if let Entry::Vacant(free) = self.flights.map.entry(key) {
            free.insert(self.flight.clone());
            self.flights.count.fetch_add(1, Ordering::Relaxed);
            added = true;
        }
        if added {
            lock(&self.flight.state).keys.push(key);
        }
    }

    /// Lets the waiters read from here on.
    pub(crate) fn stream(&self, stream: &Arc<FillStream>) {
        lock(&self.flight.state).phase = FlightPhase::Streaming(stream.clone());
        self.flight.changed.notify_waiters();
    }

    /// Takes the flight out of the map, so that no new request finds it.
    pub(crate) fn detach(&self) {
        let keys = std::mem::take(&mut lock(&self.flight.state).keys);
        self.flights.take_out(&self.flight, keys);
    }

    /// Ends the claim. What a lookup should find must be stored before.
    pub(crate) fn close(mut self, phase: FlightPhase) {
        self.over = true;
        let mut state = lock(&self.flight.state);
        state.phase = phase;
        let keys = std::mem::take(&mut state.keys);
        drop(state);
        self.flights.take_out(&self.flight, keys);
        self.flight.changed.notify_waiters();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = lock(&self.flight.state);
        // A purge has taken it out of the map already: the key has, or will have, another flight.
        if state.waiters == 0 || state.keys.is_empty() {
            self.flights.abandon(&self.flight, state);
            return;
        }
        state.phase = FlightPhase::Vacant;
        drop(state);
        self.flight.changed.notify_one();
    }
}

/// A request that waits for a flight.
pub(crate) struct Waiter {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

/// What a waiter finds.
pub(crate) enum WaiterView {
    Claim(Claim),
    Phase(FlightPhase),
}

impl Waiter {
    /// Resolves when there may be something new. To be created before `look`.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.flight.changed.notified()
    }

    /// Returns the phase; claims the flight if it is vacant.
    pub(crate) fn look(&self) -> WaiterView {
        let mut state = lock(&self.flight.state);
        if matches!(state.phase, FlightPhase::Vacant) {
            state.phase = FlightPhase::Pending;
            return WaiterView::Claim(Claim { flights: self.flights.clone(), flight: self.flight.clone(), over: false });
        }
        WaiterView::Phase(state.phase.clone())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = lock(&self.flight.state);
        state.waiters -= 1;
        if state.waiters == 0 && matches!(state.phase, FlightPhase::Vacant) {
            self.flights.abandon(&self.flight, state);
        }
    }
}
