//! `edgeward cache`: what a running edge keeps, and how it is made to forget. It is asked through its admin port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::output::say;
use crate::cache::no_path;
use crate::telemetry::one_line_json;

/// The admin port answers at once, except for a purge that is being written to disk.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_BYTES: usize = 1 << 20;

/// Show what a running edge's cache holds, or purge it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward cache stats\n  edgeward cache lookup --host www.example.com '/docs/?page=2' -H 'Accept-Encoding: br'\n  edgeward cache purge --site www --path '/images/*' --wait\n  edgeward cache purge --tag news\n  edgeward cache purge --everything"
)]
pub struct Args {
    /// The admin port of the edge (`server.admin`).
    #[arg(long, global = true, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    admin: SocketAddr,
    /// The token, if the edge wants one (`server.admin_token_file`).
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Objects and bytes of each tier, as JSON.
    Stats,
    /// What a GET would find, as JSON; `null` if nothing is stored for it. No hook runs.
    Lookup(Asked),
    /// In force for every request that comes after it returns.
    Purge(What),
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// The request's Host, which leads to a site.
    #[arg(long)]
    host: String,
    /// Path and query string, as a viewer-request hook leaves them.
    path: String,
    /// A header field of the request, as far as it matters to the cache; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header_field)]
    headers: Vec<(String, String)>,
    /// The request came by https; matters where the scheme is in the key.
    #[arg(long)]
    https: bool,
    /// The origin, or origin group, that a viewer-request hook chooses.
    #[arg(long)]
    origin: Option<String>,
}

fn header_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a colon is missing between name and value")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn purge_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(no_path(text)) }
}

#[derive(Debug, clap::Args)]
struct What {
    /// Of this site; with neither --path nor --tag, all of it.
    #[arg(long)]
    site: Option<String>,
    /// Path and query string; `*` stands for any characters. Needs --site.
    #[arg(long, requires = "site", conflicts_with = "tag", value_parser = purge_path)]
    path: Option<String>,
    /// A surrogate key, as the origin said it in Surrogate-Key or Cache-Tag.
    #[arg(long)]
    tag: Option<String>,
    #[arg(long, conflicts_with_all = ["site", "path", "tag"], required_unless_present_any = ["site", "tag"])]
    everything: bool,
    /// Return when the bytes are gone too.
    #[arg(long)]
    wait: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = args
        .token_file
        .as_ref()
        .map(|file| std::fs::read_to_string(file).with_context(|| format!("cannot read the token of {}", file.display())));
    let admin = &Admin { address: args.admin, token: token.transpose()? };
    runtime.block_on(async {
        match &args.command {
            Command::Stats => {
                let stats = ask(admin, Method::GET, "/cache", &Value::Null).await?;
                say!("{stats:#}");
            }
            Command::Lookup(Asked { host, path, headers, https, origin }) => {
                let asked = json!({"host": host, "path": path, "headers": headers, "https": https, "origin": origin});
                let found = ask(admin, Method::POST, "/cache/lookups", &asked).await?;
                // Origins have written into it, and this may be a terminal.
                say!("{}", String::from_utf8_lossy(&one_line_json(format!("{found:#}").into_bytes())));
            }
            Command::Purge(what) => purge(admin, what).await?,
        }
        Ok(())
    })
}

/// Whom to ask, and with which secret.
struct Admin {
    address: SocketAddr,
    token: Option<String>,
}

async fn purge(admin: &Admin, what: &What) -> anyhow::Result<()> {
    let mut asked = json!({});
    if what.everything {
        asked["everything"] = true.into();
    }
    for (key, value) in [("site", &what.site), ("path", &what.path), ("tag", &what.tag)] {
        if let Some(value) = value {
            asked[key] = value.as_str().into();
        }
    }
    let mut state = ask(admin, Method::POST, "/cache/purges", &asked).await?;
    while what.wait && state["status"] != "Completed" {
        tokio::time::sleep(Duration::from_millis(50)).await;
        state = ask(admin, Method::GET, &format!("/cache/purges/{}", state["number"]), &Value::Null).await?;
    }
    let number = &state["number"];
    match (state["status"].as_str().unwrap_or("unknown"), state["purged"].as_u64()) {
        // Before that it would be what has been met by chance.
        ("Completed", Some(purged)) => say!("purge {number}: Completed, {purged} stored responses purged"),
        (status, _) => say!("purge {number}: {status}"),
    }
    Ok(())
}

async fn ask(admin: &Admin, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let exchange = async {
        let stream = TcpStream::connect(admin.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, admin.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &admin.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), ANSWER_BYTES).collect().await.map_err(|error| anyhow::anyhow!(error))?;
        driver.abort();
        anyhow::Ok((status, bytes.to_bytes()))
    };
    let answered = timeout(PATIENCE, exchange).await.context("no answer in time").and_then(|answer| answer);
    let (status, bytes) = answered.with_context(|| format!("the admin port {} cannot be asked", admin.address))?;
    if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
        bail!("the edge says {status}: {}", String::from_utf8_lossy(&bytes).trim_end());
    }
    serde_json::from_slice(&bytes).context("the answer is no JSON")
}
