//! Tables through their door: a request in, an answer out.

mod items;
mod laws;
mod several;
mod tables;

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::aws::request::trial;

fn request(operation: &str, second: u64, input: &Value) -> ApiRequest {
    trial::request(&format!("DynamoDB_20120810.{operation}"), second, input.to_string().as_bytes())
}

fn body(response: ApiResponse) -> Value {
    let checksum = response.headers()["x-amz-crc32"].to_str().unwrap().parse::<u32>().unwrap();
    let bytes = trial::bytes(response);
    assert_eq!(checksum, crc32fast::hash(&bytes));
    if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() }
}

struct Room {
    folder: tempfile::TempDir,
    tables: Option<Tables>,
    second: u64,
}

impl Room {
    fn new() -> Room {
        // Later than any clock: the sweeper has one of its own.
        let mut room = Room { folder: tempfile::tempdir().unwrap(), tables: None, second: 4_000_000_000 };
        room.restart();
        room
    }

    /// With a table `plain` of a hash key, and one `sorted` of a hash and a range key, which is a number.
    fn made() -> Room {
        let room = Room::new();
        room.create("plain", &[("id", "S")]);
        room.create("sorted", &[("id", "S"), ("n", "N")]);
        room
    }

    fn create(&self, name: &str, key: &[(&str, &str)]) -> Value {
        let kinds = ["HASH", "RANGE"];
        self.ok("CreateTable", json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": key.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect::<Value>(),
            "KeySchema": key.iter().zip(kinds).map(|((name, _), kind)| json!({"AttributeName": name, "KeyType": kind})).collect::<Value>(),
        }))
    }

    fn restart(&mut self) {
        self.tables = None;
        let store = Arc::new(Store::open(self.folder.path()).unwrap());
        self.tables = Some(Tables::open(store, Account::default()).unwrap());
    }

    fn tables(&self) -> &Tables {
        self.tables.as_ref().unwrap()
    }

    fn ask(&self, operation: &str, input: &Value) -> Result<Value, ApiError> {
        let (name, answered) = self.tables().answer(&request(operation, self.second, input));
        assert_eq!(name, operation);
        answered.map(body)
    }

    #[track_caller]
    fn ok(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, &input).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Refuses with status 400 and this text.
    #[track_caller]
    fn wrong(&self, operation: &str, input: Value, code: &str, text: &str) -> ApiError {
        let error = self.ask(operation, &input).expect_err(operation);
        assert_eq!((error.code, error.status.as_u16()), (code, 400), "{error}");
        assert!(error.message.as_deref().unwrap().contains(text), "{error}");
        error
    }

    #[track_caller]
    fn invalid(&self, operation: &str, input: Value, text: &str) {
        self.wrong(operation, input, "ValidationException", text);
    }

    #[track_caller]
    fn put(&self, table: &str, item: Value) {
        self.ok("PutItem", json!({"TableName": table, "Item": item}));
    }

    #[track_caller]
    fn item(&self, table: &str, key: Value) -> Value {
        self.ok("GetItem", json!({"TableName": table, "Key": key}))["Item"].clone()
    }

    fn count(&self, table: &str) -> (u64, u64) {
        let told = &self.ok("DescribeTable", json!({"TableName": table}))["Table"];
        (told["ItemCount"].as_u64().unwrap(), told["TableSizeBytes"].as_u64().unwrap())
    }
}

fn id(text: &str) -> Value {
    json!({"id": {"S": text}})
}

fn at(text: &str, n: &str) -> Value {
    json!({"id": {"S": text}, "n": {"N": n}})
}
