//! Requests as text, the way they stand in AWS's documentation.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::{Payload, SignatureClaim, SignatureError, Signed, canonical, time};

mod oracle;
mod recorded;
mod refusals;
mod s3;
mod suite;

/// Of AWS's test suite.
const SUITE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Of S3's documentation.
const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    /// A request line, headers, and after an empty line the body.
    fn new(text: &str) -> Request {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.trim().lines().map(str::trim_start);
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(|line| line.split_once(':').unwrap()) {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Request { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), headers, body: body.into() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Request {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn without(mut self, name: &str) -> Request {
        self.headers.remove(name);
        self
    }

    fn signed(&self) -> Signed<'_> {
        Signed { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    fn claim(&self) -> Result<SignatureClaim, SignatureError> {
        Ok(SignatureClaim::read(&self.signed())?.expect("a signature"))
    }

    fn verify(&self, secret: &str, now: &str) -> Result<Payload, SignatureError> {
        let claim = self.claim()?;
        claim.verify(&self.signed(), &claim.signing_key(secret), || Sha256::digest(&self.body).into(), at(now))
    }
}

/// The time that is written as `YYYYMMDDTHHMMSSZ`.
fn at(basic: &str) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(time::parse_basic(basic).unwrap())
}

#[test]
fn times_are_read_strictly_and_written_as_they_were_read() {
    for (text, time_s) in [
        ("19700101T000000Z", 0),
        ("19991231T235959Z", 946_684_799),
        ("20000229T000000Z", 951_782_400),
        ("20150830T123600Z", 1_440_938_160),
        ("20240229T235958Z", 1_709_251_198),
        ("21000301T000000Z", 4_107_542_400),
        ("99991231T235959Z", 253_402_300_799),
    ] {
        assert_eq!(time::parse_basic(text), Some(time_s), "{text}");
        assert_eq!(time::format_basic(time_s), text);
    }
    for text in [
        "",
        "20150830",
        "20150830T123600",
        "20150830T123600z",
        "20150830t123600Z",
        "20150830 123600Z",
        "2015-08-30T12:36:00Z",
        " 20150830T123600Z",
        "20150830T123600Z ",
        "+0150830T123600Z",
        "2015083 T123600Z",
        "20150830T240000Z",
        "20150830T126000Z",
        "20150830T123660Z",
        "20150800T123600Z",
        "20150832T123600Z",
        "20150431T123600Z",
        "20150229T123600Z",
        "21000229T123600Z",
        "20151301T123600Z",
        "20150001T123600Z",
        "19691231T235959Z",
        "20150830T1236000Z",
        "２０１５0830T123600Z",
    ] {
        assert_eq!(time::parse_basic(text), None, "{text}");
    }
    for text in ["Fri, 24 May 2013 00:00:00 GMT", "Fri, 24 May 2013 00:00:00 -0000", "Fri, 24 May 2013 00:00:00 +0000"] {
        assert_eq!(time::parse_http(text), time::parse_basic("20130524T000000Z"), "{text}");
    }
    for text in [
        "Fri, 24 May 2013 00:00:00",
        "Fri, 24 May 2013 00:00:00 +0200",
        "Fri, 24 may 2013 00:00:00 GMT",
        "Fri, 4 May 2013 00:00:00 GMT",
        "Fri, 24 May 13 00:00:00 GMT",
        "Fri 24 May 2013 00:00:00 GMT",
        "Friday, 24-May-13 00:00:00 GMT",
        "Fri, 24 May 2013 0:00:00 GMT",
        "Fri, 24 May 2013 00:00:00 GMT ",
        "Fri,  24 May 2013 00:00:00 GMT",
    ] {
        assert_eq!(time::parse_http(text), None, "{text}");
    }
}

#[test]
fn every_day_is_written_as_the_day_after_the_one_before() {
    let mut dates: Vec<String> = (0..200 * 366).map(|day| time::format_basic(day * 86_400 + 86_399)).collect();
    for (day, date) in (0..).zip(&dates) {
        assert_eq!(time::parse_basic(date), Some(day * 86_400 + 86_399), "{date}");
    }
    dates.dedup();
    assert!(dates.len() == 200 * 366 && dates.is_sorted());
}
