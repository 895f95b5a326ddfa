//! Start, kill, restart, drain.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::harness::{Config, Edge, Origin, Reply, component, edgeward, eventually};

fn config(origin: &Origin) -> Config {
    Config::new().function("f", component("spa-rewrite")).origin("o", origin.url()).site("o").set("viewer_request", "f")
}

#[test]
fn a_killed_edge_starts_again_with_its_files() {
    let origin = Origin::echo();
    let edge = Edge::start(config(&origin));
    assert_eq!(edge.get("/route").status, 200);
    let compiled = compiled(&edge);
    assert!(!compiled.is_empty());
    let edge = edge.kill_and_restart(config(&origin));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    assert_eq!(self::compiled(&edge), compiled, "nothing is compiled again");
}

/// The compiled files, and when each was written.
fn compiled(edge: &Edge) -> BTreeMap<PathBuf, SystemTime> {
    let files = std::fs::read_dir(edge.folder().join("data/aot")).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect()
}

#[test]
fn a_damaged_aot_cache_is_rebuilt() {
    let origin = Origin::echo();
    let edge = Edge::start(config(&origin));
    let mut damaged = 0;
    let mut folders = vec![edge.folder().join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                std::fs::write(&path, b"damaged").unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "there is a cache to damage");
    let edge = edge.kill_and_restart(config(&origin));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    for file in compiled(&edge).keys() {
        assert_ne!(std::fs::read(file).unwrap(), b"damaged", "{}", file.display());
    }
}

#[test]
fn sigterm_lets_the_open_request_finish() {
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let origin = Origin::start(move |_| Reply::new(200, "slow but whole").held(held.clone()));
    let mut edge = Edge::start(config(&origin));
    let mut open = edge.connect();
    open.send("GET /route HTTP/1.1\r\nHost: www\r\n\r\n");
    eventually("the request is at the origin", || !origin.seen().is_empty());
    edge.signal("TERM");
    eventually("it drains", || edge.admin("/readyz").status == 503);
    gate.notify_one();
    let answer = open.answer(false).expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "slow but whole"));
    // Whether its head could still say so or not.
    assert_eq!(open.rest(), "", "the connection ends");
    assert!(edge.ended().success());
}

#[test]
fn a_drain_ends_idle_connections_and_takes_no_new_ones() {
    let origin = Origin::echo();
    let mut edge = Edge::start(config(&origin));
    let mut idle = edge.connect();
    assert_eq!(idle.request("GET", "/route", "www", "", b"").status, 200);
    let address = edge.http();
    edge.signal("TERM");
    assert_eq!(idle.rest(), "");
    assert!(edge.ended().success());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_request_that_does_not_end_is_cut_at_the_deadline_of_the_drain() {
    let origin = Origin::start(|_| Reply::new(200, "too late").after(Duration::from_secs(60)));
    let mut edge = Edge::start(config(&origin).server("drain_s", 1));
    let mut open = edge.connect();
    open.send("GET /route HTTP/1.1\r\nHost: www\r\n\r\n");
    eventually("the request is at the origin", || !origin.seen().is_empty());
    let start = Instant::now();
    edge.signal("TERM");
    edge.ended();
    assert!(start.elapsed() < Duration::from_secs(10), "the drain took {:?}", start.elapsed());
}

#[test]
fn a_taken_port_is_reported_with_its_address() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("edge.toml"), config(&origin).at(origin.address)).unwrap();
    let output = edgeward().args(["serve", "-c", "edge.toml"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&format!("cannot listen on {}", origin.address)), "{error}");
}
