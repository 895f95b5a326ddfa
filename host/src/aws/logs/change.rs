//! A change of what is written down of a group.

use http::StatusCode;

use crate::aws::error::ApiError;
use crate::aws::logs::group::GroupRecord;
use crate::aws::logs::groups::LogGroup;
use crate::aws::logs::input::{failed, no_group};
use crate::aws::request::{ApiResponse, empty};

/// Changes the record of a group: on disk, or not at all.
pub fn change_record(group: &LogGroup, work: impl FnOnce(&mut GroupRecord) -> Result<(), ApiError>) -> Result<(), ApiError> {
    let mut state = group.state();
    if state.gone {
        return Err(no_group());
    }
    let before = state.record.clone();
    let saved = work(&mut state.record).and_then(|()| state.save().map_err(|error| failed(&error)));
    if saved.is_err() {
        state.record = before;
    }
    saved
}

/// An answer that says nothing.
pub fn done() -> ApiResponse {
    empty(StatusCode::OK)
}
