//! One JSON line per request, with the field names of CloudFront's access log, limited to the selected fields.
//!
//! A worker puts a finished line into a bounded queue; one thread writes the queue every few milliseconds, so that
//! a request makes no system call. When the writer cannot keep up, lines are dropped and counted; a request never
//! waits.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::fields::Field;
use crate::limits::logging::{ACCESS_END_MS, ACCESS_FLUSH_MS, ACCESS_GATHERED_BYTES, ACCESS_LINES};
use crate::telemetry::Timestamp;
use crate::telemetry::line::one_line_json;

const FLUSH_EVERY: Duration = Duration::from_millis(ACCESS_FLUSH_MS);
/// How long the end of the process waits for a reader that does not read.
const FLUSH_PATIENCE: Duration = Duration::from_millis(ACCESS_END_MS);

/// The fields of a line. Absent values are omitted.
#[derive(Debug, Default)]
pub struct Line<'a> {
    /// The end of the response.
    pub timestamp: Timestamp,
    pub location: &'a str,
    /// Body bytes sent.
    pub bytes_sent: u64,
    /// Bytes received through a tunnel; other requests do not count theirs.
    pub bytes_received: Option<u64>,
    pub client_ip: &'a str,
    pub client_port: u16,
    pub method: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub status: u16,
    pub referer: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub cookie: Option<&'a str>,
    pub result: &'a str,
    pub response_result: &'a str,
    pub detailed_result: &'a str,
    pub request_id: &'a str,
    pub host: &'a str,
    /// The site's name in the configuration; CloudFront has one log per distribution instead.
    pub site: &'a str,
    pub protocol: &'a str,
    pub protocol_version: &'a str,
    pub seconds: f64,
    pub first_byte_seconds: f64,
    pub forwarded_for: Option<&'a str>,
    pub tls_protocol: Option<&'a str>,
    pub tls_cipher: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub content_length: Option<u64>,
    pub range_start: Option<u64>,
    pub range_end: Option<u64>,
    /// The last origin tried; the following fields describe it.
    pub origin: Option<&'a str>,
    pub origin_address: Option<SocketAddr>,
    /// `None` if the connection was reused.
    pub origin_connect_seconds: Option<f64>,
    pub origin_first_byte_seconds: Option<f64>,
    /// Number of requests sent to origins.
    pub origin_tries: Option<u32>,
    /// Number of failovers to a second origin.
    pub origin_failovers: Option<u32>,
    /// Number of hook calls, and their total time.
    pub function_calls: Option<u32>,
    pub function_seconds: Option<f64>,
}

/// Serializes the selected fields of a line.
struct SelectedFields<'a>(&'a Line<'a>, &'a [Field]);

impl Serialize for SelectedFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SelectedFields(line, fields) = self;
        let mut map = serializer.serialize_map(None)?;
        for &field in *fields {
            let name = field.name();
            match field {
                Field::Timestamp => map.serialize_entry(name, &line.timestamp),
                Field::Location => map.serialize_entry(name, line.location),
                Field::BytesSent => map.serialize_entry(name, &line.bytes_sent),
                Field::BytesReceived => put(&mut map, name, line.bytes_received.as_ref()),
                Field::ClientIp => map.serialize_entry(name, line.client_ip),
                Field::ClientPort => map.serialize_entry(name, &line.client_port),
                Field::Method => map.serialize_entry(name, line.method),
                Field::Path => map.serialize_entry(name, line.path),
                Field::Query => put(&mut map, name, line.query),
                Field::Status => map.serialize_entry(name, &line.status),
                Field::Referer => put(&mut map, name, line.referer),
                Field::UserAgent => put(&mut map, name, line.user_agent),
                Field::Cookie => put(&mut map, name, line.cookie),
                Field::Result => map.serialize_entry(name, line.result),
                Field::ResponseResult => map.serialize_entry(name, line.response_result),
                Field::DetailedResult => map.serialize_entry(name, line.detailed_result),
                Field::RequestId => map.serialize_entry(name, line.request_id),
                Field::Host => map.serialize_entry(name, line.host),
                Field::Site => map.serialize_entry(name, line.site),
                Field::Protocol => map.serialize_entry(name, line.protocol),
                Field::ProtocolVersion => map.serialize_entry(name, line.protocol_version),
                Field::Seconds => map.serialize_entry(name, &line.seconds),
                Field::FirstByteSeconds => map.serialize_entry(name, &line.first_byte_seconds),
                Field::ForwardedFor => put(&mut map, name, line.forwarded_for),
                Field::TlsProtocol => put(&mut map, name, line.tls_protocol),
                Field::TlsCipher => put(&mut map, name, line.tls_cipher),
                Field::ContentType => put(&mut map, name, line.content_type),
                Field::ContentLength => put(&mut map, name, line.content_length.as_ref()),
                Field::RangeStart => put(&mut map, name, line.range_start.as_ref()),
                Field::RangeEnd => put(&mut map, name, line.range_end.as_ref()),
                Field::Origin => put(&mut map, name, line.origin),
                Field::OriginAddress => put(&mut map, name, line.origin_address.as_ref()),
                Field::OriginConnectSeconds => put(&mut map, name, line.origin_connect_seconds.as_ref()),
                Field::OriginFirstByteSeconds => put(&mut map, name, line.origin_first_byte_seconds.as_ref()),
                Field::OriginTries => put(&mut map, name, line.origin_tries.as_ref()),
                Field::OriginFailovers => put(&mut map, name, line.origin_failovers.as_ref()),
                Field::FunctionCalls => put(&mut map, name, line.function_calls.as_ref()),
                Field::FunctionSeconds => put(&mut map, name, line.function_seconds.as_ref()),
            }?;
        }
        map.end()
    }
}

fn put<M: SerializeMap, T: Serialize + ?Sized>(map: &mut M, name: &str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

/// A cheap handle to the log. Dropping the last one waits until the lines are written.
#[derive(Clone)]
pub struct AccessLog {
    shared: Arc<LogQueue>,
}

enum WriterMessage {
    Line(Vec<u8>),
    /// Answered when all earlier lines have been written.
    Flush(SyncSender<()>),
}

struct LogQueue {
    lines: Option<SyncSender<WriterMessage>>,
    dropped: IntCounter,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// Starts the writer thread. `dropped` counts lines that did not fit into the queue.
    pub(super) fn to(sink: impl Write + Send + 'static, dropped: IntCounter) -> std::io::Result<AccessLog> {
        let (lines, waiting) = sync_channel(ACCESS_LINES);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write_lines(&waiting, sink))?;
        Ok(AccessLog { shared: Arc::new(LogQueue { lines: Some(lines), dropped, writer: Mutex::new(Some(writer)) }) })
    }

    /// Queues a line with these fields, in this order.
    pub fn write(&self, line: &Line<'_>, fields: &[Field]) {
        let mut text = Vec::with_capacity(1_024);
        let written = serde_json::to_writer(&mut text, &SelectedFields(line, fields));
        let mut text = one_line_json(text);
        text.push(b'\n');
        let sent = self.shared.lines.as_ref().is_some_and(|lines| lines.try_send(WriterMessage::Line(text)).is_ok());
        if written.is_err() || !sent {
            self.shared.dropped.inc();
        }
    }

    /// Waits for a bounded time until the queued lines have been written. For the end of the process, when other threads
    /// still hold handles, so that the last one is never dropped.
    pub fn flush(&self) {
        let Some(lines) = &self.shared.lines else { return };
        let until = Instant::now() + FLUSH_PATIENCE;
        let (written, answer) = sync_channel(1);
        while lines.try_send(WriterMessage::Flush(written.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(FLUSH_EVERY);
        }
        // Continue in either case.
        let _ = answer.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Drop for LogQueue {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.lock().ok().and_then(|mut writer| writer.take()) {
            let _ = writer.join();
        }
    }
}

/// The writer sleeps instead of blocking on the queue, so that a sender never has to wake it.
fn write_lines(lines: &Receiver<WriterMessage>, mut sink: impl Write) {
    use std::sync::mpsc::TryRecvError;
    let mut gathered = Vec::new();
    loop {
        let mut flushed = None;
        let ended = loop {
            match lines.try_recv() {
                Ok(WriterMessage::Flush(answer)) => {
                    flushed = Some(answer);
                    break false;
                }
                Ok(WriterMessage::Line(line)) => gathered.extend_from_slice(&line),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break true,
            }
            if gathered.len() >= ACCESS_GATHERED_BYTES {
                break false;
            }
        };
        // An unwritable log (a closed pipe) must not stop the edge.
        let _ = sink.write_all(&gathered).and_then(|()| sink.flush());
        if let Some(answer) = flushed {
            // The receiver may be gone.
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
        let lines = 2 * ACCESS_LINES;
        for _ in 0..lines {
            log.write(&Line { path: "/a", ..Line::default() }, &[Field::Path]);
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
            log.write(&Line { path: "/a", ..Line::default() }, &[Field::Path]);
            log.flush();
            assert_eq!(sink.0.lock().unwrap().iter().filter(|&&byte| byte == b'\n').count(), n);
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let log = AccessLog::to(Stuck(stuck, sink), dropped()).unwrap();
        log.write(&Line::default(), Field::ALL);
        log.flush();
        drop(release);
    }

    #[test]
    fn the_last_handle_waits_for_every_line() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), dropped()).unwrap();
        for status in [200, 404] {
            let user_agent = Some("two\u{2028}lines\u{85}");
            log.write(&Line { status, method: "GET", path: "/a\"b", user_agent, ..Line::default() }, &Field::defaults());
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

    #[test]
    fn a_line_has_the_chosen_fields_in_their_order_and_nothing_that_is_absent() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), dropped()).unwrap();
        let line = Line { status: 200, site: "www", cookie: Some("a=1"), origin_tries: Some(2), ..Line::default() };
        log.write(&line, &[Field::Site, Field::Referer, Field::OriginTries, Field::Status, Field::Timestamp]);
        log.write(&line, &[Field::Cookie]);
        drop(log);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let first = r#"{"site":"www","origin-tries":2,"sc-status":200,"timestamp":"1970-01-01T00:00:00.000Z"}"#;
        assert_eq!(text, format!("{first}\n{{\"cs(Cookie)\":\"a=1\"}}\n"));
    }
}
