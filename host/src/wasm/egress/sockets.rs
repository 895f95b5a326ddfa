//! The raw sockets of one instance: the names that it has resolved, and where it may connect to.
//!
//! A name resolves if it is granted with any port. The guest may connect to its addresses at the ports with which the name
//! is granted, if the address is public or granted itself: the same rule as for HTTP. In a VPC every name resolves, and the
//! address alone counts. If a name is refused or not found,
//! the guest gets the error for a name that cannot be resolved, and the log the reason.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::egress::RESOLVED_NAMES;
use crate::network::{HostPort, NetworkHost};
use crate::wasm::egress::connections::Permit;
use crate::wasm::egress::policy::{Egress, EgressDenial};
use crate::wasm::worker::output::FunctionLog;

/// See the module. Shared by what resolves and what connects.
pub struct RawSockets {
    egress: Arc<Egress>,
    log: FunctionLog,
    /// Resolved names with their addresses, the oldest first.
    resolved: Mutex<Vec<(String, Vec<IpAddr>)>>,
}

/// The name cannot be resolved; the guest gets no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unresolvable;

impl RawSockets {
    pub fn new(egress: Arc<Egress>, log: FunctionLog) -> RawSockets {
        RawSockets { egress, log, resolved: Mutex::default() }
    }

    /// Resolves a host. An address resolves to itself, without a grant.
    pub async fn resolve(&self, text: &str) -> Result<Vec<IpAddr>, Unresolvable> {
        // Unlike in URLs, IPv6 addresses come without brackets.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(vec![address.to_canonical()]);
        }
        let name = match NetworkHost::parse(text) {
            Ok(NetworkHost::Address(address)) => return Ok(vec![address]),
            Ok(NetworkHost::Name(name)) => name,
            Err(why) => return Err(self.refuse(EgressDenial::Authority { authority: text.to_owned(), why })),
        };
        self.egress.check_name(&name).map_err(|refusal| self.refuse(refusal))?;
        let found = match self.egress.lookup(&name, 0).await {
            Ok(found) => found.iter().map(|address| address.ip().to_canonical()).collect::<Vec<_>>(),
            Err(error) => {
                self.egress.metrics.egress("failed");
                self.log.line(&format!("network: {name}: {error}"));
                return Err(Unresolvable);
            }
        };
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.retain(|(before, _)| *before != name);
        if resolved.len() >= RESOLVED_NAMES {
            resolved.remove(0);
        }
        resolved.push((name, found.clone()));
        Ok(found)
    }

    /// Whether a socket may connect there.
    pub fn connect(&self, address: SocketAddr) -> bool {
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        match self.egress.check_address(canonical) {
            Ok(()) => {}
            Err(_) if self.was_resolved(canonical) => {}
            Err(refusal) => {
                self.refuse(refusal);
                return false;
            }
        }
        self.egress.metrics.egress("ok");
        true
    }

    /// A permit for one more socket. `None` if none is free.
    pub fn permit(&self) -> Option<Permit> {
        let permit = self.egress.connections.try_permit();
        if permit.is_none() {
            self.egress.exhausted(&self.log);
        }
        permit
    }

    fn was_resolved(&self, address: SocketAddr) -> bool {
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.iter().any(|(name, addresses)| {
            let target = HostPort { host: NetworkHost::Name(name.clone()), port: address.port() };
            addresses.contains(&address.ip())
                && self.egress.grants.grant(&target)
                && self.egress.check_resolved(name, address).is_ok()
        })
    }

    fn refuse(&self, refusal: EgressDenial) -> Unresolvable {
        self.egress.refuse(&refusal, &self.log);
        Unresolvable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limits, Profile};
    use crate::network::Grants;
    use crate::telemetry::Telemetry;

    fn sockets(patterns: &[&str]) -> (RawSockets, FunctionLog, Telemetry) {
        let telemetry = Telemetry::new();
        let grants = Grants::parse(patterns.iter().copied()).unwrap();
        let log = FunctionLog::new(&Limits::defaults(Profile::Worker));
        let egress = Arc::new(Egress::new(grants, 1, Arc::new(telemetry.function("f"))));
        (RawSockets::new(egress, log.clone()), log, telemetry)
    }

    fn connects(sockets: &RawSockets, address: &str) -> bool {
        sockets.connect(address.parse().unwrap())
    }

    #[tokio::test]
    async fn only_granted_addresses_are_connected_to() {
        let (sockets, log, telemetry) = sockets(&["127.0.0.1:6379", "db.example.com:5432"]);
        assert!(connects(&sockets, "127.0.0.1:6379") && connects(&sockets, "[::ffff:127.0.0.1]:6379"));
        assert!(!connects(&sockets, "127.0.0.1:6380") && !connects(&sockets, "1.1.1.1:5432"));
        let metrics = telemetry.render();
        assert!(metrics.contains(r#"edgeward_function_egress_total{function="f",result="ok"} 2"#), "{metrics}");
        assert!(metrics.contains(r#"edgeward_function_egress_total{function="f",result="not-granted"} 2"#), "{metrics}");
        assert!(log.take().contains("network: 1.1.1.1:5432 is not granted; granted: 127.0.0.1:6379, db.example.com:5432"));
    }

    #[tokio::test]
    async fn a_granted_name_allows_its_addresses_at_the_granted_ports() {
        let (sockets, _, _) = sockets(&["localhost:7000"]);
        assert!(!connects(&sockets, "127.0.0.1:7000"), "not before it is resolved");
        let found = sockets.resolve("LOCALHOST.").await.unwrap();
        assert!(!found.is_empty());
        for address in found {
            assert!(sockets.connect(SocketAddr::new(address, 7000)), "{address}");
            assert!(!sockets.connect(SocketAddr::new(address, 7001)), "{address}");
        }
        assert!(!connects(&sockets, "127.0.0.77:7000"));
    }

    #[tokio::test]
    async fn a_socket_takes_a_permit_and_gives_it_back() {
        let (sockets, log, telemetry) = sockets(&[]);
        let only = sockets.permit().unwrap();
        assert!(sockets.permit().is_none());
        let metrics = telemetry.render();
        assert!(
            metrics.contains(r#"edgeward_function_egress_total{function="f",result="connections-exhausted"} 1"#),
            "{metrics}"
        );
        assert!(log.take().starts_with("network: too many connections are open"));
        drop(only);
        assert!(sockets.permit().is_some());
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_is_reported_and_logged() {
        let (sockets, log, _) = sockets(&["*.invalid:80"]);
        for (name, told) in [
            ("db.example.com", "network: db.example.com is granted at no port, and not resolved; granted: *.invalid:80"),
            ("a..b", "network: `a..b` is no host to connect to: "),
            ("127.0.0.256", "network: `127.0.0.256` is no host to connect to: "),
            ("user@x.invalid", "network: `user@x.invalid` is no host to connect to: "),
        ] {
            assert_eq!(sockets.resolve(name).await, Err(Unresolvable), "{name}");
            let log = log.take();
            assert!(log.starts_with(told), "{log}");
        }
    }

    #[tokio::test]
    async fn resolving_an_address_grants_no_connection() {
        let (sockets, _, _) = sockets(&["*:*", "*.*.*.*:*"]);
        for (text, address) in
            [("127.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("::ffff:8.8.8.8", "8.8.8.8"), ("8.8.8.8", "8.8.8.8")]
        {
            assert_eq!(sockets.resolve(text).await, Ok(vec![address.parse().unwrap()]), "{text}");
            assert!(!sockets.connect(SocketAddr::new(address.parse().unwrap(), 80)), "{text}");
        }
    }
}
