//! What commands print, one line at a time, and their end when nobody reads any more.

use std::fmt;
use std::io::{self, Write as _};

/// `println!`, but `edgeward inspect FILE | head -1` is no panic.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::output::line(format_args!($($part)*)) };
}
pub(super) use say;

pub(super) fn line(text: fmt::Arguments<'_>) {
    end(writeln!(io::stdout(), "{text}"));
}

/// A text that has its own lines.
pub(super) fn all(text: &[u8]) {
    end(io::stdout().write_all(text).and_then(|()| io::stdout().flush()));
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
