//! What a template asks for: things with their members, in the spelling of the APIs that make them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::report::Warning;

/// Everything that a stack is to be.
#[derive(Debug, Clone)]
pub struct StackPlan {
    pub stack: String,
    /// In the order in which they can be made: what a thing needs stands before it.
    pub things: Vec<Thing>,
    /// By hash, as APIs tell it: base64 of SHA-256.
    pub archives: BTreeMap<String, CodeArchive>,
    pub outputs: Vec<Output>,
    /// Tables for an edge.toml that serves the events of APIs; empty if there are none.
    pub edge: String,
    pub warnings: Vec<Warning>,
    /// Texts that are not to be shown.
    pub secrets: Vec<String>,
}

/// A zip archive, or a component.
#[derive(Debug, Clone)]
pub struct CodeArchive {
    pub bytes: Arc<[u8]>,
    pub files: usize,
}

/// What a thing is said to be, by the names of the API.
pub type ThingMembers = BTreeMap<&'static str, Value>;

/// One thing that an API knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    pub key: ThingKey,
    /// All that is compared. A member that says nothing has the default of the API.
    pub members: ThingMembers,
}

/// A line of `Outputs`. Its value may have marks: see `later`.
#[derive(Debug, Clone)]
pub struct Output {
    pub name: String,
    pub description: String,
    pub value: Value,
}

/// What a thing is, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThingKey {
    Role(String),
    Layer(String),
    Function(String),
    /// With the version that it leads to.
    Alias {
        function: String,
        alias: String,
    },
    Url {
        function: String,
        alias: Option<String>,
    },
    Provisioned {
        function: String,
        alias: String,
    },
    EventInvoke {
        function: String,
        alias: Option<String>,
    },
    Permission {
        function: String,
        alias: Option<String>,
        sid: String,
    },
}

impl ThingKey {
    /// The function that it is of, or is.
    pub fn function(&self) -> Option<&str> {
        match self {
            ThingKey::Role(_) | ThingKey::Layer(_) => None,
            ThingKey::Function(function)
            | ThingKey::Alias { function, .. }
            | ThingKey::Url { function, .. }
            | ThingKey::Provisioned { function, .. }
            | ThingKey::EventInvoke { function, .. }
            | ThingKey::Permission { function, .. } => Some(function),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            ThingKey::Role(_) => "role",
            ThingKey::Layer(_) => "layer",
            ThingKey::Function(_) => "function",
            ThingKey::Alias { .. } => "alias",
            ThingKey::Url { .. } => "url",
            ThingKey::Provisioned { .. } => "provisioned",
            ThingKey::EventInvoke { .. } => "event-invoke",
            ThingKey::Permission { .. } => "permission",
        }
    }
}

impl fmt::Display for ThingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13}", self.kind())?;
        match self {
            ThingKey::Role(name) | ThingKey::Layer(name) | ThingKey::Function(name) => f.write_str(name),
            ThingKey::Alias { function, alias } | ThingKey::Provisioned { function, alias } => write!(f, "{function}:{alias}"),
            ThingKey::Url { function, alias } | ThingKey::EventInvoke { function, alias } => {
                f.write_str(&qualified(function, alias.as_deref()))
            }
            ThingKey::Permission { function, alias, sid } => write!(f, "{} {sid}", qualified(function, alias.as_deref())),
        }
    }
}

fn qualified(function: &str, alias: Option<&str>) -> String {
    alias.map_or_else(|| function.to_owned(), |alias| format!("{function}:{alias}"))
}
