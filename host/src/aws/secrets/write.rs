//! CreateSecret, PutSecretValue and UpdateSecret: what gives a secret a new version.
//!
//! The client's token is the id of the version, so that a request which is sent twice makes one version: the second time it is
//! there, and has the same value. With another value the token is refused.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, add_tags, input, now_ms, refused, sensitive};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::record::{CURRENT, SecretRecord};
use crate::aws::secrets::state::Secrets;
use crate::aws::secrets::value::SecretValue;
use crate::aws::secrets::{password, refusals, tags};
use crate::limits::secrets::{
    DESCRIPTION_CHARS, KMS_KEY_CHARS, NAME_CHARS, SECRETS, STAGE_CHARS, SUFFIX_LETTERS, VALUE_BYTES, VERSION_ID_CHARS,
    VERSION_STAGES,
};

/// Has a value in it, and cannot be printed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SecretInput {
    name: Option<String>,
    secret_id: Option<String>,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
    version_stages: Option<Vec<String>>,
    tags: Option<Vec<TagPair>>,
    add_replica_regions: Option<Value>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "CrossAccountPrimaryARN")]
    cross_account_primary: Option<String>,
    rotation_token: Option<String>,
}

impl SecretInput {
    fn check(&self, of: &str) -> Result<(), ApiError> {
        refused(self.add_replica_regions.as_ref(), &format!("AddReplicaRegions of {of}"))?;
        refused(self.kind.as_ref().filter(|kind| !kind.is_empty()), &format!("Type of {of}"))?;
        refused(self.cross_account_primary.as_ref(), &format!("CrossAccountPrimaryARN of {of}"))?;
        refused(self.rotation_token.as_ref(), &format!("RotationToken of {of}"))?;
        let mut constraints = Constraints::default();
        if let Some(description) = &self.description {
            constraints.length("description", description, 0..=DESCRIPTION_CHARS);
        }
        if let Some(key) = &self.kms_key_id {
            constraints.length("kmsKeyId", key, 0..=KMS_KEY_CHARS);
        }
        if let Some(stages) = &self.version_stages {
            if stages.is_empty() || stages.len() > VERSION_STAGES {
                let must = format!("have length between 1 and {VERSION_STAGES}");
                constraints.fail("versionStages", &format!("{} stages", stages.len()), &must);
            }
            stages.iter().for_each(|stage| constraints.length("versionStages", stage, 1..=STAGE_CHARS));
        }
        constraints.finish()?;
        let token = self.client_request_token.as_deref();
        if token.is_some_and(|token| !VERSION_ID_CHARS.contains(&token.chars().count())) {
            return Err(refusals::invalid_parameter("ClientRequestToken must be 32-64 characters long.".to_owned()));
        }
        // It is part of a key in the store.
        if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(refusals::invalid_parameter("ClientRequestToken must be ASCII without spaces.".to_owned()));
        }
        Ok(())
    }

    fn token(&self) -> String {
        self.client_request_token.clone().unwrap_or_else(|| Uuid::new_v4().to_string())
    }

    /// The value, if there is one.
    fn value(&mut self) -> Result<Option<SecretValue>, ApiError> {
        let value = match (self.secret_string.take(), self.secret_binary.take()) {
            (None, None) => return Ok(None),
            (Some(text), None) => SecretValue::String(text),
            (None, Some(base64)) => SecretValue::Binary(
                STANDARD
                    .decode(base64)
                    .map_err(|_| ApiError::bad_request("SerializationException", "SecretBinary is not base64."))?,
            ),
            (Some(_), Some(_)) => {
                let message = "You can't specify both a binary secret value and a string secret value in the same secret.";
                return Err(refusals::invalid_parameter(message.to_owned()));
            }
        };
        let (member, bytes) = match &value {
            SecretValue::String(text) => ("secretString", text.len()),
            SecretValue::Binary(bytes) => ("secretBinary", bytes.len()),
        };
        match bytes {
            0 => Err(sensitive(member, "have length greater than or equal to 1")),
            1..=VALUE_BYTES => Ok(Some(value)),
            _ => Err(sensitive(member, &format!("have length less than or equal to {VALUE_BYTES}"))),
        }
    }
}

/// What the token of a value is to a secret.
enum TokenUse {
    /// It is there, with the same value.
    Present,
    /// It is to be, with this sealed value.
    New(Value),
}

impl Secrets {
    fn version(&self, record: &SecretRecord, token: &str, value: &SecretValue) -> Result<TokenUse, ApiError> {
        if record.version(token).is_none() {
            let sealed = self.sealed(&record.name, token, value)?;
            return serde_json::to_value(sealed).map(TokenUse::New).map_err(|error| ApiError::internal(&error));
        }
        match self.unsealed(&record.name, token)? {
            Some(present) if present == *value => Ok(TokenUse::Present),
            _ => Err(refusals::token_in_use(token, &record.arn(&self.account))),
        }
    }

    fn named(&self, record: &SecretRecord, version: Option<&str>) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("ARN".to_owned(), record.arn(&self.account).into());
        members.insert("Name".to_owned(), record.name.as_str().into());
        if let Some(version) = version {
            members.insert("VersionId".to_owned(), version.into());
        }
        members
    }
}

/// `CreateSecret`
pub fn create(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut input: SecretInput = input(request)?;
    input.check("CreateSecret")?;
    let mut constraints = Constraints::default();
    if let Some(name) = constraints.required("name", input.name.as_deref()) {
        constraints.length("name", name, 1..=NAME_CHARS);
    }
    constraints.finish()?;
    let name = input.name.take().unwrap_or_default();
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c)) {
        let message = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
        return Err(ApiError::validation(message));
    }
    let (now_ms, token, value) = (now_ms(request), input.token(), input.value()?);
    let members = secrets.cabinet.change(&name, |present| {
        if let Some(record) = present {
            if record.deletion_ms.is_some() {
                let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
                return Err(refusals::invalid_request(message));
            }
            if let Some(value) = &value
                && record.version(&token).is_some()
            {
                secrets.version(record, &token, value)?;
                return Ok((Amendment::Keep, secrets.named(record, Some(&token))));
            }
            return Err(refusals::exists(format!("The operation failed because the secret {name} already exists.")));
        }
        if secrets.cabinet.count() >= SECRETS {
            return Err(refusals::limit(format!("You can't create more than {SECRETS} secrets.")));
        }
        let mut record = SecretRecord {
            description: input.description,
            kms_key: input.kms_key_id.filter(|key| !key.is_empty()),
            ..SecretRecord::new(name.clone(), password::letters(SUFFIX_LETTERS)?, now_ms)
        };
        add_tags(&mut record.tags, &input.tags.unwrap_or_default(), refusals::invalid_parameter)?;
        tags::check(&record)?;
        let mut values = Vec::new();
        if let Some(value) = &value
            && let TokenUse::New(sealed) = secrets.version(&record, &token, value)?
        {
            record.add(&token, &[CURRENT.to_owned()], now_ms)?;
            values.push((token.clone(), sealed));
        }
        let members = secrets.named(&record, value.as_ref().map(|_| token.as_str()));
        Ok((Amendment::Put { record, values, gone: Vec::new() }, members))
    })?;
    answer(&members)
}

/// `PutSecretValue`
pub fn put(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut input: SecretInput = input(request)?;
    input.check("PutSecretValue")?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    let (now_ms, token) = (now_ms(request), input.token());
    let no_value = || refusals::invalid_request("You must provide either SecretString or SecretBinary.");
    let value = input.value()?.ok_or_else(no_value)?;
    let stages = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
    let members = secrets.amend(&found, |record| {
        record.require_alive()?;
        let mut record = record.clone();
        let amendment = match secrets.version(&record, &token, &value)? {
            TokenUse::Present => Amendment::Keep,
            TokenUse::New(sealed) => {
                let gone = record.add(&token, &stages, now_ms)?;
                Amendment::Put { record: record.clone(), values: vec![(token.clone(), sealed)], gone }
            }
        };
        let mut members = secrets.named(&record, Some(&token));
        let attached = record.version(&token).map(|version| version.stages.clone());
        members.insert("VersionStages".to_owned(), attached.unwrap_or_default().into());
        Ok((amendment, members))
    })?;
    answer(&members)
}

/// `UpdateSecret`
pub fn update(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut input: SecretInput = input(request)?;
    input.check("UpdateSecret")?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    let (now_ms, token, value) = (now_ms(request), input.token(), input.value()?);
    let members = secrets.amend(&found, |record| {
        record.require_alive()?;
        let mut record = record.clone();
        let (mut values, mut gone) = (Vec::new(), Vec::new());
        if let Some(value) = &value
            && let TokenUse::New(sealed) = secrets.version(&record, &token, value)?
        {
            gone = record.add(&token, &[CURRENT.to_owned()], now_ms)?;
            values.push((token.clone(), sealed));
        }
        record.description = input.description.or(record.description);
        record.kms_key = input.kms_key_id.filter(|key| !key.is_empty()).or(record.kms_key);
        record.changed_ms = now_ms;
        let members = secrets.named(&record, value.as_ref().map(|_| token.as_str()));
        Ok((Amendment::Put { record, values, gone }, members))
    })?;
    answer(&members)
}
