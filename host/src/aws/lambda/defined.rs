//! Functions of the configuration's file as the API shows them.
//!
//! Such a function is as one that has just been made: `$LATEST` alone, without tags, policies, a reservation. Its environment is
//! not told, since whoever reads the API need not be who reads the file; it has no role, and so no credentials.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::account::Account;
use crate::aws::lambda::configuration::{CodeRecord, Configuration, State, milliseconds};
use crate::aws::lambda::definition::FileDefinition;
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::record::{Function, FunctionRecord};
use crate::function::defined::DefinedFunction;
use crate::function::revision::Revision;
use crate::function::spec::CodeId;
use crate::language::Language;
use crate::limits::{Limit, Profile};
use crate::store::BlobDigest;
use crate::wasm::compile::HttpVersion;

/// What Lambda calls code that brings its own runtime, and by custom its handler.
const COMPONENT: (&str, &str) = ("provided.al2023", "bootstrap");

/// Of a role that nobody has made.
const ROLE: &str = "edgeward-file";

pub fn function_of(defined: &DefinedFunction, account: &Account) -> Function {
    let (name, configuration) = (defined.revision.name(), configuration(defined, account));
    let latest = Deployed::of_revision(name, configuration.clone(), defined.revision.clone());
    Function {
        name: name.to_owned(),
        record: Arc::new(FunctionRecord { latest: configuration, ..FunctionRecord::default() }),
        latest,
        building: None,
        versions: BTreeMap::new(),
        policies: BTreeMap::new(),
        definition: Some(Arc::new(definition(defined))),
    }
}

/// Whether what is shown of a function is still true.
pub fn is_of(function: &Function, defined: &DefinedFunction) -> bool {
    function.latest.revision().is_some_and(|revision| Arc::ptr_eq(&revision, &defined.revision))
        && function.record.latest.modified_ms == milliseconds(defined.modified)
        && function.definition.as_ref().is_some_and(|definition| definition.file == defined.file)
}

fn definition(defined: &DefinedFunction) -> FileDefinition {
    let (callable, file) = (takes_events(&defined.revision), defined.file.clone());
    FileDefinition { file, kind: kind(&defined.revision, callable), callable }
}

fn takes_events(revision: &Revision) -> bool {
    let inspection = revision.inspection();
    let has_handler = inspection.is_function() || inspection.http == Some(HttpVersion::Cgi);
    revision.profile() == Profile::Worker && has_handler
}

fn kind(revision: &Revision, callable: bool) -> String {
    let is_viewer = revision.profile() == Profile::Viewer;
    let moments = revision.moments().iter().filter(|moment| moment.is_viewer() == is_viewer);
    let moments: Vec<_> = moments.map(|moment| moment.name()).collect();
    match (callable, &moments[..]) {
        (true, _) => "a function".to_owned(),
        (false, []) => "an HTTP service".to_owned(),
        (false, moments) => format!("a hook ({})", moments.join(", ")),
    }
}

fn configuration(defined: &DefinedFunction, account: &Account) -> Configuration {
    let DefinedFunction { revision, file, modified } = defined;
    let spec = revision.spec();
    let (runtime, handler) = match &spec.code {
        CodeId::Component(_) => (COMPONENT.0, COMPONENT.1.to_owned()),
        CodeId::Source { language, file, .. } => (language.name(), handler(*language, file)),
    };
    let limit = |limit, unit: u64| u32::try_from(revision.limits().value(limit).div_ceil(unit)).unwrap_or(u32::MAX);
    let mut configuration = Configuration {
        code: CodeRecord { digest: BlobDigest(spec.code.digest().0), bytes: revision.code_bytes() },
        runtime: runtime.to_owned(),
        handler,
        role: account.role_arn(ROLE),
        description: format!("{}, defined in {}", kind(revision, takes_events(revision)), file.display()),
        timeout_s: limit(Limit::DeadlineMs, 1_000),
        memory_mb: limit(Limit::MemoryBytes, 1 << 20),
        ephemeral_storage_mb: limit(Limit::EphemeralStorageBytes, 1 << 20),
        state: State::Active,
        ..Configuration::new()
    };
    configuration.touch(*modified);
    configuration
}

/// Of a package, its specification names the handler; of the one file of a hook, that file.
fn handler(language: Language, file: &str) -> String {
    match language.profile() {
        Profile::Worker => file.to_owned(),
        Profile::Viewer => language.handler_of(Path::new(file)),
    }
}
