//! An edge in a process of its own, an origin in this one, and a client that says what it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

/// The path of a built guest.
pub fn component(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../guests/target/components/{name}.wasm"));
    assert!(path.is_file(), "{} is missing; `(cd guests && cargo run --release -p build)` makes it", path.display());
    path.canonicalize().unwrap()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running edge; killed when dropped.
pub struct Edge {
    pub directory: tempfile::TempDir,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    process: Child,
}

impl Edge {
    /// Starts with these tables after a `[server]` of its own, and waits until it is ready.
    pub fn start(tables: &str) -> Edge {
        Edge::start_with("", tables)
    }

    /// `server`: more keys for `[server]`.
    pub fn start_with(server: &str, tables: &str) -> Edge {
        let directory = tempfile::tempdir().unwrap();
        Edge::start_in(directory, server, tables)
    }

    pub fn start_in(directory: tempfile::TempDir, server: &str, tables: &str) -> Edge {
        let (http, admin) = (free_port(), free_port());
        write_config(directory.path(), http, admin, server, tables);
        let process = spawn(directory.path());
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut edge = Edge { directory, http: address(http), admin: address(admin), process };
        edge.wait_until_ready();
        edge
    }

    fn wait_until_ready(&mut self) {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the edge ended with {status}: {}", self.log());
            }
            let ready = TcpStream::connect(self.admin)
                .is_ok_and(|stream| exchange(stream, "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").0 == 200);
            if ready {
                return;
            }
            assert!(Instant::now() < end, "not ready: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Replaces the tables of the configuration, keeping `[server]`.
    pub fn reconfigure(&self, server: &str, tables: &str) {
        write_config(self.directory.path(), self.http.port(), self.admin.port(), server, tables);
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Waits for a piece of text in the log.
    pub fn wait_for_log(&self, text: &str) {
        wait_for(|| self.log().contains(text), || format!("no `{text}` in: {}", self.log()));
    }

    pub fn metric(&self, name_and_labels: &str) -> f64 {
        let (_, _, body) = send(self.admin, "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let body = String::from_utf8(body).unwrap();
        let line = body.lines().find(|line| line.strip_prefix(name_and_labels).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Resident memory of the process, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", path, headers, b"")
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str("host: edge.test\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let (status, headers, body) = read_reply(stream);
        Reply { status, headers, body }
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    pub fn wait_for_end(&mut self) -> i32 {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < end, "the process did not end: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Ends the process as a power cut would, and gives the folder back.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_config(directory: &Path, http: u16, admin: u16, server: &str, tables: &str) {
    let text = format!(
        "[server]\nhttp = [\"127.0.0.1:{http}\"]\nadmin = \"127.0.0.1:{admin}\"\nworkers = 2\naccess_log = false\ndata_dir = \"data\"\n{server}\n{tables}"
    );
    // As an editor does: whole, under another name, then renamed.
    let (path, unfinished) = (directory.join("edge.toml"), directory.join("edge.toml.new"));
    std::fs::write(&unfinished, text).unwrap();
    std::fs::rename(unfinished, path).unwrap();
}

fn spawn(directory: &Path) -> Child {
    let log = std::fs::File::create(directory.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_edgeward"))
        .args(["serve", "-c", "edge.toml"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

pub fn wait_for(mut condition: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{}", otherwise());
        std::thread::yield_now();
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn x_cache(&self) -> &str {
        self.header("x-cache").unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Raw = (u16, Vec<(String, String)>, Vec<u8>);

/// Sends bytes, and reads a response to the end of the connection.
pub fn send(address: SocketAddr, bytes: &str) -> Raw {
    exchange(TcpStream::connect(address).unwrap(), bytes)
}

fn exchange(mut stream: TcpStream, bytes: &str) -> Raw {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    if stream.write_all(bytes.as_bytes()).is_err() {
        return (0, Vec::new(), Vec::new());
    }
    read_reply(stream)
}

/// Status 0 where the other side closed without a word.
fn read_reply(stream: TcpStream) -> Raw {
    let mut reader = BufReader::new(stream);
    let Some((line, headers)) = read_head(&mut reader) else { return (0, Vec::new(), Vec::new()) };
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    let _ = reader.read_to_end(&mut body);
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunk(&body);
    }
    (status, headers, body)
}

fn read_head(reader: &mut impl std::io::BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 || header == "\r\n" {
            return Some((line.trim_end().to_owned(), headers));
        }
        if let Some((name, value)) = header.trim_end().split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap_or("0"), 16).unwrap_or(0);
        let data = &rest[end + 2..];
        if size == 0 || data.len() < size {
            break;
        }
        out.extend_from_slice(&data[..size]);
        rest = &data[(size + 2).min(data.len())..];
    }
    out
}

/// What an origin was asked.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An HTTP server with threads, which notes what it sees. Its paths: `/status/N` answers with that status,
/// `/hang` never, `/auth` by the request's authorization; everything else with the path it saw.
pub struct Origin {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Origin {
    pub fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let notes = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = notes.clone();
                std::thread::spawn(move || answer(stream, &notes));
            }
        });
        Origin { port, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the origin was asked")
    }
}

fn answer(stream: TcpStream, notes: &Mutex<Vec<Seen>>) {
    let mut out = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((line, headers)) = read_head(&mut reader) {
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        notes.lock().unwrap().push(Seen { line, headers, body });
        let status = match path.strip_prefix("/status/") {
            Some(rest) => rest.split('/').next().and_then(|status| status.parse().ok()).unwrap_or(200),
            None => 200,
        };
        if path == "/hang" {
            // Until the edge gives up.
            let _ = reader.read_line(&mut String::new());
            return;
        }
        let text = format!("origin saw {path}\n");
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\nx-origin-uri: {path}\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        if out.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}
