//! The origins of a configuration that are functions of the host beside it, by their URLs.

use super::finding::Finding;
use super::host::HostFunction;
use crate::advice;
use crate::config::{Config, OriginKind};

/// Tells of functions that may take longer than the origin in front of them waits. An origin with `api` waits as long as its function
/// may take.
pub(super) fn examine(config: &Config, functions: &[HostFunction]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, origin) in &config.origins {
        let OriginKind::Url(url) = &origin.kind else { continue };
        let Some(function) = functions.iter().find(|function| function.urls.iter().any(|at| is_at(at, &url.host))) else {
            continue;
        };
        let waits_s = i64::try_from(url.read_timeout.as_secs()).unwrap_or(i64::MAX);
        let whose = format!("function `{}`", function.name);
        let front = format!("the origin `{name}` in front of it");
        let advice = advice::behind(&whose, function.timeout_s, &front, waits_s);
        findings.extend(advice.map(|advice| Finding::of(Some(&function.name), advice)));
    }
    findings
}

/// Whether a function URL is there. Its host is its own; the port is that of the API by which it was asked for.
fn is_at(function_url: &str, host: &str) -> bool {
    let Ok(uri) = function_url.parse::<http::Uri>() else { return false };
    uri.host().is_some_and(|at| at.eq_ignore_ascii_case(host))
}
