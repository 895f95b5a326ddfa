//! Who has an object in common with whom: whatever chose an answer is in its key, and what is not is not forwarded.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::harness::{Answer, Client, Config, Edge, Origin, Reply, component, edgeward, get};

/// Says its name, and how often it was asked.
fn named(name: &'static str) -> Origin {
    let count = AtomicU32::new(0);
    Origin::start(move |_| {
        Reply::new(200, format!("{name} {}", count.fetch_add(1, SeqCst) + 1)).header("cache-control", "max-age=60")
    })
}

/// One origin, and a site for it.
fn site(origin: &Origin) -> Config {
    Config::new().origin("o", origin.url()).site("o")
}

fn cached(answer: &Answer) -> bool {
    answer.header("x-cache").starts_with("Hit")
}

#[test]
fn two_behaviors_have_no_object_in_common_whatever_a_hook_makes_of_the_path() {
    let (members, public) = (named("members"), named("public"));
    let parts = Config::new().function("spa", component("spa-rewrite"));
    let parts = parts.origin("members", members.url()).origin("public", public.url());
    let site = parts.site("public").set("viewer_request", "spa").cached();
    let members = site.behavior("/members/*").set("origin", "members").set("viewer_request", "spa").cached();
    let edge = Edge::start(members.behavior("/copy/*").set("viewer_request", "spa").cached());
    // All of them ask for /index.html.
    assert_eq!(edge.get("/members/x").text(), "members 1");
    assert_eq!(edge.get("/x").text(), "public 1");
    assert_eq!(edge.get("/copy/x").text(), "public 2", "the same origin, by other rules");
    for (path, text) in [("/members/y", "members 1"), ("/y", "public 1"), ("/copy/y", "public 2")] {
        let again = edge.get(path);
        assert_eq!((again.text().as_str(), cached(&again)), (text, true), "{path}");
    }
}

#[test]
fn an_unsigned_request_cannot_fill_the_cache_of_a_signed_behavior() {
    let origin = Origin::start(|seen| Reply::new(200, format!("{} {}", seen.target, seen.header("x-who"))));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rsa.pem"), include_bytes!("signed/rsa.pem")).unwrap();
    let keys = Config::new().table("public_key.first").set("id", "KRSA").set("file", "rsa.pem");
    let keys = keys.table("key_group.one").set("keys", ["first"]).function("spa", component("spa-rewrite"));
    let site = keys.with(site(&origin)).set("default_root_object", "index.html").set("viewer_request", "spa").cached();
    let config = site.behavior("/index.html").set("trusted_key_groups", ["one"]).cached();
    let edge = Edge::start_in(folder, config);
    // A hook may lead anybody there: it is the operator's word.
    assert_eq!(edge.get("/x").text(), "/index.html ");
    assert_eq!(edge.get("/index.html").status, 403);
    assert_eq!(edge.get("/").status, 403, "what the edge itself puts in a path's place is guarded as that is");
    let look = |path: &str| {
        let arguments = ["cache", "--admin", &edge.admin_address(), "lookup", "--host", "www", path];
        let ran = edgeward().args(arguments).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()
    };
    assert_eq!(look("/index.html"), serde_json::Value::Null, "what the open behavior has fetched is not the signed one's");
}

#[test]
fn the_origin_that_a_hook_chooses_is_in_the_key() {
    let (main, canary, api, standby) = (named("main"), named("canary"), named("api"), named("standby"));
    let hook = Config::new().function("pick", component("pick-origin")).origin("main", main.url()).origin("canary", canary.url());
    let origins = hook.origin("api", api.url()).origin("api-standby", standby.url());
    let edge = Edge::start(origins.site("main").set("viewer_request", "pick").cached());
    assert_eq!(edge.get_with("/users", "Cookie: canary=1\r\n").text(), "canary 1");
    assert_eq!(edge.get("/users").text(), "main 1");
    assert_eq!(edge.get("/api/users").text(), "api 1", "which the hook makes /users of");
    for (path, headers, text) in
        [("/users", "Cookie: canary=1\r\n", "canary 1"), ("/users", "", "main 1"), ("/api/users", "", "api 1")]
    {
        let again = edge.get_with(path, headers);
        assert_eq!((again.text().as_str(), cached(&again)), (text, true), "{path} {headers}");
    }
    let look = |more: &[&str]| {
        let arguments = ["cache", "--admin", &edge.admin_address(), "lookup", "--host", "www", "/users"];
        let ran = edgeward().args(arguments).args(more).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()
    };
    assert_eq!(look(&[])["status"], 200);
    assert_eq!(look(&["--origin", "canary"])["status"], 200);
    assert_eq!(look(&["--origin", "api"]), serde_json::Value::Null, "it was asked as one of a group");
    // A purge finds them all.
    let purge = b"{\"site\": \"www\", \"path\": \"/users\"}";
    assert_eq!(edge.admin_request("POST", "/cache/purges", "Content-Type: application/json\r\n", purge).status, 201);
    assert_eq!(edge.get_with("/users", "Cookie: canary=1\r\n").text(), "canary 2");
    assert_eq!(edge.get("/users").text(), "main 2");
    assert_eq!(edge.get("/api/users").text(), "api 2");
}

#[test]
fn a_host_that_is_forwarded_is_in_the_key_with_its_port() {
    let origin = Origin::start(|seen| Reply::new(200, seen.header("host").to_owned()).header("cache-control", "max-age=60"));
    let text = Config::new().origin("o", origin.url()).set("forward_host", true).site_named("t", "*.t.test", "o").cached();
    let edge = Edge::start(text);
    for (host, body, hit) in [
        ("red.t.test", "red.t.test", false),
        ("blue.t.test", "blue.t.test", false),
        ("red.t.test", "red.t.test", true),
        ("red.t.test:8080", "red.t.test:8080", false),
        ("red.t.test:8081", "red.t.test:8081", false),
        // The same by RFC 3986, and to the origin.
        ("RED.t.test", "red.t.test", true),
        ("Green.T.test", "green.t.test", false),
        ("green.t.test", "green.t.test", true),
    ] {
        let answer = get(edge.http(), host, "/", "");
        assert_eq!((answer.text().as_str(), cached(&answer)), (body, hit), "{host}");
    }
}

#[test]
fn a_host_that_is_not_forwarded_is_not_in_the_key() {
    let origin = named("o");
    let edge = Edge::start(site(&origin).cached());
    assert_eq!(get(edge.http(), "a.test", "/", "").text(), "o 1");
    assert_eq!(get(edge.http(), "b.test", "/", "").text(), "o 1");
}

#[test]
fn a_component_sees_host_and_so_they_are_in_the_key() {
    let text = Config::new()
        .function("f", component("service-p2"))
        .service("o", "f")
        .site("o")
        .set("cache_policy", "day")
        .table("cache_policy.day")
        .set("min_ttl_s", 60);
    let edge = Edge::start(text);
    for (host, hit) in [("a.test", false), ("b.test", false), ("a.test", true)] {
        let answer = get(edge.http(), host, "/echo", "");
        assert_eq!((answer.status, cached(&answer)), (200, hit), "{host}: {answer:?}");
    }
}

#[test]
fn what_is_not_in_the_key_does_not_reach_the_origin() {
    let origin = Origin::start(|_| Reply::new(200, "x").header("cache-control", "max-age=60"));
    let edge = Edge::start(site(&origin).cached());
    for name in [
        "Content-Type",
        "Content-Encoding",
        "Content-Language",
        "Content-MD5",
        "Traceparent",
        "Tracestate",
        "X-Forwarded-Host",
        "X-Original-URL",
        "Forwarded",
    ] {
        edge.get_with(&format!("/{name}"), &format!("{name}: mine\r\n"));
        assert!(!origin.last().has(&name.to_ascii_lowercase()), "{name}: {:?}", origin.last());
    }
    edge.get_with("/via", "Via: 1.0 mine\r\nX-Forwarded-For: 127.0.0.1, 10.0.0.1\r\n");
    let seen = origin.last();
    let via = seen.header("via");
    assert!(via.starts_with("1.1 edgeward-") && !via.contains(','), "{via}");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    // A change is for one client: all of it goes on.
    edge.request("POST", "/via", "Content-Type: text/x\r\nContent-Language: de\r\nX-Forwarded-For: 10.0.0.1\r\n", b"x");
    let seen = origin.last();
    assert_eq!((seen.header("content-type"), seen.header("content-language")), ("text/x", "de"));
    assert_eq!(seen.header("x-forwarded-for"), "10.0.0.1, 127.0.0.1");
}

#[test]
fn where_a_request_has_been_goes_on_and_is_in_the_key() {
    let origin = Origin::start(|seen| Reply::new(200, seen.header("cdn-loop").to_owned()).header("cache-control", "max-age=60"));
    let edge = Edge::start(site(&origin).cached());
    for (lines, hit) in [("CDN-Loop: a\r\n", false), ("CDN-Loop: b\r\n", false), ("CDN-Loop: a\r\n", true), ("", false)] {
        let answer = edge.get_with("/", lines);
        let said = lines.trim_end().strip_prefix("CDN-Loop: ").unwrap_or_default();
        assert!(answer.text().starts_with(said), "{lines} {answer:?}");
        assert_eq!(cached(&answer), hit, "{lines}");
    }
}

#[test]
fn a_query_reaches_the_origin_as_it_is_in_the_key() {
    let origin = Origin::start(|seen| Reply::new(200, seen.target.clone()).header("cache-control", "max-age=60"));
    for policy in
        ["query = [\"a\", \"b\"]", "query = { except = [\"utm\"] }", "mode = \"standards\"\nquery = { except = [\"utm\"] }"]
    {
        let text = site(&origin).set("cache_policy", "p").table("cache_policy.p").with(policy);
        let edge = Edge::start(text);
        for (target, seen, hit) in [
            ("/x?a=1&&b=2&", "/x?a=1&b=2", false),
            ("/x?a=1&b=2", "/x?a=1&b=2", true),
            ("/x?&a=1&utm=9&b=2", "/x?a=1&b=2", true),
            ("/x?utm=9", "/x", false),
            ("/x", "/x", true),
            ("/x?", "/x", true),
        ] {
            let answer = edge.get(target);
            assert_eq!((answer.text().as_str(), cached(&answer)), (seen, hit), "{policy}: {target}");
        }
        // What another has written behind it does not hide it from a purge.
        let purge = b"{\"site\": \"www\", \"path\": \"/x\"}";
        assert_eq!(edge.admin_request("POST", "/cache/purges", "Content-Type: application/json\r\n", purge).status, 201);
        assert!(!cached(&edge.get("/x")), "{policy}");
    }
}

#[test]
fn cookies_reach_the_origin_in_the_order_of_the_key() {
    let origin = Origin::start(|seen| Reply::new(200, seen.header("cookie").to_owned()).header("cache-control", "max-age=60"));
    let text = site(&origin).set("cache_policy", "p").table("cache_policy.p").set("cookies", ["a", "b"]);
    let edge = Edge::start(text);
    assert_eq!(edge.get_with("/", "Cookie: b=2; c=3;  a=1\r\n").text(), "a=1; b=2");
    let other = edge.get_with("/", "Cookie: a=1;b=2\r\n");
    assert_eq!((other.text().as_str(), cached(&other)), ("a=1; b=2", true));
}

#[test]
fn an_answer_may_vary_by_what_the_edge_adds() {
    let origin = Origin::start(|seen| {
        let reply = Reply::new(200, seen.header("x-forwarded-for").to_owned()).header("cache-control", "max-age=60");
        reply.header("vary", if seen.target == "/id" { "X-Amz-Cf-Id" } else { "X-Forwarded-For" })
    });
    let edge = Edge::start(site(&origin).set("cache_policy", "rfc").table("cache_policy.rfc").set("mode", "standards"));
    let ask =
        |from: u8, said: &str| Client::connect_from([127, 0, 0, from].into(), edge.http()).request("GET", "/", "www", said, b"");
    for (from, said, body, hit) in [
        (1, "", "127.0.0.1", false),
        (2, "", "127.0.0.2", false),
        (1, "", "127.0.0.1", true),
        (1, "X-Forwarded-For: 127.0.0.2\r\n", "127.0.0.2, 127.0.0.1", false),
        (2, "", "127.0.0.2", true),
    ] {
        let answer = ask(from, said);
        assert_eq!((answer.text().as_str(), cached(&answer)), (body, hit), "{from} {said}");
    }
    edge.get("/id");
    assert!(!cached(&edge.get("/id")), "each request has another id");
}

#[test]
fn a_reload_keeps_what_it_has_not_touched() {
    let (first, second, other) = (named("first"), named("second"), named("other"));
    let text = |origin: &Origin, ttl: u32| {
        let site = Config::new().origin("p", other.url()).with(site(origin)).set("cache_policy", "day");
        let behavior = site.behavior("/p/*").set("origin", "p").set("cache_policy", "day");
        behavior.table("cache_policy.day").set("default_ttl_s", ttl)
    };
    let edge = Edge::start(text(&first, 60));
    assert_eq!((edge.get("/a").text(), edge.get("/p/a").text()), ("first 1".to_owned(), "other 1".to_owned()));
    edge.reconfigure(text(&first, 61));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    assert!(cached(&edge.get("/a")) && cached(&edge.get("/p/a")));
    edge.reconfigure(text(&second, 61));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 2.0);
    assert_eq!(edge.get("/a").text(), "second 1", "the origin is another one now");
    assert!(cached(&edge.get("/p/a")));
}

#[test]
fn an_origin_is_told_how_the_viewer_asked_and_by_nobody_else() {
    const NAMES: [&str; 4] = ["forwarded", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];
    const SAID: &str = "Forwarded: host=evil\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\n";
    let ours = ["for=127.0.0.1;host=\"www.example.com\";proto=http", "www.example.com", "80", "http"];
    // A client's word for its scheme never passes, as in CloudFront.
    let theirs = ["host=evil", "evil", "1", ""];
    let none = [""; 4];
    for (settings, expected) in [
        ("", ours),
        ("cache_policy = \"s\"", ours),
        ("cache_policy = \"CachingOptimized\"", none),
        ("cache_policy = \"CachingOptimized\"\nforwarded_headers = \"set\"", ours),
        ("cache_policy = \"h\"", none),
        ("forwarded_headers = \"remove\"", none),
        ("forwarded_headers = \"pass\"", theirs),
    ] {
        let origin = Origin::start(|_| Reply::new(200, "").header("cache-control", "max-age=60"));
        let policies = Config::new().table("cache_policy.s").set("mode", "standards");
        let policies = policies.table("cache_policy.h").set("mode", "standards").set("host", false);
        let edge = Edge::start(policies.with(site(&origin)).with(settings));
        edge.get_with("/", SAID);
        assert_eq!(NAMES.map(|name| origin.last().header(name).to_owned()), expected, "{settings}");
        // A second client that says so too is no reason to ask again, and neither gets what the other chose.
        edge.get("/");
        let asked = origin.seen().len();
        assert_eq!(asked, if settings.contains("cache_policy") { 1 } else { 2 }, "{settings}");
        edge.request("POST", "/", SAID, b"x");
        assert_eq!(NAMES.map(|name| origin.last().header(name).to_owned()), expected, "POST {settings}");
    }
}
