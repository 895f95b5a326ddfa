//! A value of a template, with its place.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Map, Number, Value};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TemplateNode {
    pub(super) shape: Shape,
    /// Bytes of the template.
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Without quotes it may be a number, a truth value or nothing, if that is what is looked for.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<TemplateNode>),
    Map(Vec<Entry>),
    /// An intrinsic function, which is gone when a value has been resolved.
    Call {
        name: String,
        argument: Box<TemplateNode>,
    },
    /// `AWS::NoValue`: what it stands for is left out.
    Nothing,
    /// An error has been reported: others about this value would only be its consequences.
    Broken,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: TemplateNode,
}

impl TemplateNode {
    pub(super) fn text(text: impl Into<String>, span: Range<usize>) -> TemplateNode {
        TemplateNode { shape: Shape::Text { text: text.into(), plain: false }, span }
    }

    pub(super) fn broken(span: Range<usize>) -> TemplateNode {
        TemplateNode { shape: Shape::Broken, span }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        match self.as_text()? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&[Entry]> {
        match &self.shape {
            Shape::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.shape == Shape::Broken
    }

    /// Nothing is written there.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.shape, Shape::Text { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.key == key)
    }

    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.shape {
            _ if self.is_null() => "nothing",
            Shape::Text { .. } => "a text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
            Shape::Call { .. } => "an intrinsic function",
            Shape::Nothing | Shape::Broken => "nothing",
        }
    }

    /// A resolved value as JSON.
    pub(super) fn to_json(&self) -> Value {
        match &self.shape {
            Shape::Text { text, plain: true } => plain(text, self),
            Shape::Text { text, plain: false } => text.as_str().into(),
            Shape::List(items) => items.iter().map(TemplateNode::to_json).collect(),
            Shape::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>().into()
            }
            Shape::Call { .. } | Shape::Nothing | Shape::Broken => Value::Null,
        }
    }
}

/// By YAML's core schema.
fn plain(text: &str, node: &TemplateNode) -> Value {
    if node.is_null() {
        return Value::Null;
    }
    if let Some(flag) = node.as_flag() {
        return flag.into();
    }
    // `1.0` and `1e3` too; not `2012-10-17`, `.5` or `+1`.
    match serde_json::from_str::<Number>(text) {
        Ok(number) => number.into(),
        Err(_) => text.into(),
    }
}

/// As it might be written in a line, for messages and plans.
pub fn told(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    if let Some((at, _)) = text.char_indices().nth(60) {
        text.truncate(at);
        let _ = write!(text, "…");
    }
    text
}
