//! `[function.NAME]`: a component or a source, and its settings. Its use in sites decides its profile.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::files::Files;
use super::reader::{self, Declared, TableReader, Text};
use super::{Function, FunctionCode, Hidden, KeyValues};
use crate::diagnostic::{nearest, quoted};
use crate::language::Language;
use crate::limits::init::{CLOUDFRONT_SOURCE_BYTES, LAYERS};
use crate::limits::{InstancePolicy, Limit, Limits, Profile, config};
use crate::network::Grants;

/// The uses of functions, which decide their profiles.
#[derive(Default)]
pub(super) struct Uses {
    viewer: BTreeMap<String, Range<usize>>,
    worker: BTreeMap<String, Range<usize>>,
}

impl Uses {
    pub(super) fn note(&mut self, profile: Profile, function: &str, place: Range<usize>) {
        let uses = match profile {
            Profile::Viewer => &mut self.viewer,
            Profile::Worker => &mut self.worker,
        };
        uses.entry(function.to_owned()).or_insert(place);
    }

    pub(super) fn contains(&self, function: &str) -> bool {
        self.viewer.contains_key(function) || self.worker.contains_key(function)
    }

    /// Viewer if a viewer moment refers to it. A function cannot be both.
    fn profile(&self, table: &TableReader<'_>, name: &str) -> Profile {
        match (self.viewer.get(name), self.worker.get(name)) {
            (Some(_), Some(worker)) => {
                let message = format!("function `{name}` is used as a viewer hook and also at or as an origin");
                let remedy = "the limits differ: declare a second function with the same `component` for this use";
                table.report.error(worker.clone(), message, remedy);
                Profile::Viewer
            }
            (Some(_), None) => Profile::Viewer,
            (None, _) => Profile::Worker,
        }
    }

    /// The one profile of a source in this language.
    fn source(&self, table: &TableReader<'_>, name: &str, language: Language) -> Profile {
        match language.profile() {
            Profile::Viewer => {
                if let Some(worker) = self.worker.get(name) {
                    let message = format!("function `{name}` is a source of {language}, which can only be a viewer hook");
                    let remedy = "use it as `viewer_request` or `viewer_response`, or use a function with a `component` here";
                    table.report.error(worker.clone(), message, remedy);
                }
            }
            Profile::Worker => {
                if let Some(viewer) = self.viewer.get(name) {
                    let message = format!("function `{name}` is a source of {language}, which cannot be a viewer hook");
                    table.report.error(
                        viewer.clone(),
                        message,
                        "name it as the `component` of an origin, as `origin_request` or `origin_response`",
                    );
                }
            }
        }
        language.profile()
    }
}

pub(super) fn read(
    root: &mut TableReader<'_>,
    files: &mut Files<'_>,
    uses: &Uses,
    declared_stores: &Declared<'_>,
    stores: &BTreeMap<String, Arc<KeyValues>>,
) -> BTreeMap<String, Arc<Function>> {
    let functions = root.named("function").into_iter().filter_map(|(name, mut table)| {
        let defined_in = files.source_of(&name);
        let name = (*name.get_ref()).to_owned();
        let language = table.peek("runtime").and_then(Language::named).filter(|_| table.has("source"));
        let profile = match language {
            Some(language) => uses.source(&table, &name, language),
            None => uses.profile(&table, &name),
        };
        let limits = limits(&mut table, profile);
        let is_used = uses.contains(&name);
        let mut code = code(&mut table, is_used.then_some(&limits), files);
        let layers = layers(&mut table, code.as_mut(), files);
        let is_source = !matches!(code, None | Some(FunctionCode::Component(_)));
        let source = is_source.then(|| table.text("source")).flatten();
        let policy = policy(&mut table);
        let min_warm = min_warm(&mut table, &limits);
        let store = table.text("key_value_store");
        let store = store.and_then(|store| declared_stores.resolve(table.report, &store));
        let network = network(&mut table, profile);
        let environment = environment(&mut table, profile);
        let report = table.report;
        table.finish();
        let function = Function {
            name: name.clone(),
            defined_in,
            code: code?,
            profile,
            limits,
            policy,
            min_warm,
            key_value_store: store.and_then(|store| stores.get(&store).cloned()),
            network,
            environment: Hidden(Arc::new(environment)),
        };
        // Its INIT needs all of it.
        if let (true, Some(source)) = (is_used, &source) {
            let is_wrong = |(text, path): &(Text<'_>, PathBuf)| !files.judge_layer(report, text, path);
            if layers.iter().filter(|layer| is_wrong(layer)).count() == 0 {
                files.judge_source(report, source, &function);
            }
        }
        Some((name, Arc::new(function)))
    });
    functions.collect()
}

/// `component`, or `source` with `runtime` and, for a function, `handler`.
fn code(table: &mut TableReader<'_>, limits: Option<&Limits>, files: &mut Files<'_>) -> Option<FunctionCode> {
    const EXAMPLE: &str = "\"function.wasm\"";
    let (component, source, runtime) = (table.text("component"), table.text("source"), table.text("runtime"));
    let handler = table.text("handler");
    let is_function = runtime.as_ref().and_then(|runtime| Language::named(runtime.get_ref()));
    let is_function = is_function.is_some_and(|language| language.profile() == Profile::Worker);
    if let Some(handler) = handler.as_ref().filter(|_| !is_function) {
        let message = format!("{} has a `handler`, and is no function in a language that names one", table.place());
        table.report.error(handler.span(), message, "take it out: a component exports its handler, a hook's is called `handler`");
    }
    match (component, source, runtime) {
        (Some(_), Some(source), _) => {
            let remedy = "take one out: `component` names WebAssembly, `source` what a Runtime runs";
            table.report.error(source.span(), format!("{} has a `component` and a `source`", table.place()), remedy);
            None
        }
        (component, None, Some(runtime)) => {
            let remedy = "add `source = \"function.js\"`, or take `runtime` out";
            table.report.error(runtime.span(), format!("{} has a `runtime` and no `source`", table.place()), remedy);
            component.and(None)
        }
        (Some(component), None, None) => component_file(table, &component, limits, files).map(FunctionCode::Component),
        (None, Some(source), Some(runtime)) => {
            let language = language(table, &runtime)?;
            match language.profile() {
                Profile::Viewer => source_file(table, &source, language, files),
                Profile::Worker => package(table, &source, handler.as_ref(), language, files),
            }
        }
        (None, Some(_), None) => {
            if !table.has("runtime") {
                table.missing("runtime", &format!("\"{}\"", Language::CloudfrontJs2));
            }
            None
        }
        (None, None, None) => {
            if !["component", "source", "runtime"].into_iter().any(|key| table.has(key)) {
                table.missing("component", EXAMPLE);
            }
            None
        }
    }
}

fn language(table: &TableReader<'_>, runtime: &Text<'_>) -> Option<Language> {
    let language = Language::named(runtime.get_ref());
    if language.is_none() {
        let names = || Language::ALL.iter().map(|language| language.name());
        let near = nearest(runtime.get_ref(), names()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let message = format!("unknown runtime `{}`", runtime.get_ref().escape_debug());
        table.report.error(runtime.span(), message, format!("{near}the runtimes are: {}", quoted(names())));
    }
    language
}

/// A function's file, or folder of files.
fn package(
    table: &TableReader<'_>,
    source: &Text<'_>,
    handler: Option<&Text<'_>>,
    language: Language,
    files: &mut Files<'_>,
) -> Option<FunctionCode> {
    let path = files.tree(table, source)?;
    let handler = match handler {
        Some(handler) if handler.get_ref().contains('.') => (*handler.get_ref()).to_owned(),
        Some(handler) => {
            let message = format!("`{}` is no handler", handler.get_ref().escape_debug());
            let remedy = format!("name the file and the function in it, such as `{}`", language.handler_of(&path));
            table.report.error(handler.span(), message, remedy);
            return None;
        }
        None => language.handler_of(&path),
    };
    Some(FunctionCode::Package { files: path, language, handler, layers: Vec::new() })
}

/// `layers`, each with its place.
fn layers<'a>(table: &mut TableReader<'a>, code: Option<&mut FunctionCode>, files: &mut Files<'_>) -> Vec<(Text<'a>, PathBuf)> {
    let Some(texts) = table.texts("layers") else { return Vec::new() };
    let has_layers = match &code {
        Some(FunctionCode::Package { layers, .. }) => Some(layers),
        // Something else is wrong with it.
        None => return Vec::new(),
        Some(_) => None,
    };
    if let (None, Some(first)) = (has_layers, texts.first()) {
        let message = format!("{} has `layers`, and is no function in a language that finds them", table.place());
        table.report.error(first.span(), message, "take them out, or put their files into what the function is built from");
        return Vec::new();
    }
    if let Some(beyond) = texts.get(LAYERS) {
        table.report.error(beyond.span(), "too many `layers`", format!("at most {LAYERS}; merge some of them"));
    }
    let found = texts.into_iter().take(LAYERS).filter_map(|text| {
        let path = files.tree(table, &text)?;
        if !path.is_dir() && !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
            let message = format!("`{}` is neither a folder nor a zip archive", text.get_ref().escape_debug());
            table.report.error(text.span(), message, "name what is published as a layer, such as \"layer.zip\"");
            return None;
        }
        Some((text, path))
    });
    let found: Vec<_> = found.collect();
    if let Some(FunctionCode::Package { layers, .. }) = code {
        layers.extend(found.iter().map(|(_, path)| path.clone()));
    }
    found
}

fn source_file(table: &TableReader<'_>, source: &Text<'_>, language: Language, files: &mut Files<'_>) -> Option<FunctionCode> {
    let file = files.existing(table, source)?;
    let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
    let most = CLOUDFRONT_SOURCE_BYTES;
    if bytes > most {
        let message = format!("`{}` has {bytes} bytes", source.get_ref().escape_debug());
        table.report.error(source.span(), message, format!("a source of {language} may have at most {most}"));
        return None;
    }
    let Ok(text) = String::from_utf8(files.contents(table, source, most)?) else {
        let message = format!("`{}` is not UTF-8", source.get_ref().escape_debug());
        table.report.error(source.span(), message, "save it as UTF-8 text");
        return None;
    };
    Some(FunctionCode::Source { file, language, text: text.into() })
}

/// `limits` is `None` for an unused function: it is not deployed and has no profile to validate against.
fn component_file(table: &TableReader<'_>, text: &Text<'_>, limits: Option<&Limits>, files: &mut Files<'_>) -> Option<PathBuf> {
    let path = files.existing(table, text)?;
    let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if bytes > config::COMPONENT_BYTES {
        let message = format!("`{}` has {bytes} bytes", text.get_ref().escape_debug());
        table.report.error(text.span(), message, format!("a component may have at most {}", config::COMPONENT_BYTES));
        return None;
    }
    if let Some(limits) = limits {
        files.judge_component(table, text, &path, limits);
    }
    Some(path)
}

fn limits(table: &mut TableReader<'_>, profile: Profile) -> Limits {
    let mut limits = Limits::defaults(profile);
    for (name, value) in table.entries_of("limits") {
        let key = *name.get_ref();
        let names = || Limit::ALL.iter().map(|limit| limit.name());
        let Some(limit) = Limit::ALL.into_iter().find(|limit| limit.name() == key) else {
            let near = nearest(key, names()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let remedy = format!("{near}the limits are: {}", quoted(names()));
            table.report.error(name.span(), format!("unknown limit `{}`", key.escape_debug()), remedy);
            continue;
        };
        let Some(number) = reader::integer(table.report, key, value) else { continue };
        let (unit, maximum) = (limit.unit(), limit.maximum(profile));
        let least = u64::from(maximum > 0);
        let set = u64::try_from(number).ok().filter(|value| *value >= least);
        match set.map(|value| limits.clone().with(limit, value)) {
            Some(Ok(changed)) => limits = changed,
            Some(Err(over)) => {
                let default = limit.default(profile);
                let remedy = format!("{least} to {maximum} {unit} for a {}; default {default}", profile_name(profile));
                table.report.error(value.span(), over.to_string(), remedy);
            }
            None => {
                let message = format!("`{key}` must be at least {least} {unit}, not {number}");
                table.report.error(value.span(), message, format!("{least} to {maximum} {unit} is allowed"));
            }
        }
    }
    limits
}

fn policy(table: &mut TableReader<'_>) -> InstancePolicy {
    const REMEDY: &str = "\"fresh\", or { reuse = { max_calls = 1000, max_idle_s = 60 } }";
    let Some(value) = table.value("policy") else { return InstancePolicy::Fresh };
    match value.get_ref() {
        DeValue::String(word) if word == "fresh" => {}
        DeValue::String(word) => {
            table.report.error(value.span(), format!("unknown policy `{}`", word.escape_debug()), REMEDY);
        }
        DeValue::Table(_) => {
            if let Some(mut policy) = table.table("policy") {
                let reuse = policy.table("reuse").map(reuse);
                if !policy.has("reuse") {
                    policy.missing("reuse", "{ max_calls = 1000, max_idle_s = 60 }");
                }
                policy.finish();
                return reuse.unwrap_or(InstancePolicy::Fresh);
            }
        }
        other => reader::wrong_type(table.report, value.span(), "policy", REMEDY, other),
    }
    InstancePolicy::Fresh
}

fn reuse(mut table: TableReader<'_>) -> InstancePolicy {
    let max_calls = table.integer("max_calls", 1..=config::REUSE_CALLS_MAX).unwrap_or(config::REUSE_CALLS);
    let max_idle = table.integer("max_idle_s", 1..=config::REUSE_IDLE_S_MAX).unwrap_or(config::REUSE_IDLE_S);
    table.finish();
    InstancePolicy::Reuse { max_calls, max_idle: Duration::from_secs(max_idle) }
}

fn min_warm(table: &mut TableReader<'_>, limits: &Limits) -> Option<usize> {
    let min_warm = table.integer("min_warm", 0..=limits.value(Limit::Instances))?;
    Some(usize::try_from(min_warm).unwrap_or(usize::MAX))
}

fn network(table: &mut TableReader<'_>, profile: Profile) -> Grants {
    let mut grants = Grants::default();
    let Some(patterns) = table.texts("network") else { return grants };
    for pattern in &patterns {
        if let Err(error) = grants.add(pattern.get_ref()) {
            let remedy = "such as \"api.example.com:443\"; `*` stands for one label, or for any port";
            table.report.error(pattern.span(), error.to_string(), remedy);
        }
    }
    if let Some(beyond) = patterns.get(config::GRANTS) {
        table.report.error(beyond.span(), "too many entries in `network`", format!("at most {}", config::GRANTS));
    }
    if let (Profile::Viewer, Some(first)) = (profile, patterns.first()) {
        table.report.error(first.span(), "a viewer hook has no network", "remove `network`, or use the function at the origin");
    }
    grants
}

fn environment(table: &mut TableReader<'_>, profile: Profile) -> BTreeMap<String, String> {
    let entries = table.map("environment");
    let mut bytes = 0;
    for (name, value) in &entries {
        let (key, text) = (*name.get_ref(), *value.get_ref());
        bytes += key.len() + text.len();
        if key.is_empty() || key.contains(['=', '\0']) || text.contains('\0') {
            let message = format!("`{}` cannot be an environment variable", key.escape_debug());
            table.report.error(name.span(), message, "a name without `=`, and no zero bytes");
        }
    }
    if let (Profile::Viewer, Some((first, _))) = (profile, entries.first()) {
        let remedy = "remove `environment`; a key-value store can hold settings";
        table.report.error(first.span(), "a viewer hook has no environment", remedy);
    }
    if let (true, Some((first, _))) = (bytes > config::ENVIRONMENT_BYTES, entries.first()) {
        let message = format!("`environment` has {bytes} bytes");
        table.report.error(first.span(), message, format!("at most {} are allowed", config::ENVIRONMENT_BYTES));
    }
    entries.iter().map(|(name, value)| ((*name.get_ref()).to_owned(), (*value.get_ref()).to_owned())).collect()
}

fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Viewer => "viewer hook",
        Profile::Worker => "worker",
    }
}
