//! What the edge itself adds to an answer, or answers instead of an origin.

pub(crate) mod body;
pub(crate) mod finish;
pub(crate) mod generated;
pub(crate) mod max_forwards;
pub(crate) mod redirect;
pub(crate) mod rejection;
pub(crate) mod tunnel;
