//! Hashes, query strings, Buffers and encodings.

use crate::harness::{shown, table};

const ONE: &str = "cloudfront-js-1.0";
const TWO: &str = "cloudfront-js-2.0";

/// What an expression gives, or what it throws.
fn tried(dialect: &str, expression: &str) -> String {
    shown(dialect, &format!("(() => {{ try {{ return {expression} }} catch (e) {{ return e.name + ': ' + e.message }} }})()"))
}

#[test]
fn hashes_are_those_of_the_standards() {
    table(
        &[
            ("createHash('md5').update('').digest('hex')", "d41d8cd98f00b204e9800998ecf8427e"),
            ("createHash('md5').update('a').update('bc').digest('hex')", "900150983cd24fb0d6963f7d28e17f72"),
            ("createHash('sha1').update('abc').digest('hex')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "createHash('sha256').update('abc').digest('hex')",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "createHash('sha256').update('ä').digest('hex')",
                "33e6d73fee82904c8d7afb78de1154d1e8dc2a0edb08120e63df5b9385c2d9cc",
            ),
            ("createHash('sha1').update('abc').digest('base64')", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
            ("createHash('sha1').update('abc').digest('base64url')", "qZk-NkcGgWq6PiVxeFDCbJzQ2J0"),
            (
                "createHmac('sha256', 'Jefe').update('what do ya want for nothing?').digest('hex')",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "createHmac('md5', 'Jefe').update('what do ya want for nothing?').digest('hex')",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (
                "createHmac('sha1', 'Jefe').update('what do ya want for nothing?').digest('hex')",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            ("createHmac('sha1', '').update('').digest('hex')", "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"),
            ("createHash('md5').update('00', 'hex').digest('hex')", "93b885adfe0da089cdf634904fd59f71"),
            ("createHash('md5').update(new Uint8Array([0])).digest('hex')", "93b885adfe0da089cdf634904fd59f71"),
            (
                "createHash('md5').update(new Uint8Array([1, 0, 2]).subarray(1, 2)).digest('hex')",
                "93b885adfe0da089cdf634904fd59f71",
            ),
            ("createHash('md5').update(new DataView(new ArrayBuffer(1))).digest('hex')", "93b885adfe0da089cdf634904fd59f71"),
            ("createHash('md4')", "TypeError: not supported algorithm: \"md4\""),
            ("createHash()", "TypeError: algorithm must be a string"),
            ("createHash('__proto__')", "TypeError: not supported algorithm: \"__proto__\""),
            ("createHmac('sha1')", "TypeError: key argument \"undefined\" is not a string or Buffer-like object"),
            ("createHmac('sha1', 5)", "TypeError: key argument \"number\" is not a string or Buffer-like object"),
            ("createHash('md5').update(5)", "TypeError: data argument \"number\" is not a string or Buffer-like object"),
            ("createHash('md5').digest('latin')", "TypeError: Unknown digest encoding: \"latin\""),
            ("(h => { h.digest('hex'); h.digest() })(c.createHash('md5'))", "Error: Digest already called"),
            ("(h => { h.digest('hex'); h.update('b') })(c.createHash('md5'))", "Error: Digest already called"),
            (
                "(h => h.copy().update('bc').digest('hex') + h.update('').digest('hex').length)(c.createHash('md5').update('a'))",
                "900150983cd24fb0d6963f7d28e17f7232",
            ),
            (
                "(b => { var h = c.createHash('md5').update(b); b[0] = 9; return h.digest('hex') })(new Uint8Array(1))",
                "93b885adfe0da089cdf634904fd59f71",
            ),
        ],
        |expression| {
            let expression = match expression.starts_with("create") {
                true => format!("require('crypto').{expression}"),
                false => format!("(c => {expression})(require('crypto'))"),
            };
            assert_eq!(tried(ONE, &expression), tried(TWO, &expression));
            tried(TWO, &expression)
        },
    );
    assert_eq!(
        tried(TWO, "require('crypto').createHash('md5').update('').digest()"),
        "Buffer [212,29,140,217,143,0,178,4,233,128,9,152,236,248,66,126]"
    );
    assert_eq!(tried(ONE, "require('crypto').createHash('md5').update('').digest().length"), "16");
    assert_eq!(tried(ONE, "require('crypto').createHash('md5').update('').digest().charCodeAt(0)"), "212");
}

#[test]
fn query_strings_are_parsed_and_made() {
    table(
        &[
            ("JSON.stringify(q.parse('a=1&b=2&a=3'))", r#"{"a":["1","3"],"b":"2"}"#),
            ("JSON.stringify(q.parse('a&b=&=c&&'))", r#"{"a":"","b":"","":"c"}"#),
            ("JSON.stringify(q.parse('a=%zz&b=+x'))", r#"{"a":"%zz","b":" x"}"#),
            ("JSON.stringify(q.parse('%D0%B0=%F0%9F%98%80'))", r#"{"а":"😀"}"#),
            ("JSON.stringify(q.parse('__proto__=1'))", r#"{"__proto__":"1"}"#),
            ("JSON.stringify(q.parse('a:1;b:2', ';', ':'))", r#"{"a":"1","b":"2"}"#),
            ("JSON.stringify(q.parse('a=1&b=2&c=3', null, null, { maxKeys: 2 }))", r#"{"a":"1","b":"2"}"#),
            ("JSON.stringify(q.parse('a=b=c'))", r#"{"a":"b=c"}"#),
            ("JSON.stringify(q.parse(''))", "{}"),
            ("JSON.stringify(q.parse(5))", "{}"),
            (
                "q.stringify({ a: 1, b: [1, 'x y'], c: true, d: null, e: undefined, f: {}, g: 'ä&=' })",
                "a=1&b=1&b=x%20y&c=true&d=&e=&f=&g=%C3%A4%26%3D",
            ),
            ("q.stringify({ a: 1, b: 2 }, ';', ':')", "a:1;b:2"),
            ("q.stringify('x')", ""),
            ("q.escape('a b') + q.unescape('%41%')", "a%20b%41%"),
        ],
        |expression| {
            let expression = format!("(q => {expression})(require('querystring'))");
            assert_eq!(tried(ONE, &expression), tried(TWO, &expression));
            tried(TWO, &expression)
        },
    );
}

#[test]
fn buffers_are_like_those_of_node() {
    table(
        &[
            ("Buffer.from('abc')", "Buffer [97,98,99]"),
            ("Buffer.from('616g62', 'hex')", "Buffer [97]"),
            ("Buffer.from('YWI=', 'base64').toString()", "ab"),
            ("Buffer.from('-_8', 'base64url').toString('hex')", "fbff"),
            ("Buffer.from('ä').toString('base64')", "w6Q="),
            ("Buffer.from([256, -1, 1.9])", "Buffer [0,255,1]"),
            ("Buffer.from(Buffer.from('x'))", "Buffer [120]"),
            ("Buffer.from({ type: 'Buffer', data: [1] })", "Buffer [1]"),
            ("Buffer.from(new Uint8Array([1, 2, 3]).buffer, 1, 1)", "Buffer [2]"),
            ("Buffer.from('a', 'nope')", "TypeError: \"nope\" encoding is not supported"),
            ("Buffer.from(5)", "TypeError: first argument is not a string or Buffer-like object"),
            ("Buffer.alloc(3, 'ab')", "Buffer [97,98,97]"),
            ("Buffer.alloc(2)", "Buffer [0,0]"),
            ("Buffer.alloc(-1)", "RangeError: invalid size"),
            ("Buffer.alloc(1e9)", "RangeError: invalid size"),
            ("Buffer.concat([Buffer.from('a'), new Uint8Array([98])]).toString()", "ab"),
            ("Buffer.concat([Buffer.from('abc')], 2).toString()", "ab"),
            ("Buffer.byteLength('ä€')", "5"),
            ("Buffer.compare(Buffer.from('a'), Buffer.from('b'))", "-1"),
            ("Buffer.isBuffer(Buffer.alloc(1)) && !Buffer.isBuffer(new Uint8Array(1))", "true"),
            ("Buffer.isEncoding('HEX') && !Buffer.isEncoding('x')", "true"),
            ("JSON.stringify(Buffer.from('a'))", r#"{"type":"Buffer","data":[97]}"#),
            ("Buffer.from('abc').equals(Buffer.from('abc'))", "true"),
            ("Buffer.from('abcabc').indexOf('ca')", "2"),
            ("Buffer.from('abcabc').lastIndexOf('abc')", "3"),
            ("Buffer.from('abc').includes('d')", "false"),
            ("Buffer.from('abc').indexOf(99)", "2"),
            ("Buffer.from('abcd').slice(1, -1).toString()", "bc"),
            ("Buffer.from('abcd').subarray(1) instanceof Buffer", "true"),
            ("Buffer.from('abcd').toString('utf8', 1, 3)", "bc"),
            ("(b => b.write('xy', 1) + b.toString())(Buffer.from('abcd'))", "2axyd"),
            ("(b => b.copy(b, 1, 0, 2) + b.toString())(Buffer.from('abcd'))", "2aabd"),
            ("(b => b.writeUInt32BE(0xdeadbeef, 0) + b.toString('hex') + b.readInt16LE(2))(Buffer.alloc(4))", "4deadbeef-4162"),
            (
                "(b => b.writeIntLE(-2, 0, 3) + b.toString('hex') + b.readIntLE(0, 3) + b.readUIntBE(0, 2))(Buffer.alloc(3))",
                "3feffff-265279",
            ),
            ("(b => b.writeDoubleLE(1.5, 0) + String(b.readDoubleLE(0)))(Buffer.alloc(8))", "81.5"),
            ("Buffer.alloc(1).readUInt16LE(0)", "RangeError: index out of bound"),
            ("Buffer.from('abcd').swap16().toString()", "badc"),
            ("Buffer.from([0xff, 0xfe]).toString() === '\\ufffd\\ufffd'", "true"),
            ("Buffer.from('\\ud800').toString('hex')", "efbfbd"),
            ("require('buffer').Buffer === Buffer", "true"),
            ("[...Buffer.from('ab')].join()", "97,98"),
            ("atob('aGk=')", "hi"),
            ("atob('aGk') + atob(' aG k')", "hihi"),
            ("atob('!')", "TypeError: the string to be decoded is not correctly encoded"),
            ("atob('aGk==')", "TypeError: the string to be decoded is not correctly encoded"),
            ("btoa('hi\\xff')", "aGn/"),
            ("btoa('€')", "TypeError: invalid character (>= U+00FF)"),
            ("new TextEncoder().encode('ä')", "Uint8Array [195,164]"),
            ("JSON.stringify(new TextEncoder().encodeInto('aä€', new Uint8Array(4)))", r#"{"read":2,"written":3}"#),
            ("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 195, 164]))", "ä"),
            (
                "new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))",
                "TypeError: The encoded data was not valid",
            ),
            ("new TextDecoder().decode(new Uint8Array([255]).buffer)", "\u{fffd}"),
            ("new TextDecoder('latin1')", "RangeError: The \"latin1\" encoding is not supported"),
        ],
        |expression| tried(TWO, expression),
    );
}

#[test]
fn strings_of_bytes_are_there_in_1_0() {
    table(
        &[
            ("String.bytesFrom([104, 105])", "hi"),
            ("String.bytesFrom('aGk=', 'base64')", "hi"),
            ("String.bytesFrom('6869', 'hex')", "hi"),
            ("String.bytesFrom('-_8', 'base64url').length", "2"),
            ("String.bytesFrom('ä').length", "2"),
            ("'ä'.toUTF8().length", "2"),
            ("'ä'.toUTF8().fromUTF8()", "ä"),
            ("'ä'.toBytes().length", "1"),
            ("'€'.toBytes()", "null"),
            ("'abc'.fromBytes(1)", "bc"),
            ("String.bytesFrom([255]).toString('hex')", "ff"),
            ("'hi'.toString('base64')", "aGk="),
            ("'hi'.toString()", "hi"),
            ("String.bytesFrom(5)", "TypeError: value must be a string or array"),
        ],
        |expression| tried(ONE, expression),
    );
}
