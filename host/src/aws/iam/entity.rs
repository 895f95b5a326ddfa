//! What answers say of roles, users and policies, and AWS's errors for them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::aws::error::ApiError;
use crate::aws::identities::IdentityKind;
use crate::aws::query::Xml;
use crate::telemetry::Timestamp;

/// What is not there.
pub fn missing(message: String) -> ApiError {
    ApiError::not_found(message).coded("NoSuchEntity")
}

pub fn missing_identity(kind: IdentityKind, name: &str) -> ApiError {
    missing(format!("The {} with name {name} cannot be found.", kind.folder()))
}

/// What is there already.
pub fn taken(message: String) -> ApiError {
    ApiError::conflict(message).coded("EntityAlreadyExists")
}

/// What cannot be deleted while something else is there.
pub fn in_use(message: &'static str) -> ApiError {
    ApiError::conflict(message).coded("DeleteConflict")
}

/// A quota, by AWS's name.
pub fn limit(quota: &str, most: usize) -> ApiError {
    limit_text(format!("Cannot exceed quota for {quota}: {most}"))
}

pub fn limit_text(message: String) -> ApiError {
    ApiError::conflict(message).coded("LimitExceeded")
}

pub fn date(xml: &mut Xml, name: &str, s: u64) {
    let time = Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    xml.text(name, &time.as_str().replace(".000Z", "Z"));
}

/// `Tags`, unless there are none.
pub fn tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    if !tags.is_empty() {
        tag_list(xml, tags);
    }
}

pub fn tag_list<'a>(xml: &mut Xml, tags: impl IntoIterator<Item = (&'a String, &'a String)>) {
    xml.list("Tags", tags, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}
