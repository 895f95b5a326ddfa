//! A program of the CGI kind: nothing but Rust's standard library. What it is asked for is in its environment and on
//! stdin, and what it answers goes to stdout.
//!
//! | path | answer |
//! |-|-|
//! | `/echo` | the body, with `x-method` and `x-length`, while it arrives |
//! | `/env` | its environment, line by line |
//! | `/count` | how often this instance has been asked, which is once |
//! | `/lines?N` | N lines |
//! | `/status?N` | that status |
//! | `/redirect` | a `Location` |
//! | `/exit?N` | ends with that status before its head is out |
//! | `/torn` | a head and a line, then it panics |
//! | `/plain` | no head at all |

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, io, process};

static ASKED: AtomicU32 = AtomicU32::new(0);

fn main() -> io::Result<()> {
    let variable = |name| env::var(name).unwrap_or_default();
    let (path, query) = (variable("PATH_INFO"), variable("QUERY_STRING"));
    let mut out = io::stdout().lock();
    match path.as_str() {
        "/echo" => {
            let (method, length) = (variable("REQUEST_METHOD"), variable("CONTENT_LENGTH"));
            write!(out, "Content-Type: application/octet-stream\r\nX-Method: {method}\r\nX-Length: {length}\r\n\r\n")?;
            let mut part = vec![0; 16 << 10];
            loop {
                match io::stdin().read(&mut part)? {
                    0 => break,
                    n => out.write_all(&part[..n])?,
                }
            }
        }
        "/env" => {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            for (name, value) in env::vars() {
                writeln!(out, "{name}={value}")?;
            }
        }
        "/count" => {
            let asked = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
            write!(out, "Content-Type: text/plain\n\n{asked}\n")?;
        }
        "/lines" => {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            for n in 0..query.parse().unwrap_or(10u32) {
                writeln!(out, "line {n}")?;
            }
        }
        "/status" => write!(out, "Status: {query} As Asked\nContent-Type: text/plain\n\n")?,
        "/redirect" => out.write_all(b"Location: /env\n\n")?,
        "/exit" => process::exit(query.parse().unwrap_or(1)),
        "/torn" => {
            out.write_all(b"Content-Type: text/plain\n\nso far so good\n")?;
            out.flush()?;
            panic!("as asked for");
        }
        "/plain" => out.write_all(b"\nno head\n")?,
        _ => out.write_all(b"Status: 404 Not Found\nContent-Type: text/plain\n\nno such path\n")?,
    }
    out.flush()
}
