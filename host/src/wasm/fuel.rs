//! CPU time as fuel: what an operator costs, and how many units a microsecond of this machine is.
//!
//! One unit is a quarter of an ordinary operator, so that what is much cheaper (a byte of `memory.fill`) or
//! dearer (a division) has a price near its time. What no price catches: loads that miss every cache take up
//! to ten times longer than they cost. `docs/limits.md` says so.

use std::time::Instant;

use wasm_encoder::{BlockType, CodeSection, ExportKind, ExportSection, FunctionSection, Module as Encoder, TypeSection, ValType};
use wasmtime::{Engine, Instance, Module, OperatorCost, Result, Store};

/// The price list. Changing it changes the meaning of AOT files; wasmtime checks that they match.
pub(super) fn operator_costs() -> OperatorCost {
    let mut cost = OperatorCost::new();
    macro_rules! price {
        ($units:literal: $($op:ident)*) => { $( cost.$op = $units; )* };
    }
    // Registers and immediates: most of these become no instruction at all.
    price!(2: LocalGet LocalSet LocalTee I32Const I64Const F32Const F64Const I32WrapI64 I64ExtendI32U I64ExtendI32S);
    price!(4: I32Add I32Sub I64Add I64Sub I32And I32Or I32Xor I64And I64Or I64Xor I32Shl I32ShrS I32ShrU I64Shl I64ShrS I64ShrU
        I32Eqz I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
        I64Eqz I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
        Br BrIf BrTable If Select TypedSelect GlobalGet GlobalSet I32Mul I64Mul);
    price!(6: I32Load I64Load F32Load F64Load I32Load8U I32Load8S I32Load16U I32Load16S
        I64Load8U I64Load8S I64Load16U I64Load16S I64Load32U I64Load32S
        I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8 I64Store16 I64Store32);
    price!(12: Call ReturnCall I32DivU I32DivS I32RemU I32RemS);
    price!(20: CallIndirect ReturnCallIndirect I64DivU I64DivS I64RemU I64RemS F32Div F32Sqrt TableGet TableSet);
    price!(40: F64Div F64Sqrt F32x4Div F32x4Sqrt);
    price!(80: F64x2Div F64x2Sqrt);
    // System calls and host code.
    price!(250: MemoryGrow TableGrow);
    cost.variable.memory_grow_per_page = 250;
    cost.variable.table_grow_per_element = 8;
    cost.variable.table_copy_per_element = 8;
    cost.variable.table_fill_per_element = 8;
    cost.variable.table_init_per_element = 40;
    cost
}

/// Units of fuel per microsecond of CPU, on this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FuelScale {
    units_per_us: f64,
}

impl FuelScale {
    /// Between these lies every machine that was seen; a measurement outside is noise.
    const SLOWEST: f64 = 10_000.0;
    const FASTEST: f64 = 80_000.0;

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
        Ok(FuelScale { units_per_us: best.clamp(Self::SLOWEST, Self::FASTEST) })
    }

    /// The fuel that a limit of `us` microseconds stands for.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most 9e8 µs * 8e4 < 2^63"
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
