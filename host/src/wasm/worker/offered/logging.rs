//! `wasi:logging`: lines of the function's log, with their level and context.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

use crate::wasm::sealed::HostServices as _;
use crate::wasm::worker::state::WorkerState;

pub(super) const NAMES: [&str; 2] = ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"];

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by lifting a guest's value")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    for name in NAMES {
        linker.instance(name)?.func_wrap(
            "log",
            |mut store: StoreContextMut<'_, WorkerState>, (level, context, message): (Level, String, String)| {
                WorkerState::charge(&mut store, context.len() + message.len())?;
                let level = level.name();
                let line =
                    if context.is_empty() { format!("{level}: {message}") } else { format!("{level}: {context}: {message}") };
                store.data_mut().log_line(&line);
                Ok(())
            },
        )?;
    }
    Ok(())
}
