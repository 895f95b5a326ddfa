//! The smallest viewer hook, assembled from instructions: the overhead without any work in the guest.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentInstanceSection, ComponentTypeSection, ComponentValType, ConstExpr, DataSection, ExportKind,
    ExportSection, Function, FunctionSection, InstanceSection, MemorySection, MemoryType, Module, ModuleSection,
    PrimitiveValType, TypeSection, ValType,
};

use crate::wasm::abi::Moment;
use crate::wasm::compile::interface;

/// The address of the event; there is one at a time.
const EVENT: i32 = 4_096;
/// `(pointer, length)` of the answer, which is the version byte alone.
const RESULT: i32 = 16;
const ANSWER: i32 = 32;

pub(super) fn component() -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(&module()));
    let mut instances = InstanceSection::new();
    instances.instantiate::<_, &str>(0, []);
    component.section(&instances);
    let mut aliases = ComponentAliasSection::new();
    for (kind, name) in [(ExportKind::Memory, "memory"), (ExportKind::Func, "realloc"), (ExportKind::Func, "handle")] {
        aliases.alias(Alias::CoreInstanceExport { instance: 0, kind, name });
    }
    component.section(&aliases);
    let mut types = ComponentTypeSection::new();
    types.defined_type().list(ComponentValType::Primitive(PrimitiveValType::U8));
    types.function().params([("event", ComponentValType::Type(0))]).result(Some(ComponentValType::Type(0)));
    component.section(&types);
    let mut lifts = CanonicalFunctionSection::new();
    let (realloc, handle) = (0, 1);
    lifts.lift(handle, 1, [CanonicalOption::Memory(0), CanonicalOption::Realloc(realloc)]);
    component.section(&lifts);
    let mut hook = ComponentInstanceSection::new();
    hook.export_items([("handle", ComponentExportKind::Func, 0)]);
    component.section(&hook);
    let mut exports = ComponentExportSection::new();
    exports.export(interface(Moment::ViewerRequest).as_str(), ComponentExportKind::Instance, 0, None);
    component.section(&exports);
    component.finish()
}

fn module() -> Module {
    let i32 = ValType::I32;
    let mut types = TypeSection::new();
    types.ty().function([i32; 4], [i32]);
    types.ty().function([i32; 2], [i32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("realloc", ExportKind::Func, 0).export("handle", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    for result in [EVENT, RESULT] {
        let mut body = Function::new([]);
        body.instructions().i32_const(result).end();
        code.function(&body);
    }
    let mut data = DataSection::new();
    let result = [ANSWER.to_le_bytes(), 1i32.to_le_bytes()].concat();
    data.active(0, &ConstExpr::i32_const(RESULT), result);
    data.active(0, &ConstExpr::i32_const(ANSWER), [1]);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code).section(&data);
    module
}
