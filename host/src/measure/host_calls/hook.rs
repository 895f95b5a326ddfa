//! A viewer hook, assembled from instructions, that makes a host call as often as its event says.
//!
//! Its memory is a separate module, since the lowered host calls need it before the hook exists.

use wasm_encoder::{
    Alias, BlockType, CanonicalOption, CodeSection, ComponentBuilder, ComponentExportKind, ComponentOuterAliasKind,
    ComponentTypeRef, ComponentValType, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstanceType, InstructionSink, MemArg, MemorySection, MemoryType, Module, ModuleArg, PrimitiveValType,
    TypeBounds, TypeSection, ValType,
};

use crate::wasm::abi::Moment;
use crate::wasm::compile::interface;

/// Emits the call inside the loop.
pub(super) struct HostCall<'a>(pub InstructionSink<'a>);

// Addresses in memory: results of calls, the pollables, the event, data to send, and lists.
pub(super) const GIVEN: i32 = 64;
const ANSWER: i32 = 32;
pub(super) const HANDLES: i32 = 128;
pub(super) const DATA: i32 = 1 << 16;
const LISTS: i32 = 1 << 20;

pub(super) const POLLABLES: i32 = 16;

// Locals of `handle`.
const EVENT: u32 = 0;
const ROUNDS: u32 = 2;
pub(super) const STREAM: u32 = 3;

// Functions, in the order of `imports`.
pub(super) const RANDOM: u32 = 0;
pub(super) const LINE: u32 = 1;
pub(super) const GET: u32 = 2;
pub(super) const NOW: u32 = 3;
const SUBSCRIBE: u32 = 4;
pub(super) const POLL: u32 = 5;
const DROP_POLLABLE: u32 = 6;
pub(super) const STDOUT: u32 = 7;
pub(super) const WRITE: u32 = 8;
pub(super) const DROP_STREAM: u32 = 9;

const BYTE: ComponentValType = ComponentValType::Primitive(PrimitiveValType::U8);
const U32: ComponentValType = ComponentValType::Primitive(PrimitiveValType::U32);
const U64: ComponentValType = ComponentValType::Primitive(PrimitiveValType::U64);
const STRING: ComponentValType = ComponentValType::Primitive(PrimitiveValType::String);

const fn defined(index: u32) -> ComponentValType {
    ComponentValType::Type(index)
}

pub(super) fn component(data: &[u8], emit: fn(&mut HostCall<'_>)) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let memory_module = component.core_module(None, &memory(data));
    let memory = component.core_instantiate(None, memory_module, []);
    let options = [
        CanonicalOption::Memory(component.core_alias_export(None, memory, "memory", ExportKind::Memory)),
        CanonicalOption::Realloc(component.core_alias_export(None, memory, "realloc", ExportKind::Func)),
    ];
    let functions = imports(&mut component, options);
    let names: Vec<String> = (0..functions.len()).map(|index| index.to_string()).collect();
    let items = names.iter().map(String::as_str).zip(&functions).map(|(name, index)| (name, ExportKind::Func, *index));
    let host = component.core_instantiate_exports(None, items.collect::<Vec<_>>());
    let hook_module = component.core_module(None, &hook(emit));
    let args = [("host", ModuleArg::Instance(host)), ("memory", ModuleArg::Instance(memory))];
    let hook = component.core_instantiate(None, hook_module, args);
    let handle = component.core_alias_export(None, hook, "handle", ExportKind::Func);
    let handle_type = handle_type(&mut component);
    let handle = component.lift_func(None, handle, handle_type, options);
    // An instance with one export comes from a component that re-exports it.
    let mut shim = ComponentBuilder::default();
    let shim_type = self::handle_type(&mut shim);
    let passed = shim.import("handle", ComponentTypeRef::Func(shim_type));
    shim.export("handle", ComponentExportKind::Func, passed, None);
    let shim = component.component(None, shim);
    let exports = component.instantiate(None, shim, [("handle", ComponentExportKind::Func, handle)]);
    component.export(interface(Moment::ViewerRequest).as_str(), ComponentExportKind::Instance, exports, None);
    component.finish()
}

fn handle_type(component: &mut ComponentBuilder) -> u32 {
    let (bytes, ty) = component.type_defined(None);
    ty.list(BYTE);
    let (index, mut ty) = component.type_function(None);
    ty.params([("event", defined(bytes))]).result(Some(defined(bytes)));
    index
}

/// The lowered imports, in the order of the constants above.
fn imports(component: &mut ComponentBuilder, options: [CanonicalOption; 2]) -> Vec<u32> {
    let mut lowered = Vec::new();
    let mut lower = |component: &mut ComponentBuilder, instance: u32, name: &str| {
        let func = component.alias_export(instance, name, ComponentExportKind::Func);
        lowered.push(component.lower_func(None, func, options));
    };

    let mut random = InstanceType::new();
    random.ty().defined_type().list(BYTE);
    random.ty().function().params([("len", U64)]).result(Some(defined(0)));
    random.export("get-random-bytes", ComponentTypeRef::Func(1));
    let random = import(component, "wasi:random/random@0.2.0", &random);
    lower(component, random, "get-random-bytes");

    let mut log = InstanceType::new();
    log.ty().function().params([("text", STRING)]).result(None);
    log.export("line", ComponentTypeRef::Func(0));
    let log = import(component, "edgeward:edge/log@0.1.0", &log);
    lower(component, log, "line");

    let mut values = InstanceType::new();
    values.ty().defined_type().list(BYTE);
    values.ty().defined_type().option(defined(0));
    values.ty().function().params([("key", STRING)]).result(Some(defined(1)));
    values.export("get", ComponentTypeRef::Func(2));
    let values = import(component, "edgeward:edge/key-value-store@0.1.0", &values);
    lower(component, values, "get");

    let mut poll = InstanceType::new();
    poll.export("pollable", ComponentTypeRef::Type(TypeBounds::SubResource));
    poll.ty().defined_type().borrow(0);
    poll.ty().defined_type().list(defined(1));
    poll.ty().defined_type().list(U32);
    poll.ty().function().params([("in", defined(2))]).result(Some(defined(3)));
    poll.export("poll", ComponentTypeRef::Func(4));
    let poll = import(component, "wasi:io/poll@0.2.0", &poll);
    let pollable = component.alias_export(poll, "pollable", ComponentExportKind::Type);

    let mut clock = InstanceType::new();
    clock.ty().function().params::<[(&str, ComponentValType); 0], _>([]).result(Some(U64));
    clock.export("now", ComponentTypeRef::Func(0));
    let own = outer(&mut clock, pollable);
    clock.ty().defined_type().own(own);
    clock.ty().function().params([("when", U64)]).result(Some(defined(own + 1)));
    clock.export("subscribe-duration", ComponentTypeRef::Func(own + 2));
    let clock = import(component, "wasi:clocks/monotonic-clock@0.2.0", &clock);
    lower(component, clock, "now");
    lower(component, clock, "subscribe-duration");
    lower(component, poll, "poll");
    lowered.push(component.resource_drop(pollable));

    let mut error = InstanceType::new();
    error.export("error", ComponentTypeRef::Type(TypeBounds::SubResource));
    let error = import(component, "wasi:io/error@0.2.0", &error);
    let error = component.alias_export(error, "error", ComponentExportKind::Type);
    let streams = streams(error);
    let streams = import(component, "wasi:io/streams@0.2.0", &streams);
    let stream = component.alias_export(streams, "output-stream", ComponentExportKind::Type);
    let write = component.alias_export(streams, "[method]output-stream.write", ComponentExportKind::Func);

    let mut stdout = InstanceType::new();
    let own = outer(&mut stdout, stream);
    stdout.ty().defined_type().own(own);
    stdout.ty().function().params::<[(&str, ComponentValType); 0], _>([]).result(Some(defined(own + 1)));
    stdout.export("get-stdout", ComponentTypeRef::Func(own + 2));
    let stdout = import(component, "wasi:cli/stdout@0.2.0", &stdout);
    let get = component.alias_export(stdout, "get-stdout", ComponentExportKind::Func);
    lowered.push(component.lower_func(None, get, options));
    lowered.push(component.lower_func(None, write, options));
    lowered.push(component.resource_drop(stream));
    lowered
}

fn import(component: &mut ComponentBuilder, name: &str, ty: &InstanceType) -> u32 {
    let ty = component.type_instance(None, ty);
    component.import(name, ComponentTypeRef::Instance(ty))
}

/// Refers to a type of the enclosing component in an instance's type.
fn outer(instance: &mut InstanceType, index: u32) -> u32 {
    let inside = instance.type_count();
    instance.alias(Alias::Outer { kind: ComponentOuterAliasKind::Type, count: 1, index });
    inside
}

/// `wasi:io/streams`, with the function that is called.
fn streams(error: u32) -> InstanceType {
    let mut streams = InstanceType::new();
    let error = outer(&mut streams, error);
    streams.ty().defined_type().own(error);
    streams.ty().defined_type().variant([("last-operation-failed", Some(defined(error + 1))), ("closed", None)]);
    streams.export("stream-error", ComponentTypeRef::Type(TypeBounds::Eq(error + 2)));
    streams.export("output-stream", ComponentTypeRef::Type(TypeBounds::SubResource));
    streams.ty().defined_type().borrow(error + 4);
    streams.ty().defined_type().list(BYTE);
    streams.ty().defined_type().result(None, Some(defined(error + 3)));
    let write = [("self", defined(error + 5)), ("contents", defined(error + 6))];
    streams.ty().function().params(write).result(Some(defined(error + 7)));
    streams.export("[method]output-stream.write", ComponentTypeRef::Func(error + 8));
    streams
}

/// The memory, and an allocator that returns the same address each time: later calls overwrite earlier results.
fn memory(data: &[u8]) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(memory_type());
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("realloc", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut realloc = Function::new([]);
    realloc.instructions().i32_const(LISTS).end();
    code.function(&realloc);
    let mut segments = DataSection::new();
    segments.active(0, &ConstExpr::i32_const(DATA), data.iter().copied());
    // The reply is one byte: the version of the layout.
    segments.active(0, &ConstExpr::i32_const(ANSWER), [48u32.to_le_bytes(), 1u32.to_le_bytes()].concat());
    segments.active(0, &ConstExpr::i32_const(48), [1]);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code).section(&segments);
    module
}

fn memory_type() -> MemoryType {
    MemoryType { minimum: 32, maximum: Some(32), memory64: false, shared: false, page_size_log2: None }
}

fn hook(emit: fn(&mut HostCall<'_>)) -> Module {
    const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };
    let (i32, i64) = (ValType::I32, ValType::I64);
    // In the order of the constants above.
    let signatures: [(&[ValType], &[ValType]); 10] = [
        (&[i64, i32], &[]),
        (&[i32, i32], &[]),
        (&[i32, i32, i32], &[]),
        (&[], &[i64]),
        (&[i64], &[i32]),
        (&[i32, i32, i32], &[]),
        (&[i32], &[]),
        (&[], &[i32]),
        (&[i32, i32, i32, i32], &[]),
        (&[i32], &[]),
    ];
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    for (index, (params, results)) in (0u32..).zip(signatures) {
        types.ty().function(params.iter().copied(), results.iter().copied());
        imports.import("host", &index.to_string(), EntityType::Function(index));
    }
    imports.import("memory", "memory", EntityType::Memory(memory_type()));
    types.ty().function([i32, i32], [i32]);
    let mut functions = FunctionSection::new();
    functions.function(10);
    let mut exports = ExportSection::new();
    exports.export("handle", ExportKind::Func, 10);

    let mut handle = Function::new([(2, i32)]);
    let mut f = handle.instructions();
    f.local_get(EVENT).i32_load(AT).local_set(ROUNDS).call(STDOUT).local_set(STREAM);
    for pollable in 0..POLLABLES {
        f.i32_const(HANDLES + 4 * pollable).i64_const(1).call(SUBSCRIBE).i32_store(AT);
    }
    f.block(BlockType::Empty).local_get(ROUNDS).i32_eqz().br_if(0).loop_(BlockType::Empty);
    emit(&mut HostCall(handle.instructions()));
    let mut f = handle.instructions();
    f.local_get(ROUNDS).i32_const(1).i32_sub().local_tee(ROUNDS).br_if(0).end().end();
    for pollable in (0..POLLABLES).rev() {
        f.i32_const(HANDLES + 4 * pollable).i32_load(AT).call(DROP_POLLABLE);
    }
    f.local_get(STREAM).call(DROP_STREAM).i32_const(ANSWER).end();
    let mut code = CodeSection::new();
    code.function(&handle);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module
}
