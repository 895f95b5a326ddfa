//! `CDN-Cache-Control` (RFC 9213): cache directives as a structured field, for caches like us only.
//!
//! Structured fields are parsed strictly (RFC 9651): with one invalid byte, or a known directive with a value of the wrong
//! type, the whole field is ignored. Parameters are parsed and ignored.

use http::header::{HeaderMap, HeaderName};

use crate::cache::control::{Control, DirectiveName, DirectiveScope, SECOND_MS, seconds};

/// The directives for caches like us: `CDN-Cache-Control` (RFC 9213) if it is valid and says anything, else
/// `Surrogate-Control`. They replace Cache-Control and Expires.
pub(crate) fn control(answered: &HeaderMap) -> Option<Control> {
    const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");
    const SURROGATE: HeaderName = HeaderName::from_static("surrogate-control");
    if answered.contains_key(&CDN)
        && let Some(control) = read(answered, &CDN)
    {
        return Some(control);
    }
    let control = answered.contains_key(&SURROGATE).then(|| Control::lenient(answered, &SURROGATE))?;
    // One that only says `content="ESI/1.0"` is not about storing.
    (control != Control::default()).then_some(control)
}

/// `None` if it is invalid or empty.
fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Control> {
    let mut control = Control::default();
    let mut any = false;
    let mut lines = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).filter(|line| !line.is_empty());
    // Lines are joined by commas (RFC 9110 section 5.3); no value of a known directive may span two lines.
    lines.try_for_each(|line| {
        let mut reader = FieldParser { rest: line };
        loop {
            let key = reader.key()?;
            let value = if reader.take(b'=') { reader.value()? } else { BareItem::Boolean(true) };
            reader.parameters()?;
            apply(&mut control, key, &value)?;
            any = true;
            reader.space();
            if reader.rest.is_empty() {
                return Some(());
            }
            if !reader.take(b',') {
                return None;
            }
            reader.space();
            // A comma at the end is an error.
        }
    })?;
    any.then_some(control)
}

/// Of two values the last counts: a structured dictionary has each key once.
fn apply(control: &mut Control, key: &[u8], value: &BareItem) -> Option<()> {
    let Some(word) = DirectiveName::of(key) else { return Some(()) };
    let number = || match value {
        BareItem::Integer(seconds) => Some(Some(seconds * SECOND_MS)),
        _ => None,
    };
    let flag = || match value {
        BareItem::Boolean(flag) => Some(*flag),
        _ => None,
    };
    let scope = || match value {
        BareItem::Boolean(true) => Some(DirectiveScope::Everything),
        BareItem::Boolean(false) => Some(DirectiveScope::Nothing),
        // Only the plain Cache-Control withholds single fields; here nothing may be reused.
        BareItem::String => Some(DirectiveScope::Everything),
        _ => None,
    };
    match word {
        DirectiveName::MaxAge => control.max_age_ms = number()?,
        DirectiveName::SMaxage => control.s_maxage_ms = number()?,
        DirectiveName::StaleWhileRevalidate => control.stale_while_revalidate_ms = number()?,
        DirectiveName::StaleIfError => control.stale_if_error_ms = number()?,
        DirectiveName::NoStore => control.no_store = flag()?,
        DirectiveName::NoCache => control.no_cache = scope()?,
        DirectiveName::Private => control.private = scope()?,
        DirectiveName::Public => control.public = flag()?,
        DirectiveName::MustRevalidate => control.must_revalidate = flag()?,
        DirectiveName::ProxyRevalidate => control.proxy_revalidate = flag()?,
        DirectiveName::MustUnderstand => control.must_understand = flag()?,
        DirectiveName::MinFresh | DirectiveName::MaxStale | DirectiveName::OnlyIfCached => {}
    }
    Some(())
}

/// A value, as far as directives need it.
enum BareItem {
    /// Not negative; a negative number is `Other`.
    Integer(u64),
    Boolean(bool),
    String,
    Other,
}

struct FieldParser<'a> {
    rest: &'a [u8],
}

impl<'a> FieldParser<'a> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !accept(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let first = *self.rest.first()?;
        if !(first.is_ascii_lowercase() || first == b'*') {
            return None;
        }
        Some(self.take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.take_while(|byte| byte == b' ');
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn value(&mut self) -> Option<BareItem> {
        if !self.take(b'(') {
            return self.item();
        }
        loop {
            self.take_while(|byte| byte == b' ');
            if self.take(b')') {
                return Some(BareItem::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<BareItem> {
        match *self.rest.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => {
                self.take(b'?');
                match self.take_while(|byte| byte.is_ascii_digit()) {
                    b"0" => Some(BareItem::Boolean(false)),
                    b"1" => Some(BareItem::Boolean(true)),
                    _ => None,
                }
            }
            b':' => {
                self.take(b':');
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.take(b':').then_some(BareItem::Other)
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                Some(BareItem::Other)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<BareItem> {
        let negative = self.take(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return None;
        }
        if self.take(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit()).len();
            return ((1..=3).contains(&fraction) && digits.len() <= 12).then_some(BareItem::Other);
        }
        if negative { Some(BareItem::Other) } else { seconds(digits).map(BareItem::Integer) }
    }

    fn string(&mut self) -> Option<BareItem> {
        self.take(b'"');
        loop {
            self.take_while(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
            if self.take(b'"') {
                return Some(BareItem::String);
            }
            if !self.take(b'\\') || !(self.take(b'"') || self.take(b'\\')) {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NAME: HeaderName = HeaderName::from_static("cdn-cache-control");

    fn said(lines: &[&str]) -> Option<Control> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(NAME, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers, &NAME)
    }

    #[test]
    fn valid_fields_are_read() {
        for (line, max_age) in [
            ("max-age=3600", Some(3600)),
            ("foobar, max-age=3600", Some(3600)),
            ("max-age=3600;a=1;b, foo", Some(3600)),
            ("max-age=1, max-age=2", Some(2)),
            ("foo=(a \"b\";c 1.5), max-age=7", Some(7)),
            ("foo=:YQ==:, bar=?0,\tmax-age=7", Some(7)),
            ("max-age=2147483648", Some(2_147_483_648)),
            ("max-age=99999999999", Some(2_147_483_648)),
            ("foo", None),
        ] {
            let control = said(&[line]).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(control.max_age_ms, max_age.map(|seconds| seconds * 1000), "{line}");
        }
        assert_eq!(said(&["max-age=1", "", "no-store"]).map(|c| (c.max_age_ms, c.no_store)), Some((Some(1000), true)));
        assert_eq!(
            said(&["private, no-cache=?0"]).map(|c| (c.private, c.no_cache)),
            Some((DirectiveScope::Everything, DirectiveScope::Nothing))
        );
    }

    #[test]
    fn invalid_fields_are_ignored() {
        for line in [
            "",
            " ",
            "max-age=10000, &&&&&",
            "max-age=\"10000\"",
            "max-age=10.5",
            "max-age=-1",
            "max-age",
            "max-age =100",
            "max-age= 100",
            "MaX-aGe=3600",
            "max-age=100,",
            ",max-age=100",
            "max-age=100 no-store",
            "max-age=1234567890123456",
            "no-store=1",
            "foo=\"bar",
            "foo=\"b\\ar\"",
            "foo=(a",
            "foo=?2",
        ] {
            assert_eq!(said(&[line]), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn anything_at_all_is_read_or_refused(line in "[ -~\t]{0,60}") {
            let _ = said(&[&line]);
        }
    }
}
