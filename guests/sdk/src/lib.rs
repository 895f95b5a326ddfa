//! Write Edgeward hooks in Rust.
//!
//! ```
//! use edgeward_sdk::{Flow, Reply, Request};
//!
//! edgeward_sdk::viewer_request!(handle);
//!
//! fn handle(req: &mut Request) -> Flow {
//!     if req.header("x-block") == Some("1") {
//!         return Reply::new(403).body("blocked\n").into();
//!     }
//!     if req.uri().ends_with('/') {
//!         req.set_uri([req.uri(), "index.html"]);
//!     }
//!     Flow::Continue
//! }
//! ```
//!
//! A hook sees one event and edits it. Reading borrows straight from the event's bytes and gives what
//! arrived, whatever has been edited since; editing appends to the answer. Nothing is parsed before it is
//! asked for: a hook that looks at the path alone pays for the path alone.
//!
//! One component may use several of [`viewer_request!`], [`origin_request!`], [`origin_response!`] and
//! [`viewer_response!`], each once. A hook that panics is a trap: its request fails, and only that one.
//!
//! I know the layout of `docs/abi.md` and nothing about the host. I have no dependencies.

#[doc(hidden)]
#[path = "abi.rs"]
pub mod __abi;
#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
mod allocator;
mod answer;
mod event;
pub mod kv;
pub mod log;
mod read;
mod reply;
mod request;
mod response;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;

use __abi as abi;

pub use event::{Body, Event, Moment};
pub use read::{Headers, Pairs};
pub use reply::{Flow, Reply};
pub use request::{Origin, Request};
pub use response::Response;
pub use text::Text;

#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
#[global_allocator]
static ALLOCATOR: allocator::Arena = allocator::Arena::new();

/// Exports a `fn(&mut Request) -> impl Into<Flow>` as the hook that runs for every request, before the
/// cache is asked.
#[macro_export]
macro_rules! viewer_request {
    ($handler:expr) => {
        $crate::__export!(request, Request, VIEWER_REQUEST, "viewer-request", $handler);
    };
}

/// Exports a `fn(&mut Request) -> impl Into<Flow>` as the hook that runs before a request goes to an
/// origin, once for each origin that is tried.
#[macro_export]
macro_rules! origin_request {
    ($handler:expr) => {
        $crate::__export!(request, Request, ORIGIN_REQUEST, "origin-request", $handler);
    };
}

/// Exports a `fn(&mut Response)` as the hook that runs on the origin's response, before it is stored.
#[macro_export]
macro_rules! origin_response {
    ($handler:expr) => {
        $crate::__export!(response, Response, ORIGIN_RESPONSE, "origin-response", $handler);
    };
}

/// Exports a `fn(&mut Response)` as the hook that runs on every response before it leaves.
#[macro_export]
macro_rules! viewer_response {
    ($handler:expr) => {
        $crate::__export!(response, Response, VIEWER_RESPONSE, "viewer-response", $handler);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($enter:ident, $event:ident, $world:ident, $interface:literal, $handler:expr) => {
        const _: () = {
            // Tells the component linker which world this module implements.
            #[cfg(target_arch = "wasm32")]
            #[unsafe(link_section = concat!("component-type:edgeward:", $interface))]
            static __EDGEWARD_WORLD: [u8; $crate::__abi::$world.len()] = *$crate::__abi::$world;

            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = concat!("edgeward:edge/", $interface, "@0.1.0#handle"))]
            unsafe extern "C" fn __edgeward_enter(event: *mut u8, len: usize) -> *const $crate::__abi::Returned {
                unsafe { $crate::__abi::$enter(event, len, |event| ($handler)(event).into()) }
            }

            // Elsewhere there is no host to call the handler; check its type all the same.
            #[cfg(not(target_arch = "wasm32"))]
            #[allow(dead_code)]
            fn __edgeward_typed(event: &mut $crate::$event<'_>) {
                let _ = ($handler)(event);
            }
        };
    };
}
