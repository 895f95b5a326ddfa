//! `[build.NAME]`: the command that makes the component of function NAME, for `edgeward build` and `edgeward dev`.
//!
//! An edge that serves checks these tables and does nothing with them. They can be read alone (`config::builds`), since a
//! configuration is not complete before its components are built.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Build;
use super::files::Files;
use super::reader::{Declared, TableReader, Text};
use crate::limits::config::{BUILD_SOURCES, BUILD_WORDS};

/// The builds of a configuration of which nothing else is read.
pub(super) fn read_alone(root: &mut TableReader<'_>, files: &Files<'_>) -> Vec<Build> {
    let functions = Declared::collect(root, "function");
    let components = root.named("function").into_iter().filter_map(|(name, mut table)| {
        let component = table.required_text("component", "\"function.wasm\"")?;
        Some(((*name.get_ref()).to_owned(), files.resolve(&component)))
    });
    let components: BTreeMap<String, PathBuf> = components.collect();
    let builds = read(root, files, &functions).into_iter();
    builds.filter_map(|(build, module)| with_component(root, build, &module, &components)).collect()
}

/// Checks the tables, and drops them.
pub(super) fn check(root: &mut TableReader<'_>, files: &Files<'_>, functions: &Declared<'_>) {
    read(root, files, functions);
}

fn read<'a>(root: &mut TableReader<'a>, files: &Files<'_>, functions: &Declared<'_>) -> Vec<(Build, Text<'a>)> {
    let builds = root.named("build").into_iter().filter_map(|(name, mut table)| {
        let function = functions.resolve(table.report, &name);
        let command = list(&mut table, "command", BUILD_WORDS);
        if command.as_ref().is_none_or(Vec::is_empty) {
            table.missing("command", "[\"cargo\", \"build\", \"--release\"]");
        }
        let module = table.required_text("module", "\"build/function.wasm\"");
        let sources = list(&mut table, "sources", BUILD_SOURCES);
        let environment = table.map("environment");
        let folder = files.resolve_at("", &name.span());
        table.finish();
        let owned = |text: &Text<'_>| (*text.get_ref()).to_owned();
        let module = module?;
        let sources = match sources {
            Some(sources) => sources.iter().map(|text| files.resolve(text)).collect(),
            None => vec![folder.join("src")],
        };
        let build = Build {
            function: function?,
            folder,
            command: command?.iter().map(owned).collect(),
            environment: environment.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            module: files.resolve(&module),
            component: PathBuf::new(),
            sources,
        };
        Some((build, module))
    });
    builds.collect()
}

/// A component that is written in place could be loaded half-written: the command makes another file.
fn with_component(
    root: &TableReader<'_>,
    build: Build,
    module: &Text<'_>,
    components: &BTreeMap<String, PathBuf>,
) -> Option<Build> {
    let component = components.get(&build.function)?.clone();
    if component == build.module {
        let message = format!("`module` is also the `component` of function `{}`", build.function);
        root.report.error(module.span(), message, "let the command make another file, such as `build/module.wasm`");
        return None;
    }
    Some(Build { component, ..build })
}

fn list<'a>(table: &mut TableReader<'a>, key: &'static str, most: usize) -> Option<Vec<Text<'a>>> {
    let texts = table.texts(key)?;
    if texts.len() > most {
        table.report.error(
            texts[most].span(),
            format!("`{key}` has {} entries", texts.len()),
            format!("at most {most} are allowed"),
        );
        return None;
    }
    Some(texts)
}
