//! Origins that are slow, cut off or lie, a disk that is full, a clock that jumps: no wrong byte, and nobody hangs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::harness::{Clock, Config, Edge, Origin, Reply, eventually};

/// A server that answers every request of a connection with the next of these bytes, and closes it then.
struct Raw {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Raw {
    fn start(answers: Vec<Vec<u8>>) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut reader = BufReader::new(stream);
                read_head(&mut reader);
                let number = count.fetch_add(1, SeqCst);
                let answer = &answers[number.min(answers.len() - 1)];
                // The edge may have had enough.
                let _ = reader.get_mut().write_all(answer);
            }
        });
        Raw { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn read_head(reader: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
}

fn config(url: &str, error_ttl_s: u32) -> Config {
    let policy = Config::new().origin("o", url).set("read_timeout_s", 1).table("cache_policy.p").set("mode", "standards");
    policy.set("error_ttl_s", error_ttl_s).set("stale_if_error_s", error_ttl_s).site("o").set("cache_policy", "p")
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood";

#[test]
fn a_response_that_contradicts_itself_is_neither_trusted_nor_stored() {
    let kept = "Cache-Control: max-age=60\r\n";
    let lies = [
        // Less than it says, more than it says, and two lengths.
        format!("HTTP/1.1 200 OK\r\n{kept}Content-Length: 100\r\n\r\nshort"),
        format!("HTTP/1.1 200 OK\r\n{kept}Content-Length: 4\r\nContent-Length: 5\r\n\r\ngood!"),
        format!("HTTP/1.1 200 OK\r\n{kept}Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        format!("HTTP/1.1 200 OK\r\n{kept}Transfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n0\r\n\r\n"),
        // Parts that nobody asked for, or not a part of anything.
        format!(
            "HTTP/1.1 206 Partial Content\r\n{kept}Content-Range: bytes 0-3/100\r\nContent-Length: 4\r\nConnection: close\r\n\r\npart"
        ),
        format!("HTTP/1.1 206 Partial Content\r\n{kept}Content-Length: 4\r\nConnection: close\r\n\r\npart"),
        // There is nothing that it could validate.
        format!("HTTP/1.1 304 Not Modified\r\n{kept}\r\n"),
        // No HTTP.
        "HTTP/9.9 200 OK\r\n\r\n".to_owned(),
        "hello\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{kept}Bad Name: x\r\nContent-Length: 4\r\n\r\ngood"),
        format!("HTTP/1.1 200 OK\r\n{kept}X: {}\r\nContent-Length: 4\r\n\r\ngood", "x".repeat(1 << 20)),
        String::new(),
    ];
    for lie in lies {
        let origin = Raw::start(vec![lie.clone().into_bytes(), GOOD.to_vec()]);
        let edge = Edge::start(config(&origin.url, 0));
        let mut stream = TcpStream::connect(edge.http()).unwrap();
        stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let told = String::from_utf8_lossy(&answer).into_owned();
        // Whoever comes next gets what is good.
        let next = edge.get("/a");
        assert_eq!((next.status, next.text()), (200, "good".to_owned()), "{lie:.80} {told:.300}");
        assert_eq!(next.header("x-cache"), "Miss from cloudfront", "{lie:.80}");
        assert_eq!(edge.get("/a").header("x-cache"), "Hit from cloudfront");
        assert_eq!(origin.asked(), 2, "{lie:.80}");
        assert!(!edge.log().contains("panicked"), "{}", edge.log());
    }
}

#[test]
fn a_body_longer_than_its_content_length_is_truncated() {
    let long = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let origin = Raw::start(vec![long.to_vec(), GOOD.to_vec()]);
    let edge = Edge::start(config(&origin.url, 0));
    assert_eq!(edge.get("/a").text(), "good");
    // The rest is nobody's answer.
    assert_eq!(edge.get("/b").text(), "good");
    assert_eq!(origin.asked(), 2);
}

#[test]
fn an_origin_that_stops_in_a_body_ends_its_readers_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let edge = Edge::start(config(&url, 0));
    let stuck = std::thread::spawn(move || {
        let mut first = BufReader::new(listener.accept().unwrap().0);
        // Who answers before the question is refused at once.
        read_head(&mut first);
        first.get_mut().write_all(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nsome").unwrap();
        // The second request finds no answer at all.
        let second = listener.accept().unwrap();
        (first, second)
    });
    for _ in 0..2 {
        let mut stream = TcpStream::connect(edge.http()).unwrap();
        stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // Cut off, or told: but over.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.ends_with("some") || answer.starts_with("HTTP/1.1 504 "), "{answer}");
    }
    drop(stuck.join().unwrap());
    assert_eq!(edge.metric("edgeward_cache_objects{tier=\"memory\"}"), 0.0);
}

#[test]
fn a_full_disk_breaks_no_response() {
    let origin = Origin::start(|seen| Reply::new(200, seen.target.repeat(100_000)).header("cache-control", "max-age=60"));
    let cache = "[cache]\nmemory_bytes = 0\n[cache.disk]\nfolder = \"cache\"\nbytes = 67_108_864\n";
    // No file may be longer than 256 KiB: as with a full disk, a write fails after some that did not.
    let edge = Edge::start_behind("trap '' XFSZ; ulimit -f 512", config(&origin.url(), 0).with(cache));
    let small = |edge: &Edge| edge.get("/").header("x-cache").to_owned();
    for _ in 0..2 {
        let answer = edge.get("/large");
        assert_eq!((answer.status, answer.text()), (200, "/large".repeat(100_000)));
        assert_eq!(answer.header("x-cache"), "Miss from cloudfront");
    }
    assert_eq!(small(&edge), "Miss from cloudfront");
    eventually("what fits is kept", || small(&edge) == "Hit from cloudfront");
    assert!(edge.metric("edgeward_cache_disk_failures_total") >= 1.0, "{}", edge.admin("/metrics").text());
    assert!(!edge.log().contains("panicked"), "{}", edge.log());
}

#[test]
fn a_clock_change_extends_no_lifetime() {
    const DAY_S: i64 = 86_400;
    let origin = Raw::start(vec![GOOD.to_vec()]);
    let clock = Clock::new();
    let edge = clock.edge(config(&origin.url, 0));
    let mut asked = 0;
    for ahead_s in [0, DAY_S, -DAY_S, 0] {
        clock.set(ahead_s);
        assert_ne!(edge.get("/a").header("x-cache"), "Hit from cloudfront", "{ahead_s}");
        let hit = edge.get("/a");
        assert_eq!((hit.header("x-cache"), hit.text().as_str()), ("Hit from cloudfront", "good"), "{ahead_s}");
        asked += 1;
        assert_eq!(origin.asked(), asked, "{ahead_s}");
    }
    // What a slewed clock does: less than what requests may look back by themselves.
    clock.set(-30);
    assert_eq!(edge.get("/a").header("x-cache"), "Hit from cloudfront");
}

#[test]
fn setting_the_clock_back_does_not_prolong_a_cached_failure() {
    let answers = [GOOD, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", GOOD];
    let origin = Raw::start(answers.map(<[u8]>::to_vec).to_vec());
    let clock = Clock::new();
    let edge = clock.edge(config(&origin.url, 600));
    assert_eq!(edge.get("/a").status, 200);
    clock.set(200);
    for _ in 0..2 {
        let stale = edge.get("/a");
        assert_eq!((stale.status, stale.text()), (200, "good".to_owned()));
        assert_eq!(origin.asked(), 2, "the origin has just failed");
    }
    clock.set(100);
    assert_eq!(edge.get("/a").status, 200);
    assert_eq!(origin.asked(), 3);
}

#[test]
fn a_restart_under_an_earlier_clock_knows_what_was_stored() {
    let origin = Raw::start(vec![GOOD.to_vec()]);
    let config = config(&origin.url, 0).table("cache").set("memory_bytes", 0);
    let config = config.table("cache.disk").set("folder", "cache").set("bytes", 67_108_864);
    let clock = Clock::new();
    clock.set(365 * 86_400);
    let edge = clock.edge(&config);
    edge.get("/a");
    eventually("it is on the disk", || edge.get("/a").header("x-cache") == "Hit from cloudfront");
    let edge = edge.kill_and_restart(&config);
    eventually("the disk has been read", || edge.admin("/cache").text().contains("\"disk_scanned\":true"));
    assert_eq!(edge.metric("edgeward_cache_objects{tier=\"disk\"}"), 1.0);
    assert_ne!(edge.get("/a").header("x-cache"), "Hit from cloudfront");
    eventually("it is replaced", || edge.get("/a").header("x-cache") == "Hit from cloudfront");
    assert_eq!(edge.metric("edgeward_cache_objects{tier=\"disk\"}"), 1.0);
}
