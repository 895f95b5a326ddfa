//! The destination and format of logs: one line per record.

use std::io::{self, IsTerminal as _, Write};

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::UsageError;
use crate::telemetry::{Timestamp, is_one_line, one_line_json, one_line_text};

/// Silences wasmtime's WASI, which writes a line for each failed request of a guest, without a bound. The function's own log
/// has what is needed.
const DEFAULT: &str = "info,wasmtime_wasi=off,wasmtime_wasi_http=off";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Logs go to stderr: stdout is for the output of a command.
pub(super) fn start(format: Option<Format>) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let filter = match std::env::var("EDGEWARD_LOG") {
        Err(_) => EnvFilter::new(DEFAULT),
        Ok(filter) => EnvFilter::try_new(&filter).map_err(|error| UsageError(format!("EDGEWARD_LOG: {error}")))?,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_timer(Clock);
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    // The reader of stderr may have exited; reporting that on stderr would panic.
    let subscriber = subscriber.with_writer(Records { format }).log_internal_errors(false);
    match format {
        Format::Text => subscriber.with_ansi(terminal).init(),
        Format::Json => subscriber.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}

/// The time format of the access log.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", Timestamp::now())
    }
}

/// Writes each record as a line.
struct Records {
    format: Format,
}

impl<'a> MakeWriter<'a> for Records {
    type Writer = LogRecord;

    fn make_writer(&'a self) -> LogRecord {
        LogRecord { format: self.format, keep_lines: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> LogRecord {
        // Configuration errors span several lines; their text comes from the operator only.
        LogRecord { format: self.format, keep_lines: of.target() == "edgeward::host::reload" }
    }
}

/// One record, written with a single call.
struct LogRecord {
    format: Format,
    keep_lines: bool,
}

impl Write for LogRecord {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        match self.format {
            Format::Json => {
                // The line end is not part of the JSON.
                let json = record.strip_suffix(b"\n").unwrap_or(record);
                let mut line = one_line_json(json.to_vec());
                line.push(b'\n');
                stderr.write_all(&line)?;
            }
            Format::Text if is_one_line(record) => stderr.write_all(record)?,
            Format::Text => stderr.write_all(one_line_text(&String::from_utf8_lossy(record), self.keep_lines).as_bytes())?,
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
