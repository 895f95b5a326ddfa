//! Limits the open connections of functions: each takes a file descriptor, and the process has few.
//!
//! One function may have as many as its limit `connections`, and all functions together a share of the descriptors
//! (`limits::descriptors`); so origins, files and reloads have the rest, whatever functions do.
//! A request without a free permit waits for one, within its connect timeout. A permit lives as long as the connection:
//! `Drop` returns it, however the connection ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::descriptors;

/// The permits of all functions. Computed at first use, when the limit of descriptors has been raised.
static ALL: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let most = descriptors::functions(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX));
    semaphore(most)
});

fn semaphore(permits: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(permits).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

/// The connections of one function. See the module.
pub(super) struct Connections {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The right to have one connection open.
pub struct Permit {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(most: u64) -> Connections {
        Connections { own: semaphore(most), all: ALL.clone() }
    }

    /// Waits for a permit; the function's own first, so that a function that has used up its own delays no other.
    pub(super) async fn permit(&self) -> Permit {
        let never = "it is never closed";
        let own = self.own.clone().acquire_owned().await.expect(never);
        Permit { _own: own, _all: self.all.clone().acquire_owned().await.expect(never) }
    }

    /// A permit, if one is free.
    pub(super) fn try_permit(&self) -> Option<Permit> {
        let own = self.own.clone().try_acquire_owned().ok()?;
        Some(Permit { _own: own, _all: self.all.clone().try_acquire_owned().ok()? })
    }
}

/// A connection with its permit.
pub(super) struct Permitted {
    pub(super) stream: TcpStream,
    pub(super) _permit: Permit,
}

impl AsyncRead for Permitted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Permitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_function_has_its_own_bound_and_all_have_one_together() {
        let all = semaphore(3);
        let [one, other] = [(); 2].map(|()| Connections { own: semaphore(2), all: all.clone() });
        let held = [one.permit().await, one.permit().await];
        assert!(one.try_permit().is_none(), "its own are used up");
        let last = other.try_permit().unwrap();
        assert!(other.try_permit().is_none(), "those of all are used up");
        drop(held);
        assert!(other.try_permit().is_some() && one.try_permit().is_some(), "what was refused holds nothing");
        drop(last);
        assert_eq!(all.available_permits(), 3);
    }
}
