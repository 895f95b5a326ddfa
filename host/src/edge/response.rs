//! What the edge itself adds to an answer, or answers instead of an origin.

pub(crate) mod max_forwards;
pub(crate) mod refusal;
pub(crate) mod tunnel;
