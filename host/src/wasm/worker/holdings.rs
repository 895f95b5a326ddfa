//! What an instance's handles hold in the host: memory, and work in progress.
//!
//! A guest may keep as many `Fields` as it has handles, and each takes several times its text. So they are counted
//! from time to time, as if they were the guest's own memory.

use http::HeaderValue;
use wasmtime_wasi::ResourceTable;
use wasmtime_wasi::p2;
use wasmtime_wasi::sockets::TcpSocket;
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{
    HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
};
use wasmtime_wasi_http::{FieldMap, p3};

use crate::limits::worker::FIELD_ENTRY_BYTES;
use crate::wasm::egress::Permit;

/// An estimate on the high side: shared maps are counted for each of their handles.
pub(super) fn held_bytes(table: &mut ResourceTable) -> u64 {
    table
        .iter_mut()
        .filter_map(|entry| {
            let entry = &*entry;
            let fields = entry.downcast_ref::<FieldMap>();
            let fields = fields.or_else(|| Some(&entry.downcast_ref::<HostOutgoingRequest>()?.headers));
            let fields = fields.or_else(|| Some(&entry.downcast_ref::<HostOutgoingResponse>()?.headers));
            let fields = fields.or_else(|| Some(&entry.downcast_ref::<p3::Request>()?.headers));
            fields.or_else(|| Some(&entry.downcast_ref::<p3::Response>()?.headers))
        })
        .map(|fields| {
            let text: usize = fields.values().map(HeaderValue::len).sum();
            fields.capacity() as u64 * FIELD_ENTRY_BYTES + text as u64
        })
        .sum()
}

/// Whether there are more handles than that; looks at no more of them than it needs to.
pub(super) fn are_more_than(table: &mut ResourceTable, handles: usize) -> bool {
    table.iter_mut().nth(handles).is_some()
}

/// Sockets of WASI 0.2.
pub(super) fn sockets(table: &mut ResourceTable) -> usize {
    table.iter_mut().filter(|entry| entry.is::<p2::TcpSocket>()).count()
}

/// The permits of an instance's sockets.
#[derive(Default)]
pub(super) struct Permits {
    pub(super) p2: Vec<Permit>,
    pub(super) p3: Vec<Permit>,
}

impl Permits {
    /// Whether there may be connections without a handle.
    pub(super) fn outlive_handles(&self) -> bool {
        !self.p3.is_empty()
    }
}

/// Whether the host still works for a call that has ended: on a request, a body, or a connection.
pub(super) fn is_busy(table: &mut ResourceTable) -> bool {
    table.iter_mut().any(|entry| {
        entry.is::<HostFutureIncomingResponse>()
            || entry.is::<HostIncomingResponse>()
            || entry.is::<HostIncomingBody>()
            || entry.is::<HostOutgoingBody>()
            || entry.is::<p2::TcpSocket>()
            || entry.is::<TcpSocket>()
            || entry.is::<p3::Response>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::worker::TEARDOWN_INLINE_HANDLES;

    #[test]
    fn an_instance_with_more_handles_than_the_limit_is_dropped_on_another_thread() {
        for (handles, slow) in [
            (0, false),
            (TEARDOWN_INLINE_HANDLES - 1, false),
            (TEARDOWN_INLINE_HANDLES, false),
            (TEARDOWN_INLINE_HANDLES + 1, true),
        ] {
            let mut table = ResourceTable::new();
            let mut held: Vec<_> = (0..handles).map(|_| table.push(FieldMap::default()).unwrap()).collect();
            assert_eq!(are_more_than(&mut table, TEARDOWN_INLINE_HANDLES), slow, "{handles}");
            // Handles that were dropped are not counted.
            if let Some(one) = held.pop() {
                table.delete(one).unwrap();
                assert!(!are_more_than(&mut table, TEARDOWN_INLINE_HANDLES), "{handles}");
            }
        }
    }
}
