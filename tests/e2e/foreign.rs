//! Components as other platforms and toolchains make them, and where they may go.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::json;

use crate::harness::{Config, Edge, Origin, Reply, closed_port, component, edgeward, eventually};

/// An edge whose only site is this component.
fn serving(guest: &str, settings: impl Into<Config>) -> Edge {
    let component = component(guest);
    Edge::start(Config::new().function("service", component).with(settings).service("app", "service").site("app"))
}

/// The whole of what comes back, even where it breaks off.
fn raw(edge: &Edge, method: &str, target: &str, body: &[u8]) -> String {
    let mut client = edge.connect();
    let length = body.len();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: www\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"));
    client.send(body);
    client.rest()
}

#[test]
fn a_service_goes_where_it_is_granted_however_the_host_is_written() {
    let origin = Origin::start(|seen| Reply::new(200, format!("{} {}", seen.target, seen.header("host"))));
    let port = origin.address.port();
    // Any name at any port, and no address.
    let names = serving("service-p2", "network = [\"*:*\", \"*.*:*\", \"*.*.*.*:*\"]");
    let address = serving("service-p2", Config::new().set("network", [format!("127.0.0.1:{port}")]));
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"]
    {
        let target = format!("/send?{host}:{port},/a?b=c");
        let denied = names.get(&target).text();
        assert_eq!(denied, "error: ErrorCode::HttpRequestDenied", "{host}");
        assert_eq!(address.get(&target).text(), format!("200 /a?b=c 127.0.0.1:{port}"), "{host}");
    }
    assert_eq!(names.metric("edgeward_function_egress_total{function=\"service\",result=\"not-granted\"}"), 8.0);
    assert_eq!(origin.seen().len(), 8);
}

#[test]
fn an_ambiguous_authority_is_not_connected_to() {
    let origin = Origin::start(|seen| Reply::new(200, format!("{} {}", seen.target, seen.header("host"))));
    let port = origin.address.port();
    let edge = serving("service-p2", "network = [\"127.0.0.1:*\", \"localhost:*\"]");
    for authority in [
        format!("user@127.0.0.1:{port}"),
        format!("127.0.0.1:+{port}"),
        format!("localhost:{port}@127.0.0.1:{port}"),
        "127.0.0.1:0".to_owned(),
    ] {
        let told = edge.get(&format!("/send?{authority},/")).text();
        assert!(told.starts_with("error: "), "{authority}: {told}");
    }
    assert!(origin.seen().is_empty());
    // What has one meaning is written in one way.
    assert_eq!(edge.get(&format!("/send?LOCALHOST.:0{port},/x")).text(), format!("200 /x localhost:{port}"));
}

#[test]
fn an_empty_path_goes_out_as_a_slash() {
    let origin = Origin::start(|seen| Reply::new(200, seen.target.clone()));
    let edge = serving("service-p2", Config::new().set("network", [origin.address.to_string()]));
    for (path, sent) in [("", "/"), ("?a=b", "/?a=b"), ("/", "/"), ("-", "/"), ("/x?", "/x?")] {
        assert_eq!(edge.get(&format!("/send?{},{path}", origin.address)).text(), format!("200 {sent}"), "`{path}`");
    }
}

#[test]
fn a_raw_socket_resolves_granted_names_and_is_told_of_all_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"220 ready\n");
        }
    });
    let edge = serving("service-p2", Config::new().set("network", [format!("localhost:{port}"), format!("*.invalid:{port}")]));
    assert_eq!(edge.get(&format!("/connect?localhost:{port}")).text(), "220 ready\n");
    // The address was not granted, the name was not asked for.
    let address = edge.get(&format!("/connect?127.0.0.1:{port}")).text();
    assert!(address.starts_with("error: "), "{address}");
    let other_port = edge.get(&format!("/connect?localhost:{}", closed_port())).text();
    assert!(other_port.starts_with("error: "), "{other_port}");
    let denied = edge.get("/connect?db.example.com:5432").text();
    assert!(denied.starts_with("error: "), "{denied}");
    let told = "network: db.example.com is granted at no port, and not resolved; granted: localhost:";
    eventually("the log has it", || edge.log().contains(told));
}

#[test]
fn an_upload_in_many_small_parts_whose_handles_are_kept_is_taken() {
    let edge = serving("service-p2", "");
    let mut client = edge.connect();
    client.send("POST /keep HTTP/1.1\r\nHost: www\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..1_100 {
        client.send(format!("200\r\n{}\r\n", "x".repeat(512)));
    }
    client.send("0\r\n\r\n");
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.status, answer.text().split(' ').next()), (200, Some("563200")), "{answer:?}");
    // The limit is still one.
    let limited = serving("service-p2", "limits = { handles = 100 }");
    let over = limited.request("POST", "/keep", "", &vec![b'x'; 512 * 200]);
    assert_eq!(over.status, 503, "{over:?}");
    assert_eq!(limited.metric("edgeward_function_calls_total{function=\"service\",result=\"limit:handles\"}"), 1.0);
}

#[test]
fn a_body_streams_without_a_bound_until_one_is_set() {
    for service in ["service-p2", "service-p3"] {
        let body: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let echo = serving(service, "").request("POST", "/echo", "", &body);
        assert!(echo.status == 200 && echo.body == body, "{service}: {} bytes", echo.body.len());
        for (bytes, whole) in [(99_999, true), (100_000, true), (100_001, false), (3_000_000, false)] {
            let edge = serving(service, "limits = { stream_bytes = 100000 }");
            let echo = raw(&edge, "POST", "/echo", &vec![b'#'; bytes]);
            assert_eq!(echo.matches('#').count() == bytes, whole, "{service}: {bytes}");
            // Just over it, the guest may have ended well before the last byte is on its way.
            if bytes != 100_001 {
                let result = if whole { "ok" } else { "limit:stream_bytes" };
                let ended = format!("edgeward_function_calls_total{{function=\"service\",result=\"{result}\"}}");
                edge.wait_for_metric(&ended, 1.0);
            }
        }
    }
}

/// An edge with the guest of all these interfaces, and a store of 1,500 keys.
fn platforms() -> Edge {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<String> = (0..1_500).map(|n| format!("\"k{n:04}\": \"value {n}\"")).collect();
    std::fs::write(folder.path().join("store.json"), format!("{{{}}}", pairs.join(", "))).unwrap();
    let component = component("service-platforms");
    let config = Config::new()
        .table("key_value_store.settings")
        .set("file", "store.json")
        .function("service", component)
        .set("key_value_store", "settings")
        .set("environment", json!({ "MODE": "strict", "api_key": "k" }))
        .service("app", "service")
        .site("app");
    Edge::start_in(folder, &config)
}

#[test]
fn settings_of_other_platforms_are_the_functions_environment() {
    let edge = platforms();
    assert_eq!(edge.get("/config?MODE").text(), "Ok(Some(\"strict\"))\nOk(2)\n");
    assert_eq!(edge.get("/config?NONE").text(), "Ok(None)\nOk(2)\n");
    assert_eq!(edge.get("/variable?api_key").text(), "Ok(\"k\")\n");
    assert!(edge.get("/variable?none").text().starts_with("Err(Error::Undefined("));
}

#[test]
fn key_value_stores_of_other_platforms_are_the_functions_store_to_be_read() {
    let edge = platforms();
    for store in ["", "default", "settings"] {
        assert_eq!(
            edge.get(&format!("/draft?{store},k0007")).text(),
            "get Some(\"value 7\")\nexists true\nkeys 1000 then 500\nbeyond Err(Error::Other(\"no cursor goes beyond 100000 keys; those of wasi:keyvalue@0.2.0-draft2 do\"))\nset Err(Error::AccessDenied)\ndelete Err(Error::AccessDenied)\nincrement Err(Error::AccessDenied)\nget-many 1\nset-many Err(Error::AccessDenied)\ndelete-many Err(Error::AccessDenied)\n"
        );
        assert_eq!(
            edge.get(&format!("/draft2?{store},k0007")).text(),
            "get Some(\"value 7\")\nexists true\nkeys 1000 then 500\nset Err(Error::AccessDenied)\ndelete Err(Error::AccessDenied)\nincrement Err(Error::AccessDenied)\ncurrent Some(\"value 7\")\nswap true\nget-many 1\nget-too-many Err(Error::Other(\"at most 1000 keys at once\"))\nset-many Err(Error::AccessDenied)\ndelete-many Err(Error::AccessDenied)\n"
        );
        assert_eq!(
            edge.get(&format!("/spin?{store},k0007")).text(),
            "get Some(\"value 7\")\nexists true\nkeys 1500\nset Err(Error::AccessDenied)\ndelete Err(Error::AccessDenied)\n"
        );
    }
    for path in ["/draft?other,k", "/draft2?other,k", "/spin?other,k"] {
        assert_eq!(edge.get(path).text(), "Error::NoSuchStore\n", "{path}");
    }
    assert!(edge.get("/draft?settings,none").text().starts_with("get None\nexists false\n"));
}

#[test]
fn logs_of_other_platforms_are_the_functions_log() {
    let edge = platforms();
    assert_eq!(edge.get("/log?as-it-is").status, 200);
    eventually("the log has it", || edge.log().contains("warn: here: as-it-is\\ncritical: as-it-is"));
}

#[test]
fn calls_of_those_interfaces_are_counted() {
    let component = component("service-platforms");
    let edge = Edge::start(
        Config::new()
            .function("service", component)
            .set("limits", json!({ "host_calls": 100 }))
            .service("app", "service")
            .site("app"),
    );
    assert_eq!(edge.get("/flood?50").status, 200);
    assert_eq!(edge.get("/flood?100").status, 503);
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"service\",result=\"limit:host_calls\"}"), 1.0);
}

/// Programs of the CGI kind.
const PROGRAMS: [&str; 1] = ["service-cgi"];

#[test]
fn a_program_answers_as_cgi() {
    for program in PROGRAMS {
        let edge = serving(program, "environment = { MODE = \"strict\" }");
        let body: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let echo = edge.request("POST", "/echo", "", &body);
        assert_eq!((echo.status, echo.header("x-method"), echo.header("x-length")), (200, "POST", "300000"), "{program}");
        assert!(echo.body == body, "{program}: {} bytes", echo.body.len());

        let environment = edge.get_with("/env?a=%20b", "X-One: 1\r\nX-One: 2\r\nProxy: http://evil\r\nCookie: a=1\r\n").text();
        let lines: Vec<&str> = environment.lines().collect();
        for line in [
            "MODE=strict",
            "GATEWAY_INTERFACE=CGI/1.1",
            "REQUEST_METHOD=GET",
            "PATH_INFO=/env",
            "QUERY_STRING=a=%20b",
            "SERVER_NAME=www.example.com",
            "SERVER_PORT=80",
            "REMOTE_ADDR=127.0.0.1",
            "HTTP_X_ONE=1, 2",
            "HTTP_COOKIE=a=1",
        ] {
            assert!(lines.contains(&line), "{program}: {line} is not in\n{environment}");
        }
        assert!(!environment.contains("evil"), "{environment}");

        assert_eq!(edge.get("/status?418").status, 418, "{program}");
        let redirect = edge.get("/redirect");
        assert_eq!((redirect.status, redirect.header("location")), (302, "/env"), "{program}");
        assert_eq!(edge.get("/none").status, 404, "{program}");
        let lines = edge.get("/lines?5000").text();
        assert_eq!((lines.lines().count(), lines.lines().last()), (5_000, Some("line 4999")), "{program}");
    }
}

#[test]
fn each_request_runs_a_program_anew() {
    for program in PROGRAMS {
        let edge = serving(program, "policy = { reuse = { max_calls = 100 } }");
        for _ in 0..5 {
            assert_eq!(edge.get("/count").text(), "1\n", "{program}");
        }
    }
}

#[test]
fn a_program_that_fails_is_told_from_one_that_answers() {
    for program in PROGRAMS {
        let edge = serving(program, "");
        // WASI 0.2 tells whether it went well, and no number.
        assert_eq!(edge.get("/exit?3").status, 503, "{program}");
        eventually("the log has it", || edge.log().contains("it exited with status 1"));
        // Well, but without an answer.
        let silent = edge.get("/exit?0");
        assert_eq!(silent.status, 502, "{program}: {silent:?}");
        let plain = edge.get("/plain");
        assert_eq!(plain.status, 502, "{program}: {plain:?}");
        let rest = raw(&edge, "GET", "/torn", b"");
        let torn = rest.starts_with("HTTP/1.1 200") && !rest.ends_with("0\r\n\r\n");
        assert!(rest.starts_with("HTTP/1.1 503") || torn || rest.is_empty(), "{program}: {rest:?}");
        assert_eq!(edge.get("/count").text(), "1\n", "{program}: after all that");
    }
}

#[test]
fn a_program_keeps_its_limits() {
    for program in PROGRAMS {
        let edge = serving(program, "limits = { cpu_us = 1000 }");
        let cut = raw(&edge, "GET", "/lines?10000000", b"");
        assert!(!cut.ends_with("0\r\n\r\n"), "{program}: {} bytes", cut.len());
        edge.wait_for_metric("edgeward_function_calls_total{function=\"service\",result=\"limit:cpu_us\"}", 1.0);
        let edge = serving(program, "limits = { stream_bytes = 1000 }");
        assert_eq!(edge.get("/lines?1").text(), "line 0\n", "{program}");
        let cut = raw(&edge, "GET", "/lines?10000", b"");
        assert!(!cut.ends_with("0\r\n\r\n"), "{program}: {} bytes", cut.len());
        edge.wait_for_metric("edgeward_function_calls_total{function=\"service\",result=\"limit:stream_bytes\"}", 1.0);
    }
}

/// A core module for WASI 0.1: says a head, then what comes from stdin. It ends with an error if its environment is
/// too small to be a request's.
const WASI_0_1: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (data (i32.const 1024) "Content-Type: text/plain\n\n")
    (func $say (param $at i32) (param $bytes i32)
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $bytes))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 9))))
      (if (i32.lt_u (i32.load (i32.const 8)) (local.get $bytes))
        (then (call $say
          (i32.add (local.get $at) (i32.load (i32.const 8)))
          (i32.sub (local.get $bytes) (i32.load (i32.const 8)))))))
    (func (export "_start")
      (drop (call $sizes (i32.const 16) (i32.const 20)))
      (if (i32.lt_u (i32.load (i32.const 16)) (i32.const 10)) (then (call $exit (i32.const 8))))
      (call $say (i32.const 1024) (i32.const 26))
      (loop
        (i32.store (i32.const 0) (i32.const 65536))
        (i32.store (i32.const 4) (i32.const 4096))
        (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 7))))
        (if (i32.load (i32.const 8))
          (then
            (call $say (i32.const 65536) (i32.load (i32.const 8)))
            (br 1))))))"#;

#[test]
fn a_core_module_for_wasi_0_1_is_adapted_on_the_way_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.wasm"), wat::parse_str(WASI_0_1).unwrap()).unwrap();
    let config = Config::new().function("program", "program.wasm").service("app", "program").site("app");
    let edge = Edge::start_in(folder, config);
    let body = "0123456789".repeat(20_000);
    let echo = edge.request("POST", "/", "", body.as_bytes());
    assert_eq!((echo.status, echo.header("content-type")), (200, "text/plain"));
    assert!(echo.text() == body, "{} bytes", echo.body.len());
    for arguments in [["inspect", "program.wasm"].as_slice(), &["check", "edge.toml"]] {
        let output = edgeward().args(arguments).current_dir(edge.folder()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(arguments[0] == "check" || told.contains("CGI program"), "{told}");
    }
}

#[test]
fn header_maps_that_are_held_count_as_memory() {
    let limits = "memory_bytes = 33554432, cpu_us = 60000000, host_calls = 10000000";
    let edge = serving("service-p2", format!("limits = {{ {limits} }}"));
    // 5 MB, and ten times as much.
    assert_eq!(edge.get("/hoard?100,200").text(), "100 held\n");
    let over = edge.get("/hoard?1000,200");
    assert_eq!(over.status, 503, "{over:?}");
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"service\",result=\"limit:memory_bytes\"}"), 1.0);
    assert_eq!(edge.get("/hoard?100,200").text(), "100 held\n");
}

/// A program that imports this.
fn importing(interface: &str) -> Vec<u8> {
    let text = format!(
        r#"(component (import "{interface}" (instance))
          (core module $m (func (export "run") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $r (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $r)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn what_is_known_and_not_served_is_refused_with_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new().function("program", "program.wasm").service("app", "program").site("app");
    std::fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
    for (interface, remedy) in [
        ("fermyon:spin/sqlite@2.0.0", "databases are reached by wasi:sockets"),
        ("wasi:http/types@0.3.0-rc-2026-02-09", "a release candidate of WASI 0.3: build it with tools for 0.3.0"),
        ("wasi:keyvalue/store@0.3.0", "another version than those that are offered"),
    ] {
        std::fs::write(folder.path().join("program.wasm"), importing(interface)).unwrap();
        for arguments in [["inspect", "program.wasm"].as_slice(), &["check", "edge.toml"], &["serve", "-c", "edge.toml"]] {
            let output = edgeward().args(arguments).current_dir(folder.path()).output().unwrap();
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8_lossy(&told);
            assert!(told.contains(interface) && told.contains(remedy), "{arguments:?}: {told}");
        }
    }
}
