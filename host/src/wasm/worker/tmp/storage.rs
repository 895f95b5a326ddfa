//! The whole of a `/tmp`: a tree, and the bytes of its files in blocks.
//!
//! It may begin with what INIT has left: its blocks are shared with all instances and copied when one is written to. What
//! reads or writes bytes may wait for a disk; all else does not.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::blocks::BlockStore;
use super::tree::{Block, NodeId, Tree, TreeResult};
use crate::limits::tmp::{BLOCK_BYTES, INLINE_NODES, TRANSFER_BYTES};

/// See the module.
pub(super) struct Storage {
    pub(super) tree: Tree,
    blocks: BlockStore,
    kept: Option<Arc<KeptStorage>>,
}

/// What INIT has left in `/tmp`, with which each instance begins.
pub struct KeptStorage {
    tree: Tree,
    blocks: BlockStore,
}

impl KeptStorage {
    /// Whether an instance that begins with it may wait for a disk, or works on it for long.
    pub(super) fn is_slow(&self) -> bool {
        self.blocks.is_on_disk() || self.tree.nodes() > INLINE_NODES
    }
}

impl Storage {
    /// `folder` is the host's, for what does not stay in memory.
    pub(super) fn new(bytes_max: u64, folder: Arc<Path>, kept: Option<Arc<KeptStorage>>) -> Storage {
        let tree = kept.as_ref().map_or_else(|| Tree::new(bytes_max), |kept| kept.tree.clone());
        Storage { tree, blocks: BlockStore::new(folder), kept }
    }

    /// As another instance finds it that goes on with it: nothing is open.
    pub(super) fn close(&mut self) {
        self.tree.close();
        self.sweep();
    }

    /// Whether another instance would find it different from a new one.
    pub(super) fn holds_something(&self) -> bool {
        !self.tree.is_empty() || self.kept.is_some()
    }

    /// Whether no file of the host is in use, and little is to be done to let it go.
    pub(super) fn is_small(&self) -> bool {
        !self.blocks.is_on_disk() && self.tree.nodes() <= INLINE_NODES
    }

    /// `None` if there is nothing in it.
    pub(super) fn keep(mut self) -> Option<KeptStorage> {
        self.tree.settle();
        self.sweep();
        (!self.tree.is_empty()).then_some(KeptStorage { tree: self.tree, blocks: self.blocks })
    }

    /// Gives back the blocks that no file has any more.
    pub(super) fn sweep(&mut self) {
        for number in self.tree.dropped.drain(..) {
            self.blocks.give_back(number);
        }
    }

    /// Whether so many more bytes need no disk.
    pub(super) fn has_room_in_memory_for(&self, bytes: usize) -> bool {
        // The first and the last block may be new for one byte each.
        self.blocks.has_room_in_memory_for(bytes / BLOCK_BYTES + 2)
    }

    /// At most `TRANSFER_BYTES`; none at the end of the file.
    pub(super) fn read(&mut self, id: NodeId, offset: u64, most: usize) -> TreeResult<Vec<u8>> {
        let file = self.tree.file(id)?;
        let left = usize::try_from(file.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(most).min(TRANSFER_BYTES)];
        for (index, at, part) in parts(offset, bytes.len()) {
            let into = &mut bytes[part];
            match file.blocks.get(&index).copied() {
                None => {}
                Some(Block::Own(number)) => self.blocks.read(number, at, into)?,
                Some(Block::Kept(number)) => kept(self.kept.as_ref())?.blocks.read(number, at, into)?,
            }
        }
        Ok(bytes)
    }

    /// All of the bytes, or none.
    pub(super) fn write(&mut self, id: NodeId, offset: u64, bytes: &[u8]) -> TreeResult<()> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        let before = self.tree.file(id)?.bytes;
        if bytes.is_empty() {
            return Ok(());
        }
        if end > before {
            self.tree.resize(id, end)?;
        }
        for (index, at, part) in parts(offset, bytes.len()) {
            if let Err(error) = self.put(id, index, at, &bytes[part]) {
                if end > before {
                    self.resize(id, before)?;
                }
                return Err(error);
            }
        }
        self.touch(id);
        Ok(())
    }

    /// Writes at the end.
    pub(super) fn append(&mut self, id: NodeId, bytes: &[u8]) -> TreeResult<()> {
        self.write(id, self.tree.file(id)?.bytes, bytes)
    }

    pub(super) fn resize(&mut self, id: NodeId, bytes: u64) -> TreeResult<()> {
        let before = self.tree.file(id)?.bytes;
        let at = usize::try_from(bytes % BLOCK_BYTES as u64).unwrap_or_default();
        if bytes < before && at > 0 {
            let index = bytes / BLOCK_BYTES as u64;
            // What the file may grow over later is zeros.
            if self.tree.file(id)?.blocks.contains_key(&index) {
                self.put(id, index, at, &[0; BLOCK_BYTES][at..])?;
            }
        }
        self.tree.resize(id, bytes)?;
        self.touch(id);
        Ok(())
    }

    fn touch(&mut self, id: NodeId) {
        let node = self.tree.node_mut(id);
        node.modified = SystemTime::now();
        node.changed = node.modified;
    }

    /// Writes a part of one block of a file.
    fn put(&mut self, id: NodeId, index: u64, at: usize, bytes: &[u8]) -> TreeResult<()> {
        let block = self.tree.file(id)?.blocks.get(&index).copied();
        if let Some(Block::Own(number)) = block {
            return Ok(self.blocks.write(number, at, bytes)?);
        }
        let mut whole = [0; BLOCK_BYTES];
        if let (Some(Block::Kept(number)), true) = (block, bytes.len() < BLOCK_BYTES) {
            kept(self.kept.as_ref())?.blocks.read(number, 0, &mut whole)?;
        }
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        let number = self.blocks.take()?;
        match self.blocks.write(number, 0, &whole) {
            Ok(()) => drop(self.tree.file_mut(id)?.blocks.insert(index, Block::Own(number))),
            Err(error) => {
                self.blocks.give_back(number);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

fn kept(kept: Option<&Arc<KeptStorage>>) -> TreeResult<&KeptStorage> {
    kept.map(|kept| &**kept).ok_or(ErrorCode::Io)
}

/// The parts of so many bytes that are in one block each: the block, where in it, and which of the bytes.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let place = offset + done as u64;
        let at = usize::try_from(place % BLOCK_BYTES as u64).unwrap_or_default();
        let index = place / BLOCK_BYTES as u64;
        let part = done..(done + BLOCK_BYTES - at).min(length);
        done = part.end;
        (!part.is_empty()).then_some((index, at, part))
    })
}

#[cfg(test)]
mod tests;
