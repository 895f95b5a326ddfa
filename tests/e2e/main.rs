//! The built program, over sockets, with real components: `tests/run` builds the guests before.

mod harness;

mod cli;
mod examples;
mod hostile;
mod lifecycle;
mod origins;
mod protocol;
