//! CloudFront Functions as they are, through HTTP: the examples of `guests/examples-js`, and sources that mean harm.

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Config, Edge, Origin, Reply, eventually};

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../guests/examples-js/", $name, ".js"))
    };
}

/// An edge with this source at these moments of every request.
fn edge(origin: &Origin, source: &str, moments: &[&str], more: impl Into<Config>) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    compiled_in(folder.path(), Runtime::CloudfrontJs);
    std::fs::write(folder.path().join("f.js"), source).unwrap();
    std::fs::write(
        folder.path().join("keys.json"),
        r#"{"/old": "/new", "jwt.secret": "your-256-bit-secret", "json": "{\"a\": 1}"}"#,
    )
    .unwrap();
    let config = Config::new().source("f", "f.js").set("key_value_store", "keys");
    let config = config.table("key_value_store.keys").set("file", "keys.json").with(more).origin("o", origin.url()).site("o");
    let config = moments.iter().fold(config, |config, moment| config.set(moment, "f"));
    Edge::start_in(folder, &config)
}

/// A handler of requests with this body.
fn of_requests(origin: &Origin, body: &str) -> Edge {
    let source = format!(
        "import cf from 'cloudfront';\nasync function handler(event) {{\n  const request = event.request;\n  {body}\n}}\n"
    );
    edge(origin, &source, &["viewer_request"], "")
}

#[test]
fn the_examples_of_requests_do_what_they_say() {
    let origin = Origin::echo();
    let index = edge(&origin, example!("index-rewrite"), &["viewer_request"], "");
    assert_eq!(index.get("/docs").text(), "GET /docs/index.html\n");

    let geo = edge(&origin, example!("geo-redirect"), &["viewer_request"], "");
    // Nobody knows where this viewer is.
    assert_eq!(geo.get("/").text(), "GET /\n");

    let redirect = edge(&origin, example!("kvs-redirect"), &["viewer_request"], "");
    let moved = redirect.get("/old?a=%20");
    assert_eq!((moved.status, moved.header("location")), (301, "/new?a=%20"));
    assert_eq!(moved.header("x-cache"), "FunctionGeneratedResponse from cloudfront");
    assert_eq!(redirect.get("/other").text(), "GET /other\n");

    let key = edge(&origin, example!("cache-key"), &["viewer_request"], "");
    key.get("/A?b=2&utm_source=x&a=1");
    assert_eq!(origin.last().target, "/a?a=1&b=2");

    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let jwt = edge(&origin, example!("jwt-check"), &["viewer_request"], "");
    assert_eq!(jwt.get_with("/", &format!("authorization: Bearer {token}\r\n")).status, 200);
    assert_eq!(origin.last().header("x-subject"), "1234567890");
    let refused = jwt.get_with("/", &format!("authorization: Bearer {token}x\r\n"));
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"));
    eventually("the log says why", || jwt.log().contains("refused: a wrong signature"));
}

#[test]
fn the_examples_of_responses_do_what_they_say() {
    let origin = Origin::start(|_| Reply::new(200, "hello").header("x-powered-by", "php"));
    let secure = edge(&origin, example!("security-headers"), &["viewer_response"], "");
    let answer = secure.get("/");
    assert_eq!(
        (answer.header("x-frame-options"), answer.header("x-powered-by"), answer.text()),
        ("DENY", "", "hello".to_owned())
    );

    let split = edge(&origin, example!("ab-cookie"), &["viewer_request", "viewer_response"], "");
    let first = split.get("/");
    let group = origin.last().header("x-group").to_owned();
    assert_eq!(first.header("set-cookie"), format!("group={group}; Path=/; Max-Age=2592000; SameSite=Lax"));
    let again = split.get_with("/", &format!("cookie: group={group}\r\n"));
    assert_eq!((again.header("set-cookie"), origin.last().header("x-group")), ("", group.as_str()));
}

#[test]
fn the_language_lacks_what_the_document_says_and_no_more() {
    let origin = Origin::echo();
    let edge = of_requests(
        &origin,
        "const all = 'AggregateError Array ArrayBuffer Atomics BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError \
         FinalizationRegistry Float32Array Float64Array Function Int8Array Int16Array Int32Array JSON Map Math Number Object Promise \
         Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String Symbol SyntaxError TypeError URIError Uint8Array \
         Uint8ClampedArray Uint16Array Uint32Array WeakMap WeakRef WeakSet decodeURI encodeURIComponent globalThis parseInt'; \
         request.uri = `/${all.split(' ').filter(name => !(name in globalThis)).join()}`; return request",
    );
    let expected = ["Atomics", "FinalizationRegistry", "Proxy", "SharedArrayBuffer", "WeakRef"];
    assert_eq!(edge.get("/").text(), format!("GET /{}\n", expected.join(",")));
    let document = include_str!("../../docs/javascript.md").split_once("all of ES2023 but").unwrap().1;
    let document = document.split_once("in both runtimes").unwrap().0;
    let mut told: Vec<&str> = document.split('`').skip(1).step_by(2).collect();
    told.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn chance_and_time_are_those_of_the_call() {
    let origin = Origin::echo();
    let edge = of_requests(
        &origin,
        "const now = Date.now(); for (let i = 0; i < 2000; i++); request.uri = `/${Math.random()}/${now === Date.now()}/${now}`; return request",
    );
    let parts = |text: String| text.trim().trim_start_matches("GET /").split('/').map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (parts(edge.get("/").text()), parts(edge.get("/").text()));
    assert!(one[0] != two[0] && one[1] == "true", "{one:?} {two:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(two[2].parse().unwrap()) < 60_000, "{two:?}");
}

#[test]
fn a_source_chooses_the_origin() {
    let (first, second) = (Origin::start(|_| Reply::new(200, "first")), Origin::start(|_| Reply::new(200, "second")));
    let port = second.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let source = format!(
        "import cf from 'cloudfront';\nfunction handler(event) {{\n  const request = event.request;\n  \
         if (request.uri === '/second') cf.updateRequestOrigin({{ domainName: '127.0.0.1', \
         customOriginConfig: {{ port: {port}, protocol: 'http' }}, customHeaders: {{ 'x-own': '1' }} }});\n  return request;\n}}\n"
    );
    // A private address must be that of an origin.
    let edge = edge(&first, &source, &["viewer_request"], Config::new().origin("second", second.url()));
    assert_eq!(edge.get("/").text(), "first");
    let answer = edge.get("/second");
    assert_eq!((answer.text(), second.last().header("x-own")), ("second".to_owned(), "1"));
}

#[test]
fn the_host_judges_what_a_source_may_change() {
    let origin = Origin::echo();
    let edge = of_requests(
        &origin,
        "switch (request.uri) { case '/length': request.headers['content-length'] = { value: '5' }; break; \
         case '/cache': request.headers['x-cache'] = { value: 'Hit' }; break; \
         case '/line': request.headers['x-a'] = { value: 'b\\r\\nc: d' }; break; \
         case '/slash': request.uri = 'x'; break; \
         case '/method': request.method = 'PUT'; break; \
         case '/nothing': return; } return request",
    );
    for target in ["/length", "/cache", "/line", "/slash", "/method", "/nothing"] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.header("x-cache")), (502, "FunctionValidationError from cloudfront"), "{target}");
    }
    assert_eq!(edge.get("/fine").text(), "GET /fine\n");
}

#[test]
fn harm_ends_with_its_own_request() {
    let origin = Origin::echo();
    let edge = of_requests(
        &origin,
        "switch (request.uri) { case '/loop': for (;;); case '/regexp': return /(a*)*b/.test('a'.repeat(40)); \
         case '/deep': return (function f() { return f() + 1 })(); case '/nested': return JSON.parse('['.repeat(1e5)); \
         case '/long': for (let s = 'x'; ; s += s); case '/many': for (const a = []; ; a.push({ a })); \
         case '/never': await new Promise(() => {}); case '/jobs': (function f() { Promise.resolve().then(f) })(); break; \
         case '/eval': return eval('1'); } \
         Object.prototype.uri = '/polluted'; globalThis.seen = (globalThis.seen ?? 0) + 1; request.uri = `/${globalThis.seen}`; return request",
    );
    for target in ["/loop", "/regexp", "/deep", "/nested", "/long", "/many", "/never", "/jobs", "/eval"] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.header("x-cache")), (503, "FunctionExecutionError from cloudfront"), "{target}");
        assert_eq!(edge.get("/fine").text(), "GET /1\n", "after {target}");
    }
    eventually("the log has an error and its place", || edge.log().contains("f.js:4:"));
    assert_eq!(edge.metric("edgeward_function_audits_total{function=\"f\",result=\"different\"}"), 0.0);
}
