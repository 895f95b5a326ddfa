//! How often a cache hit asks the allocator, from the socket to the socket. A number that grows is looked at.

#![allow(unsafe_code, reason = "an allocator that counts is one that is implemented")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use edgeward::host::{Asked, Host, Launch};
use edgeward::wasm::compile::Compiler;

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `System` made `place`, since `alloc` and `realloc` ask nobody else; the caller promises the layout.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: `System` made `place`, as for `dealloc`; the caller promises the layout and a size that is not 0.
        unsafe { System.realloc(place, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUESTS: u64 = 1_000;

/// hyper's head and its next read buffer, the request, its record and its id, two of `Age` and `Cache-Status`.
const OF_A_HIT: f64 = 7.0;

#[test]
fn a_hit_allocates_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    let config = "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 1\naccess_log = false\ndata_dir = \"data\"\n\
                  [origin.o]\nfixed = { body = \"hello\", headers = { cache-control = \"max-age=600\" } }\n\
                  [[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\ncache_policy = \"CachingOptimized\"\n";
    std::fs::write(&path, config).unwrap();
    let (asked, ear) = Asked::new();
    let loaded = edgeward::config::load(&path).unwrap();
    let host = Host::start(path.clone(), loaded, Compiler::Unbounded, asked, ear, Launch::default()).unwrap();
    let mut client = TcpStream::connect(host.http()[0]).unwrap();
    let mut buffer = [0; 4_096];
    let mut ask = || {
        client.write_all(b"GET /a HTTP/1.1\r\nHost: www\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n").unwrap();
        let length = client.read(&mut buffer).unwrap();
        buffer[..length].ends_with(b"hello")
    };
    // The miss, and what is made once.
    for _ in 0..10 {
        assert!(ask());
    }
    let before = COUNT.load(Relaxed);
    for _ in 0..REQUESTS {
        assert!(ask());
    }
    let each = (COUNT.load(Relaxed) - before) as f64 / REQUESTS as f64;
    host.handle().drain();
    host.wait().unwrap();
    assert!(each <= OF_A_HIT, "{each} allocations for a hit");
}
