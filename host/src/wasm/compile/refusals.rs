//! Remembers the components that were refused, so that a reload does not compile them again.
//!
//! A component that takes the compiler to its limits would otherwise do so at each reload, for as long as it stands in the
//! configuration. Only what the component itself is the reason of is remembered: not that memory was short, that the
//! machine was busy, or that a file could not be written. What is remembered ends with the process, and with a change of the
//! component, of the function's limits or of the bounds of compiling, all of which a `Job` has.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::error::{CompileError, CompileErrorKind};
use super::job::Job;
use crate::limits::compile::{REFUSAL_BYTES, REFUSALS};

/// See the module.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Refusals(Mutex<VecDeque<(Job, CompileErrorKind, String, String)>>);

impl Refusals {
    /// The error with which this job has failed before.
    pub(super) fn of(&self, job: &Job) -> Option<CompileError> {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, reason, message, remedy) = refused.iter().find(|(before, ..)| before == job)?;
        Some(CompileError::refused(*reason, message.as_str(), remedy))
    }

    /// Remembers an error, if the same job must fail again. The oldest is forgotten for it.
    pub(super) fn remember(&self, job: &Job, error: &CompileError) {
        let (message, remedy) = (error.to_string(), error.remedy());
        if !error.is_final() || message.len() + remedy.len() > REFUSAL_BYTES {
            return;
        }
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two functions may have the same component.
        if refused.iter().any(|(before, ..)| before == job) {
            return;
        }
        if refused.len() >= REFUSALS {
            refused.pop_front();
        }
        refused.push_back((job.clone(), error.reason(), message, remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Compiling, Limit, Limits, Profile};
    use crate::wasm::compile::{ComponentSource, compiled};
    use crate::wasm::engine::tests::engines;
    use crate::wasm::restore::Flavour;

    fn job(number: u64) -> Job {
        let source = ComponentSource::from_bytes(&number.to_le_bytes()).unwrap();
        Job::new(&engines().viewer, &source, &Limits::defaults(Profile::Viewer), Compiling::default(), Flavour::Function)
    }

    #[test]
    fn a_refused_component_is_not_compiled_again_until_something_changes() {
        let source = ComponentSource::from_bytes(b"no component, and refused by this test only").unwrap();
        let limits = Limits::defaults(Profile::Viewer);
        let refused = |limits: &Limits, bounds| compiled(engines(), &source, limits, bounds).err().unwrap();
        // What has been examined is an error of its own kind; what is remembered is told only.
        let first = refused(&limits, Compiling::default());
        assert!(matches!(first, CompileError::Invalid(_)), "{first:?}");
        let again = refused(&limits, Compiling::default());
        assert!(matches!(again, CompileError::Refused { .. }), "{again:?}");
        assert_eq!((again.told(), again.reason()), (first.told(), first.reason()));
        let more = limits.clone().with(Limit::MemoryBytes, 1 << 20).unwrap();
        assert!(matches!(refused(&more, Compiling::default()), CompileError::Invalid(_)));
        let longer = Compiling { cpu_s: 7, ..Compiling::default() };
        assert!(matches!(refused(&limits, longer), CompileError::Invalid(_)));
    }

    #[test]
    fn a_failure_that_the_component_is_not_the_reason_of_is_not_remembered() {
        let refusals = Refusals::default();
        let interrupted =
            CompileError::Interrupted { reason: CompileErrorKind::Memory, message: String::new(), remedy: String::new() };
        for error in [
            interrupted,
            CompileError::failed("the disk is full"),
            CompileError::refused(CompileErrorKind::Changed, "", ""),
            CompileError::Several(vec![CompileError::CoreModule, CompileError::failed("it broke")]),
        ] {
            refusals.remember(&job(1), &error);
            assert!(refusals.of(&job(1)).is_none(), "{error:?}");
        }
        refusals.remember(&job(1), &CompileError::refused(CompileErrorKind::Time, "too slow", "split it"));
        assert_eq!(refusals.of(&job(1)).unwrap().told(), "too slow; split it");
    }

    #[test]
    fn the_oldest_refusals_are_forgotten_and_the_longest_are_not_kept() {
        let refusals = Refusals::default();
        for number in 0..=REFUSALS as u64 {
            refusals.remember(&job(number), &CompileError::CoreModule);
        }
        assert!(refusals.of(&job(0)).is_none());
        assert!(refusals.of(&job(1)).is_some() && refusals.of(&job(REFUSALS as u64)).is_some());
        for (bytes, is_kept) in [(REFUSAL_BYTES, true), (REFUSAL_BYTES + 1, false)] {
            let number = 1_000 + bytes as u64;
            refusals.remember(&job(number), &CompileError::refused(CompileErrorKind::Cost, "x".repeat(bytes), ""));
            assert_eq!(refusals.of(&job(number)).is_some(), is_kept, "{bytes}");
        }
    }
}
