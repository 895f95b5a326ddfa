//! The blocks that files are made of: the first are in memory, all others in a file of the host without a name.
//!
//! The file is made when the memory is full. It has been removed before anything is written to it, so that nothing of it is
//! left when the store is dropped, or the process killed. Blocks that are let go of are used again; the file does not shrink.
//! I know neither names nor files of the guest, and what a block that was never written contains is undefined.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::limits::tmp::{BLOCK_BYTES, MEMORY_BLOCKS};
use crate::wasm::nameless_file::nameless_file;

/// See the module.
pub(super) struct BlockStore {
    memory: Vec<Box<[u8; BLOCK_BYTES]>>,
    disk: Option<File>,
    disk_blocks: u32,
    free_in_memory: Vec<u32>,
    free_on_disk: Vec<u32>,
    /// Of the host, where the file is made.
    folder: Arc<Path>,
}

/// Where a block is: in memory below `MEMORY_BLOCKS`, else in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockNumber(u32);

impl BlockStore {
    pub(super) fn new(folder: Arc<Path>) -> BlockStore {
        BlockStore {
            memory: Vec::new(),
            disk: None,
            disk_blocks: 0,
            free_in_memory: Vec::new(),
            free_on_disk: Vec::new(),
            folder,
        }
    }

    pub(super) fn has_room_in_memory_for(&self, blocks: usize) -> bool {
        let room = MEMORY_BLOCKS as usize - self.memory.len() + self.free_in_memory.len();
        self.disk.is_none() && blocks <= room
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_some()
    }

    pub(super) fn take(&mut self) -> io::Result<BlockNumber> {
        if let Some(number) = self.free_in_memory.pop() {
            return Ok(BlockNumber(number));
        }
        let in_memory = u32::try_from(self.memory.len()).unwrap_or(MEMORY_BLOCKS);
        if in_memory < MEMORY_BLOCKS {
            self.memory.push(Box::new([0; BLOCK_BYTES]));
            return Ok(BlockNumber(in_memory));
        }
        if let Some(number) = self.free_on_disk.pop() {
            return Ok(BlockNumber(number));
        }
        if self.disk.is_none() {
            std::fs::create_dir_all(&self.folder)?;
            self.disk = Some(nameless_file(File::open(&self.folder)?)?);
        }
        let number = MEMORY_BLOCKS.checked_add(self.disk_blocks).ok_or(Errno::NOSPC)?;
        self.disk_blocks += 1;
        Ok(BlockNumber(number))
    }

    pub(super) fn give_back(&mut self, BlockNumber(number): BlockNumber) {
        let free = if number < MEMORY_BLOCKS { &mut self.free_in_memory } else { &mut self.free_on_disk };
        free.push(number);
    }

    /// Reads a part of a block.
    pub(super) fn read(&self, number: BlockNumber, at: usize, into: &mut [u8]) -> io::Result<()> {
        match self.place(number)? {
            BlockPlace::Memory(index) => {
                into.copy_from_slice(&self.memory[index][at..at + into.len()]);
                Ok(())
            }
            BlockPlace::Disk(file, offset) => file.read_exact_at(into, offset + at as u64),
        }
    }

    /// Writes a part of a block.
    pub(super) fn write(&mut self, number: BlockNumber, at: usize, bytes: &[u8]) -> io::Result<()> {
        match self.place(number)? {
            BlockPlace::Memory(index) => {
                self.memory[index][at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            BlockPlace::Disk(file, offset) => file.write_all_at(bytes, offset + at as u64),
        }
    }

    fn place(&self, BlockNumber(number): BlockNumber) -> io::Result<BlockPlace<'_>> {
        match (number.checked_sub(MEMORY_BLOCKS), &self.disk) {
            (None, _) => Ok(BlockPlace::Memory(number as usize)),
            (Some(on_disk), Some(file)) => Ok(BlockPlace::Disk(file, u64::from(on_disk) * BLOCK_BYTES as u64)),
            (Some(_), None) => Err(Errno::IO.into()),
        }
    }
}

enum BlockPlace<'a> {
    Memory(usize),
    Disk(&'a File, u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_beyond_the_memory_are_in_a_file_without_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        let mut store = BlockStore::new(kept.as_path().into());
        let pattern = |n: u32| n.to_le_bytes();
        let taken: Vec<BlockNumber> = (0..MEMORY_BLOCKS + 3)
            .map(|n| {
                assert_eq!(store.has_room_in_memory_for(1), n < MEMORY_BLOCKS);
                assert_eq!(store.is_on_disk(), n > MEMORY_BLOCKS);
                assert_eq!(kept.exists(), n > MEMORY_BLOCKS, "made when it is needed");
                let number = store.take().unwrap();
                store.write(number, 0, &[0; BLOCK_BYTES]).unwrap();
                store.write(number, BLOCK_BYTES - 4, &pattern(n)).unwrap();
                number
            })
            .collect();
        for (n, number) in (0..).zip(&taken) {
            let mut read = [0; 4];
            store.read(*number, BLOCK_BYTES - 4, &mut read).unwrap();
            assert_eq!(read, pattern(n));
        }
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0, "it has no name");
        // What is given back is taken again, the memory first.
        let (in_memory, on_disk) = (taken[7], taken[MEMORY_BLOCKS as usize + 1]);
        store.give_back(on_disk);
        store.give_back(in_memory);
        assert_eq!([store.take().unwrap(), store.take().unwrap()], [in_memory, on_disk]);
        assert_eq!(store.take().unwrap(), BlockNumber(MEMORY_BLOCKS + 3));
    }
}
