//! I hold every number that bounds something: its name, unit, default and maximum, by the room that it is of.
//!
//! Who enforces a limit is told in the table in `docs/limits.md`, not here. Settings by the user are
//! checked against `maximum` by `config`, and shown by `edgeward inspect`. The unit is the last part of a number's name.

pub mod admin;
pub mod cache;
pub mod command;
pub mod config;
pub mod descriptors;
pub mod dynamodb;
mod edge;
pub mod event_rules;
pub mod eventbridge;
pub mod events;
mod function;
pub mod handover;
pub mod iam;
pub mod kept;
pub mod lambda;
mod limit;
pub mod logs;
pub mod parameters;
pub mod policy;
mod profile;
pub mod reload;
pub mod request;
pub mod sam;
pub mod secrets;
pub mod sigv4;
mod telemetry;
mod wasm;

pub use edge::{compression, generated, hook_events, lambda_edge, negotiation, origin, signed, trailers, tunnel};
pub use function::{CLOCK_ANCHOR_MS, InstancePolicy, Limits, OverMaximum, audit, invoke, shelf, utilization};
pub use limit::Limit;
pub use profile::{Bound, Calls, EngineShape, InstanceShape, Profile, UNBOUNDED};
pub use telemetry::{logging, tracing};
pub use wasm::{Compiling, aot, cgi, compile, egress, event, host, init, instantiation, offered, restore, tmp, worker};
