//! PutParameter.

use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, add_tags, input, now_ms, refused, sensitive};
use crate::aws::parameters::name::required;
use crate::aws::parameters::record::{ParameterKind, ParameterRecord, ParameterTier, ParameterVersion};
use crate::aws::parameters::refusals::{already_exists, invalid};
use crate::aws::parameters::state::ParameterStore;
use crate::aws::parameters::{name, tags};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::parameters::{ADVANCED_BYTES, DESCRIPTION_CHARS, KEY_ID_CHARS, PARAMETERS, STANDARD_BYTES, VERSIONS};

/// What AWS says of a parameter that was sealed without a key of the caller's.
const DEFAULT_KEY: &str = "alias/aws/ssm";

/// Has a value in it, and cannot be printed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PutParameterInput {
    name: Option<String>,
    value: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    description: Option<String>,
    key_id: Option<String>,
    overwrite: Option<bool>,
    allowed_pattern: Option<String>,
    tags: Option<Vec<TagPair>>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

impl PutParameterInput {
    fn check(&self) -> Result<(), ApiError> {
        refused(self.allowed_pattern.as_ref().filter(|text| !text.is_empty()), "AllowedPattern of PutParameter")?;
        let policies = self.policies.as_deref().filter(|text| !["", "[]", "[{}]"].contains(text));
        refused(policies, "Policies of PutParameter")?;
        let mut constraints = Constraints::default();
        if let Some(description) = &self.description {
            constraints.length("description", description, 0..=DESCRIPTION_CHARS);
        }
        if let Some(kind) = &self.kind {
            constraints.one_of("type", kind, &ParameterKind::NAMES);
        }
        if let Some(tier) = &self.tier {
            constraints.one_of("tier", tier, &["Standard", "Advanced", "Intelligent-Tiering"]);
        }
        if let Some(key) = &self.key_id {
            let sound = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c));
            constraints.length("keyId", key, 1..=KEY_ID_CHARS);
            constraints.pattern("keyId", key, "^([a-zA-Z0-9:/_-]+)$", sound);
        }
        constraints.required("value", self.value.as_ref());
        constraints.finish()?;
        if self.value.as_deref() == Some("") {
            return Err(sensitive("value", "have length greater than or equal to 1"));
        }
        let overwrite = self.overwrite.unwrap_or(false);
        if overwrite && self.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
            return Err(invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
                 overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
                 RemoveTagsFromResource."
                    .to_owned(),
            ));
        }
        match self.data_type.as_deref() {
            None | Some("text") => Ok(()),
            Some(kind @ ("aws:ec2:image" | "aws:ssm:integration")) => {
                Err(ApiError::not_there(&format!("DataType {kind} of PutParameter")))
            }
            Some(other) => {
                let message = format!("The following data type is not supported: {other} (Data type names are all lowercase.)");
                Err(invalid(message))
            }
        }
    }
}

/// The tier of a version, which must hold its value.
fn tier(asked: Option<&str>, before: Option<ParameterTier>, bytes: usize) -> Result<ParameterTier, ApiError> {
    let tier = match (asked, before) {
        (Some("Advanced"), _) => ParameterTier::Advanced,
        (Some("Standard"), Some(ParameterTier::Advanced)) => {
            return Err(invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter \
                 tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a \
                 standard parameter."
                    .to_owned(),
            ));
        }
        (Some("Intelligent-Tiering"), None | Some(ParameterTier::Standard)) if bytes > STANDARD_BYTES => ParameterTier::Advanced,
        (_, before) => before.unwrap_or(ParameterTier::Standard),
    };
    match tier {
        ParameterTier::Standard if bytes > STANDARD_BYTES => Err(invalid(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter \
             value, upgrade the parameter to use the advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
                .to_owned(),
        )),
        ParameterTier::Advanced if bytes > ADVANCED_BYTES => {
            Err(invalid("Advanced tier parameters support a maximum parameter value of 8192 characters.".to_owned()))
        }
        fits => Ok(fits),
    }
}

/// `PutParameter`
pub fn put(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut input: PutParameterInput = input(request)?;
    let id = required("name", input.name.as_deref())?.to_owned();
    input.check()?;
    // An ARN of this account stands for the name.
    let name = match id.strip_prefix(&parameters.arn_prefix()) {
        Some(rest) => name::key(rest).to_owned(),
        None => id,
    };
    name::check(&name)?;
    let text = input.value.take().unwrap_or_default();
    let (asked, now_ms) = (input.kind.as_deref().and_then(ParameterKind::parse), now_ms(request));
    let (number, tier) = parameters.cabinet.change(name::key(&name), |present| {
        let mut record = match present {
            Some(_) if !input.overwrite.unwrap_or(false) => return Err(already_exists()),
            Some(record) => record.clone(),
            None if parameters.cabinet.count() >= PARAMETERS => {
                let message =
                    "You have exceeded the number of parameters for this AWS account. Delete one or more parameters and try again.";
                return Err(ApiError::bad_request("ParameterLimitExceeded", message));
            }
            None => ParameterRecord { name: name.clone(), tags: std::collections::BTreeMap::new(), versions: Vec::new() },
        };
        add_tags(&mut record.tags, &input.tags.unwrap_or_default(), invalid)?;
        tags::check(&record)?;
        let before = record.versions.last();
        let kind = match (asked, before.map(|version| version.kind)) {
            (Some(asked), Some(before)) if asked != before => {
                let message = "Parameter Store does not support changing a parameter type in a hierarchy. For example, you \
                               can't change a parameter from a String type to a SecureString type. You must create a new, \
                               unique parameter.";
                return Err(ApiError::bad_request("HierarchyTypeMismatchException", message));
            }
            (asked, before) => asked.or(before).ok_or_else(|| {
                invalid("A parameter type is required when you create a parameter.".to_owned())
            })?,
        };
        let key_id = match kind {
            ParameterKind::SecureString => {
                let before = before.and_then(|version| version.key_id.clone());
                input.key_id.or(before).or_else(|| Some(DEFAULT_KEY.to_owned()))
            }
            ParameterKind::String | ParameterKind::StringList => None,
        };
        let version = ParameterVersion {
            number: before.map_or(1, |version| version.number + 1),
            kind,
            tier: tier(input.tier.as_deref(), before.map(|version| version.tier), text.len())?,
            description: input.description.or_else(|| before.and_then(|version| version.description.clone())),
            key_id,
            labels: Vec::new(),
            modified_ms: now_ms,
        };
        let told = (version.number, version.tier);
        let kept = parameters.kept(&record.name, version.number, kind, text)?;
        let kept = serde_json::to_value(kept).map_err(|error| ApiError::internal(&error))?;
        let gone = make_room(&mut record)?;
        record.versions.push(version);
        Ok((Amendment::Put { record, values: vec![(told.0.to_string(), kept)], gone }, told))
    })?;
    answer(&json!({"Version": number, "Tier": tier.as_str()}))
}

/// Takes the oldest version away where there is no room for another one. Returns its id.
fn make_room(record: &mut ParameterRecord) -> Result<Vec<String>, ApiError> {
    if record.versions.len() < VERSIONS {
        return Ok(Vec::new());
    }
    let oldest = record.versions.remove(0);
    if oldest.labels.is_empty() {
        return Ok(vec![oldest.number.to_string()]);
    }
    let message = format!(
        "You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. Version {}, the \
         oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the \
         parameter, and try again.",
        record.name, oldest.number
    );
    Err(ApiError::bad_request("ParameterMaxVersionLimitExceeded", message))
}
