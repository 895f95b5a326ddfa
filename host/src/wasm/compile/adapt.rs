//! Turns a program for WASI 0.1 into a component: a core module that exports `_start` and imports
//! `wasi_snapshot_preview1`, together with an adapter to WASI 0.2.
//!
//! A core module without `_start` is not a program; hooks and services are components already.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER,
};
use wasmparser::{ExternalKind, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

use super::error::CompileError;

/// Bumped when the output changes, also because of another adapter.
pub(super) const VERSION: u32 = 1;

/// Adapts a program for WASI 0.1; other bytes are returned unchanged.
pub fn adapted(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
    if !Parser::is_core_wasm(bytes) || !is_program(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    // The encoder panics on truncated input. Its output is validated once more, like any component.
    Validator::new().validate_all(bytes).map_err(|error| CompileError::Invalid(error.to_string()))?;
    let encoder = ComponentEncoder::default().validate(false).module(bytes);
    let component = encoder.and_then(|encoder| encoder.adapter(NAME, ADAPTER)).and_then(|mut encoder| encoder.encode());
    component
        .map(Cow::Owned)
        .map_err(|error| CompileError::Invalid(format!("a program for WASI 0.1 that cannot be adapted: {error:#}")))
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
