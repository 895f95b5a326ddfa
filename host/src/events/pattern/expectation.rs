//! What is expected of one leaf.

use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::address::{AddressRange, address};
use super::error::PatternError;
use super::numeric::{NumericRange, are_equal};
use super::wildcard::Wildcard;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// A text that is an address, however it is written.
    Address(IpAddr),
    Prefix(String),
    Suffix(String),
    /// In lower case, as what follows.
    IgnoringCase(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    Wildcard(Wildcard),
    Numeric(NumericRange),
    Network(AddressRange),
    Present,
    /// Holds for no leaf; the pattern looks at it.
    Absent,
    AnythingBut(Vec<Expectation>),
}

impl Expectation {
    /// An element of a key's list.
    pub fn parse(value: &Value) -> Result<Expectation, PatternError> {
        match value {
            Value::Null => Ok(Expectation::Null),
            Value::Bool(value) => Ok(Expectation::Boolean(*value)),
            Value::Number(number) => Ok(Expectation::Number(number.clone())),
            Value::String(text) => Ok(address(text).map_or_else(|| Expectation::Text(text.clone()), Expectation::Address)),
            Value::Object(members) => operator(members),
            Value::Array(_) => Err(PatternError::new("Match value must be String, number, true, false, or null")),
        }
    }

    pub fn holds(&self, leaf: &Value) -> bool {
        let text = leaf.as_str();
        let with = |test: &dyn Fn(&str) -> bool| text.is_some_and(test);
        match self {
            Expectation::Null => leaf.is_null(),
            Expectation::Boolean(value) => leaf.as_bool() == Some(*value),
            Expectation::Number(number) => matches!(leaf, Value::Number(found) if are_equal(found, number)),
            Expectation::Text(value) => text == Some(value),
            Expectation::Address(value) => with(&|text| address(text) == Some(*value)),
            Expectation::Prefix(prefix) => with(&|text| text.starts_with(prefix)),
            Expectation::Suffix(suffix) => with(&|text| text.ends_with(suffix)),
            Expectation::IgnoringCase(value) => with(&|text| text.to_lowercase() == *value),
            Expectation::PrefixIgnoringCase(prefix) => with(&|text| text.to_lowercase().starts_with(prefix)),
            Expectation::SuffixIgnoringCase(suffix) => with(&|text| text.to_lowercase().ends_with(suffix)),
            Expectation::Wildcard(wildcard) => with(&|text| wildcard.matches(text)),
            Expectation::Numeric(range) => matches!(leaf, Value::Number(found) if range.contains(found)),
            Expectation::Network(network) => with(&|text| network.contains(text)),
            Expectation::Present => true,
            Expectation::Absent => false,
            Expectation::AnythingBut(values) => !values.iter().any(|value| value.holds(leaf)),
        }
    }
}

/// `{"prefix": "a"}` and its like.
fn operator(members: &Map<String, Value>) -> Result<Expectation, PatternError> {
    let (name, operand) = only(members, "Match expression name not found")?;
    let text = |what: &str| {
        operand.as_str().map(str::to_owned).ok_or_else(|| PatternError::new(format!("{what} match pattern must be a string")))
    };
    match name {
        "exactly" => text("exact").map(Expectation::Text),
        "prefix" | "suffix" => affix(name, operand),
        "equals-ignore-case" => Ok(Expectation::IgnoringCase(text(name)?.to_lowercase())),
        "wildcard" => Ok(Expectation::Wildcard(Wildcard::parse(&text(name)?)?)),
        // AWS says `prefix` here.
        "cidr" => Ok(Expectation::Network(AddressRange::parse(&text("prefix")?)?)),
        "numeric" => match operand {
            Value::Array(terms) => Ok(Expectation::Numeric(NumericRange::parse(terms)?)),
            _ => Err(PatternError::new("Value of numeric must be an array.")),
        },
        "exists" => match operand {
            Value::Bool(true) => Ok(Expectation::Present),
            Value::Bool(false) => Ok(Expectation::Absent),
            _ => Err(PatternError::new("exists match pattern must be either true or false.")),
        },
        "anything-but" => anything_but(operand),
        other => Err(PatternError::new(format!("Unrecognized match type {other}"))),
    }
}

fn only<'a>(members: &'a Map<String, Value>, nothing: &str) -> Result<(&'a str, &'a Value), PatternError> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((name, operand)), None) => Ok((name, operand)),
        (None, _) => Err(PatternError::new(nothing)),
        _ => Err(PatternError::new("Only one key allowed in match expression")),
    }
}

/// A `prefix` or `suffix`: a text, or a text whose case is ignored.
fn affix(name: &str, operand: &Value) -> Result<Expectation, PatternError> {
    let is_prefix = name == "prefix";
    match operand {
        Value::String(text) if is_prefix => Ok(Expectation::Prefix(text.clone())),
        Value::String(text) => Ok(Expectation::Suffix(text.clone())),
        Value::Object(members) => {
            let title = if is_prefix { "Prefix" } else { "Suffix" };
            let (inner, operand) = only(members, &format!("{title} expression name not found"))?;
            if inner != "equals-ignore-case" {
                return Err(PatternError::new(format!("Unsupported {name} pattern: {inner}")));
            }
            let Some(text) = operand.as_str() else {
                return Err(PatternError::new("equals-ignore-case match pattern must be a string"));
            };
            let text = text.to_lowercase();
            Ok(if is_prefix { Expectation::PrefixIgnoringCase(text) } else { Expectation::SuffixIgnoringCase(text) })
        }
        _ => Err(PatternError::new(format!("{name} match pattern must be a string"))),
    }
}

const ANYTHING_BUT_WHAT: &str = "Value of anything-but must be an array or single string/number value.";

fn anything_but(operand: &Value) -> Result<Expectation, PatternError> {
    let values = match operand {
        Value::Object(members) => {
            let (name, operand) = only(members, "Anything-But expression name not found")?;
            if !["equals-ignore-case", "prefix", "suffix", "wildcard"].contains(&name) {
                return Err(PatternError::new(format!("Unsupported anything-but pattern: {name}")));
            }
            one_or_many(operand)?.iter().map(|value| anything_but_text(name, value)).collect::<Result<_, _>>()?
        }
        operand => anything_but_values(one_or_many(operand)?)?,
    };
    Ok(Expectation::AnythingBut(values))
}

fn one_or_many(operand: &Value) -> Result<&[Value], PatternError> {
    match operand {
        Value::Array(values) => Ok(values),
        Value::String(_) | Value::Number(_) => Ok(std::slice::from_ref(operand)),
        _ => Err(PatternError::new(ANYTHING_BUT_WHAT)),
    }
}

fn anything_but_text(name: &str, value: &Value) -> Result<Expectation, PatternError> {
    let Some(text) = value.as_str() else {
        return Err(PatternError::new(match name {
            "equals-ignore-case" => "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
            "wildcard" => "wildcard match pattern must be a string",
            _ => "prefix/suffix match pattern must be a string",
        }));
    };
    match name {
        "equals-ignore-case" => Ok(Expectation::IgnoringCase(text.to_lowercase())),
        "wildcard" => Ok(Expectation::Wildcard(Wildcard::parse(text)?)),
        _ if text.is_empty() => Err(PatternError::new("Null prefix/suffix not allowed")),
        "prefix" => Ok(Expectation::Prefix(text.to_owned())),
        _ => Ok(Expectation::Suffix(text.to_owned())),
    }
}

fn anything_but_values(values: &[Value]) -> Result<Vec<Expectation>, PatternError> {
    if !values.iter().all(|value| value.is_string() || value.is_number()) {
        return Err(PatternError::new("Inside anything but list, start|null|boolean is not supported."));
    }
    let texts = values.iter().filter(|value| value.is_string()).count();
    if values.is_empty() || (texts > 0 && texts < values.len()) {
        return Err(PatternError::new(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ));
    }
    // A text is itself here, even if it is an address.
    Ok(values
        .iter()
        .map(|value| match value {
            Value::Number(number) => Expectation::Number(number.clone()),
            other => Expectation::Text(other.as_str().unwrap_or_default().to_owned()),
        })
        .collect())
}
