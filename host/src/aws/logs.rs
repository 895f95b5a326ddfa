//! CloudWatch Logs, as far as functions need it: what they log is kept, and found again by AWS's own tools.
//!
//!     a call ends ──► append ──► queue ──► writer ──┐
//!                                                   ├──► group: segments on disk ──► GetLogEvents, FilterLogEvents
//!     PutLogEvents ─────────────────────────────────┘
//!
//! | file | what it is |
//! |---|---|
//! | `intake`, `lines` | what functions log, until it is written |
//! | `entry`, `segment`, `streams`, `group`, `groups` | what is kept, and for how long |
//! | `filter`, `selection` | which events are asked for |
//! | `*_calls`, `put_events`, `read_events`, `tagging`, `change`, `input` | the operations |
//!
//! Kept are at most 16 MiB of a group and 1 GiB of all, whatever the retention is: the oldest goes first. What was written
//! survives the end of the process, however it ends; a loss of power may take the last seconds. I know no functions.

mod change;
mod entry;
mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod group;
mod group_calls;
mod groups;
mod input;
mod intake;
mod lines;
mod put_events;
mod read_events;
mod segment;
mod selection;
mod stream_calls;
mod streams;
mod tagging;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::json_target;
use crate::aws::request::{ApiRequest, ApiResponse};

use group::LogBounds;
use groups::Groups;
use intake::Intake;

type LogsCall = fn(&Groups, &ApiRequest) -> Result<ApiResponse, ApiError>;

/// What is served, by AWS's names.
const SERVED: [(&str, LogsCall); 18] = [
    ("CreateLogGroup", group_calls::create),
    ("DeleteLogGroup", group_calls::delete),
    ("DescribeLogGroups", group_calls::describe),
    ("PutRetentionPolicy", group_calls::put_retention),
    ("DeleteRetentionPolicy", group_calls::delete_retention),
    ("CreateLogStream", stream_calls::create),
    ("DeleteLogStream", stream_calls::delete),
    ("DescribeLogStreams", stream_calls::describe),
    ("PutLogEvents", put_events::put),
    ("GetLogEvents", read_events::get),
    ("FilterLogEvents", read_events::filter),
    ("TagResource", tagging::tag_resource),
    ("UntagResource", tagging::untag_resource),
    ("ListTagsForResource", tagging::list_of_resource),
    ("TagLogGroup", tagging::tag_group),
    ("UntagLogGroup", tagging::untag_group),
    ("ListTagsLogGroup", tagging::list_of_group),
    ("StartLiveTail", |_, _| Err(ApiError::not_there("The operation StartLiveTail"))),
];

/// What the names of the other operations of AWS begin with.
const VERBS: [&str; 12] =
    ["Associate", "Cancel", "Create", "Delete", "Describe", "Disassociate", "Get", "List", "Put", "Start", "Stop", "Update"];

/// What a request names, for the authorisation.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NamedResource {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    resource_arn: Option<String>,
}

/// See the module.
pub struct Logs {
    groups: Arc<Groups>,
    intake: Intake,
}

impl Logs {
    /// Opens the logs of a data folder. Blocks.
    ///
    /// # Errors
    /// Those of the disk, and that another process has them.
    pub fn open(data_dir: &Path, account: Account) -> io::Result<Arc<Logs>> {
        Logs::with_bounds(data_dir, account, LogBounds::default())
    }

    fn with_bounds(data_dir: &Path, account: Account, bounds: LogBounds) -> io::Result<Arc<Logs>> {
        let groups = Arc::new(Groups::open(data_dir, account, bounds)?);
        let intake = Intake::start(groups.clone())?;
        Ok(Arc::new(Logs { groups, intake }))
    }

    /// Takes what a call of a function has logged, at `now_ms` since 1970: each line is an event. Never waits for the disk;
    /// what has no room is dropped.
    pub fn append(&self, group: &str, stream: &str, now_ms: u64, log: String) {
        self.intake.append(group, stream, now_ms, log);
    }

    /// Texts that `append` was given and that were lost.
    pub fn dropped(&self) -> u64 {
        self.intake.dropped()
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> u64 {
        self.groups.bytes()
    }

    /// Waits until everything that was appended is written. Blocks.
    pub fn flush(&self) {
        self.intake.flush();
    }

    /// Answers a request; the name is that of the operation. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        let operation = json_target::operation(request).unwrap_or_default();
        match SERVED.iter().find(|(name, _)| *name == operation) {
            Some((name, call)) => (name, call(&self.groups, request)),
            None if VERBS.iter().any(|verb| operation.starts_with(verb)) => {
                let operation = operation.get(..64).unwrap_or(operation);
                ("Unsupported", Err(ApiError::not_there(&format!("The operation {operation}"))))
            }
            None => ("Unknown", Err(ApiError::unknown_operation())),
        }
    }

    /// The action and the ARN that a caller needs a right to; `None` for what is no operation here. The ARN is the one in AWS's
    /// own refusals: that of a stream, whose name is empty where a request names none.
    pub fn resource(&self, request: &ApiRequest) -> Result<Option<(String, String)>, ApiError> {
        let served = json_target::operation(request).and_then(|operation| SERVED.iter().find(|(name, _)| *name == operation));
        let Some((operation, _)) = served else { return Ok(None) };
        let named: NamedResource = request.json()?;
        let account = &self.groups.account;
        let group = named.log_group_name.as_deref();
        let group = group.or_else(|| input::name_of(account, named.log_group_identifier.as_deref()?)).unwrap_or_default();
        let arn = named.resource_arn.unwrap_or_else(|| {
            let stream = named.log_stream_name.unwrap_or_default();
            format!("{}:log-stream:{stream}", input::group_arn(account, group))
        });
        Ok(Some((format!("logs:{operation}"), arn)))
    }
}
