//! Where a function may connect to: what its grants say of a host and of the addresses that a name leads to; where it is
//! attached to a VPC, what that says of the address.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::connections::Connections;
use crate::limits::egress as limits;
use crate::network::{
    Attachment, Grants, HostPort, InvalidHostPort, NetworkHost, RuleProtocol, VpcDenial, is_metadata, is_public,
};
use crate::telemetry::FunctionMetrics;
use crate::wasm::worker::output::FunctionLog;

/// The network access of one function, shared by its instances.
pub struct Egress {
    pub(super) grants: Grants,
    /// Where it may connect to besides its grants, which need no route.
    attachment: Option<Arc<Attachment>>,
    pub(super) metrics: Arc<FunctionMetrics>,
    lookups: Arc<Semaphore>,
    pub(super) connections: Connections,
}

/// Why an outgoing connection was refused before it was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenial {
    #[error("{target} is not granted; granted: {granted}")]
    Name { target: HostPort, granted: String },
    #[error("{host} resolves to {address}, which is not a public address; grant {address} too if it is meant")]
    Address { host: String, address: SocketAddr },
    #[error("{name} is granted at no port, and not resolved; granted: {granted}")]
    Resolution { name: String, granted: String },
    #[error("`{}` is no host to connect to: {why}", .authority.escape_debug())]
    Authority { authority: String, why: InvalidHostPort },
    #[error("{address} is a cloud's metadata address, which no function may connect to")]
    Metadata { address: SocketAddr },
    #[error("{address} is {why}")]
    Vpc { address: SocketAddr, denial: VpcDenial, why: String },
}

impl EgressDenial {
    pub(super) fn label(&self) -> &'static str {
        match self {
            EgressDenial::Name { .. } | EgressDenial::Resolution { .. } => "not-granted",
            EgressDenial::Address { .. } => "address-not-granted",
            EgressDenial::Authority { .. } => "invalid-authority",
            EgressDenial::Metadata { .. } => "metadata",
            EgressDenial::Vpc { denial: VpcDenial::NoRule, .. } => "security-group",
            EgressDenial::Vpc { denial: VpcDenial::NoRoute | VpcDenial::Ipv6, .. } => "no-route",
        }
    }
}

impl Egress {
    /// With at most so many connections open at once.
    pub fn new(grants: Grants, connections: u64, metrics: Arc<FunctionMetrics>) -> Egress {
        let lookups = Arc::new(Semaphore::new(limits::LOOKUPS));
        Egress { grants, attachment: None, metrics, lookups, connections: Connections::new(connections) }
    }

    /// The same, attached to a VPC, if to any.
    pub fn attached(self, attachment: Option<Arc<Attachment>>) -> Egress {
        Egress { attachment, ..self }
    }

    /// Reports that a function wanted more connections than it may have, or than are free.
    pub(super) fn exhausted(&self, log: &FunctionLog) {
        self.metrics.egress("connections-exhausted");
        log.line("network: too many connections are open (the function's limit `connections`, or what all functions may have)");
    }

    /// Parses the destination of a request, and checks that it is granted.
    pub(super) fn check(&self, authority: &str, default_port: u16) -> Result<HostPort, EgressDenial> {
        let invalid = |why| EgressDenial::Authority { authority: authority.to_owned(), why };
        let target = HostPort::parse(authority, default_port).map_err(invalid)?;
        match &target.host {
            NetworkHost::Address(ip) => self.check_address(SocketAddr::new(*ip, target.port))?,
            // What counts in a VPC is the address.
            NetworkHost::Name(_) if self.attachment.is_some() || self.grants.grant(&target) => {}
            NetworkHost::Name(_) => return Err(EgressDenial::Name { target, granted: self.grants.to_string() }),
        }
        Ok(target)
    }

    /// Checks an address, whatever its name is.
    pub(super) fn check_address(&self, address: SocketAddr) -> Result<(), EgressDenial> {
        if is_metadata(address.ip()) {
            return Err(EgressDenial::Metadata { address });
        }
        if self.grants.grant_address(address) {
            return Ok(());
        }
        let Some(attachment) = &self.attachment else {
            let target = HostPort { host: NetworkHost::Address(address.ip().to_canonical()), port: address.port() };
            return Err(EgressDenial::Name { target, granted: self.grants.to_string() });
        };
        attachment.check(RuleProtocol::Tcp, address).map_err(|denial| {
            let why = attachment.explain(denial);
            EgressDenial::Vpc { address, denial, why }
        })
    }

    /// Whether a name may be resolved, to be connected to by a socket.
    pub(super) fn check_name(&self, name: &str) -> Result<(), EgressDenial> {
        if self.attachment.is_some() || self.grants.grant_at_some_port(name) {
            return Ok(());
        }
        Err(EgressDenial::Resolution { name: name.to_owned(), granted: self.grants.to_string() })
    }

    /// Checks an address that a name has led to. `localhost`, where it is granted, is always this machine (RFC 6761),
    /// whatever the resolver says.
    pub(super) fn check_resolved(&self, name: &str, address: SocketAddr) -> Result<(), EgressDenial> {
        if self.attachment.is_some() || is_metadata(address.ip()) {
            return self.check_address(address);
        }
        let is_localhost = name == "localhost" && address.ip().is_loopback();
        if is_localhost || is_public(address.ip()) || self.grants.grant_address(address) {
            return Ok(());
        }
        Err(EgressDenial::Address { host: name.to_owned(), address })
    }

    /// Asks the system's resolver, which blocks a thread and cannot be cancelled: it keeps its permit even if its caller has
    /// left.
    pub(super) async fn lookup(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let turn = self.lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        let looked_up = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            (name.as_str(), port).to_socket_addrs().map(|found| found.take(limits::ADDRESSES).collect())
        });
        looked_up.await.map_err(io::Error::other)?
    }

    /// Keeps the addresses that a granted name may lead to.
    pub(super) fn check_addresses(
        &self,
        name: &str,
        resolved: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, EgressDenial> {
        let mut refused = None;
        let mut kept = Vec::new();
        for address in resolved {
            match self.check_resolved(name, address) {
                Ok(()) => kept.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if kept.is_empty() => Err(refusal),
            _ => Ok(kept),
        }
    }

    pub(super) fn refuse(&self, refusal: &EgressDenial, log: &FunctionLog) {
        self.metrics.egress(refusal.label());
        log.line(&format!("network: {refusal}"));
    }
}
