//! What an item has: values of ten types, by name.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::aws::dynamodb::number::DecimalNumber;
use crate::limits::dynamodb::{ELEMENT_BYTES, NEST_BYTES};

/// An item, or a map within one.
pub type AttributeMap = BTreeMap<String, ItemValue>;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemValue {
    S(String),
    N(DecimalNumber),
    B(Vec<u8>),
    Bool(bool),
    Null,
    M(AttributeMap),
    L(Vec<ItemValue>),
    Ss(BTreeSet<String>),
    Ns(BTreeSet<DecimalNumber>),
    Bs(BTreeSet<Vec<u8>>),
}

impl ItemValue {
    /// As requests and `attribute_type` name it.
    pub fn type_name(&self) -> &'static str {
        match self {
            ItemValue::S(_) => "S",
            ItemValue::N(_) => "N",
            ItemValue::B(_) => "B",
            ItemValue::Bool(_) => "BOOL",
            ItemValue::Null => "NULL",
            ItemValue::M(_) => "M",
            ItemValue::L(_) => "L",
            ItemValue::Ss(_) => "SS",
            ItemValue::Ns(_) => "NS",
            ItemValue::Bs(_) => "BS",
        }
    }

    /// As some errors name it.
    pub fn long_type_name(&self) -> &'static str {
        match self {
            ItemValue::S(_) => "STRING",
            ItemValue::N(_) => "NUMBER",
            ItemValue::B(_) => "BINARY",
            ItemValue::Bool(_) => "BOOLEAN",
            ItemValue::Null => "NULL",
            ItemValue::M(_) => "MAP",
            ItemValue::L(_) => "LIST",
            ItemValue::Ss(_) => "STRING_SET",
            ItemValue::Ns(_) => "NUMBER_SET",
            ItemValue::Bs(_) => "BINARY_SET",
        }
    }

    /// Bytes, as AWS counts them.
    pub fn size(&self) -> usize {
        match self {
            ItemValue::S(text) => text.len(),
            ItemValue::N(number) => number.size(),
            ItemValue::B(bytes) => bytes.len(),
            ItemValue::Bool(_) | ItemValue::Null => ELEMENT_BYTES,
            ItemValue::M(map) => NEST_BYTES + size(map) + map.len() * ELEMENT_BYTES,
            ItemValue::L(list) => NEST_BYTES + list.iter().map(|value| value.size() + ELEMENT_BYTES).sum::<usize>(),
            ItemValue::Ss(set) => set.iter().map(String::len).sum(),
            ItemValue::Ns(set) => set.iter().map(|number| number.size()).sum(),
            ItemValue::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }

    /// Lists and maps within each other.
    pub fn depth(&self) -> usize {
        match self {
            ItemValue::M(map) => 1 + map.values().map(ItemValue::depth).max().unwrap_or(0),
            ItemValue::L(list) => 1 + list.iter().map(ItemValue::depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Of an item, its names included.
pub fn size(item: &AttributeMap) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// As requests and answers have it: `{"S": "text"}`.
impl Serialize for ItemValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let name = self.type_name();
        match self {
            ItemValue::S(text) => map.serialize_entry(name, text)?,
            ItemValue::N(number) => map.serialize_entry(name, &number.to_string())?,
            ItemValue::B(bytes) => map.serialize_entry(name, &STANDARD.encode(bytes))?,
            ItemValue::Bool(value) => map.serialize_entry(name, value)?,
            ItemValue::Null => map.serialize_entry(name, &true)?,
            ItemValue::M(members) => map.serialize_entry(name, members)?,
            ItemValue::L(list) => map.serialize_entry(name, list)?,
            ItemValue::Ss(set) => map.serialize_entry(name, set)?,
            ItemValue::Ns(set) => map.serialize_entry(name, &set.iter().map(ToString::to_string).collect::<Vec<_>>())?,
            ItemValue::Bs(set) => {
                map.serialize_entry(name, &set.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>())?
            }
        }
        map.end()
    }
}
