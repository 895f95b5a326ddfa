//! `edgeward completions` and `edgeward man`: shell completions and manual pages, generated from the command line's definition.

use std::path::PathBuf;

use anyhow::Context as _;

use super::UsageError;
use super::output;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward completions bash\n  edgeward completions zsh\n\nWhere shells look for it:\n  bash  /usr/share/bash-completion/completions/edgeward\n  zsh   /usr/share/zsh/site-functions/_edgeward\n  fish  /usr/share/fish/vendor_completions.d/edgeward.fish"
)]
pub(super) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Print the manual page of this program, or of one of its commands.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward man | man -l -\n  edgeward man cache purge\n  edgeward man --out /usr/share/man/man1"
)]
pub(super) struct Man {
    /// The command, such as `serve` or `cache purge`.
    command: Vec<String>,
    /// Write the pages of all commands into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "command", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &Completions, program: &clap::Command) {
    // Without hidden commands, which would be offered too.
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    let mut program =
        clap::Command::new("edgeward").version(env!("CARGO_PKG_VERSION")).args(program.get_arguments()).subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "edgeward", &mut script);
    output::all(&script);
}

pub(super) fn man(args: &Man, program: clap::Command) -> anyhow::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        return clap_mangen::generate_to(program, folder).with_context(|| format!("cannot write to {}", folder.display()));
    }
    program.build();
    let mut command = &program;
    for name in &args.command {
        let found = command.get_subcommands().find(|command| command.get_name() == name && !command.is_hide_set());
        command = found.ok_or_else(|| UsageError(format!("there is no command `{}`", args.command.join(" "))))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    output::all(&page);
    Ok(())
}
