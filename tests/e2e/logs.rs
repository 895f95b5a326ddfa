//! What is written down, and what is not: secrets never, and no line for each request that fails.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::harness::{Config, Edge, Origin, Reply, Says, Script, closed_port, component, edgeward, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn site(url: &str) -> Config {
    Config::new().origin("o", url).set("connect_attempts", 1).site("o")
}

/// The lines of the log about a request or an origin.
fn told(edge: &Edge) -> Vec<Value> {
    let lines = edge.log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line["target"] == "edgeward::edge").collect()
}

#[track_caller]
fn logged(edge: &Edge, lines: usize) -> Vec<Value> {
    eventually("each is logged", || edge.access_log().len() >= lines);
    edge.access_log()
}

/// `2026-11-26T19:30:00.123Z`
fn is_moment(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

#[test]
fn no_secret_is_in_any_log_or_trace() {
    let collector = Origin::echo();
    let origin =
        Origin::start(
            |seen| if seen.target.contains("/cut") { Reply::new(200, "0123456789").cut_at(3) } else { Reply::new(200, "") },
        );
    let config = Config::new()
        .table("tracing")
        .set("otlp_endpoint", collector.url())
        .function("trap", component("hostile-trap"))
        .with(site(&origin.url()))
        .behavior("/trap/*")
        .set("viewer_request", "trap");
    let mut edge = Edge::start_by_level("debug", tempfile::tempdir().unwrap(), &config);
    let headers = "Cookie: a=s3cr3t-cookie\r\nAuthorization: Bearer s3cr3t-token\r\n\
                   Referer: http://r/x?Policy=s3cr3t-policy&Signature=s3cr3t-signature&Key-Pair-Id=K\r\n";
    for target in ["/a", "/trap/a", "/cut", "/%ff"] {
        for query in ["Expires=1&Signature=s3cr3t-signature&Key-Pair-Id=K", "X-Amz-Signature=s3cr3t-amz", "sig=s3cr3t-sas&se=1"] {
            let mut client = edge.connect();
            client.send(format!("GET {target}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"));
            client.rest();
        }
    }
    let lines = logged(&edge, 12);
    assert_eq!((&lines[0]["cs-uri-query"], &lines[0]["cs(Referer)"]), (&"(signed)".into(), &"http://r/x?(signed)".into()));
    edge.signal("TERM");
    assert!(edge.ended().success());
    let spans: String = collector.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    assert!(spans.contains("/trap/a"), "{spans}");
    assert!(edge.log().contains("/trap/a"), "{}", edge.log());
    let access = std::fs::read_to_string(edge.folder().join("access.log")).unwrap();
    for text in [edge.log(), access, spans] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn a_line_says_which_origin_answered_how_long_it_took_and_what_was_tried_before() {
    let secondary = Origin::echo();
    let away = Config::new().function("f", component("spa-rewrite")).origin("one", format!("http://127.0.0.1:{}", closed_port()));
    let origins = away.set("connect_attempts", 1).origin("two", secondary.url()).fixed("fixed", "");
    let group = origins.table("origin_group.both").set("primary", "one").set("secondary", "two").set("status", [500]);
    let site = group.site("both").behavior("/fixed").set("origin", "fixed").set("viewer_request", "f");
    let edge = Edge::start(site);
    let mut client = edge.connect();
    for target in ["/1", "/2", "/none", "/fixed"] {
        client.request("GET", target, "www", "", b"");
    }
    let mut lines = logged(&edge, 4);
    let fixed = lines.remove(3);
    assert_eq!((&fixed["origin"], &fixed["function-calls"], &fixed["origin-failovers"]), (&"fixed".into(), &1.into(), &0.into()));
    assert!(fixed.get("origin-address").is_none() && fixed["function-time"].is_f64(), "{fixed}");
    let address = Value::from(secondary.address.to_string());
    for line in &lines {
        assert_eq!((&line["origin"], &line["origin-address"]), (&"two".into(), &address), "{line}");
        assert_eq!((&line["origin-tries"], &line["origin-failovers"]), (&1.into(), &1.into()), "{line}");
        assert!(line["origin-fbl"].as_f64() <= line["time-taken"].as_f64() && line["origin-fbl"].is_f64(), "{line}");
        assert!(is_moment(line["timestamp"].as_str().unwrap()), "{line}");
        assert!(line.get("cs(Cookie)").is_none());
    }
    assert!(lines[0]["origin-connect"].is_f64(), "{}", lines[0]);
    let told = told(&edge);
    assert!(told.iter().all(|line| is_moment(line["timestamp"].as_str().unwrap())), "{told:?}");
    // The primary's failure is told, whoever has answered then.
    assert_eq!(
        (&told[0]["origin"], &told[0]["site"], &told[0]["path"]),
        (&"one".into(), &"www".into(), &"/1".into()),
        "{told:?}"
    );
    assert_eq!((&told[0]["request_id"], &told[0]["category"]), (&lines[0]["x-edge-request-id"], &"origin-unreachable".into()));
    assert_eq!(edge.metric("edgeward_edge_origin_failovers_total{origin=\"one\"}"), 3.0);
    assert_eq!(edge.metric("edgeward_edge_origin_responses_total{origin=\"two\",status=\"2xx\"}"), 3.0);
}

#[test]
fn fields_are_chosen_and_a_reload_chooses_others() {
    let fields = json!({ "fields": ["sc-status", "cs(Cookie)", "cs-uri-query"], "signed_queries": true });
    let edge = Edge::start(site(&Script::saying(OK).url).server("access_log", fields));
    edge.get_with("/?Signature=x", "Cookie: a=1\r\n");
    logged(&edge, 1);
    let text = || std::fs::read_to_string(edge.folder().join("access.log")).unwrap();
    assert_eq!(text(), "{\"sc-status\":200,\"cs(Cookie)\":\"a=1\",\"cs-uri-query\":\"Signature=x\"}\n");
    edge.reconfigure(site(&Script::saying(OK).url).server("access_log", json!({ "fields": ["site"] })));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    edge.get("/");
    logged(&edge, 2);
    assert!(text().ends_with("\n{\"site\":\"www\"}\n"), "{}", text());
}

#[test]
fn an_unreachable_origin_is_logged_once_and_its_recovery_once() {
    const REQUESTS: usize = 300;
    let port = closed_port();
    let mut edge = Edge::start(site(&format!("http://127.0.0.1:{port}")));
    let mut client = edge.connect();
    for n in 0..REQUESTS {
        assert_eq!(client.request("GET", &format!("/{n}?a=b"), "www", "", b"").status, 502);
    }
    let lines = told(&edge);
    // A second one, if the machine took longer than an interval.
    assert!((1..=2).contains(&lines.len()), "{lines:#?}");
    let first = &lines[0];
    let said = ["level", "site", "origin", "path", "category"].map(|name| first[name].as_str().unwrap_or_default());
    assert_eq!(said, ["WARN", "www", "o", "/0", "origin-unreachable"], "{first}");
    assert_eq!(first["failures"], 1);
    let suppressed = edge.metric("edgeward_log_lines_suppressed_total{kind=\"origin-failure\"}");
    assert_eq!(suppressed, (REQUESTS - lines.len()) as f64);
    assert_eq!(edge.metric("edgeward_edge_origin_failures_total{origin=\"o\""), REQUESTS as f64, "each is counted");

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serving = Script::serving(listener, |_, _| Says::Answer(OK.into()));
    assert_eq!(edge.get("/back").status, 200);
    eventually("its return is told", || told(&edge).iter().any(|line| line["message"] == "the origin answers again"));
    let lines = told(&edge);
    let last = lines.last().unwrap();
    assert_eq!((&last["level"], &last["origin"], &last["failures"]), (&"INFO".into(), &"o".into(), &REQUESTS.into()), "{last}");
    drop(serving);
    edge.signal("TERM");
    assert!(edge.ended().success());
    assert_eq!(told(&edge).len(), lines.len(), "nothing is left to tell");
}

#[test]
fn what_was_kept_back_is_told_before_the_end() {
    let mut edge = Edge::start(site(&format!("http://127.0.0.1:{}", closed_port())));
    for n in 0..5 {
        edge.get(&format!("/{n}"));
    }
    edge.signal("TERM");
    assert!(edge.ended().success());
    eventually("a summary", || told(&edge).iter().any(|line| line["failures"] == 4));
    let lines = told(&edge);
    assert_eq!((lines.len(), &lines[1]["path"], &lines[1]["site"]), (2, &"/4".into(), &"www".into()), "{lines:#?}");
}

/// In an interval's time, without another request.
#[test]
fn the_last_failures_before_a_pause_are_summarized() {
    let edge = Edge::start(site(&format!("http://127.0.0.1:{}", closed_port())));
    for n in 0..4 {
        edge.get(&format!("/{n}"));
    }
    eventually("a summary", || told(&edge).iter().map(|line| line["failures"].as_u64().unwrap()).sum::<u64>() == 4);
    assert_eq!(told(&edge).len(), 2, "{}", edge.log());
}

#[test]
fn an_origin_that_breaks_off_and_a_hook_that_fails_have_one_line_each() {
    let cut = Arc::new(AtomicBool::new(true));
    let cuts = cut.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::new(200, "0123456789");
        if cuts.load(Relaxed) { reply.cut_at(3) } else { reply }
    });
    let edge = Edge::start(
        Config::new()
            .function("trap", component("hostile-trap"))
            .with(site(&origin.url()))
            .behavior("/trap/*")
            .set("viewer_request", "trap"),
    );
    for n in 0..20 {
        let mut client = edge.connect();
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        client.rest();
        assert_eq!(edge.get(&format!("/trap/{n}")).status, 503);
    }
    eventually("both are told", || told(&edge).len() >= 2);
    let suppressed = |kind: &str| edge.metric(&format!("edgeward_log_lines_suppressed_total{{kind=\"{kind}\"}}"));
    eventually("the rest is counted", || suppressed("origin-broke") == 19.0 && suppressed("hook-failure") == 19.0);
    let lines = told(&edge);
    let line = |category: &str| lines.iter().find(|line| line["category"] == category).unwrap_or_else(|| panic!("{lines:#?}"));
    let (broke, trap) = (line("response-broke"), line("trap"));
    assert_eq!((&broke["origin"], &broke["site"], &broke["path"]), (&"o".into(), &"www".into(), &"/0".into()), "{broke}");
    assert_eq!((&trap["function"], &trap["site"], &trap["path"]), (&"trap".into(), &"www".into(), &"/trap/0".into()), "{trap}");
    assert!(broke["request_id"].is_string() && trap["request_id"].is_string());
}

#[test]
fn a_function_that_writes_with_every_request_is_cut_short_and_counted() {
    let function = Config::new().function("f", component("hostile-log-huge-line"));
    let edge = Edge::start(function.fixed("o", "").site("o").set("viewer_request", "f"));
    let mut client = edge.connect();
    for _ in 0..1_200 {
        client.request("GET", "/", "www", "", b"");
    }
    let suppressed = || edge.metric("edgeward_log_lines_suppressed_total{kind=\"function-log\"}");
    eventually("some are left out", || suppressed() > 0.0);
}

#[test]
fn a_field_that_there_is_not_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        format!("[server]\nhttp = [\"127.0.0.1:0\"]\naccess_log = {{ fields = [\"sc-statsu\"] }}\n{}", site("http://a").tables());
    std::fs::write(folder.path().join("edge.toml"), config).unwrap();
    let mut command = edgeward();
    let output = command.args(["check", "edge.toml"]).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("edge.toml:3:26") && said.contains("did you mean `sc-status`?"), "{said}");
}
