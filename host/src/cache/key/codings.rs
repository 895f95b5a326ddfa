//! Content codings: which ones a request accepts, and which one we compress with.

use http::header::{self, HeaderMap, HeaderValue};

/// Which content codings a behaviour lets the origin choose from, or a request accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encodings {
    pub gzip: bool,
    pub brotli: bool,
    pub zstd: bool,
}

impl Encodings {
    /// Those of these codings that the request accepts, by name or by `*`, and does not refuse with `q=0`.
    pub fn accepted(self, asked: &HeaderMap) -> Encodings {
        let mut accepted = Encodings::default();
        if self == accepted {
            return accepted;
        }
        let (mut named, mut any) = (Encodings::default(), false);
        let lines = asked.get_all(header::ACCEPT_ENCODING).iter();
        for coding in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')) {
            let mut parts = coding.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let taken = !parts.any(is_zero_quality);
            if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
                (named.gzip, accepted.gzip) = (true, taken);
            } else if name.eq_ignore_ascii_case(b"br") {
                (named.brotli, accepted.brotli) = (true, taken);
            } else if name.eq_ignore_ascii_case(b"zstd") {
                (named.zstd, accepted.zstd) = (true, taken);
            } else if name == b"*" {
                any = taken;
            }
        }
        // The star stands for codings that are not named (RFC 9110 section 12.5.3).
        let takes = |offered: bool, named: bool, accepted: bool| offered && if named { accepted } else { any };
        Encodings {
            gzip: takes(self.gzip, named.gzip, accepted.gzip),
            brotli: takes(self.brotli, named.brotli, accepted.brotli),
            zstd: takes(self.zstd, named.zstd, accepted.zstd),
        }
    }

    /// The coding that we compress with for a client that accepts these. CloudFront also prefers br to gzip.
    pub fn preferred(self) -> Option<Coding> {
        if self.brotli {
            return Some(Coding::Brotli);
        }
        if self.zstd {
            return Some(Coding::Zstd);
        }
        self.gzip.then_some(Coding::Gzip)
    }

    /// The normalised Accept-Encoding, for the key and for the origin.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match (self.brotli, self.zstd, self.gzip) {
            (true, true, true) => "br,zstd,gzip",
            (true, true, false) => "br,zstd",
            (true, false, true) => "br,gzip",
            (true, false, false) => "br",
            (false, true, true) => "zstd,gzip",
            (false, true, false) => "zstd",
            (false, false, true) => "gzip",
            (false, false, false) => "identity",
        })
    }
}

/// A content coding that we can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// The value of `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

fn is_zero_quality(parameter: &[u8]) -> bool {
    let Some(value) = parameter.strip_prefix(b"q=").or(parameter.strip_prefix(b"Q=")) else { return false };
    value.first() == Some(&b'0') && value[1..].iter().all(|byte| matches!(byte, b'.' | b'0'))
}
