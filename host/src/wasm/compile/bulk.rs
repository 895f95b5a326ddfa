//! Bounds how much one bulk operation on memory moves at once.
//!
//! `memory.fill`, `memory.copy` and `memory.init` are one step for the engine, however much they move: a quarter of a
//! gigabyte takes tens of milliseconds, in which no other task has the thread. So each of them becomes a call of a function
//! of ours, which does the same in parts of `limits::worker::BULK_BYTES`; a worker's guest yields between two parts, as
//! it does in any loop.
//!
//! An operation that is out of bounds traps before it has written anything, as the standard requires: an operation that
//! does not fit into its memories is executed unchanged. A copy upwards within one memory begins at its end, so that no part
//! overwrites what a later one reads. Functions and types are appended, so no index changes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, utils};
use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSectionId, Function, FunctionSection, Instruction, InstructionSink, Module,
    RawSection, TypeSection, ValType,
};
use wasmparser::{
    BinaryReaderError, CodeSectionReader, FunctionSectionReader, MemoryType, Operator, Parser, Payload, TypeRef,
    TypeSectionReader,
};

use super::error::CompileError;
use crate::limits::worker::BULK_BYTES;

/// Bumped when the output changes.
pub(super) const VERSION: u32 = 1;

/// The component with divided bulk operations; unchanged if it has none.
pub(super) fn divided(component: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, CompileError> {
    let mut is_needed = false;
    for payload in Parser::new(0).parse_all(&component) {
        if let Payload::CodeSectionEntry(body) = payload.map_err(invalid)? {
            for operator in body.get_operators_reader().map_err(invalid)? {
                is_needed |= is_bulk(&operator.map_err(invalid)?);
            }
        }
        if is_needed {
            let mut divided = Component::new();
            ModuleDivider
                .parse_component(&mut divided, Parser::new(0), &component)
                .map_err(|error| CompileError::Invalid(error.to_string()))?;
            return Ok(Cow::Owned(divided.finish()));
        }
    }
    Ok(component)
}

fn is_bulk(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. })
}

fn invalid(error: BinaryReaderError) -> CompileError {
    CompileError::Invalid(error.to_string())
}

/// Copies a component, and rewrites the modules in it.
struct ModuleDivider;

impl Reencode for ModuleDivider {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for ModuleDivider {
    fn parse_component_submodule(&mut self, component: &mut Component, _: Parser, module: &[u8]) -> Result<(), Error> {
        let data = divided_module(module)?;
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: &data });
        Ok(())
    }
}

fn divided_module(module: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let mut divider = Divider::read(module)?;
    if divider.operations.is_empty() {
        return Ok(Cow::Borrowed(module));
    }
    let mut divided = Module::new();
    divider.parse_core_module(&mut divided, Parser::new(0), module)?;
    Ok(Cow::Owned(divided.finish()))
}

/// An operation that may move more than one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Fill { memory: u32 },
    Copy { to: u32, from: u32 },
    Init { memory: u32, segment: u32 },
}

/// A module, and what is added to it: a type and a function for each operation.
#[derive(Default)]
struct Divider {
    types: u32,
    functions: u32,
    memories: Vec<MemoryType>,
    /// Bytes of each data segment.
    segments: Vec<u64>,
    operations: Vec<Operation>,
}

impl Divider {
    fn read(module: &[u8]) -> Result<Divider, BinaryReaderError> {
        let mut divider = Divider::default();
        let mut found = BTreeSet::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        divider.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => divider.functions += 1,
                            TypeRef::Memory(memory) => divider.memories.push(memory),
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => divider.functions += section.count(),
                Payload::MemorySection(section) => {
                    for memory in section {
                        divider.memories.push(memory?);
                    }
                }
                Payload::DataSection(section) => {
                    for segment in section {
                        divider.segments.push(segment?.data.len() as u64);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        found.extend(operation(&operator?));
                    }
                }
                _ => {}
            }
        }
        // A segment that is no longer than a part needs no division.
        let segments = &divider.segments;
        let is_long = |segment: u32| segments.get(segment as usize).is_some_and(|&bytes| bytes > BULK_BYTES);
        found.retain(|found| !matches!(found, Operation::Init { segment, .. } if !is_long(*segment)));
        divider.operations = found.into_iter().collect();
        Ok(divider)
    }

    /// The index of the function that stands for an operation.
    fn function(&self, operation: Operation) -> Option<u32> {
        let at = self.operations.binary_search(&operation).ok()?;
        Some(self.functions + u32::try_from(at).ok()?)
    }

    fn memory(&self, index: u32) -> BulkMemory {
        // Validated code names existing memories only.
        let ty = self.memories.get(index as usize).copied();
        BulkMemory {
            index,
            address: if ty.is_some_and(|ty| ty.memory64) { ValType::I64 } else { ValType::I32 },
            page_shift: i64::from(ty.and_then(|ty| ty.page_size_log2).unwrap_or(16)),
        }
    }

    /// The parameters of an operation: where to, what or where from, how much.
    fn parameters(&self, operation: Operation) -> [ValType; 3] {
        match operation {
            Operation::Fill { memory } => {
                let address = self.memory(memory).address;
                [address, ValType::I32, address]
            }
            Operation::Copy { to, from } => {
                let (to, from) = (self.memory(to).address, self.memory(from).address);
                [to, from, if to == ValType::I64 { from } else { to }]
            }
            Operation::Init { memory, .. } => [self.memory(memory).address, ValType::I32, ValType::I32],
        }
    }

    fn body(&self, operation: Operation) -> Function {
        let [to_type, from_type, length_type] = self.parameters(operation);
        let [to, from, length] = [(TO, to_type), (FROM, from_type), (LENGTH, length_type)];
        let mut function = Function::new([]);
        let f = &mut function.instructions();
        let whole = f.block(BlockType::Empty);
        // Short: one part.
        wide(whole, length);
        whole.i64_const(BULK_BYTES.cast_signed()).i64_le_u().br_if(0);
        match operation {
            Operation::Fill { memory } => leave_if_outside(whole, self.memory(memory), to, length),
            Operation::Copy { to: into, from: out_of } => {
                leave_if_outside(whole, self.memory(into), to, length);
                leave_if_outside(whole, self.memory(out_of), from, length);
                if into == out_of {
                    wide(whole, to);
                    wide(whole, from);
                    whole.i64_gt_u().if_(BlockType::Empty);
                    whole.loop_(BlockType::Empty);
                    advance(whole, length, Step::Down);
                    for address in [to, from] {
                        whole.local_get(address.0).local_get(LENGTH);
                        if address.1 == ValType::I64 {
                            whole.i64_add()
                        } else {
                            whole.i32_add()
                        };
                    }
                    part(whole, length_type);
                    perform(whole, operation);
                    wide(whole, length);
                    whole.i64_const(BULK_BYTES.cast_signed()).i64_gt_u().br_if(0).end();
                    // The rest is at the beginning.
                    whole.br(1).end();
                }
            }
            Operation::Init { memory, segment } => {
                leave_if_outside(whole, self.memory(memory), to, length);
                // A segment that was dropped has no bytes: its first part traps.
                let bytes = self.segments.get(segment as usize).copied().unwrap_or_default();
                wide(whole, from);
                wide(whole, length);
                whole.i64_add().i64_const(bytes.cast_signed()).i64_gt_u().br_if(0);
            }
        }
        whole.loop_(BlockType::Empty);
        whole.local_get(TO).local_get(FROM);
        part(whole, length_type);
        perform(whole, operation);
        advance(whole, to, Step::Up);
        if !matches!(operation, Operation::Fill { .. }) {
            advance(whole, from, Step::Up);
        }
        advance(whole, length, Step::Down);
        wide(whole, length);
        whole.i64_const(BULK_BYTES.cast_signed()).i64_gt_u().br_if(0).end();
        whole.end();
        whole.local_get(TO).local_get(FROM).local_get(LENGTH);
        perform(whole, operation);
        whole.end();
        function
    }
}

#[derive(Clone, Copy)]
struct BulkMemory {
    index: u32,
    address: ValType,
    page_shift: i64,
}

const TO: u32 = 0;
const FROM: u32 = 1;
const LENGTH: u32 = 2;

/// A parameter and its type.
type Parameter = (u32, ValType);

#[derive(Clone, Copy)]
enum Step {
    Up,
    Down,
}

/// Pushes a parameter as 64 bits.
fn wide(f: &mut InstructionSink<'_>, (local, ty): Parameter) {
    f.local_get(local);
    if ty == ValType::I32 {
        f.i64_extend_i32_u();
    }
}

/// Pushes the length of a part.
fn part(f: &mut InstructionSink<'_>, ty: ValType) {
    match ty {
        ValType::I64 => f.i64_const(BULK_BYTES.cast_signed()),
        _ => f.i32_const(i32::try_from(BULK_BYTES).expect("a part is small")),
    };
}

/// Moves a parameter by a part.
fn advance(f: &mut InstructionSink<'_>, (local, ty): Parameter, step: Step) {
    f.local_get(local);
    part(f, ty);
    match (ty, step) {
        (ValType::I64, Step::Up) => f.i64_add(),
        (ValType::I64, Step::Down) => f.i64_sub(),
        (_, Step::Up) => f.i32_add(),
        (_, Step::Down) => f.i32_sub(),
    };
    f.local_set(local);
}

/// Goes on to the operation itself, which traps, if a range does not lie within its memory.
fn leave_if_outside(f: &mut InstructionSink<'_>, memory: BulkMemory, start: Parameter, length: Parameter) {
    let size = |f: &mut InstructionSink<'_>| {
        f.memory_size(memory.index);
        if memory.address == ValType::I32 {
            f.i64_extend_i32_u();
        }
        f.i64_const(memory.page_shift).i64_shl();
    };
    wide(f, start);
    size(f);
    f.i64_gt_u().br_if(0);
    wide(f, length);
    size(f);
    wide(f, start);
    f.i64_sub().i64_gt_u().br_if(0);
}

fn perform(f: &mut InstructionSink<'_>, operation: Operation) {
    match operation {
        Operation::Fill { memory } => f.memory_fill(memory),
        Operation::Copy { to, from } => f.memory_copy(to, from),
        Operation::Init { memory, segment } => f.memory_init(memory, segment),
    };
}

fn operation(operator: &Operator<'_>) -> Option<Operation> {
    Some(match *operator {
        Operator::MemoryFill { mem } => Operation::Fill { memory: mem },
        Operator::MemoryCopy { dst_mem, src_mem } => Operation::Copy { to: dst_mem, from: src_mem },
        Operator::MemoryInit { data_index, mem } => Operation::Init { memory: mem, segment: data_index },
        _ => return None,
    })
}

impl Reencode for Divider {
    type Error = std::convert::Infallible;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        for &operation in &self.operations {
            types.ty().function(self.parameters(operation), []);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        for (ty, _) in (self.types..).zip(&self.operations) {
            functions.function(ty);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        for &operation in &self.operations {
            code.function(&self.body(operation));
        }
        Ok(())
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Result<Instruction<'a>, Error> {
        match operation(&operator).and_then(|operation| self.function(operation)) {
            Some(function) => Ok(Instruction::Call(function)),
            None => utils::instruction(self, operator),
        }
    }
}

#[cfg(test)]
mod tests;
