//! The real program with a configuration of its own, in a folder of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;

use super::{Answer, Client, Config, eventually, get};

/// The program, to be run with other commands than `serve`.
pub fn edgeward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgeward"));
    command.env_remove("EDGEWARD_LOG");
    // Not installed, and not beside the program.
    // Not the home of whoever runs the tests; it stays, so that the Runtimes are not compiled by each test.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.env("EDGEWARD_RUNTIMES", Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/target/runtimes"));
    command
}

/// A running edge; killed when dropped.
pub struct Edge {
    child: Child,
    folder: Arc<tempfile::TempDir>,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    admin: SocketAddr,
    /// A file and no pipe: what was logged before an answer is there when the answer is.
    log: File,
}

impl Edge {
    #[track_caller]
    pub fn start(config: impl Into<Config>) -> Edge {
        Edge::start_in(tempfile::tempdir().unwrap(), config)
    }

    /// Relative paths of the configuration are in `folder`.
    #[track_caller]
    pub fn start_in(folder: tempfile::TempDir, config: impl Into<Config>) -> Edge {
        Edge::start_by(edgeward(), folder, &config.into())
    }

    /// That logs more, or less, than it does by itself.
    #[track_caller]
    pub fn start_by_level(level: &str, folder: tempfile::TempDir, config: impl Into<Config>) -> Edge {
        let mut command = edgeward();
        command.env("EDGEWARD_LOG", format!("{level},wasmtime=off,wasmtime_wasi=off,wasmtime_wasi_http=off"));
        Edge::start_by(command, folder, &config.into())
    }

    /// Behind these commands of the shell, such as `ulimit`.
    #[track_caller]
    pub fn start_behind(commands: &str, config: impl Into<Config>) -> Edge {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{commands}; exec \"$0\" \"$@\"")]).arg(edgeward().get_program()).env_remove("EDGEWARD_LOG");
        Edge::start_by(shell, tempfile::tempdir().unwrap(), &config.into())
    }

    /// On this address instead of a free port, so that another one can follow.
    #[track_caller]
    pub fn start_at(http: SocketAddr, config: impl Into<Config>) -> Edge {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        put(folder.path(), "edge.toml", config.into().at(http).as_bytes());
        Edge::run(edgeward(), folder, "access.log", &[])
    }

    /// Another process with the same configuration, in the same folder.
    #[track_caller]
    pub fn start_beside(&self, command: Command, arguments: &[&str]) -> Edge {
        Edge::run(command, self.folder.clone(), "access-of-the-next.log", arguments)
    }

    #[track_caller]
    fn start_by(command: Command, folder: tempfile::TempDir, config: &Config) -> Edge {
        write_config(folder.path(), config);
        Edge::run(command, Arc::new(folder), "access.log", &[])
    }

    #[track_caller]
    fn run(mut command: Command, folder: Arc<tempfile::TempDir>, access_log: &str, arguments: &[&str]) -> Edge {
        command.args(["serve", "--log", "json", "-c", "edge.toml"]).args(arguments);
        Edge::run_as_it_is(command, folder, access_log)
    }

    /// By a whole command line, whose configuration lets it choose its ports.
    #[track_caller]
    pub fn run_as_it_is(mut command: Command, folder: Arc<tempfile::TempDir>, access_log: &str) -> Edge {
        let access_log = File::create(folder.path().join(access_log)).unwrap();
        let log = tempfile::tempfile().unwrap();
        command.current_dir(folder.path()).stdout(access_log).stderr(log.try_clone().unwrap());
        let child = command.spawn().expect("the program starts");
        let mut edge = Edge { child, folder, http: Vec::new(), https: Vec::new(), admin: ([127, 0, 0, 1], 0).into(), log };
        eventually("the edge listens", || {
            let ended = edge.child.try_wait().unwrap();
            let known = edge.read_addresses();
            assert!(known || ended.is_none(), "the edge does not start:\n{}", edge.log());
            known
        });
        eventually("the edge is ready", || edge.admin("/readyz").status == 200);
        edge
    }

    /// Reads from the log where it listens. The admin port comes last.
    fn read_addresses(&mut self) -> bool {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let addresses = |message: &str| -> Vec<SocketAddr> {
            let of = lines.clone().filter(|line| line["message"] == message);
            of.map(|line| line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address")).collect()
        };
        (self.http, self.https) = (addresses("serving http"), addresses("serving https"));
        addresses("serving the admin port").first().is_some_and(|admin| {
            self.admin = *admin;
            true
        })
    }

    pub fn http(&self) -> SocketAddr {
        self.http[0]
    }

    pub fn https(&self) -> SocketAddr {
        self.https[0]
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn get(&self, target: &str) -> Answer {
        get(self.http(), "www.example.com", target, "")
    }

    /// GET with these header lines, each ending in CRLF.
    pub fn get_with(&self, target: &str, headers: &str) -> Answer {
        get(self.http(), "www.example.com", target, headers)
    }

    pub fn request(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        self.connect().request(method, target, "www.example.com", headers, body)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.http())
    }

    pub fn admin(&self, path: &str) -> Answer {
        get(self.admin, "localhost", path, "Connection: close\r\n")
    }

    pub fn admin_request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        Client::connect(self.admin).request(method, path, "localhost", headers, body)
    }

    /// Where the admin port is, for the command line.
    pub fn admin_address(&self) -> String {
        self.admin.to_string()
    }

    pub fn wait_for_metric(&self, prefix: &str, value: f64) {
        eventually(prefix, || self.metric(prefix) == value);
    }

    /// The sum of all metrics whose line begins with `prefix`, such as `name{label="value"`.
    pub fn metric(&self, prefix: &str) -> f64 {
        let metrics = self.admin("/metrics").text();
        let values = metrics
            .lines()
            .filter(|line| line.starts_with(prefix))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// What the edge has logged so far, without the access log.
    pub fn log(&self) -> String {
        let mut bytes = vec![0; self.log.metadata().unwrap().len() as usize];
        let read = self.log.read_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    /// The access log so far, a line for each request that has ended.
    pub fn access_log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        // The last line may still be being written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Replaces the configuration.
    pub fn reconfigure(&self, config: impl Into<Config>) {
        write_config(self.folder.path(), &config.into());
    }

    /// Puts a file into the edge's folder, as a deployment would: under another name first.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        put(self.folder.path(), name, bytes)
    }

    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(&self.child)
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the edge ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Kills it, and starts it again in the same folder.
    pub fn kill_and_restart(mut self, config: impl Into<Config>) -> Edge {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, Arc::new(tempfile::tempdir().unwrap()));
        drop(self);
        Edge::start_in(Arc::into_inner(folder).expect("nobody is beside"), config)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("--- the end of the edge's log, last line first\n{}", tail.join("\n"));
        }
    }
}

fn write_config(folder: &Path, config: &Config) {
    put(folder, "edge.toml", config.at(([127, 0, 0, 1], 0).into()).as_bytes());
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    let new = folder.join(format!(".{name}.new"));
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

/// What a process holds of memory, pages of files included.
pub fn resident_bytes(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the program runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}
