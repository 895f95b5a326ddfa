//! A viewer hook: it sees every request before the cache does, and may change or answer it.

use edgeward_sdk::{Flow, Reply, Request};

edgeward_sdk::viewer_request!(on_request);

fn on_request(req: &mut Request) -> Flow {
    if req.uri() == "/hello" {
        return Reply::new(200).header("content-type", "text/plain").body("hello from {{name}}\n").into();
    }
    // The origin gets `/a/index.html` for `/a/`.
    if req.uri().ends_with('/') {
        req.set_uri([req.uri(), "index.html"]);
    }
    Flow::Continue
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn folders_get_an_index() {
        assert_eq!(Case::request("GET", "/a/").run(super::on_request).uri(), Some("/a/index.html"));
    }
}
