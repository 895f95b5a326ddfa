//! Lists in pages: `MaxItems` and `Marker`, `NextMarker`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::request::{ApiRequest, ApiResponse, json};
use crate::limits::lambda::PAGE;

/// The part of a list that was asked for, under `name`. A marker is the position of the next page, and means nothing to
/// clients.
pub fn page(request: &ApiRequest, name: &str, all: Vec<Value>) -> Result<ApiResponse, ApiError> {
    let mut most = PAGE;
    if let Some(asked) = request.parameter("MaxItems") {
        let mut constraints = Constraints::default();
        match asked.parse::<i64>() {
            Ok(asked) => {
                constraints.range("maxItems", asked, 1..=10_000);
                most = usize::try_from(asked).unwrap_or(PAGE).min(PAGE);
            }
            Err(_) => constraints.fail("maxItems", &asked, "be a number"),
        }
        constraints.finish()?;
    }
    let begin = match request.parameter("Marker").filter(|marker| !marker.is_empty()) {
        Some(marker) => position(&marker).ok_or_else(|| ApiError::invalid_parameter("Invalid marker"))?,
        None => 0,
    };
    let left = all.len().saturating_sub(begin);
    let values: Vec<Value> = all.into_iter().skip(begin).take(most).collect();
    let mut members = Map::new();
    members.insert(name.to_owned(), values.into());
    if left > most {
        members.insert("NextMarker".to_owned(), URL_SAFE_NO_PAD.encode((begin + most).to_string()).into());
    }
    json(StatusCode::OK, &members)
}

fn position(marker: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}
