//! How a caller names a function: by its name, a part of its ARN or all of it, with or without a qualifier.
//!
//! Source: the patterns of the service's model, and answers recorded from AWS.

use std::fmt;

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::function_name::{QualifiedName, is_name};
use crate::limits::lambda::{IDENTIFIER_CHARS, QUALIFIER_CHARS};

const PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = "(|[a-zA-Z0-9$_-]+)";

/// Which version of a function is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qualifier {
    Latest,
    Version(u64),
    Alias(String),
}

impl Qualifier {
    pub fn of(text: &str) -> Qualifier {
        match text {
            "$LATEST" => Qualifier::Latest,
            // A number that is too large is that of no version.
            _ if is_number(text) => Qualifier::Version(text.parse().unwrap_or(u64::MAX)),
            _ => Qualifier::Alias(text.to_owned()),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qualifier::Latest => f.write_str("$LATEST"),
            Qualifier::Version(number) => number.fmt(f),
            Qualifier::Alias(name) => f.write_str(name),
        }
    }
}

/// A function, as a caller named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionIdentifier {
    pub name: String,
    pub qualifier: Option<Qualifier>,
}

impl FunctionIdentifier {
    /// Of the member `FunctionName` and of the parameter `Qualifier`, which must not contradict each other.
    pub fn parse(field: &str, parameter: Option<&str>, account: &Account) -> Result<FunctionIdentifier, ApiError> {
        let mut constraints = Constraints::default();
        if field.chars().count() > IDENTIFIER_CHARS {
            constraints.length("functionName", field, 1..=IDENTIFIER_CHARS);
        }
        let parts = Parts::of(field);
        if parts.is_none() {
            constraints.pattern("functionName", field, PATTERN, |_| false);
        }
        if let Some(qualifier) = parameter {
            constraints.length("qualifier", qualifier, 1..=QUALIFIER_CHARS);
            let word = qualifier.strip_prefix('$').unwrap_or(qualifier);
            let sound = |_: &str| word.is_empty() || is_name(word);
            constraints.pattern("qualifier", qualifier, QUALIFIER_PATTERN, sound);
        }
        constraints.finish()?;
        let Some(parts) = parts else { return Err(ApiError::validation("")) };
        if let Some(region) = parts.region
            && region != account.region
        {
            let here = &account.region;
            return Err(ApiError::not_found(format!("Functions from '{region}' are not reachable in this region ('{here}')")));
        }
        if parts.account.is_some_and(|id| id != account.id) {
            return Err(ApiError::foreign_account());
        }
        let QualifiedName { name, qualifier } = parts.named;
        if let (Some(named), Some(asked)) = (qualifier.as_deref(), parameter)
            && named != asked
        {
            let message = "The derived qualifier from the function name does not match the specified qualifier.";
            return Err(ApiError::invalid_parameter(message));
        }
        let qualifier = qualifier.as_deref().or(parameter).map(Qualifier::of);
        Ok(FunctionIdentifier { name, qualifier })
    }

    /// The ARN, with the qualifier if there is one.
    pub fn arn(&self, account: &Account) -> String {
        match &self.qualifier {
            Some(qualifier) => account.qualified_arn(&self.name, &qualifier.to_string()),
            None => account.function_arn(&self.name),
        }
    }
}

struct Parts<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    named: QualifiedName,
}

impl<'a> Parts<'a> {
    /// By the pattern above.
    fn of(field: &'a str) -> Option<Parts<'a>> {
        let mut rest: Vec<&str> = field.split(':').collect();
        if rest.len() > 3 && rest[0] == "arn" && rest[2] == "lambda" {
            let is_letter = |c: char| c.is_ascii_alphabetic() || c == '-';
            let is_partition = rest[1].starts_with("aws") && rest[1].chars().all(is_letter);
            if !(rest[1].is_empty() || is_partition) {
                return None;
            }
            rest.drain(..3);
        }
        let mut take = |is_it: &dyn Fn(&str) -> bool| (rest.len() > 1 && is_it(rest[0])).then(|| rest.remove(0));
        let region = take(&is_region);
        let account = take(&|part| part.len() == 12 && is_number(part));
        take(&|part| part == "function");
        Some(Parts { region, account, named: QualifiedName::parse(&rest.join(":"))? })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `us-east-1`, `us-gov-west-1`, `us-isob-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts[..] {
        [country, place, number] => country.len() == 2 && letters(country) && letters(place) && one_digit(number),
        [country, kind, place, number] => {
            let special = kind == "gov" || (kind.starts_with("iso") && kind.len() <= 4);
            country.len() == 2 && letters(country) && special && letters(place) && one_digit(number)
        }
        _ => false,
    }
}

fn one_digit(text: &str) -> bool {
    text.len() == 1 && is_number(text)
}

/// Whether a text may be the name of an alias: no number, and nothing but words.
pub fn is_alias(text: &str) -> bool {
    is_name(text) && !is_number(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(field: &str, parameter: Option<&str>) -> Result<FunctionIdentifier, ApiError> {
        FunctionIdentifier::parse(field, parameter, &Account::default())
    }

    #[test]
    fn a_function_is_named_in_every_form_that_lambda_takes() {
        let version = |number| Some(Qualifier::Version(number));
        for (field, parameter, qualifier) in [
            ("f", None, None),
            ("f:live", None, Some(Qualifier::Alias("live".to_owned()))),
            ("f:$LATEST", None, Some(Qualifier::Latest)),
            ("f:7", Some("7"), version(7)),
            ("f", Some("7"), version(7)),
            ("function:f", None, None),
            ("123456789012:f", None, None),
            ("123456789012:function:f:7", None, version(7)),
            ("us-east-1:123456789012:function:f", None, None),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", None, None),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:7", None, version(7)),
        ] {
            let identifier = parsed(field, parameter).unwrap();
            assert_eq!((identifier.name.as_str(), identifier.qualifier), ("f", qualifier), "{field}");
        }
        assert_eq!(parsed("f:7", None).unwrap().arn(&Account::default()), "arn:aws:lambda:us-east-1:123456789012:function:f:7");
    }

    #[test]
    fn what_is_no_name_of_ours_is_refused_as_lambda_refuses_it() {
        for (field, parameter, code, message) in [
            (
                "f g",
                None,
                "ValidationException",
                "Value 'f g' at 'functionName' failed to satisfy constraint: Member must satisfy",
            ),
            ("", None, "ValidationException", "at 'functionName'"),
            ("f:a:b", None, "ValidationException", "at 'functionName'"),
            ("f:7", Some("8"), "InvalidParameterValueException", "The derived qualifier from the function name"),
            ("f", Some("a b"), "ValidationException", "Value 'a b' at 'qualifier'"),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                None,
                "ResourceNotFoundException",
                "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
            ),
            ("arn:aws:lambda:us-east-1:210987654321:function:f", None, "AccessDeniedException", ""),
        ] {
            let error = parsed(field, parameter).unwrap_err();
            assert_eq!(error.code, code, "{field}");
            assert!(error.message.unwrap_or_default().contains(message), "{field}");
        }
        assert_eq!(parsed(&"f".repeat(141), None).unwrap_err().code, "ValidationException");
        assert!(parsed(&"f".repeat(65), None).is_ok(), "there is none of that name");
    }
}
