//! I read a configuration's files, and all that they refer to, into one `Config`, or every error in them.
//!
//!     main file ─► include ─► tables of all, merged, with values in their places ─► each kind of table ─► Config

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::files::{self, FileStamp, Files, Judges};
use super::policies::Policies;
use super::reader::{Declared, TableReader};
use super::report::{ConfigErrors, Findings, Report};
use super::sources::{InputSnapshot, Sources};
use super::values::Substitution;
use super::{
    Build, CachePolicy, Config, Forwarding, ResponseHeaders, build, cache, function, geo, hints, include, key_value, origin,
    response_headers, server, signing, site, tracing, vpc,
};
use crate::limits;
use crate::limits::config::report::SYNTAX_ERRORS;

/// A configuration, and what it was made of.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// The configuration's files, and each file that they refer to.
    pub files: InputSnapshot,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<String>,
}

/// Reads and checks a configuration file.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_judged(path, None)
}

/// The same, and has the files looked into that it names.
pub fn load_judged(path: &Path, judges: Option<&Judges<'_>>) -> Result<Loaded, ConfigErrors> {
    let look = FileStamp::at(path);
    let mut loaded = text(path).and_then(|text| parse_loaded(&text, path, judges));
    let seen = loaded.as_mut().map_or_else(|errors| &mut errors.seen, |loaded| &mut loaded.files);
    seen.files.insert(path.to_owned(), look);
    loaded
}

/// A configuration of the AWS APIs alone, without a file.
pub fn api_only(api: SocketAddr, data_dir: PathBuf) -> Result<Loaded, ConfigErrors> {
    let mut loaded = parse_loaded(&format!("[server]\napi = \"{api}\"\n"), Path::new("--api"), None)?;
    loaded.config.server.data_dir = data_dir;
    Ok(loaded)
}

/// Reads the `[build]` tables of a configuration, and of the rest only what has to do with them: it may name components that
/// are not built yet.
pub fn builds(path: &Path) -> Result<Vec<Build>, ConfigErrors> {
    let text = text(path)?;
    with_tables(&text, path, None, |mut root, files| build::read_alone(&mut root, files)).map(|(builds, _)| builds)
}

fn text(path: &Path) -> Result<String, ConfigErrors> {
    files::read_bounded(path, limits::config::FILE_BYTES)
        .map_err(|error| {
            let message = format!("cannot read the configuration: {}", files::reason(&error));
            ConfigErrors::file(path, message, "write one, as `edgeward init` does, or name another file")
        })
        .and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                ConfigErrors::file(path, format!("byte {at} is not UTF-8"), "TOML is UTF-8 text")
            })
        })
}

/// Checks the text of a configuration file; files that it refers to are looked for beside `path`.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigErrors> {
    parse_loaded(text, path, None).map(|loaded| loaded.config)
}

pub(super) fn parse_loaded(text: &str, path: &Path, judges: Option<&Judges<'_>>) -> Result<Loaded, ConfigErrors> {
    let ((config, mut warnings), (files, mut all_warnings)) = with_tables(text, path, judges, read)?;
    all_warnings.append(&mut warnings);
    Ok(Loaded { config, files, warnings: all_warnings })
}

/// What is read of the tables of a configuration's files, what the files were, and warnings.
fn with_tables<T>(
    text: &str,
    path: &Path,
    judges: Option<&Judges<'_>>,
    read: impl for<'a> FnOnce(TableReader<'a>, &mut Files<'_>) -> T,
) -> Result<(T, (InputSnapshot, Vec<String>)), ConfigErrors> {
    let main = Sources::new(path, text);
    let (report, mut files) = (Report::new(&main, Findings::default()), Files::new(&main, judges));
    let included = include::find(&main, &report, &mut files);
    let (found, seen) = (report.into_found(), files.into_parts());

    let mut sources = main;
    for (path, text) in included {
        sources.push(path, text);
    }
    let report = Report::new(&sources, found);
    let mut files = Files::new(&sources, judges).continued(seen);
    let read_all = || {
        let root = merged(&sources, &report, &mut files)?;
        let read = read(TableReader::root(&report, &root), &mut files);
        report.finish(read)
    };
    let read = read_all();
    let (seen, warnings) = files.into_parts();
    match read {
        Ok(read) => Ok((read, (seen, warnings))),
        Err(errors) => Err(ConfigErrors { seen, ..errors }),
    }
}

/// The tables of all files in one, with the values of the environment and of files in their places.
fn merged<'s>(sources: &'s Sources, report: &Report<'s>, files: &mut Files<'s>) -> Result<DeTable<'s>, ConfigErrors> {
    let mut tables = Vec::new();
    let mut broken = false;
    for source in sources.iter() {
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        // One mistake makes the parser stumble several times: the first of each line is told.
        let mut lines = BTreeSet::new();
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let line = source.text.as_bytes().iter().take(span.start).filter(|&&byte| byte == b'\n').count();
            if lines.len() < SYNTAX_ERRORS && lines.insert(line) {
                let span = span.start + source.start..span.end + source.start;
                report.error(span, format!("not TOML: {}", error.message()), "");
            }
        }
        broken |= !errors.is_empty();
        tables.push((root.into_inner(), source.start));
    }
    // What could be read of a broken file would give errors that are not there.
    if broken {
        return Err(report.errors());
    }
    let mut values = Substitution::new(report, files);
    let mut tables = tables.into_iter().map(|(mut table, start)| {
        if start == 0 {
            table.remove("include");
        }
        values.table(table, start)
    });
    let mut root = tables.next().unwrap_or_default();
    for table in tables {
        include::merge(&mut root, table, report);
    }
    Ok(root)
}

/// Sites come before functions: how a function is used decides which limits it may have.
fn read<'a>(mut root: TableReader<'a>, files: &mut Files<'_>) -> (Config, Vec<String>) {
    let functions = Declared::collect(&mut root, "function");
    let origins = Declared::collect(&mut root, "origin");
    let groups = Declared::collect(&mut root, "origin_group");
    let stores = Declared::collect(&mut root, "key_value_store");
    let public_keys = Declared::collect(&mut root, "public_key");
    let key_groups = Declared::collect(&mut root, "key_group");
    let mut uses = function::Uses::default();
    // It has been followed.
    root.value("include");

    let mut server = server::read(&mut root, files);
    let cache = cache::read(&mut root, files);
    let geo = geo::read(&mut root, files);
    let tracing = tracing::read(&mut root);
    server.vpcs = vpc::read(&mut root);
    let managed = (cache::MANAGED, cache::managed as fn(&str) -> CachePolicy);
    let policies = Policies::read(&mut root, "cache_policy", managed, cache::policy);
    let managed = (cache::MANAGED_FORWARDING, cache::managed_forwarding as fn(&str) -> Forwarding);
    let forwardings = Policies::read(&mut root, "origin_request_policy", managed, cache::forwarding);
    let managed = (response_headers::MANAGED, response_headers::managed as fn(&str) -> ResponseHeaders);
    let response_headers = Policies::read(&mut root, "response_headers_policy", managed, response_headers::policy);
    let key_groups = signing::KeyGroups::read(&mut root, files, &public_keys, &key_groups);
    let apis = if server.api.is_some() { origin::ServedApis::All } else { origin::ServedApis::None };
    let mut references = site::References {
        functions: &functions,
        origins: &origins,
        groups: &groups,
        policies: &policies,
        forwardings: &forwardings,
        response_headers: &response_headers,
        geo: &geo,
        key_groups: &key_groups,
        uses: &mut uses,
        apis,
    };
    // An API alone needs none.
    let listens = server.api.is_none() || !server.http.is_empty() || !server.https.is_empty();
    let sites = site::read(&mut root, &mut references, listens);
    let origin_groups = origin::read_groups(&mut root, &origins);
    let origins = origin::read(&mut root, files, &functions, &mut uses, apis);
    let key_value_stores = key_value::read(&mut root, files);
    let declared = functions;
    let mut functions = function::read(&mut root, files, &uses, &stores, &key_value_stores);
    build::check(&mut root, files, &declared, &functions);
    root.finish();
    // Nobody can call it, and its profile, so its limits, would be a guess.
    let unused: Vec<String> = functions.keys().filter(|name| !uses.contains(name)).cloned().collect();
    functions.retain(|name, _| uses.contains(name));
    let warnings = unused.iter().map(|name| format!("function `{name}` is used by no site and no origin; it is not deployed"));
    let mut warnings: Vec<String> = warnings.collect();
    let config = Config { server, cache, geo, tracing, key_value_stores, functions, origins, origin_groups, sites };
    warnings.extend(hints::of(&config));
    (config, warnings)
}
