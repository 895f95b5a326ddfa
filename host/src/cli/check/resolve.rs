//! Whether the origins' names lead to addresses, asked of the machine that checks.
//!
//! A name that does not may do so where the edge runs: it is a warning. All names are asked for at once, and no longer than
//! a deadline; a resolver that hangs keeps a thread that ends with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::config::{Config, OriginKind};
use crate::limits::command::{NAMES, RESOLVE_MS};

pub(super) fn unresolved(config: &Config) -> Vec<String> {
    let mut origins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, origin) in &config.origins {
        if let OriginKind::Url(url) = &origin.kind
            && url.host.trim_matches(['[', ']']).parse::<IpAddr>().is_err()
        {
            origins.entry(&url.host).or_default().push(name);
        }
    }
    let (sender, answers) = mpsc::channel();
    let mut waiting = BTreeSet::new();
    for host in origins.keys().take(NAMES) {
        let (sender, asked) = (sender.clone(), (*host).to_owned());
        let resolver = std::thread::Builder::new().spawn(move || {
            let resolved = (asked.as_str(), 0).to_socket_addrs().map(|mut addresses| addresses.next().is_some());
            // Nobody may be waiting any more.
            let _ = sender.send((asked, resolved));
        });
        if resolver.is_ok() {
            waiting.insert((*host).to_owned());
        }
    }
    drop(sender);
    let deadline = Instant::now() + Duration::from_millis(RESOLVE_MS);
    let mut reasons = BTreeMap::new();
    while !waiting.is_empty()
        && let Ok((host, resolved)) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        waiting.remove(&host);
        match resolved {
            Ok(true) => {}
            Ok(false) => drop(reasons.insert(host, "it has no address".to_owned())),
            Err(error) => drop(reasons.insert(host, error.to_string())),
        }
    }
    reasons.extend(waiting.into_iter().map(|host| (host, format!("no answer within {RESOLVE_MS} ms"))));
    let told = reasons.iter().flat_map(|(host, reason)| {
        let names = origins.get(host.as_str()).into_iter().flatten();
        names.map(move |name| format!("origin `{name}`: the name `{host}` cannot be resolved here: {reason}"))
    });
    told.collect()
}
