//! What is deployed is a stranger's: compiling it costs no more than it may, and nobody who is served notices.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Config, Edge, Origin, component, edgeward, eventually};

/// A hook whose core module has this in it beside what it needs.
pub fn hook(inside: &str) -> Vec<u8> {
    let wat = format!(
        r#"(component
          (core module $m
            (memory (export "memory") 2)
            (data (i32.const 1024) "\00\08\00\00\01\00\00\00") (data (i32.const 2048) "\01")
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384))
            (func (export "handle") (param i32 i32) (result i32) (i32.const 1024))
            {inside})
          (core instance $i (instantiate $m))
          (func $handle (param "event" (list u8)) (result (list u8))
            (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
          (instance $e (export "handle" (func $handle)))
          (export "edgeward:edge/viewer-request@0.1.0" (instance $e)))"#
    );
    wat::parse_str(wat).unwrap()
}

/// Half a megabyte of which a compiler would make gigabytes: many values, which live over many blocks.
fn bomb() -> Vec<u8> {
    let (locals, blocks) = (2_000, 40_000);
    let block = |i: usize| {
        let (to, of) = (1 + i % locals, 1 + i * 37 % locals);
        format!("(if (local.get 0) (then (local.set {to} (i64.add (local.get {of}) (i64.const 1)))))")
    };
    let body: String = (0..blocks).map(block).collect();
    hook(&format!("(func (param i32) (local {}) (loop $again {body} (br_if $again (local.get 0))))", "i64 ".repeat(locals)))
}

/// Nothing is wrong with this one but its length: compiling a thousand such functions takes seconds of CPU time.
fn long(functions: usize) -> Vec<u8> {
    let body = "i32.const 3 i32.mul i32.const 5 i32.xor i32.const 7 i32.add ".repeat(300);
    hook(&format!("(func (param i32) (result i32) local.get 0 {body}) ").repeat(functions))
}

fn config(origin: &Origin) -> Config {
    Config::new().function("f", "hook.wasm").origin("o", origin.url()).site("o").set("viewer_request", "f")
}

fn folder_with(hook: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hook.wasm"), hook).unwrap();
    folder
}

fn good() -> Vec<u8> {
    std::fs::read(component("spa-rewrite")).unwrap()
}

/// An edge that is not waited for.
struct Starting(Child);

impl Starting {
    fn new(folder: &Path, config: Config) -> Starting {
        let text = config.server("workers", 1).file();
        std::fs::write(folder.join("edge.toml"), text).unwrap();
        let mut command = edgeward();
        command.args(["serve", "--log", "json", "-c", "edge.toml"]).current_dir(folder);
        Starting(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }

    /// Its exit code, and what it has said.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.0.wait().unwrap().code(), log)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(process: u32, name: &str) {
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// The process that compiles for this one.
fn compiler_of(edge: u32) -> Option<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{edge}/task")).ok()?;
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).next()
}

fn compiling(edge: u32) -> u32 {
    let mut compiler = None;
    eventually("it compiles", || {
        compiler = compiler_of(edge);
        compiler.is_some_and(|id| {
            std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.starts_with(b"edgeward\0compile"))
        })
    });
    compiler.unwrap()
}

fn is_gone(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.is_empty() || state.contains(") Z ")
}

#[test]
fn a_component_that_would_cost_too_much_is_refused_at_start_by_the_function_that_does() {
    let (origin, folder) = (Origin::echo(), folder_with(&bomb()));
    let begin = Instant::now();
    let (code, log) = Starting::new(folder.path(), config(&origin)).ended();
    assert_eq!(code, Some(1));
    assert!(log.contains("its function 2 (at byte 0x") && log.contains("values times branches, over 4000000"), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn a_component_that_would_cost_too_much_leaves_the_old_one_in_force() {
    let origin = Origin::echo();
    let edge = Edge::start_in(folder_with(&good()), config(&origin));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    let before = edge.resident_bytes();
    edge.put("hook.wasm", &bomb());
    edge.wait_for_metric("edgeward_deployments_refused_total{reason=\"cost\"}", 1.0);
    eventually("the log says why", || edge.log().contains("values times branches"));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    let grown = edge.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[test]
fn compilation_ends_at_its_time_limit_and_the_edge_keeps_serving() {
    let origin = Origin::echo();
    let edge = Edge::start_in(folder_with(&good()), config(&origin).server("compile_cpu_s", 1));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    let before = edge.resident_bytes();
    edge.put("hook.wasm", &long(2_000));
    let compiler = compiling(edge.id());
    // What it has are the three descriptors that it was given, and what it opened itself: none of our sockets.
    for entry in std::fs::read_dir(format!("/proc/{compiler}/fd")).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert!(!target.to_string_lossy().starts_with("socket:"), "{target:?}");
    }
    let (mut client, mut slowest, mut most) = (edge.connect(), Duration::ZERO, 0);
    while edge.metric("edgeward_deployments_refused_total{reason=\"time\"}") == 0.0 {
        for _ in 0..50 {
            let begin = Instant::now();
            assert_eq!(client.request("GET", "/route", "www", "", b"").text(), "GET /index.html\n");
            slowest = slowest.max(begin.elapsed());
        }
        most = most.max(edge.resident_bytes());
    }
    assert!(is_gone(compiler));
    // Of CPU time, or where others want the CPU by the clock.
    eventually("the log says why", || edge.log().contains("compiling it takes more than"));
    let grown = most.saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert!(slowest < Duration::from_secs(1), "an answer took {slowest:?}");
    // Heard at a reload, like the component.
    edge.reconfigure(config(&origin).server("compile_cpu_s", 600));
    eventually("it is deployed", || edge.metric("edgeward_config_reloads_total{result=\"ok\"}") >= 1.0);
    let grown = edge.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes stay of compiling");
}

#[test]
fn compilation_ends_at_its_memory_limit() {
    let (origin, folder) = (Origin::echo(), folder_with(&long(2_000)));
    let (code, log) = Starting::new(folder.path(), config(&origin).server("compile_memory_bytes", 268_435_456)).ended();
    assert_eq!(code, Some(1));
    assert!(log.contains("compiling it takes more than 268435456 bytes of memory"), "{log}");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("data/aot")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_hangup_while_the_first_component_compiles_is_heard_and_answered_by_a_reload() {
    let (origin, folder) = (Origin::echo(), folder_with(&long(200)));
    let starting = Starting::new(folder.path(), config(&origin).server("admin", "127.0.0.1:0"));
    let edge = starting.0.id();
    compiling(edge);
    signal(edge, "HUP");
    let log = follow(starting, "configuration reloaded");
    assert!(log.contains("serving http"), "{log}");
}

/// Reads what an edge says until it says this, and ends it.
fn follow(mut starting: Starting, until: &str) -> String {
    use std::io::{BufRead as _, BufReader};
    let mut log = String::new();
    for line in BufReader::new(starting.0.stderr.take().unwrap()).lines() {
        log += &line.unwrap();
        log.push('\n');
        if log.contains(until) {
            return log;
        }
    }
    panic!("the edge ends without `{until}`:\n{log}");
}

#[test]
fn a_sigterm_during_compilation_ends_the_edge_and_the_compiler() {
    let (origin, folder) = (Origin::echo(), folder_with(&long(2_000)));
    let starting = Starting::new(folder.path(), config(&origin));
    let compiler = compiling(starting.0.id());
    let begin = Instant::now();
    starting.signal("TERM");
    let (code, log) = starting.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    eventually("the compiler is gone", || is_gone(compiler));
}

#[test]
fn a_sigterm_right_after_the_first_response_drains() {
    let origin = Origin::echo();
    for _ in 0..5 {
        let mut edge = Edge::start_in(folder_with(&good()), config(&origin));
        assert_eq!(edge.get("/route").status, 200);
        edge.signal("TERM");
        assert!(edge.ended().success());
    }
}

#[test]
fn a_killed_compiler_refuses_one_deployment_only() {
    let origin = Origin::echo();
    let edge = Edge::start_in(folder_with(&good()), config(&origin));
    edge.put("hook.wasm", &long(2_000));
    signal(compiling(edge.id()), "KILL");
    edge.wait_for_metric("edgeward_deployments_refused_total", 1.0);
    eventually("the log says why", || edge.log().contains("the compiler was killed"));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
}

#[test]
fn a_component_that_is_replaced_while_the_first_one_compiles_is_deployed_without_being_asked_for() {
    let (origin, folder) = (Origin::echo(), folder_with(&long(200)));
    let starting = Starting::new(folder.path(), config(&origin));
    compiling(starting.0.id());
    std::fs::write(folder.path().join("new"), good()).unwrap();
    std::fs::rename(folder.path().join("new"), folder.path().join("hook.wasm")).unwrap();
    follow(starting, "configuration reloaded");
}

/// Starts an edge in a folder whose compiled files somebody has got at, after this.
fn tampered(tamper: impl FnOnce(&Path)) -> (tempfile::TempDir, Origin) {
    let (origin, folder) = (Origin::echo(), folder_with(&good()));
    let kept = tempfile::tempdir().unwrap();
    let edge = Edge::start_in(folder, config(&origin));
    let aot = edge.folder().join("data/aot");
    std::fs::create_dir_all(kept.path().join("data/aot")).unwrap();
    for entry in std::fs::read_dir(&aot).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, kept.path().join("data/aot").join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(kept.path().join("hook.wasm"), good()).unwrap();
    tamper(&kept.path().join("data/aot"));
    (kept, origin)
}

fn code_file(aot: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(aot).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "cwasm")).expect("a compiled file")
}

#[test]
fn a_compiled_file_that_another_user_could_have_written_is_compiled_again() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    type Tamper = (&'static str, fn(&Path));
    let mut tampers: Vec<Tamper> = vec![
        ("writable for all", |code| std::fs::set_permissions(code, std::fs::Permissions::from_mode(0o666)).unwrap()),
        ("a link", |code| {
            let elsewhere = code.parent().unwrap().parent().unwrap().join("elsewhere");
            std::fs::rename(code, &elsewhere).unwrap();
            symlink(elsewhere, code).unwrap();
        }),
        ("with a second name", |code| {
            std::fs::hard_link(code, code.parent().unwrap().parent().unwrap().join("second")).unwrap();
        }),
    ];
    // Only root can give a file away.
    if std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0) {
        tampers.push(("another user's", |code| chown(code, Some(12_345), None).unwrap()));
    }
    for (what, tamper) in tampers {
        let (folder, origin) = tampered(|aot| tamper(&code_file(aot)));
        let edge = Edge::start_in(folder, config(&origin));
        assert!(edge.log().contains("compiled file is not used"), "{what}: {}", edge.log());
        assert_eq!(edge.get("/route").text(), "GET /index.html\n", "{what}");
        let code = std::fs::symlink_metadata(code_file(&edge.folder().join("data/aot"))).unwrap();
        assert!(code.is_file() && code.permissions().mode() & 0o022 == 0, "{what}");
    }
}

#[test]
fn a_folder_of_compiled_files_that_is_a_link_or_another_users_is_refused_by_name() {
    use std::os::unix::fs::{chown, symlink};
    let (origin, folder) = (Origin::echo(), folder_with(&good()));
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::create_dir_all(folder.path().join("theirs")).unwrap();
    symlink("../theirs", folder.path().join("data/aot")).unwrap();
    let (code, log) = Starting::new(folder.path(), config(&origin)).ended();
    assert!(code == Some(1) && log.contains("data/aot is not a folder, but a link"), "{log}");
    std::fs::remove_file(folder.path().join("data/aot")).unwrap();
    std::fs::create_dir(folder.path().join("data/aot")).unwrap();
    // Only root can give a folder away.
    if chown(folder.path().join("data/aot"), Some(12_345), None).is_ok() {
        let (code, log) = Starting::new(folder.path(), config(&origin)).ended();
        assert!(code == Some(1) && log.contains("data/aot belongs to user 12345"), "{log}");
    }
}

#[test]
fn unfinished_files_of_a_killed_edge_are_removed() {
    let (origin, folder) = (Origin::echo(), folder_with(&good()));
    let aot = folder.path().join("data/aot");
    std::fs::create_dir_all(&aot).unwrap();
    let (left, kept) = (aot.join("00.1-0.tmp"), aot.join("11.1-0.tmp"));
    for path in [&left, &kept] {
        let file = std::fs::File::create(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3_600)).unwrap();
    }
    // Another process writes this one.
    let other = std::fs::File::open(&kept).unwrap();
    other.lock().unwrap();
    let edge = Edge::start_in(folder, config(&origin));
    assert!(!edge.folder().join("data/aot/00.1-0.tmp").exists());
    assert!(edge.folder().join("data/aot/11.1-0.tmp").exists());
}
