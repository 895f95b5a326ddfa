//! Filters of DescribeParameters and GetParametersByPath. A parameter is shown if each filter matches, and a filter matches if
//! one of its values does.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::parameters::name;
use crate::aws::parameters::record::{ParameterKind, ParameterRecord, ParameterVersion};
use crate::limits::parameters::{FILTER_KEY_CHARS, FILTER_VALUE_CHARS, FILTER_VALUES, FILTERS};

const KEYS: &str = "tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType";
const TIERS: [&str; 3] = ["Standard", "Advanced", "Intelligent-Tiering"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ParameterFilter {
    key: String,
    option: Option<String>,
    values: Vec<String>,
}

/// Which operation filters: their keys differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterUse {
    Everywhere,
    Path,
}

impl ParameterFilter {
    /// A filter of the older kind, whose names are beginnings.
    pub fn of_older(mut self) -> ParameterFilter {
        self.option = (self.key == "Name").then(|| "BeginsWith".to_owned());
        self
    }

    fn option(&self) -> &str {
        self.option.as_deref().unwrap_or(if self.key == "Path" { "OneLevel" } else { "Equals" })
    }

    /// Each of the texts that a parameter has for this key.
    fn matches(&self, record: &ParameterRecord) -> bool {
        let Some(last) = record.versions.last() else { return false };
        if self.key == "Path" {
            let recursive = self.option() == "Recursive";
            return self.values.iter().any(|path| name::is_below(&record.name, path, recursive));
        }
        if self.key == "Label" {
            return self.labelled(record).is_some();
        }
        let text = match self.key.as_str() {
            "Name" => Some(name::path(&record.name)),
            "Type" => Some(last.kind.as_str().to_owned()),
            "KeyId" => last.key_id.clone(),
            "Tier" => Some(last.tier.as_str().to_owned()),
            "DataType" => Some("text".to_owned()),
            tag => record.tags.get(tag.strip_prefix("tag:").unwrap_or(tag)).cloned(),
        };
        let Some(text) = text else { return false };
        if self.values.is_empty() {
            return true;
        }
        self.values.iter().any(|value| match (self.option(), self.key.as_str()) {
            ("Contains", _) => text.contains(value),
            ("BeginsWith", "Name") => text.starts_with(&name::path(value)),
            ("BeginsWith", _) => text.starts_with(value),
            (_, "Name") => text == name::path(value),
            _ => text == *value,
        })
    }

    fn labelled<'a>(&self, record: &'a ParameterRecord) -> Option<&'a ParameterVersion> {
        record.versions.iter().rev().find(|version| version.labels.iter().any(|label| self.values.contains(label)))
    }
}

pub fn matches(filters: &[ParameterFilter], record: &ParameterRecord) -> bool {
    filters.iter().all(|filter| filter.matches(record))
}

/// The version that a filter by label selects.
pub fn labelled<'a>(filters: &[ParameterFilter], record: &'a ParameterRecord) -> Option<&'a ParameterVersion> {
    filters.iter().find(|filter| filter.key == "Label")?.labelled(record)
}

/// How many a page has.
pub fn most(asked: Option<i64>, limit: usize) -> Result<usize, ApiError> {
    let Some(asked) = asked else { return Ok(limit) };
    let mut constraints = Constraints::default();
    constraints.range("maxResults", asked, 1..=i64::try_from(limit).unwrap_or(i64::MAX));
    constraints.finish()?;
    Ok(usize::try_from(asked).unwrap_or(limit))
}

/// # Errors
/// `InvalidFilterKey`, `InvalidFilterOption` and `InvalidFilterValue`, and what the model refuses.
pub fn check(filters: &[ParameterFilter], used: FilterUse) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    if filters.len() > FILTERS {
        constraints.fail("parameterFilters", &filters.len(), &format!("have length less than or equal to {FILTERS}"));
    }
    for (at, filter) in filters.iter().enumerate().take(FILTERS) {
        let member = |name: &str| format!("parameterFilters.{}.member.{name}", at + 1);
        let known = |key: &str| key.strip_prefix("tag:").map_or(KEYS.split('|').any(|known| known == key), |tag| !tag.is_empty());
        constraints.pattern(&member("key"), &filter.key, KEYS, known);
        constraints.length(&member("key"), &filter.key, 1..=FILTER_KEY_CHARS);
        if filter.values.len() > FILTER_VALUES {
            let must = format!("have length less than or equal to {FILTER_VALUES}");
            constraints.fail(&member("values"), &filter.values.len(), &must);
        }
        filter
            .values
            .iter()
            .take(FILTER_VALUES)
            .for_each(|value| constraints.length(&member("values"), value, 1..=FILTER_VALUE_CHARS));
    }
    constraints.finish()?;
    let mut keys = BTreeSet::new();
    filters.iter().try_for_each(|filter| {
        if !keys.insert(filter.key.as_str()) {
            return Err(bad_key(format!(
                "The following filter is duplicated in the request: {}. A request can contain only one occurrence of a \
                 specific filter.",
                filter.key
            )));
        }
        judge(filter, used)
    })
}

fn judge(filter: &ParameterFilter, used: FilterUse) -> Result<(), ApiError> {
    let ParameterFilter { key, values, .. } = filter;
    let keys = match used {
        FilterUse::Path => ["Type", "KeyId", "Label"].as_slice(),
        FilterUse::Everywhere => ["Path", "Name", "Type", "KeyId", "Tier", "DataType"].as_slice(),
    };
    if !keys.contains(&key.as_str()) && (used == FilterUse::Path || !key.starts_with("tag:")) {
        let keys = keys.join(", ");
        return Err(bad_key(format!("The following filter key is not valid: {key}. Valid filter keys include: [{keys}].")));
    }
    if values.is_empty() && !key.starts_with("tag:") {
        let message = format!("The following filter values are missing : null for filter key {key}.");
        return Err(ApiError::bad_request("InvalidFilterValue", message));
    }
    let options = match key.as_str() {
        "Path" => ["Recursive", "OneLevel"].as_slice(),
        "Name" => ["BeginsWith", "Contains", "Equals"].as_slice(),
        "Label" => ["Equals"].as_slice(),
        _ => ["BeginsWith", "Equals"].as_slice(),
    };
    if !options.contains(&filter.option()) {
        let options = options.join(", ");
        return Err(bad_option(format!(
            "The following filter option is not valid: {}. Valid options include: [{options}].",
            filter.option()
        )));
    }
    let known = match key.as_str() {
        "Path" => return values.iter().try_for_each(|path| name::check_path(path)),
        "Type" => ParameterKind::NAMES,
        "Tier" => TIERS,
        _ => return Ok(()),
    };
    match values.iter().find(|value| !known.contains(&value.as_str())) {
        Some(value) if filter.option() == "Equals" => {
            let known = known.join(", ");
            let message = format!("The following filter value is not valid: {value}. Valid values include: [{known}].");
            Err(bad_option(message))
        }
        _ => Ok(()),
    }
}

fn bad_key(message: String) -> ApiError {
    ApiError::bad_request("InvalidFilterKey", message)
}

fn bad_option(message: String) -> ApiError {
    ApiError::bad_request("InvalidFilterOption", message)
}
