//! Prints to stdout, and ends the process when the reader has closed it.

use std::fmt;
use std::io::{self, Write as _};

/// Like `println!`, but `edgeward inspect FILE | head -1` does not panic.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::output::line(format_args!($($part)*)) };
}
pub(super) use say;

pub(super) fn line(text: fmt::Arguments<'_>) {
    end(writeln!(io::stdout(), "{text}"));
}

/// Prints a text that contains its own line ends.
pub(super) fn all(text: &[u8]) {
    end(io::stdout().write_all(text).and_then(|()| io::stdout().flush()));
}

/// `1 site`, `2 sites`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn end(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            std::process::exit(1);
        }
    }
}
