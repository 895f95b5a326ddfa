//! Reads one core module of a component, and writes it anew with its state imported.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, DataSection, ElementSection, EntityType, ExportSection, GlobalSection, GlobalType, ImportSection, MemoryType,
    Module, RawSection, SectionId, TableSection,
};
use wasmparser::{DataKind, ExternalKind, Global, Operator, Parser, Payload, TypeRef};

use super::names::{CannotSnapshot, STATE};
use super::state;

/// What must be known of a module.
pub(super) struct ModuleOutline<'a> {
    /// In the order of their numbers: module and field.
    pub(super) imported_globals: Vec<(&'a str, &'a str)>,
    pub(super) globals: Vec<Global<'a>>,
    pub(super) memories: Vec<wasmparser::MemoryType>,
    /// Data segments that are copied at the start.
    pub(super) segments: Vec<(wasmparser::ConstExpr<'a>, &'a [u8])>,
    /// The globals that some code of it sets.
    pub(super) set: Vec<u32>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
    /// Which of its own globals become which of the state's, by their numbers; and of which types.
    pub(super) taken: BTreeMap<u32, u32>,
    pub(super) state_types: Vec<GlobalType>,
    pub(super) memory: MemoryType,
}

impl<'a> ModuleOutline<'a> {
    pub(super) fn read(module: &'a [u8]) -> Result<ModuleOutline<'a>, CannotSnapshot> {
        let memory = state::StateLayout::default().memory_type();
        let mut outline = ModuleOutline {
            imported_globals: Vec::new(),
            globals: Vec::new(),
            memories: Vec::new(),
            segments: Vec::new(),
            set: Vec::new(),
            exports: Vec::new(),
            taken: BTreeMap::new(),
            state_types: Vec::new(),
            memory,
        };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        let import = import?;
                        if import.module == STATE {
                            return Err(CannotSnapshot::Shape("it imports or exports a reserved name"));
                        }
                        if let TypeRef::Global(_) = import.ty {
                            outline.imported_globals.push((import.module, import.name));
                        }
                    }
                }
                Payload::MemorySection(reader) => {
                    for memory in reader {
                        outline.memories.push(memory?);
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader {
                        outline.globals.push(global?);
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        outline.exports.push((export.name, export.kind, export.index));
                    }
                }
                Payload::DataSection(reader) => {
                    for data in reader {
                        let data = data?;
                        if let DataKind::Active { offset_expr, .. } = data.kind {
                            outline.segments.push((offset_expr, data.data));
                        }
                    }
                }
                Payload::TagSection(_) => return Err(CannotSnapshot::Shape("it uses exceptions")),
                Payload::StartSection { .. } => return Err(CannotSnapshot::Shape("a module has a start function")),
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        outline.operator(&operator?)?;
                    }
                }
                _ => {}
            }
        }
        outline.set.sort_unstable();
        outline.set.dedup();
        Ok(outline)
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), CannotSnapshot> {
        match operator {
            Operator::GlobalSet { global_index } => self.set.push(*global_index),
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. } => return Err(CannotSnapshot::Shape("its code changes a table")),
            Operator::DataDrop { .. } => return Err(CannotSnapshot::Shape("its code drops a data segment")),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn exports(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        self.exports.iter().find(|(known, of, _)| *known == name && *of == kind).map(|(_, _, index)| *index)
    }

    /// Whether an instance of it has state of its own.
    pub(super) fn has_state(&self) -> bool {
        !self.memories.is_empty() || !self.set.is_empty() || !self.segments.is_empty()
    }

    pub(super) fn is_given_state(&self) -> bool {
        !self.memories.is_empty() || !self.taken.is_empty()
    }

    pub(super) fn is_rewritten(&self) -> bool {
        self.is_given_state() || !self.segments.is_empty()
    }

    fn imported(&self) -> u32 {
        u32::try_from(self.imported_globals.len()).expect("as many as a module has")
    }
}

/// Writes a module with its memory and the taken globals imported, and its segments empty.
pub(super) fn rewritten(module: &[u8], outline: &ModuleOutline<'_>) -> Result<Vec<u8>, CannotSnapshot> {
    let mut rewriter = Rewriter { outline, out: Module::new(), has_imports: false, bodies: 0, code: CodeSection::new() };
    for payload in Parser::new(0).parse_all(module) {
        rewriter.payload(module, &payload?).map_err(|error| match error {
            Error::ParseError(error) => CannotSnapshot::Parse(error),
            error => CannotSnapshot::Write(error.to_string()),
        })?;
    }
    Ok(rewriter.out.finish())
}

struct Rewriter<'s, 'a> {
    outline: &'s ModuleOutline<'a>,
    out: Module,
    /// The imports have been written.
    has_imports: bool,
    /// Functions of the module, and those that have been written.
    bodies: u32,
    code: CodeSection,
}

impl Reencode for Rewriter<'_, '_> {
    type Error = std::convert::Infallible;

    /// Taken globals follow those that were imported before; the others close the gaps.
    fn global_index(&mut self, global: u32) -> Result<u32, Error> {
        let (imported, taken) = (self.outline.imported(), &self.outline.taken);
        if global < imported {
            return Ok(global);
        }
        let before = u32::try_from(taken.range(..global).count()).expect("as many as a module has");
        if taken.contains_key(&global) {
            return Ok(imported + before);
        }
        Ok(global + u32::try_from(taken.len()).expect("as many as a module has") - before)
    }
}

impl Rewriter<'_, '_> {
    fn payload(&mut self, module: &[u8], payload: &Payload<'_>) -> Result<(), Error> {
        let section = payload.as_section();
        // A module may have no imports yet: ours come behind the types.
        if section.as_ref().is_some_and(|(id, _)| *id > u8::from(SectionId::Import)) {
            self.imports(ImportSection::new());
        }
        match payload {
            Payload::ImportSection(reader) => {
                let mut section = ImportSection::new();
                self.parse_import_section(&mut section, reader.clone())?;
                self.imports(section);
            }
            Payload::TableSection(reader) => {
                let mut section = TableSection::new();
                self.parse_table_section(&mut section, reader.clone())?;
                self.out.section(&section);
            }
            Payload::MemorySection(_) => {}
            Payload::GlobalSection(reader) => {
                let mut section = GlobalSection::new();
                for (index, global) in (self.outline.imported()..).zip(reader.clone()) {
                    if !self.outline.taken.contains_key(&index) {
                        self.parse_global(&mut section, global?)?;
                    }
                }
                self.out.section(&section);
            }
            Payload::ExportSection(reader) => {
                let mut section = ExportSection::new();
                self.parse_export_section(&mut section, reader.clone())?;
                self.out.section(&section);
            }
            Payload::ElementSection(reader) => {
                let mut section = ElementSection::new();
                self.parse_element_section(&mut section, reader.clone())?;
                self.out.section(&section);
            }
            Payload::CodeSectionStart { count, .. } => self.bodies = *count,
            Payload::CodeSectionEntry(body) => {
                let mut code = std::mem::take(&mut self.code);
                self.parse_function_body(&mut code, body.clone())?;
                if code.len() == self.bodies {
                    self.out.section(&code);
                }
                self.code = code;
            }
            Payload::DataSection(reader) => {
                let mut section = DataSection::new();
                for data in reader.clone() {
                    let data = data?;
                    match data.kind {
                        DataKind::Passive => section.passive(data.data.iter().copied()),
                        // What was copied at the start has nothing left that could be copied.
                        DataKind::Active { .. } => section.passive([]),
                    };
                }
                self.out.section(&section);
            }
            _ => {
                if let Some((id, range)) = section {
                    self.out.section(&RawSection { id, data: &module[range] });
                }
            }
        }
        Ok(())
    }

    /// Writes the imports, once: these, and those of the state.
    fn imports(&mut self, mut section: ImportSection) {
        if std::mem::replace(&mut self.has_imports, true) {
            return;
        }
        if !self.outline.memories.is_empty() {
            section.import(STATE, state::MEMORY, EntityType::Memory(self.outline.memory));
        }
        for (number, ty) in self.outline.taken.values().zip(&self.outline.state_types) {
            section.import(STATE, &number.to_string(), EntityType::Global(*ty));
        }
        if !section.is_empty() {
            self.out.section(&section);
        }
    }
}
