//! Panics in the way that the last segment of the path names; what it says must reach the log.

use edgeward_sdk::{Request, Response};

edgeward_sdk::viewer_request!(on_request);
edgeward_sdk::viewer_response!(on_response);

fn on_request(req: &mut Request) {
    match req.uri().rsplit('/').next() {
        Some("static") => panic!("a text as it stands"),
        Some("formatted") => panic!("the path has {} bytes", req.uri().len()),
        Some("index") => drop(req.uri().as_bytes()[100_000]),
        Some("unwrap") => drop(req.header("x-not-there").expect("a header that is there")),
        _ => {}
    }
}

fn on_response(resp: &mut Response) {
    assert_ne!(resp.header("x-panic"), Some("yes"), "an assertion of the response");
}
