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

use crate::limits::worker::{FEW_FIELDS, FIELD_ENTRY_BYTES};
use crate::wasm::egress::Permit;

/// An estimate on the high side: shared maps are counted for each of their handles, and all but small ones with as much
/// text as wasi-http lets them have, which counts its values' own size too. To look at each field of thousands of maps
/// takes milliseconds, in which the thread does nothing else.
pub(super) fn held_bytes(table: &mut ResourceTable, size_max: usize) -> u64 {
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
            let text = match fields.len() {
                0..=FEW_FIELDS => fields.values().map(HeaderValue::len).sum(),
                many => size_max.saturating_sub(many * size_of::<HeaderValue>()),
            };
            fields.capacity().max(fields.len()) as u64 * FIELD_ENTRY_BYTES + text as u64
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

    #[test]
    fn maps_are_never_counted_for_less_than_they_hold() {
        const SIZE_MAX: usize = 10_000;
        let few = [(0, 1, 0), (1, 1, 9_000), (FEW_FIELDS, 10, 2_000)];
        let many = [(FEW_FIELDS + 1, 10, 1_900), (100, 100, 20), (100, 1, 50), (130, 200, 1), (240, 1, 1)];
        for (fields, names, length) in few.into_iter().chain(many) {
            let mut map = FieldMap::new_mutable(SIZE_MAX);
            for n in 0..fields {
                let name = http::HeaderName::from_bytes(format!("x{}", n % names).as_bytes()).unwrap();
                map.append_raw(name, HeaderValue::from_bytes(&vec![b'v'; length]).unwrap()).unwrap();
            }
            let (text, room) = ((fields * length) as u64, map.capacity().max(map.len()) as u64 * FIELD_ENTRY_BYTES);
            let mut table = ResourceTable::new();
            table.push(map).unwrap();
            let held = held_bytes(&mut table, SIZE_MAX);
            assert!((text + room..=SIZE_MAX as u64 + room).contains(&held), "{fields} {held}");
        }
    }
}
