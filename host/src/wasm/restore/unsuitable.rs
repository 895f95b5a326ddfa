//! Why an instance of a component cannot be restored.

/// Why an instance of a component cannot be restored. It still runs, once per instance.
#[derive(Debug, thiserror::Error)]
pub enum Unsuitable {
    #[error("{0}")]
    Shape(&'static str),
    #[error("its memory of {initial_bytes} bytes is over the limit of {limit_bytes}")]
    Memory { initial_bytes: u64, limit_bytes: u64 },
    #[error("it has {count} mutable globals, over {max}: setting them all anew costs more than a new instance")]
    Globals { count: usize, max: usize },
    #[error("a module that is given functions of the host cannot be written anew: {0}")]
    Guard(String),
    #[error("{0}")]
    Parse(#[from] wasmparser::BinaryReaderError),
}
