//! Viewer responses.

use crate::harness::{Event, get, run, table};

fn rich() -> Event {
    get().query("q=1").response(
        200,
        &[
            ("content-type", "text/html"),
            ("vary", "a"),
            ("vary", "b"),
            ("set-cookie", "id=1; Path=/; Secure"),
            ("set-cookie", "t=2"),
            ("set-cookie", "t=3; Max-Age=5"),
        ],
    )
}

fn handler(body: &str) -> String {
    format!("function handler(event) {{ var response = event.response; {body}; return response }}")
}

#[test]
fn the_event_has_the_request_and_the_response() {
    let source = handler("console.log(event.context.eventType, event.request.uri, JSON.stringify(response))");
    assert_eq!(
        run(&source, &rich()),
        concat!(
            r#"log viewer-response /a/b {"statusCode":200,"statusDescription":"OK","headers":{"content-type":{"value":"text/html"},"#,
            r#""vary":{"value":"a","multiValue":[{"value":"a"},{"value":"b"}]}},"#,
            r#""cookies":{"id":{"value":"1","attributes":"Path=/; Secure"},"#,
            r#""t":{"value":"2","multiValue":[{"value":"2"},{"value":"3","attributes":"Max-Age=5"}]}}}"#,
        )
    );
}

#[test]
fn changes_become_ops() {
    table(
        &[
            ("", ""),
            ("response.headers['x-frame-options'] = { value: 'DENY' }", "set x-frame-options: DENY"),
            ("delete response.headers.vary", "remove vary"),
            ("response.statusCode = 404", "status 404"),
            ("response.statusCode = 404; response.statusDescription = 'Gone Fishing'", "status 404 Gone Fishing"),
            ("response.statusDescription = 'Fine'", "status 200 Fine"),
            ("delete response.statusDescription", ""),
            ("response.body = 'new'", "body new"),
            ("response.body = ''", "body "),
            ("response.body = { encoding: 'base64', data: 'aGk=' }", "body hi"),
            ("response.body = { encoding: 'text', data: 'hi' }", "body hi"),
            (
                "response.cookies.id.value = '9'",
                "remove set-cookie\nadd set-cookie: id=9; Path=/; Secure\nadd set-cookie: t=2\nadd set-cookie: t=3; Max-Age=5",
            ),
            (
                "response.cookies.id.attributes = 'Path=/x'; delete response.cookies.t",
                "remove set-cookie\nadd set-cookie: id=1; Path=/x",
            ),
            (
                "response.cookies.t.attributes = 'Path=/x'; delete response.cookies.t.multiValue; delete response.cookies.id",
                "remove set-cookie\nadd set-cookie: t=2; Path=/x",
            ),
            ("response.cookies = {}", "remove set-cookie"),
            (
                "response.cookies.n = { value: 'v', attributes: 'HttpOnly' }",
                "remove set-cookie\nadd set-cookie: id=1; Path=/; Secure\nadd set-cookie: t=2\nadd set-cookie: t=3; Max-Age=5\nadd set-cookie: n=v; HttpOnly",
            ),
            ("response.headers['set-cookie'] = { value: 'h=1' }", "add set-cookie: h=1"),
            ("response = { statusCode: 200, headers: {}, cookies: response.cookies }", "remove content-type\nremove vary"),
        ],
        |body| run(&handler(body), &rich()),
    );
}

#[test]
fn what_is_no_response_is_refused() {
    table(
        &[
            (
                "return event.request",
                "invalid the function returned an object without `statusCode` where a response is expected: return `event.response`",
            ),
            ("", "invalid the function returned nothing, not a response"),
            (
                "event.response.statusCode = '404'; return event.response",
                "invalid response.statusCode is not a whole number of three digits",
            ),
            (
                "event.response.statusCode = 99; return event.response",
                "invalid response.statusCode is not a whole number of three digits",
            ),
            (
                "event.response.statusCode = 200.5; return event.response",
                "invalid response.statusCode is not a whole number of three digits",
            ),
            (
                "event.response.statusCode = NaN; return event.response",
                "invalid response.statusCode is not a whole number of three digits",
            ),
            ("event.response.statusDescription = 5; return event.response", "invalid response.statusDescription is not a string"),
            (
                "event.response.body = 5; return event.response",
                "invalid response.body is neither a string nor an object with `encoding` and `data`",
            ),
            ("event.response.body = { data: 'x' }; return event.response", "invalid response.body.encoding is not a string"),
            (
                "event.response.body = { encoding: 'gzip', data: 'x' }; return event.response",
                "invalid response.body.encoding is neither \"text\" nor \"base64\"",
            ),
            ("event.response.body = { encoding: 'text' }; return event.response", "invalid response.body.data is not a string"),
            (
                "event.response.body = { encoding: 'base64', data: '?' }; return event.response",
                "invalid response.body.data is not base64: Invalid symbol 63, offset 0.",
            ),
            (
                "event.response.cookies.id = 'x'; return event.response",
                "invalid response.cookies[\"id\"] is not an object with a `value`",
            ),
            (
                "event.response.cookies.id.attributes = 5; return event.response",
                "invalid response.cookies[\"id\"].attributes is not a string",
            ),
            ("delete event.response.headers; return event.response", "invalid response.headers is missing"),
            ("delete event.response.cookies; return event.response", "invalid response.cookies is missing"),
            (
                "event.response.headers['X-A'] = { value: 'b' }; return event.response",
                "invalid response.headers[\"X-A\"]: names of headers are lower-case",
            ),
        ],
        |body| run(&format!("function handler(event) {{ {body} }}"), &rich()),
    );
}
