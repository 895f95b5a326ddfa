//! Shows every visitor one of two versions of a site, always the same one.
//!
//! A visitor without the cookie is put into a group by a hash of their address and user agent: no clock, no
//! chance, so that a first visit over two connections sees one version. Version `b` lives under `/b` at the
//! origin. The cookie is set on the way out.

use edgeward_sdk::{Event, Request, Response};

edgeward_sdk::viewer_request!(split);
edgeward_sdk::viewer_response!(remember);

const COOKIE: &str = "ab";
/// Of 100 visitors, how many see version b.
const SHARE_OF_B: u32 = 20;

fn split(req: &mut Request) {
    if group(req) == "b" {
        req.set_uri(["/b", req.uri()]);
    }
}

fn remember(resp: &mut Response) {
    if resp.cookie(COOKIE).is_none() {
        let cookie = [COOKIE, "=", group(resp), "; Path=/; Max-Age=2592000; SameSite=Lax"];
        resp.append_header("set-cookie", cookie);
    }
}

fn group(event: &Event) -> &'static str {
    match event.cookie(COOKIE) {
        Some("a") => return "a",
        Some("b") => return "b",
        _ => {}
    }
    let agent = event.request_headers().value("user-agent").unwrap_or_default();
    // FNV-1a: short, and good enough to deal cards.
    let hash = event
        .client_ip()
        .bytes()
        .chain(agent.iter().copied())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if (hash >> 8) % 100 < SHARE_OF_B { "b" } else { "a" }
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn the_cookie_decides() {
        let uri = |cookie| Case::request("GET", "/x").header("cookie", cookie).run(super::split).uri().map(str::to_owned);
        assert_eq!(uri("k=v; ab=b").as_deref(), Some("/b/x"));
        assert_eq!(uri("ab=a"), None);
    }

    #[test]
    fn new_visitors_are_split_and_remembered() {
        let case = |n: u32| Case::request("GET", "/").header("user-agent", &format!("agent {n}"));
        let b = (0..1_000).filter(|&n| case(n).run(super::split).uri().is_some()).count();
        assert!((150..250).contains(&b), "{b} of 1,000 saw version b");
        let cookie = case(1).response(200, &[], None).run_response(super::remember).header("set-cookie");
        assert!(cookie.is_some_and(|cookie| cookie.starts_with("ab=")));
    }
}
