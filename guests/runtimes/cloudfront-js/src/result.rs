//! I read what a handler returned, and write the ops that make it so.
//!
//! Only own enumerable names and own properties count, so that nothing that a prototype was given gets into an answer.
//! Whether a header may be changed is the host's to say.

use base64::Engine as _;

use crate::answer::Answer;
use crate::changes::{Now, Written, compare, excerpt, text_of};
use crate::engine::Engine;
use crate::event::{Objects, Request, Response};
use crate::js::{self, Atom, Text, Thrown, Value};
use crate::pairs::{Kind, Pairs};

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// JavaScript threw.
    Thrown,
    /// The same, and this is its text.
    Failed(String),
    /// The result is not what a handler may return.
    Invalid(String),
}

impl From<Thrown> for Refusal {
    fn from(_: Thrown) -> Refusal {
        Refusal::Thrown
    }
}

pub fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid(message.into()))
}

/// Writes the ops for what the handler returned.
pub fn write(engine: &Engine, objects: &Objects, result: Value, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    let atoms = &engine.atoms;
    if !js::is_object(result) || js::is_array(result) || js::is_function(engine.ctx, result) {
        let expected = if objects.response.is_some() { "a response" } else { "a request or a response" };
        return refuse(format!("the function returned {}, not {expected}", kind(engine, result)));
    }
    let has = |name: Atom| js::has_own(engine.ctx, result, name);
    match &objects.response {
        Some(was) if has(atoms.status_code)? => write_response(engine, Some(was), result, answer),
        Some(_) => {
            refuse("the function returned an object without `statusCode` where a response is expected: return `event.response`")
        }
        None if has(atoms.status_code)? && has(atoms.uri)? => {
            refuse("the function returned an object with `statusCode` and `uri`: it is either a response or a request")
        }
        None if has(atoms.status_code)? => write_response(engine, None, result, answer),
        None if has(atoms.uri)? => write_request(engine, &objects.request, result, answer),
        None => refuse(
            "the function returned an object that has neither `uri` nor `statusCode`: return `event.request` or a response",
        ),
    }
}

fn write_request(engine: &Engine, was: &Request, result: Value, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    let field = |name: Atom| Ok::<_, Refusal>(js::own(ctx, result, name)?.unwrap_or(js::JS_UNDEFINED));

    let method = field(atoms.method)?;
    if !js::is_undefined(method) && text_of(engine, method, &|| "request.method".into())?.as_bytes() != was.method {
        return refuse("request.method is read-only");
    }
    let uri = field(atoms.uri)?;
    if !js::same(uri, was.uri) {
        let uri = text_of(engine, uri, &|| "request.uri".into())?;
        if !uri.starts_with('/') {
            return refuse(format!("request.uri must begin with `/`: {:?}", excerpt(uri.as_bytes())));
        }
        answer.uri(uri.as_bytes());
    }
    let query = field(atoms.querystring)?;
    match js::is_string(query) {
        true => answer.query(text_of(engine, query, &|| "request.querystring".into())?.as_bytes()),
        false => {
            if let Some(query) = joined(engine, &was.query, query, "request.querystring", b"&")? {
                answer.query(&query);
            }
        }
    }
    if let Some(cookies) = joined(engine, &was.cookies, field(atoms.cookies)?, "request.cookies", b"; ")? {
        match cookies.is_empty() {
            true => answer.remove_header(b"cookie"),
            false => answer.set_header(b"cookie", &cookies),
        }
    }
    write_headers(engine, Some(&was.headers), field(atoms.headers)?, "request.headers", answer)?;
    engine.with_call(|call| answer.ops(&call.origin));
    Ok(())
}

/// The text that pairs were made of, if it has changed.
fn joined(engine: &Engine, was: &Pairs, object: Value, what: &str, separator: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let (mut text, mut changed) = (Vec::new(), !js::same(was.object, object));
    let mut append = |parts: &[&[u8]]| {
        if !text.is_empty() {
            text.extend_from_slice(separator);
        }
        parts.iter().for_each(|part| text.extend_from_slice(part));
    };
    compare(engine, Kind::Plain, Some(was), object, what, |now| {
        match now {
            Now::Untouched(raw) => raw.for_each(|raw| append(&[raw])),
            Now::Changed { name, values } => {
                changed = true;
                for Written { value, raw, .. } in values {
                    match raw {
                        Some(raw) => append(&[raw]),
                        None => append(&[name, b"=", &value]),
                    }
                }
            }
            Now::Removed(_) => changed = true,
        }
        Ok(())
    })?;
    Ok(changed.then_some(text))
}

fn write_headers(
    engine: &Engine,
    was: Option<&Pairs>,
    object: Value,
    what: &str,
    answer: &mut Answer<'_>,
) -> Result<(), Refusal> {
    compare(engine, Kind::Plain, was, object, what, |now| {
        match now {
            Now::Untouched(_) => {}
            Now::Removed(name) => answer.remove_header(name),
            Now::Changed { name, values } => {
                if name.iter().any(u8::is_ascii_uppercase) {
                    return refuse(format!("{what}[{:?}]: names of headers are lower-case", excerpt(name)));
                }
                if name.is_empty() {
                    return refuse(format!("{what} has a name without characters"));
                }
                // Cookies of a response are added to those in `cookies`.
                let mut first = name != b"set-cookie";
                for Written { value, raw, .. } in values {
                    let value = raw.unwrap_or(&value);
                    match std::mem::take(&mut first) {
                        true => answer.set_header(name, value),
                        false => answer.add_header(name, value),
                    }
                }
            }
        }
        Ok(())
    })
}

/// Writes a response: a generated one, or the changes of the one there was.
fn write_response(engine: &Engine, was: Option<&Response>, result: Value, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    let field = |name: Atom| Ok::<_, Refusal>(js::own(ctx, result, name)?.filter(|value| !js::is_undefined(*value)));

    let status = field(atoms.status_code)?.and_then(js::whole).and_then(|status| u16::try_from(status).ok());
    let Some(status) = status.filter(|status| (100..=999).contains(status)) else {
        return refuse("response.statusCode is not a whole number of three digits");
    };
    let reason = field(atoms.status_description)?;
    let same_reason = was.is_some_and(|was| reason.is_some_and(|reason| js::same(reason, was.reason)));
    let text = match reason {
        // The description of another status is not this one's.
        Some(_) if same_reason && was.is_some_and(|was| was.status != status) => String::new(),
        Some(reason) => text_of(engine, reason, &|| "response.statusDescription".into())?,
        None => String::new(),
    };
    match was {
        None => answer.respond(status, text.as_bytes()),
        Some(was) if was.status == status && (same_reason || reason.is_none()) => {}
        Some(_) => answer.status(status, text.as_bytes()),
    }
    if let Some(cookies) = field(atoms.cookies)? {
        write_cookies(engine, was.map(|was| &was.cookies), cookies, answer)?;
    } else if was.is_some() {
        return refuse("response.cookies is missing");
    }
    if let Some(headers) = field(atoms.headers)? {
        write_headers(engine, was.map(|was| &was.headers), headers, "response.headers", answer)?;
    } else if was.is_some() {
        return refuse("response.headers is missing");
    }
    if let Some(body) = field(atoms.body)? {
        answer.body(&body_of(engine, body)?);
    }
    Ok(())
}

fn write_cookies(engine: &Engine, was: Option<&Pairs>, object: Value, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    let (mut all, mut changed) = (Vec::<Vec<u8>>::new(), false);
    compare(engine, Kind::WithAttributes, was, object, "response.cookies", |now| {
        match now {
            Now::Untouched(raw) => all.extend(raw.map(<[u8]>::to_vec)),
            Now::Removed(_) => changed = true,
            Now::Changed { name, values } => {
                changed = true;
                for Written { value, attributes, raw } in values {
                    let separator: &[u8] = if attributes.is_empty() { b"" } else { b"; " };
                    all.push(raw.map_or_else(|| [name, b"=", &value, separator, &attributes].concat(), <[u8]>::to_vec));
                }
            }
        }
        Ok(())
    })?;
    if changed {
        if was.is_some_and(Pairs::has_arrived) {
            answer.remove_header(b"set-cookie");
        }
        all.iter().for_each(|cookie| answer.add_header(b"set-cookie", cookie));
    }
    Ok(())
}

/// A body: text, or an object that says how it is encoded.
fn body_of(engine: &Engine, body: Value) -> Result<Vec<u8>, Refusal> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    if js::is_string(body) {
        return Ok(Text::of(ctx, body)?.utf8());
    }
    if !js::is_object(body) || js::is_array(body) {
        return refuse("response.body is neither a string nor an object with `encoding` and `data`");
    }
    let encoding = js::own(ctx, body, atoms.encoding)?.unwrap_or(js::JS_UNDEFINED);
    let encoding = text_of(engine, encoding, &|| "response.body.encoding".into())?;
    let data = js::own(ctx, body, atoms.data)?.unwrap_or(js::JS_UNDEFINED);
    if !js::is_string(data) {
        return refuse("response.body.data is not a string");
    }
    let data = Text::of(ctx, data)?.utf8();
    match encoding.as_str() {
        "text" => Ok(data),
        "base64" => match base64::engine::general_purpose::STANDARD.decode(&data) {
            Ok(body) => Ok(body),
            Err(error) => refuse(format!("response.body.data is not base64: {error}")),
        },
        _ => refuse("response.body.encoding is neither \"text\" nor \"base64\""),
    }
}

/// What a value is, for a message.
fn kind(engine: &Engine, value: Value) -> &'static str {
    match value {
        value if js::is_undefined(value) => "nothing",
        value if js::is_null(value) => "null",
        value if js::is_string(value) => "a string",
        value if js::is_array(value) => "an array",
        value if js::is_function(engine.ctx, value) => "a function",
        _ => "a value of another type",
    }
}
