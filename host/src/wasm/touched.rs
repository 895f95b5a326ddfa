//! Compares two memories by the pages that were ever touched, which the kernel knows.
//!
//! A page that has not been touched since the memory was mapped has the content of the mapping: the image of the component,
//! or zeros. Two instances of one component share it, so there is nothing to compare; and reading it would allocate it,
//! which costs a page fault and room in the processor's caches. This reads `/proc/self/pagemap`
//! (Linux, Documentation/admin-guide/mm/pagemap.rst); if that cannot be read, every page counts as touched.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Bit 63: present; bit 62: swapped out, or otherwise marked.
const TOUCHED: u64 = 0b11 << 62;

/// The offset of the first byte that differs between two memories.
pub(super) fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    if one.len() != other.len() {
        return Some(one.len().min(other.len()));
    }
    let page_bytes = rustix::param::page_size();
    let pagemap = File::open("/proc/self/pagemap").ok();
    let touched = |memory| touched(pagemap.as_ref()?, memory, page_bytes);
    let (in_one, in_other) = (touched(one), touched(other));
    let is_touched = |pages: &Option<Vec<bool>>, page: usize| pages.as_ref().is_none_or(|pages| pages[page]);
    let pages = one.chunks(page_bytes).zip(other.chunks(page_bytes)).enumerate();
    let mut looked_at = pages.filter(|(page, _)| is_touched(&in_one, *page) || is_touched(&in_other, *page));
    looked_at.find_map(|(page, (one, other))| {
        let at = if one == other { None } else { one.iter().zip(other).position(|(one, other)| one != other) };
        Some(page * page_bytes + at?)
    })
}

/// Which pages were touched. `None` if that is unknown.
fn touched(pagemap: &File, memory: &[u8], page_bytes: usize) -> Option<Vec<bool>> {
    let start = memory.as_ptr().addr();
    if !start.is_multiple_of(page_bytes) {
        return None;
    }
    let mut entries = vec![0; memory.len().div_ceil(page_bytes) * size_of::<u64>()];
    let offset = (start / page_bytes * size_of::<u64>()) as u64;
    pagemap.read_exact_at(&mut entries, offset).ok()?;
    let entries = entries.chunks_exact(size_of::<u64>()).filter_map(|entry| entry.try_into().ok());
    Some(entries.map(|entry| u64::from_ne_bytes(entry) & TOUCHED != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 64 << 20;

    /// Pages of a fresh mapping.
    fn memory() -> (Vec<u8>, usize) {
        let page_bytes = rustix::param::page_size();
        let memory = vec![0; BYTES + page_bytes];
        let first = memory.as_ptr().addr().next_multiple_of(page_bytes) - memory.as_ptr().addr();
        (memory, first)
    }

    #[test]
    fn what_was_written_is_touched_and_most_of_the_rest_is_not() {
        let page_bytes = rustix::param::page_size();
        let (mut memory, first) = memory();
        memory[first + 20_000_000] = 0;
        let pagemap = File::open("/proc/self/pagemap").expect("Linux tells a process of its own pages");
        let pages = touched(&pagemap, &memory[first..first + BYTES], page_bytes).unwrap();
        assert_eq!(pages.len(), BYTES / page_bytes);
        assert!(pages[20_000_000 / page_bytes]);
        // The kernel may make 2 MiB at once.
        assert!(pages.iter().filter(|touched| **touched).count() < pages.len() / 2);
    }

    #[test]
    fn the_first_difference_is_found_on_whichever_side_it_was_written() {
        let ((mut one, first), (mut other, second)) = (memory(), memory());
        let found = |one: &[u8], other: &[u8]| first_difference(&one[first..first + BYTES], &other[second..second + BYTES]);
        assert_eq!(found(&one, &other), None);
        other[second + 50_000_001] = 1;
        assert_eq!(found(&one, &other), Some(50_000_001));
        one[first + 10_000_001] = 2;
        assert_eq!(found(&one, &other), Some(10_000_001));
        other[second + 10_000_001] = 2;
        one[first + 50_000_001] = 1;
        assert_eq!(found(&one, &other), None);
        // Not at the beginning of a page: all of it is looked at.
        assert_eq!(first_difference(&[0, 1, 2], &[0, 1, 3]), Some(2));
        assert_eq!(first_difference(&[0, 1], &[0, 1, 3]), Some(2));
    }
}
