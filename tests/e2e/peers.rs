//! What clients, origins and other edges may do wrong without harm to anybody else, and who is blamed for it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use crate::harness::{Client, Config, Edge, Origin, PATIENCE, Reply, Says, Script, closed_port, component, edgeward, get};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn site(url: &str) -> Config {
    Config::new().origin("o", url).set("read_timeout_s", 1).site("o")
}

/// A site whose origin is away, with a page for that at `pages`.
fn away(pages: &str) -> Config {
    Config::new()
        .origin("away", format!("http://127.0.0.1:{}", closed_port()))
        .set("connect_attempts", 1)
        .origin("pages", pages)
        .site("away")
        .behavior("/err/*")
        .set("origin", "pages")
        .error_page(502)
        .set("path", "/err/502.html")
}

fn values(seen: &crate::harness::Seen, name: &str) -> Vec<String> {
    seen.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
}

#[test]
fn edges_that_serve_each_others_error_pages_do_not_loop() {
    let one = Edge::start(away("http://127.0.0.1:1/app"));
    let other = Edge::start(away(&format!("http://{}/app", one.http())));
    one.reconfigure(away(&format!("http://{}/app", other.http())));
    one.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    assert_eq!(one.get("/x").status, 508);
    assert_eq!(one.metric("edgeward_edge_refusals_total{reason=\"loop\"}"), 1.0);
    assert_eq!((one.metric("edgeward_net_requests_total"), other.metric("edgeward_net_requests_total")), (2.0, 1.0));
}

#[test]
fn what_the_edge_asks_for_by_itself_says_where_the_request_has_been() {
    let pages = Origin::echo();
    let edge = Edge::start(away(&pages.url()));
    for target in ["/err/direct", "/x"] {
        edge.get_with(target, "CDN-Loop: other.example\r\nVia: 1.1 other.example\r\nCookie: a=1\r\n");
        let (passed, via) = (values(&pages.last(), "cdn-loop"), values(&pages.last(), "via"));
        assert_eq!((passed.len(), &*passed[0], via.len(), &*via[0]), (2, "other.example", 2, "1.1 other.example"), "{target}");
    }
    assert!(!pages.last().has("cookie"));
}

#[test]
fn what_a_function_asks_for_says_where_the_request_has_been() {
    let (origin, database) = (Origin::echo(), Origin::start(|_| Reply::new(200, "{}")));
    let at = database.address.to_string();
    let function =
        Config::new().function("f", component("http-lookup")).set("network", [&at]).set("environment", json!({ "DATABASE": at }));
    let edge = Edge::start(site(&origin.url()).set("origin_request", "f").with(function));
    edge.get_with("/products/7", "CDN-Loop: other.example\r\nVia: 1.1 other.example\r\n");
    let passed = values(&database.last(), "cdn-loop");
    assert!(passed.len() == 2 && passed.contains(&"other.example".to_owned()), "{passed:?}");
    assert!(values(&database.last(), "via").contains(&"1.1 other.example".to_owned()));
}

#[test]
fn a_page_is_not_waited_for_when_its_client_has_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let edge = Edge::start(away(&format!("http://{}", listener.local_addr().unwrap())));
    let mut client = edge.connect();
    client.send("GET /x HTTP/1.1\r\nHost: www\r\n\r\n");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = [0; 4_096];
    assert!(stream.read(&mut head).unwrap() > 0);
    drop(client);
    assert_eq!(stream.read(&mut head).unwrap(), 0, "the edge goes, too");
}

#[test]
fn a_client_that_pauses_in_its_upload_has_its_own_time() {
    let origin = Script::start(|request, _| match request.starts_with("GET /silent ") {
        true => Says::Silence,
        false => Says::Answer(OK.into()),
    });
    let edge = Edge::start(site(&origin.url));
    let chunked = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let uploads: Vec<(Client, &str, &str)> = [
        ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello".to_owned(), "hello"),
        ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n".to_owned(), "hello"),
        (format!("{chunked}5\r\nhello\r\n"), "0\r\n\r\n"),
        (format!("{chunked}5;a"), "b\r\nhello\r\n0\r\n\r\n"),
        (format!("{chunked}5\r\nhello\r\n0\r\nX: "), "a\r\n\r\n"),
    ]
    .into_iter()
    .map(|(first, rest)| {
        let mut client = edge.connect();
        client.send(&first);
        (client, first.leak() as &str, rest)
    })
    .collect();
    // The origin's time passes twice.
    for _ in 0..2 {
        assert_eq!(edge.get("/silent").status, 504);
    }
    for (mut client, first, rest) in uploads {
        client.send(rest);
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{first:?}");
    }
    assert_eq!(edge.metric("edgeward_edge_origin_failures_total"), 2.0);
}

#[test]
fn an_origin_that_has_a_whole_upload_is_waited_for_no_longer_than_its_time() {
    let origin = Script::start(|_, _| Says::Silence);
    let edge = Edge::start(site(&origin.url));
    let mut client = edge.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer(false).unwrap().status, 504);
}

#[test]
fn all_cache_control_fields_of_a_response_count() {
    for mode in ["standards", "cloudfront"] {
        for (said, name) in [
            ("Cache-Control: private, no-store", "Cache-Control"),
            ("Cache-Control: max-age=60\r\nSet-Cookie: id=1", "Set-Cookie"),
            ("Cache-Control: max-age=60\r\nVary: *", "Vary"),
            ("Expires: Thu, 01 Jan 1970 00:00:00 GMT", "Expires"),
        ] {
            if mode == "cloudfront" && !name.starts_with("Cache") && name != "Expires" {
                continue;
            }
            let origin = Script::saying(&format!(
                "HTTP/1.1 200 OK\r\n{said}\r\nConnection: keep-alive, {name}\r\nContent-Length: 2\r\n\r\nok"
            ));
            let policy =
                Config::new().set("cache_policy", "p").table("cache_policy.p").set("mode", mode).set("default_ttl_s", 60);
            let edge = Edge::start(site(&origin.url).with(policy));
            for asked in 1..=2 {
                assert_eq!(edge.get("/a").text(), "ok");
                assert_eq!(origin.asked().len(), asked, "{mode} {said}");
            }
        }
    }
}

#[test]
fn what_connection_names_is_removed_whatever_else_it_names() {
    let origin = Script::start(|request, _| {
        let hop = request.to_ascii_lowercase().contains("\r\nx-hop");
        let head = format!("HTTP/1.1 200 OK\r\nX-Hop: 1\r\nX-Arrived: {hop}\r\nConnection: x-hop, ");
        Says::Answer([head.as_bytes(), b"\xe9\r\nContent-Length: 0\r\n\r\n"].concat())
    });
    let edge = Edge::start(site(&origin.url));
    let mut client = edge.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: x-hop, \xe9\r\n\r\n");
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.header("x-arrived"), answer.header("x-hop")), ("false", ""));
}

#[test]
fn a_change_invalidates_stored_responses_of_its_own_host_only() {
    let origin = Origin::start(|_| Reply::new(200, "ok").header("cache-control", "max-age=60"));
    let start = |host: bool| {
        Edge::start(
            Config::new()
                .origin("o", origin.url())
                .table("cache_policy.p")
                .set("mode", "standards")
                .set("host", host)
                .site_named("s", "*.s.test", "o")
                .set("cache_policy", "p"),
        )
    };
    for keyed in [true, false] {
        let edge = start(keyed);
        let hits = |host: &str| get(edge.http(), host, "/inv", "").header("x-cache").starts_with("Hit");
        for host in ["blue.s.test", "red.s.test"] {
            hits(host);
        }
        assert!(hits("blue.s.test") && hits("red.s.test"));
        assert_eq!(edge.connect().request("POST", "/inv", "RED.s.test", "", b"x").status, 200);
        assert_eq!((hits("red.s.test"), keyed), (false, keyed));
        // Where the host is not in the key, there is one for all.
        assert!(hits("blue.s.test"));
        let asked = origin.seen().iter().filter(|seen| seen.method == "GET").count();
        assert_eq!(asked, if keyed { 3 } else { 5 }, "{keyed}");
    }
}

#[test]
fn options_go_as_far_as_they_may() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url).set("allowed_methods", ["GET", "HEAD", "OPTIONS"]));
    let mut client = edge.connect();
    for (said, onwards) in [("5", "4"), ("1", "0"), ("x", "x")] {
        assert_eq!(client.request("OPTIONS", "/a", "t.test", &format!("Max-Forwards: {said}\r\n"), b"").status, 200);
        assert!(origin.last().contains(&format!("\r\nmax-forwards: {onwards}\r\n")), "{}", origin.last());
    }
    let before = origin.asked().len();
    for target in ["/a", "*"] {
        let own = client.request("OPTIONS", target, "t.test", "Max-Forwards: 0\r\n", b"");
        assert_eq!((own.status, own.header("allow")), (204, "GET, HEAD, OPTIONS"), "{own:?}");
    }
    assert_eq!(origin.asked().len(), before);
    // Of other methods it says nothing.
    assert_eq!(edge.get_with("/a", "Max-Forwards: 0\r\n").status, 200);
}

#[test]
fn an_invalid_websocket_handshake_is_refused_as_a_client_error() {
    let origin = Script::saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    let edge = Edge::start(site(&origin.url));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (headers, status) in [
        ("Sec-WebSocket-Version: 13\r\n".to_owned(), 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \r\n".to_owned(), 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n".to_owned(), 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: no base64!\r\n".to_owned(), 400),
        (format!("Sec-WebSocket-Version: 13\r\n{key}{key}"), 400),
        (key.to_owned(), 426),
        (format!("Sec-WebSocket-Version: 8\r\n{key}"), 426),
    ] {
        let answer = edge.get_with("/ws", &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{headers}"));
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
        if status == 426 {
            assert_eq!((answer.header("sec-websocket-version"), answer.header("upgrade")), ("13", "websocket"));
        }
    }
    assert!(origin.asked().is_empty());
    assert_eq!(edge.metric("edgeward_edge_origin_failures_total"), 0.0);
}

#[tokio::test]
async fn what_http2_forbids_is_refused() {
    use http_body_util::Empty;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    let stream = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (headers, status) in
        [(&[("x", "a b")][..], 200), (&[("x", " v")], 400), (&[("x", "v\t")], 400), (&[("host", "a"), ("host", "b")], 400)]
    {
        let mut request = http::Request::get("http://a/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{headers:?}");
    }
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn what_is_of_one_connection_is_not_forwarded() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    assert_eq!(edge.get_with("/", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n").status, 200);
    assert!(!origin.last().contains("http2-settings"), "{}", origin.last());
}

#[test]
fn a_port_is_a_number_that_a_port_can_be() {
    let edge = Edge::start(site(&Script::saying(OK).url));
    for (host, status) in [("a:65535", 200), ("a:65536", 400), ("a:99999", 400)] {
        assert_eq!(get(edge.http(), host, "/", "").status, status, "{host}");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 5\r\n\r\n";
    let origin = Script::start(move |request, _| {
        Says::Answer(match request {
            _ if request.starts_with("GET /205 ") => "HTTP/1.1 205 Reset Content\r\nContent-Length: 4\r\n\r\nbody".into(),
            _ => format!("{hint}{OK}").into_bytes(),
        })
    });
    let edge = Edge::start(site(&origin.url));
    let mut client = edge.connect();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    let hinted = client.answer(true).unwrap();
    assert_eq!((hinted.status, hinted.header("link"), hinted.header("content-length")), (103, "</a.css>", ""));
    assert_eq!(client.answer(false).unwrap().text(), "ok");
    let reset = client.request("GET", "/205", "a", "", b"");
    assert_eq!((reset.status, reset.header("content-length"), reset.body.len()), (205, "0", 0), "{reset:?}");
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer(true).unwrap().status, 103, "the connection goes on");
}

#[test]
fn an_answer_that_breaks_off_is_502_or_cut_but_never_nothing() {
    let origin = Script::start(|request, _| {
        let framing = if request.contains("chunked ") { "Transfer-Encoding: chunked" } else { "Content-Length: 10" };
        let body = match request {
            _ if request.contains("/bare") => "",
            _ if request.contains("chunked ") => "5\r\nhello\r\n",
            _ => "hello",
        };
        Says::Answer(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{framing}\r\n\r\n{body}").into_bytes())
    });
    let edge = Edge::start(site(&origin.url));
    let said = |target: &str| {
        let mut client = edge.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        client.rest()
    };
    for target in ["/bare", "/bare-chunked", "/part", "/part-chunked"] {
        // Whether the end of the connection comes with the head or after it is the network's choice.
        let said = said(target);
        let cut = said.starts_with("HTTP/1.1 200 OK\r\n") && !said.ends_with("0\r\n\r\n");
        let refused = said.starts_with("HTTP/1.1 502 ");
        assert!(refused && target.contains("bare") || cut, "{target}: {said:?}");
        assert!(cut == said.contains("hello") || target.contains("bare"), "{target}: {said:?}");
    }
}

#[test]
fn a_check_tells_what_a_start_would_fail_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("file")).unwrap().write_all(b"x").unwrap();
    let site = Config::new().origin("o", "http://127.0.0.1:1").site_named("s", "*", "o").tables();
    let disk = |folder: &str| format!("{site}[cache.disk]\nfolder = {folder:?}\nbytes = 67108864\n");
    for (server, rest, told) in [
        ("data_dir = \"file\"", site.to_owned(), "cannot store anything in `file`: it is not a folder"),
        ("data_dir = \"file/data\"", site.to_owned(), "cannot store anything in `file/data`: not a folder"),
        ("data_dir = \"new/data\"", site.to_owned(), ""),
        ("", disk("file"), "cannot store anything in `file`: it is not a folder"),
        ("", disk("new"), ""),
        ("https = []\nadmin = \"0.0.0.0:21300\"", site.to_owned(), "0.0.0.0:21300 listens on 127.0.0.1:21300 already"),
        ("admin = \"[::]:21300\"", site.to_owned(), ""),
        ("edge_location = \"(x\"", site.to_owned(), "`edge_location` is not valid in a header"),
        ("edge_location = \"a,b\"", site.to_owned(), "`edge_location` is not valid in a header"),
    ] {
        let config = format!("[server]\nhttp = [\"127.0.0.1:21300\"]\n{server}\n{rest}");
        std::fs::write(folder.path().join("edge.toml"), config).unwrap();
        let output = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!((output.status.success(), said.contains(told)), (told.is_empty(), true), "{server} {rest}: {said}");
    }
}
