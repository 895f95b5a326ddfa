//! `random_get`, for `getrandom` 0.2. With the crate `wasi` itself the Runtime would be two modules: the linker adds an adapter
//! for a function of WASI 0.1, with state of its own.

/// Never there: WASI 0.2 has no error for it.
pub enum Errno {}

impl Errno {
    pub fn raw(&self) -> u16 {
        match *self {}
    }
}

/// # Safety
/// `length` bytes from `buffer` on can be written.
pub unsafe fn random_get(buffer: *mut u8, length: usize) -> Result<(), Errno> {
    let bytes = wasip2::random::random::get_random_bytes(length as u64);
    // SAFETY: the host gives as many bytes as were asked for, and the caller vouches for the buffer.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, length.min(bytes.len())) };
    Ok(())
}
