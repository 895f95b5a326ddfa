//! What a message says about caching: Cache-Control and its relatives, Age, and dates, parsed leniently.
//!
//! Parsing never fails. An unreadable directive is ignored if that is the careful choice, and means "stale" where
//! ignoring it would let a response live longer than its sender meant (RFC 9111 section 4.2.1). Of two values for
//! one directive the first counts. Only [`withheld`] allocates.
//!
//! Nothing is decided here; see `freshness`.

use std::time::UNIX_EPOCH;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::cache::date;

pub(crate) const SECOND_MS: u64 = 1_000;

/// RFC 9111 section 1.2.2: a larger value counts as this many seconds, 68 years.
pub(crate) const SECONDS_MAX: u64 = 1 << 31;

/// How much of a response a `no-cache` or `private` directive covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum DirectiveScope {
    #[default]
    Nothing,
    /// Only the fields that it names, see [`withheld`].
    Fields,
    Everything,
}

/// A response's directives. Seconds of ill-formed values are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    pub max_age_ms: Option<u64>,
    pub s_maxage_ms: Option<u64>,
    pub stale_while_revalidate_ms: Option<u64>,
    pub stale_if_error_ms: Option<u64>,
    pub no_store: bool,
    pub no_cache: DirectiveScope,
    pub private: DirectiveScope,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
}

impl Control {
    /// Parses `Cache-Control`.
    pub fn of(answered: &HeaderMap) -> Control {
        Control::lenient(answered, &header::CACHE_CONTROL)
    }

    pub(crate) fn lenient(answered: &HeaderMap, name: &HeaderName) -> Control {
        let mut control = Control::default();
        for directive in answered.get_all(name).iter().flat_map(|line| Directives::of(line.as_bytes())) {
            let scope =
                || if directive.value.is_none_or(<[u8]>::is_empty) { DirectiveScope::Everything } else { DirectiveScope::Fields };
            let seconds = || Some(directive.milliseconds().unwrap_or(0));
            match DirectiveName::of(directive.name) {
                Some(DirectiveName::MaxAge) if control.max_age_ms.is_none() => control.max_age_ms = seconds(),
                Some(DirectiveName::SMaxage) if control.s_maxage_ms.is_none() => control.s_maxage_ms = seconds(),
                Some(DirectiveName::StaleWhileRevalidate) if control.stale_while_revalidate_ms.is_none() => {
                    control.stale_while_revalidate_ms = seconds();
                }
                Some(DirectiveName::StaleIfError) if control.stale_if_error_ms.is_none() => control.stale_if_error_ms = seconds(),
                Some(DirectiveName::NoStore) => control.no_store = true,
                Some(DirectiveName::NoCache) => control.no_cache = control.no_cache.max(scope()),
                Some(DirectiveName::Private) => control.private = control.private.max(scope()),
                Some(DirectiveName::Public) => control.public = true,
                Some(DirectiveName::MustRevalidate) => control.must_revalidate = true,
                Some(DirectiveName::ProxyRevalidate) => control.proxy_revalidate = true,
                Some(DirectiveName::MustUnderstand) => control.must_understand = true,
                _ => {}
            }
        }
        control
    }
}

/// The fields that `no-cache="…"` and `private="…"` forbid to reuse. Invalid names are skipped.
pub fn withheld(answered: &HeaderMap) -> Vec<HeaderName> {
    let lines = answered.get_all(header::CACHE_CONTROL).iter();
    lines
        .flat_map(|line| Directives::of(line.as_bytes()))
        .filter(|directive| matches!(DirectiveName::of(directive.name), Some(DirectiveName::NoCache | DirectiveName::Private)))
        .flat_map(|directive| directive.value.unwrap_or_default().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// A request's directives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age_ms: Option<u64>,
    pub min_fresh_ms: Option<u64>,
    /// How stale a response may be; `max-stale` without a number allows any age.
    pub max_stale_ms: Option<u64>,
}

impl Wishes {
    /// `Pragma: no-cache` counts when there is no Cache-Control (RFC 7234 section 5.4).
    pub fn of(asked: &HeaderMap) -> Wishes {
        let mut wishes = Wishes::default();
        if !asked.contains_key(header::CACHE_CONTROL) {
            let pragma = asked.get_all(header::PRAGMA).iter().flat_map(|line| Directives::of(line.as_bytes()));
            wishes.no_cache = pragma.into_iter().any(|directive| directive.name.eq_ignore_ascii_case(b"no-cache"));
            return wishes;
        }
        for directive in asked.get_all(header::CACHE_CONTROL).iter().flat_map(|line| Directives::of(line.as_bytes())) {
            match DirectiveName::of(directive.name) {
                Some(DirectiveName::NoCache) => wishes.no_cache = true,
                Some(DirectiveName::NoStore) => wishes.no_store = true,
                Some(DirectiveName::OnlyIfCached) => wishes.only_if_cached = true,
                Some(DirectiveName::MaxAge) => wishes.max_age_ms = wishes.max_age_ms.or(directive.milliseconds()),
                Some(DirectiveName::MinFresh) => wishes.min_fresh_ms = wishes.min_fresh_ms.or(directive.milliseconds()),
                Some(DirectiveName::MaxStale) if directive.value.is_none() => {
                    wishes.max_stale_ms = wishes.max_stale_ms.or(Some(u64::MAX));
                }
                Some(DirectiveName::MaxStale) => wishes.max_stale_ms = wishes.max_stale_ms.or(directive.milliseconds()),
                _ => {}
            }
        }
        wishes
    }
}

/// The first number in `Age`, or 0. A list comes from two caches in a row.
pub fn age_ms(answered: &HeaderMap) -> u64 {
    let first = answered.get(header::AGE).map_or(&b""[..], HeaderValue::as_bytes);
    let first = first.split(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
    seconds(first).unwrap_or(0) * SECOND_MS
}

/// The date in a header. Of several values the first counts.
pub fn date_ms(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name).and_then(moment_ms)
}

/// The three forms of HTTP dates, from 1970 on.
pub fn moment_ms(value: &HeaderValue) -> Option<u64> {
    let moment = date::parse(value.to_str().ok()?)?;
    u64::try_from(moment.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Parses whole seconds, digits only.
pub(crate) fn seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(number.min(SECONDS_MAX))
}

/// The known directives of requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectiveName {
    MaxAge,
    SMaxage,
    StaleWhileRevalidate,
    StaleIfError,
    NoStore,
    NoCache,
    Private,
    Public,
    MustRevalidate,
    ProxyRevalidate,
    MustUnderstand,
    MinFresh,
    MaxStale,
    OnlyIfCached,
}

impl DirectiveName {
    pub(crate) fn of(name: &[u8]) -> Option<DirectiveName> {
        const WORDS: [(&str, DirectiveName); 14] = [
            ("max-age", DirectiveName::MaxAge),
            ("s-maxage", DirectiveName::SMaxage),
            ("stale-while-revalidate", DirectiveName::StaleWhileRevalidate),
            ("stale-if-error", DirectiveName::StaleIfError),
            ("no-store", DirectiveName::NoStore),
            ("no-cache", DirectiveName::NoCache),
            ("private", DirectiveName::Private),
            ("public", DirectiveName::Public),
            ("must-revalidate", DirectiveName::MustRevalidate),
            ("proxy-revalidate", DirectiveName::ProxyRevalidate),
            ("must-understand", DirectiveName::MustUnderstand),
            ("min-fresh", DirectiveName::MinFresh),
            ("max-stale", DirectiveName::MaxStale),
            ("only-if-cached", DirectiveName::OnlyIfCached),
        ];
        WORDS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(name)).map(|(_, word)| *word)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Directive<'a> {
    name: &'a [u8],
    /// Without its quotes.
    value: Option<&'a [u8]>,
}

impl Directive<'_> {
    fn milliseconds(&self) -> Option<u64> {
        // `Surrogate-Control: max-age=60+30`: the second number is grace, which we grant by other words.
        let digits = self.value?.split(|&byte| byte == b'+').next()?;
        Some(seconds(digits)? * SECOND_MS)
    }
}

/// One line's directives, `name`, `name=token` or `name="quoted"`, between commas.
struct Directives<'a> {
    rest: &'a [u8],
}

impl<'a> Directives<'a> {
    fn of(line: &'a [u8]) -> Directives<'a> {
        Directives { rest: line }
    }
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        let start = self.rest.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        let line = &self.rest[start..];
        let name_end = line.iter().position(|byte| matches!(byte, b'=' | b',')).unwrap_or(line.len());
        // A space before `=` is not allowed; a directive that forbids something is obeyed nevertheless.
        let name = line[..name_end].trim_ascii();
        if line.get(name_end) != Some(&b'=') {
            self.rest = &line[name_end..];
            return Some(Directive { name, value: None });
        }
        let value = &line[name_end + 1..];
        if value.first() == Some(&b'"')
            && let Some(end) = closing_quote(value)
        {
            let rest = &value[end + 1..];
            let comma = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
            self.rest = &rest[comma..];
            // Text after the closing quote makes the value invalid.
            let inner = if rest[..comma].trim_ascii().is_empty() { &value[1..end] } else { &value[..end + 1] };
            return Some(Directive { name, value: Some(inner) });
        }
        // An unclosed quote must not swallow a `no-store` after it.
        let comma = value.iter().position(|&byte| byte == b',').unwrap_or(value.len());
        self.rest = &value[comma..];
        let spaced = name.len() != name_end;
        let value = if spaced { &line[name_end..name_end + 1 + comma] } else { value[..comma].trim_ascii_end() };
        Some(Directive { name, value: Some(value) })
    }
}

/// The index of the quote that ends the string beginning at 0.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn said(values: &[&str]) -> Control {
        Control::of(&lines("cache-control", values))
    }

    #[test]
    fn max_age_is_parsed_leniently_but_safely() {
        for (line, seconds) in [
            ("max-age=3600", Some(3600)),
            ("MaX-aGe=3600", Some(3600)),
            ("max-age=\"3600\"", Some(3600)),
            ("max-age=003600", Some(3600)),
            ("max-age=0", Some(0)),
            ("foobar, max-age=60", Some(60)),
            ("foobar=\"a\\\",b\", max-age=60", Some(60)),
            (",, ,max-age=60,,", Some(60)),
            ("max-age=60 ", Some(60)),
            ("max-age=60\t, public", Some(60)),
            // Too large.
            ("max-age=2147483648", Some(2_147_483_648)),
            ("max-age=99999999999", Some(2_147_483_648)),
            ("max-age=99999999999999999999999999", Some(2_147_483_648)),
            // Ill-formed: stale.
            ("max-age=-3600", Some(0)),
            ("max-age=3600.0", Some(0)),
            ("max-age=3600a", Some(0)),
            ("max-age=a3600", Some(0)),
            ("max-age='3600'", Some(0)),
            ("max-age= 3600", Some(0)),
            ("max-age =3600", Some(0)),
            ("max-age=\"3600", Some(0)),
            ("max-age=\"3600\"x", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            // Not said.
            ("max-age2=60", None),
            ("extension=\"max-age=3600\"", None),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(said(&[line]).max_age_ms, seconds.map(|seconds| seconds * 1000), "{line}");
        }
    }

    #[test]
    fn the_first_of_two_values_counts() {
        for (values, seconds) in [
            (&["max-age=1800, max-age=1"][..], 1800),
            (&["max-age=1, max-age=1800"], 1),
            (&["max-age=1800", "max-age=1"], 1800),
            (&["max-age=1, extension=\"max-age=3600\""], 1),
            (&["extension=\"max-age=3600\", max-age=1"], 1),
            (&["max-age=a, max-age=1"], 0),
        ] {
            assert_eq!(said(values).max_age_ms, Some(seconds * 1000), "{values:?}");
        }
    }

    #[test]
    fn an_unclosed_quote_hides_no_directive() {
        assert!(said(&["foo=\"bar, no-store"]).no_store);
        assert!(said(&["foo=\"bar", "no-store"]).no_store);
        assert!(!said(&["foo=\"bar, no-store\""]).no_store);
    }

    #[test]
    fn directives_that_forbid_are_obeyed_even_when_they_are_ill_formed() {
        for line in ["no-store", "No-StOrE", "no-store=1", "no-store =1", "no-store ,a", "max-age=1, no-store"] {
            assert!(said(&[line]).no_store, "{line}");
        }
        for (line, scope) in [
            ("no-cache", DirectiveScope::Everything),
            ("no-cache=", DirectiveScope::Everything),
            ("no-cache=\"\"", DirectiveScope::Everything),
            ("no-cache=\"a, b\"", DirectiveScope::Fields),
            ("no-cache=a", DirectiveScope::Fields),
            ("no-cache=\"a\", no-cache", DirectiveScope::Everything),
            ("no-cache, no-cache=\"a\"", DirectiveScope::Everything),
            ("public", DirectiveScope::Nothing),
        ] {
            assert_eq!(said(&[line]).no_cache, scope, "{line}");
            assert_eq!(said(&[&line.replace("no-cache", "private")]).private, scope, "{line}");
        }
    }

    #[test]
    fn withheld_fields_come_from_every_line() {
        let headers = lines("cache-control", &["no-cache=\"a, B\", max-age=1", "private=Set-Cookie, no-cache=\"not a name\""]);
        assert_eq!(withheld(&headers), ["a", "b", "set-cookie"]);
    }

    #[test]
    fn the_directives_of_a_request_are_parsed() {
        let wishes = |values| Wishes::of(&lines("cache-control", values));
        assert_eq!(
            wishes(&["no-cache, no-store, only-if-cached", "max-age=1, min-fresh=2, max-stale=3"]),
            Wishes {
                no_cache: true,
                no_store: true,
                only_if_cached: true,
                max_age_ms: Some(1000),
                min_fresh_ms: Some(2000),
                max_stale_ms: Some(3000)
            }
        );
        assert_eq!(wishes(&["max-stale"]).max_stale_ms, Some(u64::MAX));
        assert_eq!(wishes(&["max-stale=x, max-age=x, min-fresh=x"]), Wishes::default());
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let mut headers = lines("pragma", &["No-Cache"]);
        assert!(Wishes::of(&headers).no_cache);
        headers.insert("cache-control", HeaderValue::from_static("max-age=5"));
        assert!(!Wishes::of(&headers).no_cache);
        assert_eq!(Wishes::of(&lines("pragma", &["unrecognised"])), Wishes::default());
    }

    #[test]
    fn an_age_is_its_first_number() {
        for (values, age) in [
            (&["7200"][..], 7200),
            (&["7200,0"], 7200),
            (&["7200", "0"], 7200),
            (&["0,7200"], 0),
            (&["abc"], 0),
            (&["-7200"], 0),
            (&["7200.0"], 0),
            (&["99999999999999999999"], 2_147_483_648),
            (&[], 0),
        ] {
            assert_eq!(age_ms(&lines("age", values)), age * 1000, "{values:?}");
        }
    }

    #[test]
    fn dates_have_three_forms_and_no_others() {
        let date = |text: &str| date_ms(&lines("expires", &[text]), header::EXPIRES);
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(date(text), Some(784_111_777_000), "{text}");
        }
        for text in [
            "0",
            "-1",
            "foo",
            "",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Tue, 01 Jan 1901 00:00:00 GMT",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn surrogate_control_applies_unless_cdn_cache_control_is_present() {
        let mut headers = lines("surrogate-control", &["max-age=60+30, content=\"ESI/1.0\""]);
        assert_eq!(crate::cache::targeted::control(&headers).unwrap().max_age_ms, Some(60_000));
        headers.insert("cdn-cache-control", HeaderValue::from_static("max-age=5"));
        assert_eq!(crate::cache::targeted::control(&headers).unwrap().max_age_ms, Some(5_000));
        assert_eq!(crate::cache::targeted::control(&lines("surrogate-control", &["content=\"ESI/1.0\""])), None);
    }

    proptest! {
        #[test]
        fn anything_at_all_is_read(line in "[ -~\t]{0,80}") {
            let headers = lines("cache-control", &[&line]);
            let _ = (Control::of(&headers), Wishes::of(&headers), withheld(&headers));
        }

        /// Whatever stands beside it, a `no-store` between commas and outside of quotes is seen.
        #[test]
        fn no_store_is_never_lost(before in "[a-z=,0-9 -]{0,30}", after in "[a-z=,\"\\\\ -]{0,30}") {
            let line = format!("{before},no-store,{after}");
            prop_assert!(said(&[&line]).no_store, "{}", line);
        }
    }
}
