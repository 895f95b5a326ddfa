//! I am what every hook sees: where it runs, and the request.
//!
//! I am found by walking seven lengths; everything behind them is walked when asked for.

use crate::read::{Cursor, Headers, Pairs};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Moment {
    ViewerRequest,
    OriginRequest,
    OriginResponse,
    ViewerResponse,
}

/// What a hook sees of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bodies are not shown at this moment, or not configured to be.
    Hidden,
    /// All of it.
    Whole(&'a [u8]),
    /// Its beginning: the rest is over the limit.
    Truncated(&'a [u8]),
}

impl<'a> Body<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Body<'a> {
        let kind = cursor.u8();
        let data = cursor.bytes();
        match kind {
            0 => Body::Hidden,
            1 => Body::Whole(data),
            _ => Body::Truncated(data),
        }
    }

    /// The bytes that are shown.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Body::Hidden => &[],
            Body::Whole(data) | Body::Truncated(data) => data,
        }
    }
}

/// The request and its circumstances, as they arrived.
///
/// [`Request`](crate::Request) and [`Response`](crate::Response) lead here by `Deref`. Strings live as long
/// as the event, not as long as the borrow of it, so that they may be used while the event is edited.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    moment: u8,
    flags: u16,
    site: &'a [u8],
    request_id: &'a [u8],
    client_ip: &'a [u8],
    edge_location: &'a [u8],
    method: &'a [u8],
    uri: &'a [u8],
    query: &'a [u8],
    /// At the request's headers.
    headers: Cursor<'a>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Event<'a> {
        let mut cursor = Cursor(bytes);
        if cursor.u8() != 1 {
            crate::read::malformed();
        }
        Event {
            moment: cursor.u8(),
            flags: cursor.u16(),
            site: cursor.bytes(),
            request_id: cursor.bytes(),
            client_ip: cursor.bytes(),
            edge_location: cursor.bytes(),
            method: cursor.bytes(),
            uri: cursor.bytes(),
            query: cursor.bytes(),
            headers: cursor,
        }
    }

    /// When this hook runs.
    pub fn moment(&self) -> Moment {
        match self.moment {
            0 => Moment::ViewerRequest,
            1 => Moment::OriginRequest,
            2 => Moment::OriginResponse,
            _ => Moment::ViewerResponse,
        }
    }

    /// The site's name in the configuration.
    pub fn site(&self) -> &'a str {
        text(self.site)
    }

    /// The id that the client and the logs see.
    pub fn request_id(&self) -> &'a str {
        text(self.request_id)
    }

    /// The address of the peer, without a port.
    pub fn client_ip(&self) -> &'a str {
        text(self.client_ip)
    }

    /// The name of the node that handles the request.
    pub fn edge_location(&self) -> &'a str {
        text(self.edge_location)
    }

    /// The request method, as on the wire.
    pub fn method(&self) -> &'a str {
        text(self.method)
    }

    /// The path, as on the wire: begins with `/`, is not decoded and has no query.
    pub fn uri(&self) -> &'a str {
        text(self.uri)
    }

    /// The query string, without `?`.
    pub fn query(&self) -> &'a str {
        text(self.query)
    }

    /// Whether there was a `?`: `/x?` and `/x` are different URLs with the same empty query.
    pub fn has_query(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The pairs of the query string; nothing is decoded.
    pub fn query_pairs(&self) -> Pairs<'a> {
        Pairs::query(self.query())
    }

    /// The first value of a parameter of the query string, not decoded.
    pub fn query_value(&self, name: &str) -> Option<&'a str> {
        self.query_pairs().find(|(each, _)| *each == name).map(|(_, value)| value)
    }

    /// The request's headers, in order.
    pub fn request_headers(&self) -> Headers<'a> {
        Headers::at(self.headers)
    }

    /// The first value of a header of the request, by its name in lower case. None if there is none, or if
    /// it is not UTF-8; where that difference matters (a check that must not be passed by), use
    /// [`request_headers`](Event::request_headers)`().value(name)`.
    pub fn request_header(&self, name: &str) -> Option<&'a str> {
        self.request_headers().value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of a cookie of the request.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        self.cookies().find(|(each, _)| *each == name).map(|(_, value)| value)
    }

    /// All cookies of the request, in order.
    pub fn cookies(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let values = self.request_headers().values("cookie");
        values.filter_map(|value| std::str::from_utf8(value).ok()).flat_map(Pairs::cookies)
    }

    /// What this hook sees of the request's body.
    pub fn request_body(&self) -> Body<'a> {
        let mut cursor = self.headers;
        cursor.headers();
        Body::read(&mut cursor)
    }

    /// Behind the request: the origin, or the response.
    pub(crate) fn behind_request(&self) -> Cursor<'a> {
        let mut cursor = self.headers;
        cursor.headers();
        Body::read(&mut cursor);
        cursor
    }
}

fn text(bytes: &[u8]) -> &str {
    Cursor::text_of(bytes)
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use crate::{Body, Moment, Request, Response};

    #[test]
    fn a_request_is_read_in_place() {
        Case::request("GET", "/a?x=1&y&x=2")
            .header("host", "example.com")
            .header("cookie", "a=1; b=2")
            .header("cookie", "c=3;; a=4")
            .header("accept", "")
            .body(b"data")
            .at_origin()
            .run(|req: &mut Request| {
                assert_eq!(req.moment(), Moment::OriginRequest);
                assert_eq!((req.method(), req.uri(), req.query(), req.has_query()), ("GET", "/a", "x=1&y&x=2", true));
                assert_eq!((req.site(), req.request_id(), req.client_ip()), ("test", "0123456789", "192.0.2.1"));
                assert_eq!(req.query_pairs().collect::<Vec<_>>(), [("x", "1"), ("y", ""), ("x", "2")]);
                assert_eq!((req.query_value("y"), req.query_value("z")), (Some(""), None));
                assert_eq!((req.header("accept"), req.header("host")), (Some(""), Some("example.com")));
                assert_eq!((req.header("hos"), req.header("host2")), (None, None));
                assert_eq!(req.headers().values("cookie").count(), 2);
                let cookies = [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")];
                assert_eq!(req.cookies().collect::<Vec<_>>(), cookies);
                assert_eq!((req.cookie("c"), req.cookie("d")), (Some("3"), None));
                assert_eq!(req.body(), Body::Whole(b"data"));
                assert_eq!(req.origin().map(|origin| (origin.id, origin.port)), Some(("example", 80)));
            });
    }

    #[test]
    fn a_response_is_found_behind_the_origin_and_without_one() {
        let case = Case::request("GET", "/").header("a", "request").response(404, &[("a", "response")], Some(b"no"));
        for case in [case.clone(), case.at_origin()] {
            case.run_response(|resp: &mut Response| {
                assert_eq!((resp.status(), resp.header("a"), resp.request_header("a")), (404, Some("response"), Some("request")));
                assert_eq!(resp.body().bytes(), b"no");
            });
        }
    }

    #[test]
    fn every_prefix_of_an_event_is_refused_and_none_is_read_beyond_its_end() {
        let bytes = Case::request("GET", "/a?b").header("c", "d").response(200, &[("e", "f")], None).event();
        let read = |bytes: &[u8]| {
            let mut answer = crate::answer::Answer::unallocated();
            let resp = Response::new(super::Event::new(bytes), &mut answer);
            (resp.status(), resp.header("e").map(str::to_owned), resp.body().bytes().len())
        };
        std::panic::set_hook(Box::new(|_| {}));
        let refused = (0..bytes.len()).all(|end| std::panic::catch_unwind(|| read(&bytes[..end])).is_err());
        let _ = std::panic::take_hook();
        assert!(refused);
        assert_eq!(read(&bytes), (200, Some("f".into()), 0));
    }
}
