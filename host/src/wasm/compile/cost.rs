//! Estimates the cost of compiling code from its shape, while it is validated.
//!
//! A compiler's time and memory are not proportional to bytes. Three products make it slow:
//!
//! - values held × branches: for each value and each edge between blocks it may record where the value is;
//! - values held × instructions: for each instruction it searches the values that compete for registers;
//! - blocks × instructions: it finds dominators by going from block to block.
//!
//! So a few hundred kilobytes of code can take gigabytes, or minutes. In addition each instruction costs as many machine
//! instructions as it becomes, up to twenty. And declarations become code too: the compiler writes a function that
//! initialises a module's element segments and globals, and trampolines for each function type.
//!
//! All of these are counted, for each function and in sum. `docs/limits.md` has the measurements. The bounds of the compiling
//! process catch what this estimate misses.

use wasmparser::Operator;

use super::error::{CodePlace, CompileError};
use crate::limits::compile as limits;

/// The cost of a component's code so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    functions: u64,
    spread: u64,
    pressure: u64,
    tangle: u64,
    work: u64,
    types: u64,
    settings: u64,
}

/// The cost of one function, operator by operator.
#[derive(Debug, Default)]
pub(super) struct FunctionCost {
    /// Edges between blocks.
    branches: u64,
    /// Blocks that may follow one another.
    blocks: u64,
    /// Instructions, weighted by what each becomes.
    work: u64,
    depth: u64,
    depth_max: u64,
}

impl FunctionCost {
    pub(super) fn operator(&mut self, operator: &Operator<'_>) {
        let (branches, blocks, work) = weigh(operator);
        self.branches += branches;
        self.blocks += blocks;
        self.work += work;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.depth += 1;
                self.depth_max = self.depth_max.max(self.depth);
            }
            // The last is the function's own.
            Operator::End => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Branches, blocks and work. A loop checks the remaining fuel, and a read of a table element checks whether it is
/// initialised: these are branches that the compiler adds. One unit of work is 2 µs.
fn weigh(operator: &Operator<'_>) -> (u64, u64, u64) {
    match operator {
        // Generates no code; `frame` charges for a function's frame with these.
        Operator::Nop => (0, 0, 0),
        Operator::Block { .. } => (1, 1, 1),
        Operator::Else => (1, 0, 1),
        Operator::Loop { .. } => (2, 4, 8),
        Operator::If { .. } => (2, 3, 2),
        Operator::BrIf { .. } | Operator::BrOnNull { .. } | Operator::BrOnNonNull { .. } => (2, 1, 2),
        Operator::Br { .. } | Operator::Return | Operator::Unreachable => (1, 0, 1),
        Operator::BrTable { targets } => (u64::from(targets.len()) + 1, 1, u64::from(targets.len()) + 4),
        Operator::Call { .. } | Operator::ReturnCall { .. } => (0, 0, 8),
        Operator::CallRef { .. } | Operator::ReturnCallRef { .. } => (0, 1, 12),
        Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => (0, 3, 12),
        Operator::TableGet { .. } | Operator::TableSet { .. } => (0, 3, 12),
        Operator::RefFunc { .. } => (0, 0, 24),
        Operator::GlobalGet { .. } | Operator::GlobalSet { .. } => (0, 0, 6),
        Operator::MemoryGrow { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryInit { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => (0, 0, 10),
        operator => (0, 0, weigh_numeric(operator)),
    }
}

/// Operators that become more than one machine instruction.
fn weigh_numeric(operator: &Operator<'_>) -> u64 {
    use Operator as Op;
    match operator {
        Op::I32DivS | Op::I32DivU | Op::I32RemS | Op::I32RemU | Op::I64DivS | Op::I64DivU | Op::I64RemS | Op::I64RemU => 4,
        Op::I32TruncF32S | Op::I32TruncF32U | Op::I32TruncF64S | Op::I32TruncF64U => 6,
        Op::I64TruncF32S | Op::I64TruncF32U | Op::I64TruncF64S | Op::I64TruncF64U => 6,
        Op::I32TruncSatF32S | Op::I32TruncSatF32U | Op::I32TruncSatF64S | Op::I32TruncSatF64U => 6,
        Op::I64TruncSatF32S | Op::I64TruncSatF32U | Op::I64TruncSatF64S | Op::I64TruncSatF64U => 6,
        Op::I8x16Swizzle | Op::I8x16Shuffle { .. } | Op::V128Const { .. } | Op::I64x2Mul => 3,
        Op::I8x16Shl | Op::I8x16ShrS | Op::I8x16ShrU => 5,
        Op::I32x4TruncSatF32x4S
        | Op::I32x4TruncSatF32x4U
        | Op::I32x4TruncSatF64x2SZero
        | Op::I32x4TruncSatF64x2UZero
        | Op::F32x4ConvertI32x4U
        | Op::F64x2ConvertLowI32x4U => 12,
        _ => 1,
    }
}

impl Cost {
    /// Adds a function that holds at most `held` values, and whose body has `body_bytes`.
    pub(super) fn add(
        &mut self,
        place: CodePlace,
        held: u64,
        body_bytes: usize,
        cost: &FunctionCost,
    ) -> Result<(), CompileError> {
        let spread = held.saturating_mul(cost.branches);
        let pressure = held.saturating_mul(cost.work);
        let tangle = cost.blocks.saturating_mul(cost.work);
        within(
            place,
            [
                ("bytes of code", body_bytes as u64, limits::FUNCTION_BODY_BYTES),
                ("blocks within one another", cost.depth_max, limits::FUNCTION_NESTING),
                ("values times branches", spread, limits::FUNCTION_SPREAD),
                ("values times instructions", pressure, limits::FUNCTION_PRESSURE),
                ("blocks times instructions", tangle, limits::FUNCTION_TANGLE),
            ],
        )?;
        self.functions += 1;
        self.spread = self.spread.saturating_add(spread);
        self.pressure = self.pressure.saturating_add(pressure);
        self.tangle = self.tangle.saturating_add(tangle);
        self.work = self.work.saturating_add(cost.work);
        within(
            CodePlace::Component,
            [
                ("functions", self.functions, limits::FUNCTIONS),
                ("values times branches in all of its functions", self.spread, limits::SPREAD),
                ("values times instructions in all of its functions", self.pressure, limits::PRESSURE),
                ("blocks times instructions in all of its functions", self.tangle, limits::TANGLE),
                ("instructions, as they are weighed,", self.work, limits::WORK),
            ],
        )
    }

    /// Adds function types, each of which has code of its own.
    pub(super) fn add_types(&mut self, count: u32) -> Result<(), CompileError> {
        self.types += u64::from(count);
        within(CodePlace::Component, [("types in its modules", self.types, limits::TYPES)])
    }

    /// Adds what the code that initialises a module sets.
    pub(super) fn add_settings(&mut self, count: u32) -> Result<(), CompileError> {
        self.settings += u64::from(count);
        let what = "element segments, elements and globals that are computed when it starts";
        within(CodePlace::Component, [(what, self.settings, limits::SETTINGS)])
    }
}

fn within<const N: usize>(place: CodePlace, counts: [(&'static str, u64, u64); N]) -> Result<(), CompileError> {
    match counts.into_iter().find(|(_, count, max)| count > max) {
        Some((what, count, max)) => Err(CompileError::TooCostly { place, what, count, max }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: CodePlace = CodePlace::Function { index: 7, offset: 0x123 };

    fn told(cost: &mut Cost, held: u64, body_bytes: u64, function: &FunctionCost) -> Option<String> {
        let bytes = usize::try_from(body_bytes).unwrap();
        cost.add(PLACE, held, bytes, function).err().map(|error| error.to_string())
    }

    #[test]
    fn a_function_is_refused_above_each_maximum_and_not_at_it() {
        let branches = 1_000;
        let held = limits::FUNCTION_SPREAD / branches;
        let function = FunctionCost { branches, work: 1, ..FunctionCost::default() };
        assert_eq!(told(&mut Cost::default(), held, 1, &function), None);
        let over = format!(
            "its function 7 (at byte 0x123) has {} values times branches, over {}; such code takes too long to compile",
            limits::FUNCTION_SPREAD + branches,
            limits::FUNCTION_SPREAD
        );
        assert_eq!(told(&mut Cost::default(), held + 1, 1, &function), Some(over));
        assert_eq!(told(&mut Cost::default(), 1, limits::FUNCTION_BODY_BYTES, &function), None);
        let refused = told(&mut Cost::default(), 1, limits::FUNCTION_BODY_BYTES + 1, &function).unwrap();
        assert!(refused.starts_with("its function 7 (at byte 0x123) has 1048577 bytes of code, over 1048576"), "{refused}");
    }

    #[test]
    fn functions_that_are_fine_alone_are_refused_when_there_are_too_many() {
        for (branches, work, max, what) in [
            (
                limits::FUNCTION_SPREAD,
                0,
                limits::SPREAD / limits::FUNCTION_SPREAD,
                "values times branches in all of its functions",
            ),
            (0, 1_000_000, limits::WORK / 1_000_000, "instructions, as they are weighed,"),
            (0, 0, limits::FUNCTIONS, "functions"),
        ] {
            let (mut cost, function) = (Cost::default(), FunctionCost { branches, work, ..FunctionCost::default() });
            for _ in 0..max {
                assert_eq!(told(&mut cost, 1, 1, &function), None);
            }
            let refused = told(&mut cost, 1, 1, &function).unwrap();
            assert!(refused.starts_with("it has ") && refused.contains(what), "{refused}");
        }
    }

    #[test]
    fn the_depth_of_a_function_is_that_of_its_innermost_block() {
        let depth = |text: &str| {
            let bytes = wat::parse_str(format!("(module (func {text}))")).unwrap();
            cost_of(&bytes).depth_max
        };
        assert_eq!(depth(""), 0);
        assert_eq!(depth("block end loop end"), 1);
        assert_eq!(depth("block i32.const 0 if loop end else block end end end"), 3);
        let nested = |depth| FunctionCost { depth_max: depth, ..FunctionCost::default() };
        assert_eq!(told(&mut Cost::default(), 1, 1, &nested(limits::FUNCTION_NESTING)), None);
        let refused = told(&mut Cost::default(), 1, 1, &nested(limits::FUNCTION_NESTING + 1)).unwrap();
        assert!(refused.contains("has 5001 blocks within one another, over 5000"), "{refused}");
    }

    fn cost_of(module: &[u8]) -> FunctionCost {
        let mut function = FunctionCost::default();
        for payload in wasmparser::Parser::new(0).parse_all(module) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
            for operator in body.get_operators_reader().unwrap() {
                function.operator(&operator.unwrap());
            }
        }
        function
    }

    #[test]
    fn a_table_of_branches_counts_each_of_its_targets() {
        let targets = wat::parse_str("(module (func (param i32) (block (block (br_table 0 1 0 1 0 (local.get 0))))))").unwrap();
        let function = cost_of(&targets);
        assert_eq!(function.branches, 1 + 1 + 4 + 1);
    }
}
