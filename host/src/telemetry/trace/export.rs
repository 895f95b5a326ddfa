//! The thread that sends spans to the collector, and its queue.
//!
//! Workers never block: a queue that is full, by traces or by bytes, drops. A batch that the collector does not accept
//! is sent once more, then dropped. Drops are counted.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::{Dropped, Finished, TraceSettings, otlp};
use crate::limits::tracing::{BATCH_MS, BATCH_SPANS, FLUSH_MS, FLUSH_RETRY_MS, SEND_MS, WAITING_BYTES, WAITING_TRACES};

pub(super) struct Exporter {
    waiting: SyncSender<ExporterMessage>,
    /// Bytes of the traces in the queue.
    bytes: Arc<AtomicUsize>,
    dropped: Dropped,
}

enum ExporterMessage {
    Trace(Finished),
    /// Answered when everything before it has been sent.
    Flush(SyncSender<()>),
}

impl Exporter {
    /// Dropping it ends the thread.
    pub(super) fn start(settings: TraceSettings, dropped: Dropped) -> io::Result<Exporter> {
        let (waiting, messages) = sync_channel(WAITING_TRACES);
        let bytes = Arc::new(AtomicUsize::new(0));
        let batches = Batches { settings, dropped: dropped.clone(), bytes: bytes.clone(), batch: Vec::new() };
        std::thread::Builder::new().name("edgeward-traces".to_owned()).spawn(move || batches.run(&messages))?;
        Ok(Exporter { waiting, bytes, dropped })
    }

    /// Queues a trace; `lost` of its spans were dropped before.
    pub(super) fn take(&self, finished: Finished, lost: usize) {
        if lost > 0 {
            self.dropped.count("trace-too-long", lost);
        }
        let (spans, bytes) = (finished.spans.len(), finished.bytes);
        // Added first, so that two threads cannot both use the same room.
        let fits = self.bytes.fetch_add(bytes, Relaxed) + bytes <= WAITING_BYTES;
        if !fits || self.waiting.try_send(ExporterMessage::Trace(finished)).is_err() {
            self.bytes.fetch_sub(bytes, Relaxed);
            self.dropped.count("queue", spans);
        }
    }

    pub(super) fn flush(&self) {
        let until = Instant::now() + Duration::from_millis(FLUSH_MS);
        let (sent, answer) = sync_channel(1);
        while self.waiting.try_send(ExporterMessage::Flush(sent.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(FLUSH_RETRY_MS));
        }
        // Continue in either case.
        let _ = answer.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// The state of the thread.
struct Batches {
    settings: TraceSettings,
    dropped: Dropped,
    bytes: Arc<AtomicUsize>,
    batch: Vec<Finished>,
}

impl Batches {
    fn run(mut self, messages: &Receiver<ExporterMessage>) {
        // When the batch began; without a batch there is no deadline.
        let mut began: Option<Instant> = None;
        loop {
            let patience = Duration::from_millis(BATCH_MS);
            let left = began.map_or(patience, |began| patience.saturating_sub(began.elapsed()));
            match messages.recv_timeout(left) {
                Ok(ExporterMessage::Trace(finished)) => {
                    self.bytes.fetch_sub(finished.bytes, Relaxed);
                    self.batch.push(finished);
                    began.get_or_insert_with(Instant::now);
                    if self.spans() < BATCH_SPANS {
                        continue;
                    }
                }
                Ok(ExporterMessage::Flush(answer)) => {
                    self.send();
                    // The receiver may be gone.
                    let _ = answer.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.send(),
            }
            began = None;
            self.send();
        }
    }

    fn spans(&self) -> usize {
        self.batch.iter().map(|finished| finished.spans.len()).sum()
    }

    fn send(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let body = otlp::encode(&self.settings.service_name, &self.batch);
        if let Err(error) = self.post(&body).or_else(|_| self.post(&body)) {
            self.dropped.count("collector", self.spans());
            tracing::debug!(target: "edgeward::trace", %error, "the collector does not take spans");
        }
        self.batch.clear();
    }

    /// Uses a new connection: one per second is cheap, and it cannot be stale.
    fn post(&self, body: &[u8]) -> io::Result<()> {
        let TraceSettings { host, port, path, headers, .. } = &self.settings;
        let timeout = Duration::from_millis(SEND_MS);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut stream = None;
        for address in (host.trim_matches(['[', ']']), *port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(connected) => {
                    stream = Some(connected);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let mut stream = stream.ok_or(last)?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_read_timeout(Some(timeout))?;
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n{more}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status)?;
        if status.starts_with(b"HTTP/1.") && status[9] == b'2' {
            return Ok(());
        }
        Err(io::Error::other(format!("it answers {}", String::from_utf8_lossy(&status))))
    }
}
