//! For fuzz targets: answers of hooks, heads of requests, events of `edgeward test`, signed URLs. They check what the rest
//! of the edge relies on.

use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{Request, Response};

use crate::config::{KeyKind, PublicKey};
use crate::edge::hook::edit::{Flow, edit_request, edit_response};
use crate::edge::hook::edits::HookEdits;
use crate::edge::request::head::RequestHead;
use crate::edge::site::signed::{self, SignedRequest, Signers};
use crate::edge::tools::trial;
use crate::limits::{self, Limit, Limits, Profile};
use crate::net::fuzz::hyper_reads;
use crate::path::NormalPath;
use crate::wasm::abi::Moment;
use crate::wasm::abi::header_rules::{is_disallowed, is_read_only};

/// A hook's answer; its first byte says at which moment.
pub(crate) fn hook_answer(data: &[u8]) {
    let Some((&which, answer)) = data.split_first() else { return };
    let moment = Moment::ALL[usize::from(which) % Moment::ALL.len()];
    let limits = Limits::defaults(if moment.is_viewer() { Profile::Viewer } else { Profile::Worker });
    if moment.is_request() { request_answer(moment, &limits, answer) } else { response_answer(moment, &limits, answer) }
}

fn request_answer(moment: Moment, limits: &Limits, answer: &[u8]) {
    let before = sample_head();
    let (mut head, mut edits) = (before.clone(), HookEdits::default());
    let Ok(flow) = edit_request(moment, limits, answer, &mut head, &mut edits) else { return };
    check_head(&head);
    check_edit(moment, limits, &before.headers, &head.headers);
    if answer.len() == 1 {
        assert_eq!((head.target.as_str(), &head.headers), (before.target.as_str(), &before.headers));
    }
    assert!(edits.body.is_none() || moment == Moment::OriginRequest);
    if let Some(edits) = &edits.origin {
        // They are joined later without another check.
        if let Some(path) = &edits.path {
            assert!(format!("{path}{}", head.target).parse::<PathAndQuery>().is_ok(), "path {path:?} before {}", head.target);
        }
        assert!(edits.address.as_ref().is_none_or(|address| !address.host().is_empty() && address.port() != 0));
        assert!(edits.headers.iter().all(|(name, _)| !is_disallowed(name.as_str()) && name != header::HOST));
        if let Some(host) = &edits.host_header {
            head.headers.insert(header::HOST, host.clone());
            check_head(&head);
        }
    }
    if let Flow::Respond(response) = flow {
        check_response(Moment::OriginResponse, limits, response.status().as_u16(), &HeaderMap::new(), response.headers());
        let most = if moment.is_viewer() { limits::generated::VIEWER_BYTES } else { limits::generated::ORIGIN_BYTES };
        assert!(response.body().len() <= most);
    }
}

fn response_answer(moment: Moment, limits: &Limits, answer: &[u8]) {
    let response = Response::builder().header("content-length", "5").header("via", "1.1 a").header("x-a", "b").body(());
    let Ok(response) = response else { return };
    let (mut parts, ()) = response.into_parts();
    let before = parts.headers.clone();
    let Ok(body) = edit_response(moment, limits, answer, &mut parts) else { return };
    assert!(body.is_none() || !parts.headers.contains_key(header::CONTENT_LENGTH));
    check_response(moment, limits, parts.status.as_u16(), &before, &parts.headers);
}

/// The heads of whatever HTTP/1 requests hyper finds in these bytes.
pub(crate) fn head(data: &[u8]) {
    for message in hyper_reads(data) {
        let Ok(head) = RequestHead::admit(message.parts) else { continue };
        check_head(&head);
        let mut again = Request::new(());
        *again.method_mut() = head.method.clone();
        *again.uri_mut() = head.target.clone().into();
        *again.version_mut() = head.version;
        *again.headers_mut() = head.headers.clone();
        let Ok(again) = RequestHead::admit(again.into_parts().0) else { panic!("admitted once, but not again: {head:?}") };
        assert_eq!((&again.target, &again.headers), (&head.target, &head.headers));
    }
}

/// The JSON that `edgeward test` reads.
pub(crate) fn event(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(opened) = trial::read(text) else { return };
    assert!(opened.head.path().starts_with('/'), "{}", opened.head.target);
    assert_eq!(opened.response.is_none(), opened.moment.is_request());
    trial::shown(&opened);
}

/// A query, a line of cookies and a policy, one line each. Nobody has signed them.
pub(crate) fn signed(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (query, cookies, policy) = (next(), next(), next());
    let target = [b"/a?", query].concat();
    let (Ok(target), Ok(cookies)) = (PathAndQuery::try_from(target.as_slice()), header::HeaderValue::from_bytes(cookies)) else {
        return;
    };
    let mut head = RequestHead { target, ..sample_head() };
    head.headers.insert(header::COOKIE, cookies);
    let key = |id: &str, kind| PublicKey { id: id.to_owned(), kind, bytes: vec![4; 65] }.into();
    let Some(signers) = Signers::new(&[key("R", KeyKind::Rsa), key("E", KeyKind::EcdsaP256)]) else { return };
    let client = std::net::IpAddr::from([192, 0, 2, 1]);
    let path = NormalPath::of(head.path());
    assert!(signers.admit(&SignedRequest { now_s: 1, ..SignedRequest::new(&head, &path, true, client) }).is_err());
    signed::strip(&mut head);
    check_head(&head);
    let once = head.clone();
    signed::strip(&mut head);
    assert_eq!((&head.target, &head.headers), (&once.target, &once.headers));
    if let Some(policy) = signed::policy::SignedPolicy::read(policy) {
        let _ =
            (policy.admits(client, 1), policy.covers("https", "www.example.com", || String::from_utf8_lossy(query).into_owned()));
    }
}

/// A head as it reaches hooks.
fn sample_head() -> RequestHead {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "example.com"), ("accept", "a"), ("accept", "b"), ("via", "1.1 a"), ("content-length", "3")] {
        headers.append(name, header::HeaderValue::from_static(value));
    }
    let target = PathAndQuery::from_static("/old?q=1");
    RequestHead::new(http::Method::GET, target, headers, http::Version::HTTP_11)
}

/// What `RequestHead` promises.
fn check_head(head: &RequestHead) {
    assert!(head.path().starts_with('/'), "{}", head.target);
    assert!(head.target.as_str().len() <= limits::request::URL_BYTES);
    let hosts = head.headers.get_all(header::HOST).iter().count();
    // HTTP/1.0 does not require the field; a site that serves all hosts answers such a request.
    assert!(hosts == 1 || (hosts == 0 && head.version <= http::Version::HTTP_10), "{head:?}");
    assert_eq!(head.host().is_empty(), hosts == 0, "{head:?}");
    assert!(head.host().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'), "{head:?}");
    assert!(head.headers.keys().all(|name| !is_disallowed(name.as_str())), "{head:?}");
    assert!(head.headers.get_all(header::CONTENT_LENGTH).iter().count() <= 1);
}

fn check_response(moment: Moment, limits: &Limits, status: u16, before: &HeaderMap, after: &HeaderMap) {
    assert!((200..=599).contains(&status));
    check_edit(moment, limits, before, after);
}

fn check_edit(moment: Moment, limits: &Limits, before: &HeaderMap, after: &HeaderMap) {
    if after != before {
        let size: usize = after.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(after.len() as u64 <= limits.value(Limit::HeaderCount) && size as u64 <= limits.value(Limit::HeaderBytes));
    }
    for name in after.keys().chain(before.keys()).map(header::HeaderName::as_str) {
        assert!(!is_disallowed(name), "{name}");
        // Replacing a body removes its length.
        if is_read_only(moment, name) && name != "content-length" {
            assert!(before.get_all(name).iter().eq(after.get_all(name).iter()), "{name} was changed");
        }
    }
}
