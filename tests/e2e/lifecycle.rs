//! Reload, restart and drain lose nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::harness::{Edge, Origin, component, wait_for};

fn tables(origin: &Origin, hook: &str) -> String {
    format!(
        "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n[function.f]\ncomponent = {:?}\n\
         [[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\nviewer_request = \"f\"\n",
        origin.port,
        component(hook),
    )
}

#[test]
fn a_change_under_load_loses_no_request() {
    let origin = Origin::start();
    let edge = Edge::start(&tables(&origin, "spa-rewrite"));
    let (stop, served) = (AtomicBool::new(false), AtomicU32::new(0));
    /// A failed assertion must end the clients, too.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(edge.get("/docs/").status, 200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for hook in ["edge-rules", "spa-rewrite", "edge-rules"] {
            let before = edge.metric("edgeward_config_reloads_total{result=\"ok\"}");
            edge.reconfigure("", &tables(&origin, hook));
            wait_for(
                || edge.metric("edgeward_config_reloads_total{result=\"ok\"}") > before,
                || format!("no reload: {}", edge.log()),
            );
        }
    });
    assert!(served.into_inner() > 0);
}

#[test]
fn a_bad_change_leaves_the_old_one_running_and_says_so() {
    let origin = Origin::start();
    let good = tables(&origin, "spa-rewrite");
    let edge = Edge::start(&good);
    edge.reconfigure("", &good.replace("origin = \"app\"", "origin = \"api2\""));
    edge.wait_for_log("api2");
    assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"));
}

#[test]
fn after_a_kill_it_starts_again_from_its_files() {
    let origin = Origin::start();
    let tables = tables(&origin, "spa-rewrite");
    let edge = Edge::start(&tables);
    assert_eq!(edge.get("/docs/").status, 200);
    let directory = edge.kill();
    let compiled = || std::fs::read_dir(directory.path().join("data/aot")).unwrap().count();
    assert_eq!(compiled(), 1);
    let edge = Edge::start_in(directory, "", &tables);
    assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"));
}

#[test]
fn a_drain_finishes_the_open_request_and_takes_no_other() {
    let origin = Origin::start();
    let mut edge = Edge::start(&tables(&origin, "spa-rewrite"));
    // A request whose body is not there yet keeps its exchange open.
    let mut open = TcpStream::connect(edge.http).unwrap();
    open.write_all(b"POST /a.txt HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n").unwrap();
    wait_for(|| edge.metric("edgeward_edge_requests_open") >= 1.0, || "the request is not open".to_owned());
    edge.signal("-TERM");
    edge.wait_for_log("draining");
    open.write_all(b"body").unwrap();
    let mut reply = String::new();
    open.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply} {}", edge.log());
    assert_eq!(edge.wait_for_end(), 0);
    assert!(TcpStream::connect(edge.http).is_err());
    assert_eq!(origin.last().body, b"body");
}
