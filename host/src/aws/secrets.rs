//! AWS Secrets Manager: values that are sealed on disk, their versions and the stages of these.
//!
//! Everything about a secret but its values is in memory, and on disk; its values are on disk only, sealed. A secret that is
//! to be deleted is there until its time has come, and is removed by the first request afterwards.
//!
//! Rotation, replication and policies of resources are not there, and are refused by name. There is no KMS: the vault's key
//! seals everything, and `KmsKeyId` is remembered, not used.
//!
//! Source: botocore's model of the service (2017-10-17, `json` 1.1); texts of errors as AWS has them, where known.

mod delete;
mod list;
mod password;
mod read;
mod record;
mod refusals;
mod stages;
mod state;
mod tags;
#[cfg(test)]
pub mod tests;
mod value;
mod write;

pub use state::{Secrets, sealed_values};

use serde_json::{Map, Value};

use crate::aws::error::ApiError;
use crate::aws::json_target::operation;
use crate::aws::kept::{input, now_ms};
use crate::aws::request::{ApiRequest, ApiResponse};

type SecretOperation = fn(&Secrets, &ApiRequest) -> Result<ApiResponse, ApiError>;

/// What there is, by its name in the model.
const OPERATIONS: [(&str, SecretOperation); 14] = [
    ("BatchGetSecretValue", read::batch),
    ("CreateSecret", write::create),
    ("DeleteSecret", delete::delete),
    ("DescribeSecret", read::describe),
    ("GetRandomPassword", password::answer),
    ("GetSecretValue", read::get),
    ("ListSecretVersionIds", read::versions),
    ("ListSecrets", list::list),
    ("PutSecretValue", write::put),
    ("RestoreSecret", delete::restore),
    ("TagResource", tags::add),
    ("UntagResource", tags::remove),
    ("UpdateSecret", write::update),
    ("UpdateSecretVersionStage", stages::update),
];

impl Secrets {
    /// The answer to a `GetSecretValue`, for the host itself. Blocks for the disk.
    pub fn value_asked(&self, request: &ApiRequest) -> Result<Map<String, Value>, ApiError> {
        self.sweep(now_ms(request));
        read::value_asked(self, request)
    }

    /// Answers a request. Returns the operation, for metrics. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        let Some(named) = operation(request) else { return ("Unknown", Err(ApiError::unknown_operation())) };
        let Some((name, work)) = OPERATIONS.iter().find(|(name, _)| *name == named) else {
            return ("Unsupported", Err(ApiError::not_there(&format!("secretsmanager:{named}"))));
        };
        self.sweep(now_ms(request));
        let answered = work(self, request);
        // As this service names its own faults.
        let named = |error: ApiError| {
            if error.status.is_server_error() && error.code == "ServiceException" {
                error.coded("InternalServiceError")
            } else {
                error
            }
        };
        (name, answered.map_err(named))
    }

    /// What a caller must be allowed to do before `answer` may be called: each action and the ARN that it is for. Empty for an
    /// operation that is not there.
    ///
    /// A request for several secrets needs each of them: an ARN for all would be let through by a policy that denies one.
    /// `BatchGetSecretValue` by filters needs all that match now; one that comes to match before the answer is in it, too.
    pub fn resources(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        let Some((name, _)) = operation(request).and_then(|named| OPERATIONS.iter().find(|(name, _)| *name == named)) else {
            return Ok(Vec::new());
        };
        let body: Value = input(request)?;
        let arn = |member: &str| body[member].as_str().map_or_else(|| "*".to_owned(), |id| self.arn_of(id, now_ms(request)));
        let needed = |action: &str, arn: String| (format!("secretsmanager:{action}"), arn);
        Ok(match *name {
            "BatchGetSecretValue" => {
                let mut all = vec![needed(name, "*".to_owned())];
                if let Some(ids) = body["SecretIdList"].as_array() {
                    let ids = ids.iter().filter_map(Value::as_str);
                    all.extend(ids.map(|id| needed("GetSecretValue", self.arn_of(id, now_ms(request)))));
                } else {
                    all.push(needed("ListSecrets", "*".to_owned()));
                    let matching = list::matching(self, request)?;
                    all.extend(matching.iter().map(|record| needed("GetSecretValue", record.arn(&self.account))));
                }
                all
            }
            "CreateSecret" => {
                let mut all = vec![needed(name, arn("Name"))];
                if body["Tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
                    all.push(needed("TagResource", arn("Name")));
                }
                all
            }
            "GetRandomPassword" | "ListSecrets" => vec![needed(name, "*".to_owned())],
            _ => vec![needed(name, arn("SecretId"))],
        })
    }
}
