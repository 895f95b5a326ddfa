//! Defines the functions and resources of sealed interfaces, and charges each call.

use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Error, Result, StoreContextMut};

use crate::limits::Limit;
use crate::wasm::fuel::host_call;
use crate::wasm::state::ViewerState;

/// The store of the calling instance.
pub(super) type SealedCaller<'a> = StoreContextMut<'a, ViewerState>;

/// Defines a function; the base price of a call is charged before it runs.
pub(super) fn func<P, R>(
    interface: &mut LinkerInstance<'_, ViewerState>,
    name: &str,
    run: fn(&mut SealedCaller<'_>, P) -> Result<R>,
) -> Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    interface.func_wrap(name, move |mut store: SealedCaller<'_>, params: P| {
        store.data_mut().enter()?;
        pay(&mut store, host_call::CALL)?;
        run(&mut store, params)
    })
}

/// Defines a function that no guest can call, since no guest can have the handle that is its first argument. Its type is
/// not checked.
pub(super) fn unreachable(interface: &mut LinkerInstance<'_, ViewerState>, name: &str) -> Result<()> {
    interface.func_new(name, |_, _, _, _| Err(Error::msg("a sealed hook has no such handle")))
}

pub(super) fn resource<T: 'static>(interface: &mut LinkerInstance<'_, ViewerState>, name: &str) -> Result<()> {
    interface.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        pay(&mut store, host_call::DROP)?;
        store.data_mut().handles.dropped(rep);
        Ok(())
    })
}

/// Makes a handle for the guest, and charges for it.
pub(super) fn handle<T: 'static>(store: &mut SealedCaller<'_>, kind: u8) -> Result<Resource<T>> {
    pay(store, host_call::HANDLE)?;
    Ok(Resource::new_own(store.data_mut().handle(kind)?))
}

/// Charges for host code (`fuel::host_call`), which burns no fuel by itself.
pub(super) fn pay(store: &mut SealedCaller<'_>, units: u64) -> Result<()> {
    match store.get_fuel()?.checked_sub(units) {
        Some(left) => store.set_fuel(left),
        None => {
            store.data_mut().exceeded = Some(Limit::CpuUs);
            store.set_fuel(0)?;
            Err(Error::msg("fuel used up by calls into the host"))
        }
    }
}

pub(super) fn pay_bytes(store: &mut SealedCaller<'_>, bytes: usize, eighths_each: u64) -> Result<()> {
    pay(store, (bytes as u64).saturating_mul(eighths_each) / 8)
}
