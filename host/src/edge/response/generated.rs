//! The answer that a hook gives instead of an origin.

use bytes::Bytes;
use http::Response;

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::telemetry::ResultType;
use crate::wasm::abi::Moment;

pub(crate) fn by_hook(response: Response<Bytes>, moment: Moment) -> Answer {
    let result = if moment.is_viewer() { ResultType::FunctionGeneratedResponse } else { ResultType::LambdaGeneratedResponse };
    Answer { response: response.map(Content::full), result }
}
