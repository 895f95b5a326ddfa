//! The rewriting of a core module that is given lowered functions of the host whose results are written to the main
//! memory: wherever its code, its tables or its exports name such an import, they name a wrapper instead, which marks
//! what the host may write before it calls the import.
//!
//! An import can be reached by its index alone, and every index in the module passes through `function_index`; so
//! nobody calls, stores or passes on the import itself. Indices of functions move by one (the import of `mark`);
//! nothing else moves.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, EntityType, Function, FunctionSection, ImportSection, Module, SectionId, TypeSection, ValType};
use wasmparser::{CompositeInnerType, FuncType, Parser, Payload, TypeRef};

use super::layout::{ARGUMENT, MARK};
use super::unsuitable::Unsuitable;

/// A function import whose results the host writes through its last parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuardedImport {
    /// Among the imported functions.
    pub(super) import: u32,
    /// Bytes that the host may write.
    pub(super) area: u32,
}

/// A module's imported functions, in order: module, field and type.
pub(super) fn imported_funcs(module: &[u8]) -> Result<Vec<(&str, &str, u32)>, Unsuitable> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(reader) = payload? {
            for import in reader.into_imports() {
                let import = import?;
                match import.ty {
                    TypeRef::Func(ty) => found.push((import.module, import.name, ty)),
                    TypeRef::FuncExact(_) => return Err(Unsuitable::Shape("it uses garbage-collected types")),
                    _ => {}
                }
            }
        }
    }
    Ok(found)
}

pub(super) fn guard(module: &[u8], guarded: &[GuardedImport]) -> Result<Vec<u8>, Unsuitable> {
    let mut types = Vec::new();
    let mut defined = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(reader) => {
                for group in reader {
                    let group = group?;
                    for ty in group.types() {
                        match &ty.composite_type.inner {
                            CompositeInnerType::Func(func) if !group.is_explicit_rec_group() => types.push(func.clone()),
                            _ => return Err(Unsuitable::Shape("it uses garbage-collected types")),
                        }
                    }
                }
            }
            Payload::FunctionSection(reader) => defined = reader.count(),
            _ => {}
        }
    }
    let imports: Vec<u32> = imported_funcs(module)?.into_iter().map(|(_, _, ty)| ty).collect();
    let mut guard = Guard { types, imports, defined, guarded };
    let mut out = Module::new();
    guard.parse_core_module(&mut out, Parser::new(0), module).map_err(|error| Unsuitable::Guard(error.to_string()))?;
    Ok(out.finish())
}

struct Guard<'g> {
    types: Vec<FuncType>,
    /// The types of imported functions.
    imports: Vec<u32>,
    defined: u32,
    guarded: &'g [GuardedImport],
}

fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("a validated module has fewer than 2^32 of anything")
}

impl Guard<'_> {
    /// The index of the imported `mark`: behind all imports of the module's own.
    fn mark(&self) -> u32 {
        len(&self.imports)
    }

    fn add_functions(&self, functions: &mut FunctionSection) {
        for guarded in self.guarded {
            functions.function(self.imports[guarded.import as usize]);
        }
    }

    fn add_code(&self, code: &mut CodeSection) {
        for guarded in self.guarded {
            let params = len(self.types[self.imports[guarded.import as usize] as usize].params());
            let mut function = Function::new([]);
            let mut f = function.instructions();
            if let Some(last) = params.checked_sub(1) {
                f.local_get(last).i32_const(guarded.area.cast_signed()).call(self.mark());
            }
            for param in 0..params {
                f.local_get(param);
            }
            f.call(guarded.import).end();
            code.function(&function);
        }
    }
}

/// Where in a module the sections stand that it may lack and that are added to.
fn order(section: Option<SectionId>) -> u8 {
    match section {
        None => u8::MAX,
        Some(SectionId::Type) => 1,
        Some(SectionId::Import) => 2,
        Some(SectionId::Function) => 3,
        Some(SectionId::Table) => 4,
        Some(SectionId::Memory) => 5,
        Some(SectionId::Tag) => 6,
        Some(SectionId::Global) => 7,
        Some(SectionId::Export) => 8,
        Some(SectionId::Start) => 9,
        Some(SectionId::Element) => 10,
        Some(SectionId::DataCount) => 11,
        Some(SectionId::Code) => 12,
        Some(_) => 13,
    }
}

impl Reencode for Guard<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, Error<Self::Error>> {
        if func >= self.mark() {
            return Ok(func + 1);
        }
        let wrapper = self.guarded.iter().position(|guarded| guarded.import == func);
        Ok(wrapper.map_or(func, |at| self.mark() + 1 + self.defined + u32::try_from(at).expect("few")))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32, ValType::I32], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_import_section(self, imports, section)?;
        imports.import(ARGUMENT, MARK, EntityType::Function(len(&self.types)));
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        self.add_functions(functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        self.add_code(code);
        Ok(())
    }

    /// A module without functions of its own has neither of the two sections. It has types and imports, or there
    /// would be nothing to guard.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        let after = after.map_or(0, |section| order(Some(section)));
        if self.defined == 0 {
            let missing = |section| after < order(Some(section)) && order(Some(section)) < order(before);
            if missing(SectionId::Function) {
                let mut functions = FunctionSection::new();
                self.add_functions(&mut functions);
                module.section(&functions);
            }
            if missing(SectionId::Code) {
                let mut code = CodeSection::new();
                self.add_code(&mut code);
                module.section(&code);
            }
        }
        Ok(())
    }

    /// Names and the like are of no use to anybody who runs the code.
    fn parse_custom_section(
        &mut self,
        _module: &mut Module,
        _section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }
}
