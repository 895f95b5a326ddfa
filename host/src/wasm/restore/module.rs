//! The rewriting of the one core module that has a memory. Indices are only appended, so every
//! instruction that is not about memory is copied as it is.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, InstructionSink, MemorySection, MemoryType, Module, RawSection, SectionId, TypeSection, ValType,
};
use wasmparser::{CompositeInnerType, DataKind, ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef};

use super::Unsuitable;
use super::code::{self, MARKS, arg};
use crate::limits::restore as limits;

pub(super) const PAGE: u64 = 65_536;
/// A mark stands for `1 << GRANULE_SHIFT` bytes of memory: small enough that little is copied for a
/// scattered write, large enough that the scan of all marks stays short.
pub(super) const GRANULE_SHIFT: u32 = 10;
/// Whether this module has a memory; an error if it has anything else that a call could change.
pub(super) fn is_main(module: &[u8]) -> Result<bool, Unsuitable> {
    let mut has_memory = false;
    let mut mutable_global = false;
    let mut changes = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    match import?.ty {
                        TypeRef::Memory(_) => return Err(Unsuitable::Shape("a module imports a memory")),
                        TypeRef::Global(ty) if ty.mutable => return Err(Unsuitable::Shape("a module imports a mutable global")),
                        TypeRef::Tag(_) => return Err(Unsuitable::Shape("a module imports a tag")),
                        _ => {}
                    }
                }
            }
            Payload::MemorySection(reader) => has_memory |= reader.count() > 0,
            Payload::GlobalSection(reader) => {
                for global in reader {
                    mutable_global |= global?.ty.mutable;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    // What is added has such names, and nobody else may be called by them.
                    if export?.name.starts_with("edgeward-") {
                        return Err(Unsuitable::Shape("it exports a reserved name"));
                    }
                }
            }
            Payload::TagSection(_) => return Err(Unsuitable::Shape("it uses exceptions")),
            Payload::StartSection { .. } => return Err(Unsuitable::Shape("a module has a start function")),
            Payload::CodeSectionEntry(body) => changes = changes.or(changes_tables_or_segments(&body)?),
            _ => {}
        }
    }
    if let Some(why) = changes {
        return Err(Unsuitable::Shape(why));
    }
    if mutable_global && !has_memory {
        return Err(Unsuitable::Shape("a module without memory has mutable globals"));
    }
    Ok(has_memory)
}

fn changes_tables_or_segments(body: &FunctionBody<'_>) -> Result<Option<&'static str>, Unsuitable> {
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        match reader.read()? {
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => return Ok(Some("its code changes tables")),
            Operator::DataDrop { .. } | Operator::ElemDrop { .. } => return Ok(Some("its code drops segments")),
            _ => {}
        }
    }
    Ok(None)
}

/// What is read off the module before it is written anew.
pub(super) struct Source<'a> {
    pub(super) types: Vec<FuncType>,
    /// Type of each function, imported ones first.
    pub(super) funcs: Vec<u32>,
    pub(super) imported_funcs: u32,
    pub(super) imported_globals: u32,
    pub(super) initial_pages: u64,
    pub(super) maximum_pages: Option<u64>,
    pub(super) globals: Vec<wasmparser::Global<'a>>,
    pub(super) segments: u32,
    /// The first content of the memory, up to its last byte that is not zero.
    pub(super) image: Vec<u8>,
}

/// Indices of what is appended.
pub(super) struct Added {
    pub(super) mark: u32,
    pub(super) grow: u32,
    pub(super) restore: u32,
    pub(super) pages: u32,
    /// The size in pages that the guest sees.
    pub(super) size_global: u32,
    pub(super) image_segment: u32,
    pub(super) memory_pages: u64,
}

pub(super) fn rewrite(module: &[u8], memory_bytes: u64) -> Result<Vec<u8>, Unsuitable> {
    let source = Source::read(module, memory_bytes)?;
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
    // Sections in the order of the format; those that are absent in the source are made when their turn comes.
    let mut writer = Writer { out: &mut out, source: &source, added: &added, reallocs: &reallocs, done: 0 };
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
            // Indices are only appended, so what is called by a name still is; a trap tells it.
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

fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("a validated module has fewer than 2^32 of anything")
}

impl<'a> Source<'a> {
    fn read(module: &'a [u8], memory_bytes: u64) -> Result<Source<'a>, Unsuitable> {
        let mut source = Source {
            types: Vec::new(),
            funcs: Vec::new(),
            imported_funcs: 0,
            imported_globals: 0,
            initial_pages: 0,
            maximum_pages: None,
            globals: Vec::new(),
            segments: 0,
            image: Vec::new(),
        };
        let mut memories = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(reader) => {
                    for group in reader {
                        let group = group?;
                        for ty in group.types() {
                            match &ty.composite_type.inner {
                                CompositeInnerType::Func(func) if !group.is_explicit_rec_group() => {
                                    func.params().iter().chain(func.results()).try_for_each(|&ty| known_type(ty))?;
                                    source.types.push(func.clone());
                                }
                                _ => return Err(Unsuitable::Shape("it uses garbage-collected types")),
                            }
                        }
                    }
                }
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        match import?.ty {
                            TypeRef::Func(ty) => {
                                source.imported_funcs += 1;
                                source.funcs.push(ty);
                            }
                            TypeRef::Global(_) => source.imported_globals += 1,
                            TypeRef::Table(_) => {}
                            _ => return Err(Unsuitable::Shape("its main module imports a memory or a tag")),
                        }
                    }
                }
                Payload::FunctionSection(reader) => {
                    for ty in reader {
                        source.funcs.push(ty?);
                    }
                }
                Payload::MemorySection(reader) => {
                    for memory in reader {
                        let memory = memory?;
                        memories += 1;
                        if memories > 1 || memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                            return Err(Unsuitable::Shape("it has several, 64-bit, shared or odd-paged memories"));
                        }
                        // Before the image is made, which is as long as the memory at most.
                        if memory.initial > memory_bytes / PAGE {
                            return Err(Unsuitable::Memory { initial_bytes: memory.initial * PAGE, limit_bytes: memory_bytes });
                        }
                        source.initial_pages = memory.initial;
                        source.maximum_pages = memory.maximum;
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader {
                        let global = global?;
                        known_type(global.ty.content_type)?;
                        source.globals.push(global);
                    }
                    let mutable = source.globals.iter().filter(|global| global.ty.mutable).count();
                    if mutable > limits::GLOBALS {
                        return Err(Unsuitable::Globals { count: mutable, max: limits::GLOBALS });
                    }
                }
                Payload::DataSection(reader) => {
                    source.segments = reader.count();
                    for segment in reader {
                        let segment = segment?;
                        if let DataKind::Active { offset_expr, .. } = segment.kind {
                            source.place(&offset_expr, segment.data)?;
                        }
                    }
                }
                _ => {}
            }
        }
        if source.funcs.len() == source.imported_funcs as usize {
            return Err(Unsuitable::Shape("its main module has no code"));
        }
        while source.image.last() == Some(&0) {
            source.image.pop();
        }
        Ok(source)
    }

    fn place(&mut self, offset: &wasmparser::ConstExpr<'_>, data: &[u8]) -> Result<(), Unsuitable> {
        let mut reader = offset.get_operators_reader();
        let (Operator::I32Const { value }, Operator::End) = (reader.read()?, reader.read()?) else {
            return Err(Unsuitable::Shape("a data segment's place is not a constant"));
        };
        let start = value.cast_unsigned() as usize;
        let end = start + data.len();
        if end as u64 > self.initial_pages * PAGE {
            return Err(Unsuitable::Shape("a data segment is outside its memory"));
        }
        if self.image.len() < end {
            self.image.resize(end, 0);
        }
        self.image[start..end].copy_from_slice(data);
        Ok(())
    }

    fn func_type(&self, func: u32) -> Result<&FuncType, Unsuitable> {
        let ty = self.funcs.get(func as usize).and_then(|&ty| self.types.get(ty as usize));
        ty.ok_or(Unsuitable::Shape("a function has no type"))
    }
}

/// Exported functions of the type of `cabi_realloc`: each is replaced by one that marks what it returns.
fn reallocs(module: &[u8], source: &Source<'_>) -> Result<Vec<u32>, Unsuitable> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(reader) = payload? {
            for export in reader {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    let ty = source.func_type(export.index)?;
                    if ty.params() == [wasmparser::ValType::I32; 4]
                        && ty.results() == [wasmparser::ValType::I32]
                        && !found.contains(&export.index)
                    {
                        found.push(export.index);
                    }
                }
            }
        }
    }
    Ok(found)
}

struct Writer<'s, 'a> {
    out: &'s mut Module,
    source: &'s Source<'a>,
    added: &'s Added,
    reallocs: &'s [u32],
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

impl Writer<'_, '_> {
    /// Writes those of our sections that come before `id` and that the source did not have.
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
        self.out.section(&section);
    }

    fn memories(&mut self) {
        let mut section = MemorySection::new();
        let memory = |pages| MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
        section.memory(memory(self.added.memory_pages));
        section.memory(MemoryType { maximum: Some(1), ..memory(1) });
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
        section.export(super::RESTORE, ExportKind::Func, self.added.restore);
        section.export(super::PAGES, ExportKind::Func, self.added.pages);
        section.export(super::guard::MARK, ExportKind::Func, self.added.mark);
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
        code.function(&code::restore_body(self.source, self.added)?);
        code.function(&code::pages_body(self.added));
        self.out.section(code);
        Ok(())
    }
}

/// Types other than these were refused when the source was read.
fn val_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) if ty.is_extern_ref() => ValType::EXTERNREF,
        wasmparser::ValType::Ref(_) => ValType::FUNCREF,
    }
}

fn known_type(ty: wasmparser::ValType) -> Result<(), Unsuitable> {
    match ty {
        wasmparser::ValType::Ref(ty) if !ty.is_nullable() || !(ty.is_func_ref() || ty.is_extern_ref()) => {
            Err(Unsuitable::Shape("it uses typed references"))
        }
        _ => Ok(()),
    }
}

fn const_expr(expr: &wasmparser::ConstExpr<'_>) -> ConstExpr {
    let mut reader = expr.get_binary_reader();
    let length = reader.bytes_remaining();
    let bytes = reader.read_bytes(length).expect("as many as remain");
    // `ConstExpr` adds the `end` itself.
    ConstExpr::raw(bytes[..length - 1].iter().copied())
}

/// Copies a body, and puts a mark before every store and a call where the memory's size is asked for.
fn rewrite_body(
    module: &[u8],
    body: &FunctionBody<'_>,
    source: &Source<'_>,
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
