//! The benchmark's workload W2: a whole answer of 1 KiB made at the edge, no origin.

use edgeward_sdk::{Reply, Request};

edgeward_sdk::viewer_request!(handle);

static BODY: [u8; 1024] = {
    let mut body = [b's'; 1024];
    body[1023] = b'\n';
    body
};

fn handle(req: &mut Request) -> Reply {
    if req.header("x-block") == Some("1") {
        return Reply::new(403).header("content-type", "text/plain").body("blocked\n");
    }
    let uri = req.uri();
    Reply::new(200)
        .header("content-type", "text/plain")
        .header("strict-transport-security", "max-age=63072000")
        .header("x-content-type-options", "nosniff")
        .header("x-frame-options", "DENY")
        .header("x-uri", [uri, index(uri)])
        .body(&BODY)
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
    fn the_answer_names_the_file() {
        let outcome = Case::request("GET", "/a?q").run(super::handle);
        assert_eq!(outcome.status(), Some(200));
        assert_eq!(outcome.header("x-uri").as_deref(), Some("/a/index.html"));
        assert_eq!(outcome.body().map(|body| body.len()), Some(1024));
    }
}
