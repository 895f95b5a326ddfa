//! The head of a CGI program's response (RFC 3875, section 6): lines of header fields, then an empty one.
//!
//! `Status` has the status; without it a response with `Location` is a redirect (302), and any other is 200. A local
//! redirect is sent to the client like any other, not followed here. Connection headers are the edge's and are left out.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// The result of reading.
pub(super) enum Read {
    /// The head is incomplete.
    Part,
    /// The head, and how many bytes it has.
    Head(Response<()>, usize),
}

/// Reads a head that may be incomplete.
pub(super) fn read(bytes: &[u8]) -> Result<Read, &'static str> {
    let mut response = Response::new(());
    let (mut status, mut at, mut fields) = (None, 0, 0);
    loop {
        let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') else { return Ok(Read::Part) };
        let line = &bytes[at..at + end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        at += end + 1;
        if line.is_empty() {
            break;
        }
        fields += 1;
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line before the empty one is no `Name: value`")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"status") {
            let code = value.get(..3).filter(|_| value.get(3).is_none_or(|byte| *byte == b' '));
            let code = code.and_then(|code| StatusCode::from_bytes(code).ok()).filter(|code| !code.is_informational());
            status = Some(code.ok_or("its `Status` is no status of a response")?);
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| "a header's name is not valid")?;
        let value = HeaderValue::from_bytes(value).map_err(|_| "a header's value is not valid")?;
        if name == header::CONTENT_LENGTH {
            let is_second = response.headers().contains_key(&name);
            if is_second || value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit) {
                return Err("its `Content-Length` is not one number");
            }
        }
        if !is_connection_field(&name) {
            response.headers_mut().append(name, value);
        }
    }
    if fields == 0 {
        return Err("it begins without a header");
    }
    let redirects = response.headers().contains_key(header::LOCATION);
    *response.status_mut() = status.unwrap_or(if redirects { StatusCode::FOUND } else { StatusCode::OK });
    Ok(Read::Head(response, at))
}

fn is_connection_field(name: &HeaderName) -> bool {
    const OTHERS: [&str; 2] = ["keep-alive", "proxy-connection"];
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER].contains(name)
        || OTHERS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(bytes: &[u8]) -> String {
        match read(bytes) {
            Err(why) => format!("error: {why}"),
            Ok(Read::Part) => "part".to_owned(),
            Ok(Read::Head(response, at)) => {
                let fields: Vec<_> =
                    response.headers().iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
                format!("{} {} | {}", response.status().as_u16(), fields.join(" "), String::from_utf8_lossy(&bytes[at..]))
            }
        }
    }

    #[test]
    fn heads_are_read_as_rfc_3875_says() {
        for (bytes, expected) in [
            ("Content-Type: text/plain\n\nhello", "200 content-type=text/plain | hello"),
            ("Content-Type: text/plain\r\n\r\nhello\r\n", "200 content-type=text/plain | hello\r\n"),
            ("status: 404 Not Found\nX: a\nX: b\n\n", "404 x=a x=b | "),
            ("Status:201\n\n", "201  | "),
            ("Location: /there\n\n", "302 location=/there | "),
            ("Location: https://a/\nStatus: 308\n\n", "308 location=https://a/ | "),
            ("X:\n\n", "200 x= | "),
            ("Connection: close\nTransfer-Encoding: chunked\nA: b\n\n", "200 a=b | "),
            ("Content-Type: text/plain\n", "part"),
            ("Content-Type", "part"),
            ("", "part"),
            ("\nbody", "error: it begins without a header"),
            ("hello world\n\n", "error: a line before the empty one is no `Name: value`"),
            ("Status: 20\n\n", "error: its `Status` is no status of a response"),
            ("Status: 2000\n\n", "error: its `Status` is no status of a response"),
            ("Status: 101\n\n", "error: its `Status` is no status of a response"),
            ("Content-Length: 5\n\nhello", "200 content-length=5 | hello"),
            ("Content-Length: 5\nContent-Length: 5\n\n", "error: its `Content-Length` is not one number"),
            ("Content-Length: +5\n\n", "error: its `Content-Length` is not one number"),
            ("Content-Length:\n\n", "error: its `Content-Length` is not one number"),
            ("a b: c\n\n", "error: a header's name is not valid"),
            ("a : c\n\n", "error: a header's name is not valid"),
            (" a: c\n\n", "error: a header's name is not valid"),
            ("a: c\0\n\n", "error: a header's value is not valid"),
            ("a: b\rc\n\n", "error: a header's value is not valid"),
        ] {
            assert_eq!(told(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    proptest! {
        /// It does not matter in how many writes a head comes.
        #[test]
        fn a_part_of_a_head_is_no_other_head(bytes in "([A-Za-z-]{1,5}: [a-z0-9 ]{0,5}\r?\n){0,4}\r?\n[a-z\n]{0,10}") {
            let whole = told(bytes.as_bytes());
            for end in 0..bytes.len() {
                match read(&bytes.as_bytes()[..end]) {
                    Ok(Read::Part) => {}
                    Ok(Read::Head(_, at)) => prop_assert!(at <= end && whole.starts_with(told(&bytes.as_bytes()[..at]).trim_end())),
                    Err(why) => prop_assert_eq!(&whole, &format!("error: {why}")),
                }
            }
        }
    }
}
