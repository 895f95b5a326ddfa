//! The policy of a function, or of a version of a layer: statements that permissions add and remove one by one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::precondition::require_revision;
use crate::aws::policy::{PolicyDocument, PolicyError, PolicyKind};
use crate::limits::lambda::POLICY_BYTES;

/// As it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// IAM statements.
    pub statements: Vec<Value>,
    pub revision_id: String,
}

impl PolicyRecord {
    /// Without a statement, which is as good as none.
    pub fn new() -> PolicyRecord {
        PolicyRecord { statements: Vec::new(), revision_id: uuid::Uuid::new_v4().to_string() }
    }

    /// As AWS tells it.
    pub fn document(&self) -> Value {
        json!({"Version": "2012-10-17", "Id": "default", "Statement": self.statements})
    }

    /// Ready to be asked.
    pub fn parsed(&self) -> Result<Arc<PolicyDocument>, PolicyError> {
        PolicyDocument::parse(&self.document().to_string(), PolicyKind::Resource).map(Arc::new)
    }

    /// Adds a statement, whose id must be new. `operation` is the one that tells the policy.
    pub fn add(&mut self, statement: Value, revision_id: Option<&str>, operation: &str) -> Result<(), ApiError> {
        require_revision(revision_id, &self.revision_id, operation)?;
        if self.statements.iter().any(|other| other["Sid"] == statement["Sid"]) {
            let sid = statement["Sid"].as_str().unwrap_or_default();
            return Err(ApiError::conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
            )));
        }
        self.statements.push(statement);
        self.revision_id = uuid::Uuid::new_v4().to_string();
        let bytes = self.document().to_string().len();
        if bytes > POLICY_BYTES {
            let message = format!("The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES}).");
            return Err(ApiError::bad_request("PolicyLengthExceededException", message));
        }
        Ok(())
    }

    /// Removes the statement of an id, which must be there.
    pub fn remove(&mut self, sid: &str, revision_id: Option<&str>, operation: &str) -> Result<(), ApiError> {
        require_revision(revision_id, &self.revision_id, operation)?;
        let before = self.statements.len();
        self.statements.retain(|statement| statement["Sid"] != sid);
        if self.statements.len() == before {
            return Err(ApiError::not_found(format!("Statement {sid} is not found in resource policy.")));
        }
        self.revision_id = uuid::Uuid::new_v4().to_string();
        Ok(())
    }
}

/// A policy that would be none, by the statement that was to be added.
pub fn malformed(error: &PolicyError) -> ApiError {
    ApiError::invalid_parameter(format!("The policy would be malformed: {error}"))
}

/// What the model says of a statement's id.
pub fn check_statement_id(constraints: &mut Constraints, sid: &str) {
    constraints.length("statementId", sid, 1..=100);
    let sound = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    constraints.pattern("statementId", sid, "([a-zA-Z0-9-_]+)", sound);
}

/// `*`, an account, or an ARN, as a statement tells it; `None` if it is none of these.
pub fn identity_principal(principal: &str) -> Option<Value> {
    let is_account = principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit());
    if principal == "*" {
        Some(json!("*"))
    } else if is_account {
        Some(json!({"AWS": format!("arn:aws:iam::{principal}:root")}))
    } else if principal.starts_with("arn:") {
        Some(json!({"AWS": principal}))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_added_once_and_removed_once() {
        let mut policy = PolicyRecord::new();
        let first = policy.revision_id.clone();
        let statement = json!({"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion"});
        policy.add(statement.clone(), Some(&first), "GetPolicy").unwrap();
        assert_ne!(policy.revision_id, first);
        assert_eq!(policy.add(statement, None, "GetPolicy").unwrap_err().code, "ResourceConflictException");
        assert_eq!(policy.remove("s", Some(&first), "GetPolicy").unwrap_err().code, "PreconditionFailedException");
        policy.remove("s", None, "GetPolicy").unwrap();
        assert_eq!(policy.remove("s", None, "GetPolicy").unwrap_err().code, "ResourceNotFoundException");
    }
}
