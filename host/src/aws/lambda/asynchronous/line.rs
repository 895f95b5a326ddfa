//! Which lines of the queue there are, and what their events say of their receivers.

use serde::{Deserialize, Serialize};

use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};

const FUNCTION: &str = "function:";
const DESTINATION: &str = "destination:";

/// Who works on a line.
#[derive(Debug, PartialEq, Eq)]
pub enum LineKind<'a> {
    /// Events for a function of this name.
    Function(&'a str),
    /// Records for what has this ARN.
    Destination(&'a str),
    Other,
}

impl LineKind<'_> {
    pub fn of(line: &str) -> LineKind<'_> {
        if let Some(name) = line.strip_prefix(FUNCTION) {
            LineKind::Function(name)
        } else if let Some(arn) = line.strip_prefix(DESTINATION) {
            LineKind::Destination(arn)
        } else {
            LineKind::Other
        }
    }
}

pub fn line_of_function(name: &str) -> String {
    format!("{FUNCTION}{name}")
}

pub fn line_of_destination(arn: &str) -> String {
    format!("{DESTINATION}{arn}")
}

/// What an event says of the function that it is for, besides its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncReceiver {
    /// As the caller named it.
    pub qualifier: Option<String>,
    /// `X-Amzn-Trace-Id` of the caller.
    #[serde(default)]
    pub trace: Option<String>,
}

impl AsyncReceiver {
    pub fn identifier(&self, name: &str) -> FunctionIdentifier {
        FunctionIdentifier { name: name.to_owned(), qualifier: self.qualifier.as_deref().map(Qualifier::of) }
    }

    /// Under which its settings are kept.
    pub fn place(&self) -> &str {
        self.qualifier.as_deref().unwrap_or("$LATEST")
    }
}

/// What a record says of where it goes, besides the ARN, and of whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordReceiver {
    pub function: String,
    /// Of the function: it must be allowed to deliver.
    pub role: String,
    pub kind: RecordKind,
    #[serde(default)]
    pub trace: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordKind {
    Destination {
        succeeded: bool,
    },
    /// The event itself, with these attributes.
    DeadLetter {
        error_code: u16,
        error_message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_functions_or_a_destinations() {
        assert_eq!(LineKind::of(&line_of_function("f")), LineKind::Function("f"));
        let arn = "arn:aws:sqs:us-east-1:123456789012:q";
        assert_eq!(LineKind::of(&line_of_destination(arn)), LineKind::Destination(arn));
        assert_eq!(LineKind::of("unreadable"), LineKind::Other);
    }
}
