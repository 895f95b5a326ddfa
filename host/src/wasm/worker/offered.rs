//! Interfaces other than WASI that components of other platforms import: settings, key-value stores, logs.
//!
//! Each is another way to what a function has anyway: its environment, its key-value store, which is always
//! read-only, and its log. Every call is charged like one of our own interfaces. For known interfaces that are not
//! offered there is `advice`, for `check`, `inspect` and `serve` alike.

mod key_value;
mod logging;
mod settings;

use wasmtime::Result;
use wasmtime::component::Linker;

use crate::wasm::worker::state::WorkerState;

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    settings::add(linker)?;
    key_value::add(linker)?;
    logging::add(linker)
}

/// The names of the offered interfaces, with their versions: drafts are not ordered.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    settings::NAMES.into_iter().chain(key_value::NAMES).chain(logging::NAMES)
}

/// Advice about a known import or export that is not supported.
pub fn advice(name: &str) -> Option<&'static str> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    let known = |packages: &[&str]| packages.contains(&package);
    if package.starts_with("wasi:") && version.starts_with("0.3.0-rc") {
        return Some("a release candidate of WASI 0.3: build it with tools for 0.3.0, or for WASI 0.2");
    }
    if interface == "wasi:http/incoming-handler" || interface == "wasi:http/types" {
        return version
            .starts_with("0.2.0-rc")
            .then_some("a release candidate of WASI 0.2: build it with tools for 0.2.0 or later");
    }
    if interface == "wasi:keyvalue/watcher" {
        return Some("nothing changes a key-value store while a function runs: leave the watcher out");
    }
    if known(&["wasi:config", "wasi:keyvalue", "wasi:logging"]) {
        return Some("another version than those that are offered: build it for one of them");
    }
    if known(&["fermyon:spin", "spin:key-value", "spin:variables", "spin:sqlite", "spin:postgres", "spin:redis", "spin:mysql"]) {
        return Some(
            "of Spin, `fermyon:spin/key-value@2.0.0` and `fermyon:spin/variables@2.0.0` are served, or the same by \
             `wasi:keyvalue` and `wasi:config`; databases are reached by wasi:sockets, and Spin's triggers for HTTP by \
             exporting wasi:http",
        );
    }
    if known(&["wasmcloud:messaging", "wasi:messaging", "wasi:blobstore", "wasi:sql", "wasi:nn", "wasi:observe"]) {
        return Some("a service of another platform: reach it over HTTP or wasi:sockets, with `network` granted");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_needs_no_advice_and_what_is_known_has_some() {
        for name in [
            "wasi:http/handler@0.3.0-rc-2026-02-09",
            "wasi:http/types@0.2.0-rc-2023-11-10",
            "wasi:config/store@0.3.0",
            "wasi:keyvalue/watcher@0.2.0-draft2",
            "fermyon:spin/sqlite@2.0.0",
            "spin:key-value/key-value@3.0.0",
            "wasi:blobstore/blobstore@0.2.0-draft",
        ] {
            assert!(advice(name).is_some(), "{name}");
            assert!(names().all(|offered| offered != name), "{name}");
        }
        assert_eq!(advice("example:own/thing@1.0.0"), None);
        assert_eq!(advice("wasi:http/types@0.2.6"), None);
    }
}
