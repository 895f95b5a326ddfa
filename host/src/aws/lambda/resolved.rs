//! The values that references in a function's environment stand for, got as the function itself would: what its role may not
//! read, it does not get.
//!
//! Values go into the environment and nowhere else: errors name the variable, the action and the resource.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use crate::aws::authorization::{Authority, RequestContext};
use crate::aws::error::ApiError;
use crate::aws::lambda::reference::{DynamicReference, ValuePiece, pieces};
use crate::aws::parameters::ParameterStore;
use crate::aws::request::ApiRequest;
use crate::aws::secrets::Secrets;
use crate::limits::lambda::RESOLVED_BYTES;

/// Where values are kept, and who decides who may have them.
pub struct ReferencedValues<'a> {
    pub authority: &'a Authority,
    pub secrets: &'a Secrets,
    pub parameters: &'a ParameterStore,
    /// Who reads.
    pub role: &'a str,
    pub session: &'a str,
}

/// Why a variable has no value.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable `{variable}` cannot be resolved: {why}")]
pub struct UnresolvedVariable {
    variable: String,
    why: String,
}

impl ReferencedValues<'_> {
    /// The variables with values in the place of references. Blocks for the disk.
    pub fn resolve(&self, variables: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, UnresolvedVariable> {
        let resolve = |(name, value): (&String, &String)| {
            let resolved = self.value(value).map_err(|why| UnresolvedVariable { variable: name.clone(), why })?;
            Ok((name.clone(), resolved))
        };
        variables.iter().map(resolve).collect()
    }

    fn value(&self, value: &str) -> Result<String, String> {
        let mut resolved = String::new();
        for piece in pieces(value)? {
            match piece {
                ValuePiece::Text(text) => resolved.push_str(text),
                ValuePiece::Reference(reference) => resolved.push_str(&self.referred(&reference)?),
            }
            if resolved.len() > RESOLVED_BYTES {
                return Err(format!("its value has more than {RESOLVED_BYTES} bytes"));
            }
        }
        Ok(resolved)
    }

    fn referred(&self, reference: &DynamicReference<'_>) -> Result<String, String> {
        match reference {
            DynamicReference::Secret { id, key, stage, version_id } => {
                let request = asking(
                    "secretsmanager.GetSecretValue",
                    json!({"SecretId": id, "VersionStage": stage, "VersionId": version_id}),
                );
                self.require(self.secrets.resources(&request), &request)?;
                let answer = self.secrets.value_asked(&request).map_err(|error| format!("the secret `{id}`: {error}"))?;
                of_secret(&answer, *key).map_err(|why| format!("the secret `{id}` {why}"))
            }
            DynamicReference::Parameter { id, secure } => {
                let request = asking("AmazonSSM.GetParameter", json!({"Name": id, "WithDecryption": secure}));
                self.require(self.parameters.resources(&request), &request)?;
                let answer = self.parameters.parameter_asked(&request);
                let parameter = answer.map_err(|error| format!("the parameter `{id}`: {error}"))?;
                match (parameter["Type"].as_str(), parameter["Value"].as_str()) {
                    (Some("SecureString"), _) if !secure => {
                        Err(format!("the parameter `{id}` is a SecureString, which `ssm-secure` reads"))
                    }
                    (_, value) => Ok(value.unwrap_or_default().to_owned()),
                }
            }
        }
    }

    /// Whether the role may do what a request needs.
    fn require(&self, needed: Result<Vec<(String, String)>, ApiError>, request: &ApiRequest) -> Result<(), String> {
        let context = RequestContext::of(request);
        let told = |error: ApiError| error.message.unwrap_or_default().into_owned();
        needed.map_err(told)?.iter().try_for_each(|(action, resource)| {
            self.authority.authorize_function(self.role, self.session, action, resource, &context).map_err(told)
        })
    }
}

/// A secret's string, or a member of it.
fn of_secret(answer: &Map<String, Value>, key: Option<&str>) -> Result<String, String> {
    let text = answer.get("SecretString").and_then(Value::as_str).ok_or("is binary, and no string")?;
    let Some(key) = key else { return Ok(text.to_owned()) };
    // What the parser would say of it may quote it.
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| "is no JSON object, which a key is of")?;
    match members.get(key).ok_or_else(|| format!("has no key `{key}`"))? {
        Value::String(text) => Ok(text.clone()),
        other => Ok(other.to_string()),
    }
}

/// A request of the host's own, as the function would make it.
fn asking(target: &'static str, body: Value) -> ApiRequest {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", http::HeaderValue::from_static(target));
    ApiRequest {
        id: uuid::Uuid::new_v4().to_string(),
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: body.to_string().into(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        received: SystemTime::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_a_secret_is_its_text() {
        let answer = |text: &str| Map::from_iter([("SecretString".to_owned(), Value::from(text))]);
        let json = answer(r#"{"user": "ada", "port": 5432}"#);
        assert_eq!(of_secret(&json, Some("user")).unwrap(), "ada");
        assert_eq!(of_secret(&json, Some("port")).unwrap(), "5432");
        assert_eq!(of_secret(&json, Some("word")).unwrap_err(), "has no key `word`");
        assert_eq!(of_secret(&answer("plain"), None).unwrap(), "plain");
        let error = of_secret(&answer("hunter2"), Some("user")).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(of_secret(&Map::new(), None).unwrap_err().contains("binary"));
    }
}
