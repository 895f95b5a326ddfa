//! What is kept of a parameter beside its values: its versions and their labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParameterRecord {
    /// As it was first put.
    pub name: String,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// In the order of their numbers; never empty.
    pub versions: Vec<ParameterVersion>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParameterVersion {
    /// Begins with 1.
    pub number: u64,
    pub kind: ParameterKind,
    pub tier: ParameterTier,
    pub description: Option<String>,
    /// Of a `SecureString`.
    pub key_id: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterKind {
    String,
    StringList,
    SecureString,
}

impl ParameterKind {
    pub const NAMES: [&str; 3] = ["String", "StringList", "SecureString"];

    pub fn parse(name: &str) -> Option<ParameterKind> {
        [ParameterKind::String, ParameterKind::StringList, ParameterKind::SecureString]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ParameterKind::String => "String",
            ParameterKind::StringList => "StringList",
            ParameterKind::SecureString => "SecureString",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterTier {
    Standard,
    Advanced,
}

impl ParameterTier {
    pub fn as_str(self) -> &'static str {
        match self {
            ParameterTier::Standard => "Standard",
            ParameterTier::Advanced => "Advanced",
        }
    }
}

impl ParameterRecord {
    /// The version of a number or a label.
    pub fn selected(&self, selector: &str) -> Option<&ParameterVersion> {
        if selector.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = selector.parse().ok();
            return self.versions.iter().find(|version| Some(version.number) == number);
        }
        self.versions.iter().find(|version| version.labels.iter().any(|label| label == selector))
    }

    /// A version whose value is sealed.
    pub fn sealed(&self) -> Option<&ParameterVersion> {
        self.versions.iter().find(|version| version.kind == ParameterKind::SecureString)
    }

    /// Of all versions.
    pub fn ids(&self) -> Vec<String> {
        self.versions.iter().map(|version| version.number.to_string()).collect()
    }
}
