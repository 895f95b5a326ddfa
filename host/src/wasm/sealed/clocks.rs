//! `wasi:clocks`: both clocks stand still at the start of the call, and every timer has expired.
//!
//! A hook cannot wait, and cannot measure how long its own code or its neighbours' takes.

use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use super::define::{func, handle};
use super::io::Pollable;
use crate::wasm::state::ViewerState;

/// The stated resolution; the call's time is as exact as the system's.
const RESOLUTION_NS: u64 = 1;
const NS_PER_S: u64 = 1_000_000_000;

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl Datetime {
    fn of(ns: u64) -> Datetime {
        Datetime { seconds: ns / NS_PER_S, nanoseconds: u32::try_from(ns % NS_PER_S).unwrap_or(0) }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct TimezoneDisplay {
    #[component(name = "utc-offset")]
    utc_offset: i32,
    name: &'static str,
    #[component(name = "in-daylight-saving-time")]
    in_daylight_saving_time: bool,
}

pub(super) fn monotonic(clock: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(clock, "now", |store, (): ()| Ok((store.data().now_ns,)))?;
    func(clock, "resolution", |_, (): ()| Ok((RESOLUTION_NS,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        func(clock, name, |store, (_when,): (u64,)| Ok((handle::<Pollable>(store, 0)?,)))?;
    }
    Ok(())
}

pub(super) fn wall(clock: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(clock, "now", |store, (): ()| Ok((Datetime::of(store.data().now_ns),)))?;
    func(clock, "resolution", |_, (): ()| Ok((Datetime::of(RESOLUTION_NS),)))
}

pub(super) fn timezone(timezone: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(timezone, "display", |_, (_when,): (Datetime,)| {
        Ok((TimezoneDisplay { utc_offset: 0, name: "UTC", in_daylight_saving_time: false },))
    })?;
    func(timezone, "utc-offset", |_, (_when,): (Datetime,)| Ok((0i32,)))
}
