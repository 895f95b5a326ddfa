//! I read an event and make the objects of it that a handler is given.
//!
//! The layout is that of `docs/abi.md`, the objects those of CloudFront's event structure, version 1.0. Nothing is decoded:
//! names and values of query strings and cookies are as on the wire.

use crate::engine::{Dialect, Engine};
use crate::js::{self, Js, Value};
use crate::pairs::{Arrived, Pairs, Table};

/// An event cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

pub struct Event {
    pub is_response: bool,
    pub has_query: bool,
    site: &'static [u8],
    request_id: &'static [u8],
    client_ip: &'static [u8],
    pub edge_location: &'static [u8],
    method: &'static [u8],
    uri: &'static [u8],
    pub query: &'static [u8],
    request_headers: Headers,
    response: Option<(u16, &'static [u8], Headers)>,
}

#[derive(Clone, Copy)]
struct Headers {
    count: usize,
    pairs: Cursor,
}

impl Event {
    pub fn read(bytes: &'static [u8]) -> Result<Event, Malformed> {
        let mut cursor = Cursor(bytes);
        let (version, moment, flags) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let is_response = moment == 3;
        if version != 1 || !(moment == 0 || is_response) {
            return Err(Malformed);
        }
        let mut event = Event {
            is_response,
            has_query: flags & 1 != 0,
            site: cursor.bytes()?,
            request_id: cursor.bytes()?,
            client_ip: cursor.bytes()?,
            edge_location: cursor.bytes()?,
            method: cursor.bytes()?,
            uri: cursor.bytes()?,
            query: cursor.bytes()?,
            request_headers: cursor.headers()?,
            response: None,
        };
        cursor.body()?;
        if is_response {
            event.response = Some((cursor.u16()?, cursor.bytes()?, cursor.headers()?));
            cursor.body()?;
        }
        Ok(event)
    }
}

#[derive(Clone, Copy)]
struct Cursor(&'static [u8]);

impl Cursor {
    fn take(&mut self, len: usize) -> Result<&'static [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().map_err(|_| Malformed)?))
    }

    fn bytes(&mut self) -> Result<&'static [u8], Malformed> {
        let len = u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?);
        self.take(len as usize)
    }

    fn headers(&mut self) -> Result<Headers, Malformed> {
        let count = usize::from(self.u16()?);
        let pairs = *self;
        for _ in 0..count * 2 {
            self.bytes()?;
        }
        Ok(Headers { count, pairs })
    }

    fn body(&mut self) -> Result<(), Malformed> {
        self.u8()?;
        self.bytes().map(drop)
    }
}

impl Iterator for Headers {
    type Item = (&'static [u8], &'static [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        Some((self.pairs.bytes().ok()?, self.pairs.bytes().ok()?))
    }
}

/// What a handler is given, and all that must be known to see what it has changed.
pub struct Objects {
    pub event: Value,
    pub request: Request,
    pub response: Option<Response>,
}

pub struct Request {
    pub method: &'static [u8],
    pub uri: Value,
    pub query: Pairs,
    pub headers: Pairs,
    pub cookies: Pairs,
}

pub struct Response {
    pub status: u16,
    pub reason: Value,
    pub headers: Pairs,
    pub cookies: Pairs,
}

/// The objects of an event with nothing of a request in them. They are made with the engine, so that they are in the image, and a
/// call only fills them.
pub struct Skeleton {
    event: Value,
    context: Value,
    viewer: Value,
    request: Value,
    query: Pairs,
    headers: Pairs,
    cookies: Pairs,
    response: Option<ResponseSkeleton>,
}

struct ResponseSkeleton {
    response: Value,
    headers: Pairs,
    cookies: Pairs,
}

impl Skeleton {
    pub fn new(engine: &Engine, is_response: bool) -> Js<Skeleton> {
        let (ctx, atoms, constants) = (engine.ctx, &engine.atoms, &engine.constants);
        let object = |members: &[(js::Atom, Value)]| {
            let object = js::object(ctx)?;
            members.iter().try_for_each(|(name, value)| js::define(ctx, object, *name, js::dup(ctx, *value)))?;
            Ok(object)
        };
        let nothing = js::JS_UNDEFINED;
        let moment = if is_response { constants.viewer_response } else { constants.viewer_request };
        let context = object(&[
            (atoms.distribution_domain_name, nothing),
            (atoms.distribution_id, nothing),
            (atoms.event_type, moment),
            (atoms.request_id, nothing),
        ])?;
        let viewer = object(&[(atoms.ip, nothing)])?;
        let (query, headers, cookies) = (Pairs::new(engine)?, Pairs::new(engine)?, Pairs::new(engine)?);
        let request = object(&[
            (atoms.method, constants.get),
            (atoms.uri, nothing),
            (atoms.querystring, query.object),
            (atoms.headers, headers.object),
            (atoms.cookies, cookies.object),
        ])?;
        if engine.dialect == Dialect::Two {
            js::define_hidden_atom(ctx, request, atoms.raw_query_string, js::dup(ctx, constants.raw_query_string))?;
        }
        let event = object(&[
            (atoms.version, constants.version),
            (atoms.context, context),
            (atoms.viewer, viewer),
            (atoms.request, request),
        ])?;
        let mut skeleton = Skeleton { event, context, viewer, request, query, headers, cookies, response: None };
        if is_response {
            let (headers, cookies) = (Pairs::new(engine)?, Pairs::new(engine)?);
            let response = object(&[
                (atoms.status_code, nothing),
                (atoms.status_description, nothing),
                (atoms.headers, headers.object),
                (atoms.cookies, cookies.object),
            ])?;
            js::define(ctx, event, atoms.response, js::dup(ctx, response))?;
            skeleton.response = Some(ResponseSkeleton { response, headers, cookies });
        }
        Ok(skeleton)
    }
}

/// Keeps an object of every shape that one with a value passes through, up to its last. A new one then takes these shapes as it
/// grows; without them it would make each anew and throw the last one away.
pub fn keep_shapes(engine: &Engine) -> Js<()> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    let shapes: [&[js::Atom]; 2] = [&[atoms.value, atoms.multi_value], &[atoms.value, atoms.attributes, atoms.multi_value]];
    for shape in shapes {
        for len in 0..=shape.len() {
            let object = js::object(ctx)?;
            shape[..len].iter().try_for_each(|name| js::define(ctx, object, *name, js::JS_UNDEFINED))?;
        }
    }
    Ok(())
}

/// Makes the objects of an event.
pub fn objects(engine: &Engine, event: &Event) -> Js<Objects> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    let put = |object: Value, name, value: Value| js::put(ctx, object, name, value);
    let made = engine.skeleton(event.is_response)?;

    let site = js::string(ctx, event.site)?;
    put(made.context, atoms.distribution_domain_name, js::dup(ctx, site))?;
    put(made.context, atoms.distribution_id, site)?;
    put(made.context, atoms.request_id, js::string(ctx, event.request_id)?)?;
    put(made.viewer, atoms.ip, js::string(ctx, event.client_ip)?)?;

    let uri = js::string(ctx, event.uri)?;
    put(made.request, atoms.uri, js::dup(ctx, uri))?;
    if event.method != b"GET" {
        put(made.request, atoms.method, js::string(ctx, event.method)?)?;
    }
    made.query.fill(query(event.query));
    let (headers, cookies) = headers(event.request_headers, b"cookie");
    made.headers.fill(headers);
    made.cookies.fill(cookies);
    let request = Request { method: event.method, uri, query: made.query, headers: made.headers, cookies: made.cookies };

    let mut response = None;
    if let (Some((status, reason, arrived)), Some(made)) = (event.response, made.response) {
        let reason = js::string(ctx, reason)?;
        put(made.response, atoms.status_code, js::int(i32::from(status)))?;
        put(made.response, atoms.status_description, js::dup(ctx, reason))?;
        let (headers, cookies) = self::headers(arrived, b"set-cookie");
        made.headers.fill(headers);
        made.cookies.fill(cookies);
        response = Some(Response { status, reason, headers: made.headers, cookies: made.cookies });
    }
    Ok(Objects { event: made.event, request, response })
}

/// Headers, and the cookies that are in those of one name.
fn headers(arrived: Headers, jar: &[u8]) -> (Table, Table) {
    let (mut headers, mut cookies) = (Table::with_capacity(arrived.count), Table::default());
    for (name, value) in arrived {
        match name == jar {
            true if jar == b"cookie" => request_cookies(&mut cookies, value),
            true => response_cookie(&mut cookies, value),
            false => headers.insert(name, Arrived { raw: value, value, attributes: None }),
        }
    }
    (headers, cookies)
}

fn request_cookies(cookies: &mut Table, header: &'static [u8]) {
    for raw in header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|raw| !raw.is_empty()) {
        let (name, value) = pair(raw);
        cookies.insert(name, Arrived { raw, value, attributes: None });
    }
}

fn response_cookie(cookies: &mut Table, raw: &'static [u8]) {
    let end = raw.iter().position(|byte| *byte == b';');
    let (cookie, attributes) = end.map_or((raw, &[][..]), |end| (&raw[..end], &raw[end + 1..]));
    let (name, value) = pair(cookie.trim_ascii());
    cookies.insert(name, Arrived { raw, value, attributes: Some(attributes.trim_ascii()) });
}

fn query(query: &'static [u8]) -> Table {
    let mut pairs = Table::default();
    for raw in query.split(|byte| *byte == b'&').filter(|raw| !raw.is_empty()) {
        let (name, value) = pair(raw);
        pairs.insert(name, Arrived { raw, value, attributes: None });
    }
    pairs
}

/// Splits at the first `=`; without one there is no value.
fn pair(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.iter().position(|byte| *byte == b'=') {
        Some(at) => (&raw[..at], &raw[at + 1..]),
        None => (raw, &[]),
    }
}
