//! Rewrites a component so that an instance can be restored to its initial state after a call.
//!
//! A request must not see what another left behind. Other hosts pay for that with a new instance per
//! request (page faults, `mprotect`, cold caches) or do not guarantee it. Here the component's one core module
//! with a memory is rewritten at deployment: it marks the kilobytes of its memory that are written, and gains
//! a function that copies those back from the first image and resets the globals.
//!
//!     deploy:  component ─► plan ─► rewritten component (+ export `edgeward-restore`, `edgeward-pages`)
//!     call:    handle(event) ─► answer ─► edgeward-restore() ─► back on the shelf
//!
//! A *Runtime* runs sources: what INIT of one has written is saved once, as an overlay, and from then on belongs to the
//! first image (`overlay`). All functions of a Runtime have its code, and each has an overlay:
//!
//!     deploy:  instance ─► init(source) ─► edgeward-save() ─► overlay, kept by the host; the instance is dropped
//!     start:   new instance ─► edgeward-load(overlay) ─► as INIT has left it
//!     call:    handle(event) ─► answer ─► edgeward-restore() ─► back on the shelf
//!
//! # What must hold
//!
//! After `edgeward-restore`, an instance cannot be told from a new one, by no call and by nothing that the embedder
//! can read. I only rewrite components of whose **whole** state that can be said; all others (`Unsuitable` says why) get
//! a new instance for each call. The state of a store, and for each part every way by which it could change between
//! the first image and the end of a call:
//!
//! | what could change | by what | why it is as it was |
//! |-|-|-|
//! | the main memory | stores, `memory.fill`, `copy`, `init` of the main module | each marks its kilobytes first (`module`) |
//! | | code of another module | none has or imports a memory (`module::is_main`) |
//! | | the result of a function of the host, written through a pointer | only a module other than the main one can be given such a function, since it is lowered with the main memory; there a wrapper that marks the bytes of the result's type (`area`) stands wherever the module names it: in calls, tables, exports (`guard`) |
//! | | strings and lists of arguments and results | they are put where the allocator says; every allocator is an export of the main module, and marks what it gives out (`module::reallocs`) |
//! | | the host's result of a function that is lifted at once, or called as allocator or after a return | refused: what the host calls is the guest's |
//! | its size | `memory.grow` | it is answered from a global; the memory has its full size from the start |
//! | globals | `global.set` | those of the main module are reset; no other module has a mutable one, none imports one |
//! | tables | `table.set`, `grow`, `fill`, `copy`, `init` | refused in all modules; active segments are part of instantiation |
//! | segments | `data.drop`, `elem.drop` | refused in all modules |
//! | anything, before the first image | start functions of modules and components | refused: the image is what the segments say |
//! | handles | functions that give out resources; `resource.drop` | the guest makes none (`resource.new` and types of its own are refused); a store is put back only if all that the host gave out were dropped, each before those that were made earlier: the next ones then have the indices of a new instance (`state::Handles`) |
//! | tasks, streams, contexts of tasks | asynchronous builtins and options | refused |
//! | nested components | code in them | refused; those that only rename are let through |
//! | our own marks | wrappers and rewritten code alone | they are in a memory that no index of the guest reaches, and are cleared |
//! | what the store's data holds | host calls | `ViewerState::begin` sets all of it at each call: log, host calls, clock, random numbers, refused growth, limits that were hit |
//! | fuel | the guest | set at each call |
//! | the engine's own flags of an instance | a call that does not end | a call that trapped does not return here: its store is dropped |
//!
//! With an overlay, "a new one" is a new instance that was given it, and this comes on top:
//!
//! | what could go wrong | why it does not |
//! |-|-|
//! | the overlay lacks what INIT has changed | the same table: INIT is a call, so that what it can change is marked memory, globals and the size. `save` looks at every marked granule and the one after it, into which the last store of a marked one may reach, and leaves out only those that equal the image |
//! | an instance lacks what the overlay has | `load` writes every record of it and sets every global, in a new instance that no guest code has run in |
//! | a granule is put back from the wrong image | `load` notes for each granule of the overlay where it is; `restore` takes it from there, and any other from the segments' image, which is in whole granules |
//! | the beginning of the granule after a marked one | put back with it, from its own image; see `restore_body` |
//! | the overlay's memory changes | only `save` (on an instance that is dropped), `load` (once, before the first call) and its allocator write there; no index of the guest reaches it |
//! | the guest calls `save` or `load` | they are exports of the main instance that no module of the component imports: a component that knew such names is refused |
//! | INIT leaves tables, segments, handles changed | the first two are refused in all modules; with a handle alive, or others than in a new instance to come, INIT has failed (`viewer::init`) |
//! | references in globals | refused: they cannot be saved |
//! | another function's overlay | the host keeps one with the code of one revision, and gives no other to its instances |
//! | its size | `limits::restore::OVERLAY_BYTES`: what does not fit refuses the deployment |
//!
//! Threads, exceptions and garbage-collected objects are off in the engine; the viewer engine's tests say so.
//!
//! This argument is not trusted: `viewer::State` reads memories and globals of a store with the engine's own eyes, and
//! the pool compares them with those of a new instance after the first restores of a revision and one in a thousand
//! (`function::pool`). `fuzz` calls made-up components on restored and on new instances.

mod area;
mod code;
mod guard;
mod layout;
mod module;
mod overlay;
mod plan;
mod source;
#[cfg(test)]
mod tests;
mod unsuitable;

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentSectionId, ComponentTypeSection, ComponentValType, ExportKind, InstanceSection, ModuleArg,
    PrimitiveValType, RawSection,
};
use wasmparser::ExternalKind;

use crate::limits::restore as limits;
use layout::{ARGUMENT, OVERLAY_MEMORY, OVERLAY_REALLOC, PAGE};
use plan::{CoreInstance, CoreModule, Plan, Section};

pub use layout::{Flavour, LOAD, PAGES, RESTORE, SAVE};
pub use unsuitable::Unsuitable;

/// Part of an AOT file's name: changes whenever the rewriting does.
pub const VERSION: &str = "restore-6";
/// The size of the memory of marks, which counts as ours, not the guest's.
pub const MARKS_BYTES: u64 = PAGE;
/// The size of the memory of a Runtime's overlay, which is ours as well.
pub const OVERLAY_BYTES: u64 = limits::OVERLAY_BYTES;
pub const PAGE_BYTES: u64 = PAGE;

/// Rewrites a component that has been validated. `memory_bytes` is the revision's memory limit; the
/// guest's memory gets that size, mapped but untouched, at once.
pub fn rewrite(component: &[u8], memory_bytes: u64, flavour: Flavour) -> Result<Vec<u8>, Unsuitable> {
    let plan = Plan::read(component)?;
    let mut out = Component::new();
    let (mut modules, mut instances) = (0.., plan.instances.iter());
    for section in &plan.sections {
        match section {
            Section::Raw { id, range } => {
                out.section(&RawSection { id: *id, data: &component[range.clone()] });
            }
            Section::Module => {
                let index: usize = modules.next().expect("it has no end");
                let CoreModule { range, guarded } = &plan.modules[index];
                let source = &component[range.clone()];
                let data = match index {
                    _ if index == plan.main => module::rewrite(source, memory_bytes, flavour)?,
                    _ if guarded.is_empty() => source.to_vec(),
                    _ => guard::guard(source, guarded)?,
                };
                out.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: &data });
            }
            Section::Instances(count) => {
                let mut section = InstanceSection::new();
                instances.by_ref().take(*count).for_each(|instance| write_instance(&mut section, instance, &plan));
                out.section(&section);
            }
        }
    }
    append_exports(&mut out, &plan);
    if flavour == Flavour::Runtime {
        append_overlay_exports(&mut out, &plan);
    }
    Ok(out.finish())
}

/// Writes an instance unchanged, except that a guarded module also gets the main instance, for its marks.
fn write_instance(section: &mut InstanceSection, instance: &CoreInstance<'_>, plan: &Plan<'_>) {
    match instance {
        CoreInstance::Of { module, arguments } => {
            let mut arguments: Vec<_> = arguments.iter().map(|&(name, index)| (name, ModuleArg::Instance(index))).collect();
            if !plan.modules[*module as usize].guarded.is_empty() {
                arguments.push((ARGUMENT, ModuleArg::Instance(plan.main_instance)));
            }
            section.instantiate(*module, arguments);
        }
        CoreInstance::Exports(exports) => {
            section.export_items(exports.iter().map(|&(name, kind, index)| (name, export_kind(kind), index)));
        }
    }
}

/// Translates the kind of an export. Tags were refused when the component was read.
fn export_kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Func | ExternalKind::FuncExact | ExternalKind::Tag => ExportKind::Func,
    }
}

fn append_exports(out: &mut Component, plan: &Plan<'_>) {
    let none: [(&str, ComponentValType); 0] = [];
    let mut types = ComponentTypeSection::new();
    types.function().params(none).result(None);
    types.function().params(none).result(Some(ComponentValType::Primitive(PrimitiveValType::U32)));
    out.section(&types);

    let mut aliases = ComponentAliasSection::new();
    let mut lifts = CanonicalFunctionSection::new();
    let mut exports = ComponentExportSection::new();
    for (i, name) in (0u32..).zip([RESTORE, PAGES]) {
        aliases.alias(Alias::CoreInstanceExport { instance: plan.main_instance, kind: ExportKind::Func, name });
        lifts.lift(plan.core_funcs + i, plan.types + i, []);
        // Each export has an index of its own, after all lifted functions.
        exports.export(name, ComponentExportKind::Func, plan.funcs + i, None);
    }
    out.section(&aliases);
    out.section(&lifts);
    out.section(&exports);
}

/// Behind the two exports of every component, and their two types and functions.
fn append_overlay_exports(out: &mut Component, plan: &Plan<'_>) {
    let none: [(&str, ComponentValType); 0] = [];
    let mut types = ComponentTypeSection::new();
    let (list, save, load) = (plan.types + 2, plan.types + 3, plan.types + 4);
    types.defined_type().list(ComponentValType::Primitive(PrimitiveValType::U8));
    types.function().params(none).result(Some(ComponentValType::Type(list)));
    types.function().params([("overlay", ComponentValType::Type(list))]).result(None);
    out.section(&types);

    let mut aliases = ComponentAliasSection::new();
    let mut alias = |kind, name| {
        aliases.alias(Alias::CoreInstanceExport { instance: plan.main_instance, kind, name });
    };
    alias(ExportKind::Func, SAVE);
    alias(ExportKind::Func, LOAD);
    alias(ExportKind::Func, OVERLAY_REALLOC);
    alias(ExportKind::Memory, OVERLAY_MEMORY);
    out.section(&aliases);

    let first = plan.core_funcs + 2;
    let memory = CanonicalOption::Memory(plan.core_memories);
    let mut lifts = CanonicalFunctionSection::new();
    lifts.lift(first, save, [memory]);
    lifts.lift(first + 1, load, [memory, CanonicalOption::Realloc(first + 2)]);
    out.section(&lifts);

    // The two exports before have made two functions each.
    let mut exports = ComponentExportSection::new();
    exports.export(SAVE, ComponentExportKind::Func, plan.funcs + 4, None);
    exports.export(LOAD, ComponentExportKind::Func, plan.funcs + 5, None);
    out.section(&exports);
}
