//! Values that only the deployment tells, as marks in texts.
//!
//! A mark stands between two NULs, which no text of a template has: `yaml` refuses them. So a mark cannot be written, nor
//! missed.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is known, by mark.
pub type Known = BTreeMap<String, String>;

/// The ARN of the newest version of a layer.
pub(super) fn layer(name: &str) -> String {
    format!("\0layer:{name}\0")
}

/// The URL of a function, or of an alias of it.
pub(super) fn url(function: &str, alias: Option<&str>) -> String {
    format!("\0url:{function}:{}\0", alias.unwrap_or_default())
}

/// The ARN of the version that an alias leads to.
pub(super) fn version(function: &str) -> String {
    format!("\0version:{function}\0")
}

pub(super) fn is_in(text: &str) -> bool {
    text.contains('\0')
}

/// The marks in a value.
pub(super) fn marks(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split('\0').skip(1).step_by(2).map(|mark| format!("\0{mark}\0")).collect(),
        Value::Array(values) => values.iter().flat_map(marks).collect(),
        Value::Object(members) => members.values().flat_map(marks).collect(),
        _ => Vec::new(),
    }
}

/// The value with what is known in place of marks.
#[must_use]
pub fn told(value: &Value, known: &Known) -> Value {
    match value {
        Value::String(text) if is_in(text) => {
            let parts = text.split('\0').enumerate().map(|(index, part)| {
                // Every second part is between two NULs.
                let mark = (index % 2 == 1).then(|| format!("\0{part}\0"));
                mark.map_or_else(|| part.to_owned(), |mark| known.get(&mark).cloned().unwrap_or(mark))
            });
            parts.collect::<String>().into()
        }
        Value::Array(values) => values.iter().map(|value| told(value, known)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), told(value, known))).collect::<serde_json::Map<_, _>>().into()
        }
        value => value.clone(),
    }
}
