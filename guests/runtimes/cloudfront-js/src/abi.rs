//! I am where the host enters and where the Runtime calls out: the canonical ABI of its world, by hand, for
//! the reasons that the SDK's `abi` has.
//!
//! It does not use the SDK's own: with the SDK comes its allocator, and a component can have only one, which is `alloc` here. To leave
//! that feature out would not help: Cargo unifies the features of a dependency over all guests that it builds at once, and the
//! examples ask for the allocator.

use std::alloc::{Layout, alloc, realloc};
use std::cell::UnsafeCell;

use crate::engine::{Dialect, Function, Prepared};

#[unsafe(link_section = "component-type:edgeward-runtime")]
#[used]
static WORLD: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/world")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/world"));

/// A value that one thread uses, one user at a time.
struct Single<T>(UnsafeCell<T>);
// SAFETY: the instance has one thread.
unsafe impl<T> Sync for Single<T> {}

/// A `list<u8>` or a `string` in memory.
#[repr(C)]
struct Returned {
    data: *const u8,
    len: usize,
}

/// A `result<_, string>` in memory.
#[repr(C)]
struct Outcome {
    error: u8,
    message: Returned,
}

static PREPARED: Single<Option<Prepared>> = Single(UnsafeCell::new(None));
static FUNCTION: Single<Option<Function>> = Single(UnsafeCell::new(None));
static ANSWER: Single<Vec<u8>> = Single(UnsafeCell::new(Vec::new()));
static RETURNED: Single<Returned> = Single(UnsafeCell::new(Returned { data: std::ptr::null(), len: 0 }));
static OUTCOME: Single<Outcome> =
    Single(UnsafeCell::new(Outcome { error: 0, message: Returned { data: std::ptr::null(), len: 0 } }));

/// Room for most answers from the beginning.
const ANSWER_BYTES: usize = 2048;

/// Makes the engine of newer functions. `guests/build` calls it once and writes the memory that it leaves into the module, so that it is part of the
/// Runtime and of no function.
#[unsafe(export_name = "prepare")]
unsafe extern "C" fn prepare() {
    crate::clock::begin_without_time();
    match Prepared::new(Dialect::Two) {
        // SAFETY: one thread.
        Ok(prepared) => unsafe { *PREPARED.0.get() = Some(prepared) },
        Err(_) => std::arch::wasm32::unreachable(),
    }
    crate::alloc::seal();
}

#[unsafe(export_name = "edgeward:runtime/source@0.1.0#init")]
unsafe extern "C" fn init(
    dialect: *mut u8,
    dialect_len: usize,
    file: *mut u8,
    file_len: usize,
    source: *mut u8,
    source_len: usize,
) -> *const u8 {
    // SAFETY: the host gives blocks of `cabi_realloc`; one thread.
    unsafe {
        let (dialect, file) = (owned(dialect, dialect_len), owned(file, file_len));
        let source = owned(source, source_len);
        let text = String::from_utf8_lossy;
        let outcome = &mut *OUTCOME.0.get();
        let prepared = (*PREPARED.0.get()).take();
        match Function::load(prepared, &text(&dialect), &text(&file), &source) {
            Ok(function) => *FUNCTION.0.get() = Some(function),
            Err(message) => {
                *outcome = Outcome { error: 1, message: Returned { data: message.as_ptr(), len: message.len() } };
                // The host reads it after the return; the instance is of no more use.
                std::mem::forget(message);
            }
        }
        drop((dialect, file, source));
        *ANSWER.0.get() = Vec::with_capacity(ANSWER_BYTES);
        crate::alloc::seal();
        (&raw const *outcome).cast()
    }
}

#[unsafe(export_name = "edgeward:edge/viewer-request@0.1.0#handle")]
unsafe extern "C" fn viewer_request(event: *mut u8, len: usize) -> *const u8 {
    // SAFETY: as for `handle`.
    unsafe { handle(event, len) }
}

#[unsafe(export_name = "edgeward:edge/viewer-response@0.1.0#handle")]
unsafe extern "C" fn viewer_response(event: *mut u8, len: usize) -> *const u8 {
    // SAFETY: as for `handle`.
    unsafe { handle(event, len) }
}

/// # Safety
/// `event` is a block of `len` bytes from `cabi_realloc`, and no other hook is running.
unsafe fn handle(event: *mut u8, len: usize) -> *const u8 {
    // SAFETY: as promised. The event is never freed: the instance is put back after the call.
    unsafe {
        let event = std::slice::from_raw_parts(event, len);
        let answer = &mut *ANSWER.0.get();
        match &*FUNCTION.0.get() {
            Some(function) => function.handle(event, answer),
            None => crate::answer::failed(answer, "the Runtime was given no source"),
        }
        *RETURNED.0.get() = Returned { data: answer.as_ptr(), len: answer.len() };
        RETURNED.0.get().cast()
    }
}

/// # Safety
/// `data` is a block of `len` bytes from `cabi_realloc` that nobody else owns.
unsafe fn owned(data: *mut u8, len: usize) -> Vec<u8> {
    match len {
        0 => Vec::new(),
        // SAFETY: `cabi_realloc` took it from the global allocator with this layout.
        _ => unsafe { Vec::from_raw_parts(data, len, len) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    // SAFETY: the host asks with alignments of the canonical ABI (1, 2, 4, 8) and sizes below 2 GiB.
    let block = unsafe {
        match old_size {
            0 => alloc(Layout::from_size_align_unchecked(size, align)),
            _ => realloc(old, Layout::from_size_align_unchecked(old_size, align), size),
        }
    };
    if block.is_null() {
        std::arch::wasm32::unreachable();
    }
    block
}

#[link(wasm_import_module = "edgeward:edge/log@0.1.0")]
unsafe extern "C" {
    #[link_name = "line"]
    fn import_line(text: *const u8, len: usize);
}

#[link(wasm_import_module = "edgeward:edge/key-value-store@0.1.0")]
unsafe extern "C" {
    #[link_name = "get"]
    fn import_get(key: *const u8, len: usize, result: *mut Found);
    #[link_name = "count"]
    fn import_count() -> u32;
}

#[link(wasm_import_module = "edgeward:runtime/call@0.1.0")]
unsafe extern "C" {
    #[link_name = "now-ms"]
    fn import_now_ms() -> f64;
    #[link_name = "seed"]
    fn import_seed() -> u64;
}

/// An `option<list<u8>>` in memory.
#[repr(C)]
struct Found {
    some: u8,
    data: *mut u8,
    len: usize,
}

pub fn line(text: &str) {
    // SAFETY: the host reads `len` bytes at `text`.
    unsafe { import_line(text.as_ptr(), text.len()) }
}

pub fn value(key: &str) -> Option<Vec<u8>> {
    let mut found = Found { some: 0, data: std::ptr::null_mut(), len: 0 };
    // SAFETY: the host reads the key and writes one `Found`, whose list it took from `cabi_realloc`.
    unsafe {
        import_get(key.as_ptr(), key.len(), &mut found);
        (found.some != 0).then(|| owned(found.data, found.len))
    }
}

pub fn keys() -> u32 {
    // SAFETY: no operands.
    unsafe { import_count() }
}

pub fn now_ms() -> f64 {
    // SAFETY: no operands.
    unsafe { import_now_ms() }
}

pub fn seed() -> u64 {
    // SAFETY: no operands.
    unsafe { import_seed() }
}

/// What QuickJS asks for the time: microseconds since 1970. It is the only thing that it would import.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    crate::clock::now_ms() * 1000.0
}
