//! The little languages of DynamoDB: conditions, updates, projections, and conditions on keys.
//!
//!     text ──► token ──► reader ──► condition | update | projection ──► evaluated on an item
//!                          └─ placeholders: what stands for names and values, and whether it was used
//!
//! What is wrong with an expression by itself is told when it is read, before any item is looked at.

pub mod condition;
pub mod evaluate;
pub mod key_condition;
pub mod path;
pub mod placeholders;
pub mod projection;
mod reader;
mod reserved;
#[cfg(test)]
mod tests;
mod token;
pub mod update;
