//! A function's reply as a response.
//!
//! A JSON object with a `statusCode` says what the response is. Any other JSON is the body of a response with status 200, as
//! Lambda infers it. A reply that is streamed may begin with such an object and eight zeros; its content type says so
//! (<https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

/// The response of a reply; or why there is none.
pub fn response(reply: &[u8]) -> Result<Response<Bytes>, String> {
    // A stream that was gathered: no JSON has a zero in it.
    if reply.starts_with(b"{")
        && let StreamHead::Whole(response) = stream_head(Some(WITH_HEAD), reply, 0)?
    {
        return Ok(response);
    }
    let value: Value = serde_json::from_slice(reply).map_err(|error| format!("no JSON: {error}"))?;
    match value {
        Value::Object(mut object) if object.contains_key("statusCode") => told(&mut object),
        Value::String(text) => inferred(text.into()),
        _ => inferred(Bytes::copy_from_slice(reply)),
    }
}

/// The content type of a streamed reply that begins with the head of the response.
const WITH_HEAD: &str = "application/vnd.awslambda.http-integration-response";
/// Between that head and the body.
const HEAD_END: [u8; 8] = [0; 8];

/// What the first bytes of a streamed reply say.
#[derive(Debug)]
pub enum StreamHead {
    /// The response, with the part of its body that is there.
    Whole(Response<Bytes>),
    /// More bytes are needed.
    Part,
}

/// Reads the head of a response whose body is streamed; `begun` is what there is of the reply, with this content type. Its first
/// `looked_at` bytes have been looked at before, and had no end of the head.
pub fn stream_head(content_type: Option<&str>, begun: &[u8], looked_at: usize) -> Result<StreamHead, String> {
    if content_type != Some(WITH_HEAD) {
        let content_type = content_type.unwrap_or("application/octet-stream");
        let mut response = Response::new(Bytes::copy_from_slice(begun));
        response.headers_mut().insert(header::CONTENT_TYPE, header_value("content-type", content_type)?);
        return Ok(StreamHead::Whole(response));
    }
    // The end may have begun before.
    let from = looked_at.saturating_sub(HEAD_END.len() - 1);
    let end = begun[from..].windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
    let Some(end) = end.map(|end| from + end) else { return Ok(StreamHead::Part) };
    let head = serde_json::from_slice(&begun[..end]).map_err(|error| format!("the head of its stream is no JSON: {error}"))?;
    let Value::Object(mut head) = head else { return Err("the head of its stream is no object".to_owned()) };
    head.entry("statusCode").or_insert_with(|| 200.into());
    head.retain(|name, _| !["body", "isBase64Encoded"].contains(&name.as_str()));
    let body = Bytes::copy_from_slice(&begun[end + HEAD_END.len()..]);
    Ok(StreamHead::Whole(told(&mut head)?.map(|_| body)))
}

fn inferred(body: Bytes) -> Result<Response<Bytes>, String> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn told(object: &mut Map<String, Value>) -> Result<Response<Bytes>, String> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status(&object["statusCode"])?;
    let headers = response.headers_mut();
    for (name, value) in entries(object.get("headers"), "headers")? {
        let name_of = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name of a header"))?;
        if [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH].contains(&name_of) {
            continue;
        }
        let text = scalar(value).ok_or_else(|| format!("the header `{name}` is neither text, a number nor a boolean"))?;
        headers.append(name_of, header_value(name, &text)?);
    }
    match object.get("cookies") {
        None | Some(Value::Null) => {}
        Some(Value::Array(cookies)) => {
            for cookie in cookies {
                let cookie = cookie.as_str().ok_or("one of `cookies` is no text")?;
                headers.append(header::SET_COOKIE, header_value("set-cookie", cookie)?);
            }
        }
        Some(_) => return Err("`cookies` is no list".to_owned()),
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let encoded = match object.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(encoded) => encoded.as_bool().ok_or("`isBase64Encoded` is neither true nor false")?,
    };
    *response.body_mut() = match object.remove("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if encoded => BASE64.decode(text).map_err(|_| "`body` is no base64")?.into(),
        Some(Value::String(text)) => text.into(),
        Some(_) if encoded => return Err("`body` is no text".to_owned()),
        Some(other) => other.to_string().into(),
    };
    Ok(response)
}

/// A number, or its text.
fn status(value: &Value) -> Result<StatusCode, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let status = number.and_then(|number| StatusCode::from_u16(u16::try_from(number).ok()?).ok());
    status.filter(|status| !status.is_informational()).ok_or_else(|| format!("`statusCode` is {value}, no status of a response"))
}

fn entries<'a>(value: Option<&'a Value>, name: &str) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    match value {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(entries)) => Ok(Some(entries).into_iter().flatten()),
        Some(_) => Err(format!("`{name}` is no object")),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn header_value(name: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("the value of the header `{name}` has a byte that no header may have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reply: &str) -> Result<(u16, String, String), String> {
        let response = response(reply.as_bytes())?;
        let mut headers: Vec<String> = (response.headers().iter())
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        Ok((response.status().as_u16(), headers.join("; "), String::from_utf8_lossy(response.body()).into_owned()))
    }

    #[test]
    fn a_reply_says_what_the_response_is_or_is_its_body() {
        let json = "content-type: application/json";
        for (reply, status, headers, body) in [
            (r#"{"statusCode":200,"body":"hi"}"#, 200, json, "hi"),
            (r#"{"statusCode":"404"}"#, 404, json, ""),
            (
                r#"{"statusCode":302,"headers":{"Location":"/x","X-N":1,"Content-Type":"text/plain"},"cookies":["a=1","b=2"]}"#,
                302,
                "content-type: text/plain; location: /x; set-cookie: a=1; set-cookie: b=2; x-n: 1",
                "",
            ),
            (r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#, 200, json, "hi"),
            (r#"{"statusCode":200,"body":{"a":1},"headers":null,"cookies":null}"#, 200, json, r#"{"a":1}"#),
            (r#"{"message":"no status"}"#, 200, json, r#"{"message":"no status"}"#),
            (r#""text""#, 200, json, "text"),
            ("[1, 2]", 200, json, "[1, 2]"),
            ("null", 200, json, "null"),
        ] {
            assert_eq!(shown(reply), Ok((status, headers.to_owned(), body.to_owned())), "{reply}");
        }
    }

    #[test]
    fn a_stream_begins_with_the_head_of_the_response_if_it_says_so() {
        let shown = |content_type: Option<&str>, begun: &[u8]| match stream_head(content_type, begun, 0)? {
            StreamHead::Part => Ok::<_, String>(None),
            StreamHead::Whole(response) => {
                let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap_or_default().to_owned();
                Ok(Some((response.status().as_u16(), content_type, response.body().to_vec())))
            }
        };
        let whole = |status, content_type: &str, body: &[u8]| Ok(Some((status, content_type.to_owned(), body.to_vec())));
        assert_eq!(shown(None, b"ab"), whole(200, "application/octet-stream", b"ab"));
        assert_eq!(shown(Some("text/html"), b"{}\0\0\0\0\0\0\0\0"), whole(200, "text/html", b"{}\0\0\0\0\0\0\0\0"));
        let head = br#"{"statusCode":404,"headers":{"Content-Type":"text/plain"},"body":"ignored"}"#;
        let begun = [&head[..], &HEAD_END, b"none"].concat();
        assert_eq!(shown(Some(WITH_HEAD), &begun), whole(404, "text/plain", b"none"));
        assert_eq!(response(&begun).map(|response| response.into_body()), Ok(Bytes::from_static(b"none")), "gathered");
        assert_eq!(shown(Some(WITH_HEAD), &begun[..head.len() + 7]), Ok(None), "seven zeros");
        assert_eq!(shown(Some(WITH_HEAD), b"{}\0\0\0\0\0\0\0\0"), whole(200, "application/json", b""));
        assert_eq!(shown(Some(WITH_HEAD), b"[]\0\0\0\0\0\0\0\0"), Err("the head of its stream is no object".to_owned()));
    }

    #[test]
    fn a_reply_that_is_no_response_is_refused_by_its_place() {
        for (reply, why) in [
            ("", "no JSON: EOF while parsing a value at line 1 column 0"),
            (r#"{"statusCode":99}"#, "`statusCode` is 99, no status of a response"),
            (r#"{"statusCode":null}"#, "`statusCode` is null, no status of a response"),
            (r#"{"statusCode":200,"headers":[]}"#, "`headers` is no object"),
            (r#"{"statusCode":200,"headers":{"a b":"x"}}"#, "`a b` is no name of a header"),
            (
                r#"{"statusCode":200,"headers":{"a":"x\r\ny: z"}}"#,
                "the value of the header `a` has a byte that no header may have",
            ),
            (r#"{"statusCode":200,"headers":{"a":["x"]}}"#, "the header `a` is neither text, a number nor a boolean"),
            (r#"{"statusCode":200,"cookies":"a=1"}"#, "`cookies` is no list"),
            (r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#, "`body` is no base64"),
        ] {
            assert_eq!(shown(reply), Err(why.to_owned()), "{reply}");
        }
    }
}
