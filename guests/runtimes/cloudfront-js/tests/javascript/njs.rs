//! Where CloudFront's engine and ours both have something, njs says the same (Debian's package `njs`; `tests/tools` installs it).
//! What differs on purpose is not in the list; nor is the length of strings, which njs counts in code points.

use std::process::Command;

use crate::harness::shown;

const SAME: &[&str] = &[
    // Hashes.
    "require('crypto').createHash('md5').update('a').digest('hex')",
    "require('crypto').createHash('sha1').update('ä€😀').digest('base64')",
    "require('crypto').createHash('sha256').update('').digest('base64url')",
    "require('crypto').createHash('sha1').update('AA==', 'base64').digest('hex')",
    "require('crypto').createHash('sha1').update('ff', 'hex').digest('hex')",
    "require('crypto').createHmac('sha256', 'key').update('a').update('b').digest('hex')",
    "require('crypto').createHmac('md5', 'k'.repeat(100)).update('a').digest('base64')",
    "require('crypto').createHmac('sha1', Buffer.from([1, 2])).update(new Uint8Array([3])).digest('base64url')",
    "require('crypto').createHash('md5').update('a').digest()",
    "require('crypto').createHash('md4')",
    "require('crypto').createHash()",
    "require('crypto').createHmac('sha1')",
    "require('crypto').createHmac('md5', 5)",
    "require('crypto').createHash('md5').update(5)",
    "require('crypto').createHash('md5').digest('latin')",
    "(function (h) { h.digest(); return h.update('a') })(require('crypto').createHash('md5'))",
    // Query strings.
    "require('querystring').parse('a=1&b=2&a=3')",
    "require('querystring').parse('a&b=&c&&')",
    "require('querystring').parse('a=%zz&b=+x&c=%41')",
    "require('querystring').parse('a%5Fb=%F0%9F%98%80')",
    "require('querystring').parse('a=b=c')",
    "require('querystring').parse('a:1;b:2', ';', ':')",
    "require('querystring').parse('a=1&b=2&c=3', '&', '=', { maxKeys: 2 })",
    "require('querystring').stringify({ a: 1, b: [1, 'x y'], c: true, d: null, e: undefined, f: {}, g: 'ä&=' })",
    "require('querystring').stringify({ a: 1, b: 2 }, ';', ':')",
    "require('querystring').escape('a b/ä') + require('querystring').unescape('%41%42')",
    // Buffers.
    "Buffer.from('abc')",
    "Buffer.from('ä€😀').toString('hex')",
    "Buffer.from('YWI=', 'base64').toString()",
    "Buffer.from('-_8', 'base64url').toString('hex')",
    "Buffer.from([256, 1.9, 7])",
    "Buffer.from('abc').toString('base64')",
    "Buffer.from('abcabc').indexOf('ca')",
    "Buffer.from('abcabc').lastIndexOf('abc')",
    "Buffer.from('abc').includes('d')",
    "Buffer.from('abcd').slice(1, -1).toString()",
    "Buffer.from('abcd').toString('utf8', 1, 3)",
    "Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString()",
    "Buffer.compare(Buffer.from('a'), Buffer.from('b'))",
    "Buffer.byteLength('ä€')",
    "Buffer.alloc(3, 'ab')",
    "Buffer.from('abcd').readUInt16BE(1)",
    "Buffer.from('abcd').readInt32LE(0)",
    "Buffer.from('abcd').equals(Buffer.from('abcd'))",
    "JSON.stringify(Buffer.from('ab'))",
    "Buffer.from('a', 'nope')",
    // Encodings.
    "atob('aGk=')",
    "atob('!')",
    "btoa('hi\\xff')",
    "btoa('€')",
    "new TextEncoder().encode('ä')",
    "new TextDecoder().decode(new Uint8Array([195, 164]))",
    "encodeURIComponent('a b/ä€')",
    "decodeURIComponent('%C3%A4')",
    // What console.log shows.
    "({ a: 1, b: 'x', c: [1, 2, { d: null }], e: undefined, h: new Date(0), i: /x/g })",
    "['a', 1, null, undefined, true, [1, 'b']]",
    "new Error('x')",
    "new Uint8Array([1, 2])",
    "function named() {}",
    "[-1.5, 1e21, NaN, Infinity]",
    "Symbol('s')",
    // The language.
    "'a-b-c'.replace(/-(.)/g, function (m, x) { return x.toUpperCase() })",
    "'x'.padStart(3, 'ab') + 'x'.padEnd(3, '-')",
    "/(?<y>[0-9]{4})/.exec('in 2024').groups.y",
    "[3, 1, 2].sort().reverse().map(function (x) { return x * 2 })",
    "Object.entries({ a: 1, b: 2 })",
    "JSON.stringify({ a: [1, { b: undefined }], c: 'ä' })",
    "JSON.parse('{\"a\":[1,2]}')",
    "parseInt('12px') + parseFloat('1.5e3')",
    "new Date(Date.UTC(2024, 1, 29)).toISOString()",
    "`${1 + 1}-${'x'}`",
    "2 ** 10",
    "Number('0x10') + Number('')",
    "[1, 2, 3].includes(2) && Array.of(7).fill(1)",
    "Object.assign({}, { a: 1 }, { b: 2 })",
    "eval('1')",
    "require('fs2')",
];

#[test]
fn njs_says_the_same() {
    let mut wrong = String::new();
    for expression in SAME {
        let tried =
            format!("(function () {{ try {{ return {expression} }} catch (e) {{ return e.name + ': ' + e.message }} }})()");
        let output = Command::new("njs")
            .args(["-c", &format!("console.log({tried})")])
            .output()
            .expect("njs: install Debian's package njs");
        let theirs = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let ours = shown("cloudfront-js-2.0", &tried);
        if ours != theirs {
            wrong.push_str(&format!("\n{expression}\n  njs:  {theirs}\n  ours: {ours}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
