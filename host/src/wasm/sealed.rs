//! The imports of a viewer hook: its log, its key-value store, and a WASI without any access.
//!
//! Standard libraries import WASI even where a program uses none of it, and programs use it without thinking: a hash map
//! is seeded, a panic is printed. So all of `wasi:{cli,clocks,filesystem,io,random}@0.2` is here, sealed: no arguments,
//! no variables, no files, clocks that stand still during a call, random numbers of the call's own, input at its end, and
//! output that goes to the function's log. `INTERFACES` lists everything: another interface is refused
//! at deployment, and so is a function that an interface does not have, or has with another type.
//!
//! Any version of 0.2 will do: wasmtime accepts a definition for every version of the same track.
//!
//! # What a call may change at the host's side
//!
//! All of it is in `ViewerState`; no function here keeps anything elsewhere, and there is no table of resources.
//!
//! | what | changed by | put back |
//! |-|-|-|
//! | `log` | `log.line`, output streams | `ViewerState::begin` |
//! | `host_calls_left` | every function | `ViewerState::begin` |
//! | `exceeded` | a call that is refused | `ViewerState::begin` |
//! | `now_ns`, `seed` | nothing; they are read | `ViewerState::begin` |
//! | `random` | `wasi:random` | `ViewerState::begin` |
//! | `growth.denied` | a growth of memory or a table that is refused | `ViewerState::begin` |
//! | fuel of the store | every function | set before each call |
//! | `handles` | streams and pollables that are made and dropped | not at all: `state::Handles::as_at_first` |
//!
//! The last is the one that a restorer must look at: a handle that a call did not drop stays in the guest's table,
//! and those that are made afterwards have other indices. What goes through C's library keeps its standard streams.

mod cli;
mod clocks;
mod define;
mod filesystem;
mod io;
mod own;
mod random;

use wasmtime::component::{Linker, LinkerInstance};
use wasmtime::{Engine, Result, Store};

use crate::limits;
use crate::wasm::state::ViewerState;

pub use own::{CALL, OWN};
pub(super) use own::{HostServices, count, get, line};

type Define = fn(&mut LinkerInstance<'_, ViewerState>) -> Result<()>;

/// Every interface there is, and how its functions are defined. The version is the newest; see the module.
const INTERFACES: [(&str, Define); 24] = [
    (OWN[0], own::log),
    (OWN[1], own::key_value_store),
    (CALL, own::call),
    ("wasi:cli/environment@0.2.12", cli::environment),
    ("wasi:cli/exit@0.2.12", cli::exit),
    ("wasi:cli/stderr@0.2.12", cli::stderr),
    ("wasi:cli/stdin@0.2.12", cli::stdin),
    ("wasi:cli/stdout@0.2.12", cli::stdout),
    ("wasi:cli/terminal-input@0.2.12", cli::terminal_input),
    ("wasi:cli/terminal-output@0.2.12", cli::terminal_output),
    ("wasi:cli/terminal-stderr@0.2.12", cli::terminal_stderr),
    ("wasi:cli/terminal-stdin@0.2.12", cli::terminal_stdin),
    ("wasi:cli/terminal-stdout@0.2.12", cli::terminal_stdout),
    ("wasi:clocks/monotonic-clock@0.2.12", clocks::monotonic),
    ("wasi:clocks/timezone@0.2.12", clocks::timezone),
    ("wasi:clocks/wall-clock@0.2.12", clocks::wall),
    ("wasi:filesystem/preopens@0.2.12", filesystem::preopens),
    ("wasi:filesystem/types@0.2.12", filesystem::types),
    ("wasi:io/error@0.2.12", io::error),
    ("wasi:io/poll@0.2.12", io::poll),
    ("wasi:io/streams@0.2.12", io::streams),
    ("wasi:random/insecure@0.2.12", random::insecure),
    ("wasi:random/insecure-seed@0.2.12", random::insecure_seed),
    ("wasi:random/random@0.2.12", random::random),
];

/// Whether a viewer component may import an interface of this name, that is, whether the linker finds it.
pub fn allows(import: &str) -> bool {
    let Some(wanted) = track(import) else { return false };
    INTERFACES.iter().any(|(name, _)| track(name) == Some(wanted))
}

/// Name and version of an interface, the latter as far as it must be equal: `0.2` of `0.2.6`. `None` without a version,
/// or with one that is compatible with no other (`0.2.0-rc-1`, `0.0.1`).
fn track(import: &str) -> Option<(&str, &str)> {
    let (name, version) = import.split_once('@')?;
    let (numbers, _build) = version.split_once('+').unwrap_or((version, ""));
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
    let [major, minor, _patch] = parts[..] else { return None };
    if !parts.iter().all(is_number) {
        return None;
    }
    match (major, minor) {
        ("0", "0") => None,
        ("0", _) => Some((name, &version[..major.len() + 1 + minor.len()])),
        _ => Some((name, major)),
    }
}

/// The imports that are allowed, for a message.
pub fn allowed() -> String {
    format!("{}, and WASI 0.2 but its network (sealed: `wasm::sealed`)", OWN.join(", "))
}

pub(super) fn linker(engine: &Engine) -> Result<Linker<ViewerState>> {
    let mut linker = Linker::new(engine);
    for (name, define) in INTERFACES {
        define(&mut linker.instance(name)?)?;
    }
    Ok(linker)
}

/// Bounds what a guest may make the host hold, in addition to what `ViewerState` counts.
pub(super) fn bound(store: &mut Store<ViewerState>) {
    store.set_hostcall_fuel(limits::host::CALL_BYTES);
    store.set_max_component_handles(limits::host::VIEWER_HANDLES);
}

#[cfg(test)]
mod tests;
