//! Both rule books as tables, and `http-cache-semantics` as an oracle for the one it knows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderName;
use http::{Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 784_111_777_000;

/// What a table may say in a header: `@-60` is the date a minute ago.
fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let value = match value.strip_prefix('@') {
            Some(offset) => {
                let moment = NOW_MS.checked_add_signed(offset.parse::<i64>().unwrap() * 1000).unwrap();
                httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(moment))
            }
            None => (*value).to_owned(),
        };
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

struct Case {
    mode: Mode,
    ttls: Ttls,
    method: Method,
    status: u16,
    asked: HeaderMap,
    authorization_keyed: bool,
    cookies: SetCookie,
}

impl Case {
    fn of(mode: Mode) -> Case {
        Case {
            mode,
            ttls: if mode == Mode::CloudFront { Ttls::CLOUDFRONT } else { Ttls::STANDARDS },
            method: Method::GET,
            status: 200,
            asked: HeaderMap::new(),
            authorization_keyed: false,
            cookies: SetCookie::Keep,
        }
    }

    fn admit(&self, answered: &[(&str, &str)]) -> Result<Times, UncacheableReason> {
        let fetched = Fetched {
            method: &self.method,
            asked: &self.asked,
            authorization_keyed: self.authorization_keyed,
            cookies: self.cookies,
            status: StatusCode::from_u16(self.status).unwrap(),
            answered: &map(answered),
            asked_ms: NOW_MS,
            received_ms: NOW_MS,
        };
        admit(self.mode, &self.ttls, &fetched)
    }

    /// Seconds that the answer stays fresh from now.
    fn left(&self, answered: &[(&str, &str)]) -> Left {
        self.admit(answered).map(|times| times.left_ms(NOW_MS) / 1000)
    }
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Seconds that are left, or why it is not stored.
type Left = Result<u64, UncacheableReason>;

#[test]
fn standards_lifetimes() {
    let case = Case::of(Mode::Standards);
    let table: &[(Headers, Left)] = &[
        (&[], Err(UncacheableReason::NotReusable)),
        (&[("cache-control", "max-age=3600")], Ok(3600)),
        (&[("cache-control", "max-age=99999999999")], Ok(31_536_000)),
        (&[("cache-control", "max-age=0")], Err(UncacheableReason::NotReusable)),
        (&[("cache-control", "max-age=0"), ("etag", "\"1\"")], Ok(0)),
        (&[("cache-control", "max-age=x"), ("expires", "@3600"), ("etag", "\"1\"")], Ok(0)),
        (&[("cache-control", "max-age=0"), ("expires", "@3600"), ("etag", "\"1\"")], Ok(0)),
        (&[("cache-control", "max-age=3600"), ("expires", "@-7200"), ("date", "@0")], Ok(3600)),
        (&[("cache-control", "max-age=3600"), ("expires", "0")], Ok(3600)),
        (&[("cache-control", "max-age=3600, s-maxage=1")], Ok(1)),
        (&[("cache-control", "max-age=3600"), ("cache-control", "s-maxage=1")], Ok(1)),
        (&[("cache-control", "max-age=0, s-maxage=3600"), ("expires", "@-10")], Ok(3600)),
        // Age.
        (&[("cache-control", "max-age=3600"), ("age", "600"), ("date", "@0")], Ok(3000)),
        (&[("cache-control", "max-age=3600"), ("age", "7200"), ("date", "@0")], Ok(0)),
        (&[("cache-control", "max-age=3600"), ("date", "@-600")], Ok(3000)),
        (&[("cache-control", "max-age=3600"), ("date", "@-600"), ("age", "900")], Ok(2700)),
        (&[("cache-control", "max-age=3600"), ("date", "@600")], Ok(3600)),
        // Expires.
        (&[("expires", "@3600"), ("date", "@0")], Ok(3600)),
        (&[("expires", "@3600")], Ok(3600)),
        (&[("expires", "@10"), ("date", "foo")], Ok(10)),
        (&[("expires", "@300"), ("date", "@400"), ("etag", "\"1\"")], Ok(0)),
        (&[("expires", "@-5000"), ("last-modified", "@-100000"), ("date", "@0")], Ok(0)),
        (&[("expires", "0"), ("last-modified", "@-100000"), ("date", "@0")], Ok(0)),
        (&[("expires", "@0"), ("date", "@0")], Err(UncacheableReason::NotReusable)),
        (&[("expires", "@10"), ("date", "@-10"), ("age", "25")], Ok(0)),
        (&[("expires", "@20"), ("date", "@10"), ("age", "15")], Ok(0)),
        // Heuristic: a tenth of the content's age, at most a day.
        (&[("last-modified", "@-3600"), ("date", "@0")], Ok(360)),
        (&[("last-modified", "@-3600")], Ok(360)),
        (&[("last-modified", "@-86400000"), ("date", "@0")], Ok(86_400)),
        (&[("last-modified", "@3600"), ("date", "@0")], Ok(0)),
        (&[("etag", "\"1\"")], Ok(0)),
        (&[("cache-control", "foo"), ("last-modified", "@-3600")], Ok(360)),
        // no-cache, no-store, private.
        (&[("cache-control", "max-age=3600, no-cache"), ("etag", "\"1\"")], Ok(0)),
        (&[("cache-control", "max-age=3600, no-cache")], Err(UncacheableReason::NotReusable)),
        (&[("cache-control", "max-age=3600, no-cache=\"a\"")], Ok(3600)),
        (&[("cache-control", "max-age=3600, No-StOrE"), ("expires", "@3600")], Err(UncacheableReason::NoStore)),
        (&[("cache-control", "max-age=3600, private")], Err(UncacheableReason::Private)),
        (&[("cache-control", "max-age=3600, private=\"set-cookie\"")], Ok(3600)),
        (&[("cache-control", "max-age=3600, no-store, must-understand")], Ok(3600)),
        (&[("cache-control", "max-age=3600"), ("set-cookie", "a=b")], Ok(3600)),
        (&[("cache-control", "max-age=3600"), ("pragma", "no-cache")], Ok(3600)),
        (&[("cache-control", "max-age=3600"), ("vary", "foo, bar")], Ok(3600)),
        (&[("cache-control", "max-age=3600"), ("vary", "foo, *")], Err(UncacheableReason::Vary)),
        // CDN-Cache-Control in the place of both others, if it is valid.
        (&[("cdn-cache-control", "max-age=60"), ("cache-control", "no-store"), ("expires", "@-5")], Ok(60)),
        (&[("cdn-cache-control", "max-age=1"), ("cache-control", "max-age=3600")], Ok(1)),
        (&[("cdn-cache-control", "max-age=3600"), ("age", "7200")], Ok(0)),
        (&[("cdn-cache-control", "no-store"), ("cache-control", "max-age=3600")], Err(UncacheableReason::NoStore)),
        (&[("cdn-cache-control", "private"), ("cache-control", "max-age=3600")], Err(UncacheableReason::Private)),
        (&[("cdn-cache-control", "no-cache"), ("cache-control", "max-age=3600")], Err(UncacheableReason::NotReusable)),
        (&[("cdn-cache-control", "max-age=0"), ("expires", "@3600")], Err(UncacheableReason::NotReusable)),
        (&[("cdn-cache-control", "max-age=10000, &&&"), ("cache-control", "no-store")], Err(UncacheableReason::NoStore)),
        (&[("cdn-cache-control", "max-age=\"10000\""), ("cache-control", "no-store")], Err(UncacheableReason::NoStore)),
        (&[("cdn-cache-control", "foo"), ("cache-control", "max-age=3600")], Err(UncacheableReason::NotReusable)),
        (&[("surrogate-control", "max-age=60"), ("cache-control", "no-store")], Ok(60)),
    ];
    for (answered, expected) in table {
        assert_eq!(case.left(answered), *expected, "{answered:?}");
    }
}

#[test]
fn any_final_status_may_be_stored_when_the_origin_says_so() {
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 418, 499, 500, 502, 503, 504, 599] {
        let case = Case { status, ..Case::of(Mode::Standards) };
        assert_eq!(case.left(&[("cache-control", "max-age=60")]), Ok(60), "{status}");
        assert_eq!(case.left(&[("expires", "@60"), ("date", "@0")]), Ok(60), "{status}");
    }
    for (status, reason) in
        [(206, UncacheableReason::Partial), (304, UncacheableReason::Status), (101, UncacheableReason::Status)]
    {
        for mode in [Mode::Standards, Mode::CloudFront] {
            assert_eq!(Case { status, ..Case::of(mode) }.left(&[("cache-control", "max-age=60")]), Err(reason), "{status}");
        }
    }
    let strange = Case { status: 599, ..Case::of(Mode::Standards) };
    assert_eq!(strange.left(&[("cache-control", "max-age=60, must-understand")]), Err(UncacheableReason::NotUnderstood));
}

#[test]
fn a_lifetime_is_guessed_only_for_statuses_that_allow_it() {
    let modified: Headers = &[("last-modified", "@-86400"), ("date", "@0")];
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(Case { status, ..Case::of(Mode::Standards) }.left(modified), Ok(8640), "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
        let case = Case { status, ..Case::of(Mode::Standards) };
        assert_eq!(case.left(modified), Err(UncacheableReason::NotReusable), "{status}");
        assert_eq!(case.left(&[modified, &[("cache-control", "public")]].concat()), Ok(8640), "{status}");
    }
}

#[test]
fn standards_bounds_of_the_operator() {
    let ttls = Ttls { min_ms: 600_000, default_ms: 60_000, max_ms: 120_000, error_min_ms: 90_000, ..Ttls::STANDARDS };
    let case = Case { ttls, ..Case::of(Mode::Standards) };
    assert_eq!(case.left(&[]), Ok(60));
    assert_eq!(case.left(&[("cache-control", "max-age=1")]), Ok(1), "there is no minimum");
    assert_eq!(case.left(&[("cache-control", "max-age=3600")]), Ok(120));
    let case = Case { status: 404, ..case };
    assert_eq!(case.left(&[]), Ok(90));
    assert_eq!(case.left(&[("cache-control", "max-age=1")]), Ok(1));
    assert_eq!(Case { status: 503, ..case }.left(&[]), Err(UncacheableReason::NotReusable));
}

#[test]
fn responses_to_authorized_requests_are_private() {
    for mode in [Mode::Standards, Mode::CloudFront] {
        let case = Case { asked: map(&[("authorization", "x")]), ..Case::of(mode) };
        let refused = Err(UncacheableReason::Authorization);
        assert_eq!(case.left(&[("expires", "@3600"), ("date", "@0")]), refused);
        assert_eq!(case.left(&[("cache-control", "max-age=3600, proxy-revalidate")]), refused);
        for directive in ["public", "must-revalidate", "s-maxage=60"] {
            let said = format!("max-age=60, {directive}");
            assert_eq!(case.left(&[("cache-control", &said)]), Ok(60), "{directive}");
        }
        let keyed = Case { authorization_keyed: true, ..case };
        assert_eq!(keyed.left(&[("cache-control", "max-age=60")]), Ok(60));
    }
}

#[test]
fn only_answers_to_reads_are_stored() {
    for (mode, method, expected) in [
        (Mode::Standards, Method::GET, Ok(60)),
        (Mode::Standards, Method::OPTIONS, Err(UncacheableReason::Method)),
        (Mode::CloudFront, Method::OPTIONS, Ok(60)),
        (Mode::CloudFront, Method::HEAD, Err(UncacheableReason::Method)),
        (Mode::CloudFront, Method::POST, Err(UncacheableReason::Method)),
        (Mode::Standards, Method::PUT, Err(UncacheableReason::Method)),
    ] {
        let case = Case { method: method.clone(), ..Case::of(mode) };
        assert_eq!(case.left(&[("cache-control", "max-age=60")]), expected, "{mode:?} {method}");
    }
    let asked = map(&[("cache-control", "no-store")]);
    let case = Case { asked, ..Case::of(Mode::Standards) };
    assert_eq!(case.left(&[("cache-control", "max-age=60")]), Err(UncacheableReason::RequestNoStore));
    let case = Case { mode: Mode::CloudFront, ..case };
    assert_eq!(case.left(&[("cache-control", "max-age=60")]), Ok(60));
}

/// CloudFront's table, for a minimum TTL of 0 and of more: minimum 60 s, default 600 s, maximum 3600 s.
#[test]
fn cloudfront_ttls() {
    let zero = Ttls { min_ms: 0, default_ms: 600_000, max_ms: 3_600_000, ..Ttls::CLOUDFRONT };
    let some = Ttls { min_ms: 60_000, ..zero };
    let table: &[(Headers, Left, Left)] = &[
        (&[("cache-control", "max-age=100")], Ok(100), Ok(100)),
        (&[("cache-control", "max-age=10")], Ok(10), Ok(60)),
        (&[("cache-control", "max-age=7200")], Ok(3600), Ok(3600)),
        (&[("cache-control", "max-age=10, s-maxage=100")], Ok(100), Ok(100)),
        (&[("cache-control", "max-age=100, s-maxage=10")], Ok(10), Ok(60)),
        (&[("cache-control", "s-maxage=7200, max-age=1")], Ok(3600), Ok(3600)),
        (&[("expires", "@100")], Ok(100), Ok(100)),
        (&[("expires", "@10")], Ok(10), Ok(60)),
        (&[("expires", "@7200")], Ok(3600), Ok(3600)),
        (&[("expires", "0"), ("etag", "\"1\"")], Ok(0), Ok(60)),
        (&[("cache-control", "max-age=100"), ("expires", "@200")], Ok(100), Ok(100)),
        (&[], Ok(600), Ok(600)),
        (&[("cache-control", "public")], Ok(600), Ok(600)),
        (&[("last-modified", "@-36000")], Ok(600), Ok(600)),
        (&[("cache-control", "no-store")], Err(UncacheableReason::NoStore), Ok(60)),
        (&[("cache-control", "private, max-age=100")], Err(UncacheableReason::Private), Ok(60)),
        (&[("cache-control", "no-cache, max-age=100"), ("etag", "\"1\"")], Ok(0), Ok(60)),
        (&[("cache-control", "no-cache")], Err(UncacheableReason::NotReusable), Ok(60)),
        (&[("cache-control", "max-age=0")], Err(UncacheableReason::NotReusable), Ok(60)),
        (&[("vary", "*")], Err(UncacheableReason::Vary), Ok(60)),
        (&[("vary", "foo")], Ok(600), Ok(600)),
        // What another cache has held it for does not shorten the operator's bounds.
        (&[("cache-control", "max-age=100"), ("age", "30")], Ok(70), Ok(70)),
        (&[("cache-control", "max-age=100"), ("age", "90")], Ok(10), Ok(60)),
        (&[("age", "90")], Ok(600), Ok(600)),
        // CloudFront does not know them.
        (&[("cdn-cache-control", "max-age=5")], Ok(600), Ok(600)),
        (&[("surrogate-control", "no-store")], Ok(600), Ok(600)),
    ];
    for (answered, at_zero, at_some) in table {
        assert_eq!(Case { ttls: zero, ..Case::of(Mode::CloudFront) }.left(answered), *at_zero, "minimum 0: {answered:?}");
        assert_eq!(Case { ttls: some, ..Case::of(Mode::CloudFront) }.left(answered), *at_some, "minimum 60: {answered:?}");
    }
    let above = Ttls { min_ms: 900_000, ..zero };
    assert_eq!(Case { ttls: above, ..Case::of(Mode::CloudFront) }.left(&[]), Ok(900), "max(minimum, default)");
    let off = Ttls { min_ms: 0, default_ms: 0, max_ms: 0, ..zero };
    for mode in [Mode::CloudFront, Mode::Standards] {
        let case = Case { ttls: off, ..Case::of(mode) };
        assert_eq!(case.left(&[("cache-control", "max-age=100"), ("etag", "\"1\"")]), Err(UncacheableReason::Disabled));
    }
}

#[test]
fn cloudfront_caches_errors_briefly() {
    let ttls = Ttls { max_ms: 3_600_000, ..Ttls::CLOUDFRONT };
    let left = |status, said: &str| {
        let answered: Headers = if said.is_empty() { &[] } else { &[("cache-control", said)] };
        Case { status, ttls, ..Case::of(Mode::CloudFront) }.left(answered)
    };
    for status in [404, 414, 500, 501, 502, 503, 504] {
        for (said, expected) in [
            ("", 10),
            ("max-age=5", 10),
            ("max-age=100", 100),
            ("s-maxage=100", 100),
            ("max-age=7200", 3600),
            ("no-store", 10),
            ("private, max-age=100", 10),
            ("no-cache, max-age=100", 10),
        ] {
            assert_eq!(left(status, said), Ok(expected), "{status} {said}");
        }
    }
    for status in [400, 403, 405, 412, 415] {
        assert_eq!(left(status, ""), Err(UncacheableReason::Status), "{status}");
        assert_eq!(left(status, "max-age=5"), Ok(10), "{status}");
        assert_eq!(left(status, "s-maxage=100"), Ok(100), "{status}");
        assert_eq!(left(status, "max-age=100, no-store"), Err(UncacheableReason::NoStore), "{status}");
    }
    for status in [401, 410, 416, 429, 599] {
        assert_eq!(left(status, "max-age=100"), Err(UncacheableReason::Status), "{status}");
    }
    let never = Ttls { error_min_ms: 0, ..ttls };
    assert_eq!(Case { status: 503, ttls: never, ..Case::of(Mode::CloudFront) }.left(&[]), Err(UncacheableReason::NotReusable));
}

#[test]
fn cloudfront_keeps_redirects_and_little_else_by_default() {
    for status in [200, 203, 204, 300, 301, 302, 303, 307, 308] {
        assert_eq!(Case { status, ..Case::of(Mode::CloudFront) }.left(&[]), Ok(86_400), "{status}");
    }
    for status in [201, 202, 226, 299, 305] {
        let case = Case { status, ..Case::of(Mode::CloudFront) };
        assert_eq!(case.left(&[]), Err(UncacheableReason::Status), "{status}");
        assert_eq!(case.left(&[("cache-control", "max-age=60")]), Ok(60), "{status}");
    }
}

#[test]
fn the_bounds_of_staleness() {
    let day = 86_400_000;
    let table = [
        (Mode::Standards, 200, "max-age=1", (0, day, false)),
        (Mode::Standards, 200, "max-age=1, stale-while-revalidate=30, stale-if-error=60", (30_000, 60_000, false)),
        (Mode::Standards, 200, "max-age=1, stale-if-error=0", (0, 0, false)),
        (Mode::Standards, 200, "max-age=1, stale-while-revalidate=x", (0, day, false)),
        (Mode::Standards, 200, "max-age=1, must-revalidate, stale-while-revalidate=30, stale-if-error=60", (0, 0, true)),
        (Mode::Standards, 200, "max-age=1, proxy-revalidate", (0, 0, true)),
        (Mode::Standards, 200, "s-maxage=1, stale-if-error=60", (0, 0, true)),
        (Mode::Standards, 200, "no-cache", (0, 0, true)),
        (Mode::Standards, 503, "max-age=1, stale-while-revalidate=30, stale-if-error=60", (30_000, 0, false)),
        (Mode::Standards, 404, "max-age=1", (0, day, false)),
        (Mode::CloudFront, 200, "max-age=1", (0, u64::MAX, false)),
        (Mode::CloudFront, 200, "s-maxage=1", (0, u64::MAX, false)),
        (Mode::CloudFront, 200, "max-age=1, stale-if-error=0", (0, 0, false)),
        (Mode::CloudFront, 200, "max-age=1, stale-while-revalidate=30, stale-if-error=60", (30_000, 60_000, false)),
        (Mode::CloudFront, 200, "max-age=1, must-revalidate", (0, 0, true)),
        (Mode::CloudFront, 200, "no-cache", (0, 0, true)),
        (Mode::CloudFront, 503, "", (0, 0, false)),
    ];
    for (mode, status, said, expected) in table {
        let case = Case { status, ..Case::of(mode) };
        let times = case.admit(&[("cache-control", said), ("etag", "\"1\"")]).unwrap();
        let is = (times.stale_while_revalidate_ms, times.stale_if_error_ms, times.must_revalidate);
        assert_eq!(is, expected, "{mode:?} {status} {said}");
    }
}

#[test]
fn delay_counts_only_behind_another_cache() {
    let times = |answered: Headers| {
        let answered = map(answered);
        let asked = HeaderMap::new();
        let fetched = Fetched {
            method: &Method::GET,
            asked: &asked,
            authorization_keyed: false,
            cookies: SetCookie::Keep,
            status: StatusCode::OK,
            answered: &answered,
            asked_ms: NOW_MS - 2_500,
            received_ms: NOW_MS + 900,
        };
        admit(Mode::Standards, &Ttls::STANDARDS, &fetched).unwrap()
    };
    assert_eq!(times(&[("cache-control", "max-age=60"), ("date", "@0")]).age_ms, 0);
    assert_eq!(times(&[("cache-control", "max-age=60")]).age_ms, 0);
    assert_eq!(times(&[("cache-control", "max-age=60"), ("age", "30"), ("date", "@0")]).age_ms, 33_400);
}

#[test]
fn a_304_restarts_the_lifetime() {
    let later_ms = NOW_MS + 100_000;
    let renewed = |stored: Headers, answered: Headers| {
        let (mut stored, answered) = (map(stored), map(answered));
        let not_modified = Fetched {
            method: &Method::GET,
            asked: &HeaderMap::new(),
            authorization_keyed: false,
            cookies: SetCookie::Keep,
            status: StatusCode::NOT_MODIFIED,
            answered: &answered,
            asked_ms: later_ms,
            received_ms: later_ms,
        };
        let times = renew(Mode::Standards, &Ttls::STANDARDS, &not_modified, StatusCode::OK, &mut stored);
        (times.map(|times| times.left_ms(later_ms) / 1000), stored)
    };
    let stored: Headers = &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("date", "@0"), ("a", "1")];
    let expected = map(&[("cache-control", "max-age=60"), ("etag", "\"1\""), ("date", "@100"), ("a", "1")]);
    assert_eq!(renewed(stored, &[]), (Ok(60), expected.clone()), "without a Date it is of now");
    assert_eq!(renewed(stored, &[("date", "@100")]), (Ok(60), expected.clone()));
    assert_eq!(renewed(stored, &[("date", "@80")]).0, Ok(40));
    assert_eq!(renewed(stored, &[("age", "50")]), (Ok(10), expected));
    assert_eq!(renewed(stored, &[("cache-control", "max-age=5")]).0, Ok(5));
    assert_eq!(renewed(stored, &[("cache-control", "no-store")]).0, Err(UncacheableReason::NoStore));
    assert_eq!(renewed(stored, &[("a", "2")]).1["a"], "2");
}

#[test]
fn a_response_grows_old() {
    let times = Times {
        received_ms: NOW_MS,
        age_ms: 30_000,
        lifetime_ms: 100_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        must_revalidate: false,
    };
    assert_eq!(times.age_s(NOW_MS), 30);
    assert_eq!(times.age_s(NOW_MS + 2_999), 32);
    assert_eq!(times.left_ms(NOW_MS + 69_000), 1_000);
    assert_eq!(times.left_ms(NOW_MS + 71_000), 0);
    // A clock that is slewed, and one that was set back.
    assert_eq!(times.age_s(NOW_MS - 60_000), 30);
    assert_eq!(times.left_ms(NOW_MS - 60_000), 70_000);
    assert_eq!(times.age_s(NOW_MS - 60_001), 100);
    assert_eq!(times.left_ms(0), 0);
    assert_eq!(times.current_age_ms(u64::MAX), u64::MAX - NOW_MS + 30_000);
}

const STORED: Times = Times {
    received_ms: NOW_MS,
    age_ms: 0,
    lifetime_ms: 100_000,
    stale_while_revalidate_ms: 10_000,
    stale_if_error_ms: 50_000,
    must_revalidate: false,
};

#[test]
fn a_response_becomes_stale_and_then_usable_only_on_errors() {
    use Freshness::{Fresh, Revalidate, StaleWhileRevalidate};
    for mode in [Mode::CloudFront, Mode::Standards] {
        for (after_s, expected) in [
            (0, Fresh),
            (99, Fresh),
            (100, StaleWhileRevalidate),
            (109, StaleWhileRevalidate),
            (110, Revalidate { if_error: true }),
            (149, Revalidate { if_error: true }),
            (150, Revalidate { if_error: false }),
        ] {
            assert_eq!(judge(mode, &STORED, &Wishes::default(), NOW_MS + after_s * 1000), expected, "{mode:?} {after_s}");
        }
        let strict = Times { must_revalidate: true, ..STORED };
        assert_eq!(judge(mode, &strict, &Wishes::default(), NOW_MS + 99_000), Fresh);
        assert_eq!(judge(mode, &strict, &Wishes::default(), NOW_MS + 100_000), Revalidate { if_error: false });
    }
}

#[test]
fn request_directives_count_in_standards_mode_only() {
    use Freshness::{Fresh, Revalidate, StaleWhileRevalidate};
    const ASK: Freshness = Revalidate { if_error: true };
    for (asked, after_s, expected) in [
        ("no-cache", 0, ASK),
        ("no-store", 0, Fresh),
        ("only-if-cached", 0, Fresh),
        ("max-age=0", 0, ASK),
        ("max-age=10", 10, Fresh),
        ("max-age=10", 11, ASK),
        ("max-age=1000", 99, Fresh),
        ("max-age=1000", 105, ASK),
        ("min-fresh=10", 90, Fresh),
        ("min-fresh=10", 91, ASK),
        ("min-fresh=1000", 0, ASK),
        ("max-stale", 10_000, Fresh),
        ("max-stale=20", 120, Fresh),
        ("max-stale=20", 121, ASK),
        ("max-stale=1", 105, StaleWhileRevalidate),
        ("max-stale, max-age=110", 110, Fresh),
        ("max-stale, max-age=110", 111, ASK),
        ("max-stale, min-fresh=1", 110, ASK),
    ] {
        let wishes = Wishes::of(&map(&[("cache-control", asked)]));
        let now_ms = NOW_MS + after_s * 1000;
        assert_eq!(judge(Mode::Standards, &STORED, &wishes, now_ms), expected, "{asked} after {after_s}");
        let unheard = judge(Mode::CloudFront, &STORED, &Wishes::default(), now_ms);
        assert_eq!(judge(Mode::CloudFront, &STORED, &wishes, now_ms), unheard, "{asked} after {after_s}");
    }
    let strict = Times { must_revalidate: true, ..STORED };
    let wishes = Wishes::of(&map(&[("cache-control", "max-stale")]));
    assert_eq!(judge(Mode::Standards, &strict, &wishes, NOW_MS + 100_000), Revalidate { if_error: false });
}

#[test]
fn each_refusal_has_a_name() {
    assert_eq!(UncacheableReason::RequestNoStore.name(), "request-no-store");
    assert_eq!(UncacheableReason::NotReusable.to_string(), "it could never be reused");
}

/// One response and one later request, of the kind that the oracle and we must agree about.
#[derive(Debug, Clone)]
struct Story {
    status: u16,
    answered: Vec<(&'static str, String)>,
    asked: Vec<(&'static str, String)>,
    later: Option<String>,
    after_ms: u64,
}

/// Departures from the oracle, and so not told:
/// - it takes `proxy-revalidate` for a lifetime of 0, and Set-Cookie without `public` (it says so itself);
/// - it knows neither Date's part in the age, nor the delay of a response, nor CDN-Cache-Control, stale-*,
///   must-understand, nor statuses out of its list;
/// - it reads Cache-Control case-sensitively and splits inside of quotes, and takes `no-cache="field"` for `no-cache`;
/// - of two values for a directive it uses the last, we the first;
/// - it lets `max-stale` overrule `no-cache` and `s-maxage`, which forbid it (RFC 9111 sections 5.2.2.4, 5.2.2.10);
/// - it would store what can never be reused.
fn stories() -> impl Strategy<Value = Story> {
    let seconds = || prop_oneof![Just(0u64), 1u64..200];
    let flags = prop::sample::subsequence(vec!["no-cache", "no-store", "private", "public", "must-revalidate", "foo=bar"], 0..=2);
    let control = (prop::option::of(seconds()), prop::option::of(seconds()), flags).prop_map(|(max_age, s_maxage, flags)| {
        let mut words: Vec<String> = flags.into_iter().map(str::to_owned).collect();
        words.extend(max_age.map(|seconds| format!("max-age={seconds}")));
        words.extend(s_maxage.map(|seconds| format!("s-maxage=\"{seconds}\"")));
        words.join(", ")
    });
    let date =
        |at: i64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(NOW_MS.checked_add_signed(at * 1000).unwrap()));
    let answered = (
        prop::option::of(control),
        prop::option::of(prop_oneof![(-100i64..300).prop_map(date), Just("0".to_owned())]),
        prop::option::of((-8_000i64..100).prop_map(date)),
        prop::option::of((0u64..150).prop_map(|age| age.to_string())),
        prop::option::weighted(0.2, prop_oneof![Just("foo".to_owned()), Just("*".to_owned())]),
        any::<bool>(),
    )
        .prop_map(move |(control, expires, modified, age, vary, dated)| {
            let named = [
                ("cache-control", control),
                ("expires", expires),
                ("last-modified", modified),
                ("age", age),
                ("vary", vary),
                ("date", dated.then(|| date(0))),
            ];
            named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>()
        });
    let asked = (prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(|(authorization, no_store)| {
        let mut asked = Vec::new();
        if authorization {
            asked.push(("authorization", "x".to_owned()));
        }
        if no_store {
            asked.push(("cache-control", "no-store".to_owned()));
        }
        asked
    });
    let wish = prop_oneof![
        Just("no-cache".to_owned()),
        Just("max-stale".to_owned()),
        (prop::sample::select(vec!["max-age", "min-fresh", "max-stale"]), 0u64..150).prop_map(|(wish, n)| format!("{wish}={n}")),
        (1u64..150, 0u64..150).prop_map(|(stale, age)| format!("max-stale={stale}, max-age={age}")),
    ];
    let status = prop::sample::select(vec![200u16, 200, 200, 203, 204, 301, 302, 307, 308, 404, 405, 410, 501]);
    (status, answered, asked, prop::option::of(wish), 0u64..300).prop_map(|(status, answered, asked, later, after)| Story {
        status,
        answered,
        asked,
        later,
        // Half seconds: we and the oracle part ways at the very moment a lifetime ends.
        after_ms: after * 1000 + 500,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_oracle_agrees(story in stories()) {
        let mut request = Request::get("http://a/");
        for (name, value) in &story.asked {
            request = request.header(*name, value);
        }
        let request = request.body(()).unwrap();
        let mut response = Response::builder().status(story.status);
        for (name, value) in &story.answered {
            response = response.header(*name, value);
        }
        let response = response.body(()).unwrap();
        let at = |ms: u64| -> SystemTime { UNIX_EPOCH + Duration::from_millis(ms) };
        let oracle = CachePolicy::new_options(&request, &response, at(NOW_MS), CacheOptions::default());

        let fetched = Fetched {
            method: request.method(),
            asked: request.headers(),
            authorization_keyed: false,
            cookies: SetCookie::Keep,
            status: response.status(),
            answered: response.headers(),
            asked_ms: NOW_MS,
            received_ms: NOW_MS,
        };
        let times = match admit(Mode::Standards, &Ttls::STANDARDS, &fetched) {
            Ok(times) => times,
            Err(UncacheableReason::NotReusable | UncacheableReason::Vary) => {
                prop_assert_eq!(oracle.time_to_live(at(NOW_MS)), Duration::ZERO);
                return Ok(());
            }
            Err(reason) => {
                prop_assert!(!oracle.is_storable(), "we do not store: {}", reason);
                return Ok(());
            }
        };
        prop_assert!(oracle.is_storable());

        let now_ms = NOW_MS + story.after_ms;
        // It rounds guessed lifetimes down to seconds.
        let left_ms = u64::try_from(oracle.time_to_live(at(now_ms)).as_millis()).unwrap();
        prop_assert!(times.left_ms(now_ms).abs_diff(left_ms) < 1_000, "{} {}", times.left_ms(now_ms), left_ms);
        prop_assert_eq!(times.current_age_ms(now_ms) as u128, oracle.age(at(now_ms)).as_millis());

        let mut later = Request::get("http://a/");
        if let Some(wish) = &story.later {
            if wish.contains("max-stale") && times.must_revalidate {
                return Ok(());
            }
            later = later.header("cache-control", wish);
        }
        let later = later.body(()).unwrap();
        let guessed = times.lifetime_ms % 1_000 != 0;
        let verdict = judge(Mode::Standards, &times, &Wishes::of(later.headers()), now_ms);
        if !guessed {
            let usable = matches!(oracle.before_request(&later, at(now_ms)), BeforeRequest::Fresh(_));
            prop_assert_eq!(verdict == Freshness::Fresh, usable, "{:?}", verdict);
        }
    }
}

#[test]
fn what_sets_a_cookie_is_stored_only_where_that_is_wanted() {
    let said = |more: &'static str| [("cache-control", more), ("set-cookie", "a=1")];
    for (cookies, more, stored) in [
        (SetCookie::Keep, "max-age=60", true),
        (SetCookie::Drop, "max-age=60", true),
        (SetCookie::Refuse, "max-age=60", false),
        (SetCookie::Refuse, "max-age=60, public", false),
        (SetCookie::Refuse, "max-age=60, no-cache=\"set-cookie\"", true),
        (SetCookie::Refuse, "max-age=60, private=\"x, Set-Cookie\"", true),
        (SetCookie::Refuse, "max-age=60, private=\"x\"", false),
    ] {
        let case = Case { cookies, ..Case::of(Mode::Standards) };
        let expected = if stored { Ok(60) } else { Err(UncacheableReason::SetCookie) };
        assert_eq!(case.left(&said(more)), expected, "{cookies:?} {more}");
    }
    let case = Case { cookies: SetCookie::Refuse, ..Case::of(Mode::Standards) };
    assert_eq!(case.left(&[("cache-control", "max-age=60")]), Ok(60));
}
