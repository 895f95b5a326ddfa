//! UpdateSecretVersionStage: moves a stage from a version to another.

use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, input, now_ms};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::record::{CURRENT, SecretRecord};
use crate::aws::secrets::refusals::invalid_parameter;
use crate::aws::secrets::state::Secrets;
use crate::limits::secrets::STAGE_CHARS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StageInput {
    secret_id: Option<String>,
    version_stage: Option<String>,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

/// `UpdateSecretVersionStage`
pub fn update(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: StageInput = input(request)?;
    let mut constraints = Constraints::default();
    if let Some(stage) = constraints.required("versionStage", input.version_stage.as_deref()) {
        constraints.length("versionStage", stage, 1..=STAGE_CHARS);
    }
    constraints.finish()?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    secrets.amend(&found, |record| {
        record.require_alive()?;
        let mut record = record.clone();
        shift(&mut record, &input)?;
        record.changed_ms = now_ms(request);
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    answer(&json!({"ARN": found.arn(&secrets.account), "Name": found.name}))
}

fn shift(record: &mut SecretRecord, input: &StageInput) -> Result<(), ApiError> {
    let stage = input.version_stage.as_deref().unwrap_or_default();
    let (from, to) = (input.remove_from_version_id.as_deref(), input.move_to_version_id.as_deref());
    for id in [from, to].into_iter().flatten() {
        if record.version(id).is_none() {
            return Err(invalid_parameter(format!("Not a valid version: {id}")));
        }
    }
    let attached = record.staged(stage).map(|version| version.id.clone());
    match (from, attached) {
        (Some(from), attached) if attached.as_deref() != Some(from) => {
            return Err(invalid_parameter(format!("Version stage {stage} not found in version {from}")));
        }
        (None, Some(attached)) if to != Some(attached.as_str()) => {
            return Err(invalid_parameter(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version \
                 {attached}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        _ => {}
    }
    match to {
        Some(to) => record.attach(stage, to),
        None if stage == CURRENT => Err(invalid_parameter(format!(
            "You can only move staging label {stage} to a different secret version. It can't be completely removed."
        ))),
        None => {
            record.detach(stage);
            Ok(())
        }
    }
}
