//! Gives every response the headers that browsers protect a site by, and takes away what tells an attacker
//! what runs behind it.

use edgeward_sdk::Response;

edgeward_sdk::viewer_response!(handle);

const HEADERS: [(&str, &str); 6] = [
    ("strict-transport-security", "max-age=63072000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cross-origin-opener-policy", "same-origin"),
];

fn handle(resp: &mut Response) {
    for (name, value) in HEADERS {
        resp.set_header(name, value);
    }
    // A page may have a policy of its own.
    if resp.header("content-security-policy").is_none() {
        resp.set_header("content-security-policy", "default-src 'self'; frame-ancestors 'none'");
    }
    resp.remove_header("server");
    resp.remove_header("x-powered-by");
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::{Case, Op};

    #[test]
    fn a_policy_of_the_page_is_kept() {
        let case = Case::request("GET", "/");
        let ours = case.clone().response(200, &[], None).run_response(super::handle);
        assert!(ours.header("content-security-policy").is_some());
        let theirs = case.response(200, &[("content-security-policy", "x")], None).run_response(super::handle);
        assert_eq!(theirs.header("content-security-policy"), None);
        assert!(theirs.ops().contains(&Op::RemoveHeader("server".into())));
    }
}
