//! I build every part in order, bind sockets early or take them over, serve late, and drain in reverse.
//!
//!     bind ─► deploy ─► snapshot ─► workers (one thread, one runtime each) ─► ready
//!                          ▲             │
//!       files change ─► reload           └── drain: accept no more, finish what is open, end
//!
//! A request sees one snapshot (an `Edge`) from its beginning to its end; a reload swaps the pointer. I know
//! no details of requests.

mod api;
mod changes;
mod handover;
mod notify;
mod publish;
mod reload;
mod roles;
mod shared_functions;
mod snapshot;
mod sockets;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::{SetOnce, watch};

use crate::admin;
use crate::aws::Api;
use crate::cache::{self, Cache};
use crate::config::{self, Loaded};
use crate::edge::CacheInquiry;
use crate::function::build::{BuildFolders, Builder};
use crate::function::catalog::LIVE;
use crate::limits;
use crate::net::{ClientRules, Departure, DeparturePhase, Descriptors, TlsSlot};
use crate::runtime::RuntimeFolder;
use crate::telemetry::{HandoverResult, Telemetry};
use crate::wasm::compile::Compiler;

pub use notify::Notifier;
use publish::Publisher;
pub use publish::{code_of, spec_of};
pub use roles::{Role, wrong_roles};
use snapshot::{Revisions, Snapshot};
use sockets::Listening;
pub use sockets::Passed;

/// What has been asked of a host, even before it has started: signals are heard from the first moment on.
#[derive(Clone)]
pub struct Asked {
    reload: mpsc::Sender<reload::Cause>,
    /// What may have accepted a connection.
    started: Arc<OnceLock<Handle>>,
    ended: Arc<AtomicBool>,
}

/// Where a host hears what it is asked.
pub struct Ear(mpsc::Receiver<reload::Cause>);

/// What became of the wish to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Nothing is served yet: there is nothing to wait for.
    Nothing,
    /// Open requests are finished.
    Begun,
}

/// A running edge. Dropping it does not stop it; `Handle::drain` and then `wait` do.
pub struct Host {
    handle: Handle,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    workers: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// How a process comes to serve; by default, from nobody.
#[derive(Default)]
pub struct Launch {
    pub passed: Passed,
    pub notifier: Notifier,
    /// Take over from an edge that serves, not only from one that leaves.
    pub replace: bool,
    /// Where the Runtimes are, whatever the configuration says.
    pub runtimes: Option<PathBuf>,
}

/// What may be asked of a running host, from any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What all threads of a host see.
struct Shared {
    telemetry: Arc<Telemetry>,
    publisher: Publisher,
    /// Empty while there is none, or a predecessor still has its store.
    api: SetOnce<Arc<Api>>,
    /// Makes events at the ticks of schedules, if the APIs are open.
    ticking: Mutex<Option<JoinHandle<()>>>,
    /// Held by who tells one plane of the other's functions.
    sharing: Mutex<()>,
    cache: Arc<Cache>,
    snapshot: ArcSwap<Snapshot>,
    tls: Option<Arc<TlsSlot>>,
    serving: AtomicBool,
    rules: Arc<ClientRules>,
    descriptors: Descriptors,
    departure: Arc<Departure>,
    /// What a successor would get; empty once we close.
    listening: Mutex<Vec<TcpListener>>,
    /// True once a successor serves.
    handed_over: watch::Sender<bool>,
    notifier: Arc<Notifier>,
}

impl Host {
    /// Returns when connections are being accepted. `path` is what is read again when a file changes.
    pub fn start(
        path: PathBuf,
        loaded: Loaded,
        compiler: Compiler,
        asked: Asked,
        ear: Ear,
        launch: Launch,
    ) -> anyhow::Result<Host> {
        let Loaded { config, files, warnings } = loaded;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let modified = shared_functions::modified(&config, &files);
        let changes = reload::Changes::since(files);
        let server = config.server.clone();
        let descriptors = Descriptors::raise();
        let rules = Arc::new(ClientRules::default());
        rules.set(server.connections_per_client, server.upload_bytes_per_s);

        // A taken port is told before anything is compiled, and clients that come early wait in the backlog.
        let wish = if launch.replace { handover::Wish::Replace } else { handover::Wish::Take };
        let mut sockets = sockets::gather(&server, launch.passed, wish)?;
        let is_secure = !sockets.https.is_empty() || sockets.api_https.is_some();
        let tls = if is_secure { Some(Arc::new(TlsSlot::load(&server.certificates)?)) } else { None };

        let telemetry = Arc::new(Telemetry::new());
        telemetry.net().descriptors(descriptors.limit, descriptors.for_clients());
        if let Some(tls) = &tls {
            telemetry.certificates(&tls.expiries());
        }
        std::fs::create_dir_all(&server.data_dir)
            .with_context(|| format!("cannot make the data folder {}", server.data_dir.display()))?;
        let runtimes = RuntimeFolder::find(launch.runtimes.as_deref().or(server.runtimes.as_deref()));
        let folders = BuildFolders { compiled: &server.data_dir, packages: &server.data_dir };
        let builder = Arc::new(Builder::new(server.workers, folders, compiler, runtimes, telemetry.clone())?);
        let publisher = Publisher::new(builder.clone(), telemetry.clone());
        // What takes long, and may fail, while a predecessor still has everything; below it is there already.
        let mut built = Revisions::default();
        if let Some(predecessor) = &mut sockets.predecessor {
            built = publisher.revisions(&config, &built, server.compiling)?;
            predecessor.release();
        }
        let cache = Cache::open(&cache_options(&config.cache), telemetry.cache()).context("cache")?;
        let mut snapshot = publisher.snapshot(&config, &built, None, &cache)?;
        snapshot.modified = modified;
        publisher.publish(None, &snapshot);
        let shared = Arc::new(Shared {
            telemetry,
            publisher,
            api: SetOnce::new(),
            ticking: Mutex::default(),
            sharing: Mutex::default(),
            cache,
            snapshot: ArcSwap::from_pointee(snapshot),
            tls,
            serving: AtomicBool::new(false),
            rules,
            descriptors,
            departure: Departure::new(server.workers),
            listening: Mutex::default(),
            handed_over: watch::Sender::new(false),
            notifier: Arc::new(launch.notifier),
        });

        let waits = sockets.predecessor.is_some();
        let [api_address, api_https] =
            [&sockets.api, &sockets.api_https].map(|sockets| sockets.as_ref().map(|listening| listening.address));
        if let Some(address) = api_address {
            api::open(&shared, &server, address, builder, waits)?;
        }
        let handle = Handle { shared: shared.clone() };
        // Whoever asks for an end from here on gets a drain.
        asked.begin(handle.clone())?;
        let addresses = |listening: &[Listening]| listening.iter().map(|listening| listening.address).collect::<Vec<_>>();
        let (http, https) = (addresses(&sockets.http), addresses(&sockets.https));
        let workers = worker::start(&shared, &sockets)?;
        reload::start(path, changes, shared.clone(), asked.reload, ear.0)?;
        shared.serving.store(true, Relaxed);
        let admin = match &sockets.admin {
            Some(listening) => {
                let mut handed_over = shared.handed_over.subscribe();
                // The sender is in `shared`.
                let until = async move { drop(handed_over.wait_for(|over| *over).await) };
                let connections_max = limits::admin::connections(shared.descriptors.reserve);
                Some(admin::start(listening.one()?, handle.desk(), connections_max, until)?)
            }
            None => None,
        };
        let predecessor = sockets.predecessor.take();
        *shared.lock_listening() = sockets.into_all();
        if let Err(error) = handover::start(&shared, &server.data_dir) {
            tracing::warn!("a successor cannot take over: {error:#}");
        }
        if let Some(predecessor) = predecessor {
            predecessor.ready();
            shared.telemetry.handed_over(HandoverResult::Taken);
        }
        for address in &http {
            tracing::info!(%address, "serving http");
        }
        for address in &https {
            tracing::info!(%address, "serving https");
        }
        if let Some(address) = api_address {
            tracing::info!(%address, "serving the AWS APIs");
        }
        if let Some(address) = api_https {
            tracing::info!(%address, "serving the AWS APIs over TLS");
        }
        if let Some(address) = admin {
            tracing::info!(%address, "serving the admin port");
        }
        shared.notifier.ready();
        Ok(Host { handle, http, https, admin, workers })
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
        let ticking = self.handle.shared.ticking.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What a tick has noted is kept by then.
        if ticking.is_some_and(|ticking| ticking.join().is_err()) {
            tracing::error!("the thread that makes the ticks of schedules has panicked");
        }
        if let Some(api) = self.handle.shared.api.get() {
            api.flush();
        }
        // Other threads still hold the log, and end with the process.
        self.handle.shared.telemetry.flush();
        result
    }
}

impl Shared {
    /// Copies of what we listen on; none once we close.
    fn listening(&self) -> Vec<TcpListener> {
        self.lock_listening().iter().filter_map(|socket| socket.try_clone().ok()).collect()
    }

    fn stop_listening(&self) {
        self.lock_listening().clear();
    }

    fn lock_listening(&self) -> MutexGuard<'_, Vec<TcpListener>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    pub fn new() -> (Asked, Ear) {
        let (reload, causes) = mpsc::channel();
        (Asked { reload, started: Arc::default(), ended: Arc::default() }, Ear(causes))
    }

    /// A host is there.
    ///
    /// # Errors
    /// It was asked to end before.
    fn begin(&self, handle: Handle) -> anyhow::Result<()> {
        let _ = self.started.set(handle);
        // Either this sees the wish to end, or `drain` sees the host.
        anyhow::ensure!(!self.ended.load(SeqCst), "asked to end before anything was served");
        Ok(())
    }

    /// Accept no more; `Host::wait` returns when the open requests have ended or their time is up.
    pub fn drain(&self) -> Drain {
        self.ended.store(true, SeqCst);
        match self.started.get() {
            Some(handle) => {
                handle.drain();
                Drain::Begun
            }
            None => Drain::Nothing,
        }
    }

    /// Read the configuration again, even if no file seems to have changed. One that has not started does it then.
    pub fn reload(&self) {
        // Without a receiver the process is about to end.
        let _ = self.reload.send(reload::Cause::Asked);
    }
}

impl Handle {
    /// Accept no more; `Host::wait` returns when the open requests have ended or their time is up.
    pub fn drain(&self) {
        let least = self.shared.snapshot.load().server.drain_listen;
        if self.shared.departure.begin(least) {
            tracing::info!("draining");
            self.shared.notifier.stopping();
        }
    }

    /// True between the start and the beginning of a drain.
    pub fn is_ready(&self) -> bool {
        self.shared.serving.load(Relaxed) && self.shared.departure.phase() == DeparturePhase::Serving
    }

    /// What the admin port may ask.
    fn desk(&self) -> admin::Desk {
        let (ready, drain, metrics, revisions) = (self.clone(), self.clone(), self.clone(), self.clone());
        let (sites, hosts, cached) = (self.clone(), self.clone(), self.clone());
        let access = self.clone();
        admin::Desk {
            access: Box::new(move || access.shared.snapshot.load().server.admin_access.clone()),
            counters: self.shared.telemetry.admin(),
            is_ready: Box::new(move || ready.is_ready()),
            drain: Box::new(move || drain.drain()),
            metrics: Box::new(move || {
                if let Some(api) = metrics.shared.api.get() {
                    api.measure();
                }
                metrics.shared.telemetry.render()
            }),
            revisions: Box::new(move || revisions.shared.publisher.catalog.revisions(LIVE)),
            has_site: Box::new(move |name| sites.shared.snapshot.load().edge.has_site(name)),
            site_of_host: Box::new(move |host| hosts.shared.snapshot.load().edge.site_of_host(host).map(str::to_owned)),
            look_up: Box::new(move |sought| {
                let sought: CacheInquiry = serde_json::from_value(sought).map_err(|error| error.to_string())?;
                let found = cached.shared.snapshot.load().edge.look_up(&sought)?;
                serde_json::to_value(found).map_err(|error| error.to_string())
            }),
            cache: self.shared.cache.clone(),
        }
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
