//! The URIs whose stored responses unsafe requests have invalidated (RFC 9111 section 4.4), and since when.
//!
//! An entry is a digest of a site, a host, and a path and query (normalised by `path`). It strikes that very URI and nothing
//! else, whatever wildcards a client writes. A lookup computes a digest, and only if there are entries.
//!
//! Clients cause entries, so the number of entries that are not swept is bounded for each client (an address, or an IPv6
//! /64) and for all together. Above that no entry is made, and the caller is told. Operators' purges are kept elsewhere
//! and lose no room to these. Half of either bound calls for a sweep.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::cache::{INVALIDATIONS, INVALIDATIONS_PER_CLIENT};
use crate::path::pattern::target_text;

#[derive(Default)]
pub(crate) struct Invalidated {
    table: RwLock<InvalidatedTable>,
    /// The size of the table, to skip the lock: most caches have no entries.
    count: AtomicUsize,
}

#[derive(Default)]
struct InvalidatedTable {
    uris: HashMap<Uri, InvalidatedUri>,
    clients: HashMap<IpAddr, usize>,
}

/// A digest of a site's name and a URI's text. The host is empty where all hosts of the site have what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Uri([u8; 16]);

impl Uri {
    pub(crate) fn of(site: &str, host: &str, path_and_query: &str) -> Uri {
        let mut digest = Sha256::new();
        // No name of a site or host has a NUL.
        for part in [site, "\0", host, "\0", &target_text(path_and_query)] {
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut uri = [0; 16];
        uri.copy_from_slice(&digest[..16]);
        Uri(uri)
    }
}

#[derive(Debug, Clone, Copy)]
struct InvalidatedUri {
    epoch: u64,
    /// `None` for an entry from before a restart.
    client: Option<IpAddr>,
}

impl Invalidated {
    pub(crate) fn new(known: &[(Uri, u64)]) -> Invalidated {
        let uris = known.iter().map(|&(uri, epoch)| (uri, InvalidatedUri { epoch, client: None })).collect();
        Invalidated {
            table: RwLock::new(InvalidatedTable { uris, clients: HashMap::new() }),
            count: AtomicUsize::new(known.len()),
        }
    }

    /// Adds an entry. Returns whether there was room for it.
    pub(crate) fn add(&self, uri: Uri, client: IpAddr, epoch: u64) -> bool {
        let client = network(client);
        let mut table = self.write();
        if let Some(entry) = table.uris.get_mut(&uri) {
            // An existing entry takes no more room, whoever asks for it.
            entry.epoch = epoch;
            return true;
        }
        let of_client = table.clients.get(&client).copied().unwrap_or_default();
        if table.uris.len() >= INVALIDATIONS || of_client >= INVALIDATIONS_PER_CLIENT {
            return false;
        }
        table.uris.insert(uri, InvalidatedUri { epoch, client: Some(client) });
        *table.clients.entry(client).or_default() += 1;
        self.count.store(table.uris.len(), Ordering::Release);
        true
    }

    /// Whether an object whose fill began at this epoch has been invalidated since.
    pub(crate) fn strikes(&self, uri: impl FnOnce() -> Uri, fill_epoch: u64) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.read().uris.get(&uri()).is_some_and(|entry| entry.epoch > fill_epoch)
    }

    /// Whether it is time to sweep, so that there is room again.
    pub(crate) fn is_crowded(&self) -> bool {
        let table = self.read();
        table.uris.len() >= INVALIDATIONS / 2 || table.clients.values().any(|&count| count >= INVALIDATIONS_PER_CLIENT / 2)
    }

    /// Forgets the entries up to this epoch: the older objects have been swept.
    pub(crate) fn retire(&self, epoch: u64) {
        let mut table = self.write();
        let InvalidatedTable { uris, clients } = &mut *table;
        uris.retain(|_, entry| {
            let stays = entry.epoch > epoch;
            if let (false, Some(client)) = (stays, entry.client)
                && let Some(count) = clients.get_mut(&client)
            {
                *count -= 1;
            }
            stays
        });
        clients.retain(|_, count| *count > 0);
        self.count.store(uris.len(), Ordering::Release);
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn known(&self) -> Vec<(Uri, u64)> {
        self.read().uris.iter().map(|(&uri, entry)| (uri, entry.epoch)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, InvalidatedTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, InvalidatedTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one client, which may choose among all addresses of an IPv6 /64.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(client) => client.into(),
        IpAddr::V6(client) => Ipv6Addr::from_bits(client.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn uri(n: usize) -> Uri {
        Uri::of("www", "a.test", &format!("/{n}"))
    }

    #[test]
    fn a_uri_is_one_however_it_is_written_and_no_pattern() {
        let invalidated = Invalidated::default();
        assert!(!invalidated.strikes(|| panic!("nobody asks for a digest in vain"), 0));
        assert!(invalidated.add(Uri::of("www", "a.test", "/a/*?*"), client(1), 5));
        for (site, host, target, fill_epoch, struck) in [
            ("www", "a.test", "/a/*?*", 4, true),
            ("www", "a.test", "/a/*?*", 5, false),
            ("www", "a.test", "//x/../%61/%2a?*", 4, true),
            ("www", "a.test", "/a/*?%2a", 4, false),
            ("www", "a.test", "/a/*", 4, false),
            ("www", "a.test", "/a/b?c", 4, false),
            ("other", "a.test", "/a/*?*", 4, false),
            ("www", "b.test", "/a/*?*", 4, false),
            ("www", "", "/a/*?*", 4, false),
        ] {
            assert_eq!(
                invalidated.strikes(|| Uri::of(site, host, target), fill_epoch),
                struck,
                "{site} {host} {target} {fill_epoch}"
            );
        }
    }

    #[test]
    fn invalidations_are_bounded_for_each_client_and_in_total() {
        let invalidated = Invalidated::default();
        for n in 0..INVALIDATIONS_PER_CLIENT {
            assert!(invalidated.add(uri(n), client(1), 1));
            assert_eq!(invalidated.is_crowded(), n + 1 >= INVALIDATIONS_PER_CLIENT / 2);
        }
        assert!(!invalidated.add(uri(INVALIDATIONS_PER_CLIENT), client(1), 2));
        assert!(invalidated.add(uri(0), client(1), 2), "what is there takes no more room");
        let mut next = INVALIDATIONS_PER_CLIENT;
        while invalidated.len() < INVALIDATIONS {
            let who = u8::try_from(2 + next / INVALIDATIONS_PER_CLIENT).unwrap();
            assert!(invalidated.add(uri(next), client(who), 2));
            next += 1;
        }
        assert!(!invalidated.add(uri(next), client(250), 2));
        invalidated.retire(1);
        assert!(invalidated.len() < INVALIDATIONS && invalidated.add(uri(next), client(1), 3));
        assert!(!invalidated.strikes(|| uri(1), 0) && invalidated.strikes(|| uri(0), 0));
        invalidated.retire(3);
        assert_eq!((invalidated.len(), invalidated.is_crowded()), (0, false));
    }

    #[test]
    fn a_client_is_an_address_or_what_its_owner_may_choose_from() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1:1:1") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
    }
}
