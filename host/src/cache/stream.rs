//! A response on its way into the cache, and its readers.
//!
//! The filler pushes pieces; readers, on any worker, take them at their own speed. As long as the object may
//! still go to memory, everything is kept. A larger object goes to a file while it arrives: what the file has is
//! released here, and readers that are behind read the file. Where no file takes it, a window is kept, and the
//! filler waits for the slowest reader. A reader that holds it up for too long is cut off, so that one slow
//! client does not stop the others for ever.
//!
//!     0 ───── file ─────► readable          (blocks, from the blocking pool)
//!               start ────── pieces ──────► end     (memory)
//!
//! A reader gets every byte from its position on, or an error. It has a position here until it is dropped.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::cache::compact;
use crate::cache::disk::{BlockReader, Blocks};
use crate::cache::key::Key;
use crate::cache::object::{BodyError, Meta};
use crate::cache::purge::lock;

pub(crate) struct FillStream {
    pub(crate) meta: Arc<Meta>,
    /// The object's own key.
    pub(crate) key: Key,
    pub(crate) fill_epoch: u64,
    purged: AtomicBool,
    /// Notified when a reader has moved on or has been dropped.
    moved: Notify,
    state: Mutex<FillState>,
    buffered: Arc<AtomicU64>,
}

struct FillState {
    /// Each piece with the offset of its first byte.
    pieces: VecDeque<(u64, Bytes)>,
    start: u64,
    end: u64,
    over: Option<Result<(), BodyError>>,
    readers: Vec<Option<ReaderPosition>>,
    free: Vec<usize>,
    file: Option<(Blocks, u64)>,
    /// Counted in `buffered`.
    counted: u64,
}

struct ReaderPosition {
    at: u64,
    waker: Option<Waker>,
    cut: bool,
}

impl FillStream {
    /// `buffered` counts the bytes that all streams keep.
    pub(crate) fn new(meta: Arc<Meta>, key: Key, fill_epoch: u64, buffered: Arc<AtomicU64>) -> Arc<FillStream> {
        let state = FillState {
            pieces: VecDeque::new(),
            start: 0,
            end: 0,
            over: None,
            readers: Vec::new(),
            free: Vec::new(),
            file: None,
            counted: 0,
        };
        Arc::new(FillStream {
            meta,
            key,
            fill_epoch,
            purged: AtomicBool::new(false),
            moved: Notify::new(),
            state: Mutex::new(state),
            buffered,
        })
    }

    pub(crate) fn strike(&self) {
        self.purged.store(true, Ordering::Release);
    }

    pub(crate) fn is_struck(&self) -> bool {
        self.purged.load(Ordering::Acquire)
    }

    /// A reader from the beginning. `None` if the beginning is gone.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<StreamReader> {
        let mut state = lock(&self.state);
        if state.start > state.file.as_ref().map_or(0, |(_, readable)| *readable) {
            return None;
        }
        let slot = state.sit(0);
        drop(state);
        Some(StreamReader { stream: self.clone(), slot, at: 0, until: self.meta.length, file: None })
    }

    /// Takes a piece. Returns how many bytes have arrived in all.
    pub(crate) fn push(&self, data: Bytes) -> u64 {
        let mut state = lock(&self.state);
        let at = state.end;
        let size = data.len() as u64;
        state.end += size;
        state.counted += size;
        self.buffered.fetch_add(size, Ordering::Relaxed);
        state.pieces.push_back((at, data));
        let end = state.end;
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        end
    }

    /// Merges the last pieces as long as they are small. Readers do not notice, since they keep byte offsets.
    pub(crate) fn merge(&self) {
        let mut state = lock(&self.state);
        while let [.., (at, older), (_, newer)] = state.pieces.make_contiguous()
            && let Some(one) = compact::merged(older, newer)
        {
            let merged = (*at, one);
            let kept = state.pieces.len() - 2;
            state.pieces.truncate(kept);
            state.pieces.push_back(merged);
        }
    }

    /// The pieces that have arrived and are still kept.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        lock(&self.state).pieces.iter().map(|(_, data)| data.clone()).collect()
    }

    pub(crate) fn end_at(&self) -> u64 {
        lock(&self.state).end
    }

    /// The file has everything up to `readable`; all but the last `window` bytes of that may go from memory.
    pub(crate) fn written(&self, blocks: Blocks, readable: u64, window: u64) {
        let mut state = lock(&self.state);
        state.file = Some((blocks, readable));
        let until = readable.min(state.end.saturating_sub(window));
        self.release(&mut state, until);
    }

    /// Waits until the window has room, at most for `patience`; then cuts off the readers that are behind it.
    pub(crate) async fn room(&self, window: u64, patience: Duration) {
        let waited = tokio::time::timeout(patience, async {
            loop {
                let moved = self.moved.notified();
                if self.slide(window) {
                    return;
                }
                moved.await;
            }
        });
        if waited.await.is_err() {
            let mut state = lock(&self.state);
            let floor = state.end.saturating_sub(window);
            state.readers.iter_mut().flatten().filter(|place| place.at < floor).for_each(|place| place.cut = true);
            self.release(&mut state, floor);
            let wakers = state.wakers();
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether some readers are behind the window while others, which are not, wait for them.
    pub(crate) fn is_contested(&self, window: u64) -> bool {
        let state = lock(&self.state);
        let floor = state.end.saturating_sub(window);
        let readable = state.file.as_ref().map_or(0, |(_, readable)| *readable);
        let is_behind = |place: &ReaderPosition| place.at < floor && place.at >= readable;
        let mut readers = state.readers.iter().flatten().filter(|place| !place.cut);
        readers.clone().any(is_behind) && readers.any(|place| place.at >= floor)
    }

    /// Releases what is behind the window and behind every reader. Returns whether no reader is behind the window.
    fn slide(&self, window: u64) -> bool {
        let mut state = lock(&self.state);
        let readable = state.file.as_ref().map_or(0, |(_, readable)| *readable);
        // A reader within the file needs nothing that is kept here until it has read the file to its end.
        let needs = |place: &ReaderPosition| if place.at < readable { readable } else { place.at };
        let slowest = state.readers.iter().flatten().filter(|place| !place.cut).map(needs).min();
        let floor = state.end.saturating_sub(window);
        let slowest = slowest.unwrap_or(floor);
        self.release(&mut state, slowest.min(floor));
        // Judged by the readers, not by what is kept: a piece that lies across the floor stays whole.
        slowest >= floor
    }

    /// Releases whole pieces up to `until`.
    fn release(&self, state: &mut FillState, until: u64) {
        while let Some((at, data)) = state.pieces.front()
            && at + data.len() as u64 <= until
        {
            let size = data.len() as u64;
            state.start = at + size;
            state.counted -= size;
            self.buffered.fetch_sub(size, Ordering::Relaxed);
            state.pieces.pop_front();
        }
    }

    /// The whole body has arrived. `kept` is the body if the memory tier has it now and it is no longer counted here.
    pub(crate) fn finish(&self, kept: Option<Bytes>) {
        let mut state = lock(&self.state);
        if let Some(body) = kept {
            self.buffered.fetch_sub(state.counted, Ordering::Relaxed);
            state.counted = 0;
            state.pieces.clear();
            state.pieces.push_back((0, body));
        }
        self.conclude(state, Ok(()));
    }

    /// The fill has failed: nothing more will arrive.
    pub(crate) fn fail(&self) {
        self.conclude(lock(&self.state), Err(BodyError::Cut));
    }

    fn conclude(&self, mut state: std::sync::MutexGuard<'_, FillState>, result: Result<(), BodyError>) {
        state.over.get_or_insert(result);
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn leave(&self, slot: usize) {
        let mut state = lock(&self.state);
        state.readers[slot] = None;
        state.free.push(slot);
        drop(state);
        self.moved.notify_waiters();
    }
}

impl Drop for FillStream {
    fn drop(&mut self) {
        self.buffered.fetch_sub(lock(&self.state).counted, Ordering::Relaxed);
    }
}

impl FillState {
    fn sit(&mut self, at: u64) -> usize {
        let place = Some(ReaderPosition { at, waker: None, cut: false });
        if let Some(slot) = self.free.pop() {
            self.readers[slot] = place;
            return slot;
        }
        self.readers.push(place);
        self.readers.len() - 1
    }

    fn wakers(&mut self) -> Vec<Waker> {
        self.readers.iter_mut().flatten().filter_map(|place| place.waker.take()).collect()
    }
}

/// A reader, and its position in the stream.
pub(crate) struct StreamReader {
    stream: Arc<FillStream>,
    slot: usize,
    at: u64,
    until: Option<u64>,
    file: Option<BlockReader>,
}

impl StreamReader {
    pub(crate) fn length(&self) -> Option<u64> {
        self.stream.meta.length.or_else(|| {
            let state = lock(&self.stream.state);
            matches!(state.over, Some(Ok(()))).then_some(state.end)
        })
    }

    /// How many bytes are left, if that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.until.map(|until| until.saturating_sub(self.at))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.remaining() == Some(0)
    }

    /// Another reader, for these bytes only.
    pub(crate) fn part(&self, range: Range<u64>) -> StreamReader {
        let mut part = self.clone();
        part.move_to(range.start);
        part.until = Some(range.end.max(range.start));
        part
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if self.is_over() {
                return Poll::Ready(None);
            }
            if let Some(file) = &mut self.file {
                match std::task::ready!(file.poll_read(cx)) {
                    Some(Ok(data)) => {
                        self.move_to(self.at + data.len() as u64);
                        return Poll::Ready(Some(Ok(data)));
                    }
                    Some(Err(error)) => return self.broke(error),
                    None => self.file = None,
                }
            }
            let stream = self.stream.clone();
            let mut state = lock(&stream.state);
            if state.readers[self.slot].as_ref().is_none_or(|place| place.cut) {
                drop(state);
                return self.broke(BodyError::Slow);
            }
            if self.at < state.start {
                let Some((blocks, readable)) = state.file.as_ref().filter(|(_, readable)| self.at < *readable) else {
                    drop(state);
                    return self.broke(BodyError::Slow);
                };
                let until = self.until.map_or(*readable, |until| until.min(*readable));
                self.file = Some(BlockReader::new(blocks.clone(), *readable, self.at..until));
                continue;
            }
            if self.at < state.end {
                let index = state.pieces.partition_point(|(at, _)| *at <= self.at) - 1;
                let (at, data) = &state.pieces[index];
                let most = self.until.unwrap_or(u64::MAX) - self.at;
                let rest = data.slice(usize::try_from(self.at - at).unwrap_or(data.len())..);
                let data = rest.slice(..rest.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
                drop(state);
                self.move_to(self.at + data.len() as u64);
                return Poll::Ready(Some(Ok(data)));
            }
            return match state.over {
                Some(Ok(())) => {
                    self.until = Some(self.at);
                    Poll::Ready(None)
                }
                Some(Err(error)) => {
                    drop(state);
                    self.broke(error)
                }
                None => {
                    if let Some(place) = &mut state.readers[self.slot] {
                        place.waker = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            };
        }
    }

    fn broke(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.until = Some(self.at);
        Poll::Ready(Some(Err(error)))
    }

    fn move_to(&mut self, at: u64) {
        self.at = at;
        if let Some(place) = &mut lock(&self.stream.state).readers[self.slot] {
            place.at = at;
        }
        self.stream.moved.notify_waiters();
    }
}

impl Clone for StreamReader {
    fn clone(&self) -> StreamReader {
        let slot = lock(&self.stream.state).sit(self.at);
        StreamReader { stream: self.stream.clone(), slot, at: self.at, until: self.until, file: None }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.stream.leave(self.slot);
    }
}
