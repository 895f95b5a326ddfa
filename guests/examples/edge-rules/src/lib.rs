//! The rules that the benchmark gives to every server (workload W1): an index for paths that look like
//! folders, 403 for `x-block: 1`, and three security headers on the way out.

use edgeward_sdk::{Flow, Reply, Request, Response};

edgeward_sdk::viewer_request!(on_request);
edgeward_sdk::viewer_response!(on_response);

fn on_request(req: &mut Request) -> Flow {
    if req.header("x-block") == Some("1") {
        return Reply::new(403).header("content-type", "text/plain").body("blocked\n").into();
    }
    let uri = req.uri();
    match index(uri) {
        "" => {}
        index => req.set_uri([uri, index]),
    }
    Flow::Continue
}

fn on_response(resp: &mut Response) {
    resp.set_header("strict-transport-security", "max-age=63072000");
    resp.set_header("x-content-type-options", "nosniff");
    resp.set_header("x-frame-options", "DENY");
}

/// What a path lacks to be that of a file.
fn index(uri: &str) -> &'static str {
    for byte in uri.bytes().rev() {
        match byte {
            b'.' => return "",
            b'/' => break,
            _ => {}
        }
    }
    if uri.ends_with('/') { "index.html" } else { "/index.html" }
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn folders_get_an_index() {
        for (uri, expected) in [
            ("/", Some("/index.html")),
            ("/a/b/", Some("/a/b/index.html")),
            ("/a/b", Some("/a/b/index.html")),
            ("/a.b/c", Some("/a.b/c/index.html")),
            ("/a/b.css", None),
        ] {
            assert_eq!(Case::request("GET", uri).run(super::on_request).uri(), expected, "{uri}");
        }
    }

    #[test]
    fn blocked_clients_get_403() {
        let case = Case::request("GET", "/");
        assert_eq!(case.clone().header("x-block", "1").run(super::on_request).status(), Some(403));
        assert_eq!(case.header("x-block", "0").run(super::on_request).status(), None);
    }

    #[test]
    fn responses_get_security_headers() {
        let outcome = Case::request("GET", "/").response(200, &[], None).run_response(super::on_response);
        assert_eq!(outcome.header("x-frame-options").as_deref(), Some("DENY"));
        assert_eq!(outcome.ops().len(), 3);
    }
}
