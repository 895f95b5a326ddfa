//! `wasi:io`: output is written to the function's log at once, input is at its end, and every pollable is ready.
//!
//! A hook does not wait, so a pollable is always ready. Streams have no state here: an unfinished line is in
//! `ViewerState::log`.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, WasmList};
use wasmtime::{Error, Result};

use super::define::{SealedCaller, func, handle, pay, pay_bytes, resource};
use crate::limits::host::PERMIT_BYTES;
use crate::wasm::fuel::host_call;
use crate::wasm::state::{Handles, StdStream, ViewerState};

pub(super) struct OutputStream;
pub(super) struct InputStream;
pub(super) struct Pollable;
/// Never given to a guest: nothing fails.
pub(super) struct IoError;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = (std::result::Result<T, StreamError>,);

pub(super) fn error(error: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    resource::<IoError>(error, "error")?;
    func(error, "[method]error.to-debug-string", |_, (_error,): (Resource<IoError>,)| Ok(("sealed",)))
}

pub(super) fn poll(poll: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    resource::<Pollable>(poll, "pollable")?;
    func(poll, "[method]pollable.ready", |_, (_pollable,): (Resource<Pollable>,)| Ok((true,)))?;
    func(poll, "[method]pollable.block", |_, (_pollable,): (Resource<Pollable>,)| Ok(()))?;
    func(poll, "poll", |store, (pollables,): (Vec<Resource<Pollable>>,)| {
        if pollables.is_empty() {
            return Err(Error::msg("an empty list of pollables is polled"));
        }
        let count = u32::try_from(pollables.len())?;
        pay(store, u64::from(count) * host_call::POLLED)?;
        Ok(((0..count).collect::<Vec<u32>>(),))
    })
}

pub(super) fn streams(streams: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    resource::<OutputStream>(streams, "output-stream")?;
    resource::<InputStream>(streams, "input-stream")?;
    output(streams)?;
    input(streams)
}

fn output(streams: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(streams, "[method]output-stream.check-write", |_, (_stream,): (Resource<OutputStream>,)| -> Result<Streamed<u64>> {
        Ok((Ok(PERMIT_BYTES),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        func(streams, name, |store, (stream, contents): (Resource<OutputStream>, WasmList<u8>)| -> Result<Streamed<()>> {
            pay_bytes(store, contents.len(), host_call::TEXT_BYTE_EIGHTHS)?;
            // The log takes as much as it has room for, and one byte more to detect truncation.
            let bytes = contents.as_le_slice(&*store);
            let kept = bytes[..bytes.len().min(store.data().log.room() + 1)].to_vec();
            write(store, &stream, &kept);
            Ok((Ok(()),))
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        func(streams, name, |_, (_stream,): (Resource<OutputStream>,)| -> Result<Streamed<()>> { Ok((Ok(()),)) })?;
    }
    for name in ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"] {
        func(streams, name, |store, (stream, len): (Resource<OutputStream>, u64)| -> Result<Streamed<()>> {
            let len = usize::try_from(len)?;
            pay_bytes(store, len, host_call::TEXT_BYTE_EIGHTHS)?;
            let kept = vec![0; len.min(store.data().log.room() + 1)];
            write(store, &stream, &kept);
            Ok((Ok(()),))
        })?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        func(
            streams,
            name,
            |_, (_stream, _from, _len): (Resource<OutputStream>, Resource<InputStream>, u64)| -> Result<Streamed<u64>> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    func(streams, "[method]output-stream.subscribe", |store, (_stream,): (Resource<OutputStream>,)| {
        Ok((handle::<Pollable>(store, 0)?,))
    })
}

fn write(store: &mut SealedCaller<'_>, stream: &Resource<OutputStream>, bytes: &[u8]) {
    let stream = if Handles::kind(stream.rep()) == StdStream::Stderr as u8 { StdStream::Stderr } else { StdStream::Stdout };
    store.data_mut().log.write(stream, bytes);
}

fn input(streams: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        func(streams, name, |_, (_stream, _len): (Resource<InputStream>, u64)| -> Result<Streamed<Vec<u8>>> {
            Ok((Err(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        func(streams, name, |_, (_stream, _len): (Resource<InputStream>, u64)| -> Result<Streamed<u64>> {
            Ok((Err(StreamError::Closed),))
        })?;
    }
    func(streams, "[method]input-stream.subscribe", |store, (_stream,): (Resource<InputStream>,)| {
        Ok((handle::<Pollable>(store, 0)?,))
    })
}
