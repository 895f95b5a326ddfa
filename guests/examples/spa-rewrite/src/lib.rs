//! A single-page application in a static folder: its routes exist in the browser only.
//!
//! A path whose last segment has no extension is a route, and gets `/index.html`. A path that ends in `/`
//! below `/docs/` is a folder, and gets its own index. Everything else is a file.

use edgeward_sdk::Request;

edgeward_sdk::viewer_request!(handle);

fn handle(req: &mut Request) {
    let uri = req.uri();
    if uri.starts_with("/docs/") && uri.ends_with('/') {
        req.set_uri([uri, "index.html"]);
    } else if is_route(uri) {
        req.set_uri("/index.html");
    }
}

fn is_route(uri: &str) -> bool {
    !uri.bytes().rev().take_while(|&byte| byte != b'/').any(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn routes_and_folders_get_an_index_and_files_stay() {
        for (uri, expected) in [
            ("/", Some("/index.html")),
            ("/users/42", Some("/index.html")),
            ("/v1.2/users", Some("/index.html")),
            ("/docs/guide/", Some("/docs/guide/index.html")),
            ("/app.js", None),
            ("/docs/a.css", None),
        ] {
            assert_eq!(Case::request("GET", uri).run(super::handle).uri(), expected, "{uri}");
        }
    }
}
