//! What a component is made of, as far as it must be known to say of every byte of its state what puts it back; and the
//! rules under which that can be said. See `restore` for the proof that they serve.

use std::ops::Range;

use wasmparser::types::Types;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentType,
    ComponentTypeRef, ExternalKind, Instance, Parser, Payload, ValType, Validator, WasmFeatures,
};

use super::area::Areas;
use super::guard::{self, GuardedImport};
use super::layout::{ARGUMENT, LOAD, PAGES, RESTORE, SAVE};
use super::source;
use super::unsuitable::Unsuitable;

pub(super) struct CoreModule {
    pub(super) range: Range<usize>,
    /// The imports that must be guarded, for its one instance.
    pub(super) guarded: Vec<GuardedImport>,
}

/// A section of the top level, in order.
pub(super) enum Section {
    Raw {
        id: u8,
        range: Range<usize>,
    },
    Module,
    /// So many core instances.
    Instances(usize),
}

/// A core instance, by what it is of.
pub(super) enum CoreInstance<'a> {
    Of { module: u32, arguments: Vec<(&'a str, u32)> },
    Exports(Vec<(&'a str, ExternalKind, u32)>),
}

/// The top level of a component, as far as it must be known to rewrite it.
pub(super) struct Plan<'a> {
    pub(super) sections: Vec<Section>,
    pub(super) modules: Vec<CoreModule>,
    pub(super) instances: Vec<CoreInstance<'a>>,
    /// The module with the memory, and its only instance.
    pub(super) main: usize,
    pub(super) main_instance: u32,
    pub(super) types: u32,
    pub(super) funcs: u32,
    pub(super) core_funcs: u32,
    pub(super) core_memories: u32,
}

/// Where a core function comes from.
#[derive(Clone, Copy)]
enum CoreFunc<'a> {
    /// Given by the host, which may write so many bytes of a result through the last parameter.
    Lowered {
        area: u32,
    },
    /// Drops a handle.
    Builtin,
    Export {
        instance: u32,
        name: &'a str,
    },
}

/// Where a function comes from, once all renaming is resolved.
enum FuncOrigin {
    Host { area: u32 },
    Guest { instance: u32 },
}

/// Reads one component from front to back.
struct PlanReader<'a> {
    types: Types,
    sections: Vec<Section>,
    modules: Vec<CoreModule>,
    instances: Vec<CoreInstance<'a>>,
    core_funcs: Vec<CoreFunc<'a>>,
    /// Core functions that the host calls: lifted, after a return, and to allocate.
    called: Vec<u32>,
    reallocs: Vec<u32>,
}

impl<'a> Plan<'a> {
    pub(super) fn read(component: &'a [u8]) -> Result<Plan<'a>, Unsuitable> {
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(component)?;
        let mut reader = PlanReader {
            types,
            sections: Vec::new(),
            modules: Vec::new(),
            instances: Vec::new(),
            core_funcs: Vec::new(),
            called: Vec::new(),
            reallocs: Vec::new(),
        };
        reader.top(component)?;
        reader.plan(component)
    }
}

impl<'a> PlanReader<'a> {
    fn top(&mut self, component: &'a [u8]) -> Result<(), Unsuitable> {
        let mut areas = 0;
        let mut parser = Parser::new(0);
        let mut at = 0;
        loop {
            let (consumed, payload) = match parser.parse(&component[at..], true)? {
                wasmparser::Chunk::Parsed { consumed, payload } => (consumed, payload),
                wasmparser::Chunk::NeedMoreData(_) => return Err(Unsuitable::Shape("it ends early")),
            };
            at += consumed;
            let own = matches!(payload, Payload::ModuleSection { .. } | Payload::InstanceSection(_));
            if let (Some((id, range)), false) = (payload.as_section(), own) {
                self.sections.push(Section::Raw { id, range });
            }
            match payload {
                // The parser takes the end of the bytes for the end of whatever is nested there.
                Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }
                    if unchecked_range.end > component.len() =>
                {
                    return Err(Unsuitable::Shape("it ends early"));
                }
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    self.sections.push(Section::Module);
                    at = range.end;
                    self.modules.push(CoreModule { range, guarded: Vec::new() });
                }
                Payload::ComponentSection { unchecked_range: range, .. } => {
                    only_reexports(&component[range.clone()])?;
                    at = range.end;
                }
                Payload::InstanceSection(reader) => {
                    self.sections.push(Section::Instances(reader.count() as usize));
                    for instance in reader {
                        self.instances.push(core_instance(instance?)?);
                    }
                }
                Payload::ComponentTypeSection(reader) => {
                    for ty in reader {
                        no_resource(&ty?)?;
                    }
                }
                Payload::ComponentImportSection(reader) => {
                    for import in reader {
                        match import?.ty {
                            ComponentTypeRef::Type(_) | ComponentTypeRef::Func(_) | ComponentTypeRef::Instance(_) => {}
                            _ => return Err(Unsuitable::Shape("it imports code or values")),
                        }
                    }
                }
                Payload::ComponentAliasSection(reader) => {
                    for alias in reader {
                        self.alias(alias?)?;
                    }
                }
                Payload::ComponentCanonicalSection(reader) => {
                    for canonical in reader {
                        self.canonical(canonical?, &mut areas)?;
                    }
                }
                Payload::ComponentExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if [RESTORE, PAGES, SAVE, LOAD].contains(&export.name.name) {
                            return Err(Unsuitable::Shape("it exports a reserved name"));
                        }
                        match export.kind {
                            ComponentExternalKind::Func | ComponentExternalKind::Type | ComponentExternalKind::Instance => {}
                            _ => return Err(Unsuitable::Shape("it exports code or values")),
                        }
                    }
                }
                Payload::ComponentStartSection { .. } => return Err(Unsuitable::Shape("it has a start function")),
                Payload::CoreTypeSection(_) => return Err(Unsuitable::Shape("it declares core types")),
                Payload::Version { .. } | Payload::CustomSection(_) | Payload::ComponentInstanceSection(_) => {}
                Payload::End(_) => return Ok(()),
                _ => return Err(Unsuitable::Shape("it has an unknown section")),
            }
        }
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), Unsuitable> {
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Func | ComponentExternalKind::Type | ComponentExternalKind::Instance,
                ..
            }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, .. } => {}
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, instance_index: instance, name } => {
                self.core_funcs.push(CoreFunc::Export { instance, name });
            }
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Memory | ExternalKind::Table | ExternalKind::Global,
                ..
            } => {}
            _ => return Err(Unsuitable::Shape("it aliases code of others")),
        }
        Ok(())
    }

    fn canonical(&mut self, canonical: CanonicalFunction, looked_at: &mut u32) -> Result<(), Unsuitable> {
        let options = match canonical {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                self.called.push(core_func_index);
                options
            }
            CanonicalFunction::Lower { func_index, options } => {
                let area = self.area(func_index, looked_at)?;
                self.core_funcs.push(CoreFunc::Lowered { area });
                options
            }
            CanonicalFunction::ResourceDrop { .. } => {
                self.core_funcs.push(CoreFunc::Builtin);
                return Ok(());
            }
            _ => return Err(Unsuitable::Shape("it makes resources, or uses asynchronous builtins")),
        };
        for option in options {
            match option {
                CanonicalOption::Realloc(func) => self.reallocs.push(func),
                CanonicalOption::PostReturn(func) => self.called.push(func),
                CanonicalOption::UTF8 | CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 | CanonicalOption::Memory(_) => {}
                _ => return Err(Unsuitable::Shape("it uses asynchronous or GC options")),
            }
        }
        Ok(())
    }

    /// How many bytes of a result the host writes through the last parameter of the function that is lowered next.
    ///
    /// The type of the lowered function says whether it does (Component Model, CanonicalABI.md, "Flattening"): up to
    /// `MAX_FLAT_RESULTS` values are results of it, whatever options it has, and more of them are written where its last
    /// parameter points. That parameter comes behind all others, also where these are passed by one pointer.
    fn area(&self, func: u32, looked_at: &mut u32) -> Result<u32, Unsuitable> {
        let types = self.types.as_ref();
        let next = u32::try_from(self.core_funcs.len()).map_err(|_| Unsuitable::Shape("it has too many functions"))?;
        if next >= types.function_count() {
            return Err(Unsuitable::Shape("a function of it leads nowhere"));
        }
        let lowered = types[types.core_function_at(next)].unwrap_func();
        let func = types.component_function_at(func);
        if types[func].result.is_none() || !lowered.results().is_empty() {
            return Ok(0);
        }
        if lowered.params().last() != Some(&ValType::I32) {
            return Err(Unsuitable::Shape("a function's result is not written through a 32-bit pointer"));
        }
        let area = Areas::with(types, looked_at).of_result(func)?;
        u32::try_from(area).map_err(|_| Unsuitable::Shape("a function gives a result of 4 GiB"))
    }

    /// Sees through instances that only rename. Each step leads to an earlier one, so that it ends.
    fn origin(&self, mut func: CoreFunc<'a>) -> Result<FuncOrigin, Unsuitable> {
        let lost = Unsuitable::Shape("a function of it leads nowhere");
        loop {
            let (instance, name) = match func {
                CoreFunc::Lowered { area } => return Ok(FuncOrigin::Host { area }),
                CoreFunc::Builtin => return Ok(FuncOrigin::Host { area: 0 }),
                CoreFunc::Export { instance, name } => (instance, name),
            };
            let exports = match self.instances.get(instance as usize) {
                Some(CoreInstance::Of { .. }) => return Ok(FuncOrigin::Guest { instance }),
                Some(CoreInstance::Exports(exports)) => exports,
                None => return Err(lost),
            };
            let found = exports.iter().find(|(known, kind, _)| *known == name && *kind == ExternalKind::Func);
            func = match found.and_then(|&(_, _, index)| self.core_funcs.get(index as usize)) {
                Some(&func) => func,
                None => return Err(lost),
            };
        }
    }

    fn origin_of(&self, core_func: u32) -> Result<FuncOrigin, Unsuitable> {
        let func = self.core_funcs.get(core_func as usize).ok_or(Unsuitable::Shape("a function of it leads nowhere"))?;
        self.origin(*func)
    }

    fn plan(mut self, component: &'a [u8]) -> Result<Plan<'a>, Unsuitable> {
        let (main, main_instance) = self.main(component)?;
        for &func in &self.reallocs {
            match self.origin_of(func)? {
                FuncOrigin::Guest { instance, .. } if instance == main_instance => {}
                _ => return Err(Unsuitable::Shape("its allocator is not in its main module")),
            }
        }
        for &func in &self.called {
            if let FuncOrigin::Host { .. } = self.origin_of(func)? {
                return Err(Unsuitable::Shape("it lifts a function of the host"));
            }
        }
        self.find_guarded(component, main, main_instance)?;
        let types = self.types.as_ref();
        let core_funcs = u32::try_from(self.core_funcs.len()).map_err(|_| Unsuitable::Shape("it has too many functions"))?;
        let core_memories = types.memory_count();
        let (types, funcs) = (types.component_type_count(), types.component_function_count());
        let PlanReader { sections, modules, instances, .. } = self;
        Ok(Plan { sections, modules, instances, main, main_instance, types, funcs, core_funcs, core_memories })
    }

    /// The one module with a memory, and its one instance. No other may have anything that a call could change.
    fn main(&self, component: &[u8]) -> Result<(usize, u32), Unsuitable> {
        let mut main = None;
        for (index, module) in self.modules.iter().enumerate() {
            if source::is_main(&component[module.range.clone()])? && main.replace(index).is_some() {
                return Err(Unsuitable::Shape("several of its modules have memories"));
            }
        }
        let main = main.ok_or(Unsuitable::Shape("it has no memory"))?;
        let of_main =
            |instance: &CoreInstance<'_>| matches!(instance, CoreInstance::Of { module, .. } if *module as usize == main);
        let mut instances = (0u32..).zip(&self.instances).filter(|(_, instance)| of_main(instance));
        match (instances.next(), instances.next()) {
            (Some((instance, _)), None) => Ok((main, instance)),
            _ => Err(Unsuitable::Shape("its main module is not instantiated exactly once")),
        }
    }

    /// Which imports of which modules must be guarded.
    fn find_guarded(&mut self, component: &[u8], main: usize, main_instance: u32) -> Result<(), Unsuitable> {
        let mut instantiated = vec![0u32; self.modules.len()];
        for (number, instance) in (0u32..).zip(&self.instances) {
            let CoreInstance::Of { module, arguments } = instance else { continue };
            let module = *module as usize;
            let Some(source) = self.modules.get(module) else {
                return Err(Unsuitable::Shape("an instance of it is of no module"));
            };
            instantiated[module] += 1;
            let imports = guard::imported_funcs(&component[source.range.clone()])?;
            let mut guarded = Vec::new();
            for (import, (argument, name, _)) in (0u32..).zip(imports) {
                let Some(&(_, instance)) = arguments.iter().find(|(known, _)| *known == argument) else {
                    return Err(Unsuitable::Shape("an instance of it lacks an argument"));
                };
                match self.origin(CoreFunc::Export { instance, name })? {
                    FuncOrigin::Host { area: 0 } | FuncOrigin::Guest { .. } => {}
                    FuncOrigin::Host { area } => guarded.push(GuardedImport { import, area }),
                }
            }
            if guarded.is_empty() {
                continue;
            }
            // The main memory is there before what is lowered with it.
            if module == main || number <= main_instance {
                return Err(Unsuitable::Shape("its main module is given functions that write to its memory"));
            }
            if arguments.iter().any(|(name, _)| *name == ARGUMENT) {
                return Err(Unsuitable::Shape("it uses a reserved name"));
            }
            self.modules[module].guarded = guarded;
        }
        let twice = |(module, &count): (&CoreModule, &u32)| count > 1 && !module.guarded.is_empty();
        if self.modules.iter().zip(&instantiated).any(twice) {
            return Err(Unsuitable::Shape("a module that is given functions of the host is instantiated twice"));
        }
        Ok(())
    }
}

fn core_instance(instance: Instance<'_>) -> Result<CoreInstance<'_>, Unsuitable> {
    Ok(match instance {
        Instance::Instantiate { module_index, args } => {
            let arguments = args.iter().map(|argument| (argument.name, argument.index)).collect();
            CoreInstance::Of { module: module_index, arguments }
        }
        Instance::FromExports(exports) => {
            if exports.iter().any(|export| matches!(export.kind, ExternalKind::Tag | ExternalKind::FuncExact)) {
                return Err(Unsuitable::Shape("it passes tags on"));
            }
            CoreInstance::Exports(exports.iter().map(|export| (export.name, export.kind, export.index)).collect())
        }
    })
}

/// Resources of the guest's own would have handles, and destructors.
fn no_resource(ty: &ComponentType<'_>) -> Result<(), Unsuitable> {
    match ty {
        ComponentType::Resource { .. } => Err(Unsuitable::Shape("it makes resources, or uses asynchronous builtins")),
        _ => Ok(()),
    }
}

/// wit-component wraps each exported interface in a component that renames and does nothing else.
fn only_reexports(component: &[u8]) -> Result<(), Unsuitable> {
    for payload in Parser::new(0).parse_all(component) {
        let has_code = match payload? {
            Payload::ModuleSection { .. }
            | Payload::ComponentSection { .. }
            | Payload::InstanceSection(_)
            | Payload::CoreTypeSection(_)
            | Payload::ComponentInstanceSection(_)
            | Payload::ComponentCanonicalSection(_)
            | Payload::ComponentStartSection { .. } => true,
            Payload::ComponentTypeSection(reader) => {
                for ty in reader {
                    no_resource(&ty?)?;
                }
                false
            }
            Payload::ComponentAliasSection(reader) => {
                let mut outer_code = false;
                for alias in reader {
                    outer_code |= !matches!(
                        alias?,
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, .. }
                            | ComponentAlias::InstanceExport {
                                kind: ComponentExternalKind::Func | ComponentExternalKind::Type | ComponentExternalKind::Instance,
                                ..
                            }
                    );
                }
                outer_code
            }
            _ => false,
        };
        if has_code {
            return Err(Unsuitable::Shape("a nested component has code"));
        }
    }
    Ok(())
}
