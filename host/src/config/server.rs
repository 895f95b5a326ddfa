//! `[server]`: addresses, threads, files, certificates.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;
use x509_parser::pem::Pem;

use super::files::Files;
use super::reader::{TableReader, Text, wrong_type};
use super::{AccessLog, AdminAccess, Certificate, Server, Token};
use crate::account::Account;
use crate::diagnostic::{nearest, quoted};
use crate::fields::Field;
use crate::limits::config::{ADMIN_HOSTS, CERTIFICATES, DRAIN_S, DRAIN_S_MAX, EDGE_LOCATION_BYTES, LISTENERS, WORKERS};
use crate::limits::config::{ADMIN_TOKEN_BYTES, ADMIN_TOKEN_BYTES_MIN, CHAIN_BYTES};
use crate::limits::{Compiling, compile, request, tunnel};
use crate::network::{Grants, Vpcs};

pub(super) fn read(root: &mut TableReader<'_>, files: &mut Files<'_>) -> Server {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut server = Server {
        http: Vec::new(),
        https: Vec::new(),
        api: None,
        api_https: None,
        api_account: Account::default(),
        api_network: Grants::default(),
        api_buckets: None,
        api_hot_reload: Vec::new(),
        api_movable_clock: false,
        vpcs: Vpcs::default(),
        admin: None,
        admin_access: Arc::default(),
        workers: workers.min(usize::try_from(WORKERS).unwrap_or(usize::MAX)),
        data_dir: files.resolve_at("edgeward-data", &root.span()),
        runtimes: None,
        compiling: Compiling::default(),
        edge_location: "local".to_owned(),
        drain: Duration::from_secs(DRAIN_S),
        drain_listen: None,
        access_log: Some(AccessLog::default()),
        websockets_per_worker: usize::try_from(tunnel::PER_WORKER).unwrap_or(usize::MAX),
        connections_per_client: None,
        upload_bytes_per_s: request::BODY_RATE_BYTES_S,
        certificates: Vec::new(),
    };
    let Some(mut table) = root.table("server") else {
        if !root.has("server") {
            root.report.error(root.span(), "the file has no [server]", "add [server] with `http = [\"127.0.0.1:8080\"]`");
        }
        return server;
    };
    let mut taken = Taken::default();
    server.http = addresses(&mut table, "http", &mut taken);
    server.https = addresses(&mut table, "https", &mut taken);
    server.api = table.text("api").and_then(|text| taken.address(&table, "api", &text));
    server.api_https = table.text("api_https").and_then(|text| taken.address(&table, "api_https", &text));
    api(&mut table, &mut server, files);
    server.admin = table.text("admin").and_then(|text| taken.address(&table, "admin", &text));
    server.admin_access = Arc::new(admin_access(&mut table, files));
    if let Some(workers) = table.integer("workers", 1..=WORKERS) {
        server.workers = usize::try_from(workers).unwrap_or(1);
    }
    if let Some(folder) = table.text("data_dir") {
        server.data_dir = files.folder_to_be(&table, &folder);
    }
    server.runtimes = table.text("runtimes").and_then(|folder| files.existing_folder(&table, &folder));
    if let Some(bytes) = table.integer("compile_memory_bytes", compile::MEMORY_BYTES_MIN..=compile::MEMORY_BYTES_MAX) {
        server.compiling.memory_bytes = bytes;
    }
    if let Some(seconds) = table.integer("compile_cpu_s", 1..=compile::CPU_S_MAX) {
        server.compiling.cpu_s = seconds;
    }
    if let Some(location) = table.text("edge_location") {
        server.edge_location = edge_location(&table, &location);
    }
    if let Some(seconds) = table.integer("drain_s", 0..=DRAIN_S_MAX) {
        server.drain = Duration::from_secs(seconds);
    }
    if let Some(seconds) = table.integer("drain_listen_s", 0..=DRAIN_S_MAX) {
        server.drain_listen = Some(Duration::from_secs(seconds));
    }
    server.access_log = access_log(&mut table);
    if let Some(tunnels) = table.integer("websockets_per_worker", 0..=tunnel::PER_WORKER_MAX) {
        server.websockets_per_worker = usize::try_from(tunnels).unwrap_or(usize::MAX);
    }
    if let Some(connections) = table.integer("connections_per_client", 1..=request::CONNECTIONS_PER_CLIENT_MAX) {
        server.connections_per_client = usize::try_from(connections).ok();
    }
    if let Some(bytes) = table.integer("upload_bytes_per_s", 0..=request::BODY_RATE_BYTES_S_MAX) {
        server.upload_bytes_per_s = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    server.certificates = table.list("certificate").into_iter().filter_map(|entry| certificate(entry, files)).collect();
    check(&table, &server);
    table.finish();
    server
}

/// `access_log = true`, `false`, or a table with the fields of a line.
fn access_log(table: &mut TableReader<'_>) -> Option<AccessLog> {
    const KEY: &str = "access_log";
    let mut log = AccessLog::default();
    let Some(value) = table.value(KEY) else { return Some(log) };
    match value.get_ref() {
        DeValue::Boolean(false) => return None,
        DeValue::Boolean(true) => return Some(log),
        DeValue::Table(_) => {}
        other => {
            let expected = "true, false, or a table such as { fields = [\"timestamp\", \"sc-status\"] }";
            wrong_type(table.report, value.span(), KEY, expected, other);
            return Some(log);
        }
    }
    let mut settings = table.table(KEY)?;
    if let Some(names) = settings.texts("fields") {
        log.fields.clear();
        if names.is_empty() {
            let remedy = "name at least one, or say `access_log = false`";
            settings.report.error(settings.span(), "`fields` is empty", remedy);
        }
        for name in names {
            let Some(field) = Field::named(name.get_ref()) else {
                let known = || Field::ALL.iter().map(|field| field.name());
                let near = nearest(name.get_ref(), known()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let message = format!("the access log has no field `{}`", name.get_ref().escape_debug());
                settings.report.error(name.span(), message, format!("{near}fields: {}", quoted(known())));
                continue;
            };
            if log.fields.contains(&field) {
                let message = format!("`{}` is listed twice", field.name());
                settings.report.error(name.span(), message, "list each field once");
                continue;
            }
            log.fields.push(field);
        }
    }
    if let Some(signed_queries) = settings.flag("signed_queries") {
        log.signed_queries = signed_queries;
    }
    settings.finish();
    Some(log)
}

/// Checks that involve several settings.
fn check(table: &TableReader<'_>, server: &Server) {
    if !table.has("http") && !table.has("https") && !table.has("api") {
        table.missing("http", "[\"127.0.0.1:8080\"]");
    }
    for (key, listens) in [("https", !server.https.is_empty()), ("api_https", server.api_https.is_some())] {
        if listens && !table.has("certificate") {
            let remedy = "add [[server.certificate]] with `chain` and `key`";
            table.report.error(table.span(), format!("`{key}` needs a certificate"), remedy);
        }
    }
    if server.api_https.is_some() && !table.has("api") {
        let remedy = "add an address that functions reach: `api = \"127.0.0.1:9000\"`";
        table.report.error(table.span(), "`api_https` needs `api`", remedy);
    }
    if server.certificates.len() > CERTIFICATES {
        table.report.error(table.span(), "too many certificates", format!("at most {CERTIFICATES}"));
    }
}

/// What the AWS APIs say of themselves, where their functions may connect to, and where code is read.
fn api(table: &mut TableReader<'_>, server: &mut Server, files: &Files<'_>) {
    if let Some(id) = table.text("api_account") {
        if id.get_ref().len() != 12 || !id.get_ref().bytes().all(|byte| byte.is_ascii_digit()) {
            table.report.error(id.span(), "`api_account` is no AWS account", "twelve digits: \"123456789012\"");
        }
        server.api_account.id = (*id.get_ref()).to_owned();
    }
    if let Some(region) = table.text("api_region") {
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.get_ref().is_empty() || region.get_ref().len() > 32 || !region.get_ref().bytes().all(sound) {
            table.report.error(region.span(), "`api_region` is no AWS region", "such as \"us-east-1\"");
        }
        server.api_account.region = (*region.get_ref()).to_owned();
    }
    for host in table.texts("api_network").unwrap_or_default() {
        if let Err(error) = server.api_network.add(host.get_ref()) {
            table.report.error(host.span(), error.to_string(), "such as \"api.example.com:443\" or \"*:443\"");
        }
    }
    server.api_buckets = table.text("api_buckets").and_then(|folder| files.existing_folder(table, &folder));
    let hot_reload = table.texts("api_hot_reload").unwrap_or_default();
    server.api_hot_reload = hot_reload.iter().filter_map(|folder| files.existing_folder(table, folder)).collect();
}

/// The names and the token that the admin port accepts.
fn admin_access(table: &mut TableReader<'_>, files: &mut Files<'_>) -> AdminAccess {
    let hosts = table.texts("admin_hosts").unwrap_or_default();
    if let Some(beyond) = hosts.get(ADMIN_HOSTS) {
        table.report.error(beyond.span(), "too many names in `admin_hosts`", format!("at most {ADMIN_HOSTS}"));
    }
    let name = |text: &Text<'_>| {
        let host = super::site::host(table, text)?;
        if host.starts_with("*.") {
            // Anyone who controls a name below it could point that name here.
            table.report.error(text.span(), "`admin_hosts` takes exact names", "without `*`: \"admin.example.com\"");
        }
        Some(host)
    };
    let hosts = hosts.iter().filter_map(name).collect();
    let token = table.text("admin_token_file").and_then(|text| {
        let bytes = files.contents(table, &text, ADMIN_TOKEN_BYTES)?;
        let token = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if token.len() < ADMIN_TOKEN_BYTES_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let remedy = format!("at least {ADMIN_TOKEN_BYTES_MIN} printable ASCII characters: `openssl rand -hex 32`");
            table.report.error(text.span(), "the file contains no token", remedy);
        }
        Some(Token::new(token))
    });
    AdminAccess { hosts, token }
}

fn addresses(table: &mut TableReader<'_>, key: &'static str, taken: &mut Taken) -> Vec<SocketAddr> {
    let texts = table.texts(key).unwrap_or_default();
    if let Some(beyond) = texts.get(LISTENERS) {
        table.report.error(beyond.span(), format!("too many addresses in `{key}`"), format!("at most {LISTENERS}"));
    }
    texts.iter().filter_map(|text| taken.address(table, key, text)).collect()
}

/// The addresses so far: each may be used once.
#[derive(Default)]
struct Taken(Vec<(SocketAddr, Range<usize>)>);

impl Taken {
    fn address(&mut self, table: &TableReader<'_>, key: &str, text: &Text<'_>) -> Option<SocketAddr> {
        let Ok(address) = text.get_ref().parse::<SocketAddr>() else {
            let message = format!("`{}` is not an address to listen on", text.get_ref().escape_debug());
            let remedy = "IP address and port are expected: \"127.0.0.1:8080\", \"[::]:443\"";
            table.report.error(text.span(), message, remedy);
            return None;
        };
        // Port 0 selects a different free port each time.
        if address.port() != 0 && self.0.iter().any(|(other, _)| *other == address) {
            let remedy = format!("take another port for `{key}`");
            table.report.error(text.span(), format!("{address} is listened on twice"), remedy);
            return None;
        }
        let whole = |address: &SocketAddr| address.ip().is_unspecified();
        let covers = |other: &SocketAddr| other.is_ipv4() == address.is_ipv4() && (whole(other) || whole(&address));
        if address.port() != 0
            && let Some((other, _)) = self.0.iter().find(|(other, _)| other.port() == address.port() && covers(other))
        {
            let (whole, part) = if whole(&address) { (&address, other) } else { (other, &address) };
            let remedy = format!("leave {part} out, or take another port for `{key}`");
            table.report.error(text.span(), format!("{whole} listens on {part} already"), remedy);
            return None;
        }
        self.0.push((address, text.span()));
        Some(address)
    }
}

/// A token (RFC 9110 section 5.6.2), since `Via` has it in a list, between a version and a comment.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn edge_location(table: &TableReader<'_>, location: &Text<'_>) -> String {
    let text = *location.get_ref();
    let sound = (1..=EDGE_LOCATION_BYTES).contains(&text.len()) && text.bytes().all(is_token);
    if !sound {
        let remedy = format!("1 to {EDGE_LOCATION_BYTES} ASCII letters, digits and any of !#$%&'*+-.^_`|~, such as \"FRA50\"");
        table.report.error(location.span(), "`edge_location` is not valid in a header", remedy);
    }
    text.to_owned()
}

fn certificate(mut table: TableReader<'_>, files: &mut Files<'_>) -> Option<Certificate> {
    let hosts = table.texts("hosts").unwrap_or_default();
    let hosts = hosts.iter().filter_map(|host| super::site::host(&table, host)).collect();
    let chain = table.required_text("chain", "\"chain.pem\"").and_then(|text| files.existing(&table, &text));
    let key = table.required_text("key", "\"key.pem\"").and_then(|text| files.existing(&table, &text));
    let certificate = chain.zip(key).map(|(chain, key)| {
        let not_after_s = not_after_s(&chain);
        Certificate { hosts, chain, key, not_after_s }
    });
    if let Some(certificate) = &certificate {
        files.judge_certificate(&table, certificate);
    }
    table.finish();
    certificate
}

/// When the first certificate of a chain expires. `None` if the file is not a chain of certificates: loading it reports
/// that.
fn not_after_s(chain: &Path) -> Option<i64> {
    let bytes = super::files::read_bounded(chain, CHAIN_BYTES).ok()?;
    let mut blocks = Pem::iter_from_buffer(&bytes).filter_map(Result::ok);
    let first = blocks.find(|block| block.label == "CERTIFICATE")?;
    Some(first.parse_x509().ok()?.validity().not_after.timestamp())
}
