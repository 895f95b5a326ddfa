//! How functions are named: a name, and which version or alias of it is meant, if any.
//!
//! `checkout`, `checkout:live`, `checkout:7`, `checkout:$LATEST`. ARNs are the AWS APIs' (`aws::lambda::identifier`).

use std::fmt;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    pub name: String,
    /// `$LATEST`, a number, or an alias.
    pub qualifier: Option<String>,
}

impl QualifiedName {
    /// `None` if this names no function, whatever functions there are.
    pub fn parse(text: &str) -> Option<QualifiedName> {
        let (name, qualifier) = match text.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (text, None),
        };
        let qualified = qualifier.is_none_or(|qualifier| qualifier == "$LATEST" || is_name(qualifier));
        let named = || QualifiedName { name: name.to_owned(), qualifier: qualifier.map(str::to_owned) };
        (is_name(name) && qualified).then(named)
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.qualifier {
            Some(qualifier) => write!(f, "{}:{qualifier}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Whether a text may be the name of a function, of an alias or of a layer: of any length.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_with_or_without_a_version_or_alias() {
        for (text, name, qualifier) in [
            ("f", "f", None),
            ("a-B_9", "a-B_9", None),
            ("f:live", "f", Some("live")),
            ("f:7", "f", Some("7")),
            ("f:$LATEST", "f", Some("$LATEST")),
        ] {
            let parsed = QualifiedName::parse(text).unwrap();
            assert_eq!((parsed.name.as_str(), parsed.qualifier.as_deref(), parsed.to_string().as_str()), (name, qualifier, text));
        }
        for text in
            ["", ":", "f:", ":live", "f:a:b", "f g", "f.g", "f:$latest", "$LATEST", "ä", "arn:aws:lambda:us-east-1:1:function:f"]
        {
            assert_eq!(QualifiedName::parse(text), None, "{text}");
        }
    }
}
