//! `[cache]` and `[cache_policy.NAME]`: what is stored, where, for how long, and the cache key.

use http::HeaderName;
use toml::de::DeValue;

use super::files::Files;
use super::reader::{TableReader, Text};
use super::{Cache, CachePolicy, DiskCache, Forwarding};
use crate::cache::freshness::{Mode, Ttls};
use crate::cache::key::{Choice, Encodings, KeyPolicy};
use crate::diagnostic::quoted;
use crate::limits::cache::tiers;
use crate::limits::config::{FORWARDED_NAMES, TTL_S_MAX};

const MODES: [(&str, Mode); 2] = [("cloudfront", Mode::CloudFront), ("standards", Mode::Standards)];

/// CloudFront's managed cache policies ("Use managed cache policies"), which need no declaration.
pub(super) const MANAGED: [&str; 4] =
    ["CachingDisabled", "CachingOptimized", "CachingOptimizedForUncompressedObjects", "UseOriginCacheControlHeaders"];

pub(super) fn managed(name: &str) -> CachePolicy {
    let optimized = |encodings| CachePolicy {
        name: name.to_owned(),
        mode: Mode::CloudFront,
        ttls: Ttls { min_ms: 1_000, ..Ttls::CLOUDFRONT },
        key: KeyPolicy { encodings, ..KeyPolicy::default() },
        store_set_cookie: false,
    };
    let both = Encodings { gzip: true, brotli: true, zstd: false };
    match name {
        "CachingDisabled" => {
            let nothing = Ttls { min_ms: 0, default_ms: 0, max_ms: 0, ..Ttls::CLOUDFRONT };
            CachePolicy { ttls: nothing, ..optimized(Encodings::default()) }
        }
        "CachingOptimizedForUncompressedObjects" => optimized(Encodings::default()),
        "UseOriginCacheControlHeaders" => {
            let headers = ["host", "origin", "x-http-method-override", "x-http-method", "x-method-override"];
            let key = KeyPolicy {
                headers: Choice::Only(headers.map(HeaderName::from_static).to_vec()),
                cookies: Choice::All,
                encodings: both,
                ..KeyPolicy::default()
            };
            CachePolicy { ttls: Ttls { default_ms: 0, ..Ttls::CLOUDFRONT }, key, ..optimized(both) }
        }
        // CachingOptimized.
        _ => optimized(both),
    }
}

pub(super) fn read(root: &mut TableReader<'_>, files: &Files<'_>) -> Cache {
    let mut cache = Cache { memory_bytes: tiers::MEMORY_BYTES, memory_object_bytes: tiers::MEMORY_OBJECT_BYTES, disk: None };
    let Some(mut table) = root.table("cache") else { return cache };
    if let Some(bytes) = table.integer("memory_bytes", 0..=tiers::MEMORY_BYTES_MAX) {
        cache.memory_bytes = bytes;
        // The default: an object must not evict the whole cache.
        cache.memory_object_bytes = cache.memory_object_bytes.min(bytes / 4);
    }
    if let Some(bytes) = table.integer("memory_object_bytes", 0..=tiers::MEMORY_OBJECT_BYTES_MAX) {
        cache.memory_object_bytes = bytes;
    }
    if let Some(mut disk) = table.table("disk") {
        let folder = disk.required_text("folder", "\"cache\"").map(|text| files.folder_to_be(&disk, &text));
        let bytes = disk.integer("bytes", tiers::DISK_BYTES_MIN..=tiers::DISK_BYTES_MAX);
        if !disk.has("bytes") {
            disk.missing("bytes", "10_737_418_240");
        }
        let object_bytes = disk.integer("object_bytes", 1..=tiers::DISK_OBJECT_BYTES);
        disk.finish();
        if let (Some(folder), Some(bytes)) = (folder, bytes) {
            let object_bytes = object_bytes.unwrap_or(tiers::DISK_OBJECT_BYTES).min(bytes / 8);
            cache.disk = Some(DiskCache { folder, bytes, object_bytes });
        }
    }
    table.finish();
    cache
}

/// CloudFront's managed origin request policies ("Use managed origin request policies").
pub(super) const MANAGED_FORWARDING: [&str; 5] =
    ["AllViewer", "AllViewerExceptHostHeader", "CORS-CustomOrigin", "CORS-S3Origin", "UserAgentRefererHeaders"];

pub(super) fn managed_forwarding(name: &str) -> Forwarding {
    let only = |names: &[&'static str]| Forwarding {
        query: Choice::None,
        headers: Choice::Only(names.iter().map(|name| HeaderName::from_static(name)).collect()),
        cookies: Choice::None,
    };
    match name {
        "CORS-CustomOrigin" => only(&["origin"]),
        "CORS-S3Origin" => only(&["origin", "access-control-request-headers", "access-control-request-method"]),
        "UserAgentRefererHeaders" => only(&["user-agent", "referer"]),
        // Here the origin's settings decide which Host it gets.
        _ => Forwarding { query: Choice::All, headers: Choice::All, cookies: Choice::All },
    }
}

pub(super) fn forwarding(_: &str, table: &mut TableReader<'_>) -> Forwarding {
    let query = choice(table, "query", |text| Some(text.to_owned())).unwrap_or_default();
    let headers = choice(table, "headers", |text| HeaderName::from_bytes(text.as_bytes()).ok()).unwrap_or_default();
    let cookies = choice(table, "cookies", |text| Some(text.to_owned())).unwrap_or_default();
    Forwarding { query, headers, cookies }
}

pub(super) fn policy(name: &str, table: &mut TableReader<'_>) -> CachePolicy {
    let mode = mode(table);
    let mut ttls = match mode {
        Mode::CloudFront => Ttls::CLOUDFRONT,
        Mode::Standards => Ttls::STANDARDS,
    };
    let mut seconds = |key, ms: &mut u64| {
        if let Some(seconds) = table.integer(key, 0..=TTL_S_MAX) {
            *ms = seconds * 1_000;
        }
    };
    seconds("min_ttl_s", &mut ttls.min_ms);
    seconds("default_ttl_s", &mut ttls.default_ms);
    seconds("max_ttl_s", &mut ttls.max_ms);
    seconds("error_ttl_s", &mut ttls.error_min_ms);
    seconds("stale_if_error_s", &mut ttls.stale_if_error_ms);
    if ttls.min_ms > ttls.max_ms || (ttls.default_ms > ttls.max_ms && table.has("default_ttl_s")) {
        let remedy = "min_ttl_s <= default_ttl_s <= max_ttl_s";
        table.report.error(table.span(), format!("the TTLs of {} contradict each other", table.place()), remedy);
    }
    if mode == Mode::Standards && ttls.min_ms > 0 {
        let remedy = "remove it: RFC 9111 knows no least time";
        table.report.error(table.span(), "`min_ttl_s` in standards mode", remedy);
    }
    let query = choice(table, "query", |text| Some(text.to_owned()));
    let headers = choice(table, "headers", |text| HeaderName::from_bytes(text.as_bytes()).ok());
    let cookies = choice(table, "cookies", |text| Some(text.to_owned()));
    // A standard cache's key is the whole target.
    let query = query.unwrap_or(if mode == Mode::Standards { Choice::All } else { Choice::None });
    let host = table.flag("host").unwrap_or(mode == Mode::Standards);
    let encodings = Encodings {
        gzip: table.flag("gzip").unwrap_or(false),
        brotli: table.flag("brotli").unwrap_or(false),
        zstd: table.flag("zstd").unwrap_or(false),
    };
    let key = KeyPolicy { host, query, headers: headers.unwrap_or_default(), cookies: cookies.unwrap_or_default(), encodings };
    let store_set_cookie = table.flag("store_set_cookie").unwrap_or(false);
    if let (Mode::CloudFront, true, Some(value)) = (mode, store_set_cookie, table.value("store_set_cookie")) {
        let remedy = "remove it, and key the cookies by `cookies`: they are stored then";
        table.report.error(value.span(), "`store_set_cookie` in cloudfront mode", remedy);
    }
    CachePolicy { name: name.to_owned(), mode, ttls, key, store_set_cookie }
}

fn mode(table: &mut TableReader<'_>) -> Mode {
    let Some(text) = table.text("mode") else { return Mode::CloudFront };
    if let Some((_, mode)) = MODES.iter().find(|(name, _)| name == text.get_ref()) {
        return *mode;
    }
    let message = format!("unknown mode `{}`", text.get_ref().escape_debug());
    table.report.error(text.span(), message, format!("one of {}", quoted(MODES.map(|(name, _)| name))));
    Mode::CloudFront
}

/// `"none"`, `"all"`, a list of names, or `{ except = [names] }`.
fn choice<T>(table: &mut TableReader<'_>, key: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<Choice<T>> {
    let value = table.value(key)?;
    let parse_all = |texts: Vec<Text<'_>>| {
        if let Some(beyond) = texts.get(FORWARDED_NAMES) {
            table.report.error(beyond.span(), format!("too many names in `{key}`"), format!("at most {FORWARDED_NAMES}"));
        }
        let parsed = texts.iter().filter_map(|text| {
            let parsed = parse(text.get_ref());
            if parsed.is_none() {
                let message = format!("`{}` is not a name for `{key}`", text.get_ref().escape_debug());
                table.report.error(text.span(), message, "such as \"x-tenant\"");
            }
            parsed
        });
        parsed.collect::<Vec<_>>()
    };
    let remedy = "\"none\", \"all\", a list of names, or { except = [\"name\"] } is expected";
    match value.get_ref() {
        DeValue::String(text) if text == "none" => Some(Choice::None),
        DeValue::String(text) if text == "all" => Some(Choice::All),
        DeValue::Array(_) => {
            let texts = table.texts(key)?;
            Some(Choice::Only(parse_all(texts)))
        }
        DeValue::Table(_) => {
            let mut inner = table.table(key)?;
            let texts = inner.texts("except");
            inner.finish();
            match texts {
                Some(texts) if !texts.is_empty() => Some(Choice::Except(parse_all(texts))),
                _ => {
                    table.report.error(value.span(), format!("`{key}` excepts nothing"), remedy);
                    None
                }
            }
        }
        _ => {
            table.report.error(value.span(), format!("`{key}` is not a choice"), remedy);
            None
        }
    }
}
