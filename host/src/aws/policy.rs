//! Who may do what: IAM's policy documents, and what they say of a request.
//!
//! `PolicyDocument::parse` reads a policy of an identity, of a resource, or of a role's trust; `decide` asks all that bear
//! on a request. Both are pure: they know no store, no clock and no network, and what is true of a request (its time, its
//! address, its tags) is what the caller puts into its `Context`.
//!
//! A policy is refused rather than understood half. A key that is not there, a value that is not of its operator's type, and
//! a variable without a value fit nothing; that a negated operator then holds is IAM's rule.
//!
//! A decision takes at most as many steps as the policies have characters times those of the texts that they are held
//! against, whoever wrote them: matching does not branch, and a policy has at most `PolicySize::Resource` characters. What a
//! variable stands for counts with each pattern, up to the length of the text: the caller bounds the values of a `Context`.
//!
//! Permission boundaries, session policies, and the policies of organizations are not known.

mod condition;
mod context;
mod document;
mod effect;
mod error;
mod evaluate;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod json;
mod managed;
mod named;
mod operator;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;
mod value;

pub use context::{Context, Principal};
pub use document::{PolicyDocument, PolicyKind};
pub use error::{PolicyError, PolicySize};
pub use evaluate::{Decision, PolicySide, Request, decide};
pub use managed::{MANAGED, ManagedPolicy};
