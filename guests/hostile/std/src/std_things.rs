//! What programs do without thinking.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, io, process, thread};

pub fn run(what: &str) -> Option<String> {
    Some(match what {
        "hash-map" => {
            let map: HashMap<&str, u32> = [("one", 1), ("two", 2)].into();
            format!("{}", map["one"] + map["two"])
        }
        "hash-state" => format!("{:016x}", RandomState::new().hash_one("x")),
        "println" => {
            println!("to stdout: {}", 1);
            println!("and a second line");
            "printed".to_owned()
        }
        "eprintln" => {
            eprintln!("to stderr: {}", 2);
            "printed".to_owned()
        }
        "print" => {
            print!("no end of line");
            io::stdout().flush().map_or_else(|error| error.to_string(), |()| "printed".to_owned())
        }
        "system-time" => {
            let (one, two) = (SystemTime::now(), SystemTime::now());
            let since = one.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            format!("{} {}", one == two, since.as_secs())
        }
        "instant" => {
            let start = Instant::now();
            let mut map = HashMap::new();
            (0..1_000u32).for_each(|n| drop(map.insert(n, n)));
            format!("{:?}", start.elapsed())
        }
        "env" => format!("{:?} {} {}", env::var("PATH"), env::vars().count(), env::args().count()),
        "read-file" => format!("{:?}", fs::read("/etc/passwd").map_err(|error| error.kind())),
        "create-file" => format!("{:?}", fs::File::create("/tmp/x").map(drop).map_err(|error| error.kind())),
        "read-dir" => format!("{:?}", fs::read_dir("/").map(drop).map_err(|error| error.kind())),
        "stdin" => {
            let mut text = String::new();
            format!("{:?} {text:?}", io::stdin().read_to_string(&mut text).map_err(|error| error.kind()))
        }
        "sleep" => {
            thread::sleep(Duration::from_secs(3_600));
            "awake".to_owned()
        }
        "spawn" => format!("{}", thread::Builder::new().spawn(|| ()).is_err()),
        "exit" => process::exit(3),
        "abort" => process::abort(),
        "panic" => panic!("a text of its own: {}", 42),
        "index" => {
            let empty: Vec<u8> = std::hint::black_box(Vec::new());
            empty[1].to_string()
        }
        "unwrap" => "x".parse::<u32>().expect("a number was expected").to_string(),
        _ => return None,
    })
}
