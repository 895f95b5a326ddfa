//! I run what a Runtime does once for all of its functions, and write the memory that it leaves into its module.
//!
//! A module that exports `prepare` is run by an interpreter, which gives it nothing to call. Its memory then becomes the data, and
//! its globals begin as they are then, so that the host finds the engine made. What I do not carry over may not be changed:
//! tables and segments. That a module could notice the difference is its own affair: it is written for it.

use anyhow::{Context as _, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ConstExpr, DataSection, ExportSection, GlobalSection, Module, RawSection};
use wasmi::{Engine, Extern, Func, Instance, Linker, Store, Val};
use wasmparser::{ExternalKind, Operator, Parser, Payload};

/// What a module exports to be run.
const PREPARE: &str = "prepare";

/// Two parts of the memory are one segment if no more zeros than these lie between.
const GAP: usize = 64;

/// The module as it is after its `prepare`; as it was, if it has none.
pub fn prepared(module: &[u8]) -> Result<Vec<u8>> {
    let shape = Shape::read(module)?;
    let Some(memory) = shape.prepares()? else { return Ok(module.to_vec()) };
    // The interpreter sees only what is exported.
    let opened = shape.rewrite(module, Exports::AndGlobals, None)?;
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let loaded = wasmi::Module::new(&engine, &opened)?;
    let instance = instantiate(&mut store, &loaded)?;
    let begun = memory_of(&store, &instance, &memory)?.len();
    instance
        .get_typed_func::<(), ()>(&store, PREPARE)
        .and_then(|prepare| prepare.call(&mut store, ()))
        .with_context(|| format!("`{PREPARE}` failed"))?;
    let bytes = memory_of(&store, &instance, &memory)?;
    ensure!(bytes.len() == begun, "`{PREPARE}` makes the memory larger, which is not carried over");
    let mut globals = Vec::new();
    for index in 0..shape.globals {
        let global = instance.get_global(&store, &global_name(index)).context("all globals are exported")?;
        globals.push(match global.get(&store) {
            Val::I32(value) => ConstExpr::i32_const(value),
            Val::I64(value) => ConstExpr::i64_const(value),
            _ => bail!("global {index} is of a type that is not carried over"),
        });
    }
    shape.rewrite(module, Exports::AsTheyAre, Some((&globals, &bytes)))
}

fn instantiate(store: &mut Store<()>, module: &wasmi::Module) -> Result<Instance> {
    let mut linker = Linker::new(store.engine());
    for import in module.imports() {
        let Some(ty) = import.ty().func() else { bail!("the module imports {}, which is no function", import.name()) };
        let called = format!("`{PREPARE}` calls {}.{}", import.module(), import.name());
        let trap = Func::new(&mut *store, ty.clone(), move |_, _, _| Err(wasmi::Error::new(called.clone())));
        linker.define(import.module(), import.name(), trap)?;
    }
    Ok(linker.instantiate_and_start(&mut *store, module)?)
}

fn memory_of(store: &Store<()>, instance: &Instance, name: &str) -> Result<Vec<u8>> {
    let memory = instance.get_export(store, name).and_then(Extern::into_memory).context("the memory is exported")?;
    Ok(memory.data(store).to_vec())
}

fn global_name(index: u32) -> String {
    format!("{PREPARE}-global-{index}")
}

/// Which exports a rewritten module has: its own without `prepare`, or all of them and its globals.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exports {
    AsTheyAre,
    AndGlobals,
}

/// What of a module matters here.
#[derive(Default)]
struct Shape {
    has_prepare: bool,
    memory: Option<String>,
    globals: u32,
    /// The first reason why a module cannot be prepared.
    unsuitable: Option<String>,
}

impl Shape {
    fn read(module: &[u8]) -> Result<Shape> {
        let mut shape = Shape::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if !matches!(import.ty, wasmparser::TypeRef::Func(_)) {
                            shape.refuse(format!("it imports {}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::MemorySection(memories) if memories.count() > 1 => shape.refuse("it has several memories"),
                Payload::GlobalSection(globals) => shape.globals = globals.count(),
                Payload::StartSection { .. } => shape.refuse("it has a start function"),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        shape.has_prepare |= export.kind == ExternalKind::Func && export.name == PREPARE;
                        if export.kind == ExternalKind::Memory {
                            shape.memory = Some(export.name.to_owned());
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        if let Some(what) = changes_more(&operator?) {
                            shape.refuse(format!("it uses {what}"));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    fn refuse(&mut self, why: impl Into<String>) {
        self.unsuitable.get_or_insert_with(|| why.into());
    }

    /// The name of the memory, if the module is to be prepared.
    fn prepares(&self) -> Result<Option<String>> {
        match (self.has_prepare, &self.unsuitable, &self.memory) {
            (false, ..) => Ok(None),
            (true, Some(why), _) => bail!("the module exports `{PREPARE}`, but {why}"),
            (true, None, None) => bail!("the module exports `{PREPARE}` and no memory"),
            (true, None, Some(memory)) => Ok(Some(memory.clone())),
        }
    }

    /// `state`: what the globals begin with, and the memory.
    fn rewrite(&self, module: &[u8], exports: Exports, state: Option<(&[ConstExpr], &[u8])>) -> Result<Vec<u8>> {
        let mut new = Module::new();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match (&payload, state) {
                (Payload::ExportSection(section), _) => {
                    let mut list = ExportSection::new();
                    for export in section.clone() {
                        let export = export?;
                        if exports == Exports::AndGlobals || export.name != PREPARE {
                            list.export(export.name, RoundtripReencoder.export_kind(export.kind)?, export.index);
                        }
                    }
                    for index in (0..self.globals).filter(|_| exports == Exports::AndGlobals) {
                        list.export(&global_name(index), wasm_encoder::ExportKind::Global, index);
                    }
                    new.section(&list);
                }
                (Payload::GlobalSection(section), Some((values, _))) => {
                    let mut list = GlobalSection::new();
                    for (global, value) in section.clone().into_iter().zip(values) {
                        list.global(RoundtripReencoder.global_type(global?.ty)?, value);
                    }
                    new.section(&list);
                }
                // No instruction names a segment (`changes_more`), so nobody needs their count.
                (Payload::DataCountSection { .. }, Some(_)) => {}
                (Payload::DataSection(_), Some((_, memory))) => {
                    let mut list = DataSection::new();
                    for (start, bytes) in segments(memory) {
                        list.active(0, &ConstExpr::i32_const(i32::try_from(start)?), bytes.iter().copied());
                    }
                    new.section(&list);
                }
                _ => {
                    if let Some((id, range)) = payload.as_section() {
                        new.section(&RawSection { id, data: &module[range] });
                    }
                }
            }
        }
        Ok(new.finish())
    }
}

/// The instructions whose effects lie neither in the memory nor in globals, or that need segments as they were.
fn changes_more(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::MemoryInit { .. } => "memory.init",
        Operator::DataDrop { .. } => "data.drop",
        _ => return None,
    })
}

/// The parts of a memory that are not zero, and where they begin.
fn segments(memory: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (at, _) in memory.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        match parts.last_mut() {
            Some((_, end)) if at - *end <= GAP => *end = at + 1,
            _ => parts.push((at, at + 1)),
        }
    }
    parts.into_iter().map(|(start, end)| (start, &memory[start..end])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(module: &str) -> Vec<u8> {
        wat::parse_str(module).unwrap()
    }

    #[test]
    fn what_prepare_leaves_is_where_the_module_begins() {
        let module = text(
            r#"(module
                (import "host" "now" (func))
                (memory (export "memory") 1)
                (global $stack (mut i32) (i32.const 7))
                (global $step i32 (i32.const 3))
                (data (i32.const 100) "abc")
                (data (i32.const 9000) "z")
                (func (export "prepare")
                    (i32.store8 (i32.const 101) (i32.const 66))
                    (i32.store8 (i32.const 65535) (i32.const 1))
                    (i32.store8 (i32.const 9000) (i32.const 0))
                    (global.set $stack (i32.add (global.get $stack) (global.get $step))))
                (func (export "stack") (result i32) (global.get $stack)))"#,
        );
        let module = prepared(&module).unwrap();
        wasmparser::validate(&module).unwrap();
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let loaded = wasmi::Module::new(&engine, &module).unwrap();
        assert!(loaded.get_export(PREPARE).is_none());
        let instance = instantiate(&mut store, &loaded).unwrap();
        let memory = memory_of(&store, &instance, "memory").unwrap();
        assert_eq!((&memory[100..103], memory[9000], memory[65535]), (&b"aBc"[..], 0, 1));
        assert_eq!(memory.iter().filter(|byte| **byte != 0).count(), 4);
        let stack = instance.get_typed_func::<(), i32>(&store, "stack").unwrap();
        assert_eq!(stack.call(&mut store, ()).unwrap(), 10);
    }

    #[test]
    fn a_module_without_prepare_stays_as_it_is() {
        let module = text(r#"(module (memory (export "memory") 1) (func (export "other")) (start 0))"#);
        assert_eq!(prepared(&module).unwrap(), module);
    }

    #[test]
    fn what_is_not_carried_over_is_refused() {
        for (module, why) in [
            (r#"(module (memory (export "m") 1) (func (export "prepare") (drop (memory.grow (i32.const 1)))))"#, "memory larger"),
            (r#"(module (memory (export "m") 1) (func) (func (export "prepare")) (start 0))"#, "a start function"),
            (r#"(module (func (export "prepare")))"#, "no memory"),
            (r#"(module (import "a" "b" (global i32)) (memory (export "m") 1) (func (export "prepare")))"#, "imports a.b"),
            (
                r#"(module (memory (export "m") 1) (table 1 funcref)
                    (func (export "prepare") (table.set (i32.const 0) (ref.null func))))"#,
                "table.set",
            ),
            (
                r#"(module (memory (export "m") 1) (data $d "x")
                    (func (export "prepare") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))"#,
                "memory.init",
            ),
            (
                r#"(module (import "host" "now" (func $now)) (memory (export "m") 1) (func (export "prepare") (call $now)))"#,
                "host.now",
            ),
            (r#"(module (memory (export "m") 1) (func (export "prepare") unreachable))"#, "`prepare` failed"),
        ] {
            let error = format!("{:#}", prepared(&text(module)).unwrap_err());
            assert!(error.contains(why), "{error}: {why}");
        }
    }
}
