//! Each function of a sealed WASI by itself.

use std::mem;

use wasip2::cli::{environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens;
use wasip2::io::poll;
use wasip2::random::{insecure, insecure_seed, random};

pub fn run(what: &str) -> Option<String> {
    Some(match what {
        "wasi-environment" => {
            format!("{:?} {:?} {:?}", environment::get_environment(), environment::get_arguments(), environment::initial_cwd())
        }
        "wasi-exit-ok" => {
            exit::exit(Ok(()));
            unreachable!()
        }
        "wasi-exit-err" => {
            exit::exit(Err(()));
            unreachable!()
        }
        "wasi-terminals" => format!(
            "{} {} {}",
            terminal_stdin::get_terminal_stdin().is_none(),
            terminal_stdout::get_terminal_stdout().is_none(),
            terminal_stderr::get_terminal_stderr().is_none()
        ),
        "wasi-clocks" => {
            let wall = wall_clock::now();
            let monotonic = monotonic_clock::now();
            let same = u128::from(wall.seconds) * 1_000_000_000 + u128::from(wall.nanoseconds) == u128::from(monotonic);
            let resolution = wall_clock::resolution();
            format!("{same} {} {} {}", resolution.seconds, resolution.nanoseconds, monotonic_clock::resolution())
        }
        "wasi-poll" => {
            let far = monotonic_clock::subscribe_instant(u64::MAX);
            let soon = monotonic_clock::subscribe_duration(1);
            let ready = format!("{} {} {:?}", far.ready(), soon.ready(), poll::poll(&[&far, &soon]));
            far.block();
            ready
        }
        "wasi-poll-nothing" => format!("{:?}", poll::poll(&[])),
        "wasi-random" => {
            let bytes = random::get_random_bytes(13);
            let more = insecure::get_insecure_random_bytes(13);
            format!(
                "{} {} {} {} {}",
                bytes.len(),
                more.len(),
                bytes != more,
                random::get_random_u64() != insecure::get_insecure_random_u64(),
                insecure_seed::insecure_seed() != insecure_seed::insecure_seed()
            )
        }
        "wasi-random-most" => random::get_random_bytes(65_536).len().to_string(),
        "wasi-random-more" => random::get_random_bytes(65_537).len().to_string(),
        "wasi-preopens" => preopens::get_directories().len().to_string(),
        "wasi-output" => output(),
        "wasi-input" => input(),
        // What a call leaves behind, and what the next one sees of it.
        "handle" => stdout::get_stdout().handle().to_string(),
        "handle-kept" => {
            let stream = stdout::get_stdout();
            let index = stream.handle();
            mem::forget(stream);
            index.to_string()
        }
        "handle-printed" => {
            println!("printed");
            stdout::get_stdout().handle().to_string()
        }
        "handle-disorder" => {
            let (first, second) = (stdout::get_stdout(), stdout::get_stdout());
            let indices = format!("{} {}", first.handle(), second.handle());
            drop(first);
            drop(second);
            indices
        }
        _ => return hold(what),
    })
}

fn output() -> String {
    let (out, err) = (stdout::get_stdout(), stderr::get_stderr());
    let steps = [
        out.check_write().is_ok_and(|permit| permit >= 4_096),
        out.write(b"first ").is_ok(),
        err.blocking_write_and_flush(b"of the other\n").is_ok(),
        out.flush().is_ok(),
        out.blocking_flush().is_ok(),
        out.write(b"half, second half\n").is_ok(),
        err.write_zeroes(2).is_ok(),
        err.blocking_write_zeroes_and_flush(1).is_ok(),
        out.subscribe().ready(),
    ];
    let stdin = stdin::get_stdin();
    format!("{steps:?} {:?} {:?}", out.splice(&stdin, 1).is_err(), out.blocking_splice(&stdin, 1).is_err())
}

fn input() -> String {
    let stdin = stdin::get_stdin();
    format!(
        "{:?} {:?} {:?} {:?} {}",
        stdin.read(1),
        stdin.blocking_read(1),
        stdin.skip(1),
        stdin.blocking_skip(1),
        stdin.subscribe().ready()
    )
}

/// `hold-N`: so many handles at once.
fn hold(what: &str) -> Option<String> {
    let count: usize = what.strip_prefix("hold-")?.parse().ok()?;
    let mut held: Vec<_> = (0..count).map(|_| stdout::get_stdout()).collect();
    let held_at_once = held.len();
    while held.pop().is_some() {}
    Some(held_at_once.to_string())
}
