//! What a component is made of, as far as it must be known to take its state out; and the rules under which that can be
//! done. See `snapshot`.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentTypeRef, Encoding, ExternalKind, Instance, Operator,
    Parser, Payload, Validator, WasmFeatures,
};

use super::module::ModuleOutline;
use super::names::{CannotSnapshot, RESERVED, RESETS};
use super::state::{Segment, StateLayout, StateValue};
use crate::limits::init::SNAPSHOT_GLOBALS;

/// See the module.
pub(super) struct Outline<'a> {
    modules: Vec<ModuleOutline<'a>>,
    pub(super) layout: StateLayout,
    /// In the order in which they are copied.
    pub(super) segments: Vec<Segment<'a>>,
    /// The functions of `names::RESETS` that there are, and the core instances that have them.
    pub(super) resets: Vec<(&'static str, u32)>,
    pub(super) end: End,
}

/// The number of items of each kind that a component has.
pub(super) struct End {
    pub(super) modules: u32,
    pub(super) instances: u32,
    pub(super) memories: u32,
    pub(super) core_functions: u32,
    pub(super) types: u32,
    pub(super) functions: u32,
}

enum ModuleInstance<'a> {
    Of { module: usize, arguments: Vec<(&'a str, u32)> },
    Exports(Vec<(&'a str, ExternalKind, u32)>),
}

/// The top level of a component, and where its globals come from.
#[derive(Default)]
struct Top<'a> {
    modules: Vec<ModuleOutline<'a>>,
    instances: Vec<ModuleInstance<'a>>,
    /// Core globals that have been given a number: of an instance, by name.
    globals: Vec<(u32, &'a str)>,
}

/// A global where it is defined: by a core instance, and its number there.
type Defined = (usize, u32);

const LOST: CannotSnapshot = CannotSnapshot::Shape("a global of it leads nowhere");

impl<'a> Outline<'a> {
    pub(super) fn read(component: &'a [u8]) -> Result<Outline<'a>, CannotSnapshot> {
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(component)?;
        let types = types.as_ref();
        let end = End {
            modules: types.module_count(),
            instances: types.core_instance_count(),
            memories: types.memory_count(),
            core_functions: types.function_count(),
            types: types.component_type_count(),
            functions: types.component_function_count(),
        };
        let mut top = Top::default();
        top.read(component)?;
        let layout = top.take_state()?;
        let segments = top.segments()?;
        let exports = |instance: &ModuleInstance<'_>, name: &str| match instance {
            ModuleInstance::Of { module, .. } => top.modules[*module].exports(name, ExternalKind::Func).is_some(),
            ModuleInstance::Exports(_) => false,
        };
        let reset = |name: &'static str| {
            let mut instances = (0u32..).zip(&top.instances);
            instances.find(|(_, instance)| exports(instance, name)).map(|(index, _)| (name, index))
        };
        let resets = RESETS.into_iter().filter_map(reset).collect();
        Ok(Outline { modules: top.modules, layout, segments, resets, end })
    }

    /// How a module is rewritten, if it is.
    pub(super) fn module(&self, index: usize) -> Option<&ModuleOutline<'a>> {
        self.modules.get(index).filter(|module| module.is_rewritten())
    }

    /// Whether instances of this module import from the state module.
    pub(super) fn is_given_state(&self, module: u32) -> bool {
        self.modules.get(module as usize).is_some_and(ModuleOutline::is_given_state)
    }
}

impl<'a> Top<'a> {
    fn read(&mut self, component: &'a [u8]) -> Result<(), CannotSnapshot> {
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload?;
            match payload {
                Payload::Version { encoding: Encoding::Component, .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                _ => {}
            }
            match payload {
                Payload::ModuleSection { .. } | Payload::InstanceSection(_) if depth > 1 => {
                    return Err(CannotSnapshot::Shape("a component in it has code"));
                }
                Payload::ModuleSection { unchecked_range, .. } => {
                    self.modules.push(ModuleOutline::read(&component[unchecked_range])?);
                }
                _ if depth > 1 => {}
                Payload::InstanceSection(reader) => {
                    for instance in reader {
                        self.instances.push(core_instance(instance?));
                    }
                }
                Payload::ComponentAliasSection(reader) => {
                    for alias in reader {
                        self.alias(alias?)?;
                    }
                }
                Payload::ComponentImportSection(reader) => {
                    for import in reader {
                        let import = import?;
                        if matches!(import.ty, ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_)) {
                            return Err(CannotSnapshot::Shape("it imports code"));
                        }
                        reserved(import.name.name)?;
                    }
                }
                Payload::ComponentExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if matches!(export.kind, ComponentExternalKind::Module | ComponentExternalKind::Component) {
                            return Err(CannotSnapshot::Shape("it exports code"));
                        }
                        reserved(export.name.name)?;
                    }
                }
                Payload::ComponentStartSection { .. } => return Err(CannotSnapshot::Shape("it has a start function")),
                Payload::CoreTypeSection(_) => return Err(CannotSnapshot::Shape("it declares core types")),
                _ => {}
            }
        }
        Ok(())
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), CannotSnapshot> {
        match alias {
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Global, instance_index, name } => {
                self.globals.push((instance_index, name));
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType, .. } => {
                return Err(CannotSnapshot::Shape("it aliases code of others"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The instances of modules, each with its arguments, in order.
    fn of_modules(&self) -> impl Iterator<Item = (usize, usize)> {
        self.instances.iter().enumerate().filter_map(|(index, instance)| match instance {
            ModuleInstance::Of { module, .. } => Some((index, *module)),
            ModuleInstance::Exports(_) => None,
        })
    }

    /// Decides what is state, and marks it in the modules that have it.
    fn take_state(&mut self) -> Result<StateLayout, CannotSnapshot> {
        let mut instantiated = vec![0; self.modules.len()];
        let mut set: Vec<Defined> = Vec::new();
        for (instance, module) in self.of_modules() {
            let outline = self.modules.get(module).ok_or(CannotSnapshot::Shape("an instance of it is of no module"))?;
            instantiated[module] += 1;
            if instantiated[module] > 1 && outline.has_state() {
                return Err(CannotSnapshot::Shape("a module with state is instantiated several times"));
            }
            for &global in &outline.set {
                set.push(self.definition(instance, global)?);
            }
        }
        set.sort_unstable();
        set.dedup();
        if set.len() > SNAPSHOT_GLOBALS {
            return Err(CannotSnapshot::Shape("it sets too many globals"));
        }
        let mut layout = StateLayout::default();
        for (number, &(instance, global)) in (0u32..).zip(&set) {
            layout.globals.push(self.initial(instance, global)?);
            let module = self.module_of(instance).ok_or(LOST)?;
            self.modules[module].taken.insert(global, number);
        }
        let mut with_memory = self.modules.iter().zip(&instantiated).filter(|(_, times)| **times > 0);
        let mut memories = with_memory.by_ref().flat_map(|(module, _)| &module.memories);
        match (memories.next(), memories.next()) {
            (Some(memory), None) if !memory.memory64 && !memory.shared && memory.page_size_log2.is_none() => {
                layout.memory_min = memory.initial;
                layout.memory_max = memory.maximum;
            }
            _ => return Err(CannotSnapshot::Shape("it has several, 64-bit, shared or odd-paged memories, or none")),
        }
        let values = &layout.globals;
        for module in &mut self.modules {
            module.state_types = module.taken.values().map(|&number| values[number as usize].global_type()).collect();
            module.memory = layout.memory_type();
        }
        Ok(layout)
    }

    fn module_of(&self, instance: usize) -> Option<usize> {
        match self.instances.get(instance)? {
            ModuleInstance::Of { module, .. } => Some(*module),
            ModuleInstance::Exports(_) => None,
        }
    }

    /// Follows a global of an instance of a module to where it is defined. Each step leads to an earlier instance, so
    /// that it ends.
    fn definition(&self, instance: usize, global: u32) -> Result<Defined, CannotSnapshot> {
        let (mut instance, mut global) = (instance, global);
        loop {
            let Some(ModuleInstance::Of { module, arguments }) = self.instances.get(instance) else { return Err(LOST) };
            let Some(&(from, field)) = self.modules[*module].imported_globals.get(global as usize) else {
                return Ok((instance, global));
            };
            let argument = arguments.iter().find(|(name, _)| *name == from).ok_or(LOST)?.1;
            (instance, global) = self.exported(argument, field)?;
        }
    }

    /// The global that an instance exports by this name: of an instance of a module, and its number there.
    fn exported(&self, instance: u32, name: &str) -> Result<Defined, CannotSnapshot> {
        let (mut instance, mut name) = (instance, name);
        loop {
            match self.instances.get(instance as usize).ok_or(LOST)? {
                ModuleInstance::Of { module, .. } => {
                    let global = self.modules[*module].exports(name, ExternalKind::Global).ok_or(LOST)?;
                    return Ok((instance as usize, global));
                }
                ModuleInstance::Exports(exports) => {
                    let found = exports.iter().find(|(known, kind, _)| *known == name && *kind == ExternalKind::Global);
                    let &(_, _, index) = found.ok_or(LOST)?;
                    (instance, name) = *self.globals.get(index as usize).ok_or(LOST)?;
                }
            }
        }
    }

    /// A global's value before any code has run.
    fn initial(&self, instance: usize, global: u32) -> Result<StateValue, CannotSnapshot> {
        let module = &self.modules[self.module_of(instance).ok_or(LOST)?];
        let defined = (global as usize).checked_sub(module.imported_globals.len()).and_then(|index| module.globals.get(index));
        self.value(instance, &defined.ok_or(LOST)?.init_expr)
    }

    fn value(&self, instance: usize, expression: &wasmparser::ConstExpr<'_>) -> Result<StateValue, CannotSnapshot> {
        let mut operators = expression.get_operators_reader();
        let value = match operators.read()? {
            Operator::I32Const { value } => StateValue::I32(value.cast_unsigned()),
            Operator::I64Const { value } => StateValue::I64(value.cast_unsigned()),
            Operator::F32Const { value } => StateValue::F32(value.bits()),
            Operator::F64Const { value } => StateValue::F64(value.bits()),
            Operator::GlobalGet { global_index } => {
                let (instance, global) = self.definition(instance, global_index)?;
                self.initial(instance, global)?
            }
            _ => return Err(CannotSnapshot::Shape("a global that it sets is no number")),
        };
        match operators.read()? {
            Operator::End => Ok(value),
            _ => Err(CannotSnapshot::Shape("it computes where a global or segment begins")),
        }
    }

    /// The segments of all instances, in the order in which these are made.
    fn segments(&self) -> Result<Vec<Segment<'a>>, CannotSnapshot> {
        let mut segments = Vec::new();
        for (instance, module) in self.of_modules() {
            for (offset, bytes) in &self.modules[module].segments {
                match self.value(instance, offset)? {
                    StateValue::I32(offset) => segments.push(Segment { offset, bytes }),
                    _ => return Err(CannotSnapshot::Shape("a segment of it begins nowhere")),
                }
            }
        }
        Ok(segments)
    }
}

fn core_instance(instance: Instance<'_>) -> ModuleInstance<'_> {
    match instance {
        Instance::Instantiate { module_index, args } => ModuleInstance::Of {
            module: module_index as usize,
            arguments: args.iter().map(|argument| (argument.name, argument.index)).collect(),
        },
        Instance::FromExports(exports) => {
            ModuleInstance::Exports(exports.iter().map(|export| (export.name, export.kind, export.index)).collect())
        }
    }
}

fn reserved(name: &str) -> Result<(), CannotSnapshot> {
    if RESERVED.contains(&name) { Err(CannotSnapshot::Shape("it imports or exports a reserved name")) } else { Ok(()) }
}
