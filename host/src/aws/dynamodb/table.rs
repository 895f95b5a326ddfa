//! What is kept of a table besides its items, and how it is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Account;
use crate::aws::dynamodb::key::KeySchema;
use crate::aws::kept::seconds;

/// A table. A later one of the same name has another id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    pub name: String,
    /// A UUID.
    pub id: String,
    pub schema: KeySchema,
    /// `None` is paid per request.
    pub throughput: Option<ProvisionedUnits>,
    pub class: String,
    pub created_ms: u64,
    pub deletion_protected: bool,
    /// The attribute that says when an item expires.
    pub expiry: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// What AWS would be paid for. Nothing here is throttled by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedUnits {
    pub read: u64,
    pub write: u64,
}

/// How many items a table has, the expired among them, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTally {
    pub items: u64,
    pub bytes: u64,
}

impl TableRecord {
    pub fn arn(&self, account: &Account) -> String {
        arn(account, &self.name)
    }

    /// As `DescribeTable` tells it.
    pub fn described(&self, account: &Account, status: &str, tally: TableTally) -> Value {
        let (schema, definitions) = self.schema.described();
        let units = self.throughput.unwrap_or(ProvisionedUnits { read: 0, write: 0 });
        let mut told = json!({
            "TableName": self.name, "TableId": self.id, "TableArn": self.arn(account), "TableStatus": status,
            "KeySchema": schema, "AttributeDefinitions": definitions, "CreationDateTime": seconds(self.created_ms),
            "ItemCount": tally.items, "TableSizeBytes": tally.bytes, "DeletionProtectionEnabled": self.deletion_protected,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": units.read, "WriteCapacityUnits": units.write
            },
        });
        if self.throughput.is_none() {
            let since = seconds(self.created_ms);
            told["BillingModeSummary"] = json!({"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": since});
        }
        if self.class != "STANDARD" {
            told["TableClassSummary"] = json!({"TableClass": self.class});
        }
        told
    }
}

pub fn arn(account: &Account, name: &str) -> String {
    format!("arn:aws:dynamodb:{}:{}:table/{name}", account.region, account.id)
}
