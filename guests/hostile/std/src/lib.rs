//! A hook on Rust's standard library and WASI, as `wit-bindgen` makes it: does what the last segment of the path names,
//! and answers with what came of it.
//!
//! `std` is what programs do without thinking, `calls` each function of a sealed WASI by itself, `floods` what a host
//! must be paid for.

mod calls;
mod floods;
mod std_things;

wit_bindgen::generate!({
    path: "../../../wit/edge",
    world: "viewer-request-hook",
});

use exports::edgeward::edge::viewer_request::Guest;

struct Hook;
export!(Hook);

impl Guest for Hook {
    fn handle(event: Vec<u8>) -> Vec<u8> {
        let path = path(&event);
        let what = path.rsplit('/').next().unwrap_or_default();
        let result = std_things::run(what).or_else(|| calls::run(what)).or_else(|| floods::run(what));
        answer(&result.unwrap_or_else(|| format!("nothing is called {what}")))
    }
}

/// 200 with this body.
fn answer(body: &str) -> Vec<u8> {
    let mut answer = vec![1, 6, 200, 0, 0, 0, 0, 0, 8];
    answer.extend((body.len() as u32).to_le_bytes());
    answer.extend(body.as_bytes());
    answer
}

/// Behind the version: site, request id, client ip, edge location, method, and the path.
fn path(event: &[u8]) -> String {
    let mut rest = &event[4..];
    let mut text: &[u8] = &[];
    for _ in 0..6 {
        let (len, behind) = rest.split_first_chunk().expect("a length");
        (text, rest) = behind.split_at(u32::from_le_bytes(*len) as usize);
    }
    String::from_utf8_lossy(text).into_owned()
}
