//! I am what the Runtime may ask of the host: its imports, or in tests what the test has set up.

#[cfg(target_arch = "wasm32")]
pub use crate::abi::{keys, line, now_ms, seed, value};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{keys, line, now_ms, seed, value};

#[cfg(not(target_arch = "wasm32"))]
pub mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// What stands in for the host where there is none.
    #[derive(Default)]
    pub struct World {
        pub log: Vec<String>,
        pub store: BTreeMap<String, Vec<u8>>,
        pub now_ms: f64,
        pub seed: u64,
    }

    thread_local! {
        pub static WORLD: RefCell<World> = RefCell::default();
    }

    pub fn line(text: &str) {
        WORLD.with_borrow_mut(|world| world.log.push(text.to_owned()));
    }

    pub fn value(key: &str) -> Option<Vec<u8>> {
        WORLD.with_borrow(|world| world.store.get(key).cloned())
    }

    pub fn keys() -> u32 {
        WORLD.with_borrow(|world| world.store.len() as u32)
    }

    pub fn now_ms() -> f64 {
        WORLD.with_borrow(|world| world.now_ms)
    }

    pub fn seed() -> u64 {
        WORLD.with_borrow(|world| world.seed)
    }

    /// QuickJS asks the C library for the time; here it asks the world.
    ///
    /// # Safety
    /// `time` is a place for two numbers of 64 bits, as on the platforms that tests run on.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn gettimeofday(time: *mut [i64; 2], _: *mut std::ffi::c_void) -> std::ffi::c_int {
        let now = crate::clock::now_ms();
        // SAFETY: as promised.
        unsafe { *time = [(now / 1000.0) as i64, ((now % 1000.0) * 1000.0) as i64] };
        0
    }
}
