//! Asks another service whether a request may pass, before it goes to the origin.
//!
//! The service is at `AUTH_SERVICE` (`host:port`, in the function's environment, and in its `network` list).
//! It gets the method, path and credentials; 2xx lets the request pass with the user it names in `x-user`,
//! 401 and 403 go to the client as they are, and anything else, silence included, is 503: closed when in doubt.

use edgeward_fetch::Fetch;
use edgeward_sdk::{Reply, Request, log};

edgeward_sdk::origin_request!(handle);

fn handle(req: &mut Request) -> Result<(), Reply> {
    // Only this hook says who asks.
    req.remove_header("x-user");
    let service = std::env::var("AUTH_SERVICE").map_err(|_| unavailable("AUTH_SERVICE is not set"))?;
    let mut question = Fetch::get(&service, "/check")
        .header("x-original-method", req.method())
        .header("x-original-uri", req.uri())
        .timeout_ms(500)
        .body_bytes_max(4_096);
    for name in ["authorization", "cookie"] {
        for value in req.headers().values(name) {
            question = question.header(name, value);
        }
    }
    let answer = question.send().map_err(|error| unavailable(&error.to_string()))?;
    match answer.status {
        200..=299 => {}
        401 | 403 => return Err(Reply::new(answer.status).header("cache-control", "no-store").body(answer.body)),
        status => return Err(unavailable(&format!("the auth service answered {status}"))),
    }
    let user = answer.headers.iter().find(|(name, _)| name == "x-user");
    if let Some(user) = user.and_then(|(_, value)| std::str::from_utf8(value).ok()) {
        req.set_header("x-user", user);
    }
    Ok(())
}

fn unavailable(why: &str) -> Reply {
    log!("cannot decide: {why}");
    Reply::new(503).header("retry-after", 5u32).header("cache-control", "no-store").body("try again\n")
}
