//! The log of one call: lines up to a number of bytes, then one line that says so.
//!
//! What a guest writes to its standard output and error is split into lines. An unfinished line is kept until it ends, or
//! the call does.

/// A standard stream of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdStream {
    Stdout,
    Stderr,
}

/// See the module.
#[derive(Debug, Default)]
pub struct CallLog {
    /// The lines, each with its line break.
    text: String,
    bytes_max: usize,
    truncated: bool,
    unfinished: [Vec<u8>; 2],
}

impl CallLog {
    pub fn new(bytes_max: u64) -> CallLog {
        CallLog { bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), ..CallLog::default() }
    }

    /// How many bytes of a line would still be kept.
    pub fn room(&self) -> usize {
        if self.truncated { 0 } else { self.bytes_max.saturating_sub(self.text.len() + 1) }
    }

    /// Whether further lines are dropped.
    pub fn is_full(&self) -> bool {
        self.truncated
    }

    pub fn line(&mut self, line: &str) {
        if self.truncated {
            return;
        }
        // A line break takes room as well, or empty lines would be unlimited.
        let full = self.text.len() >= self.bytes_max;
        let kept = line.floor_char_boundary(self.room());
        if !full {
            self.text.push_str(&line[..kept]);
            self.text.push('\n');
        }
        if full || kept < line.len() {
            self.truncated = true;
            self.text.push_str("(log truncated: over log_bytes)\n");
        }
    }

    /// Adds what was written to a stream.
    pub fn write(&mut self, stream: StdStream, mut bytes: &[u8]) {
        while !self.truncated {
            let Some(end) = memchr::memchr(b'\n', bytes) else { break };
            self.unfinish(stream, &bytes[..end]);
            self.finish(stream);
            bytes = &bytes[end + 1..];
        }
        self.unfinish(stream, bytes);
    }

    /// Keeps one byte more than there is room for, to detect truncation.
    fn unfinish(&mut self, stream: StdStream, bytes: &[u8]) {
        let room = self.room() + 1;
        let unfinished = &mut self.unfinished[stream as usize];
        unfinished.extend_from_slice(&bytes[..bytes.len().min(room.saturating_sub(unfinished.len()))]);
    }

    fn finish(&mut self, stream: StdStream) {
        let mut line = std::mem::take(&mut self.unfinished[stream as usize]);
        self.line(&String::from_utf8_lossy(&line));
        // The next line has its room; `take` gives it back.
        line.clear();
        self.unfinished[stream as usize] = line;
    }

    /// Takes the whole log; the next call starts with an empty one.
    pub fn take(&mut self) -> String {
        for stream in [StdStream::Stdout, StdStream::Stderr] {
            if !self.unfinished[stream as usize].is_empty() {
                self.finish(stream);
            }
        }
        let mut text = std::mem::take(&mut self.text);
        text.pop();
        self.clear();
        text
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.truncated = false;
        self.unfinished = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: &str = "(log truncated: over log_bytes)";

    fn written(bytes_max: u64, parts: &[(StdStream, &[u8])]) -> String {
        let mut log = CallLog::new(bytes_max);
        for (stream, bytes) in parts {
            log.write(*stream, bytes);
        }
        log.take()
    }

    #[test]
    fn output_is_cut_into_lines_and_each_stream_ends_its_own() {
        use StdStream::{Stderr, Stdout};
        for (parts, text) in [
            (&[(Stdout, &b"one\ntwo\n"[..])][..], "one\ntwo"),
            (&[(Stdout, b"on"), (Stderr, b"other\n"), (Stdout, b"e\n")], "other\none"),
            (&[(Stderr, b"no end"), (Stdout, b"nor here")], "nor here\nno end"),
            (&[(Stdout, b"a\n\nb")], "a\n\nb"),
            (&[(Stdout, &[0xe2, 0x82]), (Stdout, &[0xac, b'\n', 0xff])], "\u{20ac}\n\u{fffd}"),
        ] {
            assert_eq!(written(100, parts), text, "{parts:?}");
        }
    }

    #[test]
    fn a_log_holds_as_many_bytes_as_its_limit_says() {
        for (len, cut) in [(98, false), (99, false), (100, true), (5_000, true)] {
            let line = "x".repeat(len);
            for text in [
                written(100, &[(StdStream::Stdout, line.as_bytes())]),
                written(100, &[(StdStream::Stdout, format!("{line}\n").as_bytes())]),
                {
                    let mut log = CallLog::new(100);
                    log.line(&line);
                    log.take()
                },
            ] {
                assert_eq!(text.ends_with(CUT), cut, "{len}: {text}");
                assert!(text.len() <= 100 + CUT.len());
            }
        }
    }

    #[test]
    fn the_number_of_empty_lines_before_a_request_is_bounded() {
        let text = written(100, &[(StdStream::Stdout, &[b'\n'; 100_000])]);
        assert!(text.ends_with(CUT) && text.len() <= 100 + CUT.len(), "{}", text.len());
    }

    #[test]
    fn nothing_of_one_call_is_in_the_log_of_the_next() {
        let mut log = CallLog::new(10);
        log.write(StdStream::Stdout, b"a line that is far too long");
        log.write(StdStream::Stderr, b"unfinished");
        log.clear();
        log.write(StdStream::Stderr, b"new\n");
        assert_eq!(log.take(), "new");
        assert_eq!(log.take(), "");
    }
}
