//! I say in one line what a reload has changed, for whoever reads the log.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use super::snapshot::Snapshot;
use crate::config::{Config, Geo, Server};
use crate::limits::reload::NAMES_TOLD;

/// `function auth added; site www, shop changed`; `nothing` if both do the same.
pub(super) fn between(before: &Snapshot, next: &Snapshot) -> String {
    let mut changes = Vec::new();
    let settings = settings(&before.server, &next.server);
    if !settings.is_empty() {
        changes.push(format!("server: {} changed", listed(settings)));
    }
    if geo(&before.config.geo) != geo(&next.config.geo) {
        changes.push("geo changed".to_owned());
    }
    // A function is another one when its code is, too.
    let same_code = |name: &str| match (before.revisions.get(name), next.revisions.get(name)) {
        (Some(before), Some(next)) => Arc::ptr_eq(before, next),
        _ => true,
    };
    let (old, new) = (&before.config, &next.config);
    kind(&mut changes, "function", &old.functions, &new.functions, |name, a, b| a == b && same_code(name));
    kind(&mut changes, "key-value store", &old.key_value_stores, &new.key_value_stores, |_, a, b| a == b);
    kind(&mut changes, "origin", &old.origins, &new.origins, |_, a, b| a == b);
    kind(&mut changes, "origin group", &old.origin_groups, &new.origin_groups, |_, a, b| a == b);
    kind(&mut changes, "site", &sites(old), &sites(new), |_, a, b| a == b);
    if changes.is_empty() { "nothing".to_owned() } else { changes.join("; ") }
}

fn sites(config: &Config) -> BTreeMap<String, Arc<crate::config::Site>> {
    config.sites.iter().map(|site| (site.name.clone(), site.clone())).collect()
}

fn kind<T>(
    changes: &mut Vec<String>,
    kind: &str,
    before: &BTreeMap<String, T>,
    next: &BTreeMap<String, T>,
    is_same: impl Fn(&str, &T, &T) -> bool,
) {
    let added: Vec<_> = next.keys().filter(|name| !before.contains_key(*name)).collect();
    let removed: Vec<_> = before.keys().filter(|name| !next.contains_key(*name)).collect();
    let changed = next.iter().filter(|(name, new)| before.get(*name).is_some_and(|old| !is_same(name, old, new)));
    let changed: Vec<_> = changed.map(|(name, _)| name).collect();
    for (names, what) in [(added, "added"), (removed, "removed"), (changed, "changed")] {
        if !names.is_empty() {
            changes.push(format!("{kind} {} {what}", listed(names)));
        }
    }
}

/// Settings of the server, by their keys; those that take a restart are warned of elsewhere.
fn settings(before: &Server, next: &Server) -> Vec<&'static str> {
    let settings = [
        ("admin_hosts, admin_token_file", before.admin_access != next.admin_access),
        ("compile_memory_bytes, compile_cpu_s", before.compiling != next.compiling),
        ("edge_location", before.edge_location != next.edge_location),
        ("drain_s", before.drain != next.drain),
        ("drain_listen_s", before.drain_listen != next.drain_listen),
        ("access_log", before.access_log != next.access_log),
        ("websockets_per_worker", before.websockets_per_worker != next.websockets_per_worker),
        ("connections_per_client", before.connections_per_client != next.connections_per_client),
        ("upload_bytes_per_s", before.upload_bytes_per_s != next.upload_bytes_per_s),
        ("certificate", before.certificates != next.certificates),
    ];
    let changed: Vec<_> = settings.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    if changed.is_empty() && before != next { vec!["another setting"] } else { changed }
}

/// What tells one version of the databases from another.
pub(super) fn geo(geo: &Geo) -> [Option<(String, u64, u32)>; 2] {
    [&geo.city, &geo.asn].map(|database| {
        let metadata = database.as_ref()?.0.metadata();
        Some((metadata.database_type.clone(), metadata.build_epoch, metadata.node_count))
    })
}

/// `a, b and 3 more`; `none`.
pub(super) fn listed(names: impl IntoIterator<Item = impl Display>) -> String {
    let mut names = names.into_iter();
    let mut list = String::new();
    for name in names.by_ref().take(NAMES_TOLD) {
        // Writing to a String cannot fail.
        let _ = write!(list, "{}{name}", if list.is_empty() { "" } else { ", " });
    }
    match (names.count(), list.is_empty()) {
        (0, true) => "none".to_owned(),
        (0, false) => list,
        (more, _) => list + &format!(" and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_list_is_bounded() {
        assert_eq!(listed([""; 0]), "none");
        assert_eq!(listed(["a"]), "a");
        assert_eq!(listed(1..=10), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
        assert_eq!(listed(1..=12), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }
}
