//! Lets scripts of a few other sites call this one: answers preflights at the edge, marks responses.
//!
//! Both moments are in one component. What is allowed stands in [`ORIGINS`]; `null` and unknown origins get
//! no header, which is how a browser is told no.

use edgeward_sdk::{Flow, Reply, Request, Response};

edgeward_sdk::viewer_request!(preflight);
edgeward_sdk::viewer_response!(mark);

const ORIGINS: [&str; 2] = ["https://app.example.com", "https://admin.example.com"];

fn allowed(origin: Option<&str>) -> Option<&str> {
    origin.filter(|origin| ORIGINS.contains(origin))
}

fn preflight(req: &mut Request) -> Flow {
    if req.method() != "OPTIONS" || req.header("access-control-request-method").is_none() {
        return Flow::Continue;
    }
    let reply = Reply::new(204).header("vary", "origin");
    let Some(origin) = allowed(req.header("origin")) else { return reply.into() };
    reply
        .header("access-control-allow-origin", origin)
        .header("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE")
        .header("access-control-allow-headers", "authorization, content-type")
        .header("access-control-allow-credentials", "true")
        .header("access-control-max-age", 7200u32)
        .into()
}

fn mark(resp: &mut Response) {
    // Whatever the answer is, it depends on who asks.
    resp.append_header("vary", "origin");
    if let Some(origin) = allowed(resp.request_header("origin")) {
        resp.set_header("access-control-allow-origin", origin);
        resp.set_header("access-control-allow-credentials", "true");
    }
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    fn options(origin: &str) -> Case {
        Case::request("OPTIONS", "/api").header("origin", origin).header("access-control-request-method", "PUT")
    }

    #[test]
    fn preflights_are_answered_at_the_edge() {
        let outcome = options("https://app.example.com").run(super::preflight);
        assert_eq!(outcome.status(), Some(204));
        assert_eq!(outcome.header("access-control-allow-origin").as_deref(), Some("https://app.example.com"));
        let stranger = options("https://evil.example").run(super::preflight);
        assert_eq!(stranger.header("access-control-allow-origin"), None);
        assert_eq!(Case::request("OPTIONS", "/").run(super::preflight).status(), None);
    }

    #[test]
    fn responses_are_marked_for_known_origins() {
        let response = |origin| Case::request("GET", "/").header("origin", origin).response(200, &[], None);
        let known = response("https://admin.example.com").run_response(super::mark);
        assert!(known.header("access-control-allow-origin").is_some());
        assert!(response("null").run_response(super::mark).header("access-control-allow-origin").is_none());
    }
}
