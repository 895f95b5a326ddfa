//! What the services that keep records have in common: their records, inputs, tags, times and pages.
//!
//! A cabinet has all records of a service in memory, and each on disk; the values are on disk only. A change is on disk before it
//! is in memory, and in memory before it is answered. Changes come one at a time; readers wait for none of them:
//!
//!     change ──► lock ──► decide ──► one transaction: record and values ──► memory ──► unlock
//!     read   ──► memory ──► value on disk
//!
//! A reader that comes between reads the record of before. A value that a change has removed meanwhile is not there for it,
//! which is told as if the record were not. If the same name and version have been made again meanwhile, it reads the value that
//! is there now, with what the record said before.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::request::ApiRequest;
use crate::limits::kept::{BODY_BYTES, TAG_KEY_CHARS, TAG_VALUE_CHARS, TOKEN_BYTES};
use crate::store::{Collection, Store, StoreError};

/// See the module. `T` is a record, without its values.
pub struct Cabinet<T> {
    store: Arc<Store>,
    collection: Collection,
    changing: Mutex<()>,
    records: RwLock<BTreeMap<String, Arc<T>>>,
}

/// What a change makes of a record.
pub enum Amendment<T> {
    /// It stays as it is, and so do its values.
    Keep,
    /// It becomes this, or comes to be. Values are written and removed by version.
    Put { record: T, values: Vec<(String, Value)>, gone: Vec<String> },
    /// It goes, with the values of these versions.
    Remove { gone: Vec<String> },
}

impl<T: Serialize + DeserializeOwned> Cabinet<T> {
    /// Reads all records. Blocks.
    pub fn open(store: Arc<Store>, collection: Collection) -> Result<Cabinet<T>, StoreError> {
        let records = store.records::<T>(collection, "record:")?.into_iter().map(|(key, record)| {
            let name = key.strip_prefix("record:").unwrap_or(&key).to_owned();
            (name, Arc::new(record))
        });
        let records = RwLock::new(records.collect());
        Ok(Cabinet { store, collection, changing: Mutex::new(()), records })
    }

    pub fn find(&self, name: &str) -> Option<Arc<T>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All records, in the order of their names.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The records whose names begin so, in the order of their names.
    pub fn beginning(&self, prefix: &str) -> Vec<Arc<T>> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let from = records.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(name, _)| name.starts_with(prefix)).map(|(_, record)| record.clone()).collect()
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.records.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The value of a version, unless it is gone. Blocks for the disk.
    pub fn value<V: DeserializeOwned>(&self, name: &str, version: &str) -> Result<Option<V>, StoreError> {
        self.store.record(self.collection, &value_key(name, version))
    }

    /// Changes a record as `decide` says, which sees it as it is, if it is there. Blocks for a write to disk.
    pub fn change<A>(
        &self,
        name: &str,
        decide: impl FnOnce(Option<&T>) -> Result<(Amendment<T>, A), ApiError>,
    ) -> Result<A, ApiError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (amendment, answer) = decide(self.find(name).as_deref())?;
        let key = format!("record:{name}");
        match amendment {
            Amendment::Keep => {}
            Amendment::Put { record, values, gone } => {
                self.store.change::<_, StoreError>(|change| {
                    change.put(self.collection, &key, &record)?;
                    values.iter().try_for_each(|(id, value)| change.put(self.collection, &value_key(name, id), value))?;
                    gone.iter().try_for_each(|id| change.remove(self.collection, &value_key(name, id)))
                })?;
                let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
                records.insert(name.to_owned(), Arc::new(record));
            }
            Amendment::Remove { gone } => {
                self.store.change::<_, StoreError>(|change| {
                    change.remove(self.collection, &key)?;
                    gone.iter().try_for_each(|id| change.remove(self.collection, &value_key(name, id)))
                })?;
                self.records.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            }
        }
        Ok(answer)
    }
}

/// Where a value is in its collection. Names have no colon.
pub fn value_key(name: &str, version: &str) -> String {
    format!("value:{name}:{version}")
}

/// The input of an operation. What is wrong with it is told by its place only: it may have secrets in it.
///
/// # Errors
/// `SerializationException`; status 413 for a body that is too large.
pub fn input<T: DeserializeOwned>(request: &ApiRequest) -> Result<T, ApiError> {
    if request.body.len() > BODY_BYTES {
        let message = format!("Request must be smaller than {BODY_BYTES} bytes.");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    // A list would be read as the members in the order of their declaration, which no caller of AWS means.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::bad_request("SerializationException", "Could not parse the request: it is no JSON object."));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "a member has the wrong type",
            _ => "it is not JSON",
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        ApiError::bad_request("SerializationException", format!("Could not parse the request: {what} ({place})"))
    })
}

/// Whether a value in a body is a structure. A list would be read as its members in the order of their declaration, behind the
/// back of who looks for them by their names.
///
/// # Errors
/// `SerializationException`
pub fn require_structure(value: &Value) -> Result<(), ApiError> {
    let message = "Could not parse the request: a member has the wrong type (an object is expected)";
    if value.is_object() { Ok(()) } else { Err(ApiError::bad_request("SerializationException", message)) }
}

/// A member that a request has and this host does not.
pub fn refused<T>(member: Option<T>, what: &str) -> Result<(), ApiError> {
    member.map_or(Ok(()), |_| Err(ApiError::not_there(what)))
}

/// A sensitive value that does not satisfy the model: AWS's text for it does not repeat it.
pub fn sensitive(place: &str, must: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must {must}"
    ))
}

/// Milliseconds since 1970.
pub fn now_ms(request: &ApiRequest) -> u64 {
    let since = request.received.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time as these protocols tell it: seconds since 1970, with a fraction.
pub fn seconds(ms: u64) -> Value {
    json!(Duration::from_millis(ms).as_secs_f64())
}

/// A tag of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TagPair {
    pub key: String,
    pub value: String,
}

/// Adds tags to those of a record. `wrong` makes an error of a text.
pub fn add_tags(tags: &mut BTreeMap<String, String>, pairs: &[TagPair], wrong: fn(String) -> ApiError) -> Result<(), ApiError> {
    for TagPair { key, value } in pairs {
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        if key_chars == 0 || key_chars > TAG_KEY_CHARS || value_chars > TAG_VALUE_CHARS || key.starts_with("aws:") {
            return Err(wrong(format!(
                "The tag '{key}' is invalid: a key has 1 to {TAG_KEY_CHARS} characters and does not begin with 'aws:', a value \
                 has at most {TAG_VALUE_CHARS}."
            )));
        }
        tags.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// Tags as an answer has them.
pub fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Up to `most` of the items behind the one that a token names, and the token for the next page. Items must be in the order
/// of `place`. An item that has been removed meanwhile is no obstacle, none comes twice, and the token means nothing to clients.
///
/// # Errors
/// None: a token that is none.
pub fn page<I, P: Ord + Serialize + DeserializeOwned>(
    items: Vec<I>,
    most: usize,
    token: Option<&str>,
    place: impl Fn(&I) -> P,
) -> Option<(Vec<I>, Option<String>)> {
    let begin = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) if token.len() > TOKEN_BYTES => return None,
        Some(token) => {
            let last: P = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            items.partition_point(|item| place(item) <= last)
        }
    };
    let more = items.len() - begin > most;
    let shown: Vec<I> = items.into_iter().skip(begin).take(most).collect();
    let next = shown.last().filter(|_| more).and_then(|last| serde_json::to_vec(&place(last)).ok());
    Some((shown, next.map(|last| URL_SAFE_NO_PAD.encode(last))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_while_items_come_and_go() {
        let mut items = vec!["a", "b", "c", "d"];
        let place = |item: &&str| (*item).to_owned();
        let (first, token) = page(items.clone(), 2, None, place).unwrap();
        assert_eq!(first, ["a", "b"]);
        items.retain(|item| *item != "b");
        items.insert(0, "0");
        let (second, end) = page(items.clone(), 2, token.as_deref(), place).unwrap();
        assert_eq!((second, end), (vec!["c", "d"], None));
        assert!(page(items.clone(), 2, Some("nonsense"), place).is_none());
        assert!(page(items, 2, Some(&"A".repeat(TOKEN_BYTES + 1)), place).is_none());
    }
}
