//! For fuzz targets: bytes that may be a component, and made-up modules that are to be made restorable.

use arbitrary::Unstructured;
use wasm_encoder::{
    CanonicalFunctionSection, Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, ComponentValType,
    ExportKind, InstanceSection, ModuleArg, PrimitiveValType, RawSection,
};
use wasmparser::{Validator, WasmFeatures};

use crate::limits::{Limit, Limits, Profile};
use crate::wasm::compile::{self, CompileError};
use crate::wasm::restore::{self, Unsuitable};

/// What a stranger deploys.
pub(crate) fn component(bytes: &[u8]) {
    let Ok(inspection) = compile::inspect(bytes) else { return };
    for profile in [Profile::Viewer, Profile::Worker] {
        if let Err(error) = inspection.check(profile) {
            assert!(!error.to_string().is_empty());
        }
    }
    rewritten_is_valid(bytes);
}

/// A module that wasm-smith makes of these bytes, in the smallest component around it.
pub(crate) fn module(data: &[u8]) {
    let Some((&features, rest)) = data.split_first() else { return };
    let on = |bit: u8| features & (1 << bit) != 0;
    let config = wasm_smith::Config {
        available_imports: wat::parse_str(IMPORTS).ok(),
        min_memories: 1,
        min_funcs: 1,
        max_imports: 4,
        max_instructions: 300,
        bulk_memory_enabled: on(0),
        reference_types_enabled: on(1),
        exceptions_enabled: on(2),
        simd_enabled: on(3),
        tail_call_enabled: on(4),
        allow_start_export: on(5),
        max_memories: if on(6) { 2 } else { 1 },
        gc_enabled: on(7) && on(6),
        // The engine has them off.
        threads_enabled: false,
        relaxed_simd_enabled: false,
        ..wasm_smith::Config::default()
    };
    let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(rest)) else { return };
    let component = wrap(&module.to_bytes());
    match compile::inspect(&component) {
        Ok(_) => rewritten_is_valid(&component),
        Err(CompileError::FunctionTooLarge { .. }) => {}
        Err(error) => panic!("the component around the module is not valid: {error}"),
    }
}

fn rewritten_is_valid(bytes: &[u8]) {
    let limit = Limits::defaults(Profile::Viewer).value(Limit::MemoryBytes);
    for with_digest in [false, true] {
        match restore::rewrite(bytes, limit, with_digest) {
            Ok(rewritten) => {
                let features = WasmFeatures::default() | WasmFeatures::CM_ASYNC;
                let valid = Validator::new_with_features(features).validate_all(&rewritten);
                assert!(valid.is_ok(), "rewritten, it is not valid: {}", valid.err().map_or(String::new(), |e| e.to_string()));
            }
            Err(Unsuitable::Parse(error)) => panic!("it was valid, but cannot be read: {error}"),
            Err(_) => {}
        }
    }
}

/// What a made-up module may import.
const IMPORTS: &str = r#"(module (import "h" "a" (func (param i32 i32))) (import "h" "b" (func (param i32 f64) (result i64))))"#;

fn wrap(module: &[u8]) -> Vec<u8> {
    use PrimitiveValType::{F64, U32, U64};
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    let value = ComponentValType::Primitive;
    types.function().params([("x", value(U32)), ("y", value(U32))]).result(None);
    types.function().params([("x", value(U32)), ("y", value(F64))]).result(Some(value(U64)));
    let mut imports = ComponentImportSection::new();
    imports.import("a", ComponentTypeRef::Func(0)).import("b", ComponentTypeRef::Func(1));
    let mut lowers = CanonicalFunctionSection::new();
    lowers.lower(0, []).lower(1, []);
    let mut instances = InstanceSection::new();
    instances.export_items([("a", ExportKind::Func, 0), ("b", ExportKind::Func, 1)]);
    instances.instantiate(0, [("h", ModuleArg::Instance(0))]);
    component.section(&types).section(&imports).section(&lowers);
    component.section(&RawSection { id: wasm_encoder::ComponentSectionId::CoreModule.into(), data: module });
    component.section(&instances);
    component.finish()
}
