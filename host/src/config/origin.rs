//! `[origin.NAME]` and `[origin_group.NAME]`: the servers, folders, responses and functions behind the edge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};

use toml::de::DeValue;

use super::files::Files;
use super::function::Uses;
use super::reader::{self, Declared, TableReader, Text};
use super::{Hidden, Origin, OriginGroup, OriginKind, UrlOrigin};
use crate::diagnostic::quoted;
use crate::function_name::QualifiedName;
use crate::limits::config::{
    FIXED_BODY_BYTES, IDLE_CONNECTIONS_MAX, ORIGIN_HEADER_NAME_BYTES, ORIGIN_HEADER_VALUE_BYTES, ORIGIN_HEADERS,
};
use crate::limits::lambda::NAME_CHARS;
use crate::limits::{Profile, origin as limits};

/// Headers that HTTP itself or another key of the origin sets.
const FORBIDDEN: [&str; 9] =
    ["connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
const KINDS: [&str; 5] = ["url", "folder", "fixed", "component", "api"];
/// CloudFront's failover codes ("Optimize high availability with CloudFront origin failover").
const FAILOVER: [u16; 9] = [400, 403, 404, 416, 429, 500, 502, 503, 504];

/// Whether functions can be made by the AWS APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServedApis {
    None,
    All,
}

pub(super) fn read(
    root: &mut TableReader<'_>,
    files: &mut Files<'_>,
    functions: &Declared<'_>,
    uses: &mut Uses,
    apis: ServedApis,
) -> BTreeMap<String, Arc<Origin>> {
    let origins = root.named("origin").into_iter().filter_map(|(name, mut table)| {
        let given: Vec<_> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
        let kind = match given[..] {
            ["url"] => url_origin(&mut table, files).map(OriginKind::Url),
            ["folder"] => folder(&mut table, files),
            ["fixed"] => table.table("fixed").and_then(|fixed| response(fixed, files)),
            ["component"] => component(&mut table, functions, uses),
            ["api"] => api(&mut table, functions, apis),
            _ => {
                let message = match given.len() {
                    0 => format!("{} does not say where it is", table.place()),
                    _ => format!("{} has {} at once", table.place(), quoted(given.iter().copied())),
                };
                table.report.error(table.span(), message, format!("exactly one of {}", quoted(KINDS)));
                return None;
            }
        };
        table.finish();
        let name = (*name.get_ref()).to_owned();
        Some((name.clone(), Arc::new(Origin { name, kind: kind? })))
    });
    origins.collect()
}

fn url_origin(table: &mut TableReader<'_>, files: &mut Files<'_>) -> Option<UrlOrigin> {
    let url = table.text("url").and_then(|url| Url::read(table, &url));
    let host_header = table.text("host_header");
    if let Some(host) = &host_header
        && (host.get_ref().is_empty() || host.get_ref().parse::<http::uri::Authority>().is_err())
    {
        let remedy = "a host, with a port if need be, is expected";
        table.report.error(host.span(), "`host_header` cannot be a Host header", remedy);
    }
    let forward_host = table.flag("forward_host").unwrap_or(false);
    if let (Some(host), true) = (&host_header, forward_host) {
        table.report.error(host.span(), "`host_header` and `forward_host` exclude each other", "remove one of them");
    }
    let headers = headers(table, "headers");
    let connect_timeout =
        seconds(table, "connect_timeout_s", 1..=limits::CONNECT_TIMEOUT_S_MAX, limits::CONNECT_TIMEOUT_MS / 1_000);
    let connect_attempts =
        table.integer("connect_attempts", 1..=u64::from(limits::CONNECT_ATTEMPTS)).unwrap_or(u64::from(limits::CONNECT_ATTEMPTS));
    let read_timeout = seconds(table, "read_timeout_s", 1..=limits::READ_TIMEOUT_S_MAX, limits::READ_TIMEOUT_MS / 1_000);
    let keepalive = seconds(table, "keepalive_s", 1..=limits::KEEPALIVE_S_MAX, limits::KEEPALIVE_MS / 1_000);
    let max_idle = table.integer("max_idle_per_worker", 0..=IDLE_CONNECTIONS_MAX).unwrap_or(limits::IDLE_CONNECTIONS);
    let connections = table.integer("connections_per_worker", 1..=limits::CONNECTIONS_MAX).unwrap_or(limits::CONNECTIONS as u64);
    let ca = table.text("ca").map(|text| files.existing(table, &text));
    let Url { tls, host, port, path } = url?;
    let ca = match ca {
        Some(found) => Some(found?),
        None => None,
    };
    Some(UrlOrigin {
        tls,
        host,
        port,
        path,
        host_header: host_header.map(|text| (*text.get_ref()).to_owned()),
        forward_host,
        headers,
        connect_timeout,
        connect_attempts: u32::try_from(connect_attempts).unwrap_or(1),
        read_timeout,
        keepalive,
        max_idle_per_worker: usize::try_from(max_idle).unwrap_or(usize::MAX),
        connections_per_worker: usize::try_from(connections).unwrap_or(usize::MAX),
        ca,
    })
}

fn seconds(table: &mut TableReader<'_>, key: &'static str, allowed: std::ops::RangeInclusive<u64>, default: u64) -> Duration {
    Duration::from_secs(table.integer(key, allowed).unwrap_or(default))
}

struct Url {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    fn read(table: &TableReader<'_>, text: &Text<'_>) -> Option<Url> {
        let wrong = |why: &str| {
            let message = format!("`{}` is not the URL of an origin: {why}", text.get_ref().escape_debug());
            table.report.error(text.span(), message, "such as \"http://127.0.0.1:9000\" or \"https://example.com/base\"");
        };
        let Ok(uri) = text.get_ref().parse::<Uri>() else {
            wrong("it cannot be read");
            return None;
        };
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                wrong("it begins with neither http:// nor https://");
                return None;
            }
        };
        let host = uri.host().unwrap_or_default();
        if host.is_empty() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            wrong("a host, without a user, is needed");
            return None;
        }
        if text.get_ref().contains(['?', '#']) {
            wrong("a query or fragment has no meaning here");
            return None;
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let written = uri.authority().and_then(|authority| authority.as_str().rsplit_once(':'));
        if port == 0 || (uri.port_u16().is_none() && written.is_some_and(|(_, port)| !port.ends_with(']'))) {
            wrong("the port is not 1 to 65535");
            return None;
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        Some(Url { tls, host: host.to_owned(), port, path })
    }
}

fn folder(table: &mut TableReader<'_>, files: &Files<'_>) -> Option<OriginKind> {
    let root = table.text("folder").and_then(|text| files.existing_folder(table, &text));
    let index = table.text("index");
    if let Some(index) = &index
        && (index.get_ref().is_empty() || index.get_ref().contains('/'))
    {
        table.report.error(index.span(), "`index` is not a file name", "such as \"index.html\"");
    }
    let index = index.map_or("index.html", |text| *text.get_ref()).to_owned();
    Some(OriginKind::Folder { root: root?, index })
}

fn response(mut table: TableReader<'_>, files: &mut Files<'_>) -> Option<OriginKind> {
    let status = table.integer("status", 200..=599).unwrap_or(200);
    let headers = headers(&mut table, "headers");
    let body = table.text("body");
    let file = table.text("body_file");
    if let (Some(_), Some(file)) = (&body, &file) {
        table.report.error(file.span(), "`body` and `body_file` exclude each other", "remove one of them");
    }
    let body = match (body, file) {
        (_, Some(file)) => files.contents(&table, &file, FIXED_BODY_BYTES).map(Bytes::from),
        (Some(body), None) => Some(Bytes::copy_from_slice(body.get_ref().as_bytes())),
        (None, None) => Some(Bytes::new()),
    };
    table.finish();
    Some(OriginKind::Fixed { status: u16::try_from(status).unwrap_or(200), headers, body: body? })
}

fn component(table: &mut TableReader<'_>, functions: &Declared<'_>, uses: &mut Uses) -> Option<OriginKind> {
    let text = table.text("component")?;
    let function = functions.resolve(table.report, &text)?;
    uses.note(Profile::Worker, &function, text.span());
    Some(OriginKind::Component { function })
}

fn api(table: &mut TableReader<'_>, functions: &Declared<'_>, apis: ServedApis) -> Option<OriginKind> {
    let mut api = table.table("api")?;
    let text = api.required_text("function", "\"NAME:ALIAS\"");
    api.finish();
    let function = api_function(table, &text?, functions, apis, "component = ")?;
    Some(OriginKind::Api { function })
}

/// A function of the AWS APIs, which need not be there yet. `declared` is what stands before the name of a function of the
/// configuration.
pub(super) fn api_function(
    table: &TableReader<'_>,
    text: &Text<'_>,
    functions: &Declared<'_>,
    apis: ServedApis,
    declared: &str,
) -> Option<QualifiedName> {
    if apis == ServedApis::None {
        let remedy = "add `api = \"127.0.0.1:9000\"` to [server]: functions are made there";
        let message = format!("{} names a function of the AWS APIs, which are not served", table.place());
        table.report.error(text.span(), message, remedy);
    }
    let Some(name) = QualifiedName::parse(text.get_ref()).filter(|name| name.name.len() <= NAME_CHARS) else {
        let message = format!("`{}` does not name a function of the AWS APIs", text.get_ref().escape_debug());
        let remedy = format!(
            "a name of at most {NAME_CHARS} letters, digits, `-` and `_`, with an alias or a version if need be: \"checkout:live\""
        );
        table.report.error(text.span(), message, remedy);
        return None;
    };
    if functions.contains(&name.name) {
        let message = format!("`{}` is a function of this configuration", name.name);
        table.report.error(text.span(), message, format!("say `{declared}\"{}\"` in place of `api`", name.name));
        return None;
    }
    Some(name)
}

/// `headers = { name = "value", other = ["a", "b"] }`, or another key.
pub(super) fn headers(table: &mut TableReader<'_>, key: &'static str) -> Hidden<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (name, value) in table.entries_of(key) {
        header_name(table, &name);
        let values = match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| reader::text(table.report, name.get_ref(), item)).collect(),
            _ => Vec::from_iter(reader::text(table.report, name.get_ref(), value)),
        };
        for value in values {
            let text = *value.get_ref();
            if HeaderValue::from_str(text).is_err() || text.len() > ORIGIN_HEADER_VALUE_BYTES {
                let remedy = format!("at most {ORIGIN_HEADER_VALUE_BYTES} characters, no line breaks");
                table.report.error(value.span(), "this cannot be the value of a header", remedy);
            }
            headers.push((name.get_ref().to_ascii_lowercase(), text.to_owned()));
        }
        if headers.len() > ORIGIN_HEADERS {
            table.report.error(name.span(), "too many headers", format!("at most {ORIGIN_HEADERS}"));
            break;
        }
    }
    Hidden(headers)
}

pub(super) fn header_name(table: &TableReader<'_>, name: &Text<'_>) {
    let text = *name.get_ref();
    let lower = text.to_ascii_lowercase();
    if HeaderName::from_bytes(text.as_bytes()).is_err() || text.len() > ORIGIN_HEADER_NAME_BYTES {
        let remedy = "letters, digits and `-` are expected";
        table.report.error(name.span(), format!("`{}` cannot be the name of a header", text.escape_debug()), remedy);
    } else if lower == "host" {
        table.report.error(name.span(), "`host` is not set here", "use `host_header` or `forward_host`");
    } else if lower == "cdn-loop" {
        table.report.error(name.span(), "`cdn-loop` is the edge's own: it tells where a request has been", "remove it");
    } else if FORBIDDEN.contains(&lower.as_str()) {
        table.report.error(name.span(), format!("`{text}` belongs to the connection"), "remove it");
    }
}

pub(super) fn read_groups(root: &mut TableReader<'_>, origins: &Declared<'_>) -> BTreeMap<String, Arc<OriginGroup>> {
    let groups = root.named("origin_group").into_iter().filter_map(|(name, mut table)| {
        if let Some(span) = origins.span(name.get_ref()) {
            let message = format!("`{}` is an origin and an origin group", name.get_ref());
            table.report.error(name.span().start.max(span.start)..name.span().end.max(span.end), message, "rename one of them");
        }
        let primary = table.required_text("primary", "\"NAME\"");
        let secondary = table.required_text("secondary", "\"NAME\"");
        if let (Some(primary), Some(secondary)) = (&primary, &secondary)
            && primary.get_ref() == secondary.get_ref()
        {
            table.report.error(secondary.span(), "an origin cannot be its own fallback", "name another origin");
        }
        let primary = primary.and_then(|text| origins.resolve(table.report, &text));
        let secondary = secondary.and_then(|text| origins.resolve(table.report, &text));
        let status = failover_codes(&mut table);
        table.finish();
        let name = (*name.get_ref()).to_owned();
        Some((name.clone(), Arc::new(OriginGroup { name, primary: primary?, secondary: secondary?, status })))
    });
    groups.collect()
}

fn failover_codes(table: &mut TableReader<'_>) -> Vec<u16> {
    let Some(value) = table.value("status") else { return vec![500, 502, 503, 504] };
    let DeValue::Array(items) = value.get_ref() else {
        reader::wrong_type(table.report, value.span(), "status", "a list of status codes", value.get_ref());
        return Vec::new();
    };
    let mut codes = Vec::new();
    for item in items {
        let Some(number) = reader::integer(table.report, "status", item) else { continue };
        match u16::try_from(number).ok().filter(|code| FAILOVER.contains(code)) {
            Some(code) => codes.push(code),
            None => {
                let allowed = FAILOVER.map(|code| code.to_string());
                let remedy = format!("allowed: {}", allowed.join(", "));
                table.report.error(item.span(), format!("{number} is no reason to fail over"), remedy);
            }
        }
    }
    codes
}
