//! `wasi:keyvalue` and Spin's key-value store: the function's key-value store, read-only.
//!
//! A function has one store or none. It opens by its name in the configuration, and by the platforms' names of the default
//! store: the empty name and `default`. Writes get the interface's own error. The two
//! drafts of `wasi:keyvalue` differ in cursors, counters and batches.

use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use crate::limits::config::KV_KEY_BYTES;
use crate::limits::offered::{BATCH_KEYS, KEY_LIST_BYTES, KEYS_COUNTED, KEYS_PER_PAGE};
use crate::wasm::sealed::HostServices as _;
use crate::wasm::state::KeyValueStore;
use crate::wasm::worker::state::WorkerState;

const STORE: [&str; 2] = ["wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft2"];
const ATOMICS: [&str; 2] = ["wasi:keyvalue/atomics@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft2"];
const BATCH: [&str; 2] = ["wasi:keyvalue/batch@0.2.0-draft", "wasi:keyvalue/batch@0.2.0-draft2"];
const SPIN: &str = "fermyon:spin/key-value@2.0.0";

pub(super) const NAMES: [&str; 7] = [STORE[0], STORE[1], ATOMICS[0], ATOMICS[1], BATCH[0], BATCH[1], SPIN];

type WorkerStore<'a> = StoreContextMut<'a, WorkerState>;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum KeyValueError {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// Spin's error has one more case, which never happens, since nothing is written.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum SpinError {
    #[component(name = "store-table-full")]
    StoreTableFull,
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    Store(KeyValueError),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Page<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

/// A handle to the function's one store, without state.
struct Bucket;

/// A key that a guest wants to swap.
struct Cas {
    key: String,
}

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    let mut store = linker.instance(STORE[0])?;
    bucket(&mut store)?;
    store.func_wrap("[method]bucket.list-keys", |mut store: WorkerStore<'_>, (_, at): (Resource<Bucket>, Option<u64>)| {
        // A cursor is a number of keys, which are counted each time.
        let at = usize::try_from(at.unwrap_or(0)).unwrap_or(usize::MAX);
        WorkerState::charge(&mut store, at.min(KEYS_COUNTED))?;
        if at > KEYS_COUNTED {
            let why = format!("no cursor goes beyond {KEYS_COUNTED} keys; those of wasi:keyvalue@0.2.0-draft2 do");
            return Ok((Err(KeyValueError::Other(why)),));
        }
        let last = match at.checked_sub(1) {
            None => None,
            Some(before) => match values(&store).and_then(|values| values.key_at(before).map(str::to_owned)) {
                None => return Ok((Ok(Page { keys: Vec::new(), cursor: None }),)),
                last => last,
            },
        };
        let keys = keys(&mut store, last.as_deref(), KEYS_PER_PAGE)?;
        let cursor = (keys.len() == KEYS_PER_PAGE).then(|| (at + KEYS_PER_PAGE) as u64);
        Ok((Ok(Page { keys, cursor }),))
    })?;
    let mut store = linker.instance(STORE[1])?;
    bucket(&mut store)?;
    store.func_wrap(
        "[method]bucket.list-keys",
        |mut store: WorkerStore<'_>, (_, after): (Resource<Bucket>, Option<String>)| {
            let keys = keys(&mut store, after.as_deref(), KEYS_PER_PAGE)?;
            let cursor = keys.last().filter(|_| keys.len() == KEYS_PER_PAGE).cloned();
            Ok((Ok::<_, KeyValueError>(Page { keys, cursor }),))
        },
    )?;
    atomics(linker)?;
    batch(linker)?;
    spin(&mut linker.instance(SPIN)?)
}

/// The functions of both drafts of `store`.
fn bucket(store: &mut LinkerInstance<'_, WorkerState>) -> Result<()> {
    store.resource("bucket", ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    store.func_wrap("open", |mut store: WorkerStore<'_>, (name,): (String,)| {
        WorkerState::charge(&mut store, name.len())?;
        Ok((open(&store, &name).ok_or(KeyValueError::NoSuchStore),))
    })?;
    store.func_wrap("[method]bucket.get", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((Ok::<_, KeyValueError>(get(&mut store, &key)?),))
    })?;
    store.func_wrap("[method]bucket.exists", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((Ok::<_, KeyValueError>(exists(&mut store, &key)?),))
    })?;
    store.func_wrap(
        "[method]bucket.set",
        |mut store: WorkerStore<'_>, (_, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Ok((read_only(&mut store, key.len() + value.len())?,))
        },
    )?;
    store.func_wrap("[method]bucket.delete", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((read_only(&mut store, key.len())?,))
    })
}

fn atomics(linker: &mut Linker<WorkerState>) -> Result<()> {
    linker.instance(ATOMICS[0])?.func_wrap(
        "increment",
        |mut store: WorkerStore<'_>, (_, key, _): (Resource<Bucket>, String, u64)| {
            Ok((read_only(&mut store, key.len())?.map(|()| 0_u64),))
        },
    )?;
    let mut atomics = linker.instance(ATOMICS[1])?;
    atomics.func_wrap("increment", |mut store: WorkerStore<'_>, (_, key, _): (Resource<Bucket>, String, i64)| {
        Ok((read_only(&mut store, key.len())?.map(|()| 0_i64),))
    })?;
    atomics.resource("cas", ResourceType::host::<Cas>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Cas>::new_own(rep))?;
        Ok(())
    })?;
    atomics.func_wrap("[static]cas.new", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        WorkerState::charge(&mut store, key.len())?;
        if key.len() > KV_KEY_BYTES {
            return Ok((Err(KeyValueError::Other(format!("a key has at most {KV_KEY_BYTES} bytes"))),));
        }
        Ok((Ok(store.data_mut().table.push(Cas { key })?),))
    })?;
    atomics.func_wrap("[method]cas.current", |mut store: WorkerStore<'_>, (cas,): (Resource<Cas>,)| {
        let key = store.data_mut().table.get(&cas)?.key.clone();
        Ok((Ok::<_, KeyValueError>(get(&mut store, &key)?),))
    })?;
    atomics.func_wrap("swap", |mut store: WorkerStore<'_>, (cas, value): (Resource<Cas>, Vec<u8>)| {
        store.data_mut().table.delete(cas)?;
        Ok((read_only(&mut store, value.len())?.map_err(CasError::Store),))
    })
}

fn batch(linker: &mut Linker<WorkerState>) -> Result<()> {
    linker.instance(BATCH[0])?.func_wrap(
        "get-many",
        |mut store: WorkerStore<'_>, (_, keys): (Resource<Bucket>, Vec<String>)| {
            let found = get_many(&mut store, keys)?;
            Ok((found.map(|found| found.into_iter().map(|(key, value)| Some((key, value?))).collect::<Vec<_>>()),))
        },
    )?;
    linker
        .instance(BATCH[1])?
        .func_wrap("get-many", |mut store: WorkerStore<'_>, (_, keys): (Resource<Bucket>, Vec<String>)| {
            Ok((get_many(&mut store, keys)?,))
        })?;
    for name in BATCH {
        let mut batch = linker.instance(name)?;
        batch.func_wrap("set-many", |mut store: WorkerStore<'_>, (_, pairs): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            let bytes = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
            Ok((read_only(&mut store, bytes)?,))
        })?;
        batch.func_wrap("delete-many", |mut store: WorkerStore<'_>, (_, keys): (Resource<Bucket>, Vec<String>)| {
            Ok((read_only(&mut store, keys.iter().map(String::len).sum())?,))
        })?;
    }
    Ok(())
}

fn spin(spin: &mut LinkerInstance<'_, WorkerState>) -> Result<()> {
    spin.resource("store", ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    spin.func_wrap("[static]store.open", |mut store: WorkerStore<'_>, (label,): (String,)| {
        WorkerState::charge(&mut store, label.len())?;
        Ok((open(&store, &label).ok_or(SpinError::NoSuchStore),))
    })?;
    spin.func_wrap("[method]store.get", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((Ok::<_, SpinError>(get(&mut store, &key)?),))
    })?;
    spin.func_wrap("[method]store.exists", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((Ok::<_, SpinError>(exists(&mut store, &key)?),))
    })?;
    spin.func_wrap("[method]store.set", |mut store: WorkerStore<'_>, (_, key, value): (Resource<Bucket>, String, Vec<u8>)| {
        Ok((read_only(&mut store, key.len() + value.len())?.map_err(SpinError::from),))
    })?;
    spin.func_wrap("[method]store.delete", |mut store: WorkerStore<'_>, (_, key): (Resource<Bucket>, String)| {
        Ok((read_only(&mut store, key.len())?.map_err(SpinError::from),))
    })?;
    spin.func_wrap("[method]store.get-keys", |mut store: WorkerStore<'_>, (_,): (Resource<Bucket>,)| {
        let (mut all, mut bytes) = (Vec::new(), 0);
        loop {
            let page = keys(&mut store, all.last().map(String::as_str), KEYS_PER_PAGE)?;
            let is_last = page.len() < KEYS_PER_PAGE;
            bytes += page.iter().map(String::len).sum::<usize>();
            all.extend(page);
            if bytes > KEY_LIST_BYTES {
                let why = format!("its keys have more than {KEY_LIST_BYTES} bytes: wasi:keyvalue lists them by pages");
                return Ok((Err(SpinError::Other(why)),));
            }
            if is_last {
                return Ok((Ok(all),));
            }
        }
    })
}

impl From<KeyValueError> for SpinError {
    fn from(error: KeyValueError) -> SpinError {
        match error {
            KeyValueError::NoSuchStore => SpinError::NoSuchStore,
            KeyValueError::AccessDenied => SpinError::AccessDenied,
            KeyValueError::Other(why) => SpinError::Other(why),
        }
    }
}

fn values(store: &WorkerStore<'_>) -> Option<Arc<dyn KeyValueStore>> {
    store.data().key_values()
}

fn open(store: &WorkerStore<'_>, name: &str) -> Option<Resource<Bucket>> {
    let is_it = values(store).is_some_and(|values| name.is_empty() || name == "default" || name == values.name());
    is_it.then(|| Resource::new_own(0))
}

fn get(store: &mut WorkerStore<'_>, key: &str) -> Result<Option<Vec<u8>>> {
    let found = values(store).and_then(|values| values.get(key).map(<[u8]>::to_vec));
    WorkerState::charge(store, key.len() + found.as_ref().map_or(0, Vec::len))?;
    Ok(found)
}

fn exists(store: &mut WorkerStore<'_>, key: &str) -> Result<bool> {
    WorkerState::charge(store, key.len())?;
    Ok(values(store).is_some_and(|values| values.get(key).is_some()))
}

/// At most `max` keys of the store, in order, after this one.
fn keys(store: &mut WorkerStore<'_>, after: Option<&str>, max: usize) -> Result<Vec<String>> {
    let keys = values(store).map_or_else(Vec::new, |values| values.keys_after(after, max));
    WorkerState::charge(store, keys.iter().map(String::len).sum())?;
    Ok(keys)
}

/// Keys with their values, in the order of the request.
type BatchResult = Vec<(String, Option<Vec<u8>>)>;

fn get_many(store: &mut WorkerStore<'_>, keys: Vec<String>) -> Result<std::result::Result<BatchResult, KeyValueError>> {
    if keys.len() > BATCH_KEYS {
        return Ok(Err(KeyValueError::Other(format!("at most {BATCH_KEYS} keys at once"))));
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let value = get(store, &key)?;
        found.push((key, value));
    }
    Ok(Ok(found))
}

/// The error for writes.
fn read_only(store: &mut WorkerStore<'_>, bytes: usize) -> Result<std::result::Result<(), KeyValueError>> {
    WorkerState::charge(store, bytes)?;
    Ok(Err(KeyValueError::AccessDenied))
}
