//! What compiling code will cost, told from its shape while it is validated.
//!
//! A compiler's time and memory are not proportional to bytes. For each value that a function holds and each edge
//! between its blocks it may have to write down where the value is; so a function costs `values held × branches`, and
//! a few hundred kilobytes of code can take gigabytes. Beside that each instruction costs what it becomes: one of a
//! few bytes may be twenty of the machine's.
//!
//! I count both, for each function and in sum. `docs/limits.md` has what was measured. What I do not foretell is for
//! the bounds of the process that compiles.

use wasmparser::Operator;

use super::CompileError;
use super::error::CodePlace;
use crate::limits::compile as limits;

/// What a component's code costs so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    functions: u64,
    spread: u64,
    work: u64,
}

/// What one function costs, as its operators come.
#[derive(Debug, Default)]
pub(super) struct FunctionCost {
    /// Edges between blocks.
    branches: u64,
    /// Instructions, each weighed by what it becomes.
    work: u64,
}

impl FunctionCost {
    pub(super) fn operator(&mut self, operator: &Operator<'_>) {
        let (branches, work) = weigh(operator);
        self.branches += branches;
        self.work += work;
    }
}

fn weigh(operator: &Operator<'_>) -> (u64, u64) {
    match operator {
        Operator::Block { .. } | Operator::Else => (1, 1),
        Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::BrIf { .. }
        | Operator::BrOnNull { .. }
        | Operator::BrOnNonNull { .. } => (2, 2),
        Operator::Br { .. } | Operator::Return | Operator::Unreachable => (1, 1),
        Operator::BrTable { targets } => (u64::from(targets.len()) + 1, u64::from(targets.len()) + 4),
        _ => (0, 1),
    }
}

impl Cost {
    /// Adds a function that holds so many values at most, and whose body has so many bytes.
    pub(super) fn add(
        &mut self,
        place: CodePlace,
        held: u64,
        body_bytes: usize,
        cost: &FunctionCost,
    ) -> Result<(), CompileError> {
        let too_costly = |place, what, count, max| Err(CompileError::TooCostly { place, what, count, max });
        let body_bytes = body_bytes as u64;
        if body_bytes > limits::FUNCTION_BODY_BYTES {
            return too_costly(place, "bytes of code", body_bytes, limits::FUNCTION_BODY_BYTES);
        }
        let spread = held.saturating_mul(cost.branches);
        if spread > limits::FUNCTION_SPREAD {
            return too_costly(place, "values times branches", spread, limits::FUNCTION_SPREAD);
        }
        self.functions += 1;
        self.spread = self.spread.saturating_add(spread);
        self.work = self.work.saturating_add(cost.work);
        for (what, count, max) in [
            ("functions", self.functions, limits::FUNCTIONS),
            ("values times branches in all of its functions", self.spread, limits::SPREAD),
            ("instructions, as they are weighed,", self.work, limits::WORK),
        ] {
            if count > max {
                return too_costly(CodePlace::Component, what, count, max);
            }
        }
        Ok(())
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
        let function = FunctionCost { branches, work: 1 };
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
            let (mut cost, function) = (Cost::default(), FunctionCost { branches, work });
            for _ in 0..max {
                assert_eq!(told(&mut cost, 1, 1, &function), None);
            }
            let refused = told(&mut cost, 1, 1, &function).unwrap();
            assert!(refused.starts_with("it has ") && refused.contains(what), "{refused}");
        }
    }

    #[test]
    fn a_table_of_branches_counts_each_of_its_targets() {
        let targets = wat::parse_str("(module (func (param i32) (block (block (br_table 0 1 0 1 0 (local.get 0))))))").unwrap();
        let mut function = FunctionCost::default();
        for payload in wasmparser::Parser::new(0).parse_all(&targets) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
            for operator in body.get_operators_reader().unwrap() {
                function.operator(&operator.unwrap());
            }
        }
        assert_eq!(function.branches, 1 + 1 + 4 + 1);
    }
}
