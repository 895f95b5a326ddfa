//! `/tmp` of a function: its own, bounded, and gone with its instance.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Client, Config, Edge, component, eventually};

/// More than stays in memory.
const SIZE: u64 = 16 << 20;
const JSON: &str = "Content-Type: application/json\r\n";
const NO_SPACE: &str = "No space left on device (os error 51)";
/// What wasi-libc makes of any error of a stream of WASI 0.2.
const WRITE_FAILED: &str = "I/O error (os error 29)";
const NO_ENTRY: &str = "No such file or directory (os error 44)";

/// An edge with two functions: one keeps its instance, the other has a new one for each call.
fn start(bytes: u64) -> Edge {
    let mut config = Config::new().server("workers", 1);
    for (name, policy) in [("kept", json!({ "reuse": {} })), ("clean", json!("fresh"))] {
        let limits = json!({
            "ephemeral_storage_bytes": bytes, "deadline_ms": 60_000, "cpu_us": 60_000_000, "host_calls": 10_000_000,
        });
        config = config.table(&format!("function.{name}")).set("component", component("function-behaviors"));
        config = config.set("policy", policy).set("limits", limits).service(name, name);
    }
    Edge::start(config.site_named("clean", "clean.example.com", "clean").site("kept"))
}

fn steps_at(edge: &Edge, host: &str, steps: &Value) -> Value {
    let answer = Client::connect(edge.http()).request("POST", "/files", host, JSON, steps.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}\n{}", edge.log());
    serde_json::from_str(&answer.text()).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn steps(edge: &Edge, steps: &Value) -> Value {
    steps_at(edge, "example.com", steps)
}

/// What the edge's process has open that has no name.
fn unnamed_files(edge: &Edge) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", edge.id())).unwrap();
    let is_unnamed = |link: &Path| {
        fs::read_link(link).is_ok_and(|to| to.starts_with(edge.folder()) && to.to_string_lossy().ends_with(" (deleted)"))
    };
    open.filter(|entry| is_unnamed(&entry.as_ref().unwrap().path())).count()
}

/// All files below a folder, and how many bytes they have.
fn files_below(folder: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => files.extend(files_below(&entry.path())),
            metadata => files.push((entry.path().display().to_string(), metadata.len())),
        }
    }
    files.sort();
    files
}

#[test]
fn a_function_has_a_folder_of_its_own() {
    let edge = start(SIZE);
    let did = steps(
        &edge,
        &json!([
            ["list", "/tmp"],
            ["write", "/tmp/a", "né"],
            ["append", "/tmp/a", " more"],
            ["read", "/tmp/a"],
            ["mkdir", "/tmp/d"],
            ["write", "/tmp/d/b", "b"],
            ["rename", "/tmp/a", "/tmp/d/a"],
            ["list", "/tmp/d"],
            ["remove", "/tmp/d/b"],
            ["read", "/tmp/d/../d/a"],
            ["read", "/tmp/none"],
            ["resize", "/tmp/d/a", 2],
            ["length", "/tmp/d/a"],
            ["link", "/tmp/d/a", "/tmp/hard"],
            ["symlink", "d/a", "/tmp/soft"],
            ["write", "/tmp/soft", "by a link"],
            ["read", "/tmp/hard"],
            ["unnamed", "/tmp/u", "read after it was removed"],
            ["list", "/tmp"],
        ]),
    );
    let expected = json!([
        [],
        "ok",
        "ok",
        "né more",
        "ok",
        "ok",
        "ok",
        ["a", "b"],
        "ok",
        "né more",
        NO_ENTRY,
        "ok",
        2,
        "ok",
        "ok",
        "ok",
        "by a link",
        "read after it was removed",
        ["d", "hard", "soft"],
    ]);
    assert_eq!(did, expected);
    // The next call of the instance finds it, no other function does, nor another call of one that has a new instance each time.
    let clear = json!([["list", "/tmp"], ["clear", "/tmp/d"], ["list", "/tmp"]]);
    assert_eq!(steps(&edge, &clear), json!([["d", "hard", "soft"], "ok", ["hard", "soft"]]));
    for _ in 0..2 {
        let did = steps_at(&edge, "clean.example.com", &json!([["list", "/tmp"], ["write", "/tmp/c", "c"], ["list", "/tmp"]]));
        assert_eq!(did, json!([[], "ok", ["c"]]));
    }
    // An instance that takes the place of one that failed finds it, too.
    for _ in 0..20 {
        assert_eq!(edge.get("/panic").status, 503);
        assert_eq!(steps(&edge, &json!([["list", "/tmp"]])), json!([["hard", "soft"]]));
    }
}

#[test]
fn no_path_leads_out() {
    let edge = start(SIZE);
    let denied = "Operation not permitted (os error 63)";
    let did = steps(
        &edge,
        &json!([
            ["list", "/"],
            ["list", "/tmp/.."],
            ["read", "/etc/passwd"],
            ["read", "/tmp/../etc/passwd"],
            ["symlink", "/etc/passwd", "/tmp/absolute"],
            ["symlink", "../etc/passwd", "/tmp/relative"],
            ["read", "/tmp/relative"],
            ["mkdir", "/tmp/d"],
            ["symlink", "..", "/tmp/d/up"],
            ["symlink", "../..", "/tmp/d/out"],
            ["list", "/tmp/d/up/d"],
            ["list", "/tmp/d/out"],
            ["rename", "/tmp/d", "/tmp/d/up/d/e"],
            ["clear", "/tmp/d"],
            ["list", "/tmp"],
        ]),
    );
    let told: Vec<&str> = did.as_array().unwrap().iter().map(|result| result.as_str().unwrap_or_default()).collect();
    for step in [0, 1, 2, 3, 4, 6, 11, 12] {
        assert!(told[step].contains("(os error "), "step {step}: {did:#}");
    }
    assert_eq!([told[4], told[6], told[11]], [denied; 3], "{did:#}");
    assert_eq!((&did[10], &did[14]), (&json!(["out", "up"]), &json!(["relative"])), "{did:#}");
    // Nothing that is told has a path of the host.
    let folder = edge.folder().display().to_string();
    assert!(!did.to_string().contains(&folder) && !did.to_string().contains("data"), "{did:#}");
}

#[test]
fn its_size_is_not_exceeded_and_the_function_serves_on() {
    let edge = start(SIZE);
    let half = SIZE / 2;
    let did = steps(
        &edge,
        &json!([
            ["fill", "/tmp/a", half],
            ["fill", "/tmp/b", half],
            ["write", "/tmp/c", "x"],
            ["length", "/tmp/c"],
            ["resize", "/tmp/a", half + 1],
            ["resize", "/tmp/a", 1_u64 << 62],
            ["mkdir", "/tmp/d"],
            ["remove", "/tmp/b"],
            ["write", "/tmp/c", "x"],
            ["resize", "/tmp/a", 0],
            ["resize", "/tmp/a", SIZE - 4_096],
            ["resize", "/tmp/c", 4_097],
            ["length", "/tmp/a"],
        ]),
    );
    let expected =
        json!(["ok", "ok", WRITE_FAILED, 0, NO_SPACE, NO_SPACE, "ok", "ok", "ok", "ok", "ok", NO_SPACE, SIZE - 4_096,]);
    assert_eq!(did, expected);
    assert_eq!(steps(&edge, &json!([["read", "/tmp/c"]])), json!(["x"]));
    // What holes leave room for has no bound but that of names: a million empty files are too many.
    let did = steps(&edge, &json!([["clear", "/tmp/d"], ["many", "/tmp/f", 1_000_000], ["read", "/tmp/c"]]));
    assert_eq!(did, json!(["ok", 32_768 - 2, "x"]));
}

#[test]
fn what_is_on_disk_has_no_name_and_goes_with_the_instance() {
    let mut edge = start(SIZE);
    let (before, unnamed) = (files_below(edge.folder()), unnamed_files(&edge));
    assert_eq!(steps(&edge, &json!([["fill", "/tmp/small", 500_000]])), json!(["ok"]));
    assert_eq!(unnamed_files(&edge), unnamed, "a little needs no file");
    assert_eq!(steps(&edge, &json!([["fill", "/tmp/large", SIZE / 2], ["length", "/tmp/large"]])), json!(["ok", SIZE / 2]));
    assert_eq!(unnamed_files(&edge), unnamed + 1);
    let bytes =
        |files: &[(String, u64)]| files.iter().filter(|(path, _)| !path.ends_with("log")).map(|(_, len)| len).sum::<u64>();
    assert_eq!(bytes(&files_below(edge.folder())), bytes(&before), "no file has its name");
    // What was read back is what was written, from memory and from the disk.
    let did = steps(&edge, &json!([["append", "/tmp/large", "the end"], ["length", "/tmp/large"], ["clear", "/tmp"]]));
    assert_eq!(did[1], json!(SIZE / 2 + 7));
    assert_eq!(edge.get("/panic").status, 503);
    eventually("the file is gone with the instance", || unnamed_files(&edge) == unnamed);
    assert_eq!(steps(&edge, &json!([["fill", "/tmp/large", SIZE / 2]])), json!(["ok"]));
    edge.signal("KILL");
    edge.ended();
    assert_eq!(bytes(&files_below(edge.folder())), bytes(&before), "whatever becomes of the process");
}

/// A program for WASI 0.1 that writes until that fails, and tells the error's number.
const WRITER: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "file")
  ;; Two lists of one buffer.
  (data (i32.const 16) "\00\10\00\00" "\00\00\01\00")
  (data (i32.const 24) "\20\00\00\00" "\1c\00\00\00")
  (data (i32.const 32) "Content-Type: text/plain\n\n00")
  (func (export "_start") (local $error i32)
    ;; To create it, with the right to write.
    (local.set $error
      (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0)
        (i32.const 8)))
    (loop $more
      (if (i32.eqz (local.get $error)) (then
        (local.set $error (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 12)))
        (br $more))))
    (i32.store8 (i32.const 58) (i32.add (i32.const 48) (i32.div_u (local.get $error) (i32.const 10))))
    (i32.store8 (i32.const 59) (i32.add (i32.const 48) (i32.rem_u (local.get $error) (i32.const 10))))
    (drop (call $write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 12)))))"#;

#[test]
fn a_program_for_wasi_0_1_is_told_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("writer.wasm"), wat::parse_str(WRITER).unwrap()).unwrap();
    let limits = json!({ "ephemeral_storage_bytes": SIZE, "deadline_ms": 60_000, "cpu_us": 60_000_000 });
    let config = Config::new().function("writer", "writer.wasm").set("limits", limits);
    let edge = Edge::start_in(folder, config.service("writer", "writer").site("writer"));
    let answer = edge.get("/");
    // ENOSPC.
    assert_eq!((answer.status, answer.text().as_str()), (200, "51"), "{answer:?}\n{}", edge.log());
}
