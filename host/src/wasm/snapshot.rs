//! Snapshots of functions that a Runtime runs, without compiling anything for them.
//!
//! A Runtime is rewritten so that what a call changes is not in its own modules, but in a module that it imports: its
//! memory, and its mutable globals. The code is compiled once; each function has a *state module* of its own, which has
//! no code, and whose data is what INIT has left. Instances of all functions of a Runtime share the machine code, and
//! those of one function share its pages of memory until they write to them; unless the memory is sparse, of which the engine makes
//! no image (`Config::memory_guaranteed_dense_image_size`), but copies it for each instance.
//!
//! ```text
//! Runtime ── split ──► component (import "edgeward-state") ── compiled once
//!                        │  instantiated with an empty state; load; INIT; memory and globals
//!                        ▼
//!                      state module of the function ──► each instance begins as INIT has ended
//! ```
//!
//! Whatever an instance begins with is one of these:
//! - its one memory and its globals that any code sets: in the state module;
//! - data segments: those that are copied at the start are emptied, and copied by `load` before INIT, once. Others are
//!   refused if any code drops one;
//! - tables and element segments: filled anew in each instance, as in that of INIT; refused if any code changes one;
//! - functions that run at the start: refused;
//! - what the host holds, such as open files: not part of a snapshot. What the C library of WASI knows of it is reset
//!   (`names::RESETS`).
//!
//! Shared memories, 64-bit ones, exceptions and objects are off in the engine.

mod keeper;
mod module;
mod names;
mod outline;
mod state;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentSectionId, ComponentTypeRef, ComponentTypeSection, ComponentValType,
    CoreTypeSection, ExportKind, InstanceSection, ModuleArg, ModuleSection, PrimitiveValType, RawSection,
};
use wasmparser::{Instance, Parser};

use outline::Outline;

pub use names::{CannotSnapshot, GLOBALS, LOAD, MEMORY, STATE};
pub use state::{StateLayout, StateValue, state_module};

/// Bumped when the output changes.
pub const VERSION: u32 = 1;
/// A component without its state.
pub struct Split {
    pub component: Vec<u8>,
    pub layout: StateLayout,
}

/// Takes the state out of a component that has been validated.
///
/// # Errors
/// Why that is impossible.
pub fn split(component: &[u8]) -> Result<Split, CannotSnapshot> {
    let outline = Outline::read(component)?;
    let mut out = Component::new();
    import_state(&mut out, &outline.layout);
    let mut splitter = Splitter { outline: &outline, modules: 0, depth: 0, failed: None };
    let written = splitter.parse_component(&mut out, Parser::new(0), component);
    if let Some(failed) = splitter.failed {
        return Err(failed);
    }
    written.map_err(|error| CannotSnapshot::Write(error.to_string()))?;
    append_keeper(&mut out, &outline);
    Ok(Split { component: out.finish(), layout: outline.layout })
}

/// The first core module and the first core instance of the component become the state's.
fn import_state(out: &mut Component, layout: &StateLayout) {
    let mut types = CoreTypeSection::new();
    types.ty().module(&layout.module_type());
    out.section(&types);
    let mut imports = ComponentImportSection::new();
    imports.import(STATE, ComponentTypeRef::Module(0));
    out.section(&imports);
    let mut instances = InstanceSection::new();
    let none: [(&str, ModuleArg); 0] = [];
    instances.instantiate(0, none);
    out.section(&instances);
}

/// Copies a component behind a module and an instance that are new; so all others have the next number.
struct Splitter<'s, 'a> {
    outline: &'s Outline<'a>,
    /// Core modules that have been written.
    modules: usize,
    depth: usize,
    failed: Option<CannotSnapshot>,
}

impl Splitter<'_, '_> {
    /// Nested components have numbers of their own.
    fn moved(&self, index: u32) -> u32 {
        if self.depth == 0 { index.saturating_add(1) } else { index }
    }
}

impl Reencode for Splitter<'_, '_> {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Splitter<'_, '_> {
    fn module_index(&mut self, index: u32) -> u32 {
        self.moved(index)
    }

    fn instance_index(&mut self, index: u32) -> u32 {
        self.moved(index)
    }

    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn parse_component_submodule(&mut self, component: &mut Component, _: Parser, source: &[u8]) -> Result<(), Error> {
        let written = match self.outline.module(self.modules) {
            Some(outline) => module::rewritten(source, outline),
            None => Ok(source.to_vec()),
        };
        self.modules += 1;
        match written {
            Ok(data) => {
                component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: &data });
            }
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
        Ok(())
    }

    fn parse_instance(&mut self, instances: &mut InstanceSection, instance: Instance<'_>) -> Result<(), Error> {
        let Instance::Instantiate { module_index, args } = &instance else {
            return component_utils::parse_instance(self, instances, instance);
        };
        if !self.outline.is_given_state(*module_index) {
            return component_utils::parse_instance(self, instances, instance);
        }
        let arguments = args.iter().map(|argument| (argument.name, ModuleArg::Instance(self.moved(argument.index))));
        let state = (STATE, ModuleArg::Instance(0));
        instances.instantiate(self.moved(*module_index), arguments.chain([state]).collect::<Vec<_>>());
        Ok(())
    }
}

/// Behind everything else, so that no number changes.
fn append_keeper(out: &mut Component, outline: &Outline<'_>) {
    let end = &outline.end;
    let resets: Vec<&str> = outline.resets.iter().map(|&(name, _)| name).collect();
    out.section(&ModuleSection(&keeper::module(&outline.layout, &outline.segments, &resets)));
    let mut instances = InstanceSection::new();
    let resets = outline.resets.iter().map(|&(name, instance)| (name, ModuleArg::Instance(instance + 1)));
    instances.instantiate(end.modules + 1, [(STATE, ModuleArg::Instance(0))].into_iter().chain(resets).collect::<Vec<_>>());
    out.section(&instances);

    let mut types = ComponentTypeSection::new();
    let none: [(&str, ComponentValType); 0] = [];
    types.function().params(none).result(None);
    for (item, list) in [(PrimitiveValType::U8, end.types + 1), (PrimitiveValType::U64, end.types + 3)] {
        types.defined_type().list(ComponentValType::Primitive(item));
        types.function().params(none).result(Some(ComponentValType::Type(list)));
    }
    out.section(&types);

    let (mut aliases, mut lifts) = (ComponentAliasSection::new(), CanonicalFunctionSection::new());
    let mut exports = ComponentExportSection::new();
    aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Memory, name: state::MEMORY });
    for (i, (name, ty)) in (0u32..).zip([(LOAD, 0), (MEMORY, 2), (GLOBALS, 4)]) {
        aliases.alias(Alias::CoreInstanceExport { instance: end.instances + 1, kind: ExportKind::Func, name });
        let memory = (ty > 0).then_some(CanonicalOption::Memory(end.memories));
        lifts.lift(end.core_functions + i, end.types + ty, memory);
        exports.export(name, ComponentExportKind::Func, end.functions + i, None);
    }
    out.section(&aliases);
    out.section(&lifts);
    out.section(&exports);
}

#[cfg(test)]
mod tests;
