//! How many connections functions may have open: each takes a file descriptor, of which the process has few.
//!
//! One function may have as many as its limit `connections` says, and all functions together a part of what is there for
//! clients and functions (`limits::descriptors`); so what origins, files and reloads need is left, whatever functions do.
//! Who finds none free waits for one, within the time to connect. A permit lives as long as the connection: it is given
//! back by `Drop`, however that ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::descriptors;

/// Those of all functions. Counted when first needed: the limit of descriptors has been raised by then.
static ALL: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let most = descriptors::functions(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX));
    semaphore(most)
});

fn semaphore(permits: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(permits).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

/// See the module. Those of one function.
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

    /// Waits for a permit; its own first, so that a function that has used up its own stands in nobody's way.
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
