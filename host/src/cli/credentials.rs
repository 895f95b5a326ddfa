//! `edgeward credentials`: access keys for the AWS APIs.

use std::path::PathBuf;

use super::output::say;
use crate::aws::credentials;

/// Make access keys for the AWS APIs.
///
/// A running host with the same data folder accepts them at once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CredentialsCommand {
    /// Make a user with an access key. Its secret is shown this once.
    #[command(
        after_help = "Examples:\n  edgeward credentials create deployer\n  eval \"$(edgeward credentials create deployer)\""
    )]
    Create {
        /// The user's name: 1 to 64 letters, digits and any of +=,.@_-
        name: String,
        /// The data folder of the host.
        #[arg(long, value_name = "DIR", default_value = "edgeward-data", value_hint = clap::ValueHint::DirPath)]
        data_dir: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let CredentialsCommand::Create { name, data_dir } = &args.command;
    let created = credentials::create(data_dir, name)?;
    say!("export AWS_ACCESS_KEY_ID={}", created.access_key);
    say!("export AWS_SECRET_ACCESS_KEY={}", created.secret_key);
    Ok(())
}
