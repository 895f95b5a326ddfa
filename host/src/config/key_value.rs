//! `[key_value_store.NAME]`: a JSON file, one object of strings, within the quotas of CloudFront's stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::Files;
use super::reader::{TableReader, Text};
use super::{Hidden, KeyValues};
use crate::diagnostic::quoted;
use crate::limits::config::{KV_FILE_BYTES, KV_KEY_BYTES, KV_STORE_BYTES, KV_VALUE_BYTES};

pub(super) fn read(root: &mut TableReader<'_>, files: &mut Files<'_>) -> BTreeMap<String, Arc<KeyValues>> {
    let stores = root.named("key_value_store").into_iter().filter_map(|(name, mut table)| {
        let file = table.required_text("file", "\"values.json\"");
        let values = file.and_then(|file| values(&table, &file, files));
        table.finish();
        let name = (*name.get_ref()).to_owned();
        Some((name.clone(), Arc::new(KeyValues { name, values: Hidden(Arc::new(values?)) })))
    });
    stores.collect()
}

fn values(table: &TableReader<'_>, file: &Text<'_>, files: &mut Files<'_>) -> Option<BTreeMap<String, Vec<u8>>> {
    let bytes = files.contents(table, file, KV_FILE_BYTES)?;
    match serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&bytes) {
        Ok(entries) => checked(table, file, entries),
        Err(error) => {
            let message = format!("`{}` is not one JSON object: {error}", file.get_ref().escape_debug());
            table.report.error(file.span(), message, "an object of strings is expected: {\"key\": \"value\"}");
            None
        }
    }
}

fn checked(
    table: &TableReader<'_>,
    file: &Text<'_>,
    entries: BTreeMap<String, serde_json::Value>,
) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut values = BTreeMap::new();
    let (mut not_text, mut long_keys, mut long_values) = (Vec::new(), Vec::new(), Vec::new());
    let mut total = 0;
    for (key, value) in entries {
        let serde_json::Value::String(value) = value else {
            not_text.push(key);
            continue;
        };
        total += key.len() + value.len();
        if key.is_empty() || key.len() > KV_KEY_BYTES {
            long_keys.push(key.chars().take(32).collect());
        } else if value.len() > KV_VALUE_BYTES {
            long_values.push(key);
        } else {
            values.insert(key, value.into_bytes());
        }
    }
    let mut sound = true;
    let mut refuse = |keys: &[String], message: &str, remedy: String| {
        if !keys.is_empty() {
            sound = false;
            let keys: Vec<_> = keys.iter().map(|key| key.escape_debug().to_string()).collect();
            let keys = quoted(keys.iter().map(String::as_str));
            table.report.error(file.span(), format!("{message}: {keys}"), remedy);
        }
    };
    refuse(&not_text, "values that are not strings", "quote them; a number is a string here".to_owned());
    refuse(&long_keys, "keys of a wrong length", format!("1 to {KV_KEY_BYTES} bytes are allowed"));
    refuse(&long_values, "values that are too long", format!("at most {KV_VALUE_BYTES} bytes are allowed"));
    if total > KV_STORE_BYTES {
        let message = format!("the key-value store has {total} bytes of keys and values");
        table.report.error(file.span(), message, format!("at most {KV_STORE_BYTES} are allowed"));
        return None;
    }
    sound.then_some(values)
}
