//! CPU time as fuel: what an operator costs, and how many units a microsecond of this machine is.
//!
//! One unit is an eighth of a cycle: a simple operator costs 3, since it can run beside one or two others. Common
//! operators have the price of common use; rare and expensive ones that of a dependent chain. No price covers misses of
//! caches and branch predictors. `edgeward bench fuel` measures all of it, and `docs/limits.md` has the worst cases.

use std::time::Instant;

use wasm_encoder::{BlockType, CodeSection, ExportKind, ExportSection, FunctionSection, Module as Encoder, TypeSection, ValType};
use wasmtime::{Engine, Instance, Module, OperatorCost, Result, Store};

/// The price of the `nop` with which `compile::frame` charges for a function's frame.
pub(super) const NOP: u8 = 32;

/// The price list. Changing it changes the meaning of AOT files; wasmtime checks that they match.
pub(super) fn operator_costs() -> OperatorCost {
    let mut cost = OperatorCost::new();
    macro_rules! price {
        ($units:tt: $($op:ident)*) => { $( cost.$op = $units; )* };
    }
    // Vector operators cost more than scalar ones, unless listed below.
    macro_rules! each {
        ($( @$proposal:ident $op:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident ($($annotation:tt)*) )*) => {
            $( each!(@$proposal $op); )*
        };
        (@simd $op:ident) => { cost.$op = 16; };
        (@$proposal:ident $op:ident) => {};
    }
    wasmparser::for_each_operator!(each);
    // Registers and immediates: most of these become no instruction at all.
    price!(1: LocalGet LocalSet LocalTee I32Const I64Const F32Const F64Const I32WrapI64 I64ExtendI32U I64ExtendI32S RefNull);
    price!(3: I32Add I32Sub I64Add I64Sub I32And I32Or I32Xor I64And I64Or I64Xor I32Shl I32ShrS I32ShrU I64Shl I64ShrS I64ShrU
        I32Rotl I32Rotr I64Rotl I64Rotr I32Extend8S I32Extend16S I64Extend8S I64Extend16S I64Extend32S);
    price!(4: I32Eqz I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
        I64Eqz I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU RefIsNull
        If Select TypedSelect MemorySize TableSize DataDrop);
    price!(6: Br BrIf GlobalGet I32ReinterpretF32 I64ReinterpretF64 F32ReinterpretI32 F64ReinterpretI64 V128Const);
    price!(8: I32Load I64Load F32Load F64Load I32Load8U I32Load8S I32Load16U I32Load16S
        I64Load8U I64Load8S I64Load16U I64Load16S I64Load32U I64Load32S
        I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8 I64Store16 I64Store32 V128Load V128Store
        GlobalSet I32Mul I64Mul F32Abs F64Abs F32Neg F64Neg V128And V128Or V128Xor V128Not V128AndNot);
    price!(10: TableGet TableSet F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge);
    price!(12: F32Add F32Sub F64Add F64Sub F32Copysign F64Copysign I32Clz I32Ctz I32Popcnt I64Clz I64Ctz I64Popcnt
        F32x4Add F32x4Sub F64x2Add F64x2Sub F32DemoteF64 F64PromoteF32
        F32ConvertI32S F32ConvertI32U F32ConvertI64S F64ConvertI32S F64ConvertI32U F64ConvertI64S);
    price!(18: F32Mul F64Mul F32x4Mul F64x2Mul);
    price!(24: BrTable F32Min F32Max F64Min F64Max F32ConvertI64U F64ConvertI64U I8x16Popcnt
        F32x4Eq F32x4Ne F32x4Lt F32x4Gt F32x4Le F32x4Ge F64x2Eq F64x2Ne F64x2Lt F64x2Gt F64x2Le F64x2Ge
        F32x4PMin F32x4PMax F64x2PMin F64x2PMax I64x2LtS I64x2GtS I64x2LeS I64x2GeS);
    price!(40: Call ReturnCall CallIndirect ReturnCallIndirect);
    price!(36: I16x8Mul I32x4DotI16x8S
        F32x4ConvertI32x4S F32x4ConvertI32x4U F64x2ConvertLowI32x4S F64x2ConvertLowI32x4U F32x4DemoteF64x2Zero F64x2PromoteLowF32x4
        I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U
        I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U
        I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S I64TruncSatF64U);
    price!(48: F32Ceil F32Floor F32Trunc F32Nearest F64Ceil F64Floor F64Trunc F64Nearest
        F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest F64x2Ceil F64x2Floor F64x2Trunc F64x2Nearest
        I8x16Shl I8x16ShrS I8x16ShrU I16x8Q15MulrSatS
        I16x8ExtAddPairwiseI8x16S I16x8ExtAddPairwiseI8x16U I32x4ExtAddPairwiseI16x8S I32x4ExtAddPairwiseI16x8U
        I16x8ExtMulLowI8x16S I16x8ExtMulHighI8x16S I16x8ExtMulLowI8x16U I16x8ExtMulHighI8x16U
        I32x4ExtMulLowI16x8S I32x4ExtMulHighI16x8S I32x4ExtMulLowI16x8U I32x4ExtMulHighI16x8U);
    price!(64: I32DivU I32DivS I32x4Mul);
    price!(85: I32RemU I32RemS I64DivU I64DivS F32Sqrt F32x4Sqrt);
    price!(90: F32x4Min F32x4Max F64x2Min F64x2Max I64x2Mul
        I64x2ExtMulLowI32x4S I64x2ExtMulHighI32x4S I64x2ExtMulLowI32x4U I64x2ExtMulHighI32x4U);
    price!(105: I64RemU I64RemS F32Div F64Sqrt F64x2Sqrt
        I32x4TruncSatF32x4S I32x4TruncSatF32x4U I32x4TruncSatF64x2SZero I32x4TruncSatF64x2UZero);
    // Denormal numbers take some five times longer.
    price!(160: F64Div);
    price!(200: F32x4Div F64x2Div);
    // Calls into the runtime.
    price!(20: TableFill TableCopy);
    price!(85: MemoryFill MemoryCopy MemoryInit);
    price!(200: TableInit ElemDrop);
    price!(255: RefFunc MemoryGrow TableGrow);
    price!(NOP: Nop);
    cost.variable.memory_grow_per_page = 255;
    cost.variable.table_grow_per_element = 8;
    cost.variable.table_copy_per_element = 26;
    cost.variable.table_fill_per_element = 8;
    cost.variable.table_init_per_element = 18;
    cost
}

/// The prices of a viewer hook's calls into the host, in units. `edgeward bench fuel` measures each.
pub(super) mod host_call {
    /// Any call: the transition to the host and back, and the accounting.
    pub const CALL: u64 = 8_000;
    /// Dropping a handle, which has a shorter path to the host.
    pub const DROP: u64 = 2_000;
    /// Making a handle.
    pub const HANDLE: u64 = 1_000;
    /// Looking up a key.
    pub const LOOKUP: u64 = 2_000;
    /// Polling one handle of a list.
    pub const POLLED: u64 = 500;
    /// Eighths of a unit for each byte that is given to the guest: produced, and copied twice.
    pub const GIVEN_BYTE_EIGHTHS: u64 = 48;
    /// Eighths of a unit for each byte of text that is taken from the guest: validated, and split into lines.
    pub const TEXT_BYTE_EIGHTHS: u64 = 160;
}

/// Units of fuel per microsecond of CPU, on this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FuelScale {
    units_per_us: f64,
}

impl FuelScale {
    /// All measured machines are within these bounds; a measurement outside is noise.
    const SLOWEST: f64 = 7_000.0;
    const FASTEST: f64 = 60_000.0;

    /// Guests run at 50 to 100 % of the speed of the mix, whose operators seldom depend on one another.
    const OF_THE_MIX: f64 = 0.75;

    /// Runs an ordinary mix of operators a few times and takes the fastest run; about 1 ms.
    pub(super) fn measure(engine: &Engine) -> Result<FuelScale> {
        const ROUNDS: u32 = 7;
        const BUDGET: u64 = 1 << 40;
        let module = Module::new(engine, mixed_loop())?;
        let mut best = f64::MIN;
        let mut store = Store::new(engine, ());
        store.set_fuel(BUDGET)?;
        let instance = Instance::new(&mut store, &module, &[])?;
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
        for _ in 0..ROUNDS {
            store.set_fuel(BUDGET)?;
            let start = Instant::now();
            run.call(&mut store, 20_000)?;
            let used = BUDGET - store.get_fuel()?;
            #[expect(clippy::cast_precision_loss, reason = "a measurement")]
            let rate = used as f64 / (start.elapsed().as_secs_f64() * 1e6);
            best = best.max(rate);
        }
        Ok(FuelScale { units_per_us: (best * Self::OF_THE_MIX).clamp(Self::SLOWEST, Self::FASTEST) })
    }

    /// The fuel that a limit of `us` microseconds stands for.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most 9e8 µs * 6e4 < 2^63"
    )]
    pub fn fuel(self, us: u64) -> u64 {
        (us as f64 * self.units_per_us) as u64
    }

    pub fn units_per_us(self) -> f64 {
        self.units_per_us
    }
}

/// `run(n)`: n times a load, an add, a multiply, a compare, a store: what compiled string code looks like.
fn mixed_loop() -> Vec<u8> {
    use wasm_encoder::{MemArg, MemorySection, MemoryType};
    let mut module = Encoder::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let mut body = wasm_encoder::Function::new([(2, ValType::I32)]);
    let (n, at, sum) = (0, 1, 2);
    let byte = MemArg { offset: 0, align: 0, memory_index: 0 };
    let mut f = body.instructions();
    f.loop_(BlockType::Empty);
    f.local_get(at).i32_const(17).i32_mul().i32_const(0xfff).i32_and().local_set(at);
    f.local_get(at).i32_load8_u(byte).local_get(sum).i32_add().local_set(sum);
    f.local_get(sum).i32_const(0x2f).i32_eq().if_(BlockType::Empty).local_get(sum).i32_const(3).i32_shl().local_set(sum).end();
    f.local_get(at).local_get(sum).i32_store8(byte);
    f.local_get(at).i32_const(1).i32_add().local_set(at);
    f.local_get(n).i32_const(1).i32_sub().local_tee(n).br_if(0);
    f.end();
    f.local_get(sum).end();
    let mut code = CodeSection::new();
    code.function(&body);
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}
