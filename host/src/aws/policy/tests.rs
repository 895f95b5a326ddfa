//! Policies as IAM's documentation has them, and laws that hold for all.

mod conditions;
mod decisions;
mod documents;
mod laws;
mod patterns;

use super::*;

const ACCOUNT: &str = "123456789012";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

fn identity(text: &str) -> PolicyDocument {
    parsed(text, PolicyKind::Identity)
}

fn parsed(text: &str, kind: PolicyKind) -> PolicyDocument {
    PolicyDocument::parse(text, kind).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A policy of one statement, of which `members` are given without braces.
fn statement(kind: PolicyKind, members: &str) -> PolicyDocument {
    parsed(&format!(r#"{{"Version": "2012-10-17", "Statement": {{{members}}}}}"#), kind)
}

fn user(name: &str) -> Principal {
    Principal::of_user(&format!("arn:aws:iam::{ACCOUNT}:user/{name}")).unwrap()
}

fn stranger() -> Principal {
    Principal::of_user("arn:aws:iam::999999999999:user/bob").unwrap()
}

fn session() -> Principal {
    Principal::of_session(&format!("arn:aws:iam::{ACCOUNT}:role/path/worker"), "s1").unwrap()
}

/// Decides for a principal with the context that follows from it.
fn asked(
    principal: &Principal,
    action: &str,
    resource: &str,
    identity: &[&PolicyDocument],
    by: Option<&PolicyDocument>,
) -> Decision {
    let context = Context::of(principal);
    let request = Request { principal, action, resource, context: &context };
    decide(&request, identity, by, principal.account() == Some(ACCOUNT))
}
