//! Sources that mean harm: an error at most, never a wrong answer.

use crate::harness::{get, run, table};

#[test]
fn recursion_ends_in_an_error() {
    for source in [
        "function f() { return f() } function handler(event) { return f() }",
        "function handler(event) { var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a) }",
        "function handler(event) { return JSON.parse('['.repeat(1e5)) }",
        "function handler(event) { return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)) }",
        "function handler(event) { var o = { get x() { return this.x } }; return o.x }",
        "function handler(event) { var o = {}; o.toString = function () { return '' + this }; return '' + o }",
        "class A { constructor() { new A() } } function handler(event) { return new A() }",
    ] {
        let answer = run(source, &get());
        assert!(answer.starts_with("failed ") && answer.len() < 5000, "{source}: {answer}");
    }
    let answer = run(
        "function f() { return f() + 1 } function handler(event) { try { f() } catch (e) { event.request.uri = '/' + e.name } return event.request }",
        &get(),
    );
    assert_eq!(answer, "uri /RangeError");
}

#[test]
fn memory_ends_in_an_error() {
    table(
        &[
            ("var s = 'x'; while (true) s += s", "failed"),
            ("var a = []; while (true) a.push({ a: a.length })", "failed"),
            ("new Uint8Array(1e9)", "failed"),
            ("new Array(1e9).fill(1)", "failed"),
            ("'x'.repeat(1e9)", "failed"),
            ("var s = 'x'.repeat(1e6); s.replace(/x/g, s)", "failed"),
            ("Buffer.from('x'.repeat(1e7))", "failed"),
        ],
        |body| {
            let answer = run(&format!("function handler(event) {{ {body}; return event.request }}"), &get());
            answer.split(' ').next().unwrap_or_default().to_owned()
        },
    );
}

#[test]
fn the_machinery_cannot_be_taken_over() {
    table(
        &[
            // Built-in objects that were changed do not reach what reads the result.
            ("Object.prototype.hasOwnProperty = function () { throw 1 }; request.uri = '/x'", "uri /x"),
            (
                "Array.prototype[Symbol.iterator] = null; String.prototype.toString = null; request.headers.x = { multiValue: [{ value: 'y' }] }",
                "set x: y",
            ),
            ("Array.isArray = function () { return true }; request.headers.x = { value: 'y' }", "set x: y"),
            ("Promise.prototype.then = function () { throw 1 }; request.uri = '/x'", "uri /x"),
            ("Object.defineProperty(Object.prototype, 'get', { value: 5 }); request.uri = '/x'", "uri /x"),
            ("globalThis.handler = null; request.uri = '/x'", "uri /x"),
            ("delete globalThis.Object; delete globalThis.Promise; request.uri = '/x'", "uri /x"),
            ("Object.freeze(event); Object.freeze(request); Object.freeze(request.headers)", ""),
            (
                "for (var i = 0; i < 5; i++) request.headers['x' + i] = request.headers.host",
                "set x0: example.com\nset x1: example.com\nset x2: example.com\nset x3: example.com\nset x4: example.com",
            ),
            ("var h = request.headers; delete h.host; h.host = { value: 'example.com' }", "set host: example.com"),
            ("request.headers.x = { value: 'a\\r\\nb: c' }", "set x: a\\r\nb: c"),
            ("Error.prepareStackTrace = function () { throw 1 }; request.uri = '/x'", "uri /x"),
        ],
        |body| run(&format!("function handler(event) {{ var request = event.request; {body}; return request }}"), &get()),
    );
}

#[test]
fn an_event_of_any_length_is_read_or_refused() {
    let function = crate::harness::load("cloudfront-js-2.0", "function handler(event) { return event.request }").unwrap();
    let event = get().query("a=b").header("cookie", "a=b").bytes();
    for end in 0..event.len() {
        let mut answer = Vec::new();
        function.handle(event[..end].to_vec().leak(), &mut answer);
        assert_eq!(answer[..2], [1, 32], "{end}");
    }
    let response = get().response(200, &[("set-cookie", "a=b")]).bytes();
    for at in 0..response.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut event = response.clone();
            event[at] = byte;
            function.handle(event.leak(), &mut Vec::new());
        }
    }
}

#[test]
fn many_parameters_are_counted_quickly() {
    let query: String = (0..4000).map(|i| format!("{i}&")).chain((0..400).map(|_| "3999&".to_owned())).collect();
    let event = get().query(&query);
    let answer = run(
        "function handler(event) { console.log(Object.keys(event.request.querystring).length, event.request.querystring[3999].multiValue.length); return event.request }",
        &event,
    );
    assert_eq!(answer, "log 4000 401");
}
