//! Who signed a request, and whether the signature holds: AWS Signature Version 4, the verifier's side.
//!
//! A request carries its signature in `Authorization` or, presigned, in its query. `SignatureClaim::read` says what the
//! request claims; `SignatureClaim::verify` computes the signature again and compares it in constant time. What is not signed
//! is refused: `host` must be signed, and so must every `x-amz-*` header that was sent, for it may change what the request
//! means.
//!
//! Keys, session tokens and replays are not known here: the caller looks up the secret of `access_key`, checks that
//! `session_token` belongs to it, and may keep a `SigningKey`, which holds for one day, region and service.
//!
//!     SignatureClaim::read ──► None: anonymous
//!         └──► claim ──require_scope──► key ──verify──► Payload::{Signed, Unsigned}
//!                                                └────► Payload::Chunked ──decode──► body
//!
//! A path is signed as it was sent, but dot segments and empty segments count for nothing (except for `s3`), and so do
//! the order of query parameters and the spelling of their percent-encodings. A caller that routes by any of these
//! routes by something that nobody has signed.
//!
//! Sources: "Create a signed AWS API request" in the IAM user guide, "Authenticating Requests (AWS Signature Version 4)" in
//! the S3 API reference. The texts of errors are AWS's as clients have reported them.

mod canonical;
mod chunked;
mod claim;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod key;
mod read;
pub mod sign;
#[cfg(test)]
mod tests;
mod time;
mod verify;

pub use claim::{SignatureClaim, Signed};
pub use error::SignatureError;
pub use verify::Payload;
