//! What came: the head of a request, its id, the device that sent it, and which header fields may pass.

pub(crate) mod device;
pub(crate) mod head;
pub(crate) mod header_rules;
pub(crate) mod id;
pub(crate) mod spare;
pub(crate) mod websocket;
