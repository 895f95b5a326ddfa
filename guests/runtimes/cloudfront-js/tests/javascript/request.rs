//! Viewer requests: what a handler sees, and what its changes become.

use crate::harness::{Event, get, run, run_in, shown, table};

fn rich() -> Event {
    get()
        .query("x=1&y=&x=2&z&%61=%20")
        .header("cookie", "a=1; b=2; a=3; c")
        .header("x-many", "one")
        .header("x-many", "two, three")
        .header("cookie", "d=4=5")
}

/// A handler of that body.
fn handler(body: &str) -> String {
    format!("function handler(event) {{ var request = event.request; {body}; return request }}")
}

#[test]
fn the_event_is_cloudfronts() {
    let source = handler("console.log(JSON.stringify(event))");
    let expected = concat!(
        r#"log {"version":"1.0","context":{"distributionDomainName":"d123","distributionId":"d123","eventType":"viewer-request","requestId":"id-1"},"#,
        r#""viewer":{"ip":"192.0.2.1"},"request":{"method":"GET","uri":"/a/b","#,
        r#""querystring":{"x":{"value":"1","multiValue":[{"value":"1"},{"value":"2"}]},"y":{"value":""},"z":{"value":""},"%61":{"value":"%20"}},"#,
        r#""headers":{"host":{"value":"example.com"},"accept":{"value":"*/*"},"x-many":{"value":"one","multiValue":[{"value":"one"},{"value":"two, three"}]}},"#,
        r#""cookies":{"a":{"value":"1","multiValue":[{"value":"1"},{"value":"3"}]},"b":{"value":"2"},"c":{"value":""},"d":{"value":"4=5"}}}}"#,
    );
    for dialect in ["cloudfront-js-1.0", "cloudfront-js-2.0"] {
        assert_eq!(run_in(dialect, &source, &rich()), expected, "{dialect}");
    }
}

#[test]
fn changes_become_ops() {
    table(
        &[
            ("", ""),
            ("request.uri = request.uri", ""),
            ("request.uri += '/index.html'", "uri /a/b/index.html"),
            ("request.uri = '/ä€😀'", "uri /\\xc3\\xa4\\xe2\\x82\\xac\\xf0\\x9f\\x98\\x80"),
            // Headers.
            ("request.headers['x-new'] = { value: '1' }", "set x-new: 1"),
            ("request.headers['x-new'] = { value: '' }", "set x-new: "),
            ("request.headers['accept'].value = 'text/html'", "set accept: text/html"),
            ("request.headers.accept = { value: '*/*' }", "set accept: */*"),
            ("delete request.headers.accept", "remove accept"),
            ("request.headers = { host: request.headers.host }", "remove accept\nremove x-many"),
            ("request.headers['x-new'] = { multiValue: [{ value: 'a' }, { value: 'b' }] }", "set x-new: a\nadd x-new: b"),
            ("request.headers['x-new'] = { value: 'v', multiValue: [{ value: 'a' }] }", "set x-new: a"),
            ("request.headers['x-new'] = { value: 'v', multiValue: [] }", "set x-new: v"),
            ("request.headers['x-new'] = { value: 'v', multiValue: undefined }", "set x-new: v"),
            ("request.headers['x-many'].value = '1'", "set x-many: 1\nadd x-many: two, three"),
            ("request.headers['x-many'].multiValue[1].value = '2'", "set x-many: one\nadd x-many: 2"),
            ("request.headers['x-many'].value = 'no'; request.headers['x-many'].multiValue.pop()", "set x-many: one"),
            (
                "request.headers['x-many'].multiValue.push({ value: 'four' })",
                "set x-many: one\nadd x-many: two, three\nadd x-many: four",
            ),
            ("delete request.headers['x-many'].multiValue", "set x-many: one"),
            ("request.headers['42'] = { value: 'number' }", "set 42: number"),
            ("request.headers.constructor = { value: '1' }", "set constructor: 1"),
            ("request.headers['__proto__'] = { value: '1' }", ""),
            (
                "Object.defineProperty(request.headers, '__proto__', { value: { value: '1' }, enumerable: true })",
                "set __proto__: 1",
            ),
            // Query strings.
            ("request.querystring.q = { value: '7' }", "query x=1&x=2&y=&z&%61=%20&q=7"),
            ("request.querystring.y.value = 'b'", "query x=1&x=2&y=b&z&%61=%20"),
            ("delete request.querystring.x", "query y=&z&%61=%20"),
            ("request.querystring = {}", "query "),
            ("request.querystring = ''", "query "),
            ("request.querystring = 'a=b&c'", "query a=b&c"),
            (
                "request.querystring = { a: { value: '1' }, b: { multiValue: [{ value: '2' }, { value: '3' }] } }",
                "query a=1&b=2&b=3",
            ),
            // Cookies.
            ("request.cookies.e = { value: 'f' }", "set cookie: a=1; a=3; b=2; c; d=4=5; e=f"),
            ("request.cookies.b.value = 'x'", "set cookie: a=1; a=3; b=x; c; d=4=5"),
            ("delete request.cookies.a", "set cookie: b=2; c; d=4=5"),
            ("request.cookies = {}", "remove cookie"),
            ("request.headers.cookie = { value: 'own=1' }", "set cookie: own=1"),
        ],
        |body| run(&handler(body), &rich()),
    );
}

#[test]
fn another_object_is_as_good_as_the_one_that_was_given() {
    let of = |body: &str| run(&format!("function handler(event) {{ {body} }}"), &rich());
    assert_eq!(of("return Object.assign({}, event.request)"), "");
    assert_eq!(of("return { ...event.request, uri: '/x' }"), "uri /x");
    assert_eq!(
        of("return JSON.parse(JSON.stringify(event.request))"),
        "uri /a/b\nquery x=1&x=2&y=&z&%61=%20\nset cookie: a=1; a=3; b=2; c; d=4=5\nset host: example.com\nset accept: */*\nset x-many: one\nadd x-many: two, three"
    );
}

#[test]
fn what_is_no_request_is_refused() {
    let of = |body: &str| run(&format!("function handler(event) {{ var request = event.request; {body} }}"), &rich());
    table(
        &[
            ("", "invalid the function returned nothing, not a request or a response"),
            ("return null", "invalid the function returned null, not a request or a response"),
            ("return 'x'", "invalid the function returned a string, not a request or a response"),
            ("return [request]", "invalid the function returned an array, not a request or a response"),
            ("return function () {}", "invalid the function returned a function, not a request or a response"),
            ("return 5", "invalid the function returned a value of another type, not a request or a response"),
            (
                "return event",
                "invalid the function returned an object that has neither `uri` nor `statusCode`: return `event.request` or a response",
            ),
            (
                "return {}",
                "invalid the function returned an object that has neither `uri` nor `statusCode`: return `event.request` or a response",
            ),
            (
                "request.statusCode = 200; return request",
                "invalid the function returned an object with `statusCode` and `uri`: it is either a response or a request",
            ),
            ("request.method = 'POST'; return request", "invalid request.method is read-only"),
            ("request.uri = 'x'; return request", "invalid request.uri must begin with `/`: \"x\""),
            ("request.uri = ''; return request", "invalid request.uri must begin with `/`: \"\""),
            ("request.uri = 5; return request", "invalid request.uri is not a string"),
            ("request.uri = new String('/x'); return request", "invalid request.uri is not a string"),
            ("request.uri = Symbol('/x'); return request", "invalid request.uri is not a string"),
            ("request.uri = { toString: function () { return '/x' } }; return request", "invalid request.uri is not a string"),
            ("request.uri = '/\\ud800'; return request", "invalid request.uri has a half of a surrogate pair"),
            ("request.headers = 'x'; return request", "invalid request.headers is not an object"),
            ("delete request.headers; return request", "invalid request.headers is not an object"),
            ("request.headers = []; return request", "invalid request.headers is not an object"),
            ("request.querystring = 5; return request", "invalid request.querystring is not an object"),
            ("request.cookies = null; return request", "invalid request.cookies is not an object"),
            ("request.headers.x = 'y'; return request", "invalid request.headers[\"x\"] is not an object with a `value`"),
            ("request.headers.x = {}; return request", "invalid request.headers[\"x\"] has no `value`"),
            ("request.headers.x = { value: 5 }; return request", "invalid request.headers[\"x\"].value is not a string"),
            ("request.headers.x = { value: null }; return request", "invalid request.headers[\"x\"].value is not a string"),
            (
                "request.headers.x = { multiValue: 'y' }; return request",
                "invalid request.headers[\"x\"].multiValue is not an array",
            ),
            (
                "request.headers.x = { multiValue: ['y'] }; return request",
                "invalid request.headers[\"x\"].multiValue[0] is not an object with a `value`",
            ),
            (
                "request.headers['X-Y'] = { value: 'z' }; return request",
                "invalid request.headers[\"X-Y\"]: names of headers are lower-case",
            ),
            ("request.headers[''] = { value: 'z' }; return request", "invalid request.headers has a name without characters"),
            ("return Promise.resolve(request).then", "invalid the function returned a function, not a request or a response"),
        ],
        of,
    );
}

#[test]
fn only_own_properties_count() {
    let of = |body: &str| run(&format!("function handler(event) {{ var request = event.request; {body} }}"), &rich());
    table(
        &[
            ("Object.prototype.multiValue = [{ value: 'evil' }]; request.headers.x = { value: 'y' }; return request", "set x: y"),
            ("Object.prototype.evil = { value: '1' }; return request", ""),
            ("Object.prototype.statusCode = 200; return request", ""),
            (
                "Object.prototype.value = 'v'; request.headers.x = {}; return request",
                "invalid request.headers[\"x\"] has no `value`",
            ),
            (
                "Object.prototype.uri = '/x'; return {}",
                "invalid the function returned an object that has neither `uri` nor `statusCode`: return `event.request` or a response",
            ),
            (
                "Object.defineProperty(Object.prototype, 'value', { set: function () { throw new Error('no') } }); return request",
                "",
            ),
            ("Object.setPrototypeOf(request.headers, { x: { value: 'y' } }); return request", ""),
            ("Object.defineProperty(request.headers, 'x', { value: { value: 'y' } }); return request", ""),
            ("request.headers[Symbol('x')] = { value: 'y' }; return request", ""),
            ("Array.prototype[2] = { value: 'evil' }; return request", ""),
        ],
        of,
    );
}

#[test]
fn getters_are_run_once_and_may_throw() {
    let of =
        |body: &str| run(&format!("function handler(event) {{ var request = event.request; {body}; return request }}"), &rich());
    table(
        &[
            (
                "var n = 0; Object.defineProperty(request.headers, 'x', { enumerable: true, get: function () { return { value: String(++n) } } })",
                "set x: 1",
            ),
            (
                "Object.defineProperty(request.headers, 'accept', { enumerable: true, get: function () { return { value: 'g' } } })",
                "set accept: g",
            ),
            // Deletes what comes after it.
            (
                "Object.defineProperty(request.headers, 'host', { enumerable: true, get: function () { delete request.headers.accept; return { value: 'h' } } })",
                "set host: h",
            ),
            ("Object.defineProperty(request, 'uri', { get: function () { return '/g' } })", "uri /g"),
            (
                "request.headers.x = Object.defineProperty({}, 'multiValue', { get: function () { return [Object.defineProperty({}, 'value', { get: function () { return 'deep' } })] } })",
                "set x: deep",
            ),
        ],
        of,
    );
    let thrown = of("Object.defineProperty(request, 'uri', { get: function () { throw new Error('mine') } })");
    assert!(thrown.starts_with("failed Error: mine\n    at get"), "{thrown}");
}

#[test]
fn bytes_that_are_not_utf8_are_shown_as_latin1_and_kept_where_untouched() {
    let mut event = get();
    event.headers.push(("x-old", b"caf\xe9".to_vec()));
    event.headers.push(("x-list", b"\xe9".to_vec()));
    event.headers.push(("x-list", b"b".to_vec()));
    assert_eq!(run(&handler("console.log(request.headers['x-old'].value)"), &event), "log café");
    assert_eq!(run(&handler("request.headers['x-list'].multiValue[1].value = 'c'"), &event), "set x-list: \\xe9\nadd x-list: c");
}

#[test]
fn a_request_knows_its_raw_query_string_in_2_0() {
    let source = handler("console.log(request.rawQueryString())");
    for (event, expected) in [(get(), "log undefined"), (get().query(""), "log "), (get().query("a=%20&a&b"), "log a=%20&a&b")] {
        assert_eq!(run(&source, &event), expected);
    }
    assert_eq!(
        run(
            &handler("request.querystring = 'x=1'; console.log(request.rawQueryString(), Object.keys(request).length)"),
            &get().query("a")
        ),
        "query x=1\nlog a 5"
    );
    assert_eq!(shown("cloudfront-js-1.0", "typeof event.request.rawQueryString"), "undefined");
}
