//! One process after another on the same sockets: nobody is refused.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

use serde_json::json;

use crate::harness::{Config, Edge, Origin, PATIENCE, Reply, component, edgeward, eventually};

/// An address that nobody else takes: of this process and this call, and of a port that is given to nobody.
fn free() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    ([127, high.max(1), low, NEXT.fetch_add(1, SeqCst)], 8_080).into()
}

fn site(origin: &Origin) -> Config {
    Config::new().function("f", component("spa-rewrite")).origin("o", origin.url()).site("o").set("viewer_request", "f")
}

/// An origin whose `/slow.html` waits for the gate.
fn origin_with_a_gate() -> (Origin, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let origin = Origin::start(move |seen| {
        let reply = Reply::new(200, "whole");
        if seen.target == "/slow.html" { reply.held(held.clone()) } else { reply }
    });
    (origin, gate)
}

/// Clients that ask without a pause until they are told to stop, and what has gone wrong for them.
struct Load {
    answered: AtomicU64,
    stop: AtomicBool,
    wrong: std::sync::Mutex<Vec<String>>,
}

impl Load {
    /// One with a connection for each request, one that keeps its connection for as long as it may.
    fn during(address: SocketAddr, what: impl FnOnce(&Load)) -> u64 {
        let load = Load { answered: AtomicU64::new(0), stop: AtomicBool::new(false), wrong: std::sync::Mutex::default() };
        std::thread::scope(|scope| {
            for close in ["Connection: close\r\n", ""] {
                let load = &load;
                scope.spawn(move || {
                    let mut kept = None;
                    while !load.stop.load(SeqCst) {
                        match ask(address, &mut kept, close) {
                            Ok(()) => drop(load.answered.fetch_add(1, SeqCst)),
                            Err(error) => load.wrong.lock().unwrap().push(format!("{close:?}: {error}")),
                        }
                    }
                });
            }
            // Whatever comes of it, the clients must be told to stop.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                load.goes_on();
                what(&load);
                load.goes_on();
            }));
            load.stop.store(true, SeqCst);
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
        let wrong = load.wrong.into_inner().unwrap();
        assert!(
            wrong.is_empty(),
            "{} of {} requests: {:?}",
            wrong.len(),
            load.answered.into_inner(),
            &wrong[..wrong.len().min(5)]
        );
        load.answered.into_inner()
    }

    fn goes_on(&self) {
        let before = self.answered.load(SeqCst);
        eventually("the load goes on", || self.answered.load(SeqCst) >= before + 100);
    }
}

/// One request; a connection that the edge has said to close is not used again, and any other must work.
fn ask(address: SocketAddr, kept: &mut Option<TcpStream>, headers: &str) -> std::io::Result<()> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    stream.write_all(format!("GET /quick.html HTTP/1.1\r\nHost: www\r\n{headers}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut room = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nwhole") {
        match stream.read(&mut room)? {
            0 => return Err(std::io::Error::other(format!("broken off after {:?}", String::from_utf8_lossy(&answer)))),
            n => answer.extend_from_slice(&room[..n]),
        }
    }
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(std::io::Error::other(text));
    }
    if !text.contains("connection: close") {
        *kept = Some(stream);
    }
    Ok(())
}

#[test]
fn a_process_that_is_told_to_end_and_followed_at_once_refuses_nobody() {
    let (origin, gate) = origin_with_a_gate();
    let mut old = Edge::start_at(free(), site(&origin));
    let mut slow = old.connect();
    slow.send("GET /slow.html HTTP/1.1\r\nHost: www\r\n\r\n");
    eventually("the slow request is at the origin", || origin.seen().iter().any(|seen| seen.target == "/slow.html"));
    let mut new = None;
    let answered = Load::during(old.http(), |load| {
        old.signal("TERM");
        let next = old.start_beside(edgeward(), &[]);
        eventually("the predecessor has heard of it", || old.log().contains("the successor serves"));
        load.goes_on();
        gate.notify_one();
        assert_eq!(slow.answer(false).expect("an answer").text(), "whole");
        assert!(old.ended().success());
        new = Some(next);
    });
    let new = new.unwrap();
    assert_eq!(new.http(), old.http());
    assert_eq!(new.metric("edgeward_handovers_total{result=\"taken\"}"), 1.0);
    assert!(answered > 300 && new.metric("edgeward_net_requests_total") > 100.0);
}

/// Nothing is open that would keep it listening, but it is under load.
#[test]
fn a_process_without_a_slow_request_waits_for_its_successor_too() {
    let (origin, _gate) = origin_with_a_gate();
    // As much time as a busy machine needs to start a process.
    let mut old = Edge::start_at(free(), site(&origin).server("drain_listen_s", 30).server("drain_s", 60));
    let mut new = None;
    Load::during(old.http(), |_| {
        old.signal("TERM");
        new = Some(old.start_beside(edgeward(), &[]));
        assert!(old.ended().success());
    });
    assert_eq!(new.unwrap().metric("edgeward_handovers_total{result=\"taken\"}"), 1.0);
}

#[test]
fn a_process_is_replaced_while_it_serves() {
    let (origin, _gate) = origin_with_a_gate();
    let mut old = Edge::start_at(free(), site(&origin));
    let mut new = None;
    Load::during(old.http(), |load| {
        new = Some(old.start_beside(edgeward(), &["--replace"]));
        assert!(old.ended().success(), "it leaves by itself");
        load.goes_on();
    });
    assert_eq!(new.unwrap().get("/quick.html").text(), "whole");
}

#[test]
fn a_successor_that_cannot_start_leaves_the_sockets_to_the_old_process() {
    let (origin, _gate) = origin_with_a_gate();
    let old = Edge::start_at(free(), site(&origin));
    let config = std::fs::read_to_string(old.folder().join("edge.toml")).unwrap();
    old.put("wrong.toml", config.replace("spa-rewrite", "hostile-start-trap").as_bytes());
    Load::during(old.http(), |_| {
        let mut command = edgeward();
        command.args(["serve", "--replace", "-c", "wrong.toml"]).current_dir(old.folder());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        old.wait_for_metric("edgeward_handovers_total{result=\"lost\"}", 1.0);
    });
    assert_eq!(old.admin("/readyz").status, 200);
}

#[test]
fn a_second_edge_on_the_port_of_one_that_serves_is_refused() {
    let (origin, _gate) = origin_with_a_gate();
    let old = Edge::start_at(free(), site(&origin));
    Load::during(old.http(), |_| {
        let output = edgeward().args(["serve", "-c", "edge.toml"]).current_dir(old.folder()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("cannot listen on {}", old.http())), "{error}");
    });
}

#[test]
fn what_the_disk_holds_goes_to_the_successor() {
    let origin = Origin::start(|_| Reply::new(200, "kept").header("cache-control", "max-age=600"));
    let config = Config::new()
        .table("cache")
        .set("memory_bytes", 0)
        .set("disk", json!({ "folder": "cache", "bytes": 100_000_000 }))
        .origin("o", origin.url())
        .site("o")
        .cached();
    let mut old = Edge::start_at(free(), &config);
    assert_eq!(old.get("/a").header("x-cache"), "Miss from cloudfront");
    eventually("it is stored", || old.get("/a").header("x-cache") == "Hit from cloudfront");
    let new = old.start_beside(edgeward(), &["--replace"]);
    assert!(old.ended().success());
    eventually("it is found again", || new.admin("/cache").text().contains("\"disk_scanned\":true"));
    assert_eq!(new.get("/a").header("x-cache"), "Hit from cloudfront");
    assert_eq!(origin.seen().len(), 1);
}

/// The program with this socket as the first of LISTEN_FDS.
fn passed(socket: &TcpListener, names: &str) -> Command {
    let mut shell = Command::new("sh");
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    shell.args(["-c", script]).arg(edgeward().get_program()).env_remove("EDGEWARD_LOG").env("LISTEN_FDNAMES", names);
    shell.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    shell
}

#[test]
fn a_socket_of_the_service_manager_is_served_and_queues_between_two_processes() {
    let (origin, _gate) = origin_with_a_gate();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut early = TcpStream::connect(address).unwrap();
    let folder = Edge::start_at(free(), site(&origin));
    let config = std::fs::read_to_string(folder.folder().join("edge.toml")).unwrap();
    let config = config.replace(&folder.http().to_string(), &address.to_string()).replace("\"data\"", "\"data-of-the-manager\"");
    folder.put("edge.toml", config.as_bytes());
    let mut first = folder.start_beside(passed(&socket, ""), &[]);
    let mut answer = vec![0; 12];
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    early.write_all(b"GET /quick.html HTTP/1.1\r\nHost: www\r\n\r\n").unwrap();
    early.read_exact(&mut answer).unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    let mut second = None;
    Load::during(address, |_| {
        first.signal("TERM");
        assert!(first.ended().success());
        // Nobody listens but the manager: who comes now, waits.
        second = Some(folder.start_beside(passed(&socket, "http"), &[]));
    });
    assert_eq!(second.unwrap().http(), address);
}

#[test]
fn a_socket_that_is_passed_must_be_wanted() {
    let (origin, _gate) = origin_with_a_gate();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = site(&origin).at(free());
    std::fs::write(folder.path().join("edge.toml"), config).unwrap();
    let output = passed(&socket, "other").args(["serve", "-c", "edge.toml"]).current_dir(folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&socket.local_addr().unwrap().to_string()) && error.contains("LISTEN_FDS"), "{error}");
}

#[test]
fn the_service_manager_is_notified_of_start_reload_watchdog_and_stop() {
    let (origin, _gate) = origin_with_a_gate();
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |what: &str| loop {
        let mut message = [0; 1024];
        let n = manager.recv(&mut message).unwrap_or_else(|error| panic!("{what}: {error}"));
        let message = String::from_utf8_lossy(&message[..n]).into_owned();
        if message.lines().any(|line| line == what) {
            return message;
        }
    };
    let mut command = edgeward();
    command.env("NOTIFY_SOCKET", folder.path().join("notify")).env("WATCHDOG_USEC", "400000");
    let other = Edge::start_at(free(), site(&origin));
    let config = std::fs::read_to_string(other.folder().join("edge.toml")).unwrap();
    other.put("edge.toml", config.replace(&other.http().to_string(), "127.0.0.1:0").replace("\"data\"", "\"data-2\"").as_bytes());
    let mut edge = other.start_beside(command, &[]);
    let ready = hear("READY=1");
    assert!(ready.contains("MAINPID="), "{ready}");
    for _ in 0..3 {
        hear("WATCHDOG=1");
    }
    edge.signal("HUP");
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    edge.signal("TERM");
    hear("STOPPING=1");
    assert!(edge.ended().success());
}
