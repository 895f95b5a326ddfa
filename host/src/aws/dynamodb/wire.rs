//! Values as requests have them, in JSON, and what AWS says of those that are none.
//!
//! What is on disk is read here, too: it was written in the same form.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};
use crate::aws::dynamodb::number::{DecimalNumber, NumberFault};
use crate::aws::dynamodb::refusals::{invalid, parameters, wrong_type};
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{DEPTH, NAME_BYTES};

/// An item as it is kept.
pub struct KeptItem(pub AttributeMap);

impl<'de> Deserialize<'de> for KeptItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeptItem, D::Error> {
        let members = Map::deserialize(deserializer)?;
        attributes(&members).map(KeptItem).map_err(serde::de::Error::custom)
    }
}

/// A map of a request: an item, a key, values of placeholders.
///
/// # Errors
/// `SerializationException` for what has the wrong shape, and `ValidationException` for what is no value.
pub fn attribute_map(value: &Value) -> Result<AttributeMap, ApiError> {
    let members = value.as_object().ok_or_else(|| unexpected(value))?;
    let map = attributes(members)?;
    map.values().try_for_each(check_depth)?;
    Ok(map)
}

/// One value of a request, with the same errors.
pub fn attribute_value(value: &Value) -> Result<ItemValue, ApiError> {
    let value = attribute(value)?;
    check_depth(&value).map(|()| value)
}

fn check_depth(value: &ItemValue) -> Result<(), ApiError> {
    if value.depth() > DEPTH { Err(invalid("Nesting Levels have exceeded supported limits")) } else { Ok(()) }
}

/// JSON itself ends the recursion: what was parsed is at most 128 deep.
fn attributes(members: &Map<String, Value>) -> Result<AttributeMap, ApiError> {
    let mut map = AttributeMap::new();
    for (name, value) in members {
        if name.is_empty() || name.len() > NAME_BYTES {
            let message = "One or more parameter values are not valid. An attribute's name has 1 to 65535 bytes";
            return Err(invalid(message));
        }
        map.insert(name.clone(), attribute(value)?);
    }
    Ok(map)
}

fn attribute(value: &Value) -> Result<ItemValue, ApiError> {
    let members = value.as_object().ok_or_else(|| unexpected(value))?;
    let mut members = members.iter().filter(|(_, value)| !value.is_null());
    let Some((kind, value)) = members.next() else {
        return Err(invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"));
    };
    if members.next().is_some() {
        let message =
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
        return Err(invalid(message));
    }
    Ok(match kind.as_str() {
        "S" => ItemValue::S(text(value)?.to_owned()),
        "N" => ItemValue::N(number(value)?),
        "B" => ItemValue::B(bytes(value)?),
        "BOOL" => ItemValue::Bool(value.as_bool().ok_or_else(|| unexpected(value))?),
        "NULL" => match value.as_bool() {
            Some(true) => ItemValue::Null,
            Some(false) => return Err(parameters("Null attribute value types must have the value of true")),
            None => return Err(unexpected(value)),
        },
        "M" => ItemValue::M(attributes(value.as_object().ok_or_else(|| unexpected(value))?)?),
        "L" => ItemValue::L(list(value)?.iter().map(attribute).collect::<Result<_, _>>()?),
        "SS" => {
            let of = |value: &Value| text(value).map(str::to_owned);
            ItemValue::Ss(set(list(value)?, of, "An string set  may not be empty", || twice(value))?)
        }
        "NS" => ItemValue::Ns(set(list(value)?, number, "An number set  may not be empty", || {
            // As AWS tells it of numbers.
            invalid("Input collection contains duplicates")
        })?),
        "BS" => ItemValue::Bs(set(list(value)?, bytes, "Binary sets should not be empty", || twice(value))?),
        _ => return Err(invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")),
    })
}

fn text(value: &Value) -> Result<&str, ApiError> {
    value.as_str().ok_or_else(|| unexpected(value))
}

fn list(value: &Value) -> Result<&[Value], ApiError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| unexpected(value))
}

fn number(value: &Value) -> Result<DecimalNumber, ApiError> {
    let text = text(value)?;
    DecimalNumber::parse(text).map_err(|fault| match fault {
        NumberFault::NotNumeric if !text.is_empty() => invalid(format!("{fault}: {text}")),
        _ => invalid(fault.to_string()),
    })
}

fn bytes(value: &Value) -> Result<Vec<u8>, ApiError> {
    let wrong = |_| wrong_type("A value of type B is not in base64");
    STANDARD.decode(text(value)?).map_err(wrong)
}

fn set<T: Ord>(
    values: &[Value],
    read: impl Fn(&Value) -> Result<T, ApiError>,
    empty: &str,
    twice: impl FnOnce() -> ApiError,
) -> Result<BTreeSet<T>, ApiError> {
    let set = values.iter().map(read).collect::<Result<BTreeSet<T>, _>>()?;
    if set.is_empty() {
        return Err(parameters(empty));
    }
    if set.len() < values.len() { Err(twice()) } else { Ok(set) }
}

/// A set in which something is twice, as it was sent.
fn twice(value: &Value) -> ApiError {
    let texts: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    parameters(&format!("Input collection [{}] contains duplicates.", texts.join(", ")))
}

/// A value in JSON that has no business where it stands.
fn unexpected(value: &Value) -> ApiError {
    wrong_type(match value {
        Value::Null => "Unexpected null",
        Value::Bool(true) => "TRUE_VALUE cannot be converted to the expected type",
        Value::Bool(false) => "FALSE_VALUE cannot be converted to the expected type",
        Value::Number(_) => "NUMBER_VALUE cannot be converted to String",
        Value::String(_) => "STRING_VALUE cannot be converted to the expected type",
        Value::Array(_) => "Unrecognized collection type",
        Value::Object(_) => "Start of structure or map found where not expected",
    })
}
