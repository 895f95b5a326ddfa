//! What a component is, told from its bytes alone, and whether it can be deployed.

use serde::{Deserialize, Serialize};

use super::error::CompileError;
use super::size::Size;
use crate::limits::{Limit, Limits, Profile};
use crate::wasm::abi::Moment;
use crate::wasm::sealed;
use crate::wasm::worker::linker;
use crate::wasm::world::{HANDLER, HttpVersion, interface};

/// What a component is, from its bytes alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Exported and imported names with their versions, in order.
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    /// The hooks it exports.
    pub moments: Vec<Moment>,
    /// How it answers HTTP requests, if it does.
    pub http: Option<HttpVersion>,
    /// What one instance of it takes.
    pub size: Size,
}

impl Inspection {
    /// Whether it can be the hook of this moment: with the hook's interface, or, at the origin, as a function that takes
    /// Lambda@Edge's events.
    pub fn can_be_hook(&self, moment: Moment) -> bool {
        self.moments.contains(&moment) || (!moment.is_viewer() && self.is_function())
    }

    /// Whether it exports `edgeward:function/handler`.
    pub fn is_function(&self) -> bool {
        self.exports.iter().any(|export| export == HANDLER)
    }

    /// Everything that its outline has against it under these limits.
    pub(super) fn wrong(&self, limits: &Limits) -> Vec<CompileError> {
        let profile = limits.profile();
        let viewer = profile == Profile::Viewer;
        let mut wrong = Vec::new();
        let callable = self.moments.iter().any(|moment| moment.is_viewer() == viewer) || (!viewer && self.http.is_some());
        if !callable {
            let mut needed: Vec<String> = Moment::ALL.into_iter().filter(|m| m.is_viewer() == viewer).map(interface).collect();
            if !viewer {
                needed.extend([
                    "wasi:http/incoming-handler@0.2".to_owned(),
                    "wasi:http/handler@0.3".to_owned(),
                    HANDLER.to_owned(),
                    "wasi:cli/run@0.2".to_owned(),
                ]);
            }
            wrong.push(CompileError::NothingToCall { exports: self.exports.clone(), profile, needed: needed.join(", ") });
        }
        let allows = if viewer { sealed::allows } else { linker::allows };
        let imports: Vec<String> = self.imports.iter().filter(|import| !allows(import)).cloned().collect();
        if !imports.is_empty() {
            let allowed = if viewer { sealed::allowed() } else { linker::allowed() };
            wrong.push(CompileError::Imports { imports, profile, allowed });
        }
        let excess = self.size.excess(&Size::room(profile)).into_iter();
        wrong.extend(excess.map(|(what, count, max)| CompileError::TooMuch { what, count, max, profile }));
        for (limit, count) in
            [(Limit::MemoryBytes, self.size.memory_bytes_all), (Limit::TableElements, self.size.table_elements_all)]
        {
            let max = limits.value(limit);
            // What no setting allows has been told.
            if count > max && max < limit.maximum(profile) {
                wrong.push(CompileError::OverLimit { limit, count, max, allowed: limit.maximum(profile) });
            }
        }
        wrong
    }

    /// Whether a component of which the rest is known to be fine can be deployed with these limits.
    pub fn check(&self, limits: &Limits) -> Result<(), CompileError> {
        CompileError::all(self.wrong(limits))
    }
}
