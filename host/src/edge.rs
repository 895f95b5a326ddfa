//! I am the life of an edge request, readable on one screen.
//!
//!     serve ─► exchange ─► site, behavior ─► viewer-request ─► cache ─► origin-request ─► origin
//!                                                                              │
//!              client ◄── finish ◄── viewer-response ◄──────── origin-response ◄┘
//!
//! I know no API and no configuration file: an `Edge` is a snapshot with every name resolved, replaced whole.

mod body;
mod event;
mod exchange;
mod headers;
pub mod hook;
mod origin;
mod pattern;
mod respond;
mod site;
mod trial;

pub use body::Body;
pub use exchange::serve;
pub use site::Edge;
pub use trial::{Trial, trial};
