//! An old form in front of a new API: bodies of `application/x-www-form-urlencoded` become JSON.
//!
//! Needs `include_body` on the behavior. A body that is over the limit is refused: half of it would be worse
//! than none.

use edgeward_sdk::{Body, Flow, Reply, Request};

edgeward_sdk::origin_request!(handle);

fn handle(req: &mut Request) -> Flow {
    let kind = req.header("content-type").unwrap_or("");
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Flow::Continue;
    }
    let form = match req.body() {
        Body::Whole(form) => form,
        Body::Truncated(_) => return Reply::new(413).body("the form is too large\n").into(),
        Body::Hidden => return Flow::Continue,
    };
    let Some(json) = json(form) else {
        return Reply::new(400).body("the form is not UTF-8\n").into();
    };
    req.set_header("content-type", "application/json");
    req.set_body(json);
    Flow::Continue
}

/// One object with a member for each field; of several fields of one name the receiver takes the last.
fn json(form: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(form.len() * 2);
    out.push('{');
    for field in form.split(|&byte| byte == b'&').filter(|field| !field.is_empty()) {
        let (name, value) = match field.iter().position(|&byte| byte == b'=') {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &[][..]),
        };
        if out.len() > 1 {
            out.push(',');
        }
        quote(&decode(name)?, &mut out);
        out.push(':');
        quote(&decode(value)?, &mut out);
    }
    out.push('}');
    Some(out)
}

fn decode(text: &[u8]) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (byte, digit(text.get(at)), digit(text.get(at + 1))) {
            (b'+', ..) => out.push(b' '),
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                out.push_str("\\u00");
                for shift in [4, 0] {
                    out.extend(char::from_digit(control as u32 >> shift & 15, 16));
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::Case;

    #[test]
    fn forms_become_json() {
        let case =
            Case::request("POST", "/").at_origin().header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let outcome = case.body(b"name=J%C3%B6rg+M&note=%22a%0Ab%01&empty&x=100%").run(super::handle);
        let body = String::from_utf8(outcome.body().unwrap()).unwrap();
        assert_eq!(body, r#"{"name":"Jörg M","note":"\"a\nb\u0001","empty":"","x":"100%"}"#);
        assert_eq!(outcome.header("content-type").as_deref(), Some("application/json"));
    }

    #[test]
    fn other_bodies_pass() {
        let outcome = Case::request("POST", "/").at_origin().header("content-type", "text/plain").body(b"a=b").run(super::handle);
        assert!(outcome.ops().is_empty());
    }
}
