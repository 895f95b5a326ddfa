//! `[[site]]` and `[[site.behavior]]`: which requests are served, and how.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT_ENCODING;

use super::error_page;
use super::function::Uses;
use super::geo;
use super::origin::{ServedApis, api_function};
use super::policies::Policies;
use super::reader::{self, Declared, TableReader, Text};
use super::signing::KeyGroups;
use super::{
    Behavior, CachePolicy, ForwardedHeaders, Forwarding, Geo, OriginHookName, ResponseHeaders, Site, ViewerProtocol, WebSocket,
};
use crate::cache::freshness::Mode;
use crate::cache::key::Encodings;
use crate::diagnostic::{nearest, quoted};
use crate::limits::config::{BEHAVIORS_PER_SITE, PATH_PATTERN_BYTES};
use crate::limits::config::{HOSTS_PER_SITE, METHOD_BYTES};
use crate::limits::{Profile, tunnel};
use crate::path::pattern::Pattern;

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
const PROTOCOLS: [(&str, ViewerProtocol); 3] = [
    ("allow-all", ViewerProtocol::AllowAll),
    ("https-only", ViewerProtocol::HttpsOnly),
    ("redirect-to-https", ViewerProtocol::RedirectToHttps),
];

const FORWARDED: [(&str, ForwardedHeaders); 3] =
    [("set", ForwardedHeaders::Set), ("remove", ForwardedHeaders::Remove), ("pass", ForwardedHeaders::Pass)];

/// The names that sites can refer to.
pub(super) struct References<'a, 'u> {
    pub(super) functions: &'a Declared<'a>,
    pub(super) origins: &'a Declared<'a>,
    pub(super) groups: &'a Declared<'a>,
    pub(super) policies: &'a Policies<CachePolicy>,
    pub(super) forwardings: &'a Policies<Forwarding>,
    pub(super) response_headers: &'a Policies<ResponseHeaders>,
    pub(super) geo: &'a Geo,
    pub(super) key_groups: &'a KeyGroups<'a>,
    pub(super) uses: &'u mut Uses,
    pub(super) apis: ServedApis,
}

/// `listens`: whether there is an address at which sites are served.
pub(super) fn read(root: &mut TableReader<'_>, references: &mut References<'_, '_>, listens: bool) -> Vec<Arc<Site>> {
    let tables = root.list("site");
    if tables.is_empty() && !root.has("site") && listens {
        root.report.error(root.span(), "the file has no site", "add [[site]] with `name`, `hosts` and `origin`");
    }
    let mut names = BTreeMap::new();
    let mut hosts = BTreeMap::new();
    tables.into_iter().filter_map(|table| site(table, references, &mut names, &mut hosts)).map(Arc::new).collect()
}

fn site(
    mut table: TableReader<'_>,
    references: &mut References<'_, '_>,
    names: &mut BTreeMap<String, Range<usize>>,
    taken: &mut BTreeMap<String, String>,
) -> Option<Site> {
    let name = table.required_text("name", "\"www\"");
    if let Some(name) = &name
        && reader::name_is_sound(table.report, name)
        && let Some(first) = names.insert((*name.get_ref()).to_owned(), name.span())
    {
        let remedy = format!("each site has a name of its own; the first is at {}", table.report.location(&first));
        table.report.error(name.span(), format!("a second site `{}`", name.get_ref()), remedy);
    }
    let name = name.map(|name| (*name.get_ref()).to_owned());
    let hosts = hosts(&mut table, name.as_deref().unwrap_or("?"), taken);
    let default_root_object = table.text("default_root_object");
    if let Some(object) = &default_root_object
        && (object.get_ref().starts_with('/') || object.get_ref().contains(['?', '#', ' ']))
    {
        table.report.error(object.span(), "`default_root_object` is not a relative path", "such as \"index.html\"");
    }
    let default_root_object = default_root_object.map_or_else(String::new, |text| (*text.get_ref()).to_owned());
    let error_pages = error_page::read(&mut table);
    let default = behavior(&mut table, "*".to_owned(), None, references);
    let mut behaviors = behaviors(&mut table, default.as_ref().map(|default| default.origin.as_str()), references);
    table.finish();
    behaviors.push(default?);
    Some(Site { name: name?, hosts, behaviors, default_root_object, error_pages })
}

fn hosts(table: &mut TableReader<'_>, site: &str, taken: &mut BTreeMap<String, String>) -> Vec<String> {
    let Some(texts) = table.texts("hosts") else {
        if !table.has("hosts") {
            table.missing("hosts", "[\"www.example.com\"]` or, for all, `hosts = [\"*\"]");
        }
        return Vec::new();
    };
    if texts.is_empty() {
        let remedy = "name at least one host; \"*\" stands for all";
        table.report.error(table.span(), "`hosts` is empty", remedy);
    }
    if let Some(beyond) = texts.get(HOSTS_PER_SITE) {
        table.report.error(beyond.span(), "too many hosts", format!("at most {HOSTS_PER_SITE} for a site"));
    }
    let mut hosts = Vec::new();
    for text in &texts {
        let Some(host) = host_pattern(table, text, true) else { continue };
        if let Some(other) = taken.insert(host.clone(), site.to_owned()) {
            let message = format!("host `{host}` is also a host of site `{other}`");
            table.report.error(text.span(), message, "a host belongs to one site");
        }
        hosts.push(host);
    }
    hosts
}

/// A certificate's host: a name, optionally with a wildcard as its first label.
pub(super) fn host(table: &TableReader<'_>, text: &Text<'_>) -> Option<String> {
    host_pattern(table, text, false)
}

fn host_pattern(table: &TableReader<'_>, text: &Text<'_>, any: bool) -> Option<String> {
    let host = text.get_ref().to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let address = host.parse::<std::net::IpAddr>().is_ok()
        || host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    if (any && host == "*") || address || (name.len() <= 253 && name.split('.').all(label)) {
        return Some(host);
    }
    let all = if any { ", or \"*\"" } else { "" };
    let remedy = format!("a name without a port is expected: \"www.example.com\", \"*.example.com\"{all}");
    table.report.error(text.span(), format!("`{}` is not a host", text.get_ref().escape_debug()), remedy);
    None
}

fn behaviors(table: &mut TableReader<'_>, default_origin: Option<&str>, references: &mut References<'_, '_>) -> Vec<Behavior> {
    let tables = table.list("behavior");
    // The default behavior counts.
    if let Some(beyond) = tables.get(BEHAVIORS_PER_SITE - 1) {
        let remedy = format!("at most {BEHAVIORS_PER_SITE} for a site, the default one included");
        table.report.error(beyond.span(), "too many behaviors", remedy);
    }
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    let mut behaviors = Vec::new();
    for mut entry in tables {
        let path = entry.required_text("path", "\"/images/*\"");
        let path = path.and_then(|text| {
            let pattern = pattern(&entry, &text)?;
            if seen.insert(pattern.clone(), ()).is_some() {
                let remedy = "the first behavior that matches is taken: remove this one";
                entry.report.error(text.span(), format!("a second behavior for `{pattern}`"), remedy);
            }
            Some(pattern)
        });
        let behavior = behavior(&mut entry, path.unwrap_or_default(), default_origin, references);
        entry.finish();
        behaviors.extend(behavior);
    }
    behaviors
}

/// A leading `/` is optional, as in CloudFront.
fn pattern(table: &TableReader<'_>, text: &Text<'_>) -> Option<String> {
    let written = *text.get_ref();
    let sound = !written.is_empty() && written.len() <= PATH_PATTERN_BYTES && written.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound {
        let remedy = format!("1 to {PATH_PATTERN_BYTES} printable ASCII characters, `*` and `?` as wildcards");
        table.report.error(text.span(), "`path` is not a path pattern", remedy);
        return None;
    }
    if let Some(normal) = Pattern::path_in_normal_form(written) {
        let message = format!("`{}` matches no path", written.escape_debug());
        let remedy = format!("paths are compared without `.`, `..` and repeated slashes: write \"{}\"", normal.escape_debug());
        table.report.error(text.span(), message, remedy);
        return None;
    }
    if Pattern::path_is_refused(written) {
        let message = format!("`{}` matches no path", written.escape_debug());
        let remedy = "a path with a NUL, or with too much that servers read differently, is refused: leave that out";
        table.report.error(text.span(), message, remedy);
        return None;
    }
    if written == "*" || written == "/*" {
        let remedy = "write its settings into [[site]] itself";
        table.report.error(text.span(), format!("`{written}` is the default behavior"), remedy);
        return None;
    }
    Some(if written.starts_with(['/', '*']) { written.to_owned() } else { format!("/{written}") })
}

/// The keys of a behavior; those of the default behavior are in the site's own table.
fn behavior(
    table: &mut TableReader<'_>,
    path: String,
    default_origin: Option<&str>,
    references: &mut References<'_, '_>,
) -> Option<Behavior> {
    let origin = match table.text("origin") {
        Some(text) => origin(table, &text, references),
        // A behavior without an origin uses the site's.
        None if table.has("origin") => None,
        None if default_origin.is_some() => default_origin.map(str::to_owned),
        None => {
            if path == "*" {
                table.missing("origin", "\"NAME\"");
            }
            None
        }
    };
    let viewer_protocol = viewer_protocol(table);
    let websocket = websocket(table);
    let viewer_request = declared(table, "viewer_request", Profile::Viewer, references);
    let origin_request = origin_hook(table, "origin_request", references);
    let origin_response = origin_hook(table, "origin_response", references);
    let viewer_response = declared(table, "viewer_response", Profile::Viewer, references);
    let include_body = table.flag("include_body").unwrap_or(false);
    if let (true, false, Some(value)) = (include_body, table.has("origin_request"), table.value("include_body")) {
        let remedy = "add `origin_request`, or remove `include_body`";
        table.report.error(value.span(), "`include_body` without a hook that could see the body", remedy);
    }
    let cache = table.text("cache_policy").and_then(|text| references.policies.resolve(table.report, &text));
    let allowed_methods = allowed_methods(table, cache.as_deref());
    let forwarding = table.text("origin_request_policy");
    if let (Some(text), false) = (&forwarding, table.has("cache_policy")) {
        let remedy = "add `cache_policy`, such as \"CachingDisabled\", or remove it: everything is forwarded then";
        table.report.error(text.span(), "`origin_request_policy` without a cache policy", remedy);
    }
    let forwarding = forwarding.and_then(|text| references.forwardings.resolve(table.report, &text));
    let response_headers = table.text("response_headers_policy");
    let response_headers = response_headers.and_then(|text| references.response_headers.resolve(table.report, &text));
    let viewer_headers = geo::viewer_headers(table, references.geo);
    let forwarded_headers = forwarded_headers(table, cache.as_deref());
    let compress = compress(table, cache.as_deref());
    let trusted_keys = references.key_groups.trusted(table);
    Some(Behavior {
        path,
        origin: origin?,
        viewer_protocol,
        allowed_methods,
        methods_are_chosen: table.has("allowed_methods"),
        websocket,
        viewer_request,
        origin_request,
        origin_response,
        viewer_response,
        include_body,
        cache,
        forwarding,
        response_headers,
        forwarded_headers,
        viewer_headers,
        compress,
        trusted_keys,
    })
}

/// `key = "NAME"`: a function of the configuration.
fn declared(
    table: &mut TableReader<'_>,
    key: &'static str,
    profile: Profile,
    references: &mut References<'_, '_>,
) -> Option<String> {
    let text = table.text(key)?;
    let function = references.functions.resolve(table.report, &text)?;
    references.uses.note(profile, &function, text.span());
    Some(function)
}

/// `key = "NAME"`, or `key = { api = "NAME:ALIAS" }`.
fn origin_hook(table: &mut TableReader<'_>, key: &'static str, references: &mut References<'_, '_>) -> Option<OriginHookName> {
    if table.value(key)?.get_ref().is_table() {
        let mut hook = table.table(key)?;
        let text = hook.required_text("api", "\"NAME:ALIAS\"");
        hook.finish();
        let name = api_function(table, &text?, references.functions, references.apis, &format!("{key} = "))?;
        return Some(OriginHookName::Api(name));
    }
    declared(table, key, Profile::Worker, references).map(OriginHookName::Declared)
}

/// Compresses only with codings in the policy's key: otherwise a client would get a response compressed for another one.
/// Like CloudFront, does not compress if all of Accept-Encoding is in the key.
fn compress(table: &mut TableReader<'_>, policy: Option<&CachePolicy>) -> bool {
    let Some(value) = table.value("compress") else { return false };
    let compress = table.flag("compress").unwrap_or(false);
    let Some(policy) = policy else {
        // An unknown policy has been reported.
        if compress && !table.has("cache_policy") {
            let remedy = "add `cache_policy`, such as \"CachingOptimized\": what is compressed is what is stored";
            table.report.error(value.span(), "`compress` without a cache policy", remedy);
        }
        return false;
    };
    if compress && policy.key.encodings == Encodings::default() {
        let remedy = "set `gzip`, `brotli` or `zstd` in the policy, or take \"CachingOptimized\"";
        table.report.error(value.span(), format!("`compress`, but cache policy `{}` keys no coding", policy.name), remedy);
    }
    if compress && policy.key.headers.takes(|name| *name == ACCEPT_ENCODING) {
        let remedy = "take \"accept-encoding\" out of the policy's `headers`: `gzip`, `brotli` and `zstd` key what matters of it";
        table.report.error(
            value.span(),
            format!("`compress`, but cache policy `{}` keys all of Accept-Encoding", policy.name),
            remedy,
        );
    }
    compress
}

fn origin(table: &TableReader<'_>, text: &Text<'_>, references: &References<'_, '_>) -> Option<String> {
    let name = *text.get_ref();
    if references.origins.contains(name) || references.groups.contains(name) {
        return Some(name.to_owned());
    }
    let declared: Vec<_> = references.origins.names().chain(references.groups.names()).collect();
    reader::unknown(table.report, "origin", text, &declared);
    None
}

fn viewer_protocol(table: &mut TableReader<'_>) -> ViewerProtocol {
    let Some(text) = table.text("viewer_protocol") else { return ViewerProtocol::AllowAll };
    let named = PROTOCOLS.iter().find(|(name, _)| name == text.get_ref());
    named.map_or_else(
        || {
            let message = format!("unknown viewer protocol `{}`", text.get_ref().escape_debug());
            table.report.error(text.span(), message, format!("one of {}", quoted(PROTOCOLS.map(|(name, _)| name))));
            ViewerProtocol::AllowAll
        },
        |(_, protocol)| *protocol,
    )
}

/// On by default, unless the headers would distinguish requests that the policy treats as one.
fn forwarded_headers(table: &mut TableReader<'_>, cache: Option<&CachePolicy>) -> ForwardedHeaders {
    let default = match cache {
        None => ForwardedHeaders::Set,
        Some(policy) if policy.mode == Mode::CloudFront => ForwardedHeaders::Pass,
        Some(policy) if policy.key.host => ForwardedHeaders::Set,
        Some(_) => ForwardedHeaders::Remove,
    };
    let Some(text) = table.text("forwarded_headers") else { return default };
    let named = FORWARDED.iter().find(|(name, _)| name == text.get_ref());
    if named.is_none() {
        let message = format!("unknown choice `{}`", text.get_ref().escape_debug());
        table.report.error(text.span(), message, format!("one of {}", quoted(FORWARDED.map(|(name, _)| name))));
    }
    named.map_or(default, |(_, named)| *named)
}

/// Forwarded by default, as in CloudFront.
fn websocket(table: &mut TableReader<'_>) -> Option<WebSocket> {
    let allowed = table.flag("websocket").unwrap_or(true);
    let idle_s = table.integer("websocket_idle_s", 1..=tunnel::IDLE_S_MAX);
    if let (false, Some(value)) = (allowed, table.value("websocket_idle_s")) {
        let remedy = "remove `websocket = false`, or this";
        table.report.error(value.span(), "`websocket_idle_s` where WebSocket is not passed through", remedy);
    }
    allowed.then(|| WebSocket { idle: Duration::from_secs(idle_s.unwrap_or(tunnel::IDLE_S)) })
}

/// By default CloudFront's seven, since an application that accepts forms is the common case. In mode `standards` the
/// origin decides what a method means, and all are allowed.
fn allowed_methods(table: &mut TableReader<'_>, cache: Option<&CachePolicy>) -> Option<Vec<String>> {
    let Some(texts) = table.texts("allowed_methods") else {
        let standards = cache.is_some_and(|policy| policy.mode == Mode::Standards);
        return (!standards).then(|| METHODS.map(str::to_owned).to_vec());
    };
    if texts.is_empty() {
        table.report.error(table.span(), "`allowed_methods` is empty", format!("such as {}", quoted(METHODS)));
    }
    let mut methods: Vec<String> = Vec::new();
    for text in texts {
        let name = *text.get_ref();
        if let Some(remedy) = wrong_method(name) {
            table.report.error(text.span(), format!("`{}` cannot be allowed", name.escape_debug()), remedy);
        } else if !methods.iter().any(|method| method == name) {
            methods.push(name.to_owned());
        }
    }
    Some(methods)
}

/// Why a method cannot be listed, and what to write instead. Methods are case-sensitive, and all known ones are upper case.
fn wrong_method(name: &str) -> Option<String> {
    let sound = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if matches!(name, "CONNECT" | "TRACE") {
        return Some("the edge does not forward this method; remove it".to_owned());
    }
    if (1..=METHOD_BYTES).contains(&name.len()) && name.bytes().all(sound) {
        return None;
    }
    let near = nearest(&name.to_ascii_uppercase(), METHODS);
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    Some(format!(
        "{near}a method has up to {METHOD_BYTES} capital letters, digits, `-` and `_`: {}, \"PROPFIND\"",
        quoted(METHODS)
    ))
}
