//! Turns untrusted bytes into an instance, and runs one call on it under its limits.
//!
//! Functions, sites and APIs are not known here; the callers are in `function`.

pub mod abi;
pub mod aot;
pub mod compile;
pub mod egress;
pub mod engine;
pub mod fuel;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod init;
mod nameless_file;
pub mod restore;
pub mod sealed;
pub mod snapshot;
pub mod state;
mod touched;
pub mod viewer;
pub mod worker;
pub mod world;
