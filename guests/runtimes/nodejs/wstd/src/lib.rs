//! The event loop of the Node-style Runtime, under the names that its modules use of the crate `wstd`.
//!
//! `wstd`'s own loop ends a call only when nothing is left to wait for, and forgets what is left when it ends. Here a call
//! ends with its answer, as in Lambda: timers and requests that are still open stay, and go on in the instance's next call.
//! Timers are points in time and nothing that the host holds, so that they outlive a snapshot as well; see `runtime::freeze`.
//!
//! One thread, and one loop in it. Nothing here knows JavaScript.

pub mod runtime;

pub mod task {
    pub use crate::runtime::sleep;
}

pub mod time {
    pub use std::time::Duration;
}
