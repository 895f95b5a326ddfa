//! The XML of the `query` protocol, as far as it is read.

/// The texts of all elements of a name, in an answer of the `query` protocol, which has neither attributes there nor comments.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find(&begin) {
        rest = &rest[at + begin.len()..];
        let Some(length) = rest.find(&end) else { break };
        let text = &rest[..length];
        // One with elements in it is taken as it is, to be read further.
        let text = if text.contains('<') { text.to_owned() } else { unescaped(text) };
        found.push(text);
        rest = &rest[length..];
    }
    found
}

fn unescaped(text: &str) -> String {
    let replaced =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", "\""), ("&amp;", "&")];
    replaced.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_of_the_query_protocol_is_read_by_name() {
        let xml = "<R><Roles><member><RoleName>a</RoleName><Path>/</Path></member><member><RoleName>b&amp;lt;</RoleName></member></Roles></R>";
        assert_eq!(elements(xml, "RoleName"), ["a", "b&lt;"]);
        assert_eq!(elements(xml, "member").len(), 2);
        assert_eq!(elements("<A>x", "A"), [""; 0]);
    }
}
