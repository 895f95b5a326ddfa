//! Why a component cannot be deployed: in full for the log and for `check`, and in one word for a metric.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits::compile::NAMES_TOLD;
use crate::limits::{Limit, Profile};
use crate::wasm::worker::offered;

/// Why a component cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("not a WebAssembly component: {0}")]
    Invalid(String),
    #[error("a core module that is no program for WASI 0.1, and not a component")]
    CoreModule,
    #[error("it exports nothing that Edgeward calls; exports: {}", if .exports.is_empty() { "none".to_owned() } else { .exports.join(", ") })]
    NothingToCall { exports: Vec<String>, profile: Profile, needed: String },
    #[error("it imports {}, which a {profile} component may not", listed(.imports), profile = .profile.name())]
    Imports { imports: Vec<String>, profile: Profile, allowed: String },
    #[error("it imports {}, which Edgeward does not have", listed(.functions))]
    Functions { functions: Vec<String> },
    #[error("{place} has {count} {what}, over {max}; such code takes too long to compile")]
    TooCostly { place: CodePlace, what: &'static str, count: u64, max: u64 },
    #[error("{count} {what} are over {max}; code moves them for the price of one")]
    TooManyValues { what: &'static str, count: usize, max: usize },
    #[error("its functions declare {values} values, out of all proportion to their code")]
    FramesTooLarge { values: usize },
    #[error("it has {count} {what}; a {profile} component may have at most {max}", profile = .profile.name())]
    TooMuch { what: &'static str, count: u64, max: u64, profile: Profile },
    #[error("it has {count} {unit} of `{name}` from the start, over its limit of {max}", name = .limit.name(), unit = .limit.unit())]
    OverLimit { limit: Limit, count: u64, max: u64, allowed: u64 },
    #[error("{how} it cannot be compiled: {error}")]
    Unwritable { how: String, error: Box<CompileError> },
    #[error("{0}")]
    Mismatch(String),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<CompileError>),
    /// The compiling process has refused it, or has failed.
    #[error("{message}")]
    Refused { reason: CompileErrorKind, message: String, remedy: String },
    /// The compiling process was ended for a reason that may not be the component's.
    #[error("{message}")]
    Interrupted { reason: CompileErrorKind, message: String, remedy: String },
    #[error("{0:#}")]
    Wasmtime(wasmtime::Error),
}

/// The place in the code that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePlace {
    Component,
    /// By its index in its module, and where its body begins in the component.
    Function {
        index: u32,
        offset: usize,
    },
}

impl std::fmt::Display for CodePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CodePlace::Component => write!(f, "it"),
            CodePlace::Function { index, offset } => write!(f, "its function {index} (at byte {offset:#x})"),
        }
    }
}

/// The label of a refusal in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompileErrorKind {
    /// Not a valid component, or not one for this engine.
    Invalid,
    /// It exports nothing that can be called.
    Exports,
    Imports,
    /// It is larger than an instance may be.
    Size,
    /// The estimated cost of compiling it is too high.
    Cost,
    /// Compiling it took too much memory.
    Memory,
    Time,
    /// The file was written to while it was read.
    Changed,
    /// The compiler failed, or its environment.
    Failed,
}

impl CompileErrorKind {
    pub const ALL: [CompileErrorKind; 9] = [
        CompileErrorKind::Invalid,
        CompileErrorKind::Exports,
        CompileErrorKind::Imports,
        CompileErrorKind::Size,
        CompileErrorKind::Cost,
        CompileErrorKind::Memory,
        CompileErrorKind::Time,
        CompileErrorKind::Changed,
        CompileErrorKind::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            CompileErrorKind::Invalid => "invalid",
            CompileErrorKind::Exports => "exports",
            CompileErrorKind::Imports => "imports",
            CompileErrorKind::Size => "size",
            CompileErrorKind::Cost => "cost",
            CompileErrorKind::Memory => "memory",
            CompileErrorKind::Time => "time",
            CompileErrorKind::Changed => "changed",
            CompileErrorKind::Failed => "failed",
        }
    }
}

impl CompileError {
    pub fn reason(&self) -> CompileErrorKind {
        match self {
            CompileError::Invalid(_) | CompileError::CoreModule => CompileErrorKind::Invalid,
            CompileError::NothingToCall { .. } => CompileErrorKind::Exports,
            CompileError::Imports { .. } | CompileError::Functions { .. } | CompileError::Mismatch(_) => {
                CompileErrorKind::Imports
            }
            CompileError::TooCostly { .. }
            | CompileError::TooManyValues { .. }
            | CompileError::FramesTooLarge { .. }
            | CompileError::Unwritable { .. } => CompileErrorKind::Cost,
            CompileError::TooMuch { .. } | CompileError::OverLimit { .. } => CompileErrorKind::Size,
            CompileError::Several(errors) => errors.first().map_or(CompileErrorKind::Invalid, CompileError::reason),
            CompileError::Refused { reason, .. } | CompileError::Interrupted { reason, .. } => *reason,
            CompileError::Wasmtime(_) => CompileErrorKind::Failed,
        }
    }

    /// Advice to the author; empty if there is none.
    pub fn remedy(&self) -> String {
        match self {
            CompileError::Invalid(_) => {
                "the engine has no threads, exceptions, garbage collection or relaxed SIMD; build it without".to_owned()
            }
            CompileError::CoreModule => "make one with `wasm-tools component new`, or build for wasm32-wasip2".to_owned(),
            CompileError::NothingToCall { exports, profile, needed } => {
                advised(exports, *profile, format!("one of these is needed: {needed}"))
            }
            CompileError::Imports { imports, profile, allowed } => advised(imports, *profile, format!("allowed: {allowed}")),
            CompileError::Functions { .. } | CompileError::Mismatch(_) => {
                "build it with other versions of these interfaces".to_owned()
            }
            CompileError::TooCostly { .. } => "split the function, or compile it with less inlining".to_owned(),
            CompileError::TooManyValues { .. } => "pass them in memory".to_owned(),
            CompileError::OverLimit { limit, allowed, .. } => {
                format!("set `limits = {{ {} = … }}`, at most {allowed}", limit.name())
            }
            CompileError::Several(errors) => {
                let remedies = errors.iter().map(CompileError::remedy).filter(|remedy| !remedy.is_empty());
                remedies.collect::<Vec<_>>().join("; ")
            }
            CompileError::Refused { remedy, .. } | CompileError::Interrupted { remedy, .. } => remedy.clone(),
            CompileError::Unwritable { error, .. } => error.remedy(),
            CompileError::FramesTooLarge { .. } | CompileError::TooMuch { .. } | CompileError::Wasmtime(_) => String::new(),
        }
    }

    /// Whether the component is the reason, so that it is refused again unless something changes.
    pub(super) fn is_final(&self) -> bool {
        match self {
            CompileError::Interrupted { .. } => false,
            CompileError::Several(errors) => errors.iter().all(CompileError::is_final),
            error => !matches!(error.reason(), CompileErrorKind::Changed | CompileErrorKind::Failed),
        }
    }

    /// The error and its remedy.
    pub fn told(&self) -> String {
        let remedy = self.remedy();
        if remedy.is_empty() { self.to_string() } else { format!("{self}; {remedy}") }
    }

    /// Combines these errors, if any.
    pub(super) fn all(mut errors: Vec<CompileError>) -> Result<(), CompileError> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(CompileError::Several(errors)),
        }
    }

    pub(super) fn failed(message: impl Into<String>) -> CompileError {
        CompileError::refused(CompileErrorKind::Failed, message, "")
    }

    pub(super) fn refused(reason: CompileErrorKind, message: impl Into<String>, remedy: &str) -> CompileError {
        CompileError::Refused { reason, message: message.into(), remedy: remedy.to_owned() }
    }
}

/// Advice about these names, where there is any, followed by the general advice.
fn advised(names: &[String], profile: Profile, about_any: String) -> String {
    let mut advice: Vec<&str> = match profile {
        Profile::Viewer => Vec::new(),
        Profile::Worker => names.iter().filter_map(|name| offered::advice(name)).collect(),
    };
    // Many names may have the same advice.
    let mut told = BTreeSet::new();
    advice.retain(|advice| told.insert(*advice));
    advice.push(&about_any);
    advice.join("; ")
}

fn listed(names: &[String]) -> String {
    let mut list = names.iter().take(NAMES_TOLD).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_TOLD {
        list += &format!(" and {} more", names.len() - NAMES_TOLD);
    }
    list
}
