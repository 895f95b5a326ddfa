//! The host's state of a worker instance.
//!
//! There are no files but those of a package, its layers and `/tmp`, and no arguments; the environment is the configuration's, the clocks and
//! randomness are real, output goes to the function's log, and `egress` provides the network.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::cli::{StdinStream, StdoutStream};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::limits::worker::{FIELD_CALLS_UNCOUNTED, FIELD_OVERHEAD_BYTES};
use crate::limits::{Limit, Limits, worker};
use crate::loops::LoopMarks;
use crate::wasm::egress::{Egress, OutgoingHooks, RawSockets};
use crate::wasm::sealed::HostServices;
use crate::wasm::state::{Growth, KeyValueStore, StdStream};
use crate::wasm::worker::handler_error::HandlerError;
use crate::wasm::worker::holdings::{self, Permits};
use crate::wasm::worker::meter::Meter;
use crate::wasm::worker::output::FunctionLog;
use crate::wasm::worker::reply_stream::WrittenReply;
use crate::wasm::worker::tmp::{FilesView, KeptStorage, LeftFiles, TmpFolder};

/// What the instances of a function share.
#[derive(Clone)]
pub struct Surroundings {
    /// Of the function, for its context.
    pub name: Arc<str>,
    pub environment: Arc<BTreeMap<String, String>>,
    pub key_values: Option<Arc<dyn KeyValueStore>>,
    pub egress: Arc<Egress>,
    /// What it can read.
    pub folders: Arc<[MountedFolder]>,
    /// What its instances find in `/tmp`.
    pub tmp: Option<Arc<KeptStorage>>,
    /// A folder of the host for what they write there and does not stay in memory.
    pub tmp_folder: Arc<Path>,
    /// Thousandths of a processor that it gets where others want one, too (`turn`).
    pub cpu_share: u32,
}

/// A folder of the host that a function can read, and not write.
pub struct MountedFolder {
    pub host: PathBuf,
    /// Where the function finds it.
    pub guest: &'static str,
    /// What must not be dropped before.
    pub kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// See the module.
pub struct WorkerState {
    pub(super) growth: Growth,
    pub(super) log: FunctionLog,
    pub(super) meter: Arc<Meter>,
    /// A limit that a call into the host has hit.
    pub(super) exceeded: Option<Limit>,
    /// The function's own error of its INIT, which is that of its first call.
    pub(super) failed_init: Option<HandlerError>,
    /// Of the running call.
    pub(super) reply: WrittenReply,
    pub(super) environment: Arc<BTreeMap<String, String>>,
    pub(super) sockets: Arc<RawSockets>,
    pub(super) permits: Permits,
    key_values: Option<Arc<dyn KeyValueStore>>,
    /// What wasi-http lets one `Fields` have, as it counts.
    field_size_max: usize,
    /// Calls of wasi:http since the memory of their handles was counted.
    uncounted: u32,
    pub(super) table: ResourceTable,
    pub(super) tmp: TmpFolder,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: OutgoingHooks,
}

impl WorkerState {
    /// # Errors
    /// A folder cannot be opened.
    pub(super) fn new(limits: &Limits, surroundings: &Surroundings, left: Option<LeftFiles>) -> Result<WorkerState> {
        let log = FunctionLog::new(limits);
        let sockets = Arc::new(RawSockets::new(surroundings.egress.clone(), log.clone()));
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize_value(limits, Limit::Handles));
        let mut http = WasiHttpCtx::new();
        let (bytes, count) = (usize_value(limits, Limit::HeaderBytes), usize_value(limits, Limit::HeaderCount));
        let field_size_max = bytes + FIELD_OVERHEAD_BYTES * count;
        http.set_field_size_limit(field_size_max);
        let mut wasi = wasi(&surroundings.environment, &log, sockets.clone());
        for MountedFolder { host, guest, .. } in &*surroundings.folders {
            wasi.preopened_dir(host, guest, FsPerms::ReadOnly)?;
        }
        Ok(WorkerState {
            growth: Growth::new(limits, 0),
            meter: Arc::new(Meter::new(limits, surroundings.cpu_share)),
            exceeded: None,
            failed_init: None,
            reply: WrittenReply::default(),
            key_values: surroundings.key_values.clone(),
            field_size_max,
            uncounted: 0,
            table,
            environment: surroundings.environment.clone(),
            tmp: TmpFolder::new(limits, surroundings.tmp_folder.clone(), surroundings.tmp.clone(), left),
            wasi: wasi.build(),
            sockets,
            permits: Permits::default(),
            http,
            outgoing: OutgoingHooks { egress: surroundings.egress.clone(), log: log.clone(), passed: LoopMarks::default() },
            log,
        })
    }

    /// Prepares the run of a program, which has an environment and streams of its own.
    pub(super) fn run_as_program(
        &mut self,
        environment: &BTreeMap<String, String>,
        stdin: impl StdinStream + 'static,
        stdout: impl StdoutStream + 'static,
    ) {
        let mut wasi = wasi(environment, &self.log, self.sockets.clone());
        // Programs in C read their name without checking that there is one.
        self.wasi = wasi.arg("program").stdin(stdin).stdout(stdout).build();
    }
}

impl WorkerState {
    /// Sets the loop marks for the requests that the next call sends.
    pub(super) fn set_loop_marks(&mut self, passed: LoopMarks) {
        self.outgoing.passed = passed;
    }

    /// The files, for a call into the host, which is counted.
    pub(super) fn files(&mut self) -> FilesView<'_> {
        self.meter.enter();
        let others = WasiFilesystemCtxView { ctx: self.wasi.filesystem(), table: &mut self.table };
        FilesView::new(others, &self.tmp)
    }

    /// Whether to drop its files takes long.
    pub(super) fn is_slow_to_drop(&self) -> bool {
        self.tmp.is_slow_to_drop()
    }

    pub(super) fn is_busy(&mut self) -> bool {
        self.permits.outlive_handles() || holdings::is_busy(&mut self.table)
    }

    pub(super) fn holds_more_than(&mut self, handles: usize) -> bool {
        holdings::are_more_than(&mut self.table, handles)
    }

    /// The limit that a call has exceeded by its work in the host.
    pub(super) fn overrun(&mut self) -> Option<Limit> {
        if self.meter.is_over_host_calls() {
            return Some(Limit::HostCalls);
        }
        if self.uncounted < FIELD_CALLS_UNCOUNTED {
            return None;
        }
        self.uncounted = 0;
        let held = holdings::held_bytes(&mut self.table, self.field_size_max);
        self.growth.has_no_room_for(held).then_some(Limit::MemoryBytes)
    }
}

fn wasi(environment: &BTreeMap<String, String>, log: &FunctionLog, sockets: Arc<RawSockets>) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    for (name, value) in environment {
        wasi.env(name, value);
    }
    wasi.stdout(log.stream(StdStream::Stdout))
        .stderr(log.stream(StdStream::Stderr))
        .max_random_size(worker::RANDOM_BYTES)
        .allow_tcp(true)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(move |address, purpose| {
            let allowed = match purpose {
                SocketAddrUse::TcpConnect => sockets.connect(address),
                // A connecting socket is bound to any free port; no other binding is useful.
                SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                _ => false,
            };
            Box::pin(std::future::ready(allowed))
        });
    wasi
}

/// Each function of WASI asks for its context, so its calls are counted here.
impl WasiView for WorkerState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.enter();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for WorkerState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.meter.enter();
        self.uncounted += 1;
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

impl HostServices for WorkerState {
    /// The cost is measured by time, as for all host code.
    fn charge(store: &mut StoreContextMut<'_, WorkerState>, _bytes: usize) -> Result<()> {
        store.data_mut().meter.enter();
        Ok(())
    }

    fn log_line(&mut self, line: &str) {
        self.log.line(line);
    }

    fn key_values(&self) -> Option<Arc<dyn KeyValueStore>> {
        self.key_values.clone()
    }
}

pub(super) fn usize_value(limits: &Limits, limit: Limit) -> usize {
    usize::try_from(limits.value(limit)).unwrap_or(usize::MAX)
}
