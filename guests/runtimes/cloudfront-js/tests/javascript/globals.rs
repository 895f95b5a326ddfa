//! What a source finds besides the language, and what it must not find.

use cloudfront_js::host::native::WORLD;

use crate::harness::{call, get, load, run, run_in, shown, table};

const ONE: &str = "cloudfront-js-1.0";
const TWO: &str = "cloudfront-js-2.0";

#[test]
fn the_console_shows_values_as_njs_does() {
    table(
        &[
            ("'text'", "text"),
            ("'a', 1, null, undefined, true", "a 1 null undefined true"),
            ("", ""),
            ("-0, 1e21, NaN, 10n", "-0 1e+21 NaN 10n"),
            (
                "{ a: 1, b: 'x', c: [1, 2, { d: null }], e: undefined, f: function g() {}, h: new Date(0), i: /x/g }",
                "{a:1,b:'x',c:[1,2,{d:null}],e:undefined,f:[Function: g],h:1970-01-01T00:00:00.000Z,i:/x/g}",
            ),
            ("[1, 'b'], new Error('x')", "[1,'b'] Error: x"),
            ("{ 'a-b': \"it's\\n\" }", "{'a-b':'it\\'s\\n'}"),
            ("new Uint8Array([1, 2])", "Uint8Array [1,2]"),
            ("new Map([[1, { a: 2 }]]), new Set(['x'])", "Map {1 => {a:2}} Set {'x'}"),
            ("(() => { var o = {}; o.o = o; return o })()", "{o:[Circular]}"),
            ("{ get x() { throw 1 } }", "{x:[Getter]}"),
            ("[, 1]", "[<empty>,1]"),
            ("Object.create(null)", "{}"),
            ("new (class Thing { constructor() { this.a = 1 } })()", "Thing {a:1}"),
            ("Symbol('s'), Promise.resolve(1)", "Symbol(s) Promise {}"),
            ("{ toString() { throw 1 } }", "{toString:[Function: toString]}"),
            ("event.viewer", "{ip:'192.0.2.1'}"),
        ],
        |expression| shown(TWO, expression),
    );
    assert_eq!(shown(ONE, "{ a: 1 }"), "{a:1}");
    let long = shown(TWO, "'x'.repeat(20000)");
    assert_eq!(long.len(), 10 * 1024);
}

#[test]
fn code_cannot_be_made_of_text() {
    table(
        &[
            ("eval('1')", "InternalError: Not implemented"),
            ("(0, eval)('1')", "InternalError: Not implemented"),
            ("new Function('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            ("Function('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            ("(function () {}).constructor('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            ("(async function () {}).constructor('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            ("(function* () {}).constructor('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            (
                "Object.getPrototypeOf(async function* () {}).constructor('return 1')()",
                "TypeError: function constructor is disabled in \"safe\" mode",
            ),
            ("console.log.constructor('return 1')()", "TypeError: function constructor is disabled in \"safe\" mode"),
            ("setTimeout(function () {}, 1)", "ReferenceError: setTimeout is not defined"),
            ("setInterval(function () {}, 1)", "ReferenceError: setInterval is not defined"),
            ("clearTimeout(1)", "ReferenceError: clearTimeout is not defined"),
            ("setImmediate(function () {})", "ReferenceError: setImmediate is not defined"),
            ("fetch('http://example.com')", "ReferenceError: fetch is not defined"),
            ("process.env", "ReferenceError: process is not defined"),
            ("new XMLHttpRequest()", "ReferenceError: XMLHttpRequest is not defined"),
            ("require('fs')", "Error: Cannot find module \"fs\""),
            ("require('./x')", "Error: Cannot find module \"./x\""),
            ("require()", "Error: Cannot find module \"undefined\""),
            ("new Proxy({}, {})", "ReferenceError: Proxy is not defined"),
            ("new WeakRef({})", "ReferenceError: WeakRef is not defined"),
            ("new SharedArrayBuffer(1)", "ReferenceError: SharedArrayBuffer is not defined"),
        ],
        |expression| {
            let of = |dialect: &str| {
                let source = format!("function handler(event) {{ {expression}; return event.request }}");
                let answer = run_in(dialect, &source, &get());
                answer.lines().next().unwrap_or_default().trim_start_matches("failed ").to_owned()
            };
            assert_eq!(of(ONE), of(TWO));
            of(TWO)
        },
    );
    assert_eq!(shown(TWO, "(function () {}) instanceof Function, typeof Function.prototype.call"), "true function");
    assert_eq!(shown(TWO, "(function () { return this })()"), "undefined");
}

#[test]
fn the_dialects_have_what_cloudfront_says() {
    let both = [
        "Object.entries({a:1})",
        "Object.is(1, 1)",
        "'a'.padStart(3)",
        "'ab'.includes('a')",
        "String.fromCodePoint(97)",
        "Number.isInteger(1)",
        "Math.hypot(3, 4)",
        "Array.of(1)",
        "[1].find(function (x) { return x })",
        "[1].copyWithin(0)",
        "new Float64Array(1)",
        "ArrayBuffer.isView(1)",
        "`t`",
        "(a => a)(1)",
        "2 ** 3",
        "/(?<y>\\d)/.exec('1').groups.y",
        "encodeURIComponent('ä')",
        "globalThis === this || 1",
        "JSON.stringify({})",
        "new MemoryError('x') instanceof Error",
        "typeof InternalError",
        "new Date()",
        "Symbol('x')",
        "Promise.resolve(1)",
    ];
    for expression in both {
        for dialect in [ONE, TWO] {
            let answer = shown(dialect, expression);
            assert!(!answer.starts_with("failed") && !answer.starts_with("not loaded"), "{dialect} {expression}: {answer}");
        }
    }
    for name in ["Buffer", "atob", "btoa", "TextEncoder", "TextDecoder"] {
        assert_eq!(shown(ONE, &format!("typeof {name}")), "undefined", "{name}");
        assert_eq!(shown(TWO, &format!("typeof {name}")), "function", "{name}");
    }
    assert_eq!(
        (shown(ONE, "typeof String.bytesFrom"), shown(TWO, "typeof String.bytesFrom")),
        ("function".into(), "undefined".into())
    );
    assert_eq!(shown(TWO, "'a-b'.replaceAll('-', '+')"), "a+b");
}

#[test]
fn time_stands_still_and_chance_is_new_in_each_call() {
    let source = "var loaded = Date.now(); function handler(event) { for (var a = Date.now(), i = 0; i < 1000; i++); \
                  console.log(loaded, a === Date.now(), new Date().toISOString(), new Date().getTimezoneOffset()); return event.request }";
    let function = load(TWO, source).unwrap();
    WORLD.with_borrow_mut(|world| world.now_ms = 1_800_000_000_456.0);
    assert_eq!(call(&function, &get()), "log 1700000000123 true 2027-01-15T08:00:00.456Z 0");

    let source =
        "var loaded = Math.random(); function handler(event) { console.log(Math.random(), Math.random()); return event.request }";
    let function = load(TWO, source).unwrap();
    let with = |seed: u64| {
        WORLD.with_borrow_mut(|world| world.seed = seed);
        call(&function, &get())
    };
    let (one, two, again) = (with(1), with(2), with(1));
    assert_ne!(one, two);
    assert_eq!(one, again);
    let numbers: Vec<f64> = one.trim_start_matches("log ").split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(numbers[0] != numbers[1] && numbers.iter().all(|number| (0.0..1.0).contains(number)), "{one}");
}

#[test]
fn key_value_stores_are_read() {
    WORLD.with_borrow_mut(|world| {
        world.store = [("k", &b"value"[..]), ("j", b"{\"a\":[1]}"), ("b", b"\xff\x00")]
            .map(|(key, value)| (key.to_owned(), value.to_vec()))
            .into();
    });
    let of = |body: &&str| {
        run(
            &format!(
                "import cf from 'cloudfront';\nconst kvs = cf.kvs('id');\nasync function handler(event) {{ {body}; return event.request }}"
            ),
            &get(),
        )
    };
    table(
        &[
            ("console.log(await kvs.get('k'))", "log value"),
            ("console.log(await kvs.get('k', { format: 'string' }))", "log value"),
            ("console.log(await kvs.get('j', { format: 'json' }))", "log {a:[1]}"),
            ("console.log(await kvs.get('b', { format: 'bytes' }))", "log Buffer [255,0]"),
            ("console.log(await kvs.get('b'))", "log \u{fffd}\0"),
            ("console.log(await kvs.exists('k'), await kvs.exists('none'))", "log true false"),
            (
                "console.log(await kvs.count(), await kvs.meta())",
                "log 3 {creationDateTime:null,lastUpdatedDateTime:null,keyCount:3}",
            ),
            ("console.log(await cf.kvs().get('k'))", "log value"),
            (
                "try { await kvs.get('none') } catch (e) { console.log(String(e)) }",
                "log Error: KeyNotFound: the key-value store has no key \"none\"",
            ),
            ("try { await kvs.get(5) } catch (e) { console.log(String(e)) }", "log TypeError: key must be a string"),
            (
                "try { await kvs.get('k', { format: 'xml' }) } catch (e) { console.log(String(e)) }",
                "log TypeError: the format is \"string\", \"json\" or \"bytes\", not xml",
            ),
            ("try { await kvs.get('k', { format: 'json' }) } catch (e) { console.log(e.name) }", "log SyntaxError"),
            ("kvs.get('k').then(value => console.log(value))", "log value"),
        ],
        |source| of(&source),
    );
    let missing = of(&"await kvs.get('none')");
    assert!(missing.starts_with("failed Error: KeyNotFound: the key-value store has no key \"none\"\n"), "{missing}");
}
