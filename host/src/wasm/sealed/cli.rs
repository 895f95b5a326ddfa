//! `wasi:cli`: there is no input, and output goes to the function's log.

use wasmtime::component::{LinkerInstance, Resource};
use wasmtime::{Error, Result};

use super::define::{func, handle, resource};
use super::io::{InputStream, OutputStream};
use crate::wasm::state::{StdStream, ViewerState};

/// Never given to a guest: there is no terminal.
struct TerminalInput;
struct TerminalOutput;

type Interface<'a, 'b> = &'a mut LinkerInstance<'b, ViewerState>;

pub(super) fn environment(environment: Interface<'_, '_>) -> Result<()> {
    func(environment, "get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    func(environment, "get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    func(environment, "initial-cwd", |_, (): ()| Ok((None::<String>,)))
}

/// Exiting ends the call without a reply.
pub(super) fn exit(exit: Interface<'_, '_>) -> Result<()> {
    func(exit, "exit", |_, (status,): (std::result::Result<(), ()>,)| -> Result<()> { Err(exited(u8::from(status.is_err()))) })?;
    func(exit, "exit-with-code", |_, (code,): (u8,)| -> Result<()> { Err(exited(code)) })
}

fn exited(code: u8) -> Error {
    Error::msg(format!("it exited with code {code}, without an answer"))
}

pub(super) fn stdin(stdin: Interface<'_, '_>) -> Result<()> {
    func(stdin, "get-stdin", |store, (): ()| Ok((handle::<InputStream>(store, 0)?,)))
}

pub(super) fn stdout(stdout: Interface<'_, '_>) -> Result<()> {
    func(stdout, "get-stdout", |store, (): ()| Ok((handle::<OutputStream>(store, StdStream::Stdout as u8)?,)))
}

pub(super) fn stderr(stderr: Interface<'_, '_>) -> Result<()> {
    func(stderr, "get-stderr", |store, (): ()| Ok((handle::<OutputStream>(store, StdStream::Stderr as u8)?,)))
}

pub(super) fn terminal_input(terminal: Interface<'_, '_>) -> Result<()> {
    resource::<TerminalInput>(terminal, "terminal-input")
}

pub(super) fn terminal_output(terminal: Interface<'_, '_>) -> Result<()> {
    resource::<TerminalOutput>(terminal, "terminal-output")
}

pub(super) fn terminal_stdin(terminal: Interface<'_, '_>) -> Result<()> {
    func(terminal, "get-terminal-stdin", |_, (): ()| Ok((None::<Resource<TerminalInput>>,)))
}

pub(super) fn terminal_stdout(terminal: Interface<'_, '_>) -> Result<()> {
    func(terminal, "get-terminal-stdout", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
}

pub(super) fn terminal_stderr(terminal: Interface<'_, '_>) -> Result<()> {
    func(terminal, "get-terminal-stderr", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
}
