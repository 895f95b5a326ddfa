//! How much of a pool one instance of a component takes: core instances, memories, tables, and the engine's own data.
//!
//! Counted as the pool counts: everything that is instantiated, however deeply nested, and nothing that is
//! only defined. Imported modules and components cannot be counted; a component that has any is refused for its imports.

use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentAliasSectionReader, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, ConstExpr, ElementItems, Encoding, ExternalKind, Instance, Operator, Parser,
    Payload, TableInit, TypeRef,
};

use crate::limits::compile::{INSTANCE_BYTES, INSTANCES};
use crate::limits::{Limit, Profile};

/// What one instance takes, or what a pool has room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Instances of components in it, and of core modules.
    pub instances: u64,
    pub core_instances: u64,
    pub memories: u64,
    pub tables: u64,
    /// The most of any one module.
    pub memories_per_module: u64,
    pub tables_per_module: u64,
    /// The initial size of the largest memory, and of the largest table.
    pub memory_bytes: u64,
    pub table_elements: u64,
    /// The initial size of all memories together, and of all tables.
    pub memory_bytes_all: u64,
    pub table_elements_all: u64,
    /// The engine's data for the largest instance of a module, without memories and tables; and for all instances and the
    /// component itself.
    pub instance_bytes: u64,
    pub instance_bytes_all: u64,
}

/// What the engine keeps for a core instance (`VMOffsets` and `Instance` of wasmtime 48, 64 bits), each number rounded up:
/// for any at all, for an import, global, table or memory, for a function that is exported or in a table, for a segment.
const OF_INSTANCE: u64 = 1_024;
const OF_IMPORT: u64 = 32;
const OF_DEFINED: u64 = 32;
const OF_GLOBAL: u64 = 16;
const OF_FUNCTION: u64 = 32;
const OF_SEGMENT: u64 = 12;
/// And for each canonical function, and each instance, of a component (`VMComponentOffsets`).
const OF_CANONICAL: u64 = 128;
const OF_COMPONENT: u64 = 64;

impl Size {
    /// What the pool of a profile has room for in one instance.
    pub fn room(profile: Profile) -> Size {
        let one = &profile.engine().one;
        let table_elements = Limit::TableElements.maximum(profile);
        Size {
            instances: INSTANCES,
            core_instances: one.core_instances,
            memories: one.memories,
            tables: one.tables,
            memories_per_module: one.memories_per_module,
            tables_per_module: one.tables_per_module,
            memory_bytes: one.memory_bytes,
            table_elements,
            memory_bytes_all: Limit::MemoryBytes.maximum(profile),
            table_elements_all: table_elements,
            instance_bytes: INSTANCE_BYTES,
            instance_bytes_all: one.instance_bytes_all,
        }
    }

    /// The numbers that are over their maximum: what is counted, the number, the maximum.
    pub(super) fn excess(&self, room: &Size) -> Vec<(&'static str, u64, u64)> {
        let counts = [
            ("instances of components and modules", self.instances, room.instances),
            ("core module instances", self.core_instances, room.core_instances),
            ("memories", self.memories, room.memories),
            ("tables", self.tables, room.tables),
            ("memories in one module", self.memories_per_module, room.memories_per_module),
            ("tables in one module", self.tables_per_module, room.tables_per_module),
            ("bytes of memory from the start", self.memory_bytes, room.memory_bytes),
            ("elements in a table from the start", self.table_elements, room.table_elements),
            ("bytes of memory in all, from the start", self.memory_bytes_all, room.memory_bytes_all),
            ("elements in all tables, from the start", self.table_elements_all, room.table_elements_all),
            (
                "bytes of globals, imports, segments, and functions in tables or exported, in one module",
                self.instance_bytes,
                room.instance_bytes,
            ),
            (
                "bytes of globals, imports, segments, and functions in tables or exported, in all",
                self.instance_bytes_all,
                room.instance_bytes_all,
            ),
        ];
        let mut over: Vec<_> = counts.into_iter().filter(|(_, count, maximum)| count > maximum).collect();
        // If a single one is too large, the sum need not be reported.
        if self.memory_bytes > room.memory_bytes || self.table_elements > room.table_elements {
            over.retain(|(what, ..)| !what.contains(" all,") && !what.contains("in all tables"));
        }
        if self.instance_bytes > room.instance_bytes {
            over.retain(|(what, ..)| !what.ends_with(" all"));
        }
        over
    }

    fn add(&mut self, other: Size) {
        // Saturating: a few bytes can double a component's size, sixty times in a row.
        self.instances = self.instances.saturating_add(other.instances);
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.memories_per_module = self.memories_per_module.max(other.memories_per_module);
        self.tables_per_module = self.tables_per_module.max(other.tables_per_module);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.table_elements = self.table_elements.max(other.table_elements);
        self.memory_bytes_all = self.memory_bytes_all.saturating_add(other.memory_bytes_all);
        self.table_elements_all = self.table_elements_all.saturating_add(other.table_elements_all);
        self.instance_bytes = self.instance_bytes.max(other.instance_bytes);
        self.instance_bytes_all = self.instance_bytes_all.saturating_add(other.instance_bytes_all);
    }

    /// Computes the size of a component.
    pub(super) fn of(component: &[u8]) -> Result<Size, BinaryReaderError> {
        let mut frames: Vec<Frame> = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding, .. } => frames.push(Frame { encoding, ..Frame::default() }),
                Payload::End(_) => {
                    let Some(mut ended) = frames.pop() else { break };
                    ended.end();
                    match (frames.last_mut(), ended.encoding) {
                        (None, _) => return Ok(ended.total),
                        (Some(outer), Encoding::Module) => outer.modules.push(ended.total),
                        (Some(outer), Encoding::Component) => outer.components.push(ended.total),
                    }
                }
                payload => read(&mut frames, payload)?,
            }
        }
        Ok(Size::default())
    }
}

/// A module or component that is being read.
struct Frame {
    encoding: Encoding,
    /// For a module, what an instance of it takes; for a component, what its instances so far take.
    total: Size,
    /// For a module: its functions, with imported ones, and how often one is exported or put into a table or global.
    functions: u64,
    named: u64,
    /// The index spaces; unknown items count nothing.
    modules: Vec<Size>,
    components: Vec<Size>,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame {
            encoding: Encoding::Component,
            total: Size::default(),
            functions: 0,
            named: 0,
            modules: Vec::new(),
            components: Vec::new(),
        }
    }
}

impl Frame {
    fn end(&mut self) {
        if self.encoding == Encoding::Module {
            // Each function counts once, however often it is named.
            let functions = OF_FUNCTION * self.named.min(self.functions);
            self.total.instance_bytes += OF_INSTANCE + functions;
            self.total.instance_bytes_all = self.total.instance_bytes;
        }
    }
}

/// How often a constant expression names a function.
fn names_functions(expr: &ConstExpr<'_>) -> Result<u64, BinaryReaderError> {
    let mut count = 0;
    for operator in expr.get_operators_reader() {
        count += u64::from(matches!(operator?, Operator::RefFunc { .. }));
    }
    Ok(count)
}

/// Reads one section of the innermost module or component.
fn read(frames: &mut [Frame], payload: Payload<'_>) -> Result<(), BinaryReaderError> {
    if let Payload::ComponentAliasSection(reader) = payload {
        return read_aliases(frames, reader);
    }
    let Some(frame) = frames.last_mut() else { return Ok(()) };
    match frame.encoding {
        Encoding::Module => frame.read_module(payload),
        Encoding::Component => frame.read_component(payload),
    }
}

/// An outer alias names an index of a frame further out.
fn read_aliases(frames: &mut [Frame], reader: ComponentAliasSectionReader<'_>) -> Result<(), BinaryReaderError> {
    let outer = |count: u32, index: u32, space: fn(&Frame) -> &Vec<Size>| {
        frames.iter().rev().nth(count as usize).and_then(|frame| space(frame).get(index as usize).copied())
    };
    let (mut modules, mut components) = (Vec::new(), Vec::new());
    for alias in reader {
        match alias? {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                modules.push(outer(count, index, |frame| &frame.modules).unwrap_or_default());
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                components.push(outer(count, index, |frame| &frame.components).unwrap_or_default());
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => modules.push(Size::default()),
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => components.push(Size::default()),
            _ => {}
        }
    }
    if let Some(frame) = frames.last_mut() {
        frame.modules.append(&mut modules);
        frame.components.append(&mut components);
    }
    Ok(())
}

impl Frame {
    fn read_module(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory?;
                    self.total.memories += 1;
                    let page = memory.page_size_log2.unwrap_or(16);
                    let bytes = memory.initial.saturating_mul(1u64.checked_shl(page).unwrap_or(u64::MAX));
                    self.total.memory_bytes = self.total.memory_bytes.max(bytes);
                    self.total.memory_bytes_all = self.total.memory_bytes_all.saturating_add(bytes);
                    self.total.instance_bytes += OF_DEFINED;
                }
                self.total.memories_per_module = self.total.memories;
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.total.tables += 1;
                    let table = table?;
                    let elements = table.ty.initial;
                    self.total.instance_bytes += OF_DEFINED;
                    if let TableInit::Expr(expr) = &table.init {
                        self.named += names_functions(expr)?;
                    }
                    self.total.table_elements = self.total.table_elements.max(elements);
                    self.total.table_elements_all = self.total.table_elements_all.saturating_add(elements);
                }
                self.total.tables_per_module = self.total.tables;
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    self.functions += u64::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                    self.total.instance_bytes += OF_IMPORT;
                }
            }
            Payload::FunctionSection(reader) => self.functions += u64::from(reader.count()),
            Payload::GlobalSection(reader) => {
                self.total.instance_bytes += OF_GLOBAL * u64::from(reader.count());
                for global in reader {
                    self.named += names_functions(&global?.init_expr)?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    self.named += u64::from(matches!(export?.kind, ExternalKind::Func | ExternalKind::FuncExact));
                }
            }
            Payload::ElementSection(reader) => {
                self.total.instance_bytes += OF_SEGMENT * u64::from(reader.count());
                for element in reader {
                    match element?.items {
                        ElementItems::Functions(items) => self.named += u64::from(items.count()),
                        ElementItems::Expressions(_, items) => {
                            for item in items {
                                self.named += names_functions(&item?)?;
                            }
                        }
                    }
                }
            }
            Payload::DataSection(reader) => self.total.instance_bytes += OF_SEGMENT * u64::from(reader.count()),
            // It has a function of the engine's own.
            Payload::StartSection { .. } => self.total.instance_bytes += OF_FUNCTION,
            _ => {}
        }
        Ok(())
    }

    fn read_component(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentCanonicalSection(reader) => {
                self.total.instance_bytes_all =
                    self.total.instance_bytes_all.saturating_add(OF_CANONICAL * u64::from(reader.count()));
            }
            Payload::InstanceSection(reader) => {
                for instance in reader {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        let module = self.modules.get(module_index as usize).copied().unwrap_or_default();
                        self.total.add(Size { instances: 1, core_instances: 1, ..module });
                    }
                }
            }
            Payload::ComponentInstanceSection(reader) => {
                for instance in reader {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        let component = self.components.get(component_index as usize).copied().unwrap_or_default();
                        self.total.add(Size {
                            instances: component.instances.saturating_add(1),
                            instance_bytes_all: component.instance_bytes_all.saturating_add(OF_COMPONENT),
                            ..component
                        });
                    }
                }
            }
            Payload::ComponentImportSection(reader) => {
                for import in reader {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(Size::default()),
                        ComponentTypeRef::Component(_) => self.components.push(Size::default()),
                        _ => {}
                    }
                }
            }
            // An export is one more index of what it exports.
            Payload::ComponentExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    let space = match export.kind {
                        ComponentExternalKind::Module => &mut self.modules,
                        ComponentExternalKind::Component => &mut self.components,
                        _ => continue,
                    };
                    let size = space.get(export.index as usize).copied().unwrap_or_default();
                    space.push(size);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn size(wat: &str) -> Size {
        Size::of(&wat::parse_str(wat).unwrap()).unwrap()
    }

    #[test]
    fn what_is_instantiated_is_counted_and_nothing_else() {
        let sized = size(
            "(component
               (core module $unused (memory 9) (table 1 funcref))
               (core module $m (memory 2) (memory 3) (table 5 funcref) (table 4 funcref))
               (core instance (instantiate $m))
               (core instance (instantiate $m))
               (core module $none)
               (core instance (instantiate $none))
               (core instance $named))",
        );
        let expected = Size {
            instances: 3,
            core_instances: 3,
            memories: 4,
            tables: 4,
            memories_per_module: 2,
            tables_per_module: 2,
            memory_bytes: 3 << 16,
            table_elements: 5,
            memory_bytes_all: 10 << 16,
            table_elements_all: 18,
            instance_bytes: OF_INSTANCE + 4 * OF_DEFINED,
            instance_bytes_all: 3 * OF_INSTANCE + 8 * OF_DEFINED,
        };
        assert_eq!(sized, expected);
        assert_eq!(size("(component)"), Size::default());
    }

    #[test]
    fn what_the_engine_keeps_for_an_instance_is_counted() {
        let module = r#"(core module $m
            (import "a" "f" (func $f)) (import "a" "g" (global i32))
            (func $g) (func $h (ref.func $g) drop) (func)
            (table 9 funcref) (memory 1)
            (global (mut i32) (i32.const 0)) (global funcref (ref.func $g)) (global v128 (v128.const i64x2 0 0))
            (export "f" (func $f)) (export "f2" (func $f)) (export "h" (func $h))
            (elem (i32.const 0) $g $g $g $g $g $g) (elem func $g) (data "x"))"#;
        // Four functions, all of them taken for named.
        let bytes = OF_INSTANCE + 2 * OF_IMPORT + 2 * OF_DEFINED + 3 * OF_GLOBAL + 3 * OF_SEGMENT + 4 * OF_FUNCTION;
        let sized = size(&format!(
            r#"(component {module}
                 (core module $a (func (export "f")) (global (export "g") i32 (i32.const 0)))
                 (core instance $a (instantiate $a))
                 (core instance (instantiate $m (with "a" (instance $a))))
                 (core instance (instantiate $m (with "a" (instance $a)))))"#
        ));
        let other = OF_INSTANCE + OF_GLOBAL + OF_FUNCTION;
        assert_eq!((sized.instance_bytes, sized.instance_bytes_all), (bytes, 2 * bytes + other));
    }

    #[test]
    fn nested_components_count_as_often_as_they_are_instantiated() {
        let sized = size(
            "(component $outer
               (core module $m (memory 1))
               (component $a
                 (alias outer $outer $m (core module $outer_m))
                 (core instance (instantiate $outer_m)))
               (component $b
                 (alias outer $outer $a (component $outer_a))
                 (instance (instantiate $outer_a))
                 (instance (instantiate $outer_a)))
               (instance (instantiate $b))
               (instance (instantiate $b)))",
        );
        assert_eq!((sized.core_instances, sized.memories, sized.memory_bytes), (4, 4, 1 << 16));
        assert_eq!((sized.instances, sized.memory_bytes_all), (10, 4 << 16));
    }

    #[test]
    fn counting_exponentially_nested_components_does_not_overflow() {
        let mut wat =
            "(core module $m (memory 1)) (component $c0 (alias outer $o $m (core module $x)) (core instance (instantiate $x)))"
                .to_owned();
        for i in 0..70 {
            wat += &format!(
                "(component $c{} (alias outer $o $c{i} (component $x)) (instance (instantiate $x)) (instance (instantiate $x)))",
                i + 1
            );
        }
        let sized = size(&format!("(component $o {wat} (instance (instantiate $c70)))"));
        assert_eq!(sized.memories, u64::MAX);
    }
}
