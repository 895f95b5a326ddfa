//! For fuzz targets: bytes that may be a component, and made-up modules that are to be made restorable.

mod differential;

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use wasm_encoder::{
    Alias, CodeSection, Component, ComponentAliasSection, ComponentSectionId, ExportKind, ExportSection, Function,
    FunctionSection, InstanceSection, Module, ModuleArg, ModuleSection, RawSection, TypeSection, ValType,
};
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef, Validator, WasmFeatures};

use crate::limits::{Limit, Limits, Profile};
use crate::wasm::compile::{self, CompileError};
use crate::wasm::restore::{self, Flavour, Unsuitable};
use crate::wasm::worker::lambda_edge::fuzz as lambda_edge;

pub(crate) use differential::differential;

/// What a function replies to a Lambda@Edge event.
pub(crate) fn edge_reply(data: &[u8]) {
    lambda_edge::edge_reply(data);
}

/// What a stranger deploys.
pub(crate) fn component(bytes: &[u8]) {
    let Ok(inspection) = compile::outline(bytes) else { return };
    if compile::charged(bytes, Profile::Viewer).is_err() {
        return;
    }
    for profile in [Profile::Viewer, Profile::Worker] {
        if let Err(error) = inspection.check(&Limits::defaults(profile)) {
            assert!(!error.told().is_empty());
        }
    }
    rewritten_is_valid(bytes);
}

/// A module that wasm-smith makes of these bytes, in the smallest component around it.
pub(crate) fn module(data: &[u8]) {
    let Some((&features, rest)) = data.split_first() else { return };
    let on = |bit: u8| features & (1 << bit) != 0;
    let config = wasm_smith::Config {
        min_memories: 1,
        min_funcs: 1,
        max_imports: if on(7) { 4 } else { 0 },
        max_instructions: 300,
        bulk_memory_enabled: on(0),
        reference_types_enabled: on(1),
        exceptions_enabled: false,
        simd_enabled: on(3),
        tail_call_enabled: on(4),
        allow_start_export: on(5),
        max_memories: if on(6) { 2 } else { 1 },
        gc_enabled: false,
        // The engine has them off.
        threads_enabled: false,
        relaxed_simd_enabled: false,
        ..wasm_smith::Config::default()
    };
    let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(rest)) else { return };
    let Some(component) = wrap(&module.to_bytes()) else { return };
    match compile::charged(&component, Profile::Viewer) {
        Ok(_) => rewritten_is_valid(&component),
        Err(CompileError::TooCostly { .. } | CompileError::TooManyValues { .. } | CompileError::FramesTooLarge { .. }) => {}
        // References to the host's objects, which wasm-smith takes for a matter of reference types.
        Err(CompileError::Invalid(why)) if why.contains("gc types are disallowed") => {}
        Err(error) => panic!("the component around the module is not valid: {error}"),
    }
}

fn rewritten_is_valid(bytes: &[u8]) {
    let limit = Limits::defaults(Profile::Viewer).value(Limit::MemoryBytes);
    let charged = match compile::charged(bytes, Profile::Viewer) {
        Ok(charged) => charged,
        Err(CompileError::FramesTooLarge { .. }) => return,
        Err(error) => panic!("it was valid, but cannot be charged: {error}"),
    };
    assert!(compile::charged(&charged, Profile::Viewer).is_ok(), "charged, it is not valid");
    for flavour in [Flavour::Function, Flavour::Runtime] {
        restorable_is_valid(&charged, limit, flavour);
    }
}

fn restorable_is_valid(charged: &[u8], limit: u64, flavour: Flavour) {
    match restore::rewrite(charged, limit, flavour) {
        Ok(rewritten) => {
            let features = WasmFeatures::default() | WasmFeatures::CM_ASYNC;
            let valid = Validator::new_with_features(features).validate_all(&rewritten);
            assert!(valid.is_ok(), "rewritten, it is not valid: {}", valid.err().map_or(String::new(), |e| e.to_string()));
        }
        Err(Unsuitable::Parse(error)) => panic!("it was valid, but cannot be read: {error}"),
        Err(Unsuitable::Guard(error)) => panic!("it was valid, but cannot be guarded: {error}"),
        Err(_) => {}
    }
}

/// The smallest component around a module. What it imports comes from another module; none if that is
/// something else than functions of numbers.
fn wrap(module: &[u8]) -> Option<Vec<u8>> {
    let imports = imports(module)?;
    let mut component = Component::new();
    component.section(&ModuleSection(&provider(&imports)));
    component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
    let mut provided = InstanceSection::new();
    provided.instantiate::<[(&str, ModuleArg); 0], &str>(0, []);
    component.section(&provided);
    let mut aliases = ComponentAliasSection::new();
    let mut by_module: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    for (index, import) in (0u32..).zip(&imports) {
        aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name: &index.to_string() });
        // Two functions of one name cannot come from one instance.
        if by_module.entry(&import.module).or_default().insert(&import.name, index).is_some() {
            return None;
        }
    }
    component.section(&aliases);
    let mut instances = InstanceSection::new();
    for functions in by_module.values() {
        instances.export_items(functions.iter().map(|(name, index)| (*name, ExportKind::Func, *index)).collect::<Vec<_>>());
    }
    let arguments = (1u32..).zip(by_module.keys()).map(|(instance, name)| (*name, ModuleArg::Instance(instance)));
    instances.instantiate(1, arguments.collect::<Vec<_>>());
    component.section(&instances);
    Some(component.finish())
}

struct Import {
    module: String,
    name: String,
    params: Vec<ValType>,
    results: Vec<ValType>,
}

fn imports(module: &[u8]) -> Option<Vec<Import>> {
    let mut types = Vec::new();
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::TypeSection(reader) => {
                for group in reader {
                    types.extend(group.ok()?.into_types().map(|ty| ty.composite_type.inner));
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    let import = import.ok()?;
                    let TypeRef::Func(ty) = import.ty else { return None };
                    let CompositeInnerType::Func(ty) = types.get(ty as usize)? else { return None };
                    let numbers = |types: &[wasmparser::ValType]| types.iter().map(number).collect::<Option<Vec<ValType>>>();
                    let (params, results) = (numbers(ty.params())?, numbers(ty.results())?);
                    imports.push(Import { module: import.module.to_owned(), name: import.name.to_owned(), params, results });
                }
            }
            _ => {}
        }
    }
    Some(imports)
}

fn number(ty: &wasmparser::ValType) -> Option<ValType> {
    Some(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(_) => return None,
    })
}

/// Exports one function for each import, by its number.
fn provider(imports: &[Import]) -> Module {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (index, import) in (0u32..).zip(imports) {
        types.ty().function(import.params.iter().copied(), import.results.iter().copied());
        functions.function(index);
        exports.export(&index.to_string(), ExportKind::Func, index);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    module
}
