//! `[[site.error_page]]`: the page that is served instead of an error, and how long the error is cached.
//!
//! These are CloudFront's "custom error responses", for every status from 400 on instead of its eleven.

use std::collections::BTreeMap;

use super::ErrorPage;
use super::reader::TableReader;
use crate::limits::config::{ERROR_PAGE_TARGET_BYTES, TTL_S_MAX};

pub(super) fn read(site: &mut TableReader<'_>) -> Vec<ErrorPage> {
    let mut pages: BTreeMap<u16, ErrorPage> = BTreeMap::new();
    for mut table in site.list("error_page") {
        let read = page(&mut table);
        if let Some(page) = read {
            let status = page.status;
            if pages.insert(status, page).is_some() {
                let message = format!("a second error page for {status}");
                table.report.error(table.span(), message, "one for each status: remove this one");
            }
        }
        table.finish();
    }
    pages.into_values().collect()
}

fn page(table: &mut TableReader<'_>) -> Option<ErrorPage> {
    if !table.has("status") {
        table.missing("status", "404");
    }
    let status = table.integer("status", 400..=599);
    let path = table.text("path");
    if let Some(path) = &path
        && !is_path(path.get_ref())
    {
        let remedy =
            format!("such as \"/errors/404.html\", of at most {ERROR_PAGE_TARGET_BYTES} printable characters, without a query");
        table.report.error(path.span(), "`path` is not an absolute path", remedy);
    }
    let response_status = table.integer("response_status", 200..=599);
    if let (Some(201..400), Some(value)) = (response_status, table.value("response_status")) {
        let remedy = "200, or 400 to 599: a page is no redirect";
        table.report.error(value.span(), "`response_status` is neither a success nor an error", remedy);
    }
    let min_ttl_s = table.integer("min_ttl_s", 0..=TTL_S_MAX);
    if !table.has("path") && table.has("response_status") {
        let remedy = "add `path`, or remove `response_status`: without a page the status stays";
        table.report.error(table.span(), "`response_status` without a page", remedy);
    }
    if !table.has("path") && !table.has("min_ttl_s") {
        let remedy = "add `path` for a page, or `min_ttl_s` for how long the error is remembered";
        table.report.error(table.span(), "an error page that changes nothing", remedy);
    }
    let path = path.map(|path| (*path.get_ref()).to_owned());
    let number = |status: u64| u16::try_from(status).ok();
    Some(ErrorPage {
        status: number(status?)?,
        path,
        response_status: response_status.and_then(number),
        min_ttl_ms: min_ttl_s.map(|seconds| seconds * 1_000),
    })
}

fn is_path(path: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte);
    path.starts_with('/') && path.len() <= ERROR_PAGE_TARGET_BYTES && path.bytes().all(sound)
}
