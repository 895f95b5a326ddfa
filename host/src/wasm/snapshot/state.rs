//! A state module: a memory and globals, and no code.

use serde::{Deserialize, Serialize};
use wasm_encoder::{
    ConstExpr, DataSection, EntityType, ExportKind, ExportSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module,
    ModuleType, ValType,
};

use crate::limits::init::SNAPSHOT_BLOCK_BYTES;
use crate::wasm::restore::PAGE_BYTES;

/// The name of its export; globals are exported by their number.
pub(super) const MEMORY: &str = "memory";

/// What a state module has, apart from its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateLayout {
    /// In pages of 64 KiB.
    pub memory_min: u64,
    pub memory_max: Option<u64>,
    /// With their values before INIT.
    pub globals: Vec<StateValue>,
}

/// A global's value, by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateValue {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
}

impl StateValue {
    /// The same type with other bits.
    #[must_use]
    pub fn with(self, bits: u64) -> StateValue {
        let low = u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
        match self {
            StateValue::I32(_) => StateValue::I32(low),
            StateValue::I64(_) => StateValue::I64(bits),
            StateValue::F32(_) => StateValue::F32(low),
            StateValue::F64(_) => StateValue::F64(bits),
        }
    }

    fn init(self) -> ConstExpr {
        match self {
            StateValue::I32(bits) => ConstExpr::i32_const(bits.cast_signed()),
            StateValue::I64(bits) => ConstExpr::i64_const(bits.cast_signed()),
            StateValue::F32(bits) => ConstExpr::f32_const(f32::from_bits(bits).into()),
            StateValue::F64(bits) => ConstExpr::f64_const(f64::from_bits(bits).into()),
        }
    }

    pub(super) fn global_type(self) -> GlobalType {
        let val_type = match self {
            StateValue::I32(_) => ValType::I32,
            StateValue::I64(_) => ValType::I64,
            StateValue::F32(_) => ValType::F32,
            StateValue::F64(_) => ValType::F64,
        };
        GlobalType { val_type, mutable: true, shared: false }
    }
}

/// Bytes that an instance's memory begins with.
pub(super) struct Segment<'a> {
    pub(super) offset: u32,
    pub(super) bytes: &'a [u8],
}

impl StateLayout {
    pub(super) fn memory_type(&self) -> MemoryType {
        memory_type(self.memory_min, self.memory_max)
    }

    /// What a component asks of its state module.
    pub(super) fn module_type(&self) -> ModuleType {
        let mut ty = ModuleType::new();
        ty.export(MEMORY, EntityType::Memory(self.memory_type()));
        for (name, value) in names().zip(&self.globals) {
            ty.export(&name, EntityType::Global(value.global_type()));
        }
        ty
    }
}

/// The names of the globals.
pub(super) fn names() -> impl Iterator<Item = String> {
    (0u32..).map(|number| number.to_string())
}

fn memory_type(minimum: u64, maximum: Option<u64>) -> MemoryType {
    MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None }
}

/// The state module of an instance with this memory and these globals. An empty memory stands for one that nothing has
/// been written to.
pub fn state_module(layout: &StateLayout, memory: &[u8], globals: &[StateValue]) -> Vec<u8> {
    let pages = (memory.len() as u64).div_ceil(PAGE_BYTES).max(layout.memory_min);
    let mut memories = MemorySection::new();
    memories.memory(memory_type(pages, layout.memory_max));
    let (mut section, mut exports) = (GlobalSection::new(), ExportSection::new());
    exports.export(MEMORY, ExportKind::Memory, 0);
    for ((index, name), value) in (0..).zip(names()).zip(globals) {
        section.global(value.global_type(), &value.init());
        exports.export(&name, ExportKind::Global, index);
    }
    let mut data = DataSection::new();
    for (start, bytes) in written(memory) {
        data.active(0, &ConstExpr::i32_const(start.cast_signed()), bytes.iter().copied());
    }
    let mut module = Module::new();
    module.section(&memories).section(&section).section(&exports).section(&data);
    module.finish()
}

/// The runs of blocks that are not all zero.
fn written(memory: &[u8]) -> Vec<(u32, &[u8])> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (number, block) in memory.chunks(SNAPSHOT_BLOCK_BYTES).enumerate() {
        if block.iter().all(|&byte| byte == 0) {
            continue;
        }
        let start = number * SNAPSHOT_BLOCK_BYTES;
        match runs.last_mut() {
            Some(run) if run.end == start => run.end += block.len(),
            _ => runs.push(start..start + block.len()),
        }
    }
    let run = |run: std::ops::Range<usize>| (u32::try_from(run.start).expect("a 32-bit memory"), &memory[run]);
    runs.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_zero_is_in_segments() {
        let mut memory = vec![0; 5 * SNAPSHOT_BLOCK_BYTES];
        assert!(written(&memory).is_empty());
        memory[SNAPSHOT_BLOCK_BYTES] = 1;
        memory[3 * SNAPSHOT_BLOCK_BYTES - 1] = 2;
        memory[5 * SNAPSHOT_BLOCK_BYTES - 1] = 3;
        let runs: Vec<_> = written(&memory).into_iter().map(|(start, bytes)| (start, bytes.len())).collect();
        assert_eq!(runs, [(4_096, 8_192), (16_384, 4_096)]);
    }
}
