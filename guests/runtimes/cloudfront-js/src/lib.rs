//! Runs CloudFront Functions: QuickJS-ng in a component.
//!
//! `load` runs a function's source once, at deployment, and the host keeps the memory of the instance as the function's
//! first image; `handle` is one call on that image. So nothing is given back after a call, and what a call finds is what
//! `load` left.
//!
//! ```text
//! event bytes ─ event ─► JavaScript objects ─ handler ─► what it returned ─ result ─► ops (docs/abi.md)
//! ```
//!
//! | file | knows |
//! |-|-|
//! | `engine` | the engine: how a source is compiled and the handler called |
//! | `event`, `pairs`, `changes` | how an event becomes objects, and which of them a handler has changed |
//! | `result`, `answer` | what a handler may return, and the ops that say it |
//! | `globals` | what a source finds: console, crypto, Buffer, key-value stores |
//! | `error` | exceptions as text |
//! | `js`, `atoms` | QuickJS's interface and the names that are used all the time |
//! | `host`, `abi`, `alloc`, `clock` | the world outside |

mod answer;
mod atoms;
mod changes;
mod clock;
mod engine;
mod error;
mod event;
mod globals;
#[cfg(not(target_arch = "wasm32"))]
pub mod host;
#[cfg(target_arch = "wasm32")]
mod host;
mod js;
mod pairs;
mod result;

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(target_arch = "wasm32")]
mod alloc;

pub use engine::Function;
