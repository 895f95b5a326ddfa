//! Instances of one revision, clean and ready.

/// Says that this thread is worker `index` (0-based). Once per thread, before the first call.
pub fn enter_worker(_index: usize) {
    todo!()
}
