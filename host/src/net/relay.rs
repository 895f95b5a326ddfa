//! Carries the bytes of a tunnel both ways, without a look at them.
//!
//!     viewer ──read──► far side      each direction ends by itself (half-close): an end of stream is passed on, and
//!     viewer ◄──read── far side      the other direction goes on; an error ends both
//!
//! Back-pressure: a direction reads again when all that it has read is written. What the taker has no room for is
//! kept until then, at most `CHUNK_BYTES`; a quiet tunnel holds no buffer at all.
//!
//! Deadlines are the sweep's (`ConnectionStage::Tunnel`): bytes of either direction prolong a tunnel, since all of them
//! pass the viewer's side, whose state is updated. The witness is dropped at the end, whatever the reason.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::tunnel::CHUNK_BYTES;
use crate::net::state::{CloseReason, ConnectionState};
use crate::net::tunnel::{Side, Tunnel};

/// Carries bytes until both sides have closed, one has failed, or the connection must close. `early` is what
/// the viewer has sent with its head.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    mut viewer: S,
    early: Bytes,
    tunnel: Tunnel,
    state: &ConnectionState,
) -> Option<CloseReason> {
    let Tunnel { mut far, early: answered, patience, mut witness } = tunnel;
    state.tunnel(patience);
    let mut there = Direction::new(early);
    let mut back = Direction::new(answered);
    poll_fn(|cx| {
        state.attend(cx);
        if let Some(close_reason) = state.close_reason() {
            return Poll::Ready(Some(close_reason));
        }
        let gone = there.carry(&mut viewer, &mut far, cx, |bytes| witness.passed(Side::Far, bytes));
        if let Poll::Ready(Err(end)) = gone {
            witness.broke(if end == BrokenEnd::Giver { Side::Viewer } else { Side::Far });
            return Poll::Ready(None);
        }
        let come = back.carry(&mut far, &mut viewer, cx, |bytes| witness.passed(Side::Viewer, bytes));
        if let Poll::Ready(Err(end)) = come {
            witness.broke(if end == BrokenEnd::Giver { Side::Far } else { Side::Viewer });
            return Poll::Ready(None);
        }
        match (gone, come) {
            (Poll::Ready(_), Poll::Ready(_)) => Poll::Ready(None),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ => {
                // A side that has closed has usually gone, and the other side may not notice for long.
                state.half_closed();
                Poll::Pending
            }
        }
    })
    .await
}

/// Which end of a direction has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokenEnd {
    Giver,
    Taker,
}

/// One direction of a tunnel.
struct Direction {
    /// Read, and not yet taken.
    waiting: Bytes,
    state: DirectionState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirectionState {
    Open,
    /// Something was written since the last flush.
    Unflushed,
    /// The giver has closed; the taker is to be shut down.
    Closing,
    Closed,
}

impl Direction {
    fn new(early: Bytes) -> Direction {
        Direction { waiting: early, state: DirectionState::Open }
    }

    /// Ready when the giver has closed and the taker has been shut down.
    fn carry<G, T>(
        &mut self,
        giver: &mut G,
        taker: &mut T,
        cx: &mut Context<'_>,
        mut passed: impl FnMut(u64),
    ) -> Poll<Result<(), BrokenEnd>>
    where
        G: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        let mut room = [const { MaybeUninit::<u8>::uninit() }; CHUNK_BYTES];
        loop {
            while !self.waiting.is_empty() {
                let n = ready!(write(taker, cx, &self.waiting))?;
                passed(n as u64);
                self.state = DirectionState::Unflushed;
                // An empty `Bytes` releases the memory.
                self.waiting = if n == self.waiting.len() { Bytes::new() } else { self.waiting.slice(n..) };
            }
            match self.state {
                DirectionState::Closed => return Poll::Ready(Ok(())),
                DirectionState::Closing => {
                    // A taker that has closed entirely need not be shut down.
                    let _ = ready!(Pin::new(&mut *taker).poll_shutdown(cx));
                    self.state = DirectionState::Closed;
                    continue;
                }
                DirectionState::Open | DirectionState::Unflushed => {}
            }
            let mut read = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *giver).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.state = DirectionState::Closing,
                Poll::Ready(Ok(())) => {
                    let read = read.filled();
                    let n = match write(taker, cx, read) {
                        Poll::Ready(written) => written?,
                        Poll::Pending => 0,
                    };
                    passed(n as u64);
                    self.state = DirectionState::Unflushed;
                    if n < read.len() {
                        self.waiting = Bytes::copy_from_slice(&read[n..]);
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(BrokenEnd::Giver)),
                Poll::Pending => {
                    if self.state == DirectionState::Unflushed {
                        ready!(Pin::new(&mut *taker).poll_flush(cx)).map_err(|_| BrokenEnd::Taker)?;
                        self.state = DirectionState::Open;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

fn write<T: AsyncWrite + Unpin>(taker: &mut T, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, BrokenEnd>> {
    match ready!(Pin::new(taker).poll_write(cx, bytes)) {
        Ok(0) => Poll::Ready(Err(BrokenEnd::Taker)),
        written => Poll::Ready(written.map_err(|_: io::Error| BrokenEnd::Taker)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::net::rules::ConnectionPermit;
    use crate::net::state::ConnectionStage;
    use crate::net::sweep::{OpenConnection, Sweep};
    use crate::net::ticks::TICK;
    use crate::net::tunnel::Witness;
    use crate::telemetry::Telemetry;

    /// How much lies in a pipe before its writer has to wait.
    const PIPE: usize = 1 << 10;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<(u64, u64, Option<Side>)>>);

    impl Witness for Seen {
        fn passed(&mut self, to: Side, bytes: u64) {
            let mut seen = self.0.lock().unwrap();
            match to {
                Side::Viewer => seen.0 += bytes,
                Side::Far => seen.1 += bytes,
            }
        }

        fn broke(&mut self, side: Side) {
            self.0.lock().unwrap().2 = Some(side);
        }
    }

    /// A tunnel, its sweep, and what stands at its two ends.
    struct Scene {
        sweep: std::rc::Rc<Sweep>,
        entry: OpenConnection,
        seen: Seen,
        viewer: DuplexStream,
        origin: DuplexStream,
        near: DuplexStream,
        tunnel: Tunnel,
    }

    fn scene() -> Scene {
        let sweep = Sweep::new(crate::net::Bounds::default(), Telemetry::new().net());
        let entry = sweep.enter(ConnectionStage::Idle, ConnectionPermit::uncounted());
        let ((viewer, near), (far, origin)) = (duplex(PIPE), duplex(PIPE));
        let seen = Seen::default();
        let tunnel = Tunnel { far: Box::new(far), early: Bytes::new(), patience: TICK * 4, witness: Box::new(seen.clone()) };
        Scene { sweep, entry, seen, viewer, origin, near, tunnel }
    }

    #[tokio::test]
    async fn a_slow_receiver_stops_the_sender_after_one_chunk() {
        let Scene { entry, mut origin, viewer, near, tunnel, seen, .. } = scene();
        let carrying = carry(near, Bytes::new(), tunnel, entry.state());
        let written = std::cell::Cell::new(0);
        let block = [0; 4096];
        // Ends when the writer can only wait: then nothing moves in the tunnel any more.
        let flood = async {
            while let Ok(n) = origin.write(&block).await {
                written.set(written.get() + n);
            }
        };
        let (mut carrying, mut flood) = (std::pin::pin!(carrying), std::pin::pin!(flood));
        for _ in 0..1_000 {
            poll_fn(|cx| {
                assert!(carrying.as_mut().poll(cx).is_pending());
                assert!(flood.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!(seen.0.lock().unwrap().0, PIPE as u64, "what the viewer's pipe takes");
        let written = written.get();
        assert!((PIPE + 1..=2 * PIPE + CHUNK_BYTES).contains(&written), "{written}");
        drop(viewer);
    }

    #[tokio::test]
    async fn a_close_is_passed_on_and_the_other_way_stays_open() {
        let Scene { entry, mut origin, mut viewer, near, tunnel, seen, .. } = scene();
        let both = async {
            viewer.write_all(b"from viewer").await.unwrap();
            viewer.shutdown().await.unwrap();
            let mut heard = String::new();
            origin.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "early, from viewer");
            origin.write_all(b"from origin").await.unwrap();
            origin.shutdown().await.unwrap();
            let mut heard = String::new();
            viewer.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "from origin");
        };
        let (end, ()) = tokio::join!(carry(near, Bytes::from_static(b"early, "), tunnel, entry.state()), both);
        assert_eq!((end, *seen.0.lock().unwrap()), (None, (11, 18, None)));
    }

    #[tokio::test]
    async fn an_error_on_one_side_closes_both_and_names_the_side() {
        for side in [Side::Viewer, Side::Far] {
            let Scene { entry, mut origin, mut viewer, near, tunnel, seen, .. } = scene();
            let far_end = async {
                // A pipe whose other end is gone breaks when it is written to.
                let (left, gone) = if side == Side::Viewer { (&mut origin, viewer) } else { (&mut viewer, origin) };
                drop(gone);
                left.write_all(b"x").await.unwrap();
                assert_eq!(left.read(&mut [0]).await.unwrap(), 0);
            };
            let (end, ()) = tokio::join!(carry(near, Bytes::new(), tunnel, entry.state()), far_end);
            let seen = *seen.0.lock().unwrap();
            assert_eq!((end, seen.2), (None, Some(side)));
        }
    }

    #[tokio::test]
    async fn a_quiet_tunnel_ends_by_the_sweep_and_its_witness_with_it() {
        let Scene { sweep, entry, origin, viewer, near, tunnel, seen, .. } = scene();
        {
            let mut carrying = std::pin::pin!(carry(near, Bytes::new(), tunnel, entry.state()));
            let mut polled = Poll::Pending;
            for tick in 0..5 {
                polled = poll_fn(|cx| Poll::Ready(carrying.as_mut().poll(cx))).await;
                assert!(polled.is_pending(), "after {tick} ticks");
                sweep.tick();
            }
            if polled.is_pending() {
                polled = poll_fn(|cx| Poll::Ready(carrying.as_mut().poll(cx))).await;
            }
            assert_eq!(polled, Poll::Ready(Some(CloseReason::Quiet)));
        }
        assert_eq!(Arc::strong_count(&seen.0), 1, "the witness is gone");
        drop((origin, viewer));
    }
}
