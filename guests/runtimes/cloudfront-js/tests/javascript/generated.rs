//! Responses that a function makes itself.

use crate::harness::{get, run, run_in, table};

#[test]
fn a_response_ends_the_request() {
    table(
        &[
            ("{ statusCode: 204 }", "respond 204"),
            (
                "{ statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/new' } } }",
                "respond 302 Found\nset location: /new",
            ),
            (
                "{ statusCode: 200, headers: { vary: { multiValue: [{ value: 'a' }, { value: 'b' }] } } }",
                "respond 200\nset vary: a\nadd vary: b",
            ),
            (
                "{ statusCode: 200, cookies: { a: { value: '1', attributes: 'Secure; Path=/' }, b: { multiValue: [{ value: '2' }, { value: '3', attributes: 'HttpOnly' }] } } }",
                "respond 200\nadd set-cookie: a=1; Secure; Path=/\nadd set-cookie: b=2\nadd set-cookie: b=3; HttpOnly",
            ),
            ("{ statusCode: 200, headers: { 'set-cookie': { value: 'a=1' } } }", "respond 200\nadd set-cookie: a=1"),
            ("{ statusCode: 200, body: 'text' }", "respond 200\nbody text"),
            (
                "{ statusCode: 200, body: 'ä\\ud800' }",
                "respond 200\nbody \\xc3\\xa4\\xef\\xbf\\xbd\\xef\\xbf\\xbd\\xef\\xbf\\xbd",
            ),
            ("{ statusCode: 200, body: { encoding: 'base64', data: '/wA=' } }", "respond 200\nbody \\xff\\x00"),
            ("{ statusCode: 200, body: { encoding: 'text', data: '/wA=' } }", "respond 200\nbody /wA="),
            ("{ statusCode: 200.0 }", "respond 200"),
            ("{ statusCode: 200, headers: undefined, body: undefined }", "respond 200"),
            ("{ statusCode: '302' }", "invalid response.statusCode is not a whole number of three digits"),
            ("{ statusCode: -1 }", "invalid response.statusCode is not a whole number of three digits"),
            ("{ statusCode: 1e10 }", "invalid response.statusCode is not a whole number of three digits"),
            ("{ statusCode: undefined }", "invalid response.statusCode is not a whole number of three digits"),
            ("{ statusCode: 200, headers: null }", "invalid response.headers is not an object"),
            (
                "{ statusCode: 200, body: null }",
                "invalid response.body is neither a string nor an object with `encoding` and `data`",
            ),
            (
                "{ statusCode: 200, headers: { location: '/new' } }",
                "invalid response.headers[\"location\"] is not an object with a `value`",
            ),
            (
                "{ statusCode: 200, headers: { Location: { value: '/new' } } }",
                "invalid response.headers[\"Location\"]: names of headers are lower-case",
            ),
        ],
        |response| {
            let source = format!("function handler(event) {{ return {response} }}");
            let answer = run(&source, &get());
            assert_eq!(run_in("cloudfront-js-1.0", &source, &get()), answer);
            answer
        },
    );
}
