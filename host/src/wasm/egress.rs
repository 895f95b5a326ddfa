//! I decide where a function may connect to, and I carry its outgoing HTTP requests there.
//!
//! Nothing is reachable but what the configuration grants (`host:port` patterns). Everything else is
//! refused, with the reason in the function's log and a count in `edgeward_function_egress_total`.
//!
//!     wasi:http request ─► name granted? ─► resolve ─► address public, or granted too? ─► connect to it
//!     wasi:sockets TCP  ──────────────────────────────► address granted? ─► connect
//!
//! A granted name says nothing about where its owner lets it point: an address inside (loopback, private,
//! link-local, …) must be granted as well. What was checked is what is connected to; nothing is resolved
//! twice. Raw sockets may connect by TCP to granted addresses; they may not listen, resolve, or use UDP.

mod grants;
mod send;

use std::net::SocketAddr;
use std::sync::Arc;

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub use grants::{Grants, InvalidGrant};

use crate::telemetry::FunctionMetrics;
use crate::wasm::worker::output::FunctionLog;

/// The network as one function may use it. Shared by its instances.
pub struct Egress {
    grants: Grants,
    metrics: Arc<FunctionMetrics>,
}

/// Why an outgoing connection was refused before it was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{host}:{port} is not granted; granted: {granted}")]
    Name { host: String, port: u16, granted: String },
    #[error("{host} resolves to {address}, which is not a public address; grant {address}:{port} too if it is meant", address = .address.ip(), port = .address.port())]
    Address { host: String, address: SocketAddr },
}

impl Refusal {
    fn label(&self) -> &'static str {
        match self {
            Refusal::Name { .. } => "not-granted",
            Refusal::Address { .. } => "address-not-granted",
        }
    }
}

impl Egress {
    pub fn new(grants: Grants, metrics: Arc<FunctionMetrics>) -> Egress {
        Egress { grants, metrics }
    }

    /// Whether a request may go to a host of this name.
    fn check_name(&self, host: &str, port: u16) -> Result<(), Refusal> {
        if self.grants.grant_name(host, port) {
            return Ok(());
        }
        Err(Refusal::Name { host: host.to_owned(), port, granted: self.grants.to_string() })
    }

    /// Keeps the addresses that a granted name may lead to.
    fn check_addresses(&self, host: &str, resolved: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        let mut refused = None;
        let mut kept = Vec::new();
        for address in resolved.take(send::ADDRESSES) {
            if grants::is_public(address.ip()) || self.grants.grant_address(address) || grants::is_localhost(host, address.ip()) {
                kept.push(address);
            } else {
                refused = Some(Refusal::Address { host: host.to_owned(), address });
            }
        }
        match refused {
            Some(refusal) if kept.is_empty() => Err(refusal),
            _ => Ok(kept),
        }
    }

    /// Whether a raw socket may connect there.
    pub(super) fn socket(&self, address: SocketAddr, log: &FunctionLog) -> bool {
        let granted = self.grants.grant_address(address);
        if granted {
            self.metrics.egress("ok");
        } else {
            let refusal = Refusal::Name { host: address.ip().to_string(), port: address.port(), granted: self.grants.to_string() };
            self.refuse(&refusal, log);
        }
        granted
    }

    fn refuse(&self, refusal: &Refusal, log: &FunctionLog) {
        self.metrics.egress(refusal.label());
        log.line(&format!("network: {refusal}"));
    }
}

/// What wasi:http asks for an instance's outgoing requests.
pub(super) struct Outgoing {
    pub(super) egress: Arc<Egress>,
    pub(super) log: FunctionLog,
}

/// A guest may write a chunk of this size at once: it is held by the host until it is sent.
const BODY_CHUNK_BYTES: usize = 64 << 10;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        // How the response was received by the guest: nothing here waits for it.
        _received: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<send::Sent, Error>> + Send> {
        let (egress, log) = (self.egress.clone(), self.log.clone());
        Box::new(send::send(egress, log, request, options.unwrap_or_default()))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
