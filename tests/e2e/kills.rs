//! `kill -9` while the disk tier is being written: what is served afterwards is right, or comes from the origin.
//!
//! Ten rounds by default; `EDGEWARD_KILLS=1000 cargo test --profile quick --test e2e -- kills` for more.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;

use crate::harness::{Config, Edge, Origin, PATIENCE, Reply};

const OBJECTS: u64 = 12;

/// A small one, one of several blocks, and two that memory does not take.
const SIZES: [usize; 4] = [100, 40_000, 300_000, 1_500_000];

/// Numbers that look random, the same in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// What is right for a path `/ROUND/OBJECT`.
fn content(path: &str) -> Vec<u8> {
    let mut state = path.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let object: usize = path.rsplit('/').next().unwrap().parse().unwrap();
    let words = std::iter::repeat_with(|| u32::try_from(next(&mut state)).unwrap().to_le_bytes());
    words.flatten().take(SIZES[object % SIZES.len()]).collect()
}

enum Got {
    Whole {
        hit: bool,
    },
    /// The edge died within the answer.
    Part,
}

/// Panics on a wrong byte.
fn get(edge: SocketAddr, path: &str) -> Got {
    let Ok(mut stream) = TcpStream::connect(edge) else { return Got::Part };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let read = asked.and_then(|()| stream.read_to_end(&mut answer));
    let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Got::Part };
    let (head, body) = (String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase(), &answer[at + 4..]);
    assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
    let right = content(path);
    assert!(right.starts_with(body), "{path}: a wrong byte\n{head}");
    if read.is_err() || body.len() < right.len() {
        return Got::Part;
    }
    Got::Whole { hit: head.contains("x-cache: hit") }
}

#[test]
fn no_kill_leaves_a_wrong_byte() {
    let rounds = std::env::var("EDGEWARD_KILLS").map_or(10, |rounds| rounds.parse().expect("EDGEWARD_KILLS is a number"));
    let origin = Origin::start(|seen| Reply::new(200, content(&seen.target)).header("cache-control", "max-age=86400"));
    let config = Config::new()
        .table("cache")
        .set("memory_bytes", 1_000_000)
        .set("memory_object_bytes", 50_000)
        .table("cache.disk")
        .set("folder", "cache")
        .set("bytes", 100_000_000)
        .origin("o", origin.url())
        .site("o")
        .cached();
    let mut random = 1;
    let mut hits = 0;
    let mut edge = Edge::start(&config);
    for round in 0..rounds {
        let address = edge.http();
        let (answered, answers) = mpsc::channel();
        let clients: Vec<_> = (0..4_u64)
            .map(|client| {
                let answered = answered.clone();
                std::thread::spawn(move || {
                    for object in (0..OBJECTS).filter(|object| object % 4 == client) {
                        get(address, &format!("/{round}/{object}"));
                        // Nobody listens any more once the edge is dead.
                        let _ = answered.send(());
                    }
                })
            })
            .collect();
        for _ in 0..next(&mut random) % OBJECTS {
            answers.recv().unwrap();
        }
        edge = edge.kill_and_restart(&config);
        for client in clients {
            client.join().expect("no wrong byte before the kill");
        }
        for object in 0..OBJECTS {
            match get(edge.http(), &format!("/{round}/{object}")) {
                Got::Whole { hit } => hits += u32::from(hit),
                Got::Part => panic!("the edge did not answer /{round}/{object} whole"),
            }
        }
    }
    assert!(hits > 0, "nothing survived a kill, so that nothing was tested");
}
