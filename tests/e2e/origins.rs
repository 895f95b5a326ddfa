//! Origins of each kind, and what a client is told when they fail.

use crate::harness::{Edge, Origin, component, free_port};

#[test]
fn what_an_origin_is_told() {
    let origin = Origin::start();
    let edge = Edge::start(&format!(
        "[origin.app]\nurl = \"http://127.0.0.1:{}/base\"\nheaders = {{ x-secret = \"s\" }}\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n",
        origin.port
    ));
    let reply = edge.get_with("/a?b=c", &[("x-forwarded-for", "10.9.8.7"), ("te", "trailers"), ("proxy-authorization", "x")]);
    assert_eq!(reply.status, 200);
    assert!(reply.header("via").is_some() && reply.header("x-amz-cf-id").is_some());
    let seen = origin.last();
    assert_eq!(seen.line, "GET /base/a?b=c HTTP/1.1");
    assert_eq!(seen.header("host"), Some(&*format!("127.0.0.1:{}", origin.port)));
    assert_eq!(seen.header("x-forwarded-for"), Some("10.9.8.7, 127.0.0.1"));
    assert_eq!(seen.header("x-secret"), Some("s"));
    assert!(seen.header("te").is_none() && seen.header("proxy-authorization").is_none());
}

#[test]
fn a_group_fails_over_on_a_status_and_on_a_refused_connection() {
    let (good, bad) = (Origin::start(), Origin::start());
    let edge = Edge::start(&format!(
        "[origin.bad]\nurl = \"http://127.0.0.1:{}/status/503\"\n[origin.gone]\nurl = \"http://127.0.0.1:{}\"\n[origin.good]\nurl = \"http://127.0.0.1:{}\"\n\
         [origin_group.g]\nprimary = \"bad\"\nsecondary = \"good\"\nstatus = [503]\n[origin_group.h]\nprimary = \"gone\"\nsecondary = \"good\"\nstatus = [503]\n\
         [[site]]\nname = \"g\"\nhosts = [\"g.test\"]\norigin = \"g\"\n[[site]]\nname = \"h\"\nhosts = [\"h.test\"]\norigin = \"h\"\n",
        bad.port,
        free_port(),
        good.port
    ));
    for host in ["g.test", "h.test"] {
        let reply = edge.get_with("/x", &[("host", host)]);
        assert_eq!((reply.status, reply.header("x-origin-uri")), (200, Some("/x")), "{host} {}", edge.log());
    }
    // Not for methods that change something.
    assert_eq!(edge.request("POST", "/x", &[("host", "h.test")], b"x").status, 502);
}

#[test]
fn an_origin_that_is_not_there_is_a_502_and_one_that_is_silent_a_504() {
    let origin = Origin::start();
    let edge = Edge::start(&format!(
        "[origin.gone]\nurl = \"http://127.0.0.1:{}\"\n[origin.silent]\nurl = \"http://127.0.0.1:{}\"\nread_timeout_s = 1\n\
         [[site]]\nname = \"gone\"\nhosts = [\"gone.test\"]\norigin = \"gone\"\n[[site]]\nname = \"silent\"\nhosts = [\"*\"]\norigin = \"silent\"\n",
        free_port(),
        origin.port
    ));
    let reply = edge.get_with("/", &[("host", "gone.test")]);
    assert_eq!((reply.status, reply.x_cache()), (502, "Error from cloudfront"));
    assert_eq!(edge.get("/hang").status, 504);
}

#[test]
fn a_folder_serves_its_files_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("public")).unwrap();
    std::fs::write(directory.path().join("public/index.html"), "<h1>hi</h1>").unwrap();
    std::fs::write(directory.path().join("secret"), "no").unwrap();
    std::os::unix::fs::symlink("../secret", directory.path().join("public/link")).unwrap();
    let edge = Edge::start(&format!(
        "[origin.files]\nfolder = {:?}\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"files\"\n",
        directory.path().join("public")
    ));
    let reply = edge.get("/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "<h1>hi</h1>"));
    assert!(reply.header("content-type").unwrap().starts_with("text/html"));
    let etag = reply.header("etag").unwrap().to_owned();
    assert_eq!(edge.get_with("/", &[("if-none-match", &etag)]).status, 304);
    for path in ["/../secret", "/%2e%2e/secret", "/link", "/nothing"] {
        let reply = edge.get(path);
        assert!(reply.status >= 400 && !reply.text().contains("no\n"), "{path}: {reply:?}");
    }
}

#[test]
fn services_of_wasi_http_run_unchanged_as_origins() {
    for service in ["service-p2", "service-p3"] {
        let edge = Edge::start(&format!(
            "[function.service]\ncomponent = {:?}\n[origin.app]\ncomponent = \"service\"\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n",
            component(service)
        ));
        let reply = edge.get("/page");
        assert_eq!((reply.status, reply.body.len()), (200, 1024), "{service}: {} {}", reply.text(), edge.log());
        let echo = edge.request("POST", "/echo?a=b", &[], &[b'x'; 100_000]);
        assert_eq!(echo.status, 200, "{service}");
        assert!(echo.body.len() >= 100_000, "{service}: {} bytes came back", echo.body.len());
        let trap = edge.get("/trap");
        assert_eq!((trap.status, trap.x_cache()), (502, "Error from cloudfront"), "{service}: {}", edge.log());
        assert_eq!(edge.get("/page").status, 200, "{service}: after a trap");
    }
}
