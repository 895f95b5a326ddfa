//! Components as other platforms and toolchains make them, and where they may go.

use std::io::Write as _;
use std::net::TcpListener;

use crate::harness::{Edge, Origin, Reply, closed_port, component, eventually};

/// An edge whose only site is this component.
fn serving(guest: &str, settings: &str) -> Edge {
    let component = component(guest);
    Edge::start(&format!(
        "[function.service]\ncomponent = {component:?}\n{settings}\n[origin.app]\ncomponent = \"service\"\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"app\"\n"
    ))
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
    let address = serving("service-p2", &format!("network = [\"127.0.0.1:{port}\"]"));
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
fn an_authority_that_could_be_read_twice_goes_nowhere() {
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
    let edge = serving("service-p2", &format!("network = [\"{}\"]", origin.address));
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
    let edge = serving("service-p2", &format!("network = [\"localhost:{port}\", \"*.invalid:{port}\"]"));
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
        client.send(&format!("200\r\n{}\r\n", "x".repeat(512)));
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
            let echo = raw(&edge, "POST", "/echo", &body[..bytes]);
            assert_eq!(echo.ends_with("0\r\n\r\n"), whole, "{service}: {bytes}");
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
    let config = format!(
        "[key_value_store.settings]\nfile = \"store.json\"\n[function.service]\ncomponent = {component:?}\nkey_value_store = \"settings\"\nenvironment = {{ MODE = \"strict\", api_key = \"k\" }}\n[origin.app]\ncomponent = \"service\"\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"app\"\n"
    );
    Edge::start_in(folder, "", &config)
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
    let edge = Edge::start(&format!(
        "[function.service]\ncomponent = {component:?}\nlimits = {{ host_calls = 100 }}\n[origin.app]\ncomponent = \"service\"\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"app\"\n"
    ));
    assert_eq!(edge.get("/flood?50").status, 200);
    assert_eq!(edge.get("/flood?100").status, 503);
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"service\",result=\"limit:host_calls\"}"), 1.0);
}
