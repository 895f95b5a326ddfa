//! I am Edgeward: an HTTP edge that runs WebAssembly components at the moments of a request.
//!
//! The rooms and what each must not know are described in `docs/architecture.md`; `tests/tidy.rs` holds
//! the walls up.

// Sizes come from strangers: a number that does not fit is an error, not another number. Tests have their own numbers.
#![cfg_attr(
    not(any(test, feature = "fuzzing")),
    warn(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)
)]

pub mod account;
pub mod admin;
pub mod advice;
pub mod aws;
mod beneath;
pub mod cache;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod edge;
pub mod events;
pub mod failure;
pub mod fields;
pub mod function;
pub mod function_name;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod host;
pub mod language;
pub mod limits;
pub mod loops;
pub mod measure;
pub mod net;
pub mod network;
pub mod path;
pub mod payload;
pub mod percent;
pub mod runtime;
pub mod sam;
pub mod store;
pub mod telemetry;
pub mod wasm;
