//! I find members of a flat JSON object. Only for text whose signature was right: I read what our own issuer
//! wrote, and understand no escapes; a string that has one is not found.

/// The string value of a member of the outermost object.
pub fn string<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let value = member(json, name)?.strip_prefix('"')?;
    let (text, _) = value.split_once('"')?;
    // A control character or an escape has no place in a header.
    (!text.bytes().any(|byte| byte == b'\\' || byte < b' ')).then_some(text)
}

/// The value of a member of the outermost object, if it is a number without a fraction or a sign.
pub fn number(json: &str, name: &str) -> Option<u64> {
    let value = member(json, name)?;
    let end = value.find([',', '}', ' ', '\n', '\r', '\t'])?;
    value[..end].parse().ok()
}

/// The text from the value of a member on.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut depth = 0;
    let mut rest = json;
    while let Some(at) = rest.find(['"', '{', '}', '[', ']']) {
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match found {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {
                let end = string_end(rest)?;
                let (text, behind) = (&rest[..end], rest[end + 1..].trim_ascii_start());
                rest = &rest[end + 1..];
                if let (1, true, Some(value)) = (depth, text == name, behind.strip_prefix(':')) {
                    return Some(value.trim_ascii_start());
                }
            }
        }
    }
    None
}

/// Where a string ends whose opening quote is behind us.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_outermost_object_are_found() {
        let json = r#"{"a":{"sub":"inner"},"x":"\"sub\":\"fake\"", "v":"sub", "sub" : "me","iat": 12 }"#;
        assert_eq!(string(json, "sub"), Some("me"));
        assert_eq!(number(json, "iat"), Some(12));
        assert_eq!(string(json, "iat"), None);
        assert_eq!(number(json, "sub"), None);
        assert_eq!(string(r#"{"sub":"a\"b"}"#, "sub"), None);
        assert_eq!(string(r#"{"sub":"#, "sub"), None);
    }
}
