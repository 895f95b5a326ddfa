//! TagResource and UntagResource.

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, add_tags, input, now_ms};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::record::SecretRecord;
use crate::aws::secrets::refusals;
use crate::aws::secrets::state::Secrets;
use crate::limits::kept::TAGS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SecretTagInput {
    secret_id: Option<String>,
    tags: Vec<TagPair>,
    tag_keys: Vec<String>,
}

/// Whether a secret may have so many.
pub fn check(record: &SecretRecord) -> Result<(), ApiError> {
    if record.tags.len() > TAGS {
        return Err(refusals::invalid_parameter(format!("A secret can have at most {TAGS} tags.")));
    }
    Ok(())
}

fn change(
    secrets: &Secrets,
    request: &ApiRequest,
    work: impl FnOnce(&SecretTagInput, &mut SecretRecord) -> Result<(), ApiError>,
) -> Result<ApiResponse, ApiError> {
    let input: SecretTagInput = input(request)?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    secrets.amend(&found, |record| {
        record.require_alive()?;
        let mut record = record.clone();
        work(&input, &mut record)?;
        check(&record)?;
        record.changed_ms = now_ms(request);
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    answer(&json!({}))
}

/// `TagResource`
pub fn add(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(secrets, request, |input, record| add_tags(&mut record.tags, &input.tags, refusals::invalid_parameter))
}

/// `UntagResource`
pub fn remove(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    change(secrets, request, |input, record| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
}
