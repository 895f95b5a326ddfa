//! Loops around one call into the host, without end.

use wasip2::cli::stdout;
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll;
use wasip2::random::random;

use crate::edgeward::edge::{key_value_store, log};

pub fn run(what: &str) -> Option<String> {
    match what {
        "flood-random" => loop {
            random::get_random_bytes(4_096);
        },
        "flood-random-most" => loop {
            random::get_random_bytes(65_536);
        },
        "flood-clock" => loop {
            monotonic_clock::now();
        },
        "flood-newlines" => {
            let (stdout, lines) = (stdout::get_stdout(), [b'\n'; 65_536]);
            loop {
                stdout.write(&lines).expect("it is never closed");
            }
        }
        "flood-output" => {
            let (stdout, text) = (stdout::get_stdout(), [b'x'; 65_536]);
            loop {
                stdout.write(&text).expect("it is never closed");
            }
        }
        "flood-zeroes" => {
            let stdout = stdout::get_stdout();
            loop {
                stdout.write_zeroes(u64::MAX).expect("it is never closed");
            }
        }
        "flood-handles" => loop {
            stdout::get_stdout();
        },
        "flood-poll" => {
            let timers: Vec<_> = (0..60).map(monotonic_clock::subscribe_duration).collect();
            let timers: Vec<_> = timers.iter().collect();
            loop {
                poll::poll(&timers);
            }
        }
        "flood-log" => {
            let line = "\u{20ac}".repeat(20_000);
            loop {
                log::line(&line);
            }
        }
        "flood-get" => {
            let key = "k".repeat(512);
            loop {
                key_value_store::get(&key);
            }
        }
        "flood-get-long" => {
            let key = "k".repeat(100_000);
            loop {
                key_value_store::get(&key);
            }
        }
        "flood-get-value" => loop {
            key_value_store::get("long");
        },
        _ => None,
    }
}
