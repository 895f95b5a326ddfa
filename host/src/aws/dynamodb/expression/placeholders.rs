//! What stands for names and values in the expressions of a request. What stands for nothing is an error, as on AWS.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::aws::dynamodb::attribute::ItemValue;
use crate::aws::dynamodb::expression::token::is_of_word;
use crate::aws::dynamodb::refusals::{invalid, wrong_type};
use crate::aws::dynamodb::wire::attribute_value;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{NAME_BYTES, PLACEHOLDER_CHARS, PLACEHOLDERS_BYTES};

/// See the module.
#[derive(Debug, Default)]
pub struct Placeholders {
    names: Option<BTreeMap<String, String>>,
    values: Option<BTreeMap<String, Arc<ItemValue>>>,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    /// Of `ExpressionAttributeNames` and `ExpressionAttributeValues`.
    pub fn read(names: Option<&Value>, values: Option<&Value>) -> Result<Placeholders, ApiError> {
        let names = names.map(read_names).transpose()?;
        let values = values.map(read_values).transpose()?;
        Ok(Placeholders { names, values, used: RefCell::default() })
    }

    /// The name behind `#name`.
    pub fn name(&self, placeholder: &str) -> Option<&str> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.names.as_ref()?.get(placeholder).map(String::as_str)
    }

    /// The value behind `:value`.
    pub fn value(&self, placeholder: &str) -> Option<&Arc<ItemValue>> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.values.as_ref()?.get(placeholder)
    }

    /// Refuses what was not used. `expressions` are those that a request may have in which values can stand, each with whether
    /// it was there.
    pub fn finish(self, any_expression: bool, expressions: &[(&str, bool)]) -> Result<(), ApiError> {
        let used = self.used.into_inner();
        if self.names.is_some() && !any_expression {
            return Err(invalid("ExpressionAttributeNames can only be specified when using expressions"));
        }
        if self.values.is_some() && expressions.iter().all(|(_, is_there)| !is_there) {
            let names: Vec<&str> = expressions.iter().map(|(name, _)| *name).collect();
            let verb = if names.len() == 1 { "is" } else { "are" };
            let text = "ExpressionAttributeValues can only be specified when using expressions";
            return Err(invalid(match names[..] {
                [] => text.to_owned(),
                _ => format!("{text}: {} {verb} null", names.join(" and ")),
            }));
        }
        let names = self.names.iter().flat_map(|names| names.keys());
        unused("ExpressionAttributeNames", names, &used)?;
        unused("ExpressionAttributeValues", self.values.iter().flat_map(|values| values.keys()), &used)
    }
}

fn unused<'a>(member: &str, given: impl Iterator<Item = &'a String>, used: &BTreeSet<String>) -> Result<(), ApiError> {
    let unused: Vec<&str> = given.filter(|key| !used.contains(*key)).map(String::as_str).collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("Value provided in {member} unused in expressions: keys: {{{}}}", unused.join(", "))))
}

fn read_names(value: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let members = value.as_object().ok_or_else(|| wrong_type("Unexpected field type"))?;
    let mut names = BTreeMap::new();
    for (key, name) in members {
        let name = name.as_str().ok_or_else(|| wrong_type("NUMBER_VALUE cannot be converted to String"))?;
        check_key("ExpressionAttributeNames", key, '#')?;
        if name.is_empty() {
            return Err(invalid(format!(
                "ExpressionAttributeNames contains invalid value: Invalid attribute name for key {key}"
            )));
        }
        if name.len() > NAME_BYTES {
            let message = format!("Attribute name is too large, must be less than {} bytes", NAME_BYTES + 1);
            return Err(invalid(format!("ExpressionAttributeNames contains invalid value: {message} for key {key}")));
        }
        names.insert(key.clone(), name.to_owned());
    }
    if names.is_empty() {
        return Err(invalid("ExpressionAttributeNames must not be empty"));
    }
    Ok(names)
}

fn read_values(value: &Value) -> Result<BTreeMap<String, Arc<ItemValue>>, ApiError> {
    let members = value.as_object().ok_or_else(|| wrong_type("Unexpected field type"))?;
    let mut values = BTreeMap::new();
    for (key, value) in members {
        check_key("ExpressionAttributeValues", key, ':')?;
        let value = attribute_value(value).map_err(|error| {
            if error.code != "ValidationException" {
                return error;
            }
            let why = error.message.as_deref().unwrap_or_default();
            invalid(format!("ExpressionAttributeValues contains invalid value: {why} for key {key}"))
        })?;
        values.insert(key.clone(), Arc::new(value));
    }
    if values.is_empty() {
        return Err(invalid("ExpressionAttributeValues must not be empty"));
    }
    if values.values().map(|value| value.size()).sum::<usize>() > PLACEHOLDERS_BYTES {
        return Err(invalid("ExpressionAttributeValues exceeds the maximum size of 2 MB"));
    }
    Ok(values)
}

fn check_key(member: &str, key: &str, mark: char) -> Result<(), ApiError> {
    let name = key.strip_prefix(mark).filter(|name| !name.is_empty() && name.chars().all(is_of_word));
    if name.is_none() || key.chars().count() > PLACEHOLDER_CHARS {
        return Err(invalid(format!("{member} contains invalid key: Syntax error; key: \"{key}\"")));
    }
    Ok(())
}
