//! Bounds how much one read or write of a stream moves.
//!
//! A component of WASI 0.3 reads and writes its streams with functions of the engine, which copy as many items as
//! requested before another task gets the thread. So each of these functions is wrapped in one of ours that requests at
//! most `limits::worker::STREAM_ITEMS`. Every guest must expect a short read or write.
//!
//! ```text
//! (canon stream.write …) ──► (core module: min(items, STREAM_ITEMS)) ──► the component's import
//! ```
//!
//! The wrappers shift the indices of what follows in the same component: modules, instances, functions.

use std::borrow::Cow;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CodeSection, Component, ComponentAliasSection, ComponentExportSection,
    ComponentImportSection, ComponentSectionId, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstanceSection, Module, ModuleArg, ModuleSection, RawSection, TypeSection, ValType,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImportSectionReader,
    ComponentOuterAliasKind, ComponentTypeRef, ExternalKind, Instance, Parser, Payload,
};

use super::error::CompileError;
use crate::limits::worker::STREAM_ITEMS;

/// Bumped when the output changes.
pub(super) const VERSION: u32 = 1;

/// The component with bounded streams; unchanged if it has none.
pub fn bounded(component: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, CompileError> {
    if !has_streams(&component)? {
        return Ok(component);
    }
    let (mut bounded, mut bounder) = (Component::new(), Bounder { scopes: vec![ComponentScope::default()] });
    bounder
        .parse_component(&mut bounded, Parser::new(0), &component)
        .map_err(|error| CompileError::Invalid(error.to_string()))?;
    Ok(Cow::Owned(bounded.finish()))
}

fn has_streams(component: &[u8]) -> Result<bool, CompileError> {
    let invalid = |error: wasmparser::BinaryReaderError| CompileError::Invalid(error.to_string());
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ComponentCanonicalSection(section) = payload.map_err(invalid)? {
            for function in section {
                if moves_items(&function.map_err(invalid)?) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

fn moves_items(function: &CanonicalFunction) -> bool {
    matches!(function, CanonicalFunction::StreamRead { .. } | CanonicalFunction::StreamWrite { .. })
}

/// Components that are being written, the innermost last.
struct Bounder {
    scopes: Vec<ComponentScope>,
}

#[derive(Default)]
struct ComponentScope {
    modules: Space,
    instances: Space,
    functions: Space,
}

/// An index space: the new index of each original item.
#[derive(Default)]
struct Space {
    moved: Vec<u32>,
    next: u32,
}

impl Space {
    /// Adds an original item.
    fn keep(&mut self) {
        let index = self.insert();
        self.moved.push(index);
    }

    /// Adds an item of ours.
    fn insert(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// An undefined index stays undefined: compiling reports it.
    fn find(&self, index: u32) -> u32 {
        self.moved.get(index as usize).copied().unwrap_or(u32::MAX)
    }
}

impl Bounder {
    fn scope(&mut self) -> &mut ComponentScope {
        self.scopes.last_mut().expect("the outermost is never popped")
    }

    fn outer(&self, count: u32) -> Option<&ComponentScope> {
        self.scopes.iter().rev().nth(count as usize)
    }

    /// Wraps the functions with these indices, and returns the indices of the wrappers.
    fn wrap(&mut self, component: &mut Component, functions: &[u32]) -> Vec<u32> {
        let names: Vec<String> = (0..functions.len()).map(|n| n.to_string()).collect();
        component.section(&ModuleSection(&between(&names)));
        let scope = self.scope();
        let module = scope.modules.insert();
        let (theirs, ours) = (scope.instances.insert(), scope.instances.insert());
        let mut instances = InstanceSection::new();
        instances.export_items(names.iter().zip(functions).map(|(name, index)| (name.as_str(), ExportKind::Func, *index)));
        instances.instantiate(module, [("", ModuleArg::Instance(theirs))]);
        component.section(&instances);
        let mut aliases = ComponentAliasSection::new();
        for name in &names {
            aliases.alias(Alias::CoreInstanceExport { instance: ours, kind: ExportKind::Func, name });
        }
        component.section(&aliases);
        names.iter().map(|_| scope.functions.insert()).collect()
    }
}

/// `name(handle, address, items)` of each name calls the import of that name with fewer items.
fn between(names: &[String]) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 3], [ValType::I32]);
    let (mut imports, mut functions) = (ImportSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    let count = u32::try_from(names.len()).expect("as many as a section has");
    for (n, name) in (0..count).zip(names) {
        imports.import("", name, EntityType::Function(0));
        functions.function(0);
        exports.export(name, ExportKind::Func, count + n);
        let mut body = Function::new([]);
        let mut f = body.instructions();
        f.local_get(0).local_get(1);
        f.local_get(2).i32_const(STREAM_ITEMS).local_get(2).i32_const(STREAM_ITEMS).i32_lt_u().select();
        f.call(n).end();
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module
}

impl Reencode for Bounder {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.scope().functions.find(index))
    }
}

impl ReencodeComponent for Bounder {
    fn module_index(&mut self, index: u32) -> u32 {
        self.scope().modules.find(index)
    }

    fn instance_index(&mut self, index: u32) -> u32 {
        self.scope().instances.find(index)
    }

    fn outer_module_index(&mut self, count: u32, index: u32) -> u32 {
        self.outer(count).map_or(u32::MAX, |scope| scope.modules.find(index))
    }

    fn push_depth(&mut self) {
        self.scopes.push(ComponentScope::default());
    }

    fn pop_depth(&mut self) {
        self.scopes.pop();
    }

    /// Copied unchanged: a module has its own index spaces.
    fn parse_component_submodule(&mut self, component: &mut Component, _: Parser, module: &[u8]) -> Result<(), Error> {
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
        self.scope().modules.keep();
        Ok(())
    }

    fn parse_component_payload(&mut self, component: &mut Component, payload: Payload<'_>, whole: &[u8]) -> Result<(), Error> {
        let Payload::ComponentCanonicalSection(section) = payload else {
            return component_utils::parse_component_payload(self, component, payload, whole);
        };
        let mut canonical = CanonicalFunctionSection::new();
        let (mut bare, mut places) = (Vec::new(), Vec::new());
        for function in section {
            let function = function?;
            let bounds = moves_items(&function);
            let is_core = !matches!(function, CanonicalFunction::Lift { .. });
            self.parse_component_canonical(&mut canonical, function)?;
            let functions = &mut self.scope().functions;
            if bounds {
                bare.push(functions.insert());
                places.push(functions.moved.len());
                // Until the wrapper is defined, nothing can name it.
                functions.moved.push(u32::MAX);
            } else if is_core {
                functions.keep();
            }
        }
        component.section(&canonical);
        if !bare.is_empty() {
            for (place, index) in places.into_iter().zip(self.wrap(component, &bare)) {
                self.scope().functions.moved[place] = index;
            }
        }
        Ok(())
    }

    fn parse_instance(&mut self, instances: &mut InstanceSection, instance: Instance<'_>) -> Result<(), Error> {
        component_utils::parse_instance(self, instances, instance)?;
        self.scope().instances.keep();
        Ok(())
    }

    fn component_alias<'a>(&mut self, alias: ComponentAlias<'a>) -> Result<Alias<'a>, Error> {
        let moved = component_utils::component_alias(self, alias.clone())?;
        match alias {
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func | ExternalKind::FuncExact, .. } => {
                self.scope().functions.keep();
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. } => self.scope().modules.keep(),
            _ => {}
        }
        Ok(moved)
    }

    fn parse_component_import_section(
        &mut self,
        imports: &mut ComponentImportSection,
        section: ComponentImportSectionReader<'_>,
    ) -> Result<(), Error> {
        for import in section.clone() {
            if matches!(import?.ty, ComponentTypeRef::Module(_)) {
                self.scope().modules.keep();
            }
        }
        component_utils::parse_component_import_section(self, imports, section)
    }

    fn parse_component_export(&mut self, exports: &mut ComponentExportSection, export: ComponentExport<'_>) -> Result<(), Error> {
        let kind = export.kind;
        component_utils::parse_component_export(self, exports, export)?;
        if kind == ComponentExternalKind::Module {
            self.scope().modules.keep();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_without_streams_is_not_written_again() {
        let component = wat::parse_str("(component (core module (func)) (core instance (instantiate 0)))").unwrap();
        assert!(matches!(bounded(Cow::Borrowed(&component)).unwrap(), Cow::Borrowed(same) if same == component));
    }

    #[test]
    fn numbers_that_follow_are_moved_in_every_component() {
        let component = wat::parse_str(
            r#"(component
              (core module $libc (memory (export "m") 1))
              (component $inner
                (alias outer 1 $libc (core module $outer))
                (core instance $libc (instantiate $outer))
                (alias core export $libc "m" (core memory $m))
                (type $bytes (stream u8))
                (canon stream.read $bytes async (memory $m) (core func $read))
                (canon stream.new $bytes (core func $new))
                (canon stream.write $bytes async (memory $m) (core func $write))
                (core module $user
                  (import "" "read" (func (param i32 i32 i32) (result i32)))
                  (import "" "write" (func (param i32 i32 i32) (result i32)))
                  (import "" "new" (func (result i64)))
                  (func (export "run")))
                (core instance $user (instantiate $user (with "" (instance
                  (export "read" (func $read)) (export "write" (func $write)) (export "new" (func $new))))))
                (func (export "run") (canon lift (core func $user "run"))))
              (core module $last (func (export "f")))
              (core instance $last (instantiate $last))
              (instance $inner (instantiate $inner))
              (alias core export $last "f" (core func $f))
              (func (export "f") (canon lift (core func $f)))
              (export "run" (func $inner "run")))"#,
        )
        .unwrap();
        let bounded = bounded(Cow::Borrowed(&component)).unwrap();
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(&bounded).unwrap();
        let modules = Parser::new(0).parse_all(&bounded).filter(|payload| matches!(payload, Ok(Payload::ModuleSection { .. })));
        assert_eq!(modules.count(), 3 + 1, "one of ours, for both functions of a section");
    }
}
