//! The module that is added to a component whose state was taken out: it fills the state at first, and reads it at last.

use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemArg, Module, TypeSection, ValType,
};

use super::names::{GLOBALS, LOAD, MEMORY, STATE};
use super::state::{self, Segment, StateLayout, StateValue};

const PAGE_SHIFT: i32 = 16;

/// `load` copies the segments. `memory` adds a page, in which it writes where the memory before it is; `globals` writes
/// the values into that page.
pub(super) fn module(layout: &StateLayout, segments: &[Segment<'_>], resets: &[&str]) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([], [ValType::I32]);

    let mut imports = ImportSection::new();
    imports.import(STATE, state::MEMORY, EntityType::Memory(layout.memory_type()));
    for (name, value) in state::names().zip(&layout.globals) {
        imports.import(STATE, &name, EntityType::Global(value.global_type()));
    }
    for &reset in resets {
        imports.import(reset, reset, EntityType::Function(0));
    }

    let mut functions = FunctionSection::new();
    functions.function(0).function(1).function(1);
    let first = count(resets);
    let mut exports = ExportSection::new();
    for (index, name) in (first..).zip([LOAD, MEMORY, GLOBALS]) {
        exports.export(name, ExportKind::Func, index);
    }
    let mut code = CodeSection::new();
    code.function(&load(segments)).function(&memory(first)).function(&globals(layout));
    let mut data = DataSection::new();
    for segment in segments {
        data.passive(segment.bytes.iter().copied());
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports);
    module.section(&DataCountSection { count: count(segments) }).section(&code).section(&data);
    module
}

fn load(segments: &[Segment<'_>]) -> Function {
    function([], |f| {
        for (index, segment) in (0..).zip(segments) {
            let bytes = u32::try_from(segment.bytes.len()).expect("a segment of a validated module");
            f.i32_const(segment.offset.cast_signed()).i32_const(0).i32_const(bytes.cast_signed()).memory_init(0, index);
        }
    })
}

fn memory(resets: u32) -> Function {
    function([(1, ValType::I32)], |f| {
        for reset in 0..resets {
            f.call(reset);
        }
        // Where there is no room for it, -1 leads to a trap.
        f.i32_const(1).memory_grow(0).i32_const(PAGE_SHIFT).i32_shl().local_tee(0);
        f.i32_const(0).i32_store(arg(0));
        f.local_get(0).local_get(0).i32_store(arg(4));
        f.local_get(0);
    })
}

fn globals(layout: &StateLayout) -> Function {
    function([(1, ValType::I32)], |f| {
        f.memory_size(0).i32_const(1).i32_sub().i32_const(PAGE_SHIFT).i32_shl().local_set(0);
        f.local_get(0).local_get(0).i32_const(VALUES.cast_signed()).i32_add().i32_store(arg(0));
        f.local_get(0).i32_const(count(&layout.globals).cast_signed()).i32_store(arg(4));
        for ((index, offset), value) in (0..).zip((VALUES..).step_by(8)).zip(&layout.globals) {
            f.local_get(0).global_get(index);
            match value {
                StateValue::I32(_) => f.i64_extend_i32_u(),
                StateValue::F32(_) => f.i32_reinterpret_f32().i64_extend_i32_u(),
                StateValue::F64(_) => f.i64_reinterpret_f64(),
                StateValue::I64(_) => f,
            };
            f.i64_store(arg(u64::from(offset)));
        }
        f.local_get(0);
    })
}

/// From the start of the added page.
const VALUES: u32 = 8;

fn arg(offset: u64) -> MemArg {
    MemArg { offset, align: 2, memory_index: 0 }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("as many as a section has")
}

fn function<const N: usize>(locals: [(u32, ValType); N], write: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new(locals);
    let mut instructions = function.instructions();
    write(&mut instructions);
    instructions.end();
    function
}
