//! What functions may do and what comes of it, case by case. The code is that of the component, without a host.

mod bytes;
mod examples;
mod generated;
mod globals;
mod harness;
mod hostile;
mod njs;
mod origins;
mod pairs;
mod request;
mod response;
mod sources;
