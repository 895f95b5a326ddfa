//! I tell what is stored and what the asker now owes.

pub mod condition;
pub mod control;
pub mod fields;
pub mod freshness;
pub mod invalidation;
pub mod key;
pub mod range;
pub mod status;
mod targeted;
