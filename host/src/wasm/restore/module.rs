//! Rewrites the one core module that has a memory. Indices are only appended, so every
//! instruction that does not concern memory is copied unchanged.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, InstructionSink, MemorySection, MemoryType, Module, RawSection, SectionId, TypeSection, ValType,
};
use wasmparser::{DataKind, ExternalKind, FunctionBody, Operator, Parser, Payload};

use super::code::{self, Added, arg};
use super::layout::{
    Flavour, GRANULE_SHIFT, LOAD, MARK, MARKS, OVERLAY, OVERLAY_MEMORY, OVERLAY_REALLOC, PAGE, PAGES, RESTORE, SAVE,
};
use super::overlay::{self, OverlayLayout};
use super::source::{MainModule, known_type, len, reallocs, val_type};
use super::unsuitable::Unsuitable;

pub(super) fn rewrite(module: &[u8], memory_bytes: u64, flavour: Flavour) -> Result<Vec<u8>, Unsuitable> {
    let mut source = MainModule::read(module, memory_bytes)?;
    let overlay = match flavour {
        Flavour::Function => None,
        Flavour::Runtime => Some(OverlayLayout::of(&mut source, memory_bytes)?),
    };
    let memory_pages = memory_bytes / PAGE;
    let reallocs = reallocs(module, &source)?;
    let first = len(&source.funcs);
    let wrappers = len(&reallocs);
    let added = Added {
        mark: first + wrappers,
        grow: first + wrappers + 1,
        restore: first + wrappers + 2,
        pages: first + wrappers + 3,
        size_global: source.imported_globals + len(&source.globals),
        image_segment: source.segments,
        memory_pages,
    };

    let mut out = Module::new();
    // Sections in the order of the format; those that the source lacks are inserted in their place.
    let overlay = overlay.as_ref();
    let mut writer = ModuleWriter { out: &mut out, source: &source, added: &added, reallocs: &reallocs, overlay, done: 0 };
    let mut code = CodeSection::new();
    let mut names = None;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::Version { .. } | Payload::End(_) => {}
            Payload::CodeSectionStart { .. } => {}
            Payload::CodeSectionEntry(body) => {
                code.function(&rewrite_body(module, body, &source, &added, code.len())?);
                if code.len() + source.imported_funcs == first {
                    writer.before(SectionId::Code)?;
                    writer.append_code(&mut code)?;
                }
            }
            // Indices are only appended, so the names in traps are still right.
            Payload::CustomSection(section) if section.name() == "name" => names = Some(section.data()),
            Payload::CustomSection(_) => {}
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    writer.section(id, module, range, &payload)?;
                }
            }
        }
    }
    writer.finish()?;
    if let Some(data) = names {
        out.section(&CustomSection { name: "name".into(), data: data.into() });
    }
    Ok(out.finish())
}

struct ModuleWriter<'s, 'a> {
    out: &'s mut Module,
    source: &'s MainModule<'a>,
    added: &'s Added,
    reallocs: &'s [u32],
    /// Of a Runtime.
    overlay: Option<&'s OverlayLayout>,
    /// The position of the last section written.
    done: usize,
}

/// The sections that something is added to, in the order of the format.
const ORDER: [SectionId; 12] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

impl ModuleWriter<'_, '_> {
    /// Writes our sections that precede `id` and that the source lacks.
    fn before(&mut self, id: SectionId) -> Result<(), Unsuitable> {
        let position = ORDER.iter().position(|&known| known as u8 == id as u8).unwrap_or(0);
        while self.done < position {
            match ORDER[self.done] {
                SectionId::Global => self.globals(),
                SectionId::Export => self.exports(None)?,
                SectionId::DataCount => {
                    self.out.section(&DataCountSection { count: self.source.segments + 1 });
                }
                _ => {}
            }
            self.done += 1;
        }
        self.done = position + 1;
        Ok(())
    }

    fn section(&mut self, id: u8, module: &[u8], range: std::ops::Range<usize>, payload: &Payload<'_>) -> Result<(), Unsuitable> {
        let Some(known) = ORDER.into_iter().find(|&known| known as u8 == id) else {
            return Err(Unsuitable::Shape("it has an unknown section"));
        };
        self.before(known)?;
        match payload {
            Payload::TypeSection(_) => self.types(),
            Payload::FunctionSection(_) => self.functions(),
            Payload::MemorySection(_) => self.memories(),
            Payload::GlobalSection(_) => self.globals(),
            Payload::ExportSection(reader) => self.exports(Some(reader.clone()))?,
            Payload::DataCountSection { .. } => {
                self.out.section(&DataCountSection { count: self.source.segments + 1 });
            }
            Payload::DataSection(reader) => self.data(Some(reader.clone()))?,
            _ => {
                self.out.section(&RawSection { id, data: &module[range] });
            }
        }
        Ok(())
    }

    /// A module without data segments has no data section, but the image needs one.
    fn finish(mut self) -> Result<(), Unsuitable> {
        if self.done < ORDER.len() {
            self.before(SectionId::Data)?;
            self.data(None)?;
        }
        Ok(())
    }

    fn types(&mut self) {
        let mut section = TypeSection::new();
        for ty in &self.source.types {
            section.ty().function(ty.params().iter().map(|&ty| val_type(ty)), ty.results().iter().map(|&ty| val_type(ty)));
        }
        let i32 = ValType::I32;
        section.ty().function([i32, i32, i32, i32], [i32]);
        section.ty().function([i32, i32], []);
        section.ty().function([i32], [i32]);
        section.ty().function([], []);
        section.ty().function([], [i32]);
        self.out.section(&section);
    }

    fn functions(&mut self) {
        let mut section = FunctionSection::new();
        for &ty in &self.source.funcs[self.source.imported_funcs as usize..] {
            section.function(ty);
        }
        let first = len(&self.source.types);
        for _ in self.reallocs {
            section.function(first);
        }
        section.function(first + 1).function(first + 2).function(first + 3).function(first + 4);
        if self.overlay.is_some() {
            section.function(first + 4).function(first + 1).function(first);
        }
        self.out.section(&section);
    }

    fn memories(&mut self) {
        let mut section = MemorySection::new();
        let memory = |pages| MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
        section.memory(memory(self.added.memory_pages));
        section.memory(MemoryType { maximum: Some(1), ..memory(1) });
        if self.overlay.is_some() {
            section.memory(MemoryType { maximum: Some(overlay::PAGES), ..memory(overlay::PAGES) });
        }
        self.out.section(&section);
    }

    fn globals(&mut self) {
        let mut section = GlobalSection::new();
        for global in &self.source.globals {
            let ty = GlobalType { val_type: val_type(global.ty.content_type), mutable: global.ty.mutable, shared: false };
            section.global(ty, &const_expr(&global.init_expr));
        }
        let pages = i32::try_from(self.source.initial_pages).expect("a 32-bit memory has at most 65,536 pages");
        section.global(GlobalType { val_type: ValType::I32, mutable: true, shared: false }, &ConstExpr::i32_const(pages));
        self.out.section(&section);
    }

    fn exports(&mut self, reader: Option<wasmparser::ExportSectionReader<'_>>) -> Result<(), Unsuitable> {
        let mut section = ExportSection::new();
        for export in reader.into_iter().flatten() {
            let export = export?;
            let kind = match export.kind {
                ExternalKind::Func => ExportKind::Func,
                ExternalKind::Table => ExportKind::Table,
                ExternalKind::Memory => ExportKind::Memory,
                ExternalKind::Global => ExportKind::Global,
                _ => return Err(Unsuitable::Shape("it exports tags")),
            };
            let wrapper = self.reallocs.iter().position(|&realloc| kind == ExportKind::Func && realloc == export.index);
            let index = match wrapper {
                Some(i) => len(&self.source.funcs) + u32::try_from(i).expect("few"),
                None => export.index,
            };
            section.export(export.name, kind, index);
        }
        section.export(RESTORE, ExportKind::Func, self.added.restore);
        section.export(PAGES, ExportKind::Func, self.added.pages);
        section.export(MARK, ExportKind::Func, self.added.mark);
        if self.overlay.is_some() {
            let first = self.added.pages + 1;
            section.export(SAVE, ExportKind::Func, first);
            section.export(LOAD, ExportKind::Func, first + 1);
            section.export(OVERLAY_REALLOC, ExportKind::Func, first + 2);
            section.export(OVERLAY_MEMORY, ExportKind::Memory, OVERLAY);
        }
        self.out.section(&section);
        Ok(())
    }

    fn data(&mut self, reader: Option<wasmparser::DataSectionReader<'_>>) -> Result<(), Unsuitable> {
        let mut section = DataSection::new();
        for segment in reader.into_iter().flatten() {
            let segment = segment?;
            match segment.kind {
                DataKind::Passive => section.passive(segment.data.iter().copied()),
                DataKind::Active { offset_expr, .. } => {
                    section.active(0, &const_expr(&offset_expr), segment.data.iter().copied())
                }
            };
        }
        section.passive(self.source.image.iter().copied());
        self.out.section(&section);
        Ok(())
    }

    fn append_code(&mut self, code: &mut CodeSection) -> Result<(), Unsuitable> {
        for &realloc in self.reallocs {
            code.function(&code::realloc_body(realloc, self.added));
        }
        code.function(&code::mark_body(self.added));
        code.function(&code::grow_body(self.source, self.added));
        code.function(&match self.overlay {
            None => code::restore_body(self.source, self.added)?,
            Some(overlay) => overlay.restore_body(self.added),
        });
        code.function(&code::pages_body(self.added));
        if let Some(overlay) = self.overlay {
            code.function(&overlay.save_body(self.added));
            code.function(&overlay.load_body());
            code.function(&overlay.realloc_body());
        }
        self.out.section(code);
        Ok(())
    }
}

fn const_expr(expr: &wasmparser::ConstExpr<'_>) -> ConstExpr {
    let mut reader = expr.get_binary_reader();
    let length = reader.bytes_remaining();
    let bytes = reader.read_bytes(length).expect("as many as remain");
    // `ConstExpr` adds the `end` itself.
    ConstExpr::raw(bytes[..length - 1].iter().copied())
}

/// Copies a body: marks before every store, and replaces `memory.size` and `memory.grow`.
fn rewrite_body(
    module: &[u8],
    body: &FunctionBody<'_>,
    source: &MainModule<'_>,
    added: &Added,
    index: u32,
) -> Result<Function, Unsuitable> {
    let params = len(source.func_type(source.imported_funcs + index)?.params());
    let mut locals = Vec::new();
    let mut declared = params;
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        known_type(ty)?;
        locals.push((count, val_type(ty)));
        declared = declared.checked_add(count).ok_or(Unsuitable::Shape("a function has too many locals"))?;
    }
    let mut spill = Spill { first: declared, types: Vec::new() };

    let mut reader = body.get_operators_reader()?;
    let mut pieces: Vec<u8> = Vec::with_capacity(body.range().len() * 2);
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read()?;
        let original = &module[start..reader.original_position()];
        let mut sink = InstructionSink::new(&mut pieces);
        match store(&operator) {
            Some((offset, ty)) => {
                let offset = u32::try_from(offset).map_err(|_| Unsuitable::Shape("a store's offset is over 32 bits"))?;
                let (address, value) = (spill.local(ValType::I32, 0), spill.local(ty, 1));
                sink.local_set(value).local_tee(address).local_get(address);
                sink.i32_const(offset.cast_signed()).i32_add();
                sink.i32_const(GRANULE_SHIFT.cast_signed()).i32_shr_u();
                sink.i32_const(1).i32_store8(arg(MARKS, 0));
                sink.local_get(value);
                pieces.extend_from_slice(original);
            }
            None => match operator {
                Operator::MemorySize { .. } => {
                    sink.global_get(added.size_global);
                }
                Operator::MemoryGrow { .. } => {
                    sink.call(added.grow);
                }
                Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. } => {
                    let (a, b, n) = (spill.local(ValType::I32, 0), spill.local(ValType::I32, 1), spill.local(ValType::I32, 2));
                    sink.local_set(n).local_set(b).local_tee(a).local_get(n).call(added.mark);
                    sink.local_get(a).local_get(b).local_get(n);
                    pieces.extend_from_slice(original);
                }
                // Atomics and garbage-collected types are off in the engine, so nothing else writes.
                _ => pieces.extend_from_slice(original),
            },
        }
    }
    locals.extend(spill.types.iter().map(|&(ty, _)| (1, ty)));
    let mut function = Function::new(locals);
    function.raw(pieces);
    Ok(function)
}

/// Locals added to a function to hold what a rewritten instruction works on.
struct Spill {
    first: u32,
    types: Vec<(ValType, u32)>,
}

impl Spill {
    fn local(&mut self, ty: ValType, slot: u32) -> u32 {
        let at = self.types.iter().position(|&known| known == (ty, slot)).unwrap_or_else(|| {
            self.types.push((ty, slot));
            self.types.len() - 1
        });
        self.first + u32::try_from(at).expect("few")
    }
}

/// The offset and the value's type of a store.
fn store(operator: &Operator<'_>) -> Option<(u64, ValType)> {
    Some(match operator {
        Operator::I32Store { memarg } | Operator::I32Store8 { memarg } | Operator::I32Store16 { memarg } => {
            (memarg.offset, ValType::I32)
        }
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => (memarg.offset, ValType::I64),
        Operator::F32Store { memarg } => (memarg.offset, ValType::F32),
        Operator::F64Store { memarg } => (memarg.offset, ValType::F64),
        Operator::V128Store { memarg }
        | Operator::V128Store8Lane { memarg, .. }
        | Operator::V128Store16Lane { memarg, .. }
        | Operator::V128Store32Lane { memarg, .. }
        | Operator::V128Store64Lane { memarg, .. } => (memarg.offset, ValType::V128),
        _ => return None,
    })
}
