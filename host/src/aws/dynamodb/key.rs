//! Where an item is: its table, a digest of its hash key, the hash key, the range key, in a text that sorts as range keys do.
//!
//!     TABLE:DIGEST HASH:RANGE        digest: 8 hexadecimal digits, keys: hexadecimal
//!
//! Items of one hash key are together, in the order of their range keys; hash keys are in no order that means anything, so that
//! a scan in segments has as much to do in each.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};
use crate::aws::dynamodb::refusals::{invalid, key_mismatch, parameters};
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{HASH_KEY_BYTES, RANGE_KEY_BYTES};

/// Behind every hexadecimal digit.
const BEHIND_DIGITS: &str = "g";

/// What a key attribute may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    S,
    N,
    B,
}

impl KeyType {
    pub fn of(name: &str) -> Option<KeyType> {
        [KeyType::S, KeyType::N, KeyType::B].into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            KeyType::S => "S",
            KeyType::N => "N",
            KeyType::B => "B",
        }
    }

    pub fn fits(self, value: &ItemValue) -> bool {
        self.name() == value.type_name()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    pub name: String,
    pub kind: KeyType,
}

/// The key of a table's items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    pub hash: KeyAttribute,
    pub range: Option<KeyAttribute>,
}

impl KeySchema {
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    pub fn is_part(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key of an item.
    pub fn key_of(&self, item: &AttributeMap) -> AttributeMap {
        let named = |attribute: &KeyAttribute| item.get(&attribute.name).map(|value| (attribute.name.clone(), value.clone()));
        self.attributes().filter_map(named).collect()
    }

    /// Where an item that is to be written is.
    ///
    /// # Errors
    /// It has no key of this table.
    pub fn place_of_item(&self, table: &str, item: &AttributeMap) -> Result<String, ApiError> {
        for KeyAttribute { name, kind } in self.attributes() {
            let Some(value) = item.get(name) else { return Err(parameters(&format!("Missing the key {name} in the item"))) };
            if !kind.fits(value) {
                let actual = value.type_name();
                return Err(parameters(&format!("Type mismatch for key {name} expected: {} actual: {actual}", kind.name())));
            }
        }
        self.place(table, item)
    }

    /// Where the item of a key is.
    ///
    /// # Errors
    /// It is no key of this table.
    pub fn place_of_key(&self, table: &str, key: &AttributeMap) -> Result<String, ApiError> {
        let fits = |attribute: &KeyAttribute| key.get(&attribute.name).is_some_and(|value| attribute.kind.fits(value));
        if key.len() != self.attributes().count() || !self.attributes().all(fits) {
            return Err(key_mismatch());
        }
        self.place(table, key)
    }

    fn place(&self, table: &str, item: &AttributeMap) -> Result<String, ApiError> {
        for KeyAttribute { name, kind } in self.attributes() {
            let (empty, bytes) = (item.get(name).is_some_and(|value| value.size() == 0), key_bytes(item.get(name)));
            if empty {
                let what = if *kind == KeyType::B { "binary" } else { "string" };
                return Err(invalid(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
                     {what} value. Key: {name}"
                )));
            }
            if *name == self.hash.name && bytes.len() > HASH_KEY_BYTES {
                // As AWS spells it.
                return Err(parameters("Size of hashkey has exceeded the maximum size limit of2048 bytes"));
            }
            if *name != self.hash.name && bytes.len() > RANGE_KEY_BYTES {
                return Err(parameters("Aggregated size of all range keys has exceeded the size limit of 1024 bytes"));
            }
        }
        let mut place = partition(table, item.get(&self.hash.name));
        if let Some(range) = &self.range {
            place.push_str(&hex::encode(key_bytes(item.get(&range.name))));
        }
        Ok(place)
    }

    /// As tables are described.
    pub fn described(&self) -> (Value, Value) {
        let kinds = ["HASH", "RANGE"];
        let schema =
            self.attributes().zip(kinds).map(|(attribute, kind)| json!({"AttributeName": attribute.name, "KeyType": kind}));
        let definition =
            |attribute: &KeyAttribute| json!({"AttributeName": attribute.name, "AttributeType": attribute.kind.name()});
        (schema.collect(), self.attributes().map(definition).collect())
    }
}

/// The items of a table.
pub fn table_items(table: &str) -> (Bound<String>, Bound<String>) {
    (Bound::Included(format!("{table}:")), Bound::Excluded(behind_table(table)))
}

/// The items of a segment of a table, of which there are `total`.
pub fn segment_items(table: &str, segment: u64, total: u64) -> (Bound<String>, Bound<String>) {
    let (first, end) = table_items(table);
    let begin = |segment: u64| (u128::from(segment) << 32).div_ceil(u128::from(total.max(1)));
    let from = if segment == 0 { first } else { Bound::Included(format!("{table}:{:08x}", begin(segment))) };
    let to = if segment + 1 >= total { end } else { Bound::Excluded(format!("{table}:{:08x}", begin(segment + 1))) };
    (from, to)
}

/// A text behind all places of a table.
pub fn behind_table(table: &str) -> String {
    format!("{table};")
}

/// The table of a place.
pub fn table_of(place: &str) -> &str {
    place.split_once(':').map_or(place, |(table, _)| table)
}

/// What the places of items of one hash key begin with.
pub fn partition(table: &str, hash: Option<&ItemValue>) -> String {
    let hash = key_bytes(hash);
    format!("{table}:{:08x}{}:", crc32fast::hash(&hash), hex::encode(hash))
}

/// What a query asks of range keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeCondition {
    Equal(ItemValue),
    Less(ItemValue),
    LessOrEqual(ItemValue),
    Greater(ItemValue),
    GreaterOrEqual(ItemValue),
    Between(ItemValue, ItemValue),
    BeginsWith(ItemValue),
}

/// The items of one hash key whose range keys satisfy a condition.
pub fn partition_items(partition: &str, condition: Option<&RangeCondition>) -> (Bound<String>, Bound<String>) {
    let place = |value: &ItemValue| format!("{partition}{}", hex::encode(key_bytes(Some(value))));
    let all = (Bound::Included(partition.to_owned()), Bound::Excluded(format!("{partition}{BEHIND_DIGITS}")));
    match condition {
        None => all,
        Some(RangeCondition::Equal(value)) => (Bound::Included(place(value)), Bound::Included(place(value))),
        Some(RangeCondition::Less(value)) => (all.0, Bound::Excluded(place(value))),
        Some(RangeCondition::LessOrEqual(value)) => (all.0, Bound::Included(place(value))),
        Some(RangeCondition::Greater(value)) => (Bound::Excluded(place(value)), all.1),
        Some(RangeCondition::GreaterOrEqual(value)) => (Bound::Included(place(value)), all.1),
        Some(RangeCondition::Between(from, to)) => (Bound::Included(place(from)), Bound::Included(place(to))),
        Some(RangeCondition::BeginsWith(value)) => {
            (Bound::Included(place(value)), Bound::Excluded(format!("{}{BEHIND_DIGITS}", place(value))))
        }
    }
}

/// Bytes that sort as values of one type do.
fn key_bytes(value: Option<&ItemValue>) -> Vec<u8> {
    match value {
        Some(ItemValue::S(text)) => text.as_bytes().to_vec(),
        Some(ItemValue::N(number)) => number.key_bytes().to_vec(),
        Some(ItemValue::B(bytes)) => bytes.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_next_to_each_other_and_end_with_the_table() {
        let bounds = |segment| segment_items("t", segment, 3);
        assert_eq!(bounds(0).0, Bound::Included("t:".to_owned()));
        assert_eq!(bounds(0).1, Bound::Excluded("t:55555556".to_owned()));
        assert_eq!(bounds(1).0, Bound::Included("t:55555556".to_owned()));
        assert_eq!(bounds(1).1, Bound::Excluded("t:aaaaaaab".to_owned()));
        assert_eq!(bounds(2).1, Bound::Excluded("t;".to_owned()));
        assert_eq!(segment_items("t", 0, 1), table_items("t"));
    }

    #[test]
    fn a_longer_key_is_behind_the_shorter_one_and_before_the_next() {
        let place = |text: &str| {
            let items = partition_items("p:", Some(&RangeCondition::Equal(ItemValue::S(text.to_owned()))));
            let (Bound::Included(place), _) = items else { panic!("a place") };
            place
        };
        let mut sorted = ["a", "aa", "a\u{7f}", "b", "é", "\u{10000}"].map(place).to_vec();
        let before = sorted.clone();
        sorted.sort();
        assert_eq!(sorted, before);
    }
}
