//! Answers of hooks, applied and refused.

use super::*;
use crate::limits::Profile;

/// Packs an answer op by op, as an SDK does.
#[derive(Clone)]
struct Answer(Vec<u8>);

impl Answer {
    fn new() -> Answer {
        Answer(vec![1])
    }

    fn op(mut self, code: u8) -> Answer {
        self.0.push(code);
        self
    }

    fn str(mut self, text: impl AsRef<[u8]>) -> Answer {
        let text = text.as_ref();
        self.0.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
        self.0.extend_from_slice(text);
        self
    }

    fn u16(mut self, value: u16) -> Answer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Answer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn set(self, name: &str, value: &str) -> Answer {
        self.op(3).str(name).str(value)
    }

    fn respond(self, status: u16) -> Answer {
        self.op(6).u16(status).str("")
    }
}

fn head() -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert("host", "example.com".parse().unwrap());
    headers.append("accept", "a".parse().unwrap());
    headers.append("accept", "b".parse().unwrap());
    RequestHead::new(http::Method::GET, "/old?q=1".parse().unwrap(), headers, http::Version::HTTP_11)
}

fn limits() -> Limits {
    Limits::defaults(Profile::Viewer)
}

/// The request after the edit, or the category and text of the failure.
fn request_at(moment: Moment, answer: &Answer) -> Result<(RequestHead, Flow, HookEdits), String> {
    let (mut head, mut edits) = (head(), HookEdits::default());
    match edit_request(moment, &limits(), &answer.0, &mut head, &mut edits) {
        Ok(flow) => Ok((head, flow, edits)),
        Err(failure) => Err(failure.to_string()),
    }
}

fn request(answer: &Answer) -> Result<(RequestHead, Flow, HookEdits), String> {
    request_at(Moment::ViewerRequest, answer)
}

fn generated(answer: &Answer) -> http::Response<Bytes> {
    match request(answer).unwrap().1 {
        Flow::Respond(response) => response,
        Flow::Continue => panic!("no response"),
    }
}

#[test]
fn an_answer_without_ops_changes_nothing() {
    let (edited, flow, edits) = request(&Answer::new()).unwrap();
    assert_eq!((edited.target.as_str(), edited.headers), ("/old?q=1", head().headers));
    assert!(matches!(flow, Flow::Continue) && edits.body.is_none() && edits.origin.is_none());
}

#[test]
fn uri_and_query_are_replaced_apart() {
    for (answer, target) in [
        (Answer::new().op(1).str("/new"), "/new?q=1"),
        (Answer::new().op(2).str("x=y"), "/old?x=y"),
        (Answer::new().op(2).str(""), "/old"),
        (Answer::new().op(1).str("/a").op(2).str("b").op(1).str("/c"), "/c?b"),
    ] {
        assert_eq!(request(&answer).unwrap().0.target.as_str(), target);
    }
}

#[test]
fn uris_that_are_not_paths_are_refused() {
    for uri in ["", "x", "http://evil/", "/a b", "/a?b", "/a#b", "/a\r\nx: y"] {
        assert!(request(&Answer::new().op(1).str(uri)).is_err(), "{uri:?}");
    }
    let longest = format!("/{}", "a".repeat(limits::request::URL_BYTES - 1 - "?q=1".len()));
    assert!(request(&Answer::new().op(1).str(&longest)).is_ok());
    assert!(request(&Answer::new().op(1).str(format!("{longest}a"))).is_err());
}

#[test]
fn headers_are_set_appended_and_removed() {
    let answer = Answer::new().set("Accept", "c").op(4).str("x-a").str("1").op(4).str("x-a").str("2").op(5).str("missing");
    let (edited, ..) = request(&answer).unwrap();
    assert_eq!(edited.headers.get_all("accept").iter().collect::<Vec<_>>(), ["c"]);
    assert_eq!(edited.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn rules_about_headers_hold_at_every_moment() {
    use Moment::{OriginRequest, ViewerRequest};
    for (moment, name, fine) in [
        (ViewerRequest, "x-custom", true),
        (ViewerRequest, "Host", false),
        (OriginRequest, "host", true),
        (ViewerRequest, "content-length", false),
        (OriginRequest, "If-None-Match", false),
        (ViewerRequest, "X-Edge-Foo", false),
        (OriginRequest, "x-amz-cf-id", false),
        (ViewerRequest, "connection", false),
        (ViewerRequest, "bad name", false),
        (ViewerRequest, "", false),
    ] {
        assert_eq!(request_at(moment, &Answer::new().set(name, "v")).is_ok(), fine, "{name} at {}", moment.name());
        assert_eq!(
            request_at(moment, &Answer::new().op(5).str(name)).is_ok(),
            fine && name != "host",
            "removing {name} at {}",
            moment.name()
        );
    }
    assert!(request(&Answer::new().set("host", "example.com")).is_ok(), "an unchanged value is no change");
    assert!(request(&Answer::new().set("x", "a\r\nb: c")).is_err());
}

#[test]
fn an_invalid_host_is_refused() {
    for (host, fine) in [("b.example:80", true), ("[::1]", true), ("", false), ("a b", false), ("user@a", false), ("a/b", false)]
    {
        for answer in [Answer::new().set("host", host), Answer::new().op(19).str(host)] {
            assert_eq!(request_at(Moment::OriginRequest, &answer).is_ok(), fine, "{host:?}");
        }
    }
}

#[test]
fn a_generated_response_has_what_follows_it() {
    let answer =
        Answer::new().set("x-before", "1").respond(302).set("location", "/x").set("content-length", "99").op(8).str("hi");
    let response = generated(&answer);
    assert_eq!((response.status().as_u16(), response.headers().len()), (302, 1));
    assert_eq!((&response.headers()["location"], &response.body()[..]), (&HeaderValue::from_static("/x"), &b"hi"[..]));
}

#[test]
fn generated_responses_keep_to_the_rules() {
    let most = limits::generated::VIEWER_BYTES;
    for (answer, fine) in [
        (Answer::new().respond(199), false),
        (Answer::new().respond(200), true),
        (Answer::new().respond(599), true),
        (Answer::new().respond(600), false),
        (Answer::new().respond(204), true),
        (Answer::new().respond(204).op(8).str("x"), false),
        (Answer::new().respond(200).op(8).str("x".repeat(most)), true),
        (Answer::new().respond(200).op(8).str("x".repeat(most + 1)), false),
        (Answer::new().respond(200).set("via", "x"), false),
        (Answer::new().respond(200).op(1).str("/x"), false),
        (Answer::new().respond(200).respond(200), false),
        (Answer::new().op(8).str("a body without a response"), false),
    ] {
        assert_eq!(request(&answer).is_ok(), fine, "{:?}", &answer.0[..answer.0.len().min(40)]);
    }
}

#[test]
fn headers_are_counted_up_to_the_limit() {
    let with = |n: usize| (0..n).fold(Answer::new().op(5).str("accept"), |answer, i| answer.set(&format!("x-{i}"), "v"));
    assert!(request(&with(99)).is_ok(), "with Host that is 100");
    assert_eq!(request(&with(100)).unwrap_err(), "limit `header_count` of 100 headers was hit");
    assert!(request(&Answer::new().set("x", &"v".repeat(20_480))).unwrap_err().contains("header_bytes"));
}

#[test]
fn an_origin_is_changed_in_every_way() {
    let answer = Answer::new().op(16).str("other").op(17).str("API.example").u16(8080).op(0).op(18).str("/v1").op(19).str("h");
    let answer = answer.op(21).op(20).str("x-key").str("k").op(22).u32(500).u32(0).op(2);
    let edits = request(&answer).unwrap().2.origin.unwrap();
    assert_eq!(edits.choice, Some(OriginChoice::Named("other".to_owned())));
    assert_eq!(edits.address, Some(OriginAddress::new("api.example", 8080, false).unwrap()));
    assert_eq!((edits.path.as_deref(), edits.clear_headers, edits.headers.len()), (Some("/v1"), true, 1));
    assert_eq!((edits.connect_timeout, edits.read_timeout), (Some(Duration::from_millis(500)), None));
    assert_eq!(edits.connect_attempts, NonZeroU8::new(2));
    let edits = request(&Answer::new().op(18).str("")).unwrap().2.origin.unwrap();
    assert_eq!(edits.path.as_deref(), Some(""));
    for refused in [
        Answer::new().op(17).str("a/b").u16(80).op(0),
        Answer::new().op(17).str("a").u16(0).op(0),
        Answer::new().op(18).str("x"),
        Answer::new().op(18).str("/x/"),
        Answer::new().op(18).str("/x?"),
        Answer::new().op(18).str("/x y"),
        Answer::new().op(20).str("host").str("x"),
        Answer::new().op(22).u32(10_001).u32(0).op(0),
    ] {
        assert!(request(&refused).is_err());
    }
}

#[test]
fn responses_are_edited_under_their_own_rules() {
    let edit = |moment, answer: &Answer| {
        let mut parts = http::Response::builder().header("content-length", "5").body(()).unwrap().into_parts().0;
        edit_response(moment, &limits(), &answer.0, &mut parts).map(|body| (parts, body))
    };
    let (parts, body) =
        edit(Moment::ViewerResponse, &Answer::new().op(7).u16(404).str("Nope").op(8).str("no").set("x", "y")).unwrap();
    assert_eq!((parts.status.as_u16(), body.as_deref(), parts.headers.len()), (404, Some(&b"no"[..]), 1));
    assert!(edit(Moment::ViewerResponse, &Answer::new().set("warning", "x")).is_err());
    assert!(edit(Moment::OriginResponse, &Answer::new().set("warning", "x")).is_ok());
    assert!(edit(Moment::OriginResponse, &Answer::new().op(1).str("/x")).is_err());
    assert!(edit(Moment::OriginResponse, &Answer::new().op(7).u16(204).str("").op(8).str("x")).is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_of_a_guest_panic_or_break_a_promise(answer in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for moment in [Moment::ViewerRequest, Moment::OriginRequest] {
            let mut answer = answer.clone();
            if let Some(version) = answer.first_mut() { *version = 1; }
            if let Ok((head, ..)) = request_at(moment, &Answer(answer)) {
                proptest::prop_assert!(head.path().starts_with('/'));
                proptest::prop_assert_eq!(head.headers.get_all("host").iter().count(), 1);
            }
        }
    }
}

#[test]
fn a_body_that_a_viewer_hook_sends_instead_is_not_coded_as_the_old_one() {
    let encoding = |moment, answer: &Answer| {
        let response = http::Response::builder().header("content-encoding", "br").body(()).unwrap();
        let mut parts = response.into_parts().0;
        edit_response(moment, &limits(), &answer.0, &mut parts).unwrap();
        parts.headers.get("content-encoding").map(|value| value.to_str().unwrap().to_owned())
    };
    let replaced = Answer::new().op(8).str("plain");
    assert_eq!(encoding(Moment::ViewerResponse, &replaced), None);
    assert_eq!(encoding(Moment::ViewerResponse, &Answer::new().set("x", "y")).as_deref(), Some("br"));
    assert_eq!(encoding(Moment::ViewerResponse, &replaced.clone().set("Content-Encoding", "gzip")).as_deref(), Some("gzip"));
    // It may have seen the body, and keep its coding.
    assert_eq!(encoding(Moment::OriginResponse, &replaced).as_deref(), Some("br"));
}
