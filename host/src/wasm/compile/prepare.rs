//! Rewrites a component before it is compiled: charges it for its frames, and makes it restorable, or bounds its streams and
//! bulk operations. The state of a Runtime for functions is taken out.
//!
//! Rewriting adds to a component that may already be as large as the format allows: locals, function bodies, types,
//! exports, segments. So the output is validated like the input. An invalid output is not used: a
//! component that cannot be made restorable runs as it is, each call on a new instance; one that cannot be charged is
//! refused. `serve`, `check` and `inspect` all ask here, so that they agree.

use std::borrow::Cow;

use super::error::{CompileError, CompileErrorKind};
use super::examine::{self, Examined};
use super::{bulk, frame, streams};
use crate::limits::{Limit, Limits, Profile};
use crate::wasm::restore::{self, Flavour};
use crate::wasm::snapshot::{self, StateLayout};

/// A component, ready to be compiled.
pub(super) struct Prepared<'a> {
    pub(super) code: Cow<'a, [u8]>,
    /// Why instances of a viewer component cannot be restored.
    pub(super) unsuitable: Option<String>,
    /// The state that was taken out of a Runtime for functions.
    pub(super) state: Option<StateLayout>,
}

pub(super) fn prepared<'a>(
    component: &'a [u8],
    examined: &Examined,
    limits: &Limits,
    flavour: Flavour,
) -> Result<Prepared<'a>, CompileError> {
    let profile = limits.profile();
    let code = valid(frame::charged(component, &examined.held)?, "with the price of its frames", profile)?;
    match profile {
        Profile::Worker => {
            let bounded = bulk::divided(streams::bounded(code)?)?;
            let code = valid(bounded, "with its streams and bulk operations bounded", profile)?;
            if flavour == Flavour::Function {
                return Ok(Prepared { code, unsuitable: None, state: None });
            }
            let split = snapshot::split(&code).map_err(no_runtime)?;
            let code = valid(split.component.into(), "without its state", profile)?;
            Ok(Prepared { code, unsuitable: None, state: Some(split.layout) })
        }
        Profile::Viewer => match (restorable(&code, limits.value(Limit::MemoryBytes), flavour), flavour) {
            (Ok(rewritten), _) => Ok(Prepared { code: rewritten.into(), unsuitable: None, state: None }),
            (Err(why), Flavour::Function) => Ok(Prepared { code, unsuitable: Some(why), state: None }),
            // What cannot be put back cannot be saved either.
            (Err(why), Flavour::Runtime) => Err(no_runtime(why)),
        },
    }
}

fn no_runtime(why: impl std::fmt::Display) -> CompileError {
    CompileError::refused(CompileErrorKind::Invalid, format!("it cannot run sources: {why}"), "")
}

/// The component rewritten to be restorable, or why that is impossible.
fn restorable(code: &[u8], memory_bytes: u64, flavour: Flavour) -> Result<Vec<u8>, String> {
    let rewritten = restore::rewrite(code, memory_bytes, flavour).map_err(|why| why.to_string())?;
    match examine::validated(&rewritten, Profile::Viewer) {
        Ok(_) => Ok(rewritten),
        // The error names the limit; its offsets refer to the rewritten bytes.
        Err(error) => Err(format!("what makes it restorable does not fit into it: {error}")),
    }
}

/// Validates the output of a rewriting. Code that was not rewritten has been validated before.
fn valid<'a>(code: Cow<'a, [u8]>, how: &str, profile: Profile) -> Result<Cow<'a, [u8]>, CompileError> {
    if let Cow::Owned(rewritten) = &code {
        examine::validated(rewritten, profile)
            .map_err(|error| CompileError::Unwritable { how: how.to_owned(), error: error.into() })?;
    }
    Ok(code)
}
