//! DescribeParameters: what there is, without values.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{input, page, refused, seconds};
use crate::aws::parameters::filter::{self, FilterUse, ParameterFilter};
use crate::aws::parameters::refusals::{invalid, next_token};
use crate::aws::parameters::state::ParameterStore;
use crate::aws::parameters::{name, read};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::parameters::PAGE;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DescribeInput {
    filters: Option<Vec<ParameterFilter>>,
    parameter_filters: Option<Vec<ParameterFilter>>,
    shared: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// `DescribeParameters`
pub fn describe(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DescribeInput = input(request)?;
    refused(input.shared.filter(|shared| *shared), "Shared of DescribeParameters")?;
    let (older, newer) = (input.filters.unwrap_or_default(), input.parameter_filters.unwrap_or_default());
    if !older.is_empty() && !newer.is_empty() {
        return Err(invalid("You can use either Filters or ParameterFilters in a single request.".to_owned()));
    }
    let older: Vec<ParameterFilter> = older.into_iter().map(ParameterFilter::of_older).collect();
    let filters = if newer.is_empty() { older } else { newer };
    filter::check(&filters, FilterUse::Everywhere)?;
    let most = filter::most(input.max_results, PAGE)?;
    let mut all = parameters.cabinet.all();
    all.retain(|record| filter::matches(&filters, record));
    let shown = page(all, most, input.next_token.as_deref(), |record| name::key(&record.name).to_owned());
    let (records, next) = shown.ok_or_else(next_token)?;
    let shown: Vec<Value> = records
        .iter()
        .filter_map(|record| {
            let version = record.versions.last()?;
            let mut entry = json!({
                "Name": record.name,
                "ARN": parameters.arn_of_name(&record.name),
                "Type": version.kind.as_str(),
                "LastModifiedDate": seconds(version.modified_ms),
                "Version": version.number,
                "DataType": "text",
            });
            read::describe(parameters, version, entry.as_object_mut()?);
            Some(entry)
        })
        .collect();
    answer(&read::paged(json!({"Parameters": shown}), next))
}
