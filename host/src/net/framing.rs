//! Where one HTTP/1.1 request ends and the next begins, read as strictly as RFC 9112 allows.
//!
//! hyper reads messages as leniently as the RFC lets a server be: it accepts a bare LF, drops a
//! Content-Length beside Transfer-Encoding, accepts `gzip, chunked`. Behind another proxy that reads the
//! same bytes differently, that is request smuggling. So the bytes pass here first, and a request about
//! whose end two readers could differ is refused before hyper sees it. hyper reads everything that passes as it is
//! read here. Everything that is not framing (methods, targets, header syntax) is left to hyper.
//!
//!     Head ──blank line──► Head | Length(n) | ChunkSize ─► ChunkData(n) ─► ChunkEnd ─► ChunkSize
//!                                                 └─ size 0 ─► Trailers ──blank line──► Head
//!
//! Cost: one pass of `memchr` over heads (about 0.1 µs for 15 headers); bodies are skipped, not read.
//! Only a line that is split between two reads is buffered.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;

use memchr::memchr;

use crate::limits::request::HEAD_BYTES;

/// Why a request's framing was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// A line of the head ends in LF without CR.
    BareLf,
    /// A header is continued on the next line.
    Folded,
    /// Both Content-Length and Transfer-Encoding.
    LengthAndChunked,
    /// More than one Content-Length, or one that is not a number.
    Length,
    /// More than one Transfer-Encoding.
    Coding,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// No Host in HTTP/1.1, or more than one.
    Host,
    /// Chunks that are not what RFC 9112 §7.1 says.
    Chunk,
    /// The head is over `HEAD_BYTES`.
    TooLarge,
}

impl FramingError {
    /// The word in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FramingError::BareLf => "bare-lf",
            FramingError::Folded => "folded-header",
            FramingError::LengthAndChunked => "length-and-chunked",
            FramingError::Length => "content-length",
            FramingError::Coding => "transfer-encoding",
            FramingError::UnknownCoding => "transfer-coding",
            FramingError::Host => "host",
            FramingError::Chunk => "chunk",
            FramingError::TooLarge => "head-too-large",
        }
    }

    /// The end of the status line. Like hyper's own 400 and 431, this response precedes any request.
    pub(crate) fn status(self) -> &'static str {
        match self {
            FramingError::TooLarge => "431 Request Header Fields Too Large",
            FramingError::UnknownCoding => "501 Not Implemented",
            _ => "400 Bad Request",
        }
    }
}

/// The state of one connection's incoming bytes. After an error it must not be fed again.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: FramingState,
    head: HeadFraming,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// Bytes of this head, or of this chunk's size line, or of these trailers.
    taken: usize,
    /// How many of the bytes that were fed last precede the line that was refused.
    sound: usize,
    /// Offsets, in the bytes that were fed last, of the digits of versions newer than 1.1.
    newer: Vec<usize>,
    /// For each request OPTIONS that names its host in its target, of those that were fed last: whether nothing follows the host.
    options: Vec<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum FramingState {
    #[default]
    HeadFraming,
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    /// The CRLF after a chunk's data; how many of its bytes have been seen.
    ChunkEnd(u8),
    Trailers,
}

/// What the lines of a head have said so far.
#[derive(Debug, Default)]
struct HeadFraming {
    begun: bool,
    http_1_0: bool,
    hosts: u8,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// How many of the bytes of the last, refused call precede the error. No message ends behind them.
    pub(crate) fn sound(&self) -> usize {
        self.sound
    }

    /// Whether the error is in a body.
    pub(crate) fn is_in_body(&self) -> bool {
        self.state != FramingState::HeadFraming
    }

    /// The offsets, in the bytes of the last call, of HTTP/1 versions newer than 1.1, which are to be read as 1.1 (RFC 9110
    /// section 2.5).
    pub(crate) fn newer(&mut self) -> std::vec::Drain<'_, usize> {
        self.newer.drain(..)
    }

    /// Of the requests OPTIONS in the bytes of the last call whose target has a host: whether it has no path and no query. hyper
    /// makes a `/` of that, but it means `*` (RFC 9112 section 3.2.4).
    pub(crate) fn options(&mut self) -> std::vec::Drain<'_, bool> {
        self.options.drain(..)
    }

    /// Takes the next bytes of the connection.
    pub(crate) fn feed(&mut self, all: &[u8]) -> Result<(), FramingError> {
        let mut bytes = all;
        while let Some(&first) = bytes.first() {
            self.sound = all.len() - bytes.len();
            match self.state {
                FramingState::HeadFraming | FramingState::ChunkSize | FramingState::Trailers => {
                    let end = memchr(b'\n', bytes);
                    if self.state == FramingState::HeadFraming && !self.head.begun {
                        self.find_newer_version(&bytes[..end.unwrap_or(bytes.len())]);
                    }
                    let Some(end) = end else {
                        self.take(bytes.len())?;
                        self.partial.extend_from_slice(bytes);
                        return Ok(());
                    };
                    self.take(end + 1)?;
                    let line = &bytes[..end];
                    bytes = &bytes[end + 1..];
                    if self.partial.is_empty() {
                        self.line(line)?;
                    } else {
                        let mut whole = std::mem::take(&mut self.partial);
                        whole.extend_from_slice(line);
                        self.line(&whole)?;
                    }
                }
                FramingState::Length(left) => {
                    let (left, rest) = skip(left, bytes);
                    bytes = rest;
                    self.state = if left == 0 { FramingState::HeadFraming } else { FramingState::Length(left) };
                }
                FramingState::ChunkData(left) => {
                    let (left, rest) = skip(left, bytes);
                    bytes = rest;
                    self.state = if left == 0 { FramingState::ChunkEnd(0) } else { FramingState::ChunkData(left) };
                }
                FramingState::ChunkEnd(seen) => {
                    if first != b"\r\n"[usize::from(seen)] {
                        return Err(FramingError::Chunk);
                    }
                    bytes = &bytes[1..];
                    self.state = if seen == 0 { FramingState::ChunkEnd(1) } else { FramingState::ChunkSize };
                }
            }
        }
        Ok(())
    }

    /// Looks in the part of the request line that has arrived; `came` are the bytes that this call adds to it.
    fn find_newer_version(&mut self, came: &[u8]) {
        const BEFORE: &[u8] = b" HTTP/1.";
        let of_line = came.strip_suffix(b"\r").unwrap_or(came);
        let Some((b'2'..=b'9', before)) = of_line.split_last() else { return };
        let newer = if before.len() >= BEFORE.len() || self.partial.is_empty() {
            before.ends_with(BEFORE)
        } else {
            [&self.partial, before].concat().ends_with(BEFORE)
        };
        if newer {
            self.newer.push(self.sound + before.len());
        }
    }

    fn take(&mut self, n: usize) -> Result<(), FramingError> {
        self.taken += n;
        if self.taken > HEAD_BYTES {
            return Err(if self.state == FramingState::HeadFraming { FramingError::TooLarge } else { FramingError::Chunk });
        }
        Ok(())
    }

    /// One line without its LF.
    fn line(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let in_head = self.state == FramingState::HeadFraming;
        let Some((b'\r', line)) = line.split_last() else {
            return Err(if in_head { FramingError::BareLf } else { FramingError::Chunk });
        };
        match self.state {
            FramingState::HeadFraming => {
                if self.head.begun {
                    if line.is_empty() {
                        let head = std::mem::take(&mut self.head);
                        self.taken = 0;
                        self.state = head.body()?;
                    } else {
                        self.head.header(line)?;
                    }
                } else if !line.is_empty() {
                    // Empty lines before a request are to be ignored (RFC 9112 §2.2).
                    self.head.begun = true;
                    self.head.http_1_0 = line.ends_with(b" HTTP/1.0");
                    self.options.extend(asks_a_host(line));
                }
            }
            FramingState::ChunkSize => {
                self.taken = 0;
                self.state = match chunk_size(line)? {
                    0 => FramingState::Trailers,
                    size => FramingState::ChunkData(size),
                };
            }
            FramingState::Trailers => {
                if line.is_empty() {
                    self.taken = 0;
                    self.state = FramingState::HeadFraming;
                }
            }
            FramingState::Length(_) | FramingState::ChunkData(_) | FramingState::ChunkEnd(_) => {
                debug_assert!(false, "no lines in {:?}", self.state);
            }
        }
        Ok(())
    }
}

impl HeadFraming {
    fn header(&mut self, line: &[u8]) -> Result<(), FramingError> {
        match line[0] {
            b' ' | b'\t' => return Err(FramingError::Folded),
            b'c' | b'C' => {
                if let Some(value) = value_of(line, b"content-length:") {
                    if self.length.is_some() {
                        return Err(FramingError::Length);
                    }
                    self.length = Some(decimal(value).ok_or(FramingError::Length)?);
                }
            }
            b't' | b'T' => {
                if let Some(value) = value_of(line, b"transfer-encoding:") {
                    if self.chunked {
                        return Err(FramingError::Coding);
                    }
                    if !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(FramingError::UnknownCoding);
                    }
                    self.chunked = true;
                }
            }
            b'h' | b'H' if value_of(line, b"host:").is_some() => self.hosts = self.hosts.saturating_add(1),
            _ => {}
        }
        Ok(())
    }

    /// What follows this head.
    fn body(self) -> Result<FramingState, FramingError> {
        if self.hosts > 1 || (self.hosts == 0 && !self.http_1_0) {
            return Err(FramingError::Host);
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(FramingError::LengthAndChunked),
            (None, true) => Ok(FramingState::ChunkSize),
            (None | Some(0), false) => Ok(FramingState::HeadFraming),
            (Some(length), false) => Ok(FramingState::Length(length)),
        }
    }
}

/// Of the line of a request OPTIONS whose target begins with neither `/` nor `*`: whether the target is a host only.
fn asks_a_host(line: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"OPTIONS ")?;
    let target = &rest[..memchr(b' ', rest).unwrap_or(rest.len())];
    if matches!(target.first(), None | Some(b'/' | b'*')) {
        return None;
    }
    let host = memchr::memmem::find(target, b"://").map_or(target, |at| &target[at + 3..]);
    Some(!host.iter().any(|byte| b"/?#".contains(byte)))
}

/// The value of a header line if it has this name (lower case, with its colon).
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| trim(value))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u64::from(digit - b'0')))
}

/// `1*HEXDIG [ BWS ";" extension ]`; hyper takes white space after the size, and so does this.
fn chunk_size(line: &[u8]) -> Result<u64, FramingError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = trim(&line[digits..]);
    if digits == 0 || digits > 15 || !(rest.is_empty() || rest[0] == b';') || rest.contains(&b'\r') {
        return Err(FramingError::Chunk);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| FramingError::Chunk)?;
    u64::from_str_radix(text, 16).map_err(|_| FramingError::Chunk)
}

fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    (left - n as u64, &bytes[n..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(text: &str) -> Result<FramingState, FramingError> {
        let mut framing = Framing::default();
        framing.feed(text.as_bytes())?;
        Ok(framing.state)
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\n";

    #[test]
    fn whole_requests_end_where_the_next_begins() {
        for body in [
            "\r\n",
            "Content-Length: 0\r\n\r\n",
            "content-length:\t5 \r\n\r\nhello",
            "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1 \r\nx\r\n0\r\nChecksum: 1\r\n\r\n",
        ] {
            assert_eq!(feed(&format!("{HEAD}{body}")), Ok(FramingState::HeadFraming), "{body:?}");
            assert_eq!(feed(&format!("\r\n{HEAD}{body}{HEAD}{body}")), Ok(FramingState::HeadFraming), "{body:?} twice");
        }
        assert_eq!(feed("GET / HTTP/1.0\r\n\r\n"), Ok(FramingState::HeadFraming));
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for (head, refusal) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", FramingError::LengthAndChunked),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", FramingError::LengthAndChunked),
            ("Content-Length: 5\r\nContent-Length: 6\r\n\r\n", FramingError::Length),
            ("Content-Length: 5\r\nContent-Length: 5\r\n\r\n", FramingError::Length),
            ("Content-Length: 5, 5\r\n\r\n", FramingError::Length),
            ("Content-Length: +5\r\n\r\n", FramingError::Length),
            ("Content-Length: 0x5\r\n\r\n", FramingError::Length),
            ("Content-Length: \r\n\r\n", FramingError::Length),
            ("Content-Length: 99999999999999999999\r\n\r\n", FramingError::Length),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", FramingError::Coding),
            ("Transfer-Encoding: chunked, chunked\r\n\r\n", FramingError::UnknownCoding),
            ("Transfer-Encoding: gzip, chunked\r\n\r\n", FramingError::UnknownCoding),
            ("Transfer-Encoding: chunked, identity\r\n\r\n", FramingError::UnknownCoding),
            ("Transfer-Encoding: \x0bchunked\r\n\r\n", FramingError::UnknownCoding),
            ("A: b\r\n Transfer-Encoding: chunked\r\n\r\n", FramingError::Folded),
            ("A: b\n\r\n", FramingError::BareLf),
            ("A: b\r\n\n", FramingError::BareLf),
            ("Host: b\r\n\r\n", FramingError::Host),
            ("Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\n-1\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\n5;\rx\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\n\r\n", FramingError::Chunk),
            ("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", FramingError::Chunk),
        ] {
            assert_eq!(feed(&format!("{HEAD}{head}")), Err(refusal), "{head:?}");
        }
        assert_eq!(feed("GET / HTTP/1.1\r\n\r\n"), Err(FramingError::Host));
    }

    #[test]
    fn a_newer_version_is_found_wherever_reads_cut_it() {
        let text = b"GET /HTTP/1.3 HTTP/1.2\r\nHost: a\r\nX: HTTP/1.4\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.9\r\nHost: a\r\n\r\n";
        let digits: Vec<usize> = [&b" HTTP/1.2"[..], b" HTTP/1.9"]
            .iter()
            .map(|version| text.windows(version.len()).position(|window| window == *version).unwrap() + version.len() - 1)
            .collect();
        for cut in 1..=text.len() {
            let (mut framing, mut found) = (Framing::default(), Vec::new());
            for (n, piece) in text.chunks(cut).enumerate() {
                framing.feed(piece).unwrap();
                found.extend(framing.newer().map(|at| n * cut + at));
            }
            found.dedup();
            assert_eq!(found, digits, "{cut}");
        }
    }

    #[test]
    fn what_stands_before_a_wrong_line_is_sound() {
        let good = format!("{HEAD}Content-Length: 2\r\n\r\nok");
        for (bad, sound_of_bad, in_body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", "GET / HTTP/1.1\r\nHost: a\r\n".len(), false),
            ("GET / HTTP/1.1\n", 0, false),
            ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n".len(), false),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na".len(),
                true,
            ),
        ] {
            let mut framing = Framing::default();
            assert!(framing.feed(format!("{good}{bad}").as_bytes()).is_err(), "{bad:?}");
            assert_eq!((framing.sound(), framing.is_in_body()), (good.len() + sound_of_bad, in_body), "{bad:?}");
            let mut framing = Framing::default();
            framing.feed(good.as_bytes()).unwrap();
            assert!(framing.feed(bad.as_bytes()).is_err(), "{bad:?}");
            assert_eq!(framing.sound(), sound_of_bad, "{bad:?}");
        }
    }

    #[test]
    fn a_head_may_have_its_limit_and_no_byte_more() {
        let head = |padding: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(padding));
        let fits = HEAD_BYTES - head(0).len();
        assert_eq!(feed(&head(fits - 1)), Ok(FramingState::HeadFraming));
        assert_eq!(feed(&head(fits)), Ok(FramingState::HeadFraming));
        assert_eq!(feed(&head(fits + 1)), Err(FramingError::TooLarge));
        assert_eq!(feed(&"x".repeat(HEAD_BYTES + 1)), Err(FramingError::TooLarge));
    }

    fn shapes() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "POST / HTTP/1.1\r\n",
            "GET / HTTP/1.0\r\n",
            "Host: a\r\n",
            "Content-Length: 3\r\n",
            "content-length: 0\r\n",
            "Transfer-Encoding: chunked\r\n",
            "transfer-encoding: gzip\r\n",
            "A: b\r\n",
            " folded\r\n",
            "\r\n",
            "\n",
            "abc",
            "3\r\nabc\r\n",
            "0\r\n\r\n",
            "0\r\n",
            "5;x=y\r\n",
            "\r",
        ]);
        prop::collection::vec(line, 0..14).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_reads_cut_the_bytes(text in shapes(), cuts in prop::collection::vec(0usize..200, 0..6)) {
            let mut framing = Framing::default();
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut at = 0;
            let mut result = Ok(());
            for cut in cuts {
                result = result.and_then(|()| framing.feed(&bytes[at..cut]));
                at = cut;
            }
            prop_assert_eq!(result.map(|()| framing.state), feed(&text));
        }
    }
}
