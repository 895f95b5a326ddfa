//! I turn arguments into a `Config`, run a `Host`, and wait for it to drain.
//!
//! Exit codes: 0 done, 1 could not start or serve, 64 usage or configuration.

mod api;
pub mod bench;
mod build;
mod cache;
mod check;
mod compile;
mod configuration;
mod credentials;
mod deploy;
mod dev;
mod doctor;
mod duration;
mod hints;
mod init;
pub mod inspect;
mod invoke;
mod log;
mod logs;
mod new;
mod output;
mod queue;
mod serve;
mod shell;
mod source;
mod template;
mod test;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::config::ConfigErrors;
pub(crate) use usage::{FAILED, USAGE, UsageError};

/// An HTTP edge that runs WebAssembly components at the moments of a request.
#[derive(Debug, clap::Parser)]
#[command(
    name = "edgeward",
    version,
    after_help = "Examples:\n  edgeward new rules --lang rust && cd rules && edgeward dev\n  edgeward init\n  edgeward serve\n  edgeward serve --api 127.0.0.1:9000\n  edgeward serve -c /etc/edgeward/edge.toml --log json\n  edgeward check edge.toml && kill -HUP $(pidof edgeward)\n  edgeward inspect hook.wasm\n  edgeward test hook.wasm event.json\n  edgeward invoke function.wasm event.json\n  edgeward bench cold-warm hook.wasm\n\nEnvironment:\n  EDGEWARD_LOG  which log lines are written, such as `debug` or `warn,edgeward::edge=debug`; default: info"
)]
struct Arguments {
    /// How logs are written to stderr: text by default on a terminal, else JSON.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log: Option<log::Format>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Dev(dev::Args),
    Init(init::Args),
    Serve(serve::Args),
    Check(check::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Invoke(invoke::Args),
    Bench(bench::Args),
    Cache(cache::Args),
    Credentials(credentials::Args),
    Deploy(deploy::Args),
    Doctor(doctor::Args),
    Logs(logs::Args),
    Queue(queue::Args),
    Completions(shell::Completions),
    Man(shell::Man),
    #[command(hide = true)]
    Compile(compile::Args),
}

/// Runs a command line; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = hints::hint(error);
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If stderr cannot be written, nothing is left to do.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = log::start(arguments.log).and_then(|()| match arguments.command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Invoke(args) => invoke::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Credentials(args) => credentials::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Queue(args) => queue::run(&args),
        Command::Completions(args) => {
            shell::completions(&args, &Arguments::command());
            Ok(())
        }
        Command::Man(args) => shell::man(&args, Arguments::command()),
        Command::Compile(args) => compile::run(&args),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit(&error),
    }
}

fn exit(error: &anyhow::Error) -> ExitCode {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        // It formats itself.
        eprintln!("{errors}");
        return ExitCode::from(USAGE);
    }
    let usage = error.downcast_ref::<UsageError>();
    if usage.is_none_or(|usage| !usage.0.is_empty()) {
        eprintln!("error: {error:#}");
    }
    ExitCode::from(if usage.is_some() { USAGE } else { FAILED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_argument_says_what_it_is() {
        fn undescribed(command: &clap::Command, silent: &mut Vec<String>) {
            let name = command.get_name();
            if command.get_about().is_none() {
                silent.push(name.to_owned());
            }
            silent.extend(command.get_arguments().filter(|arg| arg.get_help().is_none()).map(|arg| format!("{name} {arg}")));
            command.get_subcommands().for_each(|command| undescribed(command, silent));
        }
        let mut silent = Vec::new();
        undescribed(&Arguments::command(), &mut silent);
        assert_eq!(silent, [""; 0]);
        Arguments::command().debug_assert();
    }
}
