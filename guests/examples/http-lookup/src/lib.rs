//! Answers `/products/ID` from a database that speaks HTTP (PostgREST, as an example), without an origin.
//!
//! The database is at `DATABASE` (`host:port`, in the function's environment, and in its `network` list). A row
//! becomes a response that may be cached for a minute; no row is 404; silence is 503. The id goes into a URL,
//! so that it must be a number.

use edgeward_fetch::Fetch;
use edgeward_sdk::{Flow, Reply, Request, log};

edgeward_sdk::origin_request!(handle);

fn handle(req: &mut Request) -> Flow {
    let Some(id) = req.uri().strip_prefix("/products/") else { return Flow::Continue };
    if !matches!(req.method(), "GET" | "HEAD") {
        return Reply::new(405).header("allow", "GET, HEAD").into();
    }
    if id.is_empty() || id.len() > 18 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Reply::new(404).body("no such product\n").into();
    }
    match row(id) {
        Ok(Some(row)) => Reply::new(200)
            .header("content-type", "application/json")
            .header("cache-control", "public, max-age=60")
            .body(row)
            .into(),
        Ok(None) => Reply::new(404).header("cache-control", "public, max-age=10").body("no such product\n").into(),
        Err(why) => {
            log!("product {id}: {why}");
            Reply::new(503).header("retry-after", 5u32).header("cache-control", "no-store").into()
        }
    }
}

/// The one object of the array that the database answers with.
fn row(id: &str) -> Result<Option<Vec<u8>>, String> {
    let database = std::env::var("DATABASE").map_err(|_| "DATABASE is not set")?;
    let path = format!("/products?id=eq.{id}&limit=1");
    let answer = Fetch::get(&database, &path).header("accept", "application/json").send().map_err(|e| e.to_string())?;
    if answer.status != 200 {
        return Err(format!("the database answered {}", answer.status));
    }
    let array = answer.body.trim_ascii();
    let row = array.strip_prefix(b"[").and_then(|array| array.strip_suffix(b"]")).ok_or("not an array")?.trim_ascii();
    Ok((!row.is_empty()).then(|| row.to_vec()))
}
