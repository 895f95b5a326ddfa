//! How a source is loaded: scripts, modules, and what is wrong with them.

use crate::harness::{get, load, run, run_in, table};

const ONE: &str = "cloudfront-js-1.0";
const TWO: &str = "cloudfront-js-2.0";

#[test]
fn a_handler_is_found_however_it_is_declared() {
    for source in [
        "function handler(event) { event.request.uri = '/x'; return event.request }",
        "var handler = function (event) { event.request.uri = '/x'; return event.request }",
        "const handler = event => ({ ...event.request, uri: '/x' });",
        "async function handler(event) { event.request.uri = await Promise.resolve('/x'); return event.request }",
        "let uri; async function handler(event) { uri = '/x'; await null; event.request.uri = uri; return event.request } // end",
        "import cf from 'cloudfront';\nfunction handler(event) { event.request.uri = '/x'; return event.request }",
        "import crypto from 'crypto';\nimport { createHash } from 'crypto';\nconst handler = async event => { if (createHash === crypto.createHash) event.request.uri = '/x'; return event.request }",
        "import querystring from 'querystring'; import buffer from 'buffer'; export function handler(event) { event.request.uri = '/x'; return event.request }",
        "/* import of nothing */ function handler(event) { event.request.uri = '/x'; return event.request }",
    ] {
        assert_eq!(run(source, &get()), "uri /x", "{source}");
    }
}

#[test]
fn what_was_done_at_first_is_there_in_each_call() {
    let function = load(TWO, "var table = { '/a/b': '/c' }; function handler(event) { event.request.uri = table[event.request.uri] || '/none'; return event.request }").unwrap();
    for _ in 0..3 {
        assert_eq!(crate::harness::call(&function, &get()), "uri /c");
    }
}

#[test]
fn sources_that_cannot_run_say_why_and_where() {
    let message = |source: &&str| match load(TWO, source) {
        Ok(_) => "loaded".to_owned(),
        Err(message) => message,
    };
    table(
        &[
            ("", "the source declares no function `handler`"),
            ("var handler = 5", "the source declares no function `handler`"),
            ("function Handler() {}", "the source declares no function `handler`"),
            ("import cf from 'cloudfront'", "the source declares no function `handler`"),
            ("function handler(event) {\n  return event.\n}", "SyntaxError: expecting field name\n    at hook.js:3:1"),
            ("import fs from 'fs';\nfunction handler(e) { return e.request }", "Error: Cannot find module \"fs\""),
            (
                "const fs = require('fs');",
                "Error: Cannot find module \"fs\"\n    at require (native)\n    at <eval> (hook.js:1:11)",
            ),
            ("\n  throw new TypeError('at start');", "TypeError: at start\n    at <eval> (hook.js:2:13)"),
            ("throw 'text'", "text"),
            ("throw { toString() { throw 1 } }", "a value that is no string"),
            ("x = 1; function handler() {}", "ReferenceError: x is not defined\n    at <eval> (hook.js:1:1)"),
            ("with ({}) {} function handler() {}", "SyntaxError: invalid keyword: with\n    at hook.js:1:1"),
            ("import cf from 'cloudfront';\nfunction handler( {}", "SyntaxError: Unexpected end of input\n    at hook.js:2:21"),
            (
                "await new Promise(() => {}); import 'crypto'; function handler() {}",
                "Error: the function waits for a promise that nothing will settle",
            ),
            ("import 'crypto'; throw new Error('in module')", "Error: in module\n    at <anonymous> (hook.js:1:28)"),
            ("a\0b", "the source has a zero byte"),
        ],
        |source| message(&source),
    );
    assert_eq!(
        load("nodejs", "").err().as_deref(),
        Some("the dialect \"nodejs\" is not known: it is cloudfront-js-1.0 or cloudfront-js-2.0")
    );
    assert!(load(ONE, "import c from 'crypto'; function handler() {}").err().unwrap().starts_with("SyntaxError: "));
    assert_eq!(
        load(ONE, "require('cloudfront')").err().unwrap().lines().next(),
        Some("Error: Cannot find module \"cloudfront\"")
    );
    assert_eq!(load(ONE, "require('buffer')").err().unwrap().lines().next(), Some("Error: Cannot find module \"buffer\""));
}

#[test]
fn a_handler_that_throws_says_what_and_where() {
    let body = |body: &&str| {
        run(&format!("function handler(event) {{\n  {body}\n}}\nfunction deep() {{\n  throw new RangeError('deep');\n}}"), &get())
    };
    table(
        &[
            ("throw new Error('mine')", "failed Error: mine\n    at handler (hook.js:2:13)"),
            ("null.x", "failed TypeError: cannot read property 'x' of null\n    at handler (hook.js:2:3)"),
            ("deep()", "failed RangeError: deep\n    at deep (hook.js:5:13)\n    at handler (hook.js:2:3)"),
            ("throw 'text'", "failed text"),
            ("throw undefined", "failed undefined"),
            ("throw Symbol('s')", "failed a value that is no string"),
            ("throw { get stack() { throw 1 }, toString() { return 'T' } }", "failed T"),
            ("throw { stack: 'fake' }", "failed [object Object]\nfake"),
            (
                "return event.request.nothing.at.all",
                "failed TypeError: cannot read property 'at' of undefined\n    at handler (hook.js:2:10)",
            ),
            ("undeclared = 1", "failed ReferenceError: undeclared is not defined\n    at handler (hook.js:2:3)"),
            ("Object.freeze(event.request).uri = '/x'", "failed TypeError: 'uri' is read-only\n    at handler (hook.js:2:17)"),
        ],
        |source| body(&source),
    );
}

#[test]
fn asynchronous_handlers_are_waited_for() {
    let body = |body: &&str| run(&format!("async function handler(event) {{ const request = event.request; {body} }}"), &get());
    table(
        &[
            ("return request", ""),
            (
                "for (let i = 0; i < 10; i++) request.uri += await new Promise(resolve => resolve(i)); return request",
                "uri /a/b0123456789",
            ),
            (
                "const all = await Promise.all([1, Promise.resolve(2)]); request.uri = '/' + all.join(); return request",
                "uri /1,2",
            ),
            (
                "const all = await Promise.allSettled([Promise.reject(1)]); request.uri = '/' + all[0].status; return request",
                "uri /rejected",
            ),
            (
                "request.uri = '/' + await Promise.race([1, 2]) + await Promise.any([Promise.reject(1), 3]); return request",
                "uri /13",
            ),
            ("throw new Error('mine')", "failed Error: mine\n    at handler (hook.js:1:74)"),
            ("await Promise.reject(new TypeError('theirs'))", "failed TypeError: theirs\n    at handler (hook.js:1:89)"),
            ("try { await Promise.reject(1) } catch (e) { request.uri = '/caught' } return request", "uri /caught"),
            (
                "await new Promise(() => {}); return request",
                "failed Error: the function waits for a promise that nothing will settle",
            ),
            ("Promise.resolve().then(() => console.log('later')); return request", "log later"),
            (
                "Promise.reject(new Error('nobody')); return request",
                "log unhandled rejection of a promise: Error: nobody\n    at handler (hook.js:1:83)",
            ),
            ("", "invalid the function returned nothing, not a request or a response"),
            ("return new Promise(resolve => resolve(request))", ""),
            ("return { then(resolve) { resolve(request) } }", ""),
        ],
        |source| body(&source),
    );
    assert_eq!(
        run_in(ONE, "function handler(event) { return Promise.resolve(event.request) }", &get()),
        "invalid the function returned an object that has neither `uri` nor `statusCode`: return `event.request` or a response"
    );
}
