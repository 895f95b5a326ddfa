//! AWS Systems Manager Parameter Store: named texts in a hierarchy, their versions and the labels of these.
//!
//! Everything about a parameter but its values is in memory, and on disk; its values are on disk only, those of the type
//! `SecureString` sealed. The other parts of Systems Manager are not there, and are refused by name; so are policies of
//! parameters, `AllowedPattern`, and references to secrets. There is no KMS: the vault's key seals everything, and `KeyId` is
//! remembered, not used.
//!
//! Source: botocore's model of the service (2014-11-06, `json` 1.1); texts of errors as AWS has them, where known.

mod delete;
mod describe;
mod filter;
mod labels;
mod name;
mod put;
mod read;
mod record;
mod refusals;
mod state;
mod tags;
#[cfg(test)]
mod tests;

pub use state::{ParameterStore, sealed_values};

use serde_json::Value;

use crate::aws::error::ApiError;
use crate::aws::json_target::operation;
use crate::aws::kept::input;
use crate::aws::request::{ApiRequest, ApiResponse};

type ParameterOperation = fn(&ParameterStore, &ApiRequest) -> Result<ApiResponse, ApiError>;

/// What there is, by its name in the model.
const OPERATIONS: [(&str, ParameterOperation); 13] = [
    ("AddTagsToResource", tags::add),
    ("DeleteParameter", delete::one),
    ("DeleteParameters", delete::several),
    ("DescribeParameters", describe::describe),
    ("GetParameter", read::one),
    ("GetParameterHistory", read::history),
    ("GetParameters", read::several),
    ("GetParametersByPath", read::by_path),
    ("LabelParameterVersion", labels::label),
    ("ListTagsForResource", tags::list),
    ("PutParameter", put::put),
    ("RemoveTagsFromResource", tags::remove),
    ("UnlabelParameterVersion", labels::unlabel),
];

impl ParameterStore {
    /// What a `GetParameter` asks for, for the host itself. Blocks for the disk.
    pub fn parameter_asked(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        read::parameter_asked(self, request)
    }

    /// Answers a request. Returns the operation, for metrics. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        let Some(named) = operation(request) else { return ("Unknown", Err(ApiError::unknown_operation())) };
        let Some((name, work)) = OPERATIONS.iter().find(|(name, _)| *name == named) else {
            return ("Unsupported", Err(ApiError::not_there(&format!("ssm:{named}"))));
        };
        // As this service names its own faults.
        let named = |error: ApiError| {
            if error.status.is_server_error() && error.code == "ServiceException" {
                error.coded("InternalServerError")
            } else {
                error
            }
        };
        (name, work(self, request).map_err(named))
    }

    /// What a caller must be allowed to do before `answer` may be called: each action and the ARN that it is for. Empty for an
    /// operation that is not there.
    ///
    /// A request for several parameters needs each of them: an ARN for all would be let through by a policy that denies one.
    /// Whoever may get a path gets everything below it, as with AWS.
    pub fn resources(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        let Some((name, _)) = operation(request).and_then(|named| OPERATIONS.iter().find(|(name, _)| *name == named)) else {
            return Ok(Vec::new());
        };
        let body: Value = input(request)?;
        let arn = |id: Option<&str>| id.map_or_else(|| "*".to_owned(), |id| self.arn_of(id));
        let needed = |action: &str, arn: String| (format!("ssm:{action}"), arn);
        Ok(match *name {
            "DescribeParameters" => vec![needed(name, "*".to_owned())],
            "GetParameters" | "DeleteParameters" => match body["Names"].as_array() {
                Some(names) => names.iter().map(|id| needed(name, arn(id.as_str()))).collect(),
                None => vec![needed(name, "*".to_owned())],
            },
            "GetParametersByPath" => {
                let path = body["Path"].as_str().map(|path| path.trim_end_matches('/'));
                vec![needed(name, arn(path))]
            }
            "PutParameter" => {
                let mut all = vec![needed(name, arn(body["Name"].as_str()))];
                if body["Tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
                    all.push(needed("AddTagsToResource", arn(body["Name"].as_str())));
                }
                all
            }
            _ if name.contains("Tags") => vec![needed(name, arn(body["ResourceId"].as_str()))],
            _ => vec![needed(name, arn(body["Name"].as_str()))],
        })
    }
}
