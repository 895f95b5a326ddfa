//! I rewrite a component so that an instance can be put back to its first state after a call.
//!
//! A request must not see what another left behind. Other hosts pay for that with a new instance per
//! request (page faults, `mprotect`, cold caches) or do not keep it. Here the component's one core module
//! with a memory is rewritten at deployment: it notes which kilobytes of its memory are written, and gains
//! a function that copies those back from the first image and resets the globals.
//!
//!     deploy:  component ─► plan ─► rewritten component (+ export `edgeward-restore`, `edgeward-pages`)
//!     call:    handle(event) ─► answer ─► edgeward-restore() ─► back on the shelf
//!
//! What I promise: after `edgeward-restore`, everything the guest can observe (memory, its size, globals,
//! tables, segments, handles) equals that of a new instance. I only rewrite components of which I can say
//! so, see `Unsuitable`; for all others an instance serves one call. `tests::` compares digests of the whole state
//! after each kind of call with those of a new instance.
//!
//! What makes that true, and would break it:
//! - Each instruction that stores marks its kilobyte first; so do the wrapped `realloc` (the host writes
//!   arguments where it points) and each call of an import (the host writes results where an argument
//!   points, at most 16 bytes for what we link; 64 are marked).
//! - The marks are in a memory of their own that the guest's code cannot name: the component was validated
//!   before, so no index in it reaches what is appended here.
//! - `memory.size` and `memory.grow` are answered from a global: the memory has its full size from the
//!   start. So nothing has to be unmapped, and a heap that grows makes no system call. The host asks
//!   `edgeward-pages` for it where a size is shown.
//! - A call that trapped does not return here: its store is dropped.
//! - Tables, passive segments and handles cannot change: modules with instructions that change them, and
//!   components with resources or async builtins, are `Unsuitable`.

mod code;
mod module;
#[cfg(test)]
mod tests;

use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentTypeSection, ComponentValType, ExportKind, PrimitiveValType, RawSection,
};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentTypeRef,
    ExternalKind, Instance, Parser, Payload,
};

/// The export that puts an instance back: `func()`.
pub const RESTORE: &str = "edgeward-restore";
/// `func() -> u32`: the pages that the guest's memory has for the guest.
pub const PAGES: &str = "edgeward-pages";
/// Test builds only: `func() -> u64`, a digest of all that a call may change.
pub const DIGEST: &str = "edgeward-digest";
/// Part of an AOT file's name: changes whenever the rewriting does.
pub const VERSION: &str = "restore-2";
/// The memory of marks counts as ours, not the guest's.
pub const MARKS_BYTES: u64 = module::PAGE;
pub const PAGE_BYTES: u64 = module::PAGE;

/// Why an instance of a component cannot be restored. It still runs, once per instance.
#[derive(Debug, thiserror::Error)]
pub enum Unsuitable {
    #[error("{0}")]
    Shape(&'static str),
    #[error("its memory of {initial_bytes} bytes is over the limit of {limit_bytes}")]
    Memory { initial_bytes: u64, limit_bytes: u64 },
    #[error("{0}")]
    Parse(#[from] wasmparser::BinaryReaderError),
}

/// Rewrites a component that has been validated. `memory_bytes` is the revision's memory limit; the
/// guest's memory gets that size, mapped but untouched, at once.
pub fn rewrite(component: &[u8], memory_bytes: u64, with_digest: bool) -> Result<Vec<u8>, Unsuitable> {
    let plan = Plan::read(component)?;
    let main = &plan.modules[plan.main];
    let rewritten = module::rewrite(&component[main.range.clone()], memory_bytes, with_digest)?;

    let mut out = Component::new();
    let mut module_index = 0;
    for section in &plan.sections {
        match section {
            Section::Raw { id, range } => {
                out.section(&RawSection { id: *id, data: &component[range.clone()] });
            }
            Section::Module(range) => {
                let data = if module_index == plan.main { &rewritten[..] } else { &component[range.clone()] };
                out.section(&RawSection { id: wasm_encoder::ComponentSectionId::CoreModule.into(), data });
                module_index += 1;
            }
        }
    }
    append_exports(&mut out, &plan, with_digest);
    Ok(out.finish())
}

fn append_exports(out: &mut Component, plan: &Plan, with_digest: bool) {
    let none: [(&str, ComponentValType); 0] = [];
    let mut types = ComponentTypeSection::new();
    types.function().params(none).result(None);
    types.function().params(none).result(Some(ComponentValType::Primitive(PrimitiveValType::U32)));
    types.function().params(none).result(Some(ComponentValType::Primitive(PrimitiveValType::U64)));
    out.section(&types);

    let names = if with_digest { &[RESTORE, PAGES, DIGEST][..] } else { &[RESTORE, PAGES][..] };
    let mut aliases = ComponentAliasSection::new();
    let mut lifts = CanonicalFunctionSection::new();
    let mut exports = ComponentExportSection::new();
    for (i, name) in (0u32..).zip(names) {
        aliases.alias(Alias::CoreInstanceExport { instance: plan.main_instance, kind: ExportKind::Func, name });
        lifts.lift(plan.core_funcs + i, plan.types + i, []);
        // Each export takes an index of its own, after all the lifted functions.
        exports.export(*name, ComponentExportKind::Func, plan.funcs + i, None);
    }
    out.section(&aliases);
    out.section(&lifts);
    out.section(&exports);
}

struct CoreModule {
    range: std::ops::Range<usize>,
}

enum Section {
    Raw { id: u8, range: std::ops::Range<usize> },
    Module(std::ops::Range<usize>),
}

/// What the top level of a component consists of, as far as it must be known to append to it.
struct Plan {
    sections: Vec<Section>,
    modules: Vec<CoreModule>,
    /// The module with the memory, and its only instance.
    main: usize,
    main_instance: u32,
    types: u32,
    funcs: u32,
    core_funcs: u32,
}

impl Plan {
    fn read(component: &[u8]) -> Result<Plan, Unsuitable> {
        let mut sections = Vec::new();
        let mut modules: Vec<CoreModule> = Vec::new();
        // For each core instance the module it is of; None for one made of exports.
        let mut instances: Vec<Option<u32>> = Vec::new();
        // For each core function, the core instance and export it is an alias of.
        let mut core_funcs: Vec<Option<(u32, &str)>> = Vec::new();
        let mut reallocs = Vec::new();
        let (mut types, mut funcs) = (0u32, 0u32);

        let mut parser = Parser::new(0);
        let mut at = 0;
        loop {
            let (consumed, payload) = match parser.parse(&component[at..], true)? {
                wasmparser::Chunk::Parsed { consumed, payload } => (consumed, payload),
                wasmparser::Chunk::NeedMoreData(_) => return Err(Unsuitable::Shape("it ends early")),
            };
            at += consumed;
            if let (Some((id, range)), false) = (payload.as_section(), matches!(payload, Payload::ModuleSection { .. })) {
                sections.push(Section::Raw { id, range });
            }
            match payload {
                Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }
                    if unchecked_range.end > component.len() =>
                {
                    return Err(Unsuitable::Shape("it ends early"));
                }
                Payload::ModuleSection { unchecked_range, .. } => {
                    sections.push(Section::Module(unchecked_range.clone()));
                    at = unchecked_range.end;
                    modules.push(CoreModule { range: unchecked_range });
                }
                Payload::ComponentSection { unchecked_range, .. } => {
                    only_reexports(&component[unchecked_range.clone()])?;
                    at = unchecked_range.end;
                }
                Payload::InstanceSection(reader) => {
                    for instance in reader {
                        instances.push(match instance? {
                            Instance::Instantiate { module_index, .. } => Some(module_index),
                            Instance::FromExports(_) => None,
                        });
                    }
                }
                Payload::ComponentTypeSection(reader) => types += reader.count(),
                Payload::ComponentImportSection(reader) => {
                    for import in reader {
                        match import?.ty {
                            ComponentTypeRef::Type(wasmparser::TypeBounds::SubResource) => {
                                return Err(Unsuitable::Shape("it uses resources"));
                            }
                            ComponentTypeRef::Type(_) => types += 1,
                            ComponentTypeRef::Func(_) => funcs += 1,
                            ComponentTypeRef::Instance(_) => {}
                            _ => return Err(Unsuitable::Shape("it imports code or values")),
                        }
                    }
                }
                Payload::ComponentAliasSection(reader) => {
                    for alias in reader {
                        match alias? {
                            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Func, .. } => funcs += 1,
                            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, .. }
                            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, .. } => types += 1,
                            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, instance_index, name } => {
                                core_funcs.push(Some((instance_index, name)));
                            }
                            ComponentAlias::CoreInstanceExport { .. } | ComponentAlias::InstanceExport { .. } => {}
                            ComponentAlias::Outer { .. } => return Err(Unsuitable::Shape("it aliases outer code")),
                        }
                    }
                }
                Payload::ComponentCanonicalSection(reader) => {
                    for canonical in reader {
                        let options = match canonical? {
                            CanonicalFunction::Lift { options, .. } => {
                                funcs += 1;
                                options
                            }
                            CanonicalFunction::Lower { options, .. } => {
                                core_funcs.push(None);
                                options
                            }
                            _ => return Err(Unsuitable::Shape("it uses resources or asynchronous builtins")),
                        };
                        for option in &options {
                            match option {
                                CanonicalOption::Realloc(func) => reallocs.push(*func),
                                CanonicalOption::UTF8
                                | CanonicalOption::UTF16
                                | CanonicalOption::CompactUTF16
                                | CanonicalOption::Memory(_)
                                | CanonicalOption::PostReturn(_) => {}
                                _ => return Err(Unsuitable::Shape("it uses asynchronous or GC options")),
                            }
                        }
                    }
                }
                Payload::ComponentExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if [RESTORE, PAGES, DIGEST].contains(&export.name.name) {
                            return Err(Unsuitable::Shape("it exports a reserved name"));
                        }
                        match export.kind {
                            ComponentExternalKind::Func => funcs += 1,
                            ComponentExternalKind::Type => types += 1,
                            ComponentExternalKind::Instance => {}
                            _ => return Err(Unsuitable::Shape("it exports code or values")),
                        }
                    }
                }
                Payload::ComponentStartSection { .. } => return Err(Unsuitable::Shape("it has a start function")),
                Payload::CoreTypeSection(_) => return Err(Unsuitable::Shape("it declares core types")),
                Payload::End(_) => break,
                _ => {}
            }
        }

        let mut main = None;
        for (index, module) in modules.iter().enumerate() {
            if module::is_main(&component[module.range.clone()])? && main.replace(index).is_some() {
                return Err(Unsuitable::Shape("several of its modules have memories"));
            }
        }
        let main = main.ok_or(Unsuitable::Shape("it has no memory"))?;
        let mut of_main = (0u32..).zip(&instances).filter(|(_, module)| module.is_some_and(|m| m as usize == main));
        let (Some((main_instance, _)), None) = (of_main.next(), of_main.next()) else {
            return Err(Unsuitable::Shape("its main module is not instantiated exactly once"));
        };
        for func in reallocs {
            if !core_funcs.get(func as usize).is_some_and(|alias| alias.is_some_and(|(instance, _)| instance == main_instance)) {
                return Err(Unsuitable::Shape("its allocator is not in its main module"));
            }
        }
        let core_funcs = u32::try_from(core_funcs.len()).map_err(|_| Unsuitable::Shape("it has too many functions"))?;
        Ok(Plan { sections, modules, main, main_instance, types, funcs, core_funcs })
    }
}

/// wit-component wraps each exported interface in a component that renames and does nothing else.
fn only_reexports(component: &[u8]) -> Result<(), Unsuitable> {
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentCanonicalSection(_) | Payload::ComponentStartSection { .. } => {
                return Err(Unsuitable::Shape("a nested component has code"));
            }
            _ => {}
        }
    }
    Ok(())
}
