//! Bytes as text and text as bytes. JavaScript gets and gives `Uint8Array`s.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rquickjs_sys as q;

use crate::globals::Native;
use crate::js::{self, Ctx, Js, Text, Value};

pub const NATIVE: &[Native] = &[(c"encode", 3, encode), (c"decode", 2, decode), (c"atob", 1, atob), (c"bytes", 1, bytes)];

const STANDARD: GeneralPurpose = base64::engine::general_purpose::STANDARD;
const URL: GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Bytes of a `Uint8Array`, as long as JavaScript does not run.
pub fn view<'a>(ctx: Ctx, value: Value) -> Js<&'a [u8]> {
    let mut len = 0;
    // SAFETY: a value of this context.
    let data = unsafe { q::JS_GetUint8Array(ctx, &mut len, value) };
    match data.is_null() {
        // An empty one has no data either; with another value there is an exception.
        true if unsafe { q::JS_HasException(ctx) } => Err(js::Thrown),
        true => Ok(&[]),
        // SAFETY: the engine says so.
        false => Ok(unsafe { std::slice::from_raw_parts(data, len as usize) }),
    }
}

pub fn array(ctx: Ctx, bytes: &[u8]) -> Js<Value> {
    // SAFETY: the engine copies the bytes.
    js::checked(unsafe { q::JS_NewUint8ArrayCopy(ctx, bytes.as_ptr(), bytes.len() as q::size_t) })
}

/// `encode(bytes, encoding, fatal)`: text.
unsafe extern "C" fn encode(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let encode = || {
        let encoding = Text::of(ctx, js::argument(arguments, 1))?;
        let bytes = view(ctx, js::argument(arguments, 0))?;
        let text = match &*encoding {
            b"utf8" | b"utf-8" => match std::str::from_utf8(bytes) {
                Ok(_) => return js::string(ctx, bytes),
                Err(_) if js::same(js::argument(arguments, 2), js::JS_TRUE) => {
                    return Err(js::throw_type_error(ctx, "The encoded data was not valid"));
                }
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            },
            b"latin1" => return js::byte_string(ctx, bytes),
            b"hex" => hex(bytes),
            b"base64" => STANDARD.encode(bytes),
            b"base64url" => URL.encode(bytes),
            _ => return Err(unknown(ctx, &encoding)),
        };
        js::string(ctx, text.as_bytes())
    };
    js::returned(encode())
}

/// `decode(text, encoding)`: bytes, as far as the text is in that encoding.
unsafe extern "C" fn decode(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let decode = || {
        let text = Text::of(ctx, js::argument(arguments, 0))?;
        let encoding = Text::of(ctx, js::argument(arguments, 1))?;
        match &*encoding {
            b"utf8" | b"utf-8" => match text.str() {
                Some(text) => array(ctx, text.as_bytes()),
                None => array(ctx, well_formed(&text).as_bytes()),
            },
            b"hex" => array(ctx, &unhex(&text)),
            b"base64" | b"base64url" => array(ctx, &unbase64(&text)),
            _ => Err(unknown(ctx, &encoding)),
        }
    };
    js::returned(decode())
}

/// `atob(text)`: the bytes of base64 that is right, with spaces.
unsafe extern "C" fn atob(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let decode = || {
        let text = Text::of(ctx, js::argument(arguments, 0))?;
        let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        match FORGIVING.decode(&text) {
            Ok(bytes) if !text.contains(&b'=') || text.len().is_multiple_of(4) => array(ctx, &bytes),
            _ => Err(js::throw_type_error(ctx, "the string to be decoded is not correctly encoded")),
        }
    };
    js::returned(decode())
}

/// `bytes(text)`: one byte for each character.
unsafe extern "C" fn bytes(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let bytes = || {
        let text = Text::of(ctx, js::argument(arguments, 0))?;
        let bytes: Option<Vec<u8>> =
            text.str().and_then(|text| text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect());
        match bytes {
            Some(bytes) => array(ctx, &bytes),
            None => Err(js::throw_type_error(ctx, "invalid character (>= U+00FF)")),
        }
    };
    js::returned(bytes())
}

fn unknown(ctx: Ctx, encoding: &Text) -> js::Thrown {
    js::throw_type_error(ctx, &format!("\"{}\" encoding is not supported", encoding.lossy()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Pairs of digits up to the first that is none.
fn unhex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_chunks::<2>().0.iter().map_while(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

/// Both alphabets, up to the first padding; what is in neither is passed over.
fn unbase64(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3 + 3), 0u32, 0u32);
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        (bits, held) = (bits << 6 | u32::from(digit), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// Text with U+FFFD in place of halves of surrogate pairs, each of which came as three bytes.
fn well_formed(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}")
}
