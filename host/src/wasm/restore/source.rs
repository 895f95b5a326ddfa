//! Reads the main module, the one with a memory, before it is rewritten; and checks what makes a module unsuitable.

use wasm_encoder::ValType;
use wasmparser::{
    CompositeInnerType, DataKind, DataSectionReader, ExternalKind, FuncType, FunctionBody, GlobalSectionReader,
    ImportSectionReader, MemorySectionReader, Operator, Parser, Payload, TypeRef, TypeSectionReader,
};

use super::layout::PAGE;
use super::unsuitable::Unsuitable;
use crate::limits::restore as limits;

const ODD_MEMORIES: &str = "it has several, 64-bit, shared or odd-paged memories";

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

/// The main module, as far as it must be known to rewrite it.
pub(super) struct MainModule<'a> {
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

impl<'a> MainModule<'a> {
    pub(super) fn read(module: &'a [u8], memory_bytes: u64) -> Result<MainModule<'a>, Unsuitable> {
        let mut source = MainModule {
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
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(reader) => source.read_types(reader)?,
                Payload::ImportSection(reader) => source.read_imports(reader)?,
                Payload::FunctionSection(reader) => {
                    for ty in reader {
                        source.funcs.push(ty?);
                    }
                }
                Payload::MemorySection(reader) => source.read_memory(reader, memory_bytes)?,
                Payload::GlobalSection(reader) => source.read_globals(reader)?,
                Payload::DataSection(reader) => source.read_data(reader)?,
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

    fn read_types(&mut self, reader: TypeSectionReader<'_>) -> Result<(), Unsuitable> {
        for group in reader {
            let group = group?;
            for ty in group.types() {
                match &ty.composite_type.inner {
                    CompositeInnerType::Func(func) if !group.is_explicit_rec_group() => {
                        func.params().iter().chain(func.results()).try_for_each(|&ty| known_type(ty))?;
                        self.types.push(func.clone());
                    }
                    _ => return Err(Unsuitable::Shape("it uses garbage-collected types")),
                }
            }
        }
        Ok(())
    }

    fn read_imports(&mut self, reader: ImportSectionReader<'_>) -> Result<(), Unsuitable> {
        for import in reader.into_imports() {
            match import?.ty {
                TypeRef::Func(ty) => {
                    self.imported_funcs += 1;
                    self.funcs.push(ty);
                }
                TypeRef::Global(_) => self.imported_globals += 1,
                TypeRef::Table(_) => {}
                _ => return Err(Unsuitable::Shape("its main module imports a memory or a tag")),
            }
        }
        Ok(())
    }

    fn read_memory(&mut self, reader: MemorySectionReader<'_>, memory_bytes: u64) -> Result<(), Unsuitable> {
        if reader.count() > 1 {
            return Err(Unsuitable::Shape(ODD_MEMORIES));
        }
        for memory in reader {
            let memory = memory?;
            if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                return Err(Unsuitable::Shape(ODD_MEMORIES));
            }
            // Before the image is made, which is as long as the memory at most.
            if memory.initial > memory_bytes / PAGE {
                return Err(Unsuitable::Memory { initial_bytes: memory.initial * PAGE, limit_bytes: memory_bytes });
            }
            self.initial_pages = memory.initial;
            self.maximum_pages = memory.maximum;
        }
        Ok(())
    }

    fn read_globals(&mut self, reader: GlobalSectionReader<'a>) -> Result<(), Unsuitable> {
        for global in reader {
            let global = global?;
            known_type(global.ty.content_type)?;
            self.globals.push(global);
        }
        let mutable = self.globals.iter().filter(|global| global.ty.mutable).count();
        if mutable > limits::GLOBALS {
            return Err(Unsuitable::Globals { count: mutable, max: limits::GLOBALS });
        }
        Ok(())
    }

    fn read_data(&mut self, reader: DataSectionReader<'_>) -> Result<(), Unsuitable> {
        self.segments = reader.count();
        for segment in reader {
            let segment = segment?;
            if let DataKind::Active { offset_expr, .. } = segment.kind {
                self.place(&offset_expr, segment.data)?;
            }
        }
        Ok(())
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

    pub(super) fn func_type(&self, func: u32) -> Result<&FuncType, Unsuitable> {
        let ty = self.funcs.get(func as usize).and_then(|&ty| self.types.get(ty as usize));
        ty.ok_or(Unsuitable::Shape("a function has no type"))
    }
}

/// Exported functions of the type of `cabi_realloc`: each is replaced by one that marks what it returns.
pub(super) fn reallocs(module: &[u8], source: &MainModule<'_>) -> Result<Vec<u32>, Unsuitable> {
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

pub(super) fn known_type(ty: wasmparser::ValType) -> Result<(), Unsuitable> {
    match ty {
        wasmparser::ValType::Ref(ty) if !ty.is_nullable() || !(ty.is_func_ref() || ty.is_extern_ref()) => {
            Err(Unsuitable::Shape("it uses typed references"))
        }
        _ => Ok(()),
    }
}

pub(super) fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("a validated module has fewer than 2^32 of anything")
}

/// Types other than these were refused when the source was read.
pub(super) fn val_type(ty: wasmparser::ValType) -> ValType {
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
