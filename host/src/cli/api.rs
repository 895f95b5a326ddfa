//! A client of the AWS API: signs requests, sends them one after the other over one connection, and reads the answers.
//!
//! ApiEndpoint, keys and region come from where AWS's own clients have them. An error names the operation, the code and what
//! would be right; the secret key is in no message.

mod keys;
mod text;
mod transport;

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Value, json};

use self::keys::AccessKeys;
pub(super) use self::text::elements;
use self::transport::{ApiConnection, ApiEndpoint};
use super::UsageError;
use crate::account::Account;
use crate::aws::sigv4::sign::{Signer, Unsigned, sign};
use crate::limits::sam::{ANSWER_BYTES, ANSWER_MS, PAGES};
use crate::percent::encoded;

const PATIENCE: Duration = Duration::from_millis(ANSWER_MS);

/// Where the API is, and in which region.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ApiOptions {
    /// Where the AWS API is served [default: $AWS_ENDPOINT_URL, else http://127.0.0.1:9000]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The region of the host [default: $AWS_REGION, $AWS_DEFAULT_REGION, else us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

impl ApiOptions {
    /// The same, at this endpoint unless one is named.
    pub(super) fn or_at(self, endpoint: &str) -> ApiOptions {
        ApiOptions { endpoint_url: self.endpoint_url.or_else(|| Some(endpoint.to_owned())), ..self }
    }
}

/// See the module.
pub(super) struct ApiClient {
    pub(super) endpoint: ApiEndpoint,
    pub(super) region: String,
    keys: AccessKeys,
    connection: Option<ApiConnection>,
}

/// What an API has refused.
#[derive(Debug, thiserror::Error)]
#[error("{operation} was refused: {message} ({code}, {status}){}", hint(code))]
pub(super) struct Refusal {
    pub(super) operation: &'static str,
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    /// What was asked for is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ResourceNotFoundException" | "NoSuchEntity" | "ProvisionedConcurrencyConfigNotFoundException"
        )
    }

    /// The keys' user may not ask.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self.code.as_str(), "AccessDenied" | "AccessDeniedException")
    }
}

/// What would be right.
fn hint(code: &str) -> &'static str {
    match code {
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "; these keys are of another host: `edgeward credentials create NAME` makes some in the host's data folder"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => "; check AWS_SECRET_ACCESS_KEY, --region and the clock",
        "AccessDenied" | "AccessDeniedException" => "; the keys' user needs a policy that allows it",
        "UnknownOperationException" => "; this host does not have that service",
        _ => "",
    }
}

/// The answer of an operation, if it was not refused.
pub(super) type Answered<T> = anyhow::Result<Result<T, Refusal>>;

/// One request, before it is signed.
struct ApiQuestion<'a> {
    operation: &'static str,
    service: &'static str,
    method: Method,
    path: &'a str,
    query: &'a str,
    content_type: &'static str,
    target: Option<String>,
    body: Bytes,
}

impl ApiClient {
    pub(super) fn new(options: &ApiOptions) -> anyhow::Result<ApiClient> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = options.endpoint_url.clone().or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| "http://127.0.0.1:9000".to_owned());
        let region = options.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        Ok(ApiClient {
            endpoint: ApiEndpoint::parse(&endpoint).map_err(|why| UsageError(format!("`{endpoint}` is no endpoint: {why}")))?,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            keys: AccessKeys::find()?,
            connection: None,
        })
    }

    /// An operation of Lambda. `path` is percent-encoded. No body is `Value::Null`; an empty answer, too.
    pub(super) async fn lambda(
        &mut self,
        operation: &'static str,
        method: Method,
        path: &str,
        query: &str,
        body: &Value,
    ) -> Answered<Value> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let asked = ApiQuestion {
            operation,
            service: "lambda",
            method,
            path,
            query,
            content_type: "application/json",
            target: None,
            body,
        };
        let answer = self.ask(&asked).await?;
        read_json(answer, operation)
    }

    /// What an operation of Lambda reads, if it is there.
    pub(super) async fn get(&mut self, operation: &'static str, path: &str, query: &str) -> anyhow::Result<Option<Value>> {
        there(self.lambda(operation, Method::GET, path, query, &Value::Null).await?)
    }

    /// All pages of a list of Lambda's; nothing if there is nothing that has such a list.
    pub(super) async fn list(
        &mut self,
        operation: &'static str,
        path: &str,
        query: &str,
        member: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let (mut values, mut marker) = (Vec::new(), String::new());
        for _ in 0..PAGES {
            let and = if query.is_empty() || marker.is_empty() { "" } else { "&" };
            let Some(mut page) = self.get(operation, path, &format!("{query}{and}{marker}")).await? else { break };
            values.extend(page[member].as_array_mut().map(std::mem::take).unwrap_or_default());
            match page["NextMarker"].as_str() {
                Some(next) => marker = format!("Marker={}", encoded(next)),
                None => break,
            }
        }
        Ok(values)
    }

    /// The account that the keys are of, and the region.
    pub(super) async fn account(&mut self) -> anyhow::Result<Account> {
        let answer = self.query("sts", "GetCallerIdentity", &[]).await??;
        let id = elements(&answer, "Account").into_iter().next().context("GetCallerIdentity tells no account")?;
        Ok(Account { id, region: self.region.clone() })
    }

    /// An operation of a service of the `json` protocol. `prefix` is the one of its targets.
    pub(super) async fn target(
        &mut self,
        service: &'static str,
        prefix: &str,
        operation: &'static str,
        body: &Value,
    ) -> Answered<Value> {
        let (content_type, target) = ("application/x-amz-json-1.1", Some(format!("{prefix}.{operation}")));
        let body = Bytes::from(body.to_string());
        let asked = ApiQuestion { operation, service, method: Method::POST, path: "/", query: "", content_type, target, body };
        let answer = self.ask(&asked).await?;
        read_json(answer, operation)
    }

    /// An operation of a service of the `query` protocol; its answer is XML.
    pub(super) async fn query(
        &mut self,
        service: &'static str,
        operation: &'static str,
        parameters: &[(&str, &str)],
    ) -> Answered<String> {
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let all = [("Action", operation), ("Version", version)].into_iter().chain(parameters.iter().copied());
        let form: Vec<String> = all.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        let body = Bytes::from(form.join("&"));
        let asked =
            ApiQuestion { operation, service, method: Method::POST, path: "/", query: "", content_type, target: None, body };
        let (status, _, body) = self.ask(&asked).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(Ok(text));
        }
        let part = |name: &str| elements(&text, name).into_iter().next().unwrap_or_default();
        let code = Some(part("Code")).filter(|code| !code.is_empty()).or_else(|| json_code(&body));
        let message = Some(part("Message")).filter(|message| !message.is_empty()).or_else(|| json_message(&body));
        Ok(Err(Refusal { operation, status, code: code.unwrap_or_default(), message: message.unwrap_or_default() }))
    }

    async fn ask(&mut self, asked: &ApiQuestion<'_>) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let asking = async {
            // A connection that was left alone for a while may have been closed by the host: nothing was done then.
            if let Some(connection) = self.connection.take()
                && let Some(answer) = self.ask_over(connection, asked).await?
            {
                return Ok(answer);
            }
            let connection = self.endpoint.connect().await?;
            let answer = self.ask_over(connection, asked).await?;
            answer.context("the host has closed the connection")
        };
        let limited = tokio::time::timeout(PATIENCE, asking).await;
        let limited = limited.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())));
        limited.with_context(|| format!("cannot ask {} for {}", self.endpoint, asked.operation))
    }

    /// `None` if the connection had ended before the request.
    async fn ask_over(
        &mut self,
        mut connection: ApiConnection,
        asked: &ApiQuestion<'_>,
    ) -> anyhow::Result<Option<(StatusCode, HeaderMap, Bytes)>> {
        let ApiQuestion { service, method, path, query, content_type, target, body, .. } = asked;
        if connection.sender.ready().await.is_err() {
            return Ok(None);
        }
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&self.endpoint.authority)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(target) = target {
            headers.insert("x-amz-target", HeaderValue::from_str(target)?);
        }
        let signer = Signer {
            access_key: &self.keys.access_key,
            secret_key: &self.keys.secret_key,
            session_token: self.keys.session_token.as_deref(),
            region: &self.region,
            service,
        };
        let unsigned = Unsigned { method: method.as_str(), path, query, headers: &mut headers, body };
        sign(unsigned, signer, SystemTime::now()).context("the access key or the session token cannot stand in a header")?;
        let target = if query.is_empty() { (*path).to_owned() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(method).uri(target).body(Full::new(body.clone()))?;
        *request.headers_mut() = headers;
        let response = match connection.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                // One that is given back was not sent.
                return if error.take_message().is_some() { Ok(None) } else { Err(error.into_error().into()) };
            }
        };
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
        self.connection = Some(connection);
        Ok(Some((parts.status, parts.headers, body.to_bytes())))
    }
}

fn read_json((status, headers, body): (StatusCode, HeaderMap, Bytes), operation: &'static str) -> Answered<Value> {
    if status.is_success() {
        if body.is_empty() {
            return Ok(Ok(json!(null)));
        }
        let value = serde_json::from_slice(&body).with_context(|| format!("the answer to {operation} is no JSON"))?;
        return Ok(Ok(value));
    }
    let header = headers.get("x-amzn-errortype").and_then(|code| code.to_str().ok());
    let code = header.map(str::to_owned).or_else(|| json_code(&body)).unwrap_or_else(|| "no code".to_owned());
    // Some clients' codes have a namespace in front, or a colon behind.
    let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
    let message = json_message(&body).unwrap_or_else(|| String::from_utf8_lossy(&body).chars().take(300).collect());
    Ok(Err(Refusal { operation, status, code, message }))
}

fn json_code(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(value.get("__type").or_else(|| value.get("code"))?.as_str()?.to_owned())
}

fn json_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(value.get("message").or_else(|| value.get("Message"))?.as_str()?.to_owned())
}

/// `None` if what was asked for is not there.
pub(super) fn there<T>(answer: Result<T, Refusal>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(refusal) if refusal.is_missing() => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_operation_the_code_and_what_would_be_right() {
        let body = Bytes::from_static(b"{\"message\":\"The security token included in the request is invalid.\"}");
        let headers = HeaderMap::from_iter([(
            "x-amzn-errortype".parse().unwrap(),
            HeaderValue::from_static("UnrecognizedClientException"),
        )]);
        let refusal = read_json((StatusCode::FORBIDDEN, headers, body), "GetFunction").unwrap().unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "GetFunction was refused: The security token included in the request is invalid. (UnrecognizedClientException, 403 Forbidden); these keys are of another host: `edgeward credentials create NAME` makes some in the host's data folder"
        );
    }
}
