//! `edgeward cache`: shows and purges the cache of running edges, through their admin ports.

mod nodes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use nodes::CacheNode;

use super::output::say;
use crate::cache::no_path;
use crate::limits::command::{NODE_ANSWER_BYTES, NODE_MS, PURGE_MS, PURGE_POLL_MS};
use crate::telemetry::one_line_json;

const PATIENCE: Duration = Duration::from_millis(NODE_MS);
const SOON: Duration = Duration::from_millis(PURGE_MS);

/// Show what a running edge's cache holds, or purge it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward cache stats\n  edgeward cache lookup --host www.example.com '/docs/?page=2' -H 'Accept-Encoding: br'\n  edgeward cache purge --site www --path '/images/*' --wait\n  edgeward cache purge --host www.example.com --admin edge-1.internal,edge-2.internal\n  edgeward cache purge --tag news\n  edgeward cache purge --everything"
)]
pub struct Args {
    /// The edge's admin port (`server.admin`); several nodes are separated by commas or given by repeating the option. Each address
    /// of a name is a node. The default port is 9090.
    #[arg(long, global = true, default_value = "127.0.0.1:9090", value_name = "ADDRESS", value_delimiter = ',', value_parser = nodes::written)]
    admin: Vec<String>,
    /// A file with the token, if the edge requires one (`server.admin_token_file`).
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CacheCommand {
    /// Print the objects and bytes of each tier, as JSON.
    Stats,
    /// Print what a GET would find, as JSON; `null` if nothing is stored. No hook runs.
    Lookup(LookupArgs),
    /// Purge stored responses. Applies to every request that begins after the command returns.
    Purge(PurgeArgs),
}

#[derive(Debug, clap::Args)]
struct LookupArgs {
    /// The request's Host, which selects a site.
    #[arg(long)]
    host: String,
    /// Path and query string, as a viewer-request hook leaves them.
    path: String,
    /// A header field of the request that matters to the cache; can be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header_field)]
    headers: Vec<(String, String)>,
    /// The request uses https; matters if the scheme is in the key.
    #[arg(long)]
    https: bool,
    /// The origin, or origin group, that a viewer-request hook selects.
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
struct PurgeArgs {
    /// Purge this site; all of it without --path and --tag.
    #[arg(long, group = "of")]
    site: Option<String>,
    /// Purge the site that serves this host.
    #[arg(long, group = "of")]
    host: Option<String>,
    /// Path and query string; `*` matches any characters. Needs --site or --host.
    #[arg(long, requires = "of", conflicts_with = "tag", value_parser = purge_path)]
    path: Option<String>,
    /// A surrogate key, from the origin's Surrogate-Key or Cache-Tag.
    #[arg(long)]
    tag: Option<String>,
    /// Purge everything, of all sites.
    #[arg(long, conflicts_with_all = ["of", "path", "tag"], required_unless_present_any = ["of", "tag"])]
    everything: bool,
    /// Wait until the bytes are removed, however long that takes [default: at most a second]
    #[arg(long)]
    wait: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = args
        .token_file
        .as_ref()
        .map(|file| std::fs::read_to_string(file).with_context(|| format!("cannot read the token of {}", file.display())));
    let token = token.transpose()?.map(|token| Arc::from(token.trim()));
    runtime.block_on(async {
        let nodes = nodes::found(&args.admin).await?;
        let admins: Vec<_> = nodes.into_iter().map(|node| Arc::new(Admin { node, token: Clone::clone(&token) })).collect();
        match &args.command {
            CacheCommand::Stats => show(asked(&admins, Method::GET, "/cache", &Value::Null).await),
            CacheCommand::Lookup(LookupArgs { host, path, headers, https, origin }) => {
                let what = json!({"host": host, "path": path, "headers": headers, "https": https, "origin": origin});
                show(asked(&admins, Method::POST, "/cache/lookups", &what).await)
            }
            CacheCommand::Purge(what) => {
                let (asked, wait) = (purge_request(what), what.wait);
                let answers = nodes::each(&admins, move |admin| {
                    let asked = asked.clone();
                    async move { purge(&admin, &asked, wait).await }
                });
                tell(answers.await, |told| told)
            }
        }
    })
}

/// A node, and the token to send.
struct Admin {
    node: CacheNode,
    token: Option<Arc<str>>,
}

/// The response of each node.
type Answers<T> = Vec<(String, anyhow::Result<T>)>;

async fn asked(admins: &[Arc<Admin>], method: Method, path: &'static str, body: &Value) -> Answers<Value> {
    nodes::each(admins, |admin| {
        let (method, body) = (method.clone(), body.clone());
        async move { ask(&admin, method, path, &body).await }
    })
    .await
}

/// Prints one object; for several nodes, an object with the response of each.
fn show(answers: Answers<Value>) -> anyhow::Result<()> {
    let json = |value: &Value| {
        // It contains text from origins, and stdout may be a terminal.
        say!("{}", String::from_utf8_lossy(&one_line_json(format!("{value:#}").into_bytes())));
    };
    if answers.len() == 1 {
        return tell_one(answers, |value| json(&value));
    }
    let (good, failed) = parted(answers);
    json(&Value::Object(good.into_iter().collect()));
    end(failed)
}

/// Prints one line per node, and returns an error if a node failed.
fn tell<T>(answers: Answers<T>, told: impl Fn(T) -> String) -> anyhow::Result<()> {
    if answers.len() == 1 {
        return tell_one(answers, |answer| say!("{}", told(answer)));
    }
    let (good, failed) = parted(answers);
    for (node, answer) in good {
        say!("{node}: {}", told(answer));
    }
    end(failed)
}

fn tell_one<T>(answers: Answers<T>, told: impl Fn(T)) -> anyhow::Result<()> {
    for (_, answer) in answers {
        told(answer?);
    }
    Ok(())
}

/// The nodes that failed.
struct Failed {
    errors: Vec<(String, anyhow::Error)>,
    /// The number of all nodes.
    nodes: usize,
}

/// The successful responses, and the failures.
fn parted<T>(answers: Answers<T>) -> (Vec<(String, T)>, Failed) {
    let nodes = answers.len();
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for (node, answer) in answers {
        match answer {
            Ok(answer) => good.push((node, answer)),
            Err(error) => errors.push((node, error)),
        }
    }
    (good, Failed { errors, nodes })
}

fn end(Failed { errors, nodes }: Failed) -> anyhow::Result<()> {
    for (node, error) in &errors {
        eprintln!("error: {node}: {error:#}");
    }
    let names: Vec<_> = errors.iter().map(|(node, _)| node.as_str()).collect();
    anyhow::ensure!(errors.is_empty(), "{} of {nodes} nodes failed: {}", errors.len(), names.join(", "));
    Ok(())
}

fn purge_request(what: &PurgeArgs) -> Value {
    let mut asked = json!({});
    if what.everything {
        asked["everything"] = true.into();
    }
    for (key, value) in [("site", &what.site), ("host", &what.host), ("path", &what.path), ("tag", &what.tag)] {
        if let Some(value) = value {
            asked[key] = value.as_str().into();
        }
    }
    asked
}

async fn purge(admin: &Admin, asked: &Value, wait: bool) -> anyhow::Result<String> {
    let mut state = ask(admin, Method::POST, "/cache/purges", asked).await?;
    let soon = Instant::now() + SOON;
    while state["status"] != "Completed" && (wait || Instant::now() < soon) {
        tokio::time::sleep(Duration::from_millis(PURGE_POLL_MS)).await;
        state = ask(admin, Method::GET, &format!("/cache/purges/{}", state["number"]), &Value::Null).await?;
    }
    let number = &state["number"];
    Ok(match (state["status"].as_str().unwrap_or("unknown"), state["purged"].as_u64()) {
        // Before completion, the number covers only what has been swept so far.
        ("Completed", Some(purged)) => format!("purge {number}: Completed, {purged} stored responses purged"),
        (status, _) => format!("purge {number}: {status}"),
    })
}

async fn ask(admin: &Admin, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let exchange = async {
        let (address, stream) = admin.node.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &admin.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let bytes =
            Limited::new(response.into_body(), NODE_ANSWER_BYTES).collect().await.map_err(|error| anyhow::anyhow!(error))?;
        driver.abort();
        anyhow::Ok((status, bytes.to_bytes()))
    };
    let answered = timeout(PATIENCE, exchange).await.context("no answer in time").and_then(|answer| answer);
    let (status, bytes) = answered.with_context(|| format!("the admin port {} cannot be asked", admin.node.name))?;
    if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
        bail!("the edge says {status}: {}", String::from_utf8_lossy(&bytes).trim_end());
    }
    serde_json::from_slice(&bytes).context("the answer is no JSON")
}
