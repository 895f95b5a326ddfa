//! The limits of one client, by the operator's settings. A reload changes them.
//!
//! Connections are counted by address over all workers; IPv6 addresses by the 64 bits that a subscriber gets.
//! Unless a number is set, addresses of the operator's own network are not counted: many connections from there come from
//! a proxy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::request::{BODY_RATE_BYTES_S, CONNECTIONS_PER_CLIENT};

/// Shared by all workers.
pub struct ClientRules {
    /// 0 means the default, for clients outside the operator's network only.
    connections_per_client: AtomicUsize,
    upload_bytes_per_s: AtomicUsize,
    open: Mutex<HashMap<ClientNetwork, usize>>,
}

/// What is counted as one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ClientNetwork {
    V4(u32),
    V6(u64),
}

impl Default for ClientRules {
    fn default() -> ClientRules {
        ClientRules {
            connections_per_client: AtomicUsize::new(0),
            upload_bytes_per_s: AtomicUsize::new(BODY_RATE_BYTES_S),
            open: Mutex::default(),
        }
    }
}

impl ClientRules {
    pub fn set(&self, connections_per_client: Option<usize>, upload_bytes_per_s: usize) {
        self.connections_per_client.store(connections_per_client.unwrap_or(0), Relaxed);
        self.upload_bytes_per_s.store(upload_bytes_per_s, Relaxed);
    }

    /// The average rate that a request's body must have while it is waited for. 0 disables the check.
    pub(super) fn upload_bytes_per_s(&self) -> usize {
        self.upload_bytes_per_s.load(Relaxed)
    }

    /// Admits a connection of this client. `None` if the client has as many as it may have.
    pub(super) fn admit(self: &Arc<ClientRules>, client: IpAddr) -> Option<ConnectionPermit> {
        let most = match self.connections_per_client.load(Relaxed) {
            0 if is_near(client.to_canonical()) => return Some(ConnectionPermit { counted: None }),
            0 => CONNECTIONS_PER_CLIENT,
            most => most,
        };
        let network = network(client);
        let mut open = self.lock();
        let count = open.entry(network).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(ConnectionPermit { counted: Some((self.clone(), network)) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientNetwork, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of a client, counted until this is dropped.
pub(super) struct ConnectionPermit {
    counted: Option<(Arc<ClientRules>, ClientNetwork)>,
}

#[cfg(test)]
impl ConnectionPermit {
    pub(super) fn uncounted() -> ConnectionPermit {
        ConnectionPermit { counted: None }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some((rules, network)) = self.counted.take() else { return };
        let mut open = rules.lock();
        if let Some(count) = open.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&network);
                if open.capacity() > 4 * open.len() + 64 {
                    open.shrink_to_fit();
                }
            }
        }
    }
}

fn network(client: IpAddr) -> ClientNetwork {
    match client.to_canonical() {
        IpAddr::V4(address) => ClientNetwork::V4(address.to_bits()),
        IpAddr::V6(address) => ClientNetwork::V6((address.to_bits() >> 64) as u64),
    }
}

/// Whether this can be the address of a proxy of the operator's.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_loopback() || address.is_private() || address.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rules: &Arc<ClientRules>, client: &str, tries: usize) -> Vec<ConnectionPermit> {
        (0..tries).filter_map(|_| rules.admit(client.parse().unwrap())).collect()
    }

    #[test]
    fn a_client_address_has_a_maximum_number_of_connections() {
        let rules = Arc::new(ClientRules::default());
        rules.set(Some(3), 0);
        let mut places = admitted(&rules, "127.0.0.1", 5);
        assert_eq!(places.len(), 3);
        assert_eq!(admitted(&rules, "127.0.0.2", 5).len(), 3, "another address");
        assert_eq!(admitted(&rules, "::ffff:127.0.0.1", 1).len(), 0, "the same address");
        places.pop();
        assert_eq!(admitted(&rules, "127.0.0.1", 5).len(), 1);
        drop(places);
        assert!(rules.lock().is_empty());
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let rules = Arc::new(ClientRules::default());
        rules.set(Some(2), 0);
        let places = [admitted(&rules, "2001:db8:0:1::1", 1), admitted(&rules, "2001:db8:0:1:ffff::2", 1)];
        assert_eq!(admitted(&rules, "2001:db8:0:1::3", 1).len(), 0);
        assert_eq!(admitted(&rules, "2001:db8:0:2::1", 1).len(), 1);
        drop(places);
    }

    #[test]
    fn without_a_number_only_strangers_are_counted() {
        let rules = Arc::new(ClientRules::default());
        for near in
            ["127.0.0.1", "10.0.0.1", "192.168.0.1", "172.31.0.1", "169.254.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert_eq!(admitted(&rules, near, CONNECTIONS_PER_CLIENT + 1).len(), CONNECTIONS_PER_CLIENT + 1, "{near}");
        }
        for far in ["9.9.9.9", "100.128.0.1", "2620:fe::fe", "::ffff:9.9.9.9"] {
            assert_eq!(admitted(&rules, far, CONNECTIONS_PER_CLIENT + 1).len(), CONNECTIONS_PER_CLIENT, "{far}");
        }
    }
}
