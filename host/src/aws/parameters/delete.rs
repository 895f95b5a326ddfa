//! DeleteParameter and DeleteParameters.

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, input};
use crate::aws::parameters::name::required;
use crate::aws::parameters::read;
use crate::aws::parameters::state::ParameterStore;
use crate::aws::request::{ApiRequest, ApiResponse};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeleteParameterInput {
    name: Option<String>,
    names: Option<Vec<String>>,
}

fn delete(parameters: &ParameterStore, id: &str) -> Result<(), ApiError> {
    parameters.amend(id, |record| Ok((Amendment::Remove { gone: record.ids() }, ())))
}

/// `DeleteParameter`
pub fn one(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DeleteParameterInput = input(request)?;
    delete(parameters, required("name", input.name.as_deref())?)?;
    answer(&json!({}))
}

/// `DeleteParameters`: each is a change of its own.
pub fn several(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DeleteParameterInput = input(request)?;
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    for id in read::names(input.names.as_deref())? {
        match delete(parameters, id) {
            Ok(()) => deleted.push(id),
            Err(error) if error.status.is_server_error() => return Err(error),
            Err(_) => missing.push(id),
        }
    }
    answer(&json!({"DeletedParameters": deleted, "InvalidParameters": missing}))
}
