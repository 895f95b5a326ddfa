//! ListSecrets: filters, order and pages.
//!
//! A secret is listed if each filter matches, and a filter matches if one of its values does. `name`, `tag-key` and `tag-value`
//! match the beginning, in this case of letters; `description` and `all` match if each word of the value begins a word of the
//! text, in any case. A value behind `!` matches what it does not match without.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{input, now_ms, page};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::record::SecretRecord;
use crate::aws::secrets::refusals;
use crate::aws::secrets::state::Secrets;
use crate::limits::secrets::{FILTER_VALUE_CHARS, FILTER_VALUES, FILTERS, PAGE};

const KEYS: [&str; 7] = ["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ListSecretsInput {
    include_planned_deletion: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
    filters: Option<Vec<SecretFilter>>,
    sort_by: Option<String>,
    sort_order: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SecretFilter {
    key: String,
    values: Vec<String>,
}

impl SecretFilter {
    fn matches(&self, record: &SecretRecord) -> bool {
        let description = record.description.as_deref();
        let texts: Vec<&str> = match self.key.as_str() {
            "name" => vec![&record.name],
            "description" => description.into_iter().collect(),
            "tag-key" => record.tags.keys().map(String::as_str).collect(),
            "tag-value" => record.tags.values().map(String::as_str).collect(),
            "all" => {
                let tags = record.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
                tags.chain(description).chain([record.name.as_str()]).collect()
            }
            // No secret is a replica, and none belongs to a service.
            _ => Vec::new(),
        };
        let by_words = matches!(self.key.as_str(), "description" | "all");
        let found =
            |value: &str| texts.iter().any(|text| if by_words { has_words(text, value) } else { text.starts_with(value) });
        self.values.iter().any(|value| match value.strip_prefix('!') {
            Some(value) => !found(value),
            None => found(value),
        })
    }
}

/// Whether each word of the value begins a word of the text.
fn has_words(text: &str, value: &str) -> bool {
    let (text, value) = (text.to_lowercase(), value.to_lowercase());
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (there, wanted) = (words(&text), words(&value));
    !wanted.is_empty() && wanted.iter().all(|wanted| there.iter().any(|word| word.starts_with(wanted)))
}

/// How many a page has.
pub fn most(asked: Option<i64>, limit: usize) -> Result<usize, ApiError> {
    let Some(asked) = asked else { return Ok(limit) };
    let mut constraints = Constraints::default();
    constraints.range("maxResults", asked, 1..=i64::try_from(limit).unwrap_or(i64::MAX));
    constraints.finish()?;
    Ok(usize::try_from(asked).unwrap_or(limit))
}

/// The secrets that the filters of a request match and that are not to be deleted, by name.
pub fn matching(secrets: &Secrets, request: &ApiRequest) -> Result<Vec<Arc<SecretRecord>>, ApiError> {
    let input: ListSecretsInput = input(request)?;
    matched(secrets, request, &input)
}

fn matched(secrets: &Secrets, request: &ApiRequest, input: &ListSecretsInput) -> Result<Vec<Arc<SecretRecord>>, ApiError> {
    let filters = input.filters.as_deref().unwrap_or_default();
    let mut constraints = Constraints::default();
    if filters.len() > FILTERS {
        constraints.fail("filters", &filters.len(), &format!("have length less than or equal to {FILTERS}"));
    }
    for (at, filter) in filters.iter().enumerate().take(FILTERS) {
        constraints.one_of(&format!("filters.{}.member.key", at + 1), &filter.key, &KEYS);
        let place = format!("filters.{}.member.values", at + 1);
        if filter.values.is_empty() || filter.values.len() > FILTER_VALUES {
            constraints.fail(&place, &filter.values.len(), &format!("have length between 1 and {FILTER_VALUES}"));
        }
        filter.values.iter().take(FILTER_VALUES).for_each(|value| constraints.length(&place, value, 0..=FILTER_VALUE_CHARS));
    }
    constraints.finish()?;
    let (planned, now_ms) = (input.include_planned_deletion.unwrap_or(false), now_ms(request));
    let mut all = secrets.cabinet.all();
    all.retain(|record| {
        let there = record.deletion_ms.is_none_or(|deletion_ms| planned && now_ms < deletion_ms);
        there && filters.iter().all(|filter| filter.matches(record))
    });
    Ok(all)
}

/// `ListSecrets`
pub fn list(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ListSecretsInput = input(request)?;
    let mut constraints = Constraints::default();
    let sort_by = input.sort_by.as_deref().unwrap_or("created-date");
    let order = input.sort_order.as_deref().unwrap_or("asc");
    constraints.one_of("sortBy", sort_by, &["created-date", "last-accessed-date", "last-changed-date", "name"]);
    constraints.one_of("sortOrder", order, &["asc", "desc"]);
    constraints.finish()?;
    let most = most(input.max_results, PAGE)?;
    let mut all = matched(secrets, request, &input)?;
    let time = |record: &SecretRecord| match sort_by {
        "created-date" => record.created_ms,
        "last-changed-date" => record.changed_ms,
        "last-accessed-date" => record.accessed_ms.unwrap_or(0),
        _ => 0,
    };
    let descending = order == "desc";
    // A record's place in the order, so that a token can name it: `Reverse` is what `page` cannot know.
    let place = |record: &Arc<SecretRecord>| {
        let name = record.name.as_str();
        let time = time(record);
        if descending { (u64::MAX - time, reversed(name)) } else { (time, name.to_owned()) }
    };
    all.sort_by_cached_key(place);
    let shown = page(all, most, input.next_token.as_deref(), place).ok_or_else(refusals::next_token)?;
    let entries: Vec<Value> =
        shown.0.iter().map(|record| Value::Object(record.described(&secrets.account, "SecretVersionsToStages"))).collect();
    let mut members = serde_json::json!({"SecretList": entries});
    if let Some(next) = shown.1 {
        members["NextToken"] = next.into();
    }
    answer(&members)
}

/// A text that comes before another's exactly if its original comes after. Names are ASCII.
fn reversed(name: &str) -> String {
    let turned = name.bytes().map(|byte| char::from(0x7f - (byte & 0x7f)));
    // The end of a name, which makes it the lesser one, becomes the greatest character.
    turned.chain(['\u{80}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversed_names_are_in_the_opposite_order() {
        let names = ["", "a", "a-b", "a/b", "aa", "b", "b0"];
        let mut sorted = names;
        sorted.sort_by_key(|name| reversed(name));
        assert!(sorted.iter().rev().eq(names.iter()), "{sorted:?}");
    }

    #[test]
    fn filters_match_as_the_module_says() {
        let mut one = SecretRecord::new("prod/Database".to_owned(), "abcdef".to_owned(), 0);
        one.description = Some("The main database of Berlin".to_owned());
        one.tags.insert("team".to_owned(), "Fruit".to_owned());
        let cases = [
            ("name", "prod", true),
            ("name", "Prod", false),
            ("name", "Database", false),
            ("name", "!prod", false),
            ("name", "!test", true),
            ("tag-key", "te", true),
            ("tag-value", "fruit", false),
            ("tag-value", "Fr", true),
            ("description", "berlin MAIN", true),
            ("description", "berlin rome", false),
            ("all", "fruit", true),
            ("all", "database", true),
            ("all", "-", false),
            ("owning-service", "x", false),
        ];
        for (key, value, expected) in cases {
            let filter = SecretFilter { key: key.to_owned(), values: vec![value.to_owned()] };
            assert_eq!(filter.matches(&one), expected, "{key} {value}");
        }
    }
}
