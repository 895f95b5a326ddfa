//! The overlay of a Runtime: what INIT has made of its first image, for one source.
//!
//! INIT runs once, at deployment, on an instance that is thrown away. `save` returns what it has changed; `load`
//! puts that into a new instance, and from then on it counts as the first image. So all functions of a Runtime share
//! its code, and deploying one compiles nothing.
//!
//! The overlay has a memory of its own, which no index of the guest reaches:
//!
//!     positions   u16 for each granule of the main memory: the number of its record, from 1; 0 without one
//!     returned    pointer and length, for the canonical ABI
//!     list        16 bytes for each mutable global, then records: u32 granule, 12 bytes, the granule's bytes
//!
//! The list is what the host holds; it goes back to the same place, so that nothing is copied twice.

use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use super::code::{Added, GRANULE, WIDEST_STORE, arg};
use super::layout::{GRANULE_SHIFT, MARKS, MEMORY, OVERLAY, PAGE};
use super::source::MainModule;
use super::unsuitable::Unsuitable;
use crate::limits::restore as limits;

pub(super) const PAGES: u64 = limits::OVERLAY_BYTES / PAGE;

/// Of a global, and of what stands before a record's bytes.
const CELL: u32 = 16;
const RECORD: i32 = GRANULE + CELL.cast_signed();
/// The bits of an address within its granule.
const SHIFT: i32 = GRANULE_SHIFT.cast_signed();

/// Where everything is.
pub(super) struct OverlayLayout {
    /// Bytes of the main memory.
    size: i32,
    /// Bytes of the image, in whole granules.
    image: i32,
    /// Mutable globals of the module, that of its size among them.
    globals: Vec<(u32, ValType)>,
    returned: u32,
    list: u32,
    records: i32,
}

impl OverlayLayout {
    /// Rounds the image up: a granule is in it, or not.
    pub(super) fn of(source: &mut MainModule<'_>, memory_bytes: u64) -> Result<OverlayLayout, Unsuitable> {
        let fits = |number: usize| i32::try_from(number).map_err(|_| Unsuitable::Shape("its memory is over 2 GiB"));
        let granule = 1usize << GRANULE_SHIFT;
        let image = source.image.len().next_multiple_of(granule);
        source.image.resize(image, 0);
        let size = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        let granules = u32::try_from(size / granule).unwrap_or(u32::MAX);
        if granules > u32::from(u16::MAX) {
            return Err(Unsuitable::Shape("its memory limit is over 63 MiB"));
        }
        let mut globals = Vec::new();
        for (index, global) in (source.imported_globals..).zip(&source.globals) {
            if global.ty.mutable {
                globals.push((index, super::source::val_type(global.ty.content_type)));
            }
        }
        if globals.iter().any(|(_, ty)| matches!(ty, ValType::Ref(_))) {
            return Err(Unsuitable::Shape("it has mutable globals of references, which cannot be saved"));
        }
        globals.push((source.imported_globals + super::source::len(&source.globals), ValType::I32));
        let returned = (granules * 2).next_multiple_of(CELL);
        let list = returned + CELL;
        let records = list + CELL * super::source::len(&globals);
        Ok(OverlayLayout { size: fits(size)?, image: fits(image)?, globals, returned, list, records: records.cast_signed() })
    }

    fn list(&self) -> i32 {
        self.list.cast_signed()
    }

    /// `save() -> pointer`: to the pointer and the length of the list. A list without a byte does not fit.
    ///
    /// A granule is looked at if it is marked, or the one before it is, whose last store may have reached it. It gets a
    /// record if it differs from the image.
    pub(super) fn save_body(&self, added: &Added) -> Function {
        let mut function = Function::new([(4, ValType::I32)]);
        let (at, start, record, byte) = (0, 1, 2, 3);
        let mut f = function.instructions();
        for (cell, (index, ty)) in (0u32..).zip(&self.globals) {
            f.i32_const(0).global_get(*index);
            store(&mut f, *ty, self.list + CELL * cell);
        }
        f.i32_const(self.records).local_set(record);
        f.loop_(BlockType::Empty);
        f.local_get(at).i32_load8_u(arg(MARKS, 0));
        f.local_get(at).local_get(at).i32_const(0).i32_ne().i32_sub().i32_load8_u(arg(MARKS, 0)).i32_or();
        f.if_(BlockType::Empty);
        {
            f.local_get(record).i32_const(OVERLAY_END - RECORD).i32_gt_u().if_(BlockType::Empty);
            f.i32_const(0).i32_const(self.list()).i32_store(at_offset(self.returned, 2));
            f.i32_const(0).i32_const(0).i32_store(at_offset(self.returned + 4, 2));
            f.i32_const(self.returned.cast_signed()).return_();
            f.end();
            // The image's granule, to compare with.
            f.local_get(at).i32_const(SHIFT).i32_shl().local_set(start);
            f.local_get(start).i32_const(self.image).i32_lt_u().if_(BlockType::Empty);
            f.local_get(record).i32_const(CELL.cast_signed()).i32_add().local_get(start).i32_const(GRANULE);
            f.memory_init(OVERLAY, added.image_segment);
            f.else_();
            f.local_get(record).i32_const(CELL.cast_signed()).i32_add().i32_const(0).i32_const(GRANULE);
            f.memory_fill(OVERLAY);
            f.end();
            f.i32_const(0).local_set(byte);
            f.block(BlockType::Empty).loop_(BlockType::Empty);
            f.local_get(start).local_get(byte).i32_add().i64_load(arg(MEMORY, 3));
            f.local_get(record).local_get(byte).i32_add().i64_load(at_offset(CELL, 3));
            f.i64_ne().if_(BlockType::Empty);
            f.local_get(record).local_get(at).i32_store(arg(OVERLAY, 2));
            f.local_get(record).i32_const(CELL.cast_signed()).i32_add().local_get(start).i32_const(GRANULE);
            f.memory_copy(OVERLAY, MEMORY);
            f.local_get(record).i32_const(RECORD).i32_add().local_set(record);
            f.br(2);
            f.end();
            f.local_get(byte).i32_const(8).i32_add().local_tee(byte).i32_const(GRANULE).i32_lt_u().br_if(0);
            f.end().end();
        }
        f.end();
        f.local_get(at).i32_const(1).i32_add().local_tee(at).i32_const(self.size >> SHIFT).i32_lt_u().br_if(0);
        f.end();
        f.i32_const(0).i32_const(self.list()).i32_store(at_offset(self.returned, 2));
        f.i32_const(0).local_get(record).i32_const(self.list()).i32_sub().i32_store(at_offset(self.returned + 4, 2));
        f.i32_const(self.returned.cast_signed()).end();
        function
    }

    /// `load(pointer, length)`: the host has put the list where it was.
    pub(super) fn load_body(&self) -> Function {
        let mut function = Function::new([(2, ValType::I32)]);
        let (end, length, record, number) = (0, 1, 2, 3);
        let mut f = function.instructions();
        f.local_get(end).local_get(length).i32_add().local_set(end);
        f.i32_const(self.records).local_set(record);
        f.block(BlockType::Empty).loop_(BlockType::Empty);
        f.local_get(record).local_get(end).i32_ge_u().br_if(1);
        f.local_get(record).i32_load(arg(OVERLAY, 2)).i32_const(SHIFT).i32_shl();
        f.local_get(record).i32_const(CELL.cast_signed()).i32_add().i32_const(GRANULE).memory_copy(MEMORY, OVERLAY);
        f.local_get(record).i32_load(arg(OVERLAY, 2)).i32_const(1).i32_shl();
        f.local_get(number).i32_const(1).i32_add().local_tee(number).i32_store16(arg(OVERLAY, 1));
        f.local_get(record).i32_const(RECORD).i32_add().local_set(record);
        f.br(0);
        f.end().end();
        self.set_globals(&mut f);
        f.end();
        function
    }

    /// The allocator of `load`: there is one place.
    pub(super) fn realloc_body(&self) -> Function {
        let mut function = Function::new([]);
        let new_size = 3;
        let mut f = function.instructions();
        f.local_get(new_size).i32_const(OVERLAY_END - self.list()).i32_gt_u().if_(BlockType::Empty).unreachable().end();
        f.i32_const(self.list()).end();
        function
    }

    /// Puts marked granules back, from the overlay or else the image, and clears the marks word by word.
    ///
    /// A mark also covers the first bytes of the next granule. If that is marked itself its turn comes; else these bytes
    /// are put back with it.
    pub(super) fn restore_body(&self, added: &Added) -> Function {
        let mut function = Function::new([(4, ValType::I32)]);
        let (word, at, start, number) = (0, 1, 2, 3);
        let mut f = function.instructions();
        f.loop_(BlockType::Empty);
        f.local_get(word).i64_load(arg(MARKS, 3)).i64_eqz().i32_eqz().if_(BlockType::Empty);
        {
            f.local_get(word).local_set(at);
            f.loop_(BlockType::Empty);
            f.local_get(at).i32_load8_u(arg(MARKS, 0)).if_(BlockType::Empty);
            {
                f.local_get(at).i32_const(SHIFT).i32_shl().local_set(start);
                f.local_get(at).i32_const(1).i32_shl().i32_load16_u(arg(OVERLAY, 1)).local_tee(number);
                f.if_(BlockType::Empty);
                f.local_get(start);
                self.record_bytes(&mut f, number);
                f.i32_const(GRANULE).memory_copy(MEMORY, OVERLAY);
                f.else_();
                f.local_get(start).i32_const(self.image).i32_lt_u().if_(BlockType::Empty);
                f.local_get(start).local_get(start).i32_const(GRANULE).memory_init(MEMORY, added.image_segment);
                f.else_();
                f.local_get(start).i32_const(0).i32_const(GRANULE).memory_fill(MEMORY);
                f.end().end();
                // The beginning of the next one.
                f.local_get(at).i32_load8_u(mark_after()).i32_eqz().if_(BlockType::Empty);
                f.local_get(start).i32_const(GRANULE).i32_add().local_tee(start).i32_const(self.size).i32_lt_u();
                f.if_(BlockType::Empty);
                f.local_get(at).i32_const(1).i32_shl().i32_load16_u(position_after()).local_tee(number);
                f.if_(BlockType::Empty);
                f.local_get(start);
                self.record_bytes(&mut f, number);
                f.v128_load(arg(OVERLAY, 4)).v128_store(arg(MEMORY, 4));
                f.else_();
                f.local_get(start).i32_const(self.image).i32_lt_u().if_(BlockType::Empty);
                f.local_get(start).local_get(start).i32_const(WIDEST_STORE).memory_init(MEMORY, added.image_segment);
                f.else_();
                f.local_get(start).v128_const(0).v128_store(arg(MEMORY, 4));
                f.end().end().end().end();
            }
            f.end();
            f.local_get(at).i32_const(1).i32_add().local_tee(at).local_get(word).i32_const(8).i32_add().i32_lt_u().br_if(0);
            f.end();
            f.local_get(word).i64_const(0).i64_store(arg(MARKS, 3));
        }
        f.end();
        f.local_get(word).i32_const(8).i32_add().local_tee(word).i32_const(self.size >> SHIFT).i32_lt_u().br_if(0);
        f.end();
        self.set_globals(&mut f);
        f.end();
        function
    }

    /// Where the bytes of this record are. Records count from 1.
    fn record_bytes(&self, f: &mut InstructionSink<'_>, number: u32) {
        f.local_get(number).i32_const(RECORD).i32_mul().i32_const(self.records - RECORD + CELL.cast_signed()).i32_add();
    }

    fn set_globals(&self, f: &mut InstructionSink<'_>) {
        for (cell, (index, ty)) in (0u32..).zip(&self.globals) {
            f.i32_const(0);
            load(f, *ty, self.list + CELL * cell);
            f.global_set(*index);
        }
    }
}

/// The size of the overlay's memory.
const OVERLAY_END: i32 = {
    assert!(limits::OVERLAY_BYTES <= 1 << 30 && limits::OVERLAY_BYTES.is_multiple_of(PAGE));
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    let bytes = limits::OVERLAY_BYTES as i32;
    bytes
};

fn at_offset(offset: u32, align: u32) -> wasm_encoder::MemArg {
    wasm_encoder::MemArg { offset: offset.into(), ..arg(OVERLAY, align) }
}

fn mark_after() -> wasm_encoder::MemArg {
    wasm_encoder::MemArg { offset: 1, ..arg(MARKS, 0) }
}

fn position_after() -> wasm_encoder::MemArg {
    wasm_encoder::MemArg { offset: 2, ..arg(OVERLAY, 1) }
}

fn store(f: &mut InstructionSink<'_>, ty: ValType, offset: u32) {
    match ty {
        ValType::I32 => f.i32_store(at_offset(offset, 2)),
        ValType::I64 => f.i64_store(at_offset(offset, 3)),
        ValType::F32 => f.f32_store(at_offset(offset, 2)),
        ValType::F64 => f.f64_store(at_offset(offset, 3)),
        ValType::V128 => f.v128_store(at_offset(offset, 4)),
        ValType::Ref(_) => f.unreachable(),
    };
}

fn load(f: &mut InstructionSink<'_>, ty: ValType, offset: u32) {
    match ty {
        ValType::I32 => f.i32_load(at_offset(offset, 2)),
        ValType::I64 => f.i64_load(at_offset(offset, 3)),
        ValType::F32 => f.f32_load(at_offset(offset, 2)),
        ValType::F64 => f.f64_load(at_offset(offset, 3)),
        ValType::V128 => f.v128_load(at_offset(offset, 4)),
        ValType::Ref(_) => f.unreachable(),
    };
}
