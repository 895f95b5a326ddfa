//! `edgeward logs`: what a function has logged, and what it goes on to log.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::UsageError;
use super::api::{ApiClient, ApiOptions};
use super::duration;
use super::output::say;
use crate::limits::sam::{FOLLOW_MS, LATE_MS, PAGES};

/// Show the log of a function.
///
/// Events of all of its instances by time, oldest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward logs shop-Hello\n  edgeward logs shop-Hello -f --since 1h --filter ERROR\n  edgeward logs /aws/lambda/shop-Hello --filter '{ $.level = \"error\" }'"
)]
pub(super) struct Args {
    /// The function, or a log group, which has a `/` in its name.
    name: String,
    /// Go on with what is logged from now on, until a signal ends it.
    #[arg(long, short)]
    follow: bool,
    /// How far to look back: a number with s, m, h or d.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    since: Duration,
    /// Only events that match: a filter pattern of `CloudWatch` Logs.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    #[command(flatten)]
    api: ApiOptions,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut client = ApiClient::new(&args.api)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let group = group(&mut client, &args.name).await?;
        let begin = SystemTime::now().checked_sub(args.since).and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let mut tail = Tail {
            group,
            filter: args.filter.clone(),
            start_ms: begin.map_or(0, |begin| u64::try_from(begin.as_millis()).unwrap_or(0)),
            seen: BTreeSet::new(),
        };
        tail.read(&mut client, args.follow).await?;
        if !args.follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(Duration::from_millis(FOLLOW_MS)).await;
            tail.read(&mut client, true).await?;
        }
    })
}

/// Where a function logs to.
async fn group(client: &mut ApiClient, name: &str) -> anyhow::Result<String> {
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    let path = format!("/2015-03-31/functions/{}/configuration", crate::percent::encoded(name));
    match client.lambda("GetFunctionConfiguration", http::Method::GET, &path, "", &Value::Null).await? {
        Ok(told) => Ok(told["LoggingConfig"]["LogGroup"].as_str().map_or_else(|| format!("/aws/lambda/{name}"), str::to_owned)),
        Err(refusal) if refusal.is_missing() => Err(UsageError(format!(
            "there is no function `{name}` at {}; `aws lambda list-functions` lists them",
            client.endpoint
        ))
        .into()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Where in a group the reading is.
struct Tail {
    group: String,
    filter: Option<String>,
    start_ms: u64,
    /// Events of the last seconds, which may be asked for again: one that was logged earlier may arrive later.
    seen: BTreeSet<(u64, String)>,
}

impl Tail {
    async fn read(&mut self, client: &mut ApiClient, follows: bool) -> anyhow::Result<()> {
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut body = json!({"logGroupName": self.group, "startTime": self.start_ms});
            if let Some(pattern) = &self.filter {
                body["filterPattern"] = pattern.as_str().into();
            }
            if let Some(token) = &token {
                body["nextToken"] = token.as_str().into();
            }
            let page = match client.target("logs", "Logs_20140328", "FilterLogEvents", &body).await? {
                Ok(page) => page,
                // It comes with the first call.
                Err(refusal) if refusal.is_missing() => {
                    if !follows {
                        eprintln!("{} has no log yet: nothing has called it", self.group);
                    }
                    return Ok(());
                }
                Err(refusal) => return Err(refusal.into()),
            };
            for event in page["events"].as_array().into_iter().flatten() {
                let time_ms = event["timestamp"].as_u64().unwrap_or(0);
                let id = event["eventId"].as_str().unwrap_or_default().to_owned();
                if self.seen.insert((time_ms, id)) {
                    say!("{} {}", utc(time_ms), event["message"].as_str().unwrap_or_default().trim_end());
                }
            }
            token = page["nextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        let newest = self.seen.last().map_or(self.start_ms, |(time_ms, _)| *time_ms);
        self.start_ms = self.start_ms.max(newest.saturating_sub(LATE_MS));
        let start_ms = self.start_ms;
        self.seen.retain(|(time_ms, _)| *time_ms >= start_ms);
        Ok(())
    }
}

/// `12:34:56.789`, as the day is known to who looks.
fn utc(time_ms: u64) -> String {
    let (s, ms) = (time_ms / 1_000, time_ms % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3_600 % 24, s / 60 % 60, s % 60)
}
