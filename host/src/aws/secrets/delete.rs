//! DeleteSecret and RestoreSecret: a secret is to be deleted when its window has passed, and may be restored before.

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, input, now_ms, seconds};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::refusals;
use crate::aws::secrets::state::Secrets;
use crate::limits::secrets::{DAY_MS, WINDOW_DAYS};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeleteSecretInput {
    secret_id: Option<String>,
    recovery_window_in_days: Option<i64>,
    force_delete_without_recovery: Option<bool>,
}

/// `DeleteSecret`
pub fn delete(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DeleteSecretInput = input(request)?;
    let force = input.force_delete_without_recovery.unwrap_or(false);
    if force && input.recovery_window_in_days.is_some() {
        let message = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.";
        return Err(refusals::invalid_parameter(message.to_owned()));
    }
    let days = input.recovery_window_in_days.unwrap_or(*WINDOW_DAYS.end());
    if !WINDOW_DAYS.contains(&days) {
        let message = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
        return Err(refusals::invalid_parameter(message.to_owned()));
    }
    let now_ms = now_ms(request);
    let found = match secrets.found(request, input.secret_id.as_deref()) {
        // A secret that is not there is as good as deleted.
        Err(error) if force && error.code == "ResourceNotFoundException" => {
            let id = input.secret_id.unwrap_or_default();
            let (arn, name) = (secrets.arn_of(&id, now_ms), id.rsplit(':').next().unwrap_or_default());
            return answer(&json!({"ARN": arn, "Name": name, "DeletionDate": seconds(now_ms)}));
        }
        found => found?,
    };
    let deletion_ms = if force { now_ms } else { now_ms.saturating_add(days.unsigned_abs() * DAY_MS) };
    secrets.amend(&found, |record| {
        if force {
            return Ok((Amendment::Remove { gone: record.ids() }, ()));
        }
        if record.deletion_ms.is_some() {
            let message = "You can't perform this operation on the secret because it was already scheduled for deletion.";
            return Err(refusals::invalid_request(message));
        }
        let mut record = record.clone();
        record.deletion_ms = Some(deletion_ms);
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    if !force {
        secrets.expire_at(deletion_ms);
    }
    let (arn, name) = (found.arn(&secrets.account), &found.name);
    answer(&json!({"ARN": arn, "Name": name, "DeletionDate": seconds(deletion_ms)}))
}

/// `RestoreSecret`
pub fn restore(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DeleteSecretInput = input(request)?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    secrets.amend(&found, |record| {
        let mut record = record.clone();
        record.deletion_ms = None;
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    answer(&json!({"ARN": found.arn(&secrets.account), "Name": found.name}))
}
