//! Turns a program for WASI 0.1 into a component: a core module that exports `_start` and imports
//! `wasi_snapshot_preview1`, together with an adapter to WASI 0.2.
//!
//! A core module without `_start` is not a program; hooks and services are components already.

use std::borrow::Cow;
use std::convert::Infallible;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER,
};
use wasm_encoder::MemoryType;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasmparser::{ExternalKind, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

use super::error::CompileError;
use crate::limits::compile::GO_HEAP_PAGES;

/// Bumped when the output changes, also because of another adapter.
pub(super) const VERSION: u32 = 2;

/// Adapts a program for WASI 0.1; other bytes are returned unchanged.
pub fn adapted(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
    if !Parser::is_core_wasm(bytes) || !is_program(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    // The encoder panics on truncated input. Its output is validated once more, like any component.
    Validator::new().validate_all(bytes).map_err(|error| CompileError::Invalid(error.to_string()))?;
    let module = if is_go(bytes) { with_heap_apart(bytes)? } else { Cow::Borrowed(bytes) };
    let encoder = ComponentEncoder::default().validate(false).module(&module);
    let component = encoder.and_then(|encoder| encoder.adapter(NAME, ADAPTER)).and_then(|mut encoder| encoder.encode());
    component
        .map(Cow::Owned)
        .map_err(|error| CompileError::Invalid(format!("a program for WASI 0.1 that cannot be adapted: {error:#}")))
}

/// Whether Go's own compiler has made a module. TinyGo's have no such section.
fn is_go(module: &[u8]) -> bool {
    let mut sections = Parser::new(0).parse_all(module);
    sections.any(|payload| matches!(payload, Ok(Payload::CustomSection(section)) if section.name() == "go:buildid"))
}

/// Keeps Go's heap and the adapter's memory apart.
///
/// Go takes all memory behind its data for its own, whoever has grown it (`runtime/mem_wasm.go`, `sbrk`), and would write over
/// the adapter's state, which is the first thing that is grown. So there is room for a whole heap before that, and Go
/// cannot grow memory by more than this room: it counts from the end of its data. Remove when Go heeds what
/// `memory.grow` returns.
fn with_heap_apart(module: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
    let mut apart = wasm_encoder::Module::new();
    let encoded = utils::parse_core_module(&mut HeapApart, &mut apart, Parser::new(0), module);
    encoded.map_err(|error| CompileError::Invalid(format!("a Go program that cannot be adapted: {error}")))?;
    Ok(Cow::Owned(apart.finish()))
}

struct HeapApart;

impl Reencode for HeapApart {
    type Error = Infallible;

    fn memory_type(&mut self, memory: wasmparser::MemoryType) -> Result<MemoryType, reencode::Error<Infallible>> {
        let minimum = memory.initial + GO_HEAP_PAGES;
        let maximum = (minimum + GO_HEAP_PAGES).min(memory.maximum.unwrap_or(u64::MAX).max(minimum));
        Ok(MemoryType {
            minimum,
            maximum: Some(maximum),
            memory64: memory.memory64,
            shared: memory.shared,
            page_size_log2: memory.page_size_log2,
        })
    }
}

/// Makes a component of a core module that says which worlds it implements, as the SDK's macros do. Components, and programs
/// for WASI 0.1, stay as they are.
pub fn componentized(module: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
    if !Parser::is_core_wasm(module) || is_program(module) {
        return Ok(Cow::Borrowed(module));
    }
    Validator::new().validate_all(module).map_err(|error| CompileError::Invalid(error.to_string()))?;
    let component = ComponentEncoder::default().validate(false).module(module).and_then(|mut encoder| encoder.encode());
    let failed = |error| CompileError::Invalid(format!("a core module that cannot be made a component: {error:#}"));
    component.map(Cow::Owned).map_err(failed)
}

fn is_program(module: &[u8]) -> bool {
    let mut exports = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ExportSection(exports)) => Some(exports),
        _ => None,
    });
    exports
        .any(|exports| exports.into_iter().flatten().any(|export| export.name == "_start" && export.kind == ExternalKind::Func))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limits, Profile};
    use crate::wasm::compile::{HttpVersion, examine};

    const PROGRAM: &str = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))))"#;

    #[test]
    fn a_program_for_wasi_0_1_is_a_component_that_runs() {
        let module = wat::parse_str(PROGRAM).unwrap();
        let component = adapted(&module).unwrap();
        for bytes in [&module[..], &component] {
            let inspection = examine(bytes, &Limits::defaults(Profile::Worker)).unwrap().inspection;
            assert_eq!(inspection.http, Some(HttpVersion::Cgi));
        }
        // A component stays as it is.
        assert!(matches!(adapted(&component).unwrap(), Cow::Borrowed(_)));
    }

    /// A program with Go's section, whose memory has one page.
    #[test]
    fn a_go_program_has_room_for_its_heap_before_the_memory_of_the_adapter() {
        let program = PROGRAM.replacen("(module", "(module (@custom \"go:buildid\" \"x\")", 1);
        let room = |module: &str| {
            let component = adapted(&wat::parse_str(module).unwrap()).unwrap().into_owned();
            let mut memories = Parser::new(0).parse_all(&component).filter_map(|payload| match payload {
                Ok(Payload::MemorySection(memories)) => memories.into_iter().next()?.ok(),
                _ => None,
            });
            memories.next().map(|memory| (memory.initial, memory.maximum))
        };
        assert_eq!(room(PROGRAM), Some((1, None)));
        assert_eq!(room(&program), Some((1 + GO_HEAP_PAGES, Some(1 + 2 * GO_HEAP_PAGES))));
    }

    #[test]
    fn what_is_no_program_stays_and_what_cannot_be_adapted_says_why() {
        let library = wat::parse_str(r#"(module (func (export "handle")))"#).unwrap();
        assert!(matches!(adapted(&library).unwrap(), Cow::Borrowed(_)));
        for (module, why) in
            [(PROGRAM.replace("fd_write", "fd_sing"), "fd_sing"), (PROGRAM.replace("wasi_snapshot_preview1", "env"), "env")]
        {
            let error = adapted(&wat::parse_str(module).unwrap()).unwrap_err().to_string();
            assert!(error.starts_with("not a WebAssembly component: a program for WASI 0.1 that cannot be adapted"), "{error}");
            assert!(error.contains(why), "{error}");
        }
        let whole = wat::parse_str(PROGRAM).unwrap();
        for end in 0..whole.len() {
            // No part of it panics.
            adapted(&whole[..end]).ok();
        }
    }
}
