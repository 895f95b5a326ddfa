//! References in environment variables to values that are kept elsewhere: CloudFormation's dynamic references.
//!
//! | text | what it stands for |
//! |-|-|
//! | `{{resolve:secretsmanager:ID}}` | a secret's string |
//! | `{{resolve:secretsmanager:ID:SecretString:KEY:STAGE:VERSION}}` | a member of it, if it is JSON; of a version; each part may be empty or left out |
//! | `{{resolve:ssm:NAME}}`, `{{resolve:ssm:NAME:VERSION}}` | a parameter |
//! | `{{resolve:ssm-secure:NAME}}`, `{{resolve:ssm-secure:NAME:VERSION}}` | a parameter of the type `SecureString` |
//!
//! I read them. I do not know how values are got.
//!
//! Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>.

const OPEN: &str = "{{resolve:";
const CLOSE: &str = "}}";

/// A part of a value.
#[derive(Debug, PartialEq, Eq)]
pub enum ValuePiece<'a> {
    Text(&'a str),
    Reference(DynamicReference<'a>),
}

#[derive(Debug, PartialEq, Eq)]
pub enum DynamicReference<'a> {
    Secret {
        id: &'a str,
        key: Option<&'a str>,
        stage: Option<&'a str>,
        version_id: Option<&'a str>,
    },
    /// The id has a version's number or label, if one was named.
    Parameter {
        id: &'a str,
        secure: bool,
    },
}

/// The parts of a value, in their order.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn pieces(value: &str) -> Result<Vec<ValuePiece<'_>>, String> {
    let (mut pieces, mut left) = (Vec::new(), value);
    while let Some((before, rest)) = left.split_once(OPEN) {
        let (inside, after) = rest.split_once(CLOSE).ok_or_else(|| format!("`{OPEN}` has no `{CLOSE}` after it"))?;
        if !before.is_empty() {
            pieces.push(ValuePiece::Text(before));
        }
        let reference = DynamicReference::parse(inside).map_err(|why| format!("`{OPEN}{inside}{CLOSE}`: {why}"))?;
        pieces.push(ValuePiece::Reference(reference));
        left = after;
    }
    if !left.is_empty() {
        pieces.push(ValuePiece::Text(left));
    }
    Ok(pieces)
}

impl<'a> DynamicReference<'a> {
    /// Of what is between `{{resolve:` and `}}`.
    fn parse(inside: &'a str) -> Result<DynamicReference<'a>, &'static str> {
        let (service, rest) = inside.split_once(':').unwrap_or((inside, ""));
        let is_secure = service == "ssm-secure";
        match service {
            "secretsmanager" => DynamicReference::secret(rest),
            "ssm" | "ssm-secure" if rest.is_empty() => Err("the name of a parameter is missing"),
            "ssm" | "ssm-secure" => Ok(DynamicReference::Parameter { id: rest, secure: is_secure }),
            _ => Err("the service is `secretsmanager`, `ssm` or `ssm-secure`"),
        }
    }

    fn secret(rest: &'a str) -> Result<DynamicReference<'a>, &'static str> {
        // An ARN has six colons of its own.
        let colons = if rest.starts_with("arn:") { 6 } else { 0 };
        let end = rest.match_indices(':').nth(colons).map_or(rest.len(), |(at, _)| at);
        let id = &rest[..end];
        if id.is_empty() {
            return Err("the name of a secret is missing");
        }
        let mut parts = rest[end..].split(':').skip(1);
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (kind, key, stage, version_id) = (next(), next(), next(), next());
        if parts.next().is_some() {
            return Err("at most `secretsmanager:ID:SecretString:KEY:STAGE:VERSION` is read");
        }
        if kind.is_some_and(|kind| kind != "SecretString") {
            return Err("of a secret only its `SecretString` can be read");
        }
        if stage.is_some() && version_id.is_some() {
            return Err("either a stage or a version is named, not both");
        }
        Ok(DynamicReference::Secret { id, key, stage, version_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret<'a>(id: &'a str, key: Option<&'a str>, stage: Option<&'a str>, version_id: Option<&'a str>) -> ValuePiece<'a> {
        ValuePiece::Reference(DynamicReference::Secret { id, key, stage, version_id })
    }

    #[test]
    fn a_value_is_read_in_pieces() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf";
        for (value, expected) in [
            ("", vec![]),
            ("plain }} {{resolve", vec![ValuePiece::Text("plain }} {{resolve")]),
            ("{{resolve:secretsmanager:db}}", vec![secret("db", None, None, None)]),
            ("{{resolve:secretsmanager:db:SecretString:user}}", vec![secret("db", Some("user"), None, None)]),
            ("{{resolve:secretsmanager:db:::AWSPREVIOUS}}", vec![secret("db", None, Some("AWSPREVIOUS"), None)]),
            ("{{resolve:secretsmanager:db::user::v1}}", vec![secret("db", Some("user"), None, Some("v1"))]),
            (&format!("{{{{resolve:secretsmanager:{arn}:SecretString:user}}}}"), vec![secret(arn, Some("user"), None, None)]),
            (
                "a {{resolve:ssm:/host:3}}{{resolve:ssm-secure:word}}/b",
                vec![
                    ValuePiece::Text("a "),
                    ValuePiece::Reference(DynamicReference::Parameter { id: "/host:3", secure: false }),
                    ValuePiece::Reference(DynamicReference::Parameter { id: "word", secure: true }),
                    ValuePiece::Text("/b"),
                ],
            ),
        ] {
            assert_eq!(pieces(value).as_ref(), Ok(&expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_by_its_text() {
        for (value, expected) in [
            ("{{resolve:ssm:a", "`{{resolve:` has no `}}` after it"),
            ("{{resolve:s3:a}}", "`{{resolve:s3:a}}`: the service is `secretsmanager`, `ssm` or `ssm-secure`"),
            ("{{resolve:ssm:}}", "the name of a parameter is missing"),
            ("{{resolve:secretsmanager}}", "the name of a secret is missing"),
            ("{{resolve:secretsmanager:a:SecretBinary}}", "only its `SecretString`"),
            ("{{resolve:secretsmanager:a:::s:v}}", "either a stage or a version"),
            ("{{resolve:secretsmanager:a:::s::x}}", "at most `secretsmanager:ID:"),
        ] {
            let error = pieces(value).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
    }
}
