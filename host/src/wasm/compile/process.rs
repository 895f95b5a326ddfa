//! Compiles in a process of its own, which can be bounded as a thread cannot: memory, CPU time, wall-clock time.
//!
//!     edge ── starts ──► edgeward compile JOB      standard input:  the component's file
//!       │                   │ limits of its own     standard output: the file that becomes the compiled one
//!       │ ◄── answer ───────┘ lowest priority       standard error:  the answer, a line of JSON; or its last words
//!       └── kills it when it takes too long, or when the edge itself ends
//!
//! It runs this same program, so that the engine is the same; the job has the engine's digest to check that. It gets no
//! environment, no descriptor except these three (all others are close-on-exec), and a process group of its own, so
//! that a signal to the edge's group does not reach it. The memory that a component makes the compiler take ends with the
//! process.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::error::{CompileError, CompileErrorKind};
use super::job::{CompilerReply, Job, Note};
use super::names::AvailableImports;
use super::source;
use crate::limits::{Compiling, compile as limits};
use crate::wasm::engine::config;

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// In a process of its own: this program, with the argument `compile`.
    Program(PathBuf),
    /// Here, without bounds. For an embedding that trusts its components: tests, benchmarks.
    Unbounded,
}

impl Compiler {
    /// The running program, even if its file has been replaced.
    pub fn this_program() -> Compiler {
        Compiler::Program(PathBuf::from("/proc/self/exe"))
    }
}

/// Runs a job in a process. The compiled code is written to `out`.
pub(super) fn run(program: &Path, job: &Job, component: File, out: File) -> Result<Note, CompileError> {
    let _turn = CompilerPermit::wait();
    let text = serde_json::to_string(job).map_err(|error| CompileError::failed(error.to_string()))?;
    let child = Command::new(program)
        .arg0("edgeward")
        .args(["compile", &text])
        .env_clear()
        .process_group(0)
        .stdin(component)
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| CompileError::failed(format!("the compiler cannot be started: {error}")))?;
    let (status, said) = CompilerProcess(child).ended(patience(job.bounds))?;
    match serde_json::from_str(said.lines().last().unwrap_or_default()) {
        Ok(CompilerReply::Made(note)) if status.success() => Ok(note),
        Ok(CompilerReply::Refused { reason, message, remedy }) => Err(CompileError::Refused { reason, message, remedy }),
        _ => Err(exit_error(status, &said, job.bounds)),
    }
}

const MORE_TIME: &str = "if it must be, allow more by `compile_cpu_s` of [server]";

/// The wall-clock limit.
fn patience(bounds: Compiling) -> Duration {
    Duration::from_secs(bounds.cpu_s) * limits::PATIENCE
}

/// A compiling process; killed when dropped.
struct CompilerProcess(Child);

impl CompilerProcess {
    /// Waits for its end. Returns its status and its standard error.
    fn ended(mut self, patience: Duration) -> Result<(ExitStatus, String), CompileError> {
        let failed = |error: io::Error| CompileError::failed(format!("the compiler: {error}"));
        let said = self.0.stderr.take();
        let (sender, receiver) = mpsc::channel();
        // The process holds the other end until it ends; what it writes is bounded.
        let listen = move || {
            let mut text = Vec::new();
            let read = said.map(|said| said.take(limits::ANSWER_BYTES).read_to_end(&mut text));
            let _ = sender.send(read.transpose().map(|_| String::from_utf8_lossy(&text).into_owned()));
        };
        std::thread::Builder::new().name("edgeward-compiler".to_owned()).spawn(listen).map_err(failed)?;
        match receiver.recv_timeout(patience) {
            Ok(text) => Ok((self.0.wait().map_err(failed)?, text.map_err(failed)?)),
            Err(RecvTimeoutError::Timeout) => {
                let message = format!("compiling it takes more than {} s", patience.as_secs());
                Err(interrupted(CompileErrorKind::Time, message, MORE_TIME))
            }
            Err(RecvTimeoutError::Disconnected) => Err(CompileError::failed("nobody hears the compiler")),
        }
    }
}

impl Drop for CompilerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why a process has ended without a reply.
fn exit_error(status: ExitStatus, said: &str, bounds: Compiling) -> CompileError {
    let signal = status.signal().and_then(Signal::from_named_raw);
    let refused = CompileError::refused;
    // Messages of Rust's standard library, when an allocation fails or a thread's stack does not fit.
    if said.contains("memory allocation of") || said.contains("Resource temporarily unavailable") {
        return out_of_memory(bounds);
    }
    match signal {
        Some(Signal::XCPU) => {
            refused(CompileErrorKind::Time, format!("compiling it takes more than {} s of CPU time", bounds.cpu_s), MORE_TIME)
        }
        Some(Signal::XFSZ) => {
            refused(CompileErrorKind::Memory, format!("its machine code has more than {} bytes", limits::CODE_BYTES), "")
        }
        // The kernel kills when memory is short.
        Some(Signal::KILL) => interrupted(CompileErrorKind::Memory, "the compiler was killed".to_owned(), "is memory short?"),
        _ => {
            let tells = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
            let last = said.lines().rev().find(tells).unwrap_or("without a word");
            refused(CompileErrorKind::Failed, format!("the compiler failed ({status}): {last}"), "")
        }
    }
}

fn interrupted(reason: CompileErrorKind, message: String, remedy: &str) -> CompileError {
    CompileError::Interrupted { reason, message, remedy: remedy.to_owned() }
}

fn out_of_memory(bounds: Compiling) -> CompileError {
    let message = format!("compiling it takes more than {} bytes of memory", bounds.memory_bytes);
    CompileError::refused(CompileErrorKind::Memory, message, "if it must be, allow more by `compile_memory_bytes` of [server]")
}

/// A permit to run a compiler; there are few.
struct CompilerPermit;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

impl CompilerPermit {
    fn wait() -> CompilerPermit {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = ENDED.wait_while(running, |n| *n >= limits::PROCESSES).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        CompilerPermit
    }
}

impl Drop for CompilerPermit {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}

/// The main function of the compiling process: `text` is a `Job`. Returns false if there is no code.
pub fn serve(text: &str) -> io::Result<bool> {
    let job: Job = serde_json::from_str(text)?;
    confine(job.bounds)?;
    let made = made(&job).map_err(|error| match error {
        // The compiler maps some of its memory itself, so that running out is an error of the system.
        CompileError::Wasmtime(error) if format!("{error:#}").contains("(os error 12)") => out_of_memory(job.bounds),
        error => error,
    });
    let answer = match made {
        Ok(note) => CompilerReply::Made(note),
        Err(error) => CompilerReply::Refused { reason: error.reason(), message: error.to_string(), remedy: error.remedy() },
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    io::stderr().write_all(&line)?;
    Ok(matches!(answer, CompilerReply::Made(_)))
}

/// Limits this process, before it reads the first untrusted byte.
fn confine(bounds: Compiling) -> io::Result<()> {
    let at_most = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::As, at_most(bounds.memory_bytes))?;
    // SIGXCPU before SIGKILL, so that the reason can be told.
    setrlimit(Resource::Cpu, Rlimit { current: Some(bounds.cpu_s), maximum: Some(bounds.cpu_s + 2) })?;
    setrlimit(Resource::Fsize, at_most(limits::CODE_BYTES))?;
    setrlimit(Resource::Core, at_most(0))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::nice(bounds.niceness)?;
    // If memory is short nevertheless, this process is killed first. Not every system supports this.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

fn made(job: &Job) -> Result<Note, CompileError> {
    let failed = |error: io::Error| CompileError::failed(error.to_string());
    let (bytes, sha256) = source::read(io::stdin().lock()).map_err(failed)?;
    if sha256 != job.sha256 {
        let message = "the file was written to while it was read".to_owned();
        return Err(CompileError::refused(CompileErrorKind::Changed, message, "put a new file under its name instead"));
    }
    let engine = config::compiling(job.profile).map_err(CompileError::Wasmtime)?;
    if config::digest(&engine) != job.engine {
        return Err(CompileError::failed("the compiler is of another version of Edgeward"));
    }
    let offer = AvailableImports::of(&engine, job.profile).map_err(CompileError::Wasmtime)?;
    let (code, note) = job.done(&engine, &offer, &bytes)?;
    io::stdout().lock().write_all(&code).map_err(failed)?;
    Ok(note)
}
