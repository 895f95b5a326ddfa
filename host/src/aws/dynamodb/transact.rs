//! TransactWriteItems and TransactGetItems: all of it, as of one moment, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::size;
use crate::aws::dynamodb::expression::projection::projected;
use crate::aws::dynamodb::input::{WriteInput, capacities, check_capacity, input, read_units, set, told, write_units};
use crate::aws::dynamodb::planned::{MadeWrite, PlannedWrite, required};
use crate::aws::dynamodb::read::ItemsInput;
use crate::aws::dynamodb::refusals::{invalid, wrong_type};
use crate::aws::dynamodb::state::{TableState, is_expired, token_key};
use crate::aws::dynamodb::wire::KeptItem;
use crate::aws::error::ApiError;
use crate::aws::kept::now_ms;
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{TOKEN_CHARS, TOKEN_MS, TRANSACTION, TRANSACTION_BYTES};
use crate::store::{Change, Collection};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TransactionInput {
    transact_items: Option<Vec<Value>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
}

/// What a token was used for.
#[derive(Debug, Serialize, Deserialize)]
pub struct UsedToken {
    digest: String,
    pub used_ms: u64,
}

impl TransactionInput {
    fn items(&self) -> Result<&[Value], ApiError> {
        let mut constraints = Constraints::default();
        check_capacity(&mut constraints, self.return_consumed_capacity.as_deref());
        if let Some(token) = &self.client_request_token {
            constraints.length("clientRequestToken", token, TOKEN_CHARS);
        }
        let items = constraints.required("transactItems", self.transact_items.as_deref()).unwrap_or_default();
        if self.transact_items.is_some() && !(1..=TRANSACTION).contains(&items.len()) {
            let bound = if items.is_empty() {
                "greater than or equal to 1".to_owned()
            } else {
                format!("less than or equal to {TRANSACTION}")
            };
            constraints.fail("transactItems", &format!("{} items", items.len()), &format!("have length {bound}"));
        }
        constraints.finish()?;
        Ok(items)
    }

    /// What tells it from another transaction.
    fn digest(&self) -> Result<String, ApiError> {
        let text = serde_json::to_vec(&self.transact_items).map_err(|error| ApiError::internal(&error))?;
        Ok(hex::encode(Sha256::digest(text)))
    }
}

const KINDS: [&str; 4] = ["ConditionCheck", "Put", "Delete", "Update"];

/// What one item of a transaction is, and its input.
fn single(item: &Value) -> Result<(&'static str, WriteInput), ApiError> {
    let mut there = KINDS.into_iter().filter(|kind| !item[*kind].is_null());
    let (Some(kind), None) = (there.next(), there.next()) else {
        let message = "TransactItems can only contain one of Check, Put, Update or Delete";
        return Err(invalid(message));
    };
    let input: WriteInput = serde_json::from_value(item[kind].clone()).map_err(|_| wrong_type("Unexpected field type"))?;
    input.check("TransactWriteItems")?;
    Ok((kind, input))
}

/// `TransactWriteItems`
pub fn write(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: TransactionInput = input(request)?;
    let mut planned = Vec::new();
    for item in input.items()? {
        let (kind, input) = single(item)?;
        planned.push(match kind {
            "Put" => PlannedWrite::put(state, &input)?,
            "Delete" => PlannedWrite::delete(state, &input)?,
            "Update" => PlannedWrite::update(state, &input)?,
            _ => PlannedWrite::check(state, &input)?,
        });
    }
    let places: BTreeSet<&str> = planned.iter().map(|write| write.place.as_str()).collect();
    if places.len() < planned.len() {
        return Err(invalid("Transaction request cannot include multiple operations on one item"));
    }
    let now_ms = now_ms(request);
    let token = input.client_request_token.as_deref().map(|token| Ok::<_, ApiError>((token, input.digest()?))).transpose()?;
    let made = state.store.change(|change| {
        if let Some((token, digest)) = &token
            && is_repeated(change, token, digest, now_ms)?
        {
            return Ok(Vec::new());
        }
        all(&planned, change, now_ms)
    })?;
    let mut units = BTreeMap::new();
    for (write, made) in planned.iter().zip(&made) {
        // Twice: to prepare and to commit.
        *units.entry(write.table.name.clone()).or_insert(0.0) += 2.0 * write_units(made.bytes());
    }
    let mut answer = json!({});
    set(&mut answer, "ConsumedCapacity", capacities(input.return_consumed_capacity.as_deref(), &units));
    Ok(answer)
}

fn all(planned: &[PlannedWrite], change: &Change, now_ms: u64) -> Result<Vec<MadeWrite>, ApiError> {
    let (mut made, mut reasons, mut codes, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for write in planned {
        let (code, reason) = match write.make(change, now_ms) {
            Ok(done) => {
                bytes += done.bytes();
                made.push(done);
                ("None", json!({"Code": "None"}))
            }
            Err(error) => {
                let code = match error.code {
                    "ConditionalCheckFailedException" => "ConditionalCheckFailed",
                    "ValidationException" => "ValidationError",
                    _ => return Err(error),
                };
                let mut reason = json!({"Code": code, "Message": error.message});
                set(&mut reason, "Item", error.members.get("Item").cloned());
                (code, reason)
            }
        };
        codes.push(code);
        reasons.push(reason);
    }
    if codes.iter().any(|code| *code != "None") {
        let what = "Transaction cancelled, please refer cancellation reasons for specific reasons";
        let error = ApiError::bad_request("TransactionCanceledException", format!("{what} [{}]", codes.join(", ")));
        return Err(error.with("CancellationReasons", reasons));
    }
    if bytes > TRANSACTION_BYTES {
        return Err(invalid("Collection size of all items in a transaction has exceeded the maximum of 4 MB"));
    }
    Ok(made)
}

/// Whether a token was used for the same transaction a short time ago. If not, it is now.
fn is_repeated(change: &Change, token: &str, digest: &str, now_ms: u64) -> Result<bool, ApiError> {
    let key = token_key(token);
    let used: Option<UsedToken> = change.record(Collection::Tables, &key)?;
    match used.filter(|used| now_ms < used.used_ms.saturating_add(TOKEN_MS)) {
        Some(used) if used.digest == digest => Ok(true),
        Some(_) => Err(ApiError::bad_request(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request.",
        )),
        None => {
            change.put(Collection::Tables, &key, &UsedToken { digest: digest.to_owned(), used_ms: now_ms })?;
            Ok(false)
        }
    }
}

/// `TransactGetItems`
pub fn get(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: TransactionInput = input(request)?;
    let mut asked = Vec::new();
    for item in input.items()? {
        let options: ItemsInput = serde_json::from_value(item["Get"].clone()).map_err(|_| wrong_type("Unexpected field type"))?;
        options.check("TransactGetItems")?;
        let key = required("transactItems.member.get.key", options.key.as_ref())?;
        let projection = options.only_projection()?;
        let table = state.found(options.table_name.as_deref())?;
        let place = table.schema.place_of_key(&table.id, &key)?;
        asked.push((table, place, projection));
    }
    let places: Vec<&str> = asked.iter().map(|(_, place, _)| place.as_str()).collect();
    if places.iter().collect::<BTreeSet<_>>().len() < places.len() {
        return Err(invalid("Transaction request cannot include multiple operations on one item"));
    }
    let kept: Vec<Option<KeptItem>> = state.store.several(Collection::Items, &places)?;
    let (mut responses, mut units) = (Vec::new(), BTreeMap::new());
    for ((table, _, projection), kept) in asked.iter().zip(kept) {
        let item = kept.map(|kept| kept.0).filter(|item| !is_expired(table, item, now_ms(request)));
        *units.entry(table.name.clone()).or_insert(0.0) += 2.0 * read_units(item.as_ref().map_or(0, size), true);
        responses.push(match item {
            None => json!({}),
            Some(item) => {
                let item = projected(projection.as_ref(), item);
                json!({"Item": told(&item)?})
            }
        });
    }
    let mut answer = json!({"Responses": responses});
    set(&mut answer, "ConsumedCapacity", capacities(input.return_consumed_capacity.as_deref(), &units));
    Ok(answer)
}
