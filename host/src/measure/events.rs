//! I measure how many events a folder's disk keeps: accepted by many at the same time, claimed and ended by as many, and found again
//! after an end of the process.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use crate::events::clock::EventClock;
use crate::events::event::{Head, QueuedEvent};
use crate::events::queue::EventQueue;
use crate::store::Backlog;

const LINE: &str = "function:measured";
const FSYNCS: u32 = 200;
const FSYNC_BYTES: usize = 4_096;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct EventLoad {
    pub events: usize,
    /// Of each event's payload.
    pub bytes: usize,
    /// Who accepts, and who claims, at the same time.
    pub clients: usize,
}

/// What came of it. Rates are events a second.
#[derive(Debug, Clone, Serialize)]
pub struct EventRates {
    /// What the disk does by itself: 4 KB written and brought to disk, one after another, a second.
    pub disk_fsyncs: f64,
    pub accepted: f64,
    pub accept_us_p50: u64,
    pub accept_us_p99: u64,
    /// Of a copy of the file as a process leaves it that is killed, with all events waiting.
    pub reopened_ms: u64,
    pub ended: f64,
}

/// Measures in a folder, which is empty. What is made there stays.
pub fn event_rates(folder: &Path, load: EventLoad) -> anyhow::Result<EventRates> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let disk_fsyncs = fsyncs(folder)?;
    let queue = EventQueue::new(Backlog::open(folder)?, EventClock::default())?;
    let (accepting, mut latencies) = runtime.block_on(accept(&queue, load))?;
    latencies.sort_unstable();
    let percentile = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    let copy = folder.join("killed");
    std::fs::create_dir_all(&copy)?;
    std::fs::copy(folder.join("events.redb"), copy.join("events.redb"))?;
    let reopening = Instant::now();
    let reopened = EventQueue::new(Backlog::open(&copy)?, EventClock::default())?;
    let found = reopened.totals()?.get(LINE).map_or(0, |total| total.entries);
    let reopening = reopening.elapsed();
    anyhow::ensure!(usize::try_from(found) == Ok(load.events), "{found} of {} events are there again", load.events);
    let ending = runtime.block_on(end(&queue, load))?;
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Ok(EventRates {
        disk_fsyncs,
        accepted: rate(load.events, accepting),
        accept_us_p50: microseconds(percentile(50)),
        accept_us_p99: microseconds(percentile(99)),
        reopened_ms: u64::try_from(reopening.as_millis()).unwrap_or(u64::MAX),
        ended: rate(load.events, ending),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs few digits")]
fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

fn fsyncs(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("fsync");
    let mut file = File::create_new(&path)?;
    let began = Instant::now();
    for _ in 0..FSYNCS {
        file.write_all(&[0; FSYNC_BYTES])?;
        file.sync_data()?;
    }
    let took = began.elapsed();
    std::fs::remove_file(&path)?;
    Ok(f64::from(FSYNCS) / took.as_secs_f64())
}

/// Accepts all events; how long that took, and how long each.
async fn accept(queue: &Arc<EventQueue>, load: EventLoad) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let payload = Bytes::from(vec![b'x'; load.bytes]);
    let began = Instant::now();
    let clients: Vec<_> = (0..load.clients)
        .map(|client| {
            let (queue, payload) = (queue.clone(), payload.clone());
            let events = load.events / load.clients + usize::from(client < load.events % load.clients);
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(events);
                for _ in 0..events {
                    let accepted_ms = queue.clock.now_ms();
                    let head = Head { id: uuid::Uuid::new_v4().to_string(), accepted_ms, attempts: 0, put_off: 0, receiver: () };
                    let accepting = Instant::now();
                    queue.accept(LINE, &QueuedEvent { head, payload: payload.clone() }).await?;
                    latencies.push(accepting.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(load.events);
    for client in clients {
        latencies.extend(client.await??);
    }
    Ok((began.elapsed(), latencies))
}

/// Claims all events, and ends each.
async fn end(queue: &Arc<EventQueue>, load: EventLoad) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let clients: Vec<_> = (0..load.clients)
        .map(|_| {
            let (queue, line) = (queue.clone(), queue.line(LINE));
            tokio::spawn(async move {
                while let Some(claim) = queue.claim::<()>(&line).await? {
                    claim.done(Vec::new()).await;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(began.elapsed())
}
