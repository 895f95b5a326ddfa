//! `[build.NAME]`: the command that makes the component, or the source, of function NAME, for `edgeward build` and `edgeward dev`.
//!
//! An edge that serves checks these tables and does nothing with them. They can be read alone (`config::builds`), since a
//! configuration is not complete before its components are built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use super::reader::{Declared, TableReader, Text};
use super::{Build, BuildProduct, Function, FunctionCode};
use crate::language::Language;
use crate::limits::Profile;
use crate::limits::config::{BUILD_SOURCES, BUILD_WORDS};

/// What a function runs, by its name. The file need not be there yet.
type Outputs = BTreeMap<String, BuildOutput>;

enum BuildOutput {
    Component(PathBuf),
    /// The source of a hook.
    Script(PathBuf),
    /// The file or folder of a function.
    Package(PathBuf),
}

/// The builds of a configuration of which nothing else is read.
pub(super) fn read_alone(root: &mut TableReader<'_>, files: &Files<'_>) -> Vec<Build> {
    let functions = Declared::collect(root, "function");
    let outputs = root.named("function").into_iter().filter_map(|(name, mut table)| {
        let output = match (table.text("component"), table.text("source"), table.text("runtime")) {
            (Some(component), _, _) => BuildOutput::Component(files.resolve(&component)),
            (None, Some(source), Some(runtime)) => match Language::named(runtime.get_ref())?.profile() {
                Profile::Viewer => BuildOutput::Script(files.resolve(&source)),
                Profile::Worker => BuildOutput::Package(files.resolve(&source)),
            },
            (None, _, _) => return None,
        };
        Some(((*name.get_ref()).to_owned(), output))
    });
    let outputs = outputs.collect();
    read(root, files, &functions, &outputs)
}

/// Checks the tables, and drops them.
pub(super) fn check(
    root: &mut TableReader<'_>,
    files: &Files<'_>,
    declared: &Declared<'_>,
    functions: &BTreeMap<String, Arc<Function>>,
) {
    let outputs = functions.iter().map(|(name, function)| {
        let output = match &function.code {
            FunctionCode::Component(file) => BuildOutput::Component(file.clone()),
            FunctionCode::Source { file, .. } => BuildOutput::Script(file.clone()),
            FunctionCode::Package { files, .. } => BuildOutput::Package(files.clone()),
        };
        (name.clone(), output)
    });
    let outputs = outputs.collect();
    read(root, files, declared, &outputs);
}

fn read(root: &mut TableReader<'_>, files: &Files<'_>, functions: &Declared<'_>, outputs: &Outputs) -> Vec<Build> {
    let builds = root.named("build").into_iter().filter_map(|(name, mut table)| {
        let function = functions.resolve(table.report, &name);
        let command = list(&mut table, "command", BUILD_WORDS);
        if command.as_ref().is_none_or(Vec::is_empty) {
            table.missing("command", "[\"cargo\", \"build\", \"--release\"]");
        }
        let product = product(&mut table, files, function.as_ref().and_then(|function| outputs.get(function)));
        let sources = list(&mut table, "sources", BUILD_SOURCES);
        let environment = table.map("environment");
        let folder = files.resolve_at("", &name.span());
        table.finish();
        let owned = |text: &Text<'_>| (*text.get_ref()).to_owned();
        let sources = match sources {
            Some(sources) => sources.iter().map(|text| files.resolve(text)).collect(),
            None => vec![folder.join("src")],
        };
        Some(Build {
            function: function?,
            folder,
            command: command?.iter().map(owned).collect(),
            environment: environment.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            product: product?,
            sources,
        })
    });
    builds.collect()
}

/// What the command makes of which file. `None` if the function has no code, or the table is wrong.
fn product(table: &mut TableReader<'_>, files: &Files<'_>, output: Option<&BuildOutput>) -> Option<BuildProduct> {
    const EXAMPLE: &str = "\"build/function.wasm\"";
    match output {
        Some(BuildOutput::Component(component)) => {
            let module = table.required_text("module", EXAMPLE)?;
            let module = another(table, &module, files, component, "component")?;
            Some(BuildProduct::Component { module, component: component.clone() })
        }
        Some(BuildOutput::Script(source)) => match table.text("module") {
            Some(module) => {
                let module = another(table, &module, files, source, "source")?;
                Some(BuildProduct::Script { module, source: source.clone() })
            }
            None => Some(BuildProduct::Source(source.clone())),
        },
        Some(BuildOutput::Package(source)) => {
            if let Some(module) = table.text("module") {
                let message = format!("{} has a `module`, and its function is a source", table.place());
                table.report.error(module.span(), message, "take it out: the command writes the function's `source` itself");
                return None;
            }
            Some(BuildProduct::Source(source.clone()))
        }
        None => {
            table.text("module");
            None
        }
    }
}

/// A file that is written in place could be loaded half-written: the command makes another one.
fn another(table: &TableReader<'_>, module: &Text<'_>, files: &Files<'_>, output: &Path, key: &str) -> Option<PathBuf> {
    let path = files.resolve(module);
    if path == output {
        let message = format!("the `module` of {} is also the function's `{key}`", table.place());
        let remedy = "let the command make another file, such as one in the folder `build`";
        table.report.error(module.span(), message, remedy);
        return None;
    }
    Some(path)
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
