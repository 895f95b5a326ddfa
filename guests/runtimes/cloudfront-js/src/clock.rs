//! I am the time and the chance of a call: the time stands still while it runs, and the random numbers begin anew.
//!
//! The host is asked when a function first wants to know, since most never do.

use std::cell::Cell;

use crate::host;

struct Moment {
    now_ms: Cell<Option<f64>>,
    random: Cell<Option<u64>>,
}

// SAFETY: the component has one thread.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Moment {}

#[cfg(target_arch = "wasm32")]
fn moment<T>(read: impl FnOnce(&Moment) -> T) -> T {
    static MOMENT: Moment = Moment { now_ms: Cell::new(None), random: Cell::new(None) };
    read(&MOMENT)
}

#[cfg(not(target_arch = "wasm32"))]
fn moment<T>(read: impl FnOnce(&Moment) -> T) -> T {
    thread_local! {
        static MOMENT: Moment = const { Moment { now_ms: Cell::new(None), random: Cell::new(None) } };
    }
    MOMENT.with(read)
}

/// A call begins, or what comes after `init` does: nothing of before is known any more.
pub fn begin() {
    moment(|moment| {
        moment.now_ms.set(None);
        moment.random.set(None);
    });
}

/// There is no host to ask: the engine is made while the Runtime is built.
#[cfg(target_arch = "wasm32")]
pub fn begin_without_time() {
    moment(|moment| moment.now_ms.set(Some(0.0)));
}

pub fn now_ms() -> f64 {
    moment(|moment| {
        let now = moment.now_ms.get().unwrap_or_else(host::now_ms);
        moment.now_ms.set(Some(now));
        now
    })
}

/// The next number of SplitMix64, as one of `Math.random`: 53 bits below 1.
pub fn random() -> f64 {
    moment(|moment| {
        let state = moment.random.get().unwrap_or_else(host::seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        moment.random.set(Some(state));
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    })
}
