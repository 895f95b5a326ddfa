//! Charges for a function's frame, which a call sets up before its first operator.
//!
//! Fuel has a price for each operator and none for a function's prologue, which may set a thousand locals to
//! zero, and touches a large frame page by page. So that this is not free, a function that holds many
//! values at once begins with `nop`s, which have a price (`wasm::fuel`) and generate no code. A branch moves the values of
//! its label at one price, whatever their number; that number is bounded (`compile::examine`).

use std::borrow::Cow;

use wasm_encoder::{CodeSection, ComponentSectionId, RawSection, Section as _};
use wasmparser::{BinaryReaderError, Chunk, FunctionBody, Parser, Payload};

use super::error::CompileError;
use crate::limits::compile::NOPS_SPARE;

/// Bumped when the output changes.
pub(super) const VERSION: u32 = 1;

/// As many values as an ordinary function holds are free.
const SLOTS_FREE: u32 = 16;
/// A value costs about as much as a store, an eighth of a `nop`.
const SLOTS_PER_NOP: u32 = 8;
const NOP: u8 = 0x01;

/// The component, or module, with functions that are charged for their frames; unchanged if none has to be. `held` is how
/// many values each function holds at most.
pub(super) fn charged<'a>(component: &'a [u8], held: &[u32]) -> Result<Cow<'a, [u8]>, CompileError> {
    let nops: Vec<usize> = held.iter().map(|held| nops(*held)).collect();
    let all: usize = nops.iter().sum();
    if all == 0 {
        return Ok(Cow::Borrowed(component));
    }
    if all > component.len() + NOPS_SPARE {
        return Err(CompileError::FramesTooLarge { values: all * SLOTS_PER_NOP as usize });
    }
    let mut charged = Vec::with_capacity(component.len() + all + 1024);
    copy(component, &mut nops.into_iter(), &mut charged)?;
    Ok(Cow::Owned(charged))
}

/// How many `nop`s so many slots cost.
fn nops(slots: u32) -> usize {
    (slots.saturating_sub(SLOTS_FREE) / SLOTS_PER_NOP) as usize
}

/// Copies a component or module, section by section, and what is nested in it. `nops` has a number for each function.
fn copy(bytes: &[u8], nops: &mut impl Iterator<Item = usize>, out: &mut Vec<u8>) -> Result<(), CompileError> {
    let mut parser = Parser::new(0);
    let mut code = CodeSection::new();
    let mut bodies = 0;
    let mut at = 0;
    loop {
        let Chunk::Parsed { consumed, payload } = parser.parse(&bytes[at..], true).map_err(invalid)? else {
            return Err(CompileError::Invalid("it ends early".to_owned()));
        };
        at += consumed;
        match &payload {
            Payload::Version { range, .. } => out.extend_from_slice(&bytes[range.clone()]),
            Payload::ModuleSection { unchecked_range: range, .. } | Payload::ComponentSection { unchecked_range: range, .. } => {
                at = range.end;
                let mut nested = Vec::with_capacity(range.len());
                copy(&bytes[range.clone()], nops, &mut nested)?;
                let id = if matches!(payload, Payload::ModuleSection { .. }) {
                    ComponentSectionId::CoreModule
                } else {
                    ComponentSectionId::Component
                };
                RawSection { id: id.into(), data: &nested }.append_to(out);
            }
            Payload::CodeSectionStart { count, .. } => {
                bodies = *count;
                if bodies == 0 {
                    code.append_to(out);
                }
            }
            Payload::CodeSectionEntry(body) => {
                code.raw(&paying(bytes, body, nops.next().unwrap_or(0))?);
                bodies -= 1;
                if bodies == 0 {
                    code.append_to(out);
                }
            }
            Payload::End(_) => return Ok(()),
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    RawSection { id, data: &bytes[range] }.append_to(out);
                }
            }
        }
    }
}

/// A function's body, with so many `nop`s before its operators.
fn paying(bytes: &[u8], body: &FunctionBody<'_>, nops: usize) -> Result<Vec<u8>, CompileError> {
    let range = body.range();
    let operators = body.get_operators_reader().map_err(invalid)?.original_position();
    let mut paying = Vec::with_capacity(range.len() + nops);
    paying.extend_from_slice(&bytes[range.start..operators]);
    paying.resize(paying.len() + nops, NOP);
    paying.extend_from_slice(&bytes[operators..range.end]);
    Ok(paying)
}

fn invalid(error: BinaryReaderError) -> CompileError {
    CompileError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::examine;
    use super::*;
    use crate::limits::Profile;

    fn validated(bytes: &[u8]) -> Result<Vec<u32>, CompileError> {
        examine::validated(bytes, Profile::Viewer).map(|valid| valid.held)
    }

    fn charged(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
        super::super::charged(bytes, Profile::Viewer)
    }

    fn core(inside: &str) -> Vec<u8> {
        wat::parse_str(format!("(component (core module {inside}) (component (core module (func (local i64)))))")).unwrap()
    }

    #[test]
    fn what_a_function_holds_is_counted() {
        for (inside, slots) in [
            ("(func)", 0),
            ("(func (param i32) (result i32) (local i32 i64) local.get 0)", 5),
            // At the most: four operands, then one.
            ("(func (result i32) i32.const 1 i32.const 1 i32.const 1 i32.const 1 i32.add i32.add i32.add)", 5),
            ("(func (local i32 i32) i32.const 1 if (result i32) i32.const 2 i32.const 3 i32.add else i32.const 4 end drop)", 4),
        ] {
            assert_eq!(validated(&core(inside)).unwrap(), [slots, 1], "{inside}");
        }
    }

    #[test]
    fn only_a_function_with_a_large_frame_is_charged_for_it() {
        let before = core(&format!(
            "(memory 1) (func $many (local {}) local.get 3 drop) (func (export \"few\") call $many) (data (i32.const 0) \"abc\")",
            "i32 ".repeat(87)
        ));
        assert_eq!(validated(&before).unwrap(), [88, 0, 1]);
        let after = charged(&before).unwrap();
        assert_eq!(validated(&after).unwrap(), [88, 0, 1]);
        let nops = after.len() - before.len();
        assert_eq!(nops, 9, "an eighth of 72; no length needs another byte");
        // Nothing but these: taken out again, the component is what it was.
        let at = after.windows(9).position(|window| window == [NOP; 9]).unwrap();
        let without = [&after[..at], &after[at + 9..]].concat();
        assert_eq!(without.len(), before.len());
        assert_eq!(without.iter().zip(&before).filter(|(a, b)| a != b).count(), 3, "of a body, a section, a module");
    }

    #[test]
    fn a_component_that_holds_little_is_not_written_again() {
        let component = core("(func (param i32 i32) local.get 0 drop)");
        assert!(matches!(charged(&component).unwrap(), Cow::Borrowed(same) if same == component));
    }

    #[test]
    fn what_is_written_for_locals_is_bounded_by_what_came() {
        // A few bytes each, for six thousand nops.
        let function = format!("(func (local {}))", "i32 ".repeat(50_000));
        assert!(charged(&core(&function.repeat(100))).is_ok());
        let refused = charged(&core(&function.repeat(200))).unwrap_err().to_string();
        assert_eq!(refused, "its functions declare 9996800 values, out of all proportion to their code");
    }

    #[test]
    fn what_a_branch_moves_is_bounded() {
        let values = |count: usize| "i32 ".repeat(count);
        let pushed = |count: usize| "i32.const 1 ".repeat(count);
        let dropped = |count: usize| "drop ".repeat(count);
        let block = |n: usize| format!("(func block (result {}) {} end {})", values(n), pushed(n), dropped(n));
        let turning = |n: usize| format!("(func {} loop (param {}) i32.const 0 br 0 end unreachable)", pushed(n), values(n));
        let giving = |n: usize| format!("(func (result {}) {})", values(n), pushed(n));
        for (what, inside) in [
            ("values of a block", &block as &dyn Fn(usize) -> String),
            ("values of a block", &turning),
            ("results of a function", &giving),
        ] {
            assert!(validated(&core(&inside(examine::VALUES_MAX))).is_ok());
            let refused = validated(&core(&inside(examine::VALUES_MAX + 1))).unwrap_err().to_string();
            assert_eq!(refused, format!("17 {what} are over 16; code moves them for the price of one"));
        }
    }
}
