//! HTTP as functions see it: payload format 2.0, which Lambda's function URLs and HTTP APIs use.
//!
//! A request becomes an event, and a reply a response. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>. I know neither functions nor sockets.

pub mod event;
pub mod reply;
