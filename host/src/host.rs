//! I build every part in order, bind sockets early, serve late, and drain in reverse.
//!
//!     bind ─► deploy ─► snapshot ─► workers (one thread, one runtime each) ─► ready
//!                          ▲             │
//!       files change ─► reload           └── drain: accept no more, finish what is open, end
//!
//! A request sees one snapshot (an `Edge`) from its beginning to its end; a reload swaps the pointer. I know
//! no details of requests.

mod reload;
mod roles;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::admin;
use crate::cache::{self, Cache};
use crate::config::{self, Config, Loaded, Server};
use crate::edge::Edge;
use crate::function::catalog::{Catalog, Revisions};
use crate::net::{self, TlsSlot};
use crate::telemetry::Telemetry;

pub use roles::{Role, wrong_roles};

/// A running edge. Dropping it does not stop it; `Handle::drain` and then `wait` do.
pub struct Host {
    handle: Handle,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    workers: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// What may be asked of a running host, from any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    reload: mpsc::Sender<reload::Cause>,
}

/// What all threads of a host see.
struct Shared {
    telemetry: Arc<Telemetry>,
    catalog: Catalog,
    cache: Arc<Cache>,
    snapshot: ArcSwap<Snapshot>,
    tls: Option<Arc<TlsSlot>>,
    serving: AtomicBool,
    drain: watch::Sender<bool>,
}

/// One configuration, deployed. Replaced whole.
struct Snapshot {
    server: Server,
    cache: config::Cache,
    tracing: Option<config::Tracing>,
    revisions: Arc<Revisions>,
    edge: Arc<Edge>,
}

impl Host {
    /// Returns when connections are being accepted. `path` is what is read again when a file changes.
    pub fn start(path: PathBuf, loaded: Loaded) -> anyhow::Result<Host> {
        let Loaded { config, files, warnings } = loaded;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let changes = reload::Changes::since_now(files);
        let server = config.server.clone();

        // A taken port is told before anything is compiled, and clients that come early wait in the backlog.
        let http = bind_all(&server.http, server.workers)?;
        let https = bind_all(&server.https, server.workers)?;
        let admin = server.admin.map(|address| net::bind(address, 1)).transpose()?;
        let tls = if https.is_empty() { None } else { Some(Arc::new(TlsSlot::load(&server.certificates)?)) };
        let addresses = |sockets: &[Vec<std::net::TcpListener>]| -> std::io::Result<Vec<_>> {
            sockets.iter().filter_map(|sockets| sockets.first()).map(std::net::TcpListener::local_addr).collect()
        };
        let (http_addresses, https_addresses) = (addresses(&http)?, addresses(&https)?);

        let telemetry = Arc::new(Telemetry::new());
        std::fs::create_dir_all(&server.data_dir)
            .with_context(|| format!("cannot make the data folder {}", server.data_dir.display()))?;
        let catalog = Catalog::new(server.workers, &server.data_dir, telemetry.clone())?;
        let cache = Cache::open(&cache_options(&config.cache), telemetry.cache()).context("cache")?;
        let snapshot = Snapshot::build(&config, &catalog, &cache, &telemetry)?;
        let shared = Arc::new(Shared {
            telemetry,
            catalog,
            cache,
            snapshot: ArcSwap::from_pointee(snapshot),
            tls,
            serving: AtomicBool::new(false),
            drain: watch::Sender::new(false),
        });

        let (reload, causes) = mpsc::channel();
        let handle = Handle { shared: shared.clone(), reload: reload.clone() };
        let admin_address = match admin.and_then(|mut sockets| sockets.pop()) {
            Some(socket) => Some(admin::start(socket, handle.desk())?),
            None => None,
        };
        let workers = worker::start(&shared, http, https)?;
        reload::start(path, changes, shared.clone(), reload, causes)?;
        shared.serving.store(true, Relaxed);
        for address in &http_addresses {
            tracing::info!(%address, "serving http");
        }
        for address in &https_addresses {
            tracing::info!(%address, "serving https");
        }
        if let Some(address) = admin_address {
            tracing::info!(%address, "serving the admin port");
        }
        Ok(Host { handle, http: http_addresses, https: https_addresses, admin: admin_address, workers })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What is listened on; a port 0 of the configuration has become a real one.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Blocks until a drain has ended, or a worker has failed.
    pub fn wait(self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for worker in self.workers {
            let ended = worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")));
            result = result.and(ended);
        }
        // Other threads still hold the log, and end with the process.
        self.handle.shared.telemetry.flush();
        result
    }
}

impl Handle {
    /// Accept no more; `Host::wait` returns when the open requests have ended or their time is up.
    pub fn drain(&self) {
        if !self.shared.drain.send_replace(true) {
            tracing::info!("draining");
        }
    }

    /// Read the configuration again, even if no file seems to have changed.
    pub fn reload(&self) {
        // Without a receiver the process is about to end.
        let _ = self.reload.send(reload::Cause::Asked);
    }

    /// True between the start and the beginning of a drain.
    pub fn is_ready(&self) -> bool {
        self.shared.serving.load(Relaxed) && !*self.shared.drain.borrow()
    }

    /// What the admin port may ask.
    fn desk(&self) -> admin::Desk {
        let (ready, drain, metrics, revisions) = (self.clone(), self.clone(), self.clone(), self.clone());
        let (sites, cached) = (self.clone(), self.clone());
        admin::Desk {
            is_ready: Box::new(move || ready.is_ready()),
            drain: Box::new(move || drain.drain()),
            metrics: Box::new(move || metrics.shared.telemetry.render()),
            revisions: Box::new(move || revisions.shared.snapshot.load().revisions.clone()),
            has_site: Box::new(move |name| sites.shared.snapshot.load().edge.has_site(name)),
            look_up: Box::new(move |host, path, headers| {
                let found = cached.shared.snapshot.load().edge.look_up(host, path, headers)?;
                serde_json::to_value(found).map_err(|error| error.to_string())
            }),
            cache: self.shared.cache.clone(),
        }
    }
}

impl Snapshot {
    /// Slow: compiles what is new. Every error at once.
    fn build(config: &Config, catalog: &Catalog, cache: &Arc<Cache>, telemetry: &Telemetry) -> anyhow::Result<Snapshot> {
        let revisions = catalog.deploy(config).map_err(|errors| joined(&errors))?;
        let exports = |name: &str| revisions.get(name).map(|revision| (revision.moments().to_vec(), revision.is_http()));
        let wrong = wrong_roles(config, exports);
        if !wrong.is_empty() {
            return Err(joined(&wrong));
        }
        let edge = Arc::new(Edge::new(config, &revisions, cache, telemetry)?);
        Ok(Snapshot {
            server: config.server.clone(),
            cache: config.cache.clone(),
            tracing: config.tracing.clone(),
            revisions,
            edge,
        })
    }
}

fn cache_options(cache: &config::Cache) -> cache::Options {
    cache::Options {
        memory_bytes: cache.memory_bytes,
        memory_object_bytes: cache.memory_object_bytes,
        disk: cache.disk.as_ref().map(|disk| cache::DiskOptions {
            folder: disk.folder.clone(),
            bytes: disk.bytes,
            object_bytes: disk.object_bytes,
        }),
    }
}

fn joined(errors: &[impl std::fmt::Display]) -> anyhow::Error {
    anyhow::anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn bind_all(addresses: &[SocketAddr], workers: usize) -> Result<Vec<Vec<std::net::TcpListener>>, net::BindError> {
    addresses.iter().map(|address| net::bind(*address, workers)).collect()
}
        let access = self.clone();
            access: Box::new(move || access.shared.snapshot.load().server.admin_access.clone()),
            counters: self.shared.telemetry.admin(),
