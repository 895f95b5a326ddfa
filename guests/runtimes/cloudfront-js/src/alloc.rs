//! I am the heap of the instance: what of its first memory the linker has not used, and no more.
//!
//! QuickJS and Rust both allocate from me. A block has four bytes before it that name its size class, since QuickJS
//! does not say the size when it gives a block back. The newest block grows and shrinks where it is; others are
//! kept in a list of their class. I split and join nothing.
//!
//! `seal` ends the time of `prepare`, and again that of `init`: what was freed until then is scattered over the image, and whoever used
//! it would touch many kilobytes, each of which is kept for the function, or put back after the call. What comes next gets
//! memory behind all that, from the beginning of a kilobyte, and those old blocks only when that is used up. When nothing is left I refuse, which
//! QuickJS tells the function as an `InternalError: out of memory`; for that error and what follows a reserve is kept until
//! the first refusal.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::memory_size;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::null_mut;

use rquickjs_sys::{JSMallocFunctions, size_t};

const PAGE: usize = 65_536;
const KILOBYTE: usize = 1024;
const HEADER: usize = 4;
const ALIGN: usize = 8;
/// Blocks up to this many bytes have a class for each multiple of `ALIGN`, bigger ones four for each doubling.
const FINE: usize = 512;
/// For what must be said when all else is used up.
const RESERVE: usize = 16 * KILOBYTE;
const CLASSES: usize = FINE / ALIGN + 1 + 4 * 11;

unsafe extern "C" {
    /// The end of the linker's data; only its address means something.
    static __heap_base: u8;
}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { free: [0; CLASSES], old: [0; CLASSES], next: 0, end: 0, is_scarce: false }));

struct Heap(UnsafeCell<State>);

// SAFETY: the instance has one thread.
unsafe impl Sync for Heap {}

struct State {
    /// Addresses of the first free block of each class; the first word of a free block is the address of the next one.
    free: [usize; CLASSES],
    /// The same for what was free when the image was made.
    old: [usize; CLASSES],
    /// The part that has never been handed out. `end` is 0 before the first use.
    next: usize,
    end: usize,
    /// Whether there was a refusal, so that the reserve is in `end`.
    is_scarce: bool,
}

/// The class of a block for `size` bytes, and what such a block takes with its header.
fn class(size: usize) -> Option<(usize, usize)> {
    let total = size.checked_add(HEADER)?.checked_next_multiple_of(ALIGN)?;
    if total <= FINE {
        return Some((total / ALIGN, total));
    }
    // The doubling that `total` ends in begins at a power of two below it, and has four steps.
    let doubling = (total - 1).ilog2() as usize;
    let step = 1usize << (doubling - 2);
    let steps = (total - (1 << doubling)).div_ceil(step);
    let class = FINE / ALIGN + (doubling - FINE.ilog2() as usize) * 4 + steps;
    (class < CLASSES).then_some((class, (1 << doubling) + steps * step))
}

fn total_of(class: usize) -> usize {
    match class.checked_sub(FINE / ALIGN) {
        None | Some(0) => class * ALIGN,
        Some(above) => {
            let doubling = FINE.ilog2() as usize + (above - 1) / 4;
            (1 << doubling) + ((above - 1) % 4 + 1) * (1 << (doubling - 2))
        }
    }
}

impl State {
    fn alloc(&mut self, size: usize) -> usize {
        let Some((class, total)) = class(size) else { return 0 };
        let head = self.free[class];
        if head != 0 {
            // SAFETY: a free block's first word is the next one's address.
            self.free[class] = unsafe { *(head as *const usize) };
            return head;
        }
        if self.end == 0 {
            self.end = memory_size(0) * PAGE - RESERVE;
            // Headers stand before multiples of `ALIGN`.
            self.next = (&raw const __heap_base as usize).next_multiple_of(ALIGN) + HEADER;
        }
        if total <= self.end - self.next {
            let block = self.next + HEADER;
            self.next += total;
            // SAFETY: inside of the memory, in the part that nobody has.
            unsafe { *(self.next.wrapping_sub(total) as *mut u32) = class as u32 };
            return block;
        }
        self.scrape(class)
    }

    /// Any free block that is big enough.
    #[cold]
    fn scrape(&mut self, class: usize) -> usize {
        for list in [&mut self.old, &mut self.free] {
            if let Some(head) = list[class..].iter_mut().find(|head| **head != 0) {
                let block = *head;
                // SAFETY: as above.
                *head = unsafe { *(block as *const usize) };
                return block;
            }
        }
        if !std::mem::replace(&mut self.is_scarce, true) {
            self.end += RESERVE;
        }
        0
    }

    /// # Safety
    /// `block` is from `alloc` and has not been freed.
    unsafe fn free(&mut self, block: usize) {
        // SAFETY: the header is before the block.
        let class = unsafe { class_of(block) };
        if block - HEADER + total_of(class) == self.next {
            self.next = block - HEADER;
            return;
        }
        // SAFETY: the least block holds a word.
        unsafe { *(block as *mut usize) = self.free[class] };
        self.free[class] = block;
    }

    /// # Safety
    /// `block` is from `alloc` and has not been freed.
    unsafe fn realloc(&mut self, block: usize, size: usize) -> usize {
        let Some((wanted, total)) = class(size) else { return 0 };
        // SAFETY: as promised.
        let class = unsafe { class_of(block) };
        if wanted == class {
            return block;
        }
        let start = block - HEADER;
        if start + total_of(class) == self.next && total <= self.end - start {
            self.next = start + total;
            // SAFETY: the block's own header.
            unsafe { *(start as *mut u32) = wanted as u32 };
            return block;
        }
        let moved = self.alloc(size);
        if moved != 0 {
            let bytes = (total_of(class) - HEADER).min(size);
            // SAFETY: both blocks hold that many bytes.
            unsafe {
                std::ptr::copy_nonoverlapping(block as *const u8, moved as *mut u8, bytes);
                self.free(block);
            }
        }
        moved
    }
}

/// # Safety
/// `block` is from `alloc`.
unsafe fn class_of(block: usize) -> usize {
    // SAFETY: as promised.
    unsafe { *((block - HEADER) as *const u32) as usize }
}

/// For the one thread there is; nothing in `State` calls out.
fn state() -> &'static mut State {
    // SAFETY: each use ends before the next begins.
    unsafe { &mut *HEAP.0.get() }
}

/// What comes next shall lie apart from what is there.
pub fn seal() {
    let state = state();
    for (free, old) in state.free.iter_mut().zip(&mut state.old) {
        let mut head = std::mem::take(free);
        while head != 0 {
            // SAFETY: the first word of a free block is the address of the next one.
            let next = unsafe { std::mem::replace(&mut *(head as *mut usize), *old) };
            *old = head;
            head = next;
        }
    }
    state.next = (state.next.next_multiple_of(KILOBYTE) + HEADER).min(state.end);
}

// SAFETY: blocks come from `next`, which never hands out a byte twice, or from a list of free ones of at least that size.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match layout.align() > ALIGN {
            true => null_mut(),
            false => state().alloc(layout.size()) as *mut u8,
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { state().free(block as usize) }
    }

    unsafe fn realloc(&self, block: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { state().realloc(block as usize, size) as *mut u8 }
    }
}

pub const FUNCTIONS: JSMallocFunctions = JSMallocFunctions {
    js_calloc: Some(calloc),
    js_malloc: Some(malloc),
    js_free: Some(free),
    js_realloc: Some(realloc),
    js_malloc_usable_size: Some(usable),
};

unsafe extern "C" fn calloc(_: *mut c_void, count: size_t, size: size_t) -> *mut c_void {
    let Some(size) = (count as usize).checked_mul(size as usize) else { return null_mut() };
    let block = state().alloc(size) as *mut u8;
    if !block.is_null() {
        // SAFETY: the block holds `size` bytes.
        unsafe { block.write_bytes(0, size) };
    }
    block.cast()
}

unsafe extern "C" fn malloc(_: *mut c_void, size: size_t) -> *mut c_void {
    state().alloc(size as usize) as *mut c_void
}

unsafe extern "C" fn free(_: *mut c_void, block: *mut c_void) {
    if !block.is_null() {
        // SAFETY: QuickJS gives back what it got.
        unsafe { state().free(block as usize) }
    }
}

unsafe extern "C" fn realloc(_: *mut c_void, block: *mut c_void, size: size_t) -> *mut c_void {
    if block.is_null() {
        return state().alloc(size as usize) as *mut c_void;
    }
    // SAFETY: as above.
    unsafe {
        if size == 0 {
            state().free(block as usize);
            return null_mut();
        }
        state().realloc(block as usize, size as usize) as *mut c_void
    }
}

unsafe extern "C" fn usable(block: *const c_void) -> size_t {
    // SAFETY: as above; QuickJS does not ask for a null block's.
    match block.is_null() {
        true => 0,
        false => unsafe { (total_of(class_of(block as usize)) - HEADER) as size_t },
    }
}
