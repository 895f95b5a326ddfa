//! Lambda's names for runtimes, and what runs each here.
//!
//! One engine of a language is installed, and runs what was written for its older versions too: what differs between them is
//! in the languages' own release notes. A `provided` runtime is a component or a WASI module of one's own.

use crate::aws::error::ApiError;
use crate::language::Language;

/// What runs a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    Source(Language),
    /// `bootstrap.wasm`, or the only `.wasm` of the archive.
    Component,
}

const RUNTIMES: [(&str, Runner); 12] = [
    ("nodejs18.x", Runner::Source(Language::Nodejs24)),
    ("nodejs20.x", Runner::Source(Language::Nodejs24)),
    ("nodejs22.x", Runner::Source(Language::Nodejs24)),
    ("nodejs24.x", Runner::Source(Language::Nodejs24)),
    ("provided.al2", Runner::Component),
    ("provided.al2023", Runner::Component),
    ("python3.9", Runner::Source(Language::Python314)),
    ("python3.10", Runner::Source(Language::Python314)),
    ("python3.11", Runner::Source(Language::Python314)),
    ("python3.12", Runner::Source(Language::Python314)),
    ("python3.13", Runner::Source(Language::Python314)),
    ("python3.14", Runner::Source(Language::Python314)),
];

/// What runs functions of this runtime; `None` if nothing does.
pub fn runner(name: &str) -> Option<Runner> {
    RUNTIMES.iter().find(|(runtime, _)| *runtime == name).map(|(_, runner)| *runner)
}

/// What AWS has taken from its list.
const DEPRECATED: [&str; 15] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "provided",
    "go1.x",
];

/// Refuses a runtime that nothing runs, with the list of those that can be asked for.
pub fn check(name: &str) -> Result<(), ApiError> {
    if DEPRECATED.contains(&name) {
        return Err(ApiError::invalid_parameter(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if runner(name).is_none() {
        let names: Vec<&str> = RUNTIMES.iter().map(|(name, _)| *name).collect();
        return Err(ApiError::invalid_parameter(format!(
            "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            names.join(", ")
        )));
    }
    Ok(())
}
