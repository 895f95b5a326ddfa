//! What a visitor sees when the origin cannot answer: a page, not a stack trace.
//!
//! A browser gets the page, everything else a short JSON text. The status stays, and nothing is cached.

use edgeward_sdk::Response;

edgeward_sdk::origin_response!(handle);

const PAGE: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>Back soon</title>
<style>body{font:1rem/1.5 system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem}</style>
<h1>We will be right back</h1>
<p>Something on our side does not work at the moment. Please try again in a minute.</p>
</html>
";

fn handle(resp: &mut Response) {
    if resp.status() < 500 {
        return;
    }
    let page = resp.request_header("accept").is_some_and(|accept| accept.contains("text/html"));
    let (kind, body) =
        if page { ("text/html; charset=utf-8", PAGE) } else { ("application/json", "{\"error\":\"temporarily unavailable\"}\n") };
    resp.set_header("content-type", kind);
    resp.set_header("cache-control", "no-store");
    resp.set_header("retry-after", 60u32);
    resp.remove_header("content-encoding");
    resp.remove_header("etag");
    resp.set_body(body);
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn errors_get_a_page_and_the_rest_passes() {
        let case = Case::request("GET", "/").at_origin().header("accept", "text/html,*/*");
        let broken = case.clone().response(502, &[], None).run_response(super::handle);
        assert!(broken.body().is_some_and(|body| body.starts_with(b"<!doctype html>")));
        assert_eq!(broken.header("retry-after").as_deref(), Some("60"));
        assert!(case.response(404, &[], None).run_response(super::handle).ops().is_empty());
    }
}
