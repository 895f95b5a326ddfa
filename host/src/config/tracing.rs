//! `[tracing]`: the collector of spans, and the sampled requests.

use http::Uri;

use super::Tracing;
use super::origin::headers;
use super::reader::{TableReader, Text};
use crate::limits::tracing::SERVICE_NAME_BYTES;

pub(super) fn read(root: &mut TableReader<'_>) -> Option<Tracing> {
    let mut table = root.table("tracing")?;
    let endpoint = table.required_text("otlp_endpoint", "\"http://127.0.0.1:4318\"").and_then(|text| endpoint(&table, &text));
    let sample_rate = table.fraction("sample_rate").unwrap_or(1.0);
    let service_name = table.text("service_name").map_or_else(|| "edgeward".to_owned(), |text| service_name(&table, &text));
    let headers = headers(&mut table, "headers");
    table.finish();
    let (host, port, path) = endpoint?;
    Some(Tracing { host, port, path, headers, service_name, sample_rate })
}

/// Host, port and the path for spans.
fn endpoint(table: &TableReader<'_>, text: &Text<'_>) -> Option<(String, u16, String)> {
    let written = *text.get_ref();
    let uri = written.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && !written.contains(['?', '#', '@']));
    let host = uri.as_ref().and_then(Uri::host).filter(|host| !host.is_empty());
    let (Some(uri), Some(host)) = (&uri, host) else {
        let message = format!("`{}` is not the URL of a collector", written.escape_debug());
        let remedy =
            "http:// is expected, such as \"http://127.0.0.1:4318\": a collector beside the edge speaks TLS to the outside";
        table.report.error(text.span(), message, remedy);
        return None;
    };
    // 4318 is the protocol's own port.
    let path = format!("{}/v1/traces", uri.path().trim_end_matches('/'));
    Some((host.to_owned(), uri.port_u16().unwrap_or(4318), path))
}

fn service_name(table: &TableReader<'_>, text: &Text<'_>) -> String {
    let name = *text.get_ref();
    if name.is_empty() || name.len() > SERVICE_NAME_BYTES {
        let remedy = format!("1 to {SERVICE_NAME_BYTES} characters");
        table.report.error(text.span(), "`service_name` is empty or too long", remedy);
    }
    name.to_owned()
}
