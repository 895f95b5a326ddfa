//! The names that a split component has in addition, and why there may be none.

/// The import of a split component: its state module.
pub const STATE: &str = "edgeward-state";
/// `func()`: copies the data segments of the Runtime; called once, before INIT.
pub const LOAD: &str = "edgeward-load";
/// `func() -> list<u8>`: the memory, called after INIT. The instance cannot be used any more, except for the globals.
pub const MEMORY: &str = "edgeward-memory";
/// `func() -> list<u64>`: the globals' bits in the layout's order, called after `MEMORY`.
pub const GLOBALS: &str = "edgeward-globals";

pub(super) const RESERVED: [&str; 4] = [STATE, LOAD, MEMORY, GLOBALS];

/// Exports of core modules that forget what the host holds for them, so that it is asked for again when it is needed: of the
/// adapter of WASI 0.1, and of wasi-libc (`preopens.c`).
pub(super) const RESETS: [&str; 2] = ["reset_adapter_state", "__wasilibc_reset_preopens"];

/// Why there can be no snapshot of instances of a component.
#[derive(Debug, thiserror::Error)]
pub enum CannotSnapshot {
    #[error("{0}")]
    Shape(&'static str),
    #[error("{0}")]
    Parse(#[from] wasmparser::BinaryReaderError),
    #[error("it cannot be written anew: {0}")]
    Write(String),
}
