//! Decides whether a component can be deployed, without compiling it. `serve` asks before it compiles, `check` and
//! `inspect` only ask; so they agree.
//!
//! Validation is the engine's, with the features that it has. Imports are checked with the linkers. What an
//! instance needs is compared with what the pool and the function's limits give, and the estimated cost of compiling
//! with `limits::compile`.

use wasmparser::types::Types;
use wasmparser::{
    BinaryReaderError, BlockType, ComponentExternalKind, ComponentTypeRef, ElementItems, FuncToValidate,
    FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, ValidPayload, Validator, ValidatorResources, WasmFeatures,
    WasmModuleResources as _,
};

use super::cost::{Cost, FunctionCost};
use super::error::{CodePlace, CompileError};
use super::inspection::Inspection;
use super::names::{AvailableImports, Linked};
use super::size::Size;
use crate::limits::{Limits, Profile};
use crate::wasm::abi::Moment;
use crate::wasm::world::{HttpVersion, interface};

/// How many values a block may take or give, and a function return: what one branch or return moves.
pub(super) const VALUES_MAX: usize = 16;

/// A component that can be deployed.
pub(super) struct Examined {
    pub(super) inspection: Inspection,
    /// How many values each function holds at most, in the order of the bytes.
    pub(super) held: Vec<u32>,
}

/// Examines a component. The error has everything that keeps it from being deployed with these limits.
pub(super) fn examined(component: &[u8], limits: &Limits, offer: &AvailableImports) -> Result<Examined, CompileError> {
    let inspection = outline(component)?;
    let valid = validated(component, limits.profile())?;
    let mut wrong = inspection.wrong(limits);
    // If an interface is refused, its functions need not be reported again.
    if !wrong.iter().any(|error| matches!(error, CompileError::Imports { .. })) {
        match offer.linked(component, &inspection.imports, valid.types.as_ref()) {
            Linked::Yes => {}
            Linked::Missing(functions) => wrong.push(CompileError::Functions { functions }),
            Linked::Mismatch(error) => wrong.push(CompileError::Mismatch(error)),
        }
    }
    CompileError::all(wrong)?;
    Ok(Examined { inspection, held: valid.held })
}

/// The features of a profile's engine. `tests` compare them with the engines.
pub(super) fn features(profile: Profile) -> WasmFeatures {
    // As `wasmtime::Config` has them, built without `gc` and `threads`, with what `wasm::engine` switches off.
    let off = WasmFeatures::GC_TYPES | WasmFeatures::EXCEPTIONS | WasmFeatures::THREADS | WasmFeatures::RELAXED_SIMD;
    let core = WasmFeatures::WASM3.difference(off) | WasmFeatures::COMPONENT_MODEL;
    match profile {
        Profile::Viewer => core,
        Profile::Worker => core | WasmFeatures::CM_ASYNC,
    }
}

/// Reads a component's exports, imports and size, but not its code.
pub(super) fn outline(bytes: &[u8]) -> Result<Inspection, CompileError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(CompileError::Invalid("it does not begin with \\0asm".to_owned()));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(CompileError::CoreModule);
    }
    let mut inspection = Inspection::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        nested_whole(&payload, bytes)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.into_iter().flatten() {
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        inspection.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.into_iter().flatten() {
                    if matches!(export.kind, ComponentExternalKind::Instance | ComponentExternalKind::Func) {
                        inspection.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    inspection.size = Size::of(bytes).map_err(|error| CompileError::Invalid(error.to_string()))?;
    inspection.moments = Moment::ALL.into_iter().filter(|moment| inspection.exports.contains(&interface(*moment))).collect();
    inspection.http = HttpVersion::of(&inspection.exports);
    Ok(inspection)
}

/// A component or module that is valid, and not too costly to compile.
pub(super) struct Valid {
    pub(super) types: Types,
    /// What each function holds at most: parameters, locals, operands, results; in the order of the bytes.
    pub(super) held: Vec<u32>,
}

pub(super) fn validated(bytes: &[u8], profile: Profile) -> Result<Valid, CompileError> {
    let mut validator = Validator::new_with_features(features(profile));
    let mut parser = Parser::new(0);
    parser.set_features(features(profile));
    let mut functions = Vec::new();
    let mut types = None;
    let mut cost = Cost::default();
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        nested_whole(&payload, bytes)?;
        declared(&payload, &mut cost)?;
        match validator.payload(&payload).map_err(|error| invalid(&error))? {
            ValidPayload::Func(function, body) => functions.push((function, body)),
            ValidPayload::End(ended) => types = Some(ended),
            _ => {}
        }
    }
    let types = types.ok_or_else(|| CompileError::Invalid("it ends early".to_owned()))?;
    // Bodies are validated last, since a body may name what follows it.
    let mut allocations = FuncValidatorAllocations::default();
    let mut held = Vec::with_capacity(functions.len());
    for (function, body) in functions {
        held.push(function_validated(function, &body, &mut allocations, &mut cost)?);
    }
    Ok(Valid { types, held })
}

/// Adds the declarations that cost the compiler something.
fn declared(payload: &Payload<'_>, cost: &mut Cost) -> Result<(), CompileError> {
    match payload {
        Payload::TypeSection(types) => {
            for group in types.clone() {
                let group = group.map_err(|error| invalid(&error))?;
                cost.add_types(u32::try_from(group.types().len()).unwrap_or(u32::MAX))?;
            }
        }
        Payload::ElementSection(segments) => {
            for segment in segments.clone() {
                let segment = segment.map_err(|error| invalid(&error))?;
                // A segment of function indices is a table in the compiled file.
                cost.add_settings(match segment.items {
                    ElementItems::Expressions(_, items) => items.count().saturating_add(1),
                    ElementItems::Functions(_) => 1,
                })?;
            }
        }
        Payload::GlobalSection(globals) => {
            for global in globals.clone() {
                let value = global.map_err(|error| invalid(&error))?.init_expr;
                let mut operators = value.get_operators_reader().into_iter();
                // A constant and an end need no code.
                let has_code =
                    operators.nth(2).is_some() || value.get_operators_reader().read().is_ok_and(|first| !is_number(&first));
                if has_code {
                    cost.add_settings(1)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn is_number(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Const { .. } | Operator::I64Const { .. } | Operator::F32Const { .. } | Operator::F64Const { .. }
    )
}

/// Validates a function. Returns how many values it holds at most.
fn function_validated(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: &mut FuncValidatorAllocations,
    cost: &mut Cost,
) -> Result<u32, CompileError> {
    let place = CodePlace::Function { index: function.index, offset: body.range().start };
    let mut validator = function.into_validator(std::mem::take(allocations));
    let values = |validator: &wasmparser::FuncValidator<ValidatorResources>, ty: u32| {
        let ty = validator.resources().sub_type_at(ty).map(|ty| ty.unwrap_func());
        ty.map_or((0, 0), |ty| (ty.params().len(), ty.results().len()))
    };
    let results = validator.resources().type_index_of_function(validator.index()).map_or(0, |ty| values(&validator, ty).1);
    if results > VALUES_MAX {
        return Err(CompileError::TooManyValues { what: "results of a function", count: results, max: VALUES_MAX });
    }
    let mut own_cost = FunctionCost::default();
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader).map_err(|error| invalid(&error))?;
    let mut operators = wasmparser::OperatorsReader::new(reader);
    let mut height = 0;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset().map_err(|error| invalid(&error))?;
        validator.op(offset, &operator).map_err(|error| invalid(&error))?;
        height = height.max(validator.operand_stack_height());
        own_cost.operator(&operator);
        let (Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty }) = operator else { continue };
        let BlockType::FuncType(ty) = blockty else { continue };
        let (takes, gives) = values(&validator, ty);
        if takes.max(gives) > VALUES_MAX {
            return Err(CompileError::TooManyValues { what: "values of a block", count: takes.max(gives), max: VALUES_MAX });
        }
    }
    operators.finish().map_err(|error| invalid(&error))?;
    let results = u32::try_from(results).unwrap_or(u32::MAX);
    let held = validator.len_locals().saturating_add(height).saturating_add(results);
    *allocations = validator.into_allocations();
    cost.add(place, u64::from(held), body.range().len(), &own_cost)?;
    Ok(held)
}

/// Refuses truncated nested parts: wasmparser takes the end of the bytes for the end of a nested module or component.
fn nested_whole(payload: &Payload<'_>, bytes: &[u8]) -> Result<(), CompileError> {
    match payload {
        Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }
            if unchecked_range.end > bytes.len() =>
        {
            Err(CompileError::Invalid("it ends in the middle of a nested module or component".to_owned()))
        }
        _ => Ok(()),
    }
}

fn invalid(error: &BinaryReaderError) -> CompileError {
    CompileError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use wasmtime::Module;
    use wasmtime::component::Component;

    use super::*;
    use crate::wasm::engine::config;

    /// One module for each proposal, and components for those of the component model.
    #[test]
    fn what_is_validated_here_is_what_the_engine_takes() {
        let core = [
            "(memory 1 2 shared)",
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            "(tag)",
            "(func (throw_ref (unreachable)))",
            "(type (struct (field i32)))",
            "(func (drop (ref.i31 (i32.const 1))))",
            "(func (param externref) (drop (any.convert_extern (local.get 0))))",
            "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))",
            "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
            "(func (param v128) (result v128) (i8x16.swizzle (local.get 0) (local.get 0)))",
            "(memory i64 1)",
            "(table i64 1 funcref)",
            "(memory 1) (memory 1)",
            "(memory 1 (pagesize 1))",
            "(func $f (return_call $f))",
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
            "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))",
            "(func (result i32 i32) (i32.const 1) (i32.const 2))",
            "(table 1 externref)",
            "(type $f (func)) (type (cont $f))",
        ];
        let components = [
            "(component (core func (canon task.return)))",
            "(component (core func (canon waitable-set.new)))",
            "(component (type (stream u8)))",
            "(component (type (future)))",
            "(component (core func (canon backpressure.inc)))",
            "(component (type error-context))",
            "(component (core func (canon thread.yield)))",
            "(component (import \"v\" (value u8)))",
            "(component (type (list u8 4)))",
            "(component (type (map u32 string)))",
        ];
        let mut told = Vec::new();
        for profile in [Profile::Viewer, Profile::Worker] {
            let engine = config::compiling(profile).unwrap();
            let mut compare = |text: &str, taken: &dyn Fn(&[u8]) -> Result<(), String>| {
                let Ok(bytes) = wat::parse_str(text) else { panic!("{text}") };
                let (valid, taken) = (validated(&bytes, profile).map(drop).map_err(|error| error.to_string()), taken(&bytes));
                if valid.is_ok() != taken.is_ok() {
                    told.push(format!("{profile:?} {text}: here {valid:?}, the engine {taken:?}"));
                }
            };
            for inside in core {
                compare(&format!("(module {inside})"), &|bytes| {
                    Module::validate(&engine, bytes).map_err(|error| format!("{error:#}"))
                });
            }
            for component in components {
                compare(component, &|bytes| Component::new(&engine, bytes).map(drop).map_err(|error| format!("{error:#}")));
            }
        }
        assert!(told.is_empty(), "{}", told.join("\n"));
    }
}
