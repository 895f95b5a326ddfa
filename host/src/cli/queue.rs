//! `edgeward queue`: the events that wait for functions, and the records that wait for destinations.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::{ApiClient, ApiOptions};
use super::duration;
use super::output::say;

/// Show the events that wait.
///
/// Asynchronous events wait in a line for their function (`function:NAME`), and the records of those that are over in a line
/// for each destination (`destination:ARN`).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward queue list\n  edgeward queue peek function:shop-Hello\n  edgeward queue peek destination:arn:aws:sqs:us-east-1:123456789012:failed --count 10"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, clap::Subcommand)]
enum QueueCommand {
    /// Show how many events wait in each line, and for how long the first has.
    List {
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Show the first events of a line, without taking them: one line of JSON each.
    Peek {
        /// As `list` shows it.
        line: String,
        /// How many; at most 100.
        #[arg(long, short, value_name = "NUMBER", default_value_t = 1)]
        count: u32,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Move the clock of events forward, so that what waits for a time is due: for trials, on a host with --movable-clock.
    Advance {
        /// A number with s, m, h or d.
        #[arg(value_name = "DURATION", value_parser = duration::parse)]
        by: Duration,
        #[command(flatten)]
        api: ApiOptions,
    },
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &args.command {
            QueueCommand::List { api } => {
                let answer = asked(api, "ListLines", &json!({})).await?;
                list(answer["Lines"].as_array().map_or(&[][..], Vec::as_slice));
            }
            QueueCommand::Peek { line, count, api } => {
                let answer = asked(api, "PeekEvents", &json!({"Line": line, "MaxItems": count})).await?;
                for event in answer["Events"].as_array().into_iter().flatten() {
                    say!("{event}");
                }
            }
            QueueCommand::Advance { by, api } => {
                asked(api, "AdvanceClock", &json!({"Seconds": by.as_secs()})).await?;
            }
        }
        Ok(())
    })
}

async fn asked(api: &ApiOptions, operation: &'static str, input: &Value) -> anyhow::Result<Value> {
    Ok(ApiClient::new(api)?.target("edgeward", "Edgeward", operation, input).await??)
}

fn list(lines: &[Value]) {
    if lines.is_empty() {
        say!("nothing waits");
        return;
    }
    say!("{:>10}  {:>12}  {:>10}  LINE", "EVENTS", "BYTES", "OLDEST");
    for line in lines {
        let number = |member: &str| line[member].as_u64().unwrap_or(0);
        let oldest = format!("{} s", number("OldestSeconds"));
        let name = line["Line"].as_str().unwrap_or_default();
        say!("{:>10}  {:>12}  {oldest:>10}  {name}", number("Events"), number("Bytes"));
    }
}
