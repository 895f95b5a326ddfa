//! I am the allocator of a short-lived guest: free lists of powers of two over an arena in initial memory.
//!
//! The arena begins where the linker's data ends (`__heap_base`) and is there from the start, so that an
//! ordinary call grows no memory; growing costs the host a system call now and another one when the
//! instance is put back. When the arena is used up I grow after all, by at least 64 KiB. Freed blocks are
//! used again by their size class, so that an instance may serve calls for ever.
//!
//! I never give memory back to the host, and never split or join blocks: a block of 1,030 bytes takes
//! 2,048. Memory that is not touched costs nothing, and guests are small.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

const PAGE: usize = 65_536;
/// The least block, and the alignment of every block.
const GRAIN: usize = 16;
/// Classes 4 (16 bytes) to 31 (2 GiB, more than any layout).
const CLASSES: usize = 32;

unsafe extern "C" {
    /// The end of the linker's data; only its address means something.
    static __heap_base: u8;
}

pub(crate) struct Arena(UnsafeCell<State>);

struct State {
    /// Heads of the free lists; the first word of a free block leads to the next one.
    free: [*mut u8; CLASSES],
    /// The part of the arena that has never been handed out. `end` is 0 before the first use.
    next: usize,
    end: usize,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) const fn new() -> Arena {
        Arena(UnsafeCell::new(State { free: [null_mut(); CLASSES], next: 0, end: 0 }))
    }
}

fn class(layout: Layout) -> usize {
    // A layout's size is at most isize::MAX, so the class is at most 31.
    let size = layout.size().max(layout.align()).max(GRAIN);
    (usize::BITS - (size - 1).leading_zeros()) as usize
}

// SAFETY: blocks come from `State::fresh`, which never hands out a byte twice, or from a free list, which
// holds only blocks of the same class that were given back. Every block has the size of its class, at least
// that of the layout, and the layout's alignment.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and nothing below allocates.
        let state = unsafe { &mut *self.0.get() };
        let class = class(layout);
        if layout.align() > GRAIN {
            return state.aligned(class, layout.align());
        }
        let head = state.free[class];
        if head.is_null() {
            return state.fresh(class, GRAIN);
        }
        // SAFETY: a free block's first word is the link.
        state.free[class] = unsafe { *head.cast::<*mut u8>() };
        head
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: one thread; the block is of this class, at least 16 bytes and aligned for a pointer.
        unsafe {
            let state = &mut *self.0.get();
            let class = class(layout);
            *block.cast::<*mut u8>() = state.free[class];
            state.free[class] = block;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` makes a layout with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let (old, new) = (class(layout), class(wanted));
        if old == new {
            return block;
        }
        // SAFETY: one thread.
        let state = unsafe { &mut *self.0.get() };
        // The newest block grows where it is: a string that is built up is not copied.
        if new > old && block as usize + (1 << old) == state.next {
            if let Some(end) = (block as usize).checked_add(1 << new).filter(|&end| end <= state.end) {
                state.next = end;
                return block;
            }
        }
        // SAFETY: as for any allocator; both blocks hold the smaller of the two sizes.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

impl State {
    /// A block from the part that has never been used; null when there is no more memory.
    fn fresh(&mut self, class: usize, align: usize) -> *mut u8 {
        loop {
            let start = (self.next + align - 1) & !(align - 1);
            if let Some(end) = start.checked_add(1 << class).filter(|&end| end <= self.end) {
                self.next = end;
                return std::ptr::with_exposed_provenance_mut(start);
            }
            if !self.extend(class, align) {
                return null_mut();
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn extend(&mut self, class: usize, align: usize) -> bool {
        if self.end == 0 {
            self.next = &raw const __heap_base as usize;
            self.end = memory_size(0) * PAGE;
            return true;
        }
        // At most 2 GiB + 2 GiB of alignment: more than a guest can have, so an overflow is a refusal.
        let Some(need) = (1usize << class).checked_add(align) else { return false };
        let pages = need.div_ceil(PAGE);
        let before = memory_grow(0, pages);
        if before == usize::MAX {
            return false;
        }
        if before * PAGE != self.end {
            // Somebody else grew the memory in between: leave the rest of the old part.
            self.next = before * PAGE;
        }
        // The last page of 4 GiB stays unused: its end is not a number of 32 bits.
        self.end = (before + pages).min(usize::MAX / PAGE) * PAGE;
        true
    }

    /// Alignments over 16 are rare: take the first free block of the class that happens to have it.
    #[cold]
    fn aligned(&mut self, class: usize, align: usize) -> *mut u8 {
        let mut link: *mut *mut u8 = &raw mut self.free[class];
        // SAFETY: links lead to free blocks or are null.
        unsafe {
            while !(*link).is_null() {
                let block = *link;
                if (block as usize).is_multiple_of(align) {
                    *link = *block.cast::<*mut u8>();
                    return block;
                }
                link = block.cast();
            }
        }
        self.fresh(class, align)
    }
}
