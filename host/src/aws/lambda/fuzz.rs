//! For a fuzz target: a request to the API, as text. I check which operation it becomes, whom its path names, and what is made
//! of its body where no function has to be there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::Configuration;
use crate::aws::lambda::identifier::{FunctionIdentifier, is_alias};
use crate::aws::lambda::input::{CodeInput, Settings, refuse_unknown};
use crate::aws::lambda::route::{LambdaOperation, route};
use crate::aws::lambda::url_request::UrlRequest;
use crate::aws::lambda::{layer_record, paging, runtime, tags};
use crate::aws::request::{ApiRequest, refusal};
use crate::function_name::is_name;
use crate::limits::lambda as limits;
use crate::payload::{event, reply};

/// `METHOD path?query`, headers, and after an empty line the body.
pub(crate) fn lambda(data: &[u8]) {
    let Some(request) = read(data) else { return };
    let account = Account::default();
    let qualifier = request.parameter("Qualifier");
    if let Some(route) = route(&request) {
        assert!(!route.action.is_empty());
        assert_eq!(route.operation == LambdaOperation::NotThere, route.action == "Unsupported");
        check_identifier(&route.subject, qualifier.as_deref(), &account);
        let _ = (is_name(&route.subject), is_alias(&route.detail));
        check_layer(&route.subject, &account);
    }
    request.parameter("find").or(request.parameter("Arn")).iter().for_each(|arn| check_layer(arn, &account));
    let _ = UrlRequest::of(&request);
    let pages = paging::page(&request, "Items", (0..120).map(Value::from).collect());
    told(pages.err());
    check_settings(&request, &account);
    if let Ok(code) = request.json::<CodeInput>() {
        let _ = (code.zip_file, code.s3_bucket, code.s3_key, code.s3_object_version, code.image_uri);
    }
    if let Ok(tagged) = request.json::<BTreeMap<String, String>>() {
        told(tags::check(&tagged).err());
    }
    check_payload(&request);
}

fn read(data: &[u8]) -> Option<ApiRequest> {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = (std::str::from_utf8(&data[..end]).ok()?, data.get(end + 2..).unwrap_or_default());
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    Some(ApiRequest {
        id: "3f2a8f0e-0000-4000-8000-000000000000".to_owned(),
        method: Method::from_bytes(method.as_bytes()).ok()?,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::copy_from_slice(body),
        client: IpAddr::from([192, 0, 2, 1]),
        secure: false,
        received: SystemTime::UNIX_EPOCH,
    })
}

/// What names a function prints as an ARN that names the same, if there is room for one.
fn check_identifier(field: &str, qualifier: Option<&str>, account: &Account) {
    let id = match FunctionIdentifier::parse(field, qualifier, account) {
        Ok(id) => id,
        Err(error) => return told(Some(error)),
    };
    assert!(is_name(&id.name), "{field:?}");
    let arn = id.arn(account);
    // A parameter may be what no name has: the version that it is of is not there.
    let is_spelt = id.qualifier.as_ref().is_none_or(|qualifier| {
        let text = qualifier.to_string();
        text == "$LATEST" || is_name(&text)
    });
    if is_spelt && arn.len() <= limits::IDENTIFIER_CHARS {
        assert_eq!(FunctionIdentifier::parse(&arn, None, account).as_ref(), Ok(&id), "{field:?} as {arn}");
        let same = id.qualifier.as_ref().map(ToString::to_string);
        assert_eq!(FunctionIdentifier::parse(&arn, same.as_deref(), account).as_ref(), Ok(&id), "{arn}");
    }
    assert!(is_spelt || !field.contains(':') || qualifier.is_some(), "{field:?}");
}

fn check_layer(arn: &str, account: &Account) {
    if let Some((name, number)) = layer_record::parts(account, arn) {
        let again = format!("{}:{number}", account.layer_arn(name));
        assert_eq!(layer_record::parts(account, &again), Some((name, number)), "{arn}");
    }
}

/// What the constraints admit can be put in a configuration or is refused; what was put there is within the limits.
fn check_settings(request: &ApiRequest, account: &Account) {
    let settings = match request.json::<Settings>() {
        Ok(settings) => settings,
        Err(error) => return told(Some(error)),
    };
    told(refuse_unknown(&settings.other, &["FunctionName", "Code", "Tags"]).err());
    told(settings.runtime.as_deref().and_then(|runtime| runtime::check(runtime).err()));
    let mut constraints = Constraints::default();
    settings.check(&mut constraints);
    if let Err(error) = constraints.finish() {
        return told(Some(error));
    }
    let mut configuration = Configuration::new();
    if let Err(error) = settings.apply(&mut configuration, account) {
        return told(Some(error));
    }
    assert!((1..=limits::TIMEOUT_S_MAX).contains(&i64::from(configuration.timeout_s)));
    assert!((limits::MEMORY_MB_MIN..=limits::MEMORY_MB_MAX).contains(&i64::from(configuration.memory_mb)));
    assert!((limits::STORAGE_MB_MIN..=limits::STORAGE_MB_MAX).contains(&i64::from(configuration.ephemeral_storage_mb)));
    assert!(configuration.handler.chars().count() <= limits::HANDLER_CHARS);
    let environment = configuration.environment.as_ref().map(|variables| json!(variables).to_string().len());
    assert!(environment.is_none_or(|bytes| bytes <= limits::ENVIRONMENT_BYTES));
    let answer = configuration.to_json("f", "$LATEST", &account.function_arn("f"), &[]);
    assert_eq!(answer["Timeout"], configuration.timeout_s);
    // What is kept is read again when the process starts.
    let kept = serde_json::to_value(&configuration).unwrap_or_else(|error| panic!("{error}"));
    let again: Configuration = serde_json::from_value(kept).unwrap_or_else(|error| panic!("{error}"));
    assert!(again.is_as(&configuration));
}

/// An error has an answer that can be sent.
fn told(error: Option<ApiError>) {
    if let Some(error) = error {
        let answer = refusal(&error);
        assert_eq!(answer.status(), error.status);
        assert!(answer.status().is_client_error(), "{error}");
    }
}

/// The request as a function sees it, and the body as what a function has replied.
fn check_payload(request: &ApiRequest) {
    let (path, query) = (&request.path, &request.query);
    let sent = Request::builder().method(request.method.clone()).uri(format!("{path}?{query}")).body(());
    if let Ok(sent) = sent {
        let (mut head, ()) = sent.into_parts();
        head.headers = request.headers.clone();
        let event = event::of(&head, &request.body, &request.id, &event::EventEndpoint::default(), request.received);
        let event: Map<String, Value> = serde_json::from_slice(&event).unwrap_or_else(|error| panic!("{error}"));
        let body = event.get("body").and_then(Value::as_str).unwrap_or_default();
        let is_encoded = event["isBase64Encoded"] == true;
        if !is_encoded {
            assert_eq!(body.as_bytes(), request.body, "as text");
        } else {
            // What a function sends back as it came is what came.
            let echo = json!({"statusCode": 200, "body": body, "isBase64Encoded": true}).to_string();
            let response = reply::response(echo.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(response.body(), &request.body);
        }
    }
    match reply::response(&request.body) {
        Ok(response) => assert!(response.status().as_u16() >= 200 && response.headers().contains_key("content-type")),
        Err(error) => assert!(!error.is_empty()),
    }
}
