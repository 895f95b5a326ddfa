//! Parameters that many actions have, as the service's model constrains them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::iam::entity;
use crate::aws::query::QueryForm;
use crate::limits::iam::{
    DESCRIPTION_CHARS, PARAMETERS, PATH_CHARS, POLICY_NAME_CHARS, ROLE_NAME_CHARS, TAG_KEY_CHARS, TAG_VALUE_CHARS, TAGS,
    USER_NAME_CHARS,
};

pub fn role_name(form: &QueryForm) -> Result<&str, ApiError> {
    name(form, "RoleName", ROLE_NAME_CHARS)
}

pub fn user_name(form: &QueryForm) -> Result<&str, ApiError> {
    name(form, "UserName", USER_NAME_CHARS)
}

pub fn policy_name(form: &QueryForm) -> Result<&str, ApiError> {
    name(form, "PolicyName", POLICY_NAME_CHARS)
}

pub fn policy_arn(form: &QueryForm) -> Result<&str, ApiError> {
    let arn = required(form, "PolicyArn")?;
    let mut constraints = Constraints::default();
    constraints.length("policyArn", arn, 20..=2_048);
    constraints.finish()?;
    Ok(arn)
}

/// A parameter that must be there.
pub fn required<'a>(form: &'a QueryForm, parameter: &str) -> Result<&'a str, ApiError> {
    let mut constraints = Constraints::default();
    let found = constraints.required(&place(parameter), form.parameter(parameter)).unwrap_or_default();
    constraints.finish().map(|()| found)
}

fn name<'a>(form: &'a QueryForm, parameter: &str, chars_max: usize) -> Result<&'a str, ApiError> {
    let name = required(form, parameter)?;
    let (mut constraints, place) = (Constraints::default(), place(parameter));
    constraints.length(&place, name, 1..=chars_max);
    let sound = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    constraints.pattern(&place, name, "[\\w+=,.@-]+", sound);
    constraints.finish()?;
    Ok(name)
}

/// `Path`, or the one that everything has that is given none.
pub fn path(form: &QueryForm) -> Result<&str, ApiError> {
    let path = form.parameter("Path").unwrap_or("/");
    let mut constraints = Constraints::default();
    constraints.length("path", path, 1..=PATH_CHARS);
    constraints.pattern("path", path, "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)", is_path);
    constraints.finish()?;
    Ok(path)
}

/// Wildcards would make of a path the ARN of many; what AWS does not exclude, this does.
fn is_path(path: &str) -> bool {
    let sound = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && !b"*?".contains(&byte));
    sound && path.starts_with('/') && path.ends_with('/') && !path.contains("//")
}

pub fn description(form: &QueryForm) -> Result<Option<String>, ApiError> {
    let Some(text) = form.parameter("Description") else { return Ok(None) };
    let mut constraints = Constraints::default();
    constraints.length("description", text, 0..=DESCRIPTION_CHARS);
    let sound = |text: &str| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}'));
    constraints.pattern("description", text, "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*", sound);
    constraints.finish()?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// A number of a range.
pub fn number(form: &QueryForm, parameter: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
    let Some(text) = form.parameter(parameter) else { return Ok(None) };
    let (mut constraints, place) = (Constraints::default(), place(parameter));
    let number = text.parse();
    match &number {
        Ok(number) => constraints.range(&place, *number, range),
        Err(_) => constraints.fail(&place, &text, "be a number"),
    }
    constraints.finish()?;
    Ok(number.ok())
}

/// `Tags`, in which a key may stand once, whatever its case.
pub fn tags(form: &QueryForm) -> Result<BTreeMap<String, String>, ApiError> {
    let (mut tags, mut constraints) = (BTreeMap::new(), Constraints::default());
    for number in 1..=PARAMETERS {
        let Some(key) = form.member("Tags", number, "Key") else { break };
        let value = form.member("Tags", number, "Value").unwrap_or_default();
        let place = format!("tags.{number}.member");
        for (place, text, chars) in
            [(format!("{place}.key"), key, 1..=TAG_KEY_CHARS), (format!("{place}.value"), value, 0..=TAG_VALUE_CHARS)]
        {
            constraints.length(&place, text, chars);
            constraints.pattern(&place, text, "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", |text| {
                text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
            });
        }
        if tags.keys().any(|known: &String| known.eq_ignore_ascii_case(key)) {
            let why = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(ApiError::bad_request("InvalidInput", why));
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(ApiError::bad_request("InvalidInput", "Tag keys may not begin with aws:."));
        }
        if tags.len() >= TAGS {
            return Err(entity::limit("TagsPerEntity", TAGS));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    constraints.finish().map(|()| tags)
}

/// `TagKeys`, which are to be removed.
pub fn tag_keys(form: &QueryForm) -> Result<Vec<&str>, ApiError> {
    let keys = form.list("TagKeys");
    if keys.len() > TAGS {
        return Err(entity::limit("TagsPerEntity", TAGS));
    }
    let mut constraints = Constraints::default();
    for key in &keys {
        constraints.length("tagKeys", key, 1..=TAG_KEY_CHARS);
    }
    constraints.finish().map(|()| keys)
}

/// A parameter's path in the model: `RoleName` is `roleName`.
fn place(parameter: &str) -> String {
    let mut chars = parameter.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}
