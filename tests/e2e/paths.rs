//! One reading of every path: no spelling of it leads past the behavior, the signature, the purge or the prefix that it
//! has; and what is stored for a URI is made doubtful for that URI alone.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::harness::{Answer, Config, Edge, Origin, Reply, edgeward};

/// The key group `g`, whose key is in a file of the tests of signatures.
const SIGNED: &str = "[public_key.K]\nfile = \"rsa.pem\"\n[key_group.g]\nkeys = [\"K\"]";

/// `/private/*` is for those for whom somebody has signed, and `*.css` has an origin of its own.
fn private(origin: impl Into<Config>) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rsa.pem"), include_bytes!("signed/rsa.pem")).unwrap();
    for (name, text) in [("private/a.txt", "secret"), ("open/a.txt", "open"), ("open/a.css", "style"), ("%70rivate/a.txt", "odd")]
    {
        let file = folder.path().join("www").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let config = Config::new()
        .table("origin.o")
        .with(origin)
        .fixed("css", "css")
        .with(SIGNED)
        .site("o")
        .set("default_root_object", "open/a.txt")
        .behavior("/private/*")
        .set("trusted_key_groups", ["g"])
        .behavior("*.css")
        .set("origin", "css");
    Edge::start_in(folder, &config)
}

/// Ways to write `/private/a.txt` on which the RFC and all servers agree.
const SPELLINGS: [&str; 16] = [
    "/private/a.txt",
    "/%70rivate/a.txt",
    "/%70%72%69%76%61%74%65/%61%2e%74xt",
    "//private/a.txt",
    "///private///a.txt",
    "/./private/a.txt",
    "/%2e/private/./a.txt",
    "/x/../private/a.txt",
    "/x/%2e%2e/private/a.txt",
    "/x/.%2E/private/a.txt",
    "/../private/a.txt",
    "/private/../private/a.txt",
    "/private/x/../a.txt",
    "/open/../%70rivate//./a.txt",
    "http://www.example.com/x/../private/a.txt",
    "/private/a.txt?b=../../open",
];

/// Ways that only some servers take for it.
const DOUBTS: [&str; 36] = [
    "/private%2fa.txt",
    "/%2Fprivate/a.txt",
    "/x%2f..%2fprivate%2fa.txt",
    "/x/..%2fprivate/a.txt",
    "/private\\a.txt",
    "/private%5ca.txt",
    "/x/..%5cprivate/a.txt",
    "/x\\..\\private/a.txt",
    "/private;x=1/a.txt",
    "/x/..;/private/a.txt",
    "/x/%2e%2e;a/private/a.txt",
    "/%2570rivate/a.txt",
    "/x/%252e%252e/private/a.txt",
    "/private%252fa.txt",
    "/x/%c0%ae%c0%ae/private/a.txt",
    "/private%c0%afa.txt",
    "/x/%e0%80%ae./private/a.txt",
    "/private//../a.txt",
    // The same in a second spelling.
    "/%25%37%30rivate/a.txt",
    "/%257%30rivate/a.txt",
    "/x/%25%32%65%25%32%65/private/a.txt",
    "/private%25%32%46a.txt",
    "/private%5%43a.txt",
    "/x/%2%65%2%65/private/a.txt",
    "/x/..%3B/private/a.txt",
    "/x/..%253B/private/a.txt",
    "/private%3Bx/a.txt",
    "/%3B/private/a.txt",
    "/%C1%B0rivate/a.txt",
    "/%F8%80%80%81%B0rivate/a.txt",
    "/%FC%80%80%80%81%B0rivate/a.txt",
    "/%u0070rivate/a.txt",
    "/private%u002fa.txt",
    "/x/%u002e%u002e/private/a.txt",
    "/pri%vate/a.txt",
    "/x/.%./private/a.txt",
];

fn is_denied(answer: &Answer) -> bool {
    answer.status == 403 && answer.text().contains("<Code>MissingKey</Code>")
}

#[test]
fn no_spelling_of_a_private_path_is_open() {
    let origin = Origin::echo();
    for kind in [format!("url = {:?}", origin.url()), "folder = \"www\"".to_owned()] {
        let edge = private(&kind);
        for target in SPELLINGS.iter().chain(&DOUBTS) {
            let answer = edge.get(target);
            assert!(is_denied(&answer), "{kind}: {target}: {answer:?}");
        }
        // Nor is it for a server that ends a path at a NUL, or with more doubts than one looks at.
        for target in ["/open%00/../private/a.txt", "/private/a.txt%00"] {
            assert!(is_denied(&edge.get(target)), "{kind}: {target}");
        }
        for target in ["/open/a.txt%00", "/open/%00/a.txt", "/open/a.txt%2500", "/open/;/%2f/%5c/%2541%3f", "/open/%252541"] {
            let answer = edge.get(target);
            assert_eq!(answer.status, 400, "{kind}: {target}");
            assert!(answer.text().contains("ambiguous-path"), "{answer:?}");
        }
        // Between behaviors that nobody guards it is a question of what is stored for whom.
        for target in
            ["/account;x.css", "/x.css;account", "/x/..%2fa;b.css", "/account%3Fx.css", "/account%23x.css", "/account%0ax.css"]
        {
            assert_eq!(edge.get(target).status, 400, "{kind}: {target}");
        }
        assert!(edge.metric("edgeward_edge_refusals_total{reason=\"ambiguous-path\"") >= 6.0);
    }
    assert_eq!(origin.seen().len(), 0);
}

#[test]
fn the_path_is_sent_on_as_it_came() {
    let origin = Origin::echo();
    let edge = private(Config::new().set("url", origin.url()));
    for target in [
        "/open//a/./b/../%61",
        "/private/../open",
        "/wiki/AC%2fDC",
        "/a;v=1/b",
        "/caf%C3%A9",
        "/caf%e9",
        "/100%25",
        "/100%",
        "/a%5cb",
        "/%2e%2e/a",
        "/a%2541",
        "/a+b%2Bc%20d",
    ] {
        assert_eq!(edge.get(target).text(), format!("GET {target}\n"));
    }
    // The root by any name has its object.
    for target in ["/", "//", "/.", "/x/..", "/%2e/"] {
        assert_eq!(edge.get(target).text(), "GET /open/a.txt\n", "{target}");
    }
}

#[test]
fn a_pattern_is_read_like_a_path() {
    let origin = Origin::echo();
    let config =
        |path: &str| Config::new().origin("o", origin.url()).fixed("b", "behavior").site("o").behavior(path).set("origin", "b");
    for (pattern, target, matches) in [
        ("/@admin/*", "/%40admin/a", true),
        ("/%40admin/*", "/@admin/a", true),
        ("/caf%c3%a9/?", "/caf%C3%A9/%C3%A9", true),
        ("/a%2a", "/a*", true),
        ("/a%2a", "/ab", false),
        ("/a%20b", "/a%20b", true),
        ("/A*", "/a", false),
    ] {
        let edge = Edge::start(config(pattern));
        assert_eq!(edge.get(target).text() == "behavior", matches, "{pattern} {target}");
    }
    let folder = tempfile::tempdir().unwrap();
    let others = "with too much that servers read differently, is refused";
    for (pattern, right) in [
        ("//a/*", "write \"/a/*\""),
        ("/a/../b", "write \"/b\""),
        ("/a/./b?", "write \"/a/b?\""),
        ("/x/%2e%2e/b", "write \"/b\""),
        ("/a%00b", others),
        ("/%252541", others),
    ] {
        std::fs::write(folder.path().join("edge.toml"), config(pattern).file()).unwrap();
        let checked = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.code() == Some(64) && error.contains(right), "{error}");
    }
}

#[test]
fn no_path_leaves_the_path_of_the_origins_url() {
    let origin = Origin::echo();
    let edge = Edge::start(Config::new().origin("o", format!("{}/public", origin.url())).site("o"));
    for target in [
        "/../admin",
        "/%2e%2e/admin",
        "/a/../../admin",
        "/..%2fadmin",
        "/..%5cadmin",
        "/..;/admin",
        "/a//../../admin",
        "/%25%32%65%25%32%65/admin",
        "/..%3B/admin",
        "/%u002e%u002e/admin",
    ] {
        assert_eq!(edge.get(target).status, 400, "{target}");
    }
    assert_eq!(origin.seen().len(), 0);
    for target in ["/a/../b", "/..a/b", "/a%2fb"] {
        assert_eq!(edge.get(target).text(), format!("GET /public{target}\n"));
    }
}

/// Its own rewriting leads the edge past no signature: a folder's index and the root's object are guarded as by their names.
#[test]
fn what_is_signed_by_its_name_is_not_open_as_an_index() {
    let origin = Origin::echo();
    for (kind, root) in [("folder = \"www\"".to_owned(), ""), (format!("url = {:?}", origin.url()), "index.html")] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rsa.pem"), include_bytes!("signed/rsa.pem")).unwrap();
        std::fs::create_dir_all(folder.path().join("www/dir")).unwrap();
        for name in ["index.html", "dir/index.html", "dir/a.txt"] {
            std::fs::write(folder.path().join("www").join(name), "content").unwrap();
        }
        let config = Config::new()
            .table("origin.o")
            .with(&kind)
            .with(SIGNED)
            .site("o")
            .set("default_root_object", root)
            .behavior("*.html")
            .set("trusted_key_groups", ["g"]);
        let edge = Edge::start_in(folder, &config);
        for target in ["/index.html", "/", "//", "/x/..", "/%2e/", "/?a=b"] {
            assert!(is_denied(&edge.get(target)), "{kind}: {target}");
        }
        let is_folder = root.is_empty();
        for target in ["/dir/index.html", "/dir/", "/dir//", "/dir/.", "/dir/x/.."] {
            let denied = is_denied(&edge.get(target));
            // A server's own index is its own business.
            assert_eq!(denied, is_folder || target.ends_with(".html"), "{kind}: {target}");
        }
        assert_eq!(edge.get("/dir/a.txt").status, 200, "{kind}");
    }
}

/// A cache by the RFC, and a count in each answer. A POST is answered as its header `x-location` says.
fn counting(more: &str) -> (Origin, Edge) {
    let count = AtomicU32::new(0);
    let origin = Origin::start(move |seen| {
        let reply = Reply::new(200, format!("answer {}", count.fetch_add(1, SeqCst) + 1)).header("cache-control", "max-age=60");
        if seen.has("x-location") { reply.header("location", seen.header("x-location")) } else { reply }
    });
    let edge = Edge::start(
        Config::new()
            .origin("o", origin.url())
            .table("cache_policy.rfc")
            .set("mode", "standards")
            .with(more)
            .site("o")
            .set("cache_policy", "rfc"),
    );
    (origin, edge)
}

const STORED: [&str; 5] = ["/", "/home", "/home?a=1", "/home?a=2", "/x/*"];

fn is_hit(edge: &Edge, target: &str) -> bool {
    edge.get(target).header("x-cache") == "Hit from cloudfront"
}

#[test]
fn an_unsafe_request_invalidates_one_uri_and_no_pattern() {
    let (_origin, edge) = counting("");
    for (target, location, doubtful) in [
        ("/*", "", &[][..]),
        ("/?*", "", &[]),
        ("/home?*", "", &[]),
        ("/home?a=?", "", &[]),
        ("/other", "/?*", &[]),
        ("/other", "/*", &[]),
        ("/other", "*", &[]),
        ("/x/*", "", &["/x/*"]),
        ("/home", "", &["/home"]),
        ("/home?a=1", "", &["/home?a=1"]),
        ("/y/..//%68ome?a=2", "", &["/home?a=2"]),
        ("/other", "/./home", &["/home"]),
        ("/other", "http://www.example.com/", &["/"]),
        ("/other", "http://www.example.org/", &[]),
    ] {
        STORED.iter().for_each(|stored| drop(edge.get(stored)));
        let location = if location.is_empty() { String::new() } else { format!("X-Location: {location}\r\n") };
        assert_eq!(edge.request("POST", target, &location, b"x").status, 200);
        for stored in STORED {
            assert_eq!(is_hit(&edge, stored), !doubtful.contains(&stored), "{stored} after POST {target} {location}");
        }
    }
}

#[test]
fn an_invalidation_applies_to_all_variants_of_the_uri() {
    let (_origin, edge) = counting("headers = [\"x-user\"]");
    let get = |user: &str| edge.get_with("/home", &format!("X-User: {user}\r\n"));
    get("alice");
    assert_eq!(get("alice").header("x-cache"), "Hit from cloudfront");
    edge.request("POST", "/home", "X-User: bob\r\n", b"x");
    assert_eq!(get("alice").header("x-cache"), "Miss from cloudfront");
}

#[test]
fn client_invalidations_do_not_use_up_the_operators_purges() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = gate.clone();
    let origin = Origin::start(move |seen| {
        let reply = Reply::new(200, "answer").header("cache-control", "max-age=60");
        if seen.target == "/slow" { reply.held(held.clone()) } else { reply }
    });
    let edge = Edge::start(
        Config::new()
            .origin("o", origin.url())
            .table("cache_policy.rfc")
            .set("mode", "standards")
            .site("o")
            .set("cache_policy", "rfc"),
    );
    // While this one fills, nothing can be swept out.
    let mut slow = edge.connect();
    slow.send("GET /slow HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    crate::harness::eventually("the fill has begun", || !origin.seen().is_empty());
    let mut client = edge.connect();
    for n in 0..1_050 {
        let target = format!("/page?{n}");
        client.request("GET", &target, "www.example.com", "", b"");
        assert_eq!(client.request("POST", &target, "www.example.com", "", b"x").status, 200);
    }
    assert_eq!(edge.metric("edgeward_cache_invalidations_total{result=\"remembered\"}"), 1_050.0);
    let stats: serde_json::Value = serde_json::from_slice(&edge.admin("/cache").body).unwrap();
    assert_eq!((stats["pending_purges"].as_u64(), stats["invalidations"].as_u64()), (Some(0), Some(1_050)), "{stats}");
    let json = "Content-Type: application/json\r\nConnection: close\r\n";
    let purged = edge.admin_request("POST", "/cache/purges", json, b"{\"site\": \"www\", \"path\": \"/page*\"}");
    assert_eq!(purged.status, 201, "{purged:?}");
    assert!(!is_hit(&edge, "/page?7") && is_hit(&edge, "/page?7"));
    gate.notify_waiters();
    gate.notify_one();
    assert_eq!(slow.answer(false).unwrap().status, 200);
    // The sweep for the purge took the others out as well.
    crate::harness::eventually("all is swept out", || {
        let stats: serde_json::Value = serde_json::from_slice(&edge.admin("/cache").body).unwrap();
        (stats["pending_purges"].as_u64(), stats["invalidations"].as_u64()) == (Some(0), Some(0))
    });
}

#[test]
fn a_purge_matches_normalized_paths_and_counts_removed_responses() {
    let (_origin, edge) = counting("");
    let purge = |path: &str| {
        let output = edgeward()
            .args(["cache", "--admin", &edge.admin_address(), "purge", "--site", "www", "--path", path, "--wait"])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let stored = ["/a/b", "/%61/b", "//a/x/../b", "/a/b?q", "/ab"];
    for (pattern, gone) in [("/a/b", 3), ("/%61/*", 4), ("/x/..//a/b*", 4), ("/a?*", 0), ("/a/b?*", 1), ("/none", 0)] {
        stored.iter().for_each(|target| drop(edge.get(target)));
        let (code, said, error) = purge(pattern);
        assert_eq!(code, Some(0), "{error}");
        assert!(said.ends_with(&format!(": Completed, {gone} stored responses purged\n")), "{pattern}: {said}");
        assert_eq!(stored.iter().filter(|target| !is_hit(&edge, target)).count(), gone, "{pattern}");
    }
    for pattern in ["tagged/*", "*.css", "http://www.example.com/a", ""] {
        let (code, _, error) = purge(pattern);
        assert!(code == Some(64) && error.contains("begins with `/`"), "{pattern}: {error}");
        let body = format!("{{\"site\": \"www\", \"path\": {pattern:?}}}");
        let answer = edge.admin_request("POST", "/cache/purges", "Content-Type: application/json\r\n", body.as_bytes());
        assert!(answer.status == 400 && answer.text().contains(&format!("`/{pattern}`")), "{answer:?}");
    }
}
