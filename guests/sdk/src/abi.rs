//! I am where the host enters and where the guest calls out: the canonical ABI of `edgeward:edge`, by hand.
//!
//! Every function of the package takes and gives flat bytes, so that the whole ABI is `cabi_realloc`, a
//! pointer and a length. By hand it can keep what generated bindings cannot: the answer stays in a buffer
//! of ours until the next call, so there is nothing to free and no `post-return` for the host to call.
//!
//! All of the SDK's `unsafe` is here and in `allocator`. It relies on one fact: a guest is one thread and
//! the host never enters it twice at a time.
#![allow(unsafe_code)]
#![allow(missing_docs, reason = "hidden: for the macros only")]

/// A world as the component linker wants it, encoded from `wit/edge`. The files are committed, so that the SDK can be used
/// from anywhere and needs no other crate; a test of `guests/build` compares them with `wit/edge`.
macro_rules! world {
    ($name:ident, $moment:literal) => {
        pub const $name: &[u8; include_bytes!(concat!("worlds/", $moment)).len()] = include_bytes!(concat!("worlds/", $moment));
    };
}

world!(VIEWER_REQUEST, "viewer-request");
world!(ORIGIN_REQUEST, "origin-request");
world!(ORIGIN_RESPONSE, "origin-response");
world!(VIEWER_RESPONSE, "viewer-response");

#[cfg(target_arch = "wasm32")]
pub use guest::{Returned, get, keys, line, request, response};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{get, keys, line};

#[cfg(target_arch = "wasm32")]
mod guest {
    use std::alloc::{Layout, alloc, realloc};
    use std::cell::UnsafeCell;

    use crate::answer::Answer;
    use crate::event::Event;
    use crate::{Flow, Request, Response};

    /// A `list<u8>` as the canonical ABI returns it: in memory, by pointer.
    #[repr(C)]
    pub struct Returned {
        data: *const u8,
        len: usize,
    }

    /// A value that one thread uses, one user at a time.
    struct Single<T>(UnsafeCell<T>);
    // SAFETY: a guest has one thread.
    unsafe impl<T> Sync for Single<T> {}

    static ANSWER: Single<Answer> = Single(UnsafeCell::new(Answer::unallocated()));
    static RETURNED: Single<Returned> = Single(UnsafeCell::new(Returned { data: std::ptr::null(), len: 0 }));

    /// What a panic says goes to the log: without a standard error nothing else would tell of it. In each call, since
    /// the next one may find everything as it was at first.
    fn report_panics() {
        #[cfg(target_os = "unknown")]
        std::panic::set_hook(Box::new(|panic| {
            let text = panic.payload_as_str().unwrap_or("(no text)");
            match panic.location() {
                Some(place) => crate::log::arguments(format_args!("panicked at {place}: {text}")),
                None => crate::log::arguments(format_args!("panicked: {text}")),
            }
        }));
    }

    /// Runs a request hook.
    ///
    /// # Safety
    /// `event` is a block of `len` bytes from `cabi_realloc`, and no other hook is running.
    pub unsafe fn request(event: *mut u8, len: usize, handler: impl FnOnce(&mut Request<'_>) -> Flow) -> *const Returned {
        // SAFETY: as promised by the caller.
        let (event, answer) = unsafe { (owned(event, len), &mut *ANSWER.0.get()) };
        answer.begin();
        report_panics();
        let flow = handler(&mut Request::new(Event::new(&event), answer));
        if let Flow::Respond(reply) = flow {
            *answer = reply.into_answer();
        }
        returned(answer)
    }

    /// Runs a response hook.
    ///
    /// # Safety
    /// As for `request`.
    pub unsafe fn response(event: *mut u8, len: usize, handler: impl FnOnce(&mut Response<'_>)) -> *const Returned {
        // SAFETY: as promised by the caller.
        let (event, answer) = unsafe { (owned(event, len), &mut *ANSWER.0.get()) };
        answer.begin();
        report_panics();
        handler(&mut Response::new(Event::new(&event), answer));
        returned(answer)
    }

    fn returned(answer: &Answer) -> *const Returned {
        let bytes = answer.bytes();
        let returned = RETURNED.0.get();
        // SAFETY: one thread; the host reads it before it enters again.
        unsafe { *returned = Returned { data: bytes.as_ptr(), len: bytes.len() } };
        returned
    }

    /// # Safety
    /// `data` is a block of `len` bytes from `cabi_realloc` that nobody else owns.
    unsafe fn owned(data: *mut u8, len: usize) -> Vec<u8> {
        if len == 0 {
            return Vec::new();
        }
        // SAFETY: `cabi_realloc` took it from the global allocator with this layout.
        unsafe { Vec::from_raw_parts(data, len, len) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
        if size == 0 {
            return std::ptr::without_provenance_mut(align);
        }
        // SAFETY: the host asks with alignments of the canonical ABI (1, 2, 4, 8) and sizes below 2 GiB.
        let block = unsafe {
            if old_size == 0 {
                alloc(Layout::from_size_align_unchecked(size, align))
            } else {
                realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
            }
        };
        if block.is_null() {
            // The host would trap on a null block as well; here it is plainer why.
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

    pub fn get(key: &str) -> Option<Vec<u8>> {
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
}

/// What stands in for the host where there is none: in an author's unit tests.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use crate::testing;

    pub fn line(text: &str) {
        testing::log(text);
    }

    pub fn get(key: &str) -> Option<Vec<u8>> {
        testing::value(key)
    }

    pub fn keys() -> u32 {
        testing::count()
    }
}
