//! The admin port: who is let in, and that what it says stays one line.

use std::process::Stdio;

use crate::harness::{Client, Config, Edge, edgeward, eventually};

fn site() -> Config {
    Config::new().fixed("o", "").site("o")
}

/// Host and further header lines, each ending in CRLF.
fn status(edge: &Edge, method: &str, path: &str, host: &str, headers: &str) -> u16 {
    let admin = edge.admin_address().parse().unwrap();
    Client::connect(admin).request(method, path, host, headers, b"").status
}

fn edge_with(config: Config) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    Edge::start_in(folder, config)
}

#[test]
fn a_page_of_another_site_can_neither_drain_the_edge_nor_read_its_metrics() {
    let edge = edge_with(site());
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let all = format!("Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n{form}");
    assert_eq!(status(&edge, "POST", "/drain", "evil.example", &all), 421);
    assert_eq!(status(&edge, "POST", "/drain", "localhost", &all), 403);
    assert_eq!(status(&edge, "POST", "/drain", "localhost", "Origin: http://evil.example\r\n"), 403);
    assert_eq!(status(&edge, "POST", "/drain", "localhost", "Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(status(&edge, "POST", "/drain", "localhost", form), 415);
    for path in ["/metrics", "/config/functions", "/cache", "/readyz", "/none"] {
        // A name that its owner points to us: the browser takes the answer for that site's own.
        assert_eq!(status(&edge, "GET", path, "rebound.evil.example:9090", ""), 421, "{path}");
        assert_eq!(status(&edge, "GET", path, "localhost:9090", "Sec-Fetch-Site: same-site\r\n"), 403, "{path}");
    }
    let purge = "Content-Type: application/json\r\nOrigin: null\r\n";
    assert_eq!(status(&edge, "POST", "/cache/purges", "127.0.0.1", purge), 403);
    assert_eq!(edge.admin("/readyz").status, 200, "nothing of it has drained the edge");
    assert_eq!(edge.metric("edgeward_admin_refused_total{reason=\"foreign-host\"}"), 6.0);
    assert_eq!(edge.metric("edgeward_admin_refused_total{reason=\"cross-site\"}"), 9.0);
    assert_eq!(edge.metric("edgeward_admin_refused_total{reason=\"form\"}"), 1.0);

    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", edge.admin_address());
    assert_eq!(status(&edge, "POST", "/drain", &edge.admin_address(), &own), 202);
}

#[test]
fn a_configured_name_is_let_in_and_a_reload_changes_it() {
    let edge = edge_with(site().server("admin_hosts", ["admin.internal"]));
    assert_eq!(status(&edge, "GET", "/metrics", "admin.internal:9090", ""), 200);
    assert_eq!(status(&edge, "GET", "/metrics", "other.internal", ""), 421);
    edge.reconfigure(site());
    eventually("the name is gone", || status(&edge, "GET", "/metrics", "admin.internal", "") == 421);
}

#[test]
fn with_a_token_only_health_is_told_without_it() {
    let edge = edge_with(site().server("admin_token_file", "token"));
    assert_eq!(status(&edge, "GET", "/metrics", "localhost", ""), 401);
    assert_eq!(status(&edge, "POST", "/drain", "localhost", "Authorization: Bearer wrong\r\n"), 401);
    assert_eq!([edge.admin("/healthz").status, edge.admin("/readyz").status], [200, 200]);
    let bearer = "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n";
    assert_eq!(status(&edge, "GET", "/metrics", "localhost", bearer), 200);
    let stats = |token: &[&str]| {
        let mut command = edgeward();
        command.args(["cache", "stats", "--admin", &edge.admin_address()]).args(token).current_dir(edge.folder());
        command.stdout(Stdio::null()).output().unwrap()
    };
    let without = stats(&[]);
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("401"), "{without:?}");
    assert!(stats(&["--token-file", "token"]).status.success());
}

#[test]
fn a_short_admin_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (token, accepted) in
        [("0123456789abcde", false), ("0123456789abcdef", true), (" 0123456789abcdef \n", true), ("0123456789 abcdef", false)]
    {
        std::fs::write(folder.path().join("token"), token).unwrap();
        let config = site().server("admin", "127.0.0.1:0").server("admin_token_file", "token");
        std::fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
        let output = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.success(), accepted, "{token:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("0123456789"), "the secret is not told: {output:?}");
    }
}

/// Until the admin port answers again.
fn wait_for_room(address: &str) {
    use std::io::{Read as _, Write as _};
    eventually("there is room again", || {
        std::net::TcpStream::connect(address).is_ok_and(|mut client| {
            let mut answer = String::new();
            client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
                && client.read_to_string(&mut answer).is_ok()
                && answer.starts_with("HTTP/1.1 200 ")
        })
    });
}

#[test]
fn idle_connections_and_slow_heads_do_not_block_the_admin_port() {
    use std::io::{Read as _, Write as _};
    let edge = edge_with(site());
    let address = edge.admin_address();
    let mut held: Vec<std::net::TcpStream> = (0..1_000).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    held[0].write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
    // Those over the number are closed at once, the others when their time is up.
    let mut rest = Vec::new();
    held[999].read_to_end(&mut rest).unwrap_or_default();
    assert!(rest.is_empty());
    held[0].set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    held[0].read_to_end(&mut rest).unwrap_or_default();
    wait_for_room(&address);
    assert!(edge.metric("edgeward_admin_refused_total{reason=\"connections\"}") >= 1_000.0 - 256.0);
}

#[test]
fn connections_to_the_admin_port_leave_descriptors_to_clients() {
    use std::io::Write as _;
    let config = Config::new().fixed("fixed", "fixed").site("fixed");
    let edge = Edge::start_behind("ulimit -n 120", config);
    let half = |_| {
        let mut client = std::net::TcpStream::connect(edge.admin_address()).unwrap();
        // It may have been closed at once.
        let _ = client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        client
    };
    let held: Vec<_> = (0..110).map(half).collect();
    // Ten have a place; the next hundred are closed.
    assert_eq!(edge.get("/").text(), "fixed");
    drop(held);
    wait_for_room(&edge.admin_address());
    assert!(edge.metric("edgeward_admin_refused_total{reason=\"connections\"}") >= 100.0);
}

#[test]
fn a_body_that_is_too_long_is_refused_and_counted() {
    let edge = edge_with(site());
    let json = "Content-Type: application/json\r\n";
    let body = |bytes: usize| format!("{{\"tag\":\"{}\"}}", "a".repeat(bytes - 10));
    let at = edge.admin_request("POST", "/cache/purges", json, body(64 << 10).as_bytes()).status;
    assert_eq!(at, 400, "a tag of this length is refused by the cache");
    assert_eq!(edge.admin_request("POST", "/cache/purges", json, body((64 << 10) + 1).as_bytes()).status, 413);
    assert_eq!(edge.metric("edgeward_admin_refused_total{reason=\"body\"}"), 1.0);
}
