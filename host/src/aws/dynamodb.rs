//! AWS DynamoDB: tables of items, found by their keys, changed under conditions.
//!
//! A table's record is in memory and on disk; items are on disk only, plain. A change is on disk before it is answered, and a
//! condition is decided in the transaction that writes. All reads are consistent, asked for or not.
//!
//! Items that have expired are seen by nobody from that second on, and removed afterwards; AWS shows them until then.
//!
//! Indices, streams, backups, global tables, PartiQL and the parameters of before expressions (`Expected`, `AttributeUpdates`,
//! `KeyConditions`, …) are not there, and are refused by name. Nothing is throttled.
//!
//! Source: botocore's model of the service (2012-08-10, `json` 1.0); texts of errors as AWS has them, where known.

mod attribute;
mod batch;
mod create;
mod expression;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod input;
mod key;
mod manage;
mod number;
mod planned;
mod read;
mod refusals;
mod state;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod transact;
mod wire;
mod write;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::json_target::operation;
use crate::aws::kept::require_structure;
use crate::aws::request::{ApiRequest, ApiResponse, whole};
use crate::store::Store;
use input::input;
use state::TableState;
use sweep::Sweeper;

type TableOperation = fn(&TableState, &ApiRequest) -> Result<Value, ApiError>;

/// What there is, by its name in the model.
const OPERATIONS: [(&str, TableOperation); 20] = [
    ("BatchGetItem", batch::get),
    ("BatchWriteItem", batch::write),
    ("CreateTable", create::create),
    ("DeleteItem", write::delete),
    ("DeleteTable", manage::delete),
    ("DescribeTable", manage::describe),
    ("DescribeTimeToLive", manage::describe_expiry),
    ("GetItem", read::get),
    ("ListTables", manage::list),
    ("ListTagsOfResource", manage::tags),
    ("PutItem", write::put),
    ("Query", read::query),
    ("Scan", read::scan),
    ("TagResource", manage::tag),
    ("TransactGetItems", transact::get),
    ("TransactWriteItems", transact::write),
    ("UntagResource", manage::untag),
    ("UpdateItem", write::update),
    ("UpdateTable", create::update),
    ("UpdateTimeToLive", manage::update_expiry),
];

/// What each item of a transaction must be allowed.
const OF_TRANSACTIONS: [(&str, &str); 5] = [
    ("ConditionCheck", "ConditionCheckItem"),
    ("Delete", "DeleteItem"),
    ("Get", "GetItem"),
    ("Put", "PutItem"),
    ("Update", "UpdateItem"),
];

static CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");

/// See the module.
pub struct Tables {
    state: Arc<TableState>,
    sweeper: Sweeper,
}

impl Tables {
    /// Reads what there is of each table, and begins to remove what is left over. Blocks.
    pub fn open(store: Arc<Store>, account: Account) -> anyhow::Result<Tables> {
        let state = Arc::new(TableState::open(store, account)?);
        let sweeper = Sweeper::start(state.clone())?;
        Ok(Tables { state, sweeper })
    }

    /// Answers a request. Returns the operation, for metrics. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        let Some(named) = operation(request) else { return ("Unknown", Err(ApiError::unknown_operation())) };
        let Some((name, work)) = OPERATIONS.iter().find(|(name, _)| *name == named) else {
            return ("Unsupported", Err(ApiError::not_there(&format!("dynamodb:{named}"))));
        };
        let answered = work(&self.state, request).and_then(|answer| {
            let body = if answer.is_null() { Ok(Vec::new()) } else { serde_json::to_vec(&answer) };
            body.map(|body| response(StatusCode::OK, body)).map_err(|error| ApiError::internal(&error))
        });
        if *name == "DeleteTable" && answered.is_ok() {
            self.sweeper.wake();
        }
        (name, answered)
    }

    /// What a caller must be allowed to do before `answer` may be called: each action and the ARN that it is for. Empty for an
    /// operation that is not there. A request for several tables needs each of them.
    pub fn resources(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        let Some((name, _)) = operation(request).and_then(|named| OPERATIONS.iter().find(|(name, _)| *name == named)) else {
            return Ok(Vec::new());
        };
        let body: Value = input(request)?;
        let arn = |id: &str| match id.strip_prefix("arn:") {
            Some(_) => id.to_owned(),
            None => table::arn(&self.state.account, id),
        };
        let needed = |action: &str, arn: String| (format!("dynamodb:{action}"), arn);
        let of = |member: &str| body[member].as_str().map_or_else(|| "*".to_owned(), arn);
        Ok(match *name {
            "BatchGetItem" | "BatchWriteItem" => {
                let tables = body["RequestItems"].as_object().into_iter().flat_map(Map::keys);
                let all: Vec<_> = tables.map(|id| needed(name, arn(id))).collect();
                if all.is_empty() { vec![needed(name, "*".to_owned())] } else { all }
            }
            "TransactGetItems" | "TransactWriteItems" => {
                let mut all = Vec::new();
                for item in body["TransactItems"].as_array().into_iter().flatten() {
                    require_structure(item)?;
                    for (kind, action) in OF_TRANSACTIONS.iter().filter(|(kind, _)| !item[*kind].is_null()) {
                        require_structure(&item[*kind])?;
                        all.push(needed(action, item[*kind]["TableName"].as_str().map_or_else(|| "*".to_owned(), arn)));
                    }
                }
                all.sort();
                all.dedup();
                if all.is_empty() { vec![needed("GetItem", "*".to_owned())] } else { all }
            }
            "CreateTable" => {
                let mut all = vec![needed(name, of("TableName"))];
                if body["Tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
                    all.push(needed("TagResource", of("TableName")));
                }
                all
            }
            "ListTables" => vec![needed(name, "*".to_owned())],
            "ListTagsOfResource" | "TagResource" | "UntagResource" => vec![needed(name, of("ResourceArn"))],
            _ => vec![needed(name, of("TableName"))],
        })
    }
}

/// An error, as this service tells it.
pub fn refusal(error: &ApiError) -> ApiResponse {
    let kind = match error.code {
        "ServiceException" => "com.amazonaws.dynamodb.v20120810#InternalServerError".to_owned(),
        "ValidationException" => "com.amazon.coral.validate#ValidationException".to_owned(),
        code @ ("SerializationException" | "UnknownOperationException" | "AccessDeniedException") => {
            format!("com.amazon.coral.service#{code}")
        }
        code => format!("com.amazonaws.dynamodb.v20120810#{code}"),
    };
    let mut members = error.members.clone();
    members.insert("__type".to_owned(), kind.into());
    // As the model spells it.
    let member = if error.code == "TransactionCanceledException" { "Message" } else { "message" };
    members.insert(member.to_owned(), error.message.as_deref().into());
    response(error.status, serde_json::to_vec(&members).unwrap_or_default())
}

fn response(status: StatusCode, body: Vec<u8>) -> ApiResponse {
    let checksum = crc32fast::hash(&body);
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.insert(CHECKSUM.clone(), HeaderValue::from(checksum));
    response
}
