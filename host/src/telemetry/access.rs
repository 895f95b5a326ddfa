//! One JSON line per request, with the field names of CloudFront's access log.
//!
//! A worker hands a finished line to a bounded queue; one thread writes what has gathered every few
//! milliseconds, so that a request pays no system call. When the writer cannot keep up, lines are dropped
//! and counted, never waited for.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use serde::Serialize;

use crate::telemetry::line::one_line_json;

const LINES_WAITING: usize = 16_384;
const FLUSH_EVERY: Duration = Duration::from_millis(20);
/// At the process's end, for a reader that takes nothing any more.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// What a line says. Absent values are left out of the line.
#[derive(Debug, Default, Serialize)]
pub struct Line<'a> {
    /// Seconds since the epoch, at the end of the response.
    pub timestamp: f64,
    #[serde(rename = "x-edge-location")]
    pub location: &'a str,
    /// Body bytes sent.
    #[serde(rename = "sc-bytes")]
    pub bytes_sent: u64,
    /// Bytes received through a tunnel; other requests do not count theirs.
    #[serde(rename = "cs-bytes", skip_serializing_if = "Option::is_none")]
    pub bytes_received: Option<u64>,
    #[serde(rename = "c-ip")]
    pub client_ip: &'a str,
    #[serde(rename = "c-port")]
    pub client_port: u16,
    #[serde(rename = "cs-method")]
    pub method: &'a str,
    #[serde(rename = "cs-uri-stem")]
    pub path: &'a str,
    #[serde(rename = "cs-uri-query", skip_serializing_if = "Option::is_none")]
    pub query: Option<&'a str>,
    #[serde(rename = "sc-status")]
    pub status: u16,
    #[serde(rename = "cs(Referer)", skip_serializing_if = "Option::is_none")]
    pub referer: Option<&'a str>,
    #[serde(rename = "cs(User-Agent)", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
    #[serde(rename = "cs(Cookie)", skip_serializing_if = "Option::is_none")]
    pub cookie: Option<&'a str>,
    #[serde(rename = "x-edge-result-type")]
    pub result: &'a str,
    #[serde(rename = "x-edge-response-result-type")]
    pub response_result: &'a str,
    #[serde(rename = "x-edge-detailed-result-type")]
    pub detailed_result: &'a str,
    #[serde(rename = "x-edge-request-id")]
    pub request_id: &'a str,
    #[serde(rename = "x-host-header")]
    pub host: &'a str,
    /// The site's name in the configuration; CloudFront has one log per distribution instead.
    pub site: &'a str,
    #[serde(rename = "cs-protocol")]
    pub protocol: &'a str,
    #[serde(rename = "cs-protocol-version")]
    pub protocol_version: &'a str,
    #[serde(rename = "time-taken")]
    pub seconds: f64,
    #[serde(rename = "time-to-first-byte")]
    pub first_byte_seconds: f64,
    #[serde(rename = "x-forwarded-for", skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<&'a str>,
    #[serde(rename = "ssl-protocol", skip_serializing_if = "Option::is_none")]
    pub tls_protocol: Option<&'a str>,
    #[serde(rename = "ssl-cipher", skip_serializing_if = "Option::is_none")]
    pub tls_cipher: Option<&'a str>,
    #[serde(rename = "sc-content-type", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
    #[serde(rename = "sc-content-len", skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    #[serde(rename = "sc-range-start", skip_serializing_if = "Option::is_none")]
    pub range_start: Option<u64>,
    #[serde(rename = "sc-range-end", skip_serializing_if = "Option::is_none")]
    pub range_end: Option<u64>,
}

/// A cheap handle on the log; the last one to go waits for the lines to be written.
#[derive(Clone)]
pub struct AccessLog {
    shared: Arc<Shared>,
}

enum Message {
    Line(Vec<u8>),
    /// All lines before it are written before this is answered.
    Flush(SyncSender<()>),
}

struct Shared {
    lines: Option<SyncSender<Message>>,
    dropped: IntCounter,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// Starts the writer thread. `dropped` counts the lines that it had no room for.
    pub(super) fn to(sink: impl Write + Send + 'static, dropped: IntCounter) -> std::io::Result<AccessLog> {
        let (lines, waiting) = sync_channel(LINES_WAITING);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write_lines(&waiting, sink))?;
        Ok(AccessLog { shared: Arc::new(Shared { lines: Some(lines), dropped, writer: Mutex::new(Some(writer)) }) })
    }

    pub fn write(&self, line: &Line<'_>) {
        let mut text = Vec::with_capacity(768);
        let written = serde_json::to_writer(&mut text, line);
        let mut text = one_line_json(text);
        text.push(b'\n');
        let sent = self.shared.lines.as_ref().is_some_and(|lines| lines.try_send(Message::Line(text)).is_ok());
        if written.is_err() || !sent {
            self.shared.dropped.inc();
        }
    }

    /// Waits until what has been handed over so far is written, but not for ever. For the end of a process whose
    /// other threads still have handles: the last one to go would never go.
    pub fn flush(&self) {
        let Some(lines) = &self.shared.lines else { return };
        let until = Instant::now() + FLUSH_PATIENCE;
        let (written, answer) = sync_channel(1);
        while lines.try_send(Message::Flush(written.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(FLUSH_EVERY);
        }
        // Late or on time, we go.
        let _ = answer.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.lock().ok().and_then(|mut writer| writer.take()) {
            let _ = writer.join();
        }
    }
}

/// The writer sleeps instead of waiting on the queue: a sender then never has to wake it.
fn write_lines(lines: &Receiver<Message>, mut sink: impl Write) {
    use std::sync::mpsc::TryRecvError;
    let mut gathered = Vec::new();
    loop {
        let mut flushed = None;
        let ended = loop {
            match lines.try_recv() {
                Ok(Message::Flush(answer)) => {
                    flushed = Some(answer);
                    break false;
                }
                Ok(Message::Line(line)) => gathered.extend_from_slice(&line),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break true,
            }
            if gathered.len() >= 256 << 10 {
                break false;
            }
        };
        // A log that cannot be written (a closed pipe) must not stop the edge.
        let _ = sink.write_all(&gathered).and_then(|()| sink.flush());
        if let Some(answer) = flushed {
            // Who asked may have gone.
            let _ = answer.try_send(());
        }
        let idle = gathered.is_empty();
        gathered.clear();
        if ended {
            return;
        }
        if idle {
            std::thread::sleep(FLUSH_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn dropped() -> IntCounter {
        IntCounter::new("dropped", "Lines.").unwrap()
    }

    /// Writes nothing until it is let.
    struct Stuck(std::sync::mpsc::Receiver<()>, Sink);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // An end of the other side lets it too.
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_or_counted_as_dropped() {
        let ((release, stuck), sink, dropped) = (std::sync::mpsc::channel(), Sink::default(), dropped());
        let log = AccessLog::to(Stuck(stuck, sink.clone()), dropped.clone()).unwrap();
        let lines = 2 * LINES_WAITING;
        for _ in 0..lines {
            log.write(&Line { path: "/a", ..Line::default() });
        }
        assert!(dropped.get() > 0);
        drop(release);
        drop(log);
        let written = sink.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(written as u64 + dropped.get(), lines as u64);
    }

    #[test]
    fn a_flush_waits_for_every_line_but_not_for_a_reader_that_is_stuck() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), dropped()).unwrap();
        for n in 1..=3 {
            log.write(&Line { path: "/a", ..Line::default() });
            log.flush();
            assert_eq!(sink.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count(), n);
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let log = AccessLog::to(Stuck(stuck, sink), dropped()).unwrap();
        log.write(&Line::default());
        log.flush();
        drop(release);
    }

    #[test]
    fn the_last_handle_waits_for_every_line() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), dropped()).unwrap();
        for status in [200, 404] {
            log.write(&Line {
                status,
                method: "GET",
                path: "/a\"b",
                user_agent: Some("two\u{2028}lines\u{85}"),
                ..Line::default()
            });
        }
        drop(log);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["sc-status"], 200);
        assert_eq!(lines[0]["cs-uri-stem"], "/a\"b");
        assert_eq!(lines[0]["cs(User-Agent)"], "two\u{2028}lines\u{85}");
        assert!(!text.contains(['\u{2028}', '\u{85}']), "for every reader a record is a line: {text:?}");
        assert_eq!(lines[1]["sc-status"], 404);
        assert!(lines[1].get("cs(Referer)").is_none());
    }
}
