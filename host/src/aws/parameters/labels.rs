//! LabelParameterVersion and UnlabelParameterVersion. A label is on one version of a parameter at most.

use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, input};
use crate::aws::parameters::name::required;
use crate::aws::parameters::record::ParameterRecord;
use crate::aws::parameters::refusals::no_version;
use crate::aws::parameters::state::ParameterStore;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::parameters::{LABEL_CHARS, LABELS};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LabelInput {
    name: Option<String>,
    parameter_version: Option<u64>,
    labels: Option<Vec<String>>,
}

impl LabelInput {
    fn labels(&self) -> Result<&[String], ApiError> {
        let mut constraints = Constraints::default();
        let labels = constraints.required("labels", self.labels.as_deref()).unwrap_or_default();
        if self.labels.is_some() && !(1..=LABELS).contains(&labels.len()) {
            constraints.fail("labels", &labels.len(), &format!("have length between 1 and {LABELS}"));
        }
        labels.iter().take(LABELS).for_each(|label| constraints.length("labels", label, 1..=LABEL_CHARS));
        constraints.finish()?;
        Ok(labels)
    }
}

fn is_sound(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let begins = label.starts_with(|c: char| c.is_ascii_digit()) || lower.starts_with("aws") || lower.starts_with("ssm");
    !begins && label.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The position of a version.
fn position(record: &ParameterRecord, number: u64) -> Result<usize, ApiError> {
    let position = record.versions.iter().position(|version| version.number == number);
    position.ok_or_else(|| no_version(&number.to_string(), &record.name))
}

fn put(record: ParameterRecord) -> Amendment<ParameterRecord> {
    Amendment::Put { record, values: Vec::new(), gone: Vec::new() }
}

/// `LabelParameterVersion`
pub fn label(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: LabelInput = input(request)?;
    let id = required("name", input.name.as_deref())?;
    let (sound, unsound): (Vec<&String>, Vec<&String>) = input.labels()?.iter().partition(|label| is_sound(label));
    let number = parameters.amend(id, |record| {
        let mut record = record.clone();
        let last = record.versions.last().map_or(1, |version| version.number);
        let number = input.parameter_version.unwrap_or(last);
        let at = position(&record, number)?;
        for label in &sound {
            for version in &mut record.versions {
                version.labels.retain(|present| present != *label);
            }
            record.versions[at].labels.push((*label).clone());
        }
        if record.versions[at].labels.len() > LABELS {
            let message = "A parameter version can have maximum 10 labels. Move one or more labels to another version and try \
                           again.";
            return Err(ApiError::bad_request("ParameterVersionLabelLimitExceeded", message));
        }
        Ok((put(record), number))
    })?;
    answer(&json!({"InvalidLabels": unsound, "ParameterVersion": number}))
}

/// `UnlabelParameterVersion`
pub fn unlabel(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: LabelInput = input(request)?;
    let id = required("name", input.name.as_deref())?;
    let labels = input.labels()?;
    let mut constraints = Constraints::default();
    let number = constraints.required("parameterVersion", input.parameter_version);
    constraints.finish()?;
    let (removed, invalid) = parameters.amend(id, |record| {
        let mut record = record.clone();
        let at = position(&record, number.unwrap_or_default())?;
        let present = &mut record.versions[at].labels;
        let (removed, invalid): (Vec<&String>, Vec<&String>) = labels.iter().partition(|label| present.contains(label));
        present.retain(|label| !removed.contains(&label));
        Ok((put(record), (removed, invalid)))
    })?;
    answer(&json!({"RemovedLabels": removed, "InvalidLabels": invalid}))
}
