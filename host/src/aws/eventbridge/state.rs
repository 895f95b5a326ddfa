//! All buses and rules, in memory and on disk, and which tick of each schedule was the last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::delivery::Deliver;
use crate::aws::eventbridge::record::{BusRecord, BusSettings, DEFAULT_BUS, RuleRecord, bus_arn, rule_key};
use crate::aws::eventbridge::refusals;
use crate::aws::kept::{Amendment, Cabinet, now_ms};
use crate::aws::request::ApiRequest;
use crate::events::clock::EventClock;
use crate::store::{Collection, Store};

/// See the module.
pub struct EventBridge {
    pub(super) buses: Cabinet<BusRecord>,
    pub(super) rules: Cabinet<RuleRecord>,
    pub(super) account: Account,
    pub(super) deliver: Deliver,
    pub(super) clock: EventClock,
    /// Told when a schedule may have another next tick.
    pub(super) scheduled: Notify,
    store: Arc<Store>,
    /// The last tick of each rule, by its key. What is here is on disk.
    ticked: Mutex<BTreeMap<String, u64>>,
    /// Held by who changes buses or rules: a rule's bus must not go meanwhile.
    changing: Mutex<()>,
}

impl EventBridge {
    /// Reads all buses and rules. Makes the default bus where there is none. Blocks.
    pub fn open(store: Arc<Store>, account: Account, deliver: Deliver, clock: EventClock) -> Result<EventBridge, ApiError> {
        let bridge = EventBridge {
            buses: Cabinet::open(store.clone(), Collection::EventBuses)?,
            rules: Cabinet::open(store.clone(), Collection::EventRules)?,
            account,
            deliver,
            clock,
            scheduled: Notify::new(),
            ticked: Mutex::new(store.records(Collection::EventTicks, "")?.into_iter().collect()),
            changing: Mutex::default(),
            store,
        };
        if bridge.buses.find(DEFAULT_BUS).is_none() {
            let record = BusRecord::new(DEFAULT_BUS, BusSettings::default(), bridge.clock.now_ms());
            bridge.buses.change(DEFAULT_BUS, |_| Ok((put(record), ())))?;
        }
        Ok(bridge)
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bus of a request, by name or ARN; the default one if none is named.
    pub(super) fn bus(&self, named: Option<&str>) -> Result<Arc<BusRecord>, ApiError> {
        self.bus_called(self.bus_name(named))
    }

    pub(super) fn bus_called(&self, name: &str) -> Result<Arc<BusRecord>, ApiError> {
        self.buses.find(name).ok_or_else(|| refusals::no_bus(name))
    }

    pub(super) fn bus_name<'a>(&self, named: Option<&'a str>) -> &'a str {
        let named = named.unwrap_or(DEFAULT_BUS);
        named.strip_prefix(&bus_arn(&self.account, "")).unwrap_or(named)
    }

    pub(super) fn rule(&self, bus: &str, name: &str) -> Result<Arc<RuleRecord>, ApiError> {
        self.rules.find(&rule_key(bus, name)).ok_or_else(|| refusals::no_rule(bus, name))
    }

    /// The rules of a bus, by name.
    pub(super) fn rules_of(&self, bus: &str) -> Vec<Arc<RuleRecord>> {
        self.rules.beginning(&rule_key(bus, ""))
    }

    /// When a request was received, by the clock of events.
    pub(super) fn now_ms(&self, request: &ApiRequest) -> u64 {
        now_ms(request) + self.clock.ahead_ms()
    }

    /// Changes a rule that is there.
    pub(super) fn amend_rule<A>(
        &self,
        bus: &str,
        name: &str,
        work: impl FnOnce(&mut RuleRecord) -> Result<A, ApiError>,
    ) -> Result<A, ApiError> {
        let _alone = self.changing();
        let answer = self.rules.change(&rule_key(bus, name), |record| {
            let mut record = record.cloned().ok_or_else(|| refusals::no_rule(bus, name))?;
            let answer = work(&mut record)?;
            Ok((put(record), answer))
        })?;
        self.scheduled.notify_one();
        Ok(answer)
    }

    pub(super) fn last_tick(&self, key: &str) -> Option<u64> {
        self.ticked.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Notes a tick of a rule, or that there is no rule any more.
    pub(super) fn note_tick(&self, key: &str, due_ms: Option<u64>) -> Result<(), ApiError> {
        let mut ticked = self.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.change(|change| match due_ms {
            Some(due_ms) => change.put(Collection::EventTicks, key, &due_ms),
            None => change.remove(Collection::EventTicks, key),
        })?;
        match due_ms {
            Some(due_ms) => drop(ticked.insert(key.to_owned(), due_ms)),
            None => drop(ticked.remove(key)),
        }
        Ok(())
    }
}

/// A record that has no values beside it.
pub fn put<T>(record: T) -> Amendment<T> {
    Amendment::Put { record, values: Vec::new(), gone: Vec::new() }
}
