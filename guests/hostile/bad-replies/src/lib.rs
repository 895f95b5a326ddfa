//! Answers with whatever breaks the contract; the last segment of the path says what. An unknown one gets an
//! answer without edits. All four moments, so that each can be tried with the rules of each.
//!
//! Written against the ABI with nothing in between: the SDK could not say most of this.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "nobody calls the exports here"))]

use std::cell::UnsafeCell;

/// The event and the answer; the rest of a page is for the linker's data.
struct Memory(UnsafeCell<[u8; 65_536]>);
// SAFETY: one thread.
unsafe impl Sync for Memory {}
static EVENT: Memory = Memory(UnsafeCell::new([0; 65_536]));

#[repr(C)]
struct List(*const u8, usize);
struct Returned(UnsafeCell<List>);
// SAFETY: one thread.
unsafe impl Sync for Returned {}
static RETURNED: Returned = Returned(UnsafeCell::new(List(std::ptr::null(), 0)));

#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
extern "C" fn cabi_realloc(_: *mut u8, _: usize, _: usize, size: usize) -> *mut u8 {
    assert!(size <= 65_536);
    EVENT.0.get().cast()
}

macro_rules! moments {
    ($($name:ident $export:literal)*) => {
        $(#[cfg_attr(target_arch = "wasm32", unsafe(export_name = $export))]
        unsafe extern "C" fn $name(event: *const u8, len: usize) -> *const List {
            // SAFETY: the host gives a list of bytes.
            let answer = answer(unsafe { std::slice::from_raw_parts(event, len) });
            let list = RETURNED.0.get();
            // SAFETY: one thread; the answer is leaked.
            unsafe { *list = List(answer.as_ptr(), answer.len()) };
            list
        })*
    };
}
moments! {
    viewer_request "edgeward:edge/viewer-request@0.1.0#handle"
    origin_request "edgeward:edge/origin-request@0.1.0#handle"
    origin_response "edgeward:edge/origin-response@0.1.0#handle"
    viewer_response "edgeward:edge/viewer-response@0.1.0#handle"
}

fn answer(event: &[u8]) -> &'static [u8] {
    let mut out = vec![1];
    match last_segment(event) {
        // Not bad: what a hook is told, for those who look at that.
        b"event" => respond(&mut out, 200, event),
        b"empty" => out.clear(),
        b"garbage" => out = (0..1_000u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect(),
        b"wrong-version" => out[0] = 2,
        b"unknown-op" => out.push(200),
        b"cut-off" => out.extend([1, 100, 0, 0, 0, b'/']),
        b"length-overflow" => out.extend([1, 255, 255, 255, 255, b'/']),
        b"not-utf8" => op(&mut out, 1, &[b"/\xff"]),
        b"uri-without-slash" => op(&mut out, 1, &[b"index.html"]),
        b"uri-empty" => op(&mut out, 1, &[b""]),
        b"uri-with-line-break" => op(&mut out, 1, &[b"/a HTTP/1.1\r\nx-injected: 1\r\n\r\n"]),
        b"uri-with-query" => op(&mut out, 1, &[b"/a?b#c"]),
        b"uri-too-long" => op(&mut out, 1, &[&vec![b'/'; 10_000]]),
        b"query-with-space" => op(&mut out, 2, &[b"a b"]),
        b"read-only-header" => op(&mut out, 3, &[b"via", b"1.1 me"]),
        b"read-only-host" => op(&mut out, 3, &[b"host", b"evil.example"]),
        b"read-only-length" => op(&mut out, 3, &[b"content-length", b"5"]),
        b"read-only-transfer-encoding" => op(&mut out, 3, &[b"transfer-encoding", b"chunked"]),
        b"remove-read-only-header" => op(&mut out, 5, &[b"via"]),
        b"disallowed-header" => op(&mut out, 3, &[b"connection", b"upgrade"]),
        b"disallowed-prefix" => op(&mut out, 4, &[b"x-edge-location", b"here"]),
        b"header-name-invalid" => op(&mut out, 3, &[b"bad name", b"x"]),
        b"header-name-upper-case" => op(&mut out, 3, &[b"X-Upper", b"x"]),
        b"header-name-empty" => op(&mut out, 3, &[b"", b"x"]),
        b"header-value-with-line-break" => op(&mut out, 3, &[b"x-a", b"1\r\nx-injected: 1"]),
        b"header-value-with-zero" => op(&mut out, 3, &[b"x-a", b"\0"]),
        b"header-too-long" => op(&mut out, 3, &[b"x-a", &vec![b'a'; 30_000]]),
        b"no-content-with-body" => respond(&mut out, 204, b"body"),
        b"status-99" => respond(&mut out, 99, b""),
        b"status-101" => respond(&mut out, 101, b""),
        b"status-999" => respond(&mut out, 999, b""),
        b"reason-with-line-break" => {
            out.extend([6, 200, 0]);
            string(&mut out, b"OK\r\nx-injected: 1");
        }
        b"respond-twice" => {
            respond(&mut out, 200, b"one");
            respond(&mut out, 201, b"two");
        }
        b"set-status" => {
            out.extend([7, 200, 0]);
            string(&mut out, b"");
        }
        b"body-without-response" => op(&mut out, 8, &[b"body"]),
        b"body-too-large" => respond(&mut out, 200, &vec![b'a'; 50_000]),
        // Well formed, and over every limit on a reply.
        b"oversized" => respond(&mut out, 200, &vec![b'a'; 1_250_000]),
        b"unknown-origin" => op(&mut out, 16, &[b"nowhere"]),
        b"origin-host-invalid" => {
            out.push(17);
            string(&mut out, b"evil.example/\r\n");
            out.extend([80, 0, 0]);
        }
        b"origin-port-0" => {
            out.push(17);
            string(&mut out, b"example.com");
            out.extend([0, 0, 0]);
        }
        b"origin-path-invalid" => op(&mut out, 18, &[b"no-slash/"]),
        b"origin-group-of-too-many" => {
            op(&mut out, 23, &[b"a", b"b"]);
            out.extend([255, 255]);
        }
        b"origin-timeouts" => {
            out.push(22);
            out.extend([255; 9]);
        }
        _ => {}
    }
    Vec::leak(out)
}

fn respond(out: &mut Vec<u8>, status: u16, body: &[u8]) {
    out.push(6);
    out.extend(status.to_le_bytes());
    string(out, b"");
    if !body.is_empty() {
        op(out, 8, &[body]);
    }
}

fn op(out: &mut Vec<u8>, code: u8, operands: &[&[u8]]) {
    out.push(code);
    for operand in operands {
        string(out, operand);
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

/// The end of the request's path.
fn last_segment(event: &[u8]) -> &[u8] {
    let mut rest = event.get(4..).unwrap_or_default();
    let mut text: &[u8] = &[];
    // site, request id, client ip, edge location, method, and the one we want
    for _ in 0..6 {
        let Some((len, behind)) = rest.split_first_chunk() else { return &[] };
        let Some((found, behind)) = behind.split_at_checked(u32::from_le_bytes(*len) as usize) else { return &[] };
        (text, rest) = (found, behind);
    }
    text.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}
