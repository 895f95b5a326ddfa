//! AddTagsToResource, RemoveTagsFromResource and ListTagsForResource, of parameters.

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, add_tags, input, tag_list};
use crate::aws::parameters::name::required;
use crate::aws::parameters::record::ParameterRecord;
use crate::aws::parameters::refusals::invalid;
use crate::aws::parameters::state::ParameterStore;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::kept::TAGS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ParameterTagInput {
    resource_type: Option<String>,
    resource_id: Option<String>,
    tags: Vec<TagPair>,
    tag_keys: Vec<String>,
}

impl ParameterTagInput {
    /// The parameter that is meant.
    fn id(&self) -> Result<&str, ApiError> {
        match required("resourceType", self.resource_type.as_deref())? {
            "Parameter" => required("resourceId", self.resource_id.as_deref()),
            "Document" | "ManagedInstance" | "MaintenanceWindow" | "PatchBaseline" | "OpsItem" | "OpsMetadata" | "Automation"
            | "Association" | "CloudConnector" => Err(ApiError::not_there("Systems Manager, but for parameters,")),
            _ => {
                let message = "The resource type is not valid. The one that there is here is Parameter.";
                Err(ApiError::bad_request("InvalidResourceType", message))
            }
        }
    }
}

/// A parameter that is not there is an id that is none.
fn of_resource(error: ApiError) -> ApiError {
    if error.code != "ParameterNotFound" {
        return error;
    }
    let message = "The resource ID is not valid. Verify that you entered the correct ID and try again.";
    ApiError::bad_request("InvalidResourceId", message)
}

/// Whether a parameter may have so many.
pub fn check(record: &ParameterRecord) -> Result<(), ApiError> {
    if record.tags.len() > TAGS {
        let message = "The Targets parameter includes too many tags. Remove one or more tags and try the command again.";
        return Err(ApiError::bad_request("TooManyTagsError", message));
    }
    Ok(())
}

fn change(
    parameters: &ParameterStore,
    input: &ParameterTagInput,
    work: impl FnOnce(&mut ParameterRecord) -> Result<(), ApiError>,
) -> Result<ApiResponse, ApiError> {
    let changed = parameters.amend(input.id()?, |record| {
        let mut record = record.clone();
        work(&mut record)?;
        check(&record)?;
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    });
    changed.map_err(of_resource)?;
    answer(&json!({}))
}

/// `AddTagsToResource`
pub fn add(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ParameterTagInput = input(request)?;
    change(parameters, &input, |record| add_tags(&mut record.tags, &input.tags, invalid))
}

/// `RemoveTagsFromResource`
pub fn remove(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ParameterTagInput = input(request)?;
    change(parameters, &input, |record| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
}

/// `ListTagsForResource`
pub fn list(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ParameterTagInput = input(request)?;
    let (record, _, _) = parameters.find(input.id()?).map_err(of_resource)?;
    answer(&json!({"TagList": tag_list(&record.tags)}))
}
