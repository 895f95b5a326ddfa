//! An origin hook: it sees a request that the cache cannot answer, before it goes to the origin.

use edgeward_sdk::{Flow, Reply, Request};

edgeward_sdk::origin_request!(on_request);

fn on_request(req: &mut Request) -> Flow {
    if req.uri() == "/hello" {
        return Reply::new(200).header("content-type", "text/plain").body("hello from {{name}}\n").into();
    }
    req.set_header("x-hook", "{{name}}");
    Flow::Continue
}
