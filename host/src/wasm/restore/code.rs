//! The functions that a rewritten module gains: to mark, to grow, and to restore.

use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, ValType};

use super::layout::{GRANULE_SHIFT, MARKS, MEMORY, PAGE};
use super::source::MainModule;
use super::unsuitable::Unsuitable;

/// How many marks are looked at together: 64 KiB of memory, of which every memory is a multiple.
const CHUNK: i32 = 64;
/// A word of marks, all set: a mark is the byte 1.
const ALL_MARKED: i64 = 0x0101_0101_0101_0101;
pub(super) const GRANULE: i32 = 1 << GRANULE_SHIFT;
/// The widest store; a mark also covers as many bytes past its granule, less one.
pub(super) const WIDEST_STORE: i32 = 16;

/// Indices of what is appended.
pub(super) struct Added {
    pub(super) mark: u32,
    pub(super) grow: u32,
    pub(super) restore: u32,
    pub(super) pages: u32,
    /// The size in pages that the guest sees.
    pub(super) size_global: u32,
    pub(super) image_segment: u32,
    pub(super) memory_pages: u64,
}

pub(super) fn arg(memory_index: u32, align: u32) -> MemArg {
    MemArg { offset: 0, align, memory_index }
}

pub(super) fn realloc_body(realloc: u32, added: &Added) -> Function {
    let mut function = Function::new([(1, ValType::I32)]);
    let (new_size, result) = (3, 4);
    function.instructions().local_get(0).local_get(1).local_get(2).local_get(3).call(realloc);
    function.instructions().local_tee(result).local_get(new_size).call(added.mark);
    function.instructions().local_get(result).end();
    function
}

/// `mark(start, length)`: clamped to the memory, so that it never traps where the guest would not.
pub(super) fn mark_body(added: &Added) -> Function {
    let mut function = Function::new([(1, ValType::I64), (1, ValType::I32)]);
    let (start, length, end, last) = (0, 1, 2, 3);
    let size = (added.memory_pages * PAGE).cast_signed();
    let mut f = function.instructions();
    f.local_get(start).i64_extend_i32_u().local_get(length).i64_extend_i32_u().i64_add().local_tee(end);
    f.i64_const(size).i64_gt_u().if_(BlockType::Empty).i64_const(size).local_set(end).end();
    // Nothing of it is inside the memory, or it is empty.
    f.local_get(start).i64_extend_i32_u().local_get(end).i64_ge_u().if_(BlockType::Empty).return_().end();
    f.local_get(start).i32_const(GRANULE_SHIFT.cast_signed()).i32_shr_u().local_tee(start);
    f.local_get(end).i64_const(1).i64_sub().i64_const(i64::from(GRANULE_SHIFT)).i64_shr_u().i32_wrap_i64();
    // Most of what is copied is short, and a fill calls the engine.
    f.local_tee(last).i32_eq().if_(BlockType::Empty).local_get(start).i32_const(1).i32_store8(arg(MARKS, 0)).return_().end();
    f.local_get(start).i32_const(1).local_get(last).local_get(start).i32_sub().i32_const(1).i32_add();
    f.memory_fill(MARKS).end();
    function
}

/// `grow(pages) -> old pages or -1`, as `memory.grow`. Where the limit and not the module's own maximum is
/// in the way, the real instruction is asked, so that the host's limiter hears of it (and refuses).
pub(super) fn grow_body(source: &MainModule<'_>, added: &Added) -> Function {
    let mut function = Function::new([(1, ValType::I64)]);
    let (pages, wanted) = (0, 1);
    let own = source.maximum_pages.unwrap_or(u64::MAX >> 1).min(PAGE).cast_signed();
    let mut f = function.instructions();
    f.local_get(pages).i64_extend_i32_u().global_get(added.size_global).i64_extend_i32_u().i64_add().local_tee(wanted);
    f.i64_const(own).i64_gt_u().if_(BlockType::Empty).i32_const(-1).return_().end();
    f.local_get(wanted).i64_const(added.memory_pages.cast_signed()).i64_gt_u();
    f.if_(BlockType::Empty).local_get(pages).memory_grow(MEMORY).drop().i32_const(-1).return_().end();
    f.global_get(added.size_global);
    f.local_get(wanted).i32_wrap_i64().global_set(added.size_global).end();
    function
}

/// Restores what is marked, a run of marks within a word at once, and clears the marks. Most of a memory is not marked, so
/// marks are looked at `CHUNK` at a time first.
pub(super) fn restore_body(source: &MainModule<'_>, added: &Added) -> Result<Function, Unsuitable> {
    let size = i32::try_from(added.memory_pages * PAGE).map_err(|_| Unsuitable::Shape("its memory limit is over 2 GiB"))?;
    let image = i32::try_from(source.image.len()).map_err(|_| Unsuitable::Shape("its image is over 2 GiB"))?;
    let granules = size >> GRANULE_SHIFT;
    let mut function = Function::new([(4, ValType::I32), (2, ValType::I64)]);
    // `chunk` and `word`: indices of the first mark looked at; `start` and `end`: bytes of memory; `marks`: those of a word
    // from `start` on; `bits`: how many bits of them are clear, or a run.
    let (chunk, word, start, end, marks, bits) = (0, 1, 2, 3, 4, 5);
    let mut f = function.instructions();
    f.loop_(BlockType::Empty);
    f.local_get(chunk).v128_load(arg(MARKS, 4));
    for offset in [16, 32, 48] {
        f.local_get(chunk).v128_load(MemArg { offset, ..arg(MARKS, 4) }).v128_or();
    }
    f.v128_any_true().if_(BlockType::Empty);
    {
        f.local_get(chunk).local_set(word);
        f.loop_(BlockType::Empty);
        f.local_get(word).i64_load(arg(MARKS, 3)).local_tee(marks).i64_eqz().i32_eqz().if_(BlockType::Empty);
        {
            f.local_get(word).i32_const(GRANULE_SHIFT.cast_signed()).i32_shl().local_set(start);
            f.loop_(BlockType::Empty);
            {
                // To the first mark.
                f.local_get(marks).local_get(marks).i64_ctz().local_tee(bits).i64_shr_u().local_set(marks);
                f.local_get(start);
                bytes_of(&mut f, bits);
                f.i32_add().local_set(start);
                // From there to the first that is not set, or to the end of the word.
                f.local_get(marks).i64_const(ALL_MARKED).i64_xor().i64_const(ALL_MARKED).i64_and().i64_ctz().local_set(bits);
                restore_run(&mut f, [start, end, bits], [size, image], added);
                f.local_get(start);
                bytes_of(&mut f, bits);
                f.i32_add().local_set(start);
                // By all 64 bits in two steps, since a shift by 64 does nothing.
                f.local_get(marks).local_get(bits).i64_const(1).i64_sub().i64_shr_u().i64_const(1).i64_shr_u();
                f.local_tee(marks).i64_eqz().i32_eqz().br_if(0);
            }
            f.end();
            f.local_get(word).i64_const(0).i64_store(arg(MARKS, 3));
        }
        f.end();
        f.local_get(word).i32_const(8).i32_add().local_tee(word);
        f.local_get(chunk).i32_const(CHUNK).i32_add().i32_lt_u().br_if(0);
        f.end();
    }
    f.end();
    f.local_get(chunk).i32_const(CHUNK).i32_add().local_tee(chunk).i32_const(granules).i32_lt_u().br_if(0);
    f.end();
    for (index, global) in (source.imported_globals..).zip(&source.globals) {
        if global.ty.mutable {
            let mut reader = global.init_expr.get_binary_reader();
            let bytes = reader.read_bytes(reader.bytes_remaining())?;
            function.raw(bytes[..bytes.len() - 1].iter().copied());
            function.instructions().global_set(index);
        }
    }
    let pages = i32::try_from(source.initial_pages).map_err(|_| Unsuitable::Shape("its memory is over 4 GiB"))?;
    function.instructions().i32_const(pages).global_set(added.size_global).end();
    Ok(function)
}

/// The bytes of memory that so many bits of marks stand for: a mark is eight of them.
fn bytes_of(f: &mut InstructionSink<'_>, bits: u32) {
    f.local_get(bits).i32_wrap_i64().i32_const(GRANULE_SHIFT.cast_signed() - 3).i32_shl();
}

fn restore_run(f: &mut InstructionSink<'_>, [start, end, bits]: [u32; 3], [size, image]: [i32; 2], added: &Added) {
    // min(the end of the run + the rest of a store that began at its last byte, size)
    f.local_get(start);
    bytes_of(f, bits);
    f.i32_add().i32_const(WIDEST_STORE - 1).i32_add().local_tee(end);
    f.i32_const(size).i32_gt_u().if_(BlockType::Empty).i32_const(size).local_set(end).end();
    // Bytes behind the image are set to zero; bytes before its end are copied from it.
    f.local_get(end).i32_const(image).i32_gt_u().if_(BlockType::Empty);
    f.local_get(start).i32_const(image).local_get(start).i32_const(image).i32_gt_u().select();
    f.i32_const(0);
    f.local_get(end);
    f.local_get(start).i32_const(image).local_get(start).i32_const(image).i32_gt_u().select();
    f.i32_sub();
    f.memory_fill(MEMORY);
    f.i32_const(image).local_set(end);
    f.end();
    f.local_get(start).local_get(end).i32_lt_u().if_(BlockType::Empty);
    f.local_get(start).local_get(start).local_get(end).local_get(start).i32_sub();
    f.memory_init(MEMORY, added.image_segment);
    f.end();
}

pub(super) fn pages_body(added: &Added) -> Function {
    let mut function = Function::new([]);
    function.instructions().global_get(added.size_global).end();
    function
}
