//! I measure how long code may run for its fuel: what a limit of a millisecond means for code of each kind.
//!
//! Each kind is a loop of one operation, so that nothing else hides its cost, on the viewer engine. The time per unit of
//! fuel differs by kind. I find the numeric operators by trying all opcodes: one that `wasm::fuel` does not price shows up
//! here.

use std::time::{Duration, Instant};

use serde::Serialize;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, InstructionSink, MemArg, MemorySection, MemoryType, Module as Encoder, RefType, TableSection,
    TableType, TypeSection, ValType,
};
use wasmtime::{Engine, Instance, Module, Store};

use crate::limits::Profile;
use crate::wasm::compile::charged;
use crate::wasm::engine::Engines;

/// The class of a kind of code, which says what to expect of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Common code: the limit matches the time within a factor of two.
    Ordinary,
    /// Expensive operators with their own prices.
    Priced,
    /// Costs that no operator's price can cover: cache and branch misses.
    Unpriced,
    /// A call of a viewer hook into the host.
    HostCall,
    /// One numeric operator that depends on its own last result.
    Operator,
}

impl Class {
    pub const ALL: [Class; 5] = [Class::Ordinary, Class::Priced, Class::Unpriced, Class::HostCall, Class::Operator];

    pub fn name(self) -> &'static str {
        match self {
            Class::Ordinary => "ordinary",
            Class::Priced => "priced",
            Class::Unpriced => "unpriced",
            Class::HostCall => "calls into the host",
            Class::Operator => "operator",
        }
    }
}

/// The measurement of one kind of code.
#[derive(Debug, Clone, Serialize)]
pub struct CodeKind {
    pub name: String,
    pub class: Class,
    /// Per iteration.
    pub ns: f64,
    pub units: f64,
    /// The ratio of its running time to its limit.
    pub factor: f64,
}

/// The result of `fuel`.
#[derive(Debug, Clone, Serialize)]
pub struct Prices {
    pub units_per_us: f64,
    pub kinds: Vec<CodeKind>,
}

/// Measures every kind of code. `progress` is called with the completed fraction.
pub(super) fn code(engines: &Engines, mut progress: impl FnMut(f64)) -> anyhow::Result<Prices> {
    let units_per_us = engines.fuel.units_per_us();
    let operators = operators(&engines.viewer);
    let all = KINDS.len() + operators.len();
    let named = KINDS.iter().map(|(name, class, emit)| {
        ((*name).to_owned(), *class, looped(LoopScope::Everything, |function| emit(&mut function.instructions())))
    });
    let found = operators.into_iter().map(|operator| (operator.name, Class::Operator, operator.module));
    let mut kinds = Vec::with_capacity(all);
    for (name, class, module) in named.chain(found) {
        let (ns, units) = time(&engines.viewer, &module).map_err(|error| anyhow::anyhow!("{name}: {error:#}"))?;
        kinds.push(CodeKind { name, class, ns, units, factor: ns / units * units_per_us / 1000.0 });
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        progress(kinds.len() as f64 / all as f64);
    }
    Ok(Prices { units_per_us, kinds })
}

/// The cost of an iteration in nanoseconds and in fuel: the fastest of several runs of a few hundred microseconds.
fn time(engine: &Engine, module: &[u8]) -> wasmtime::Result<(f64, f64)> {
    const BUDGET: u64 = 1 << 40;
    const LONG: Duration = Duration::from_micros(200);
    const RUNS: u32 = 7;
    let module = Module::new(engine, charged(module, Profile::Viewer)?)?;
    let mut store = Store::new(engine, ());
    store.set_fuel(BUDGET)?;
    let instance = Instance::new(&mut store, &module, &[])?;
    if let Some(memory) = instance.get_memory(&mut store, "memory") {
        ring(memory.data_mut(&mut store));
    }
    let run = instance.get_typed_func::<u32, i32>(&mut store, "run")?;
    let mut timed = |rounds: u32| -> wasmtime::Result<(Duration, u64)> {
        store.set_fuel(BUDGET)?;
        let start = Instant::now();
        run.call(&mut store, rounds)?;
        Ok((start.elapsed(), BUDGET - store.get_fuel()?))
    };
    let mut rounds = 16;
    while timed(rounds)?.0 < LONG && rounds < 1 << 24 {
        rounds *= 2;
    }
    let (mut fastest, mut used) = timed(rounds)?;
    for _ in 1..RUNS {
        let (took, fuel) = timed(rounds)?;
        fastest = fastest.min(took);
        used = fuel;
    }
    let times = f64::from(rounds) * f64::from(UNROLLED);
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let units = used as f64 / times;
    Ok((fastest.as_secs_f64() * 1e9 / times, units))
}

/// Fills a memory with a cycle of addresses of distant cache lines, so that following them visits every line.
fn ring(memory: &mut [u8]) {
    const LINE: usize = 64;
    let lines = memory.len() / LINE;
    // A generator of full period for a power of two: the increment is odd and the multiplier is 1 modulo 4.
    let mut at = 0;
    for _ in 0..lines {
        let next = (at * 1_664_525 + 1_013_904_223) % lines;
        let address = u32::try_from(next * LINE).unwrap_or(0);
        if let Some(place) = memory.get_mut(at * LINE..at * LINE + 4) {
            place.copy_from_slice(&address.to_le_bytes());
        }
        at = next;
    }
}

type EmitBody = fn(&mut InstructionSink<'_>);

/// Repetitions of the measured code in the loop's body.
const UNROLLED: u32 = 16;
/// Functions in the table, for indirect calls.
const TARGETS: u32 = 64;
/// The largest memory of a viewer function.
const PAGES: u64 = 32;

// The locals of `run`. `A` and `B` start as 0; the ring and the branches depend on them.
const N: u32 = 0;
const A: u32 = 1;
const B: u32 = 2;
const C: u32 = 3;
const L: u32 = 4;
const F: u32 = 5;
const G: u32 = 6;
const V: u32 = 7;
const W: u32 = 8;
const S: u32 = 9;
const M: u32 = 10;

// Types, functions and locals by their index.
const TYPE_TARGET: u32 = 1;
const TARGET: u32 = 1;
const MANY_LOCALS: u32 = TARGET + TARGETS;

const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

const KINDS: &[(&str, Class, EmitBody)] = &[
    ("add, multiply, shift, xor", Class::Ordinary, |f| {
        f.local_get(A).i32_const(0x9e37).i32_mul().local_get(B).i32_add().local_set(A);
        f.local_get(A).i32_const(7).i32_shr_u().local_get(B).i32_xor().local_set(B);
    }),
    ("scan bytes", Class::Ordinary, |f| {
        f.local_get(A).i32_load8_u(AT).i32_const(0x2f).i32_eq().if_(BlockType::Empty);
        f.local_get(B).i32_const(1).i32_add().local_set(B).end();
        f.local_get(A).i32_const(1).i32_add().i32_const(0xfff).i32_and().local_set(A);
    }),
    ("hash bytes (FNV)", Class::Ordinary, |f| {
        f.local_get(B).local_get(A).i32_load8_u(AT).i32_xor().i32_const(16_777_619).i32_mul().local_set(B);
        f.local_get(A).i32_const(1).i32_add().i32_const(0xfff).i32_and().local_set(A);
    }),
    ("copy words", Class::Ordinary, |f| {
        f.local_get(A).local_get(A).i64_load(AT).i64_store(MemArg { offset: 8192, ..AT });
        f.local_get(A).i32_const(8).i32_add().i32_const(0xfff).i32_and().local_set(A);
    }),
    ("call", Class::Ordinary, |f| {
        f.local_get(B).call(TARGET).local_set(B);
    }),
    ("call_indirect", Class::Ordinary, |f| {
        f.local_get(B).i32_const(3).call_indirect(0, TYPE_TARGET).local_set(B);
    }),
    ("a loop around nothing", Class::Ordinary, |f| {
        f.i32_const(16).local_set(C).loop_(BlockType::Empty);
        f.local_get(C).i32_const(1).i32_sub().local_tee(C).br_if(0).end();
    }),
    ("f64 multiply and add", Class::Ordinary, |f| {
        f.local_get(F).local_get(G).f64_mul().f64_const(1.5.into()).f64_add().local_set(F);
    }),
    ("i32.div_u, each of the last", Class::Priced, |f| {
        f.i32_const(-5).local_get(A).i32_const(1).i32_or().i32_div_u().local_set(A);
    }),
    ("i32.rem_s, each of the last", Class::Priced, |f| {
        f.i32_const(0x7654_3210).local_get(A).i32_const(3).i32_or().i32_rem_s().local_set(A);
    }),
    ("i64.div_u, each of the last", Class::Priced, |f| {
        f.i64_const(-5).local_get(L).i64_const(1).i64_or().i64_div_u().local_set(L);
    }),
    ("i64.rem_s, each of the last", Class::Priced, |f| {
        f.i64_const(0x7654_3210_7654_3210).local_get(L).i64_const(3).i64_or().i64_rem_s().local_set(L);
    }),
    ("f64.div, each of the last", Class::Priced, |f| {
        f.f64_const(1.1.into()).local_get(F).f64_div().f64_const(1.3.into()).f64_add().local_set(F);
    }),
    ("f64.sqrt, each of the last", Class::Priced, |f| {
        f.local_get(F).f64_const(3.7.into()).f64_add().f64_sqrt().local_set(F);
    }),
    ("f32.div, each of the last", Class::Priced, |f| {
        f.f32_const(1.1.into()).local_get(F).f32_demote_f64().f32_div().f64_promote_f32().local_set(F);
    }),
    ("f64 minimum, truncate, nearest", Class::Priced, |f| {
        f.local_get(F).f64_nearest().f64_const(9.5.into()).f64_min().i32_trunc_sat_f64_u().f64_convert_i32_u().local_set(F);
    }),
    ("i64.trunc_sat_f64_u", Class::Priced, |f| {
        f.local_get(F).i64_trunc_sat_f64_u().f64_convert_i64_u().local_set(F);
    }),
    ("i64 popcnt, clz, rotate", Class::Priced, |f| {
        f.local_get(L).i64_popcnt().local_get(L).i64_clz().i64_rotl().local_set(L);
    }),
    ("f64x2.div, each of the last", Class::Priced, |f| {
        f.f64_const(1.1.into()).f64x2_splat().local_get(V).f64x2_div().local_set(V);
    }),
    ("f64x2.sqrt, each of the last", Class::Priced, |f| {
        f.local_get(V).f64_const(3.7.into()).f64x2_splat().f64x2_add().f64x2_sqrt().local_set(V);
    }),
    ("i64x2.mul, each of the last", Class::Priced, |f| {
        f.local_get(V).local_get(V).i64x2_mul().local_set(V);
    }),
    ("i8x16 shift, popcnt, swizzle", Class::Priced, |f| {
        f.local_get(V).local_get(A).i8x16_shr_s().i8x16_popcnt().local_get(V).i8x16_swizzle().local_set(V);
    }),
    ("i32x4.trunc_sat_f32x4_u", Class::Priced, |f| {
        f.local_get(V).i32x4_trunc_sat_f32x4_u().f32x4_convert_i32x4_u().local_set(V);
    }),
    ("memory.fill of 64 KiB", Class::Priced, |f| {
        f.i32_const(0).i32_const(0).i32_const(1 << 16).memory_fill(0);
    }),
    ("memory.fill of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(0).local_get(C).memory_fill(0);
    }),
    ("memory.copy of 64 KiB", Class::Priced, |f| {
        f.i32_const(0).i32_const(1 << 17).i32_const(1 << 16).memory_copy(0, 0);
    }),
    ("memory.copy of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(8).local_get(C).memory_copy(0, 0);
    }),
    ("memory.init of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(0).local_get(C).memory_init(0, 0);
    }),
    ("memory.size", Class::Priced, |f| {
        f.memory_size(0).local_get(A).i32_add().local_set(A);
    }),
    ("memory.grow by nothing", Class::Priced, |f| {
        f.local_get(C).memory_grow(0).local_set(A);
    }),
    ("memory.grow, refused", Class::Priced, |f| {
        f.i32_const(1).memory_grow(0).local_set(A);
    }),
    ("data.drop", Class::Priced, |f| {
        f.data_drop(0);
    }),
    ("table.get and table.set", Class::Priced, |f| {
        f.local_get(C).i32_const(5).table_get(0).table_set(0);
    }),
    ("table.fill of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(5).table_get(0).local_get(C).table_fill(0);
    }),
    ("table.fill of 1,000", Class::Priced, |f| {
        f.i32_const(64).i32_const(5).table_get(0).i32_const(1_000).table_fill(0);
    }),
    ("table.copy of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(8).local_get(C).table_copy(0, 0);
    }),
    ("table.copy of 1,000", Class::Priced, |f| {
        f.i32_const(64).i32_const(8_000).i32_const(1_000).table_copy(0, 0);
    }),
    ("table.init of nothing", Class::Priced, |f| {
        f.i32_const(0).i32_const(0).local_get(C).table_init(0, 1);
    }),
    ("table.init of 64", Class::Priced, |f| {
        f.i32_const(64).i32_const(0).i32_const(64).table_init(0, 1);
    }),
    ("table.grow by nothing", Class::Priced, |f| {
        f.i32_const(5).table_get(0).local_get(C).table_grow(0).local_set(A);
    }),
    ("table.grow, refused", Class::Priced, |f| {
        f.i32_const(5).table_get(0).i32_const(1).table_grow(0).local_set(A);
    }),
    ("table.size", Class::Priced, |f| {
        f.table_size(0).local_get(A).i32_add().local_set(A);
    }),
    ("ref.func", Class::Priced, |f| {
        f.ref_func(TARGET).ref_is_null().local_set(A);
    }),
    ("elem.drop", Class::Priced, |f| {
        f.elem_drop(2);
    }),
    ("call with 1,000 locals", Class::Priced, |f| {
        f.local_get(B).call(MANY_LOCALS).local_set(B);
    }),
    ("store, then load across it", Class::Unpriced, |f| {
        f.i32_const(61).local_get(L).i64_store(AT).i32_const(64).local_get(A).i32_store8(AT);
        f.i32_const(61).i64_load(AT).local_set(L);
    }),
    ("load across two pages", Class::Unpriced, |f| {
        f.local_get(A).i64_load(MemArg { offset: 4_093, ..AT }).i32_wrap_i64().i32_const(0x1e_0000).i32_and().local_set(A);
    }),
    ("branch by a random bit", Class::Unpriced, |f| {
        random(f);
        f.local_get(B).i32_const(0).i32_lt_s().if_(BlockType::Empty);
        f.local_get(C).i32_const(3).i32_mul().local_get(B).i32_add().drop().end();
    }),
    ("br_table by random bits", Class::Unpriced, |f| {
        random(f);
        for _ in 0..8 {
            f.block(BlockType::Empty);
        }
        f.local_get(B).i32_const(29).i32_shr_u().br_table(0..7, 7);
        for _ in 0..8 {
            f.end();
            f.local_get(A).i32_const(1).i32_add().local_set(A);
        }
    }),
    ("call_indirect by random bits", Class::Unpriced, |f| {
        random(f);
        f.local_get(A).local_get(B).i32_const(26).i32_shr_u().call_indirect(0, TYPE_TARGET).local_set(A);
    }),
    ("load, each at what the last says", Class::Unpriced, |f| {
        f.local_get(A).i32_load(AT).local_set(A);
    }),
];

/// An operator, and a module that measures it.
struct OperatorModule {
    name: String,
    module: Vec<u8>,
}

/// All operators without immediates that take one to three numbers or vectors and return one.
fn operators(engine: &Engine) -> Vec<OperatorModule> {
    let plain = (0x45..=0xc4u8).map(|code| vec![code]);
    let saturating = (0..=7u8).map(|code| vec![0xfc, code]);
    // From 128 on, LEB128 needs two bytes.
    let vector = (0..=275u16).map(|code| {
        let [low, high] = [code & 0x7f, code >> 7].map(|part| part.to_le_bytes()[0]);
        if high == 0 { vec![0xfd, low] } else { vec![0xfd, low | 0x80, high] }
    });
    plain.chain(saturating).chain(vector).filter_map(|code| found(engine, &code)).collect()
}

/// Finds the operand types of an operator by trying them.
fn found(engine: &Engine, code: &[u8]) -> Option<OperatorModule> {
    // A local, another one of its type, and the operator.
    const PLACES: [(u32, u32, ValType); 5] =
        [(A, B, ValType::I32), (L, M, ValType::I64), (S, S, ValType::F32), (F, G, ValType::F64), (V, W, ValType::V128)];
    let name = name(code)?;
    for (first, other, ty) in PLACES {
        for (second, _, second_ty) in PLACES {
            for arity in 1..=3 {
                for (result, _, result_ty) in PLACES {
                    let params: Vec<ValType> = std::iter::once(ty).chain(std::iter::repeat_n(second_ty, arity - 1)).collect();
                    if Module::validate(engine, &alone(code, &params, result_ty)).is_err() {
                        continue;
                    }
                    let module = looped(LoopScope::Nothing, |function| {
                        function.instructions().local_get(first);
                        for _ in 1..arity {
                            function.instructions().local_get(if second == first { other } else { second });
                        }
                        function.raw(code.iter().copied()).instructions().local_set(result);
                    });
                    return Some(OperatorModule { name, module });
                }
            }
        }
    }
    None
}

/// A function that consists of this operator.
fn alone(code: &[u8], params: &[ValType], result: ValType) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function(params.iter().copied(), [result]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut function = Function::new([]);
    for param in (0u32..).take(params.len()) {
        function.instructions().local_get(param);
    }
    function.raw(code.iter().copied()).instructions().end();
    let mut bodies = CodeSection::new();
    bodies.function(&function);
    let mut module = Encoder::new();
    module.section(&types).section(&functions).section(&bodies);
    module.finish()
}

/// wasmparser's name of it; `None` unless it is a single operator without immediates.
fn name(code: &[u8]) -> Option<String> {
    let mut reader = wasmparser::BinaryReader::new(code, 0);
    let operator = wasmparser::OperatorsReader::new(reader.clone()).read().ok()?;
    reader.read_bytes(code.len()).ok()?;
    let name = format!("{operator:?}");
    (!name.contains('{')).then_some(name)
}

/// Advances `B`, a sequence whose high bits are unpredictable.
fn random(f: &mut InstructionSink<'_>) {
    f.local_get(B).i32_const(1_664_525).i32_mul().i32_const(1_013_904_223).i32_add().local_set(B);
}

/// What the loop can refer to besides its locals.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopScope {
    Nothing,
    /// A memory, a table, functions and segments.
    Everything,
}

/// The function `run(n)`, which repeats the measured code `n` times `UNROLLED`.
fn looped(around: LoopScope, emit: impl Fn(&mut Function)) -> Vec<u8> {
    let i32 = ValType::I32;
    let mut types = TypeSection::new();
    types.ty().function([i32], [i32]);
    types.ty().function([i32], [i32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut run =
        Function::new([(3, i32), (1, ValType::I64), (2, ValType::F64), (2, ValType::V128), (1, ValType::F32), (1, ValType::I64)]);
    let mut f = run.instructions();
    f.i32_const(7)
        .local_set(B)
        .i64_const(0x0123_4567_89ab_cdef)
        .local_set(L)
        .i64_const(3)
        .local_set(M)
        .f32_const(1.5.into())
        .local_set(S);
    f.f64_const(2.5.into()).local_set(F).f64_const(1.25.into()).local_set(G);
    f.f64_const(2.5.into()).f64x2_splat().local_set(V).f64_const(1.25.into()).f64x2_splat().local_set(W);
    f.loop_(BlockType::Empty);
    for _ in 0..UNROLLED {
        emit(&mut run);
    }
    let mut f = run.instructions();
    f.local_get(N).i32_const(1).i32_sub().local_tee(N).br_if(0);
    f.end();
    // Uses the result, or the compiler would remove the computation.
    f.local_get(A).local_get(B).i32_add().local_get(L).i32_wrap_i64().i32_add();
    f.local_get(F).i32_trunc_sat_f64_u().i32_add().local_get(S).i32_trunc_sat_f32_u().i32_add();
    f.local_get(V).i32x4_extract_lane(0).i32_add().end();
    code.function(&run);

    let mut module = Encoder::new();
    if around == LoopScope::Nothing {
        module.section(&types).section(&functions).section(&exports).section(&code);
        return module.finish();
    }
    for target in 0..TARGETS {
        functions.function(TYPE_TARGET);
        let mut function = Function::new([]);
        function.instructions().local_get(0).i32_const(i32::try_from(target).unwrap_or(0)).i32_xor().end();
        code.function(&function);
    }
    functions.function(TYPE_TARGET);
    code.function(&many_locals());
    let mut tables = TableSection::new();
    tables.table(TableType { element_type: RefType::FUNCREF, minimum: 20_000, maximum: None, table64: false, shared: false });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: PAGES, maximum: None, memory64: false, shared: false, page_size_log2: None });
    exports.export("memory", ExportKind::Memory, 0);
    let targets: Vec<u32> = (TARGET..TARGET + TARGETS).collect();
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions((&targets).into()));
    elements.passive(Elements::Functions((&targets).into()));
    elements.passive(Elements::Functions((&targets).into()));
    let mut data = DataSection::new();
    data.passive([0; 64]);
    module.section(&types).section(&functions).section(&tables).section(&memories).section(&exports).section(&elements);
    module.section(&DataCountSection { count: 1 }).section(&code).section(&data);
    module.finish()
}

/// A function that must zero many locals: its loop could iterate with any values in them, but does not.
fn many_locals() -> Function {
    const LOCALS: u32 = 1_000;
    let mut function = Function::new([(LOCALS, ValType::I32)]);
    let mut f = function.instructions();
    f.loop_(BlockType::Empty).local_get(0).i32_const(1).i32_and().if_(BlockType::Empty);
    for local in 1..=LOCALS {
        f.local_get(local).local_get(local - 1).i32_add().local_set(local);
    }
    f.local_get(LOCALS).local_set(0).br(1).end().end();
    f.local_get(0).end();
    function
}
