//! What requests name: groups, streams, pages. Whatever is wrong with a request is told at once, in AWS's words.

use std::io;
use std::sync::Arc;

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::logs::groups::{Groups, LogGroup};
use crate::aws::request::ApiRequest;
use crate::limits::logs::{DESCRIBED, IDENTIFIER_CHARS, NAME_CHARS, TIME_MS};

const GROUP_PATTERN: &str = r"[\.\-_/#A-Za-z0-9]+";
const STREAM_PATTERN: &str = "[^:*]*";

/// The code of everything that is wrong with a member.
pub fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::bad_request("InvalidParameterException", message)
}

pub fn no_group() -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", "The specified log group does not exist.")
}

pub fn no_stream() -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", "The specified log stream does not exist.")
}

/// What the disk refused. A group that is not there was deleted meanwhile.
pub fn failed(error: &io::Error) -> ApiError {
    if error.kind() == io::ErrorKind::NotFound { no_group() } else { ApiError::internal(error) }
}

/// When a request came, in milliseconds since 1970.
pub fn received_ms(request: &ApiRequest) -> u64 {
    let since = request.received.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub fn is_group_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '#'))
}

/// Collects what is wrong with the members of a request.
#[derive(Default)]
pub struct MemberChecks(Constraints);

impl MemberChecks {
    /// A member that must be there; `""` where it is not, which `finish` then refuses.
    pub fn group<'a>(&mut self, name: Option<&'a str>) -> &'a str {
        self.0.required("logGroupName", name).inspect(|name| self.group_name("logGroupName", name)).unwrap_or_default()
    }

    /// As `group`.
    pub fn stream<'a>(&mut self, name: Option<&'a str>) -> &'a str {
        self.0.required("logStreamName", name).inspect(|name| self.stream_name("logStreamName", name)).unwrap_or_default()
    }

    pub fn group_name(&mut self, place: &str, name: &str) {
        self.0.length(place, name, 1..=NAME_CHARS);
        self.0.pattern(place, name, GROUP_PATTERN, is_group_name);
    }

    pub fn stream_name(&mut self, place: &str, name: &str) {
        self.0.length(place, name, 1..=NAME_CHARS);
        self.0.pattern(place, name, STREAM_PATTERN, |name| !name.contains([':', '*']));
    }

    pub fn identifier(&mut self, identifier: &str) {
        self.0.length("logGroupIdentifier", identifier, 1..=IDENTIFIER_CHARS);
    }

    /// How many there may be in an answer.
    pub fn limit(&mut self, limit: Option<i64>, most: usize) -> usize {
        let all = i64::try_from(most).unwrap_or(i64::MAX);
        let limit = limit.unwrap_or(all);
        self.0.range("limit", limit, 1..=all);
        usize::try_from(limit).unwrap_or(most).clamp(1, most)
    }

    /// A time in milliseconds since 1970; one after the year 9999 is as good as the last of it.
    pub fn time(&mut self, place: &str, time: Option<i64>) -> Option<u64> {
        let time = time?;
        self.0.range(place, time, 0..=i64::MAX);
        Some(u64::try_from(time).unwrap_or(0).min(TIME_MS))
    }

    /// Other constraints of the model.
    pub fn also(&mut self) -> &mut Constraints {
        &mut self.0
    }

    /// # Errors
    /// Everything that was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        self.0.finish().map_err(|error| error.coded("InvalidParameterException"))
    }
}

/// The limit of what is described.
pub fn described(checks: &mut MemberChecks, limit: Option<i64>) -> usize {
    checks.limit(limit, DESCRIBED)
}

/// The name of a group that is given as its name or as its ARN, with or without `:*`. `None` if it is nobody's here.
pub fn name_of<'a>(account: &Account, identifier: &'a str) -> Option<&'a str> {
    if !identifier.starts_with("arn:") {
        return Some(identifier);
    }
    let name = identifier.strip_prefix(group_arn(account, "").as_str())?;
    Some(name.strip_suffix(":*").unwrap_or(name))
}

pub fn group_arn(account: &Account, name: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{name}", account.region, account.id)
}

/// The group of a request that has a name or an identifier.
///
/// # Errors
/// It is not there, or the request has both or none.
pub fn chosen_group(groups: &Groups, name: Option<&str>, identifier: Option<&str>) -> Result<Arc<LogGroup>, ApiError> {
    let name = match (name, identifier) {
        (Some(name), None) => name,
        (None, Some(identifier)) => name_of(&groups.account, identifier).ok_or_else(no_group)?,
        (Some(_), Some(_)) => return Err(wrong("LogGroup name and LogGroup ARN are mutually exclusive parameters.")),
        (None, None) => return Err(wrong("Either logGroupName or logGroupIdentifier must be specified.")),
    };
    groups.find(name).ok_or_else(no_group)
}

/// A token that says behind which name the next page begins.
pub fn page_token(name: &str) -> String {
    hex::encode(name)
}

/// # Errors
/// It is no token of ours.
pub fn page_start(token: Option<&str>) -> Result<String, ApiError> {
    let name = hex::decode(token.unwrap_or_default()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(invalid_token)
}

pub fn invalid_token() -> ApiError {
    wrong("The specified nextToken is invalid.")
}
