//! The `query` protocol of older services: parameters in a form, answers in XML.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::aws::error::ApiError;
use crate::aws::request::{ApiRequest, ApiResponse, whole};
use crate::limits::iam::PARAMETERS;
use crate::percent::form_decoded;

/// The parameters of a form, or of the query of a GET. Of a name that is there twice, the first counts.
pub struct QueryForm(BTreeMap<String, String>);

impl QueryForm {
    /// # Errors
    /// More than `PARAMETERS`.
    pub fn read(request: &ApiRequest) -> Result<QueryForm, ApiError> {
        let body = String::from_utf8_lossy(&request.body);
        let form = if body.is_empty() { request.query.as_str().into() } else { body };
        let mut parameters = BTreeMap::new();
        for (index, pair) in form.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if index >= PARAMETERS {
                return Err(ApiError::validation(format!("A request may have {PARAMETERS} parameters.")));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.entry(form_decoded(key)).or_insert_with(|| form_decoded(value));
        }
        Ok(QueryForm(parameters))
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A list: `Name.member.1` and so on.
    pub fn list<'a>(&'a self, name: &str) -> Vec<&'a str> {
        (1..=PARAMETERS).map_while(|number| self.parameter(&format!("{name}.member.{number}"))).collect()
    }

    /// One member of a structure in a list: `Name.member.1.Key`. `None` where the list ends.
    pub fn member<'a>(&'a self, name: &str, number: usize, member: &str) -> Option<&'a str> {
        self.parameter(&format!("{name}.member.{number}.{member}"))
    }

    /// Whether a parameter is there, or a list or structure of this name.
    pub fn has(&self, name: &str) -> bool {
        let below = [name, "."].concat();
        self.0.contains_key(name) || self.0.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below))
    }
}

/// XML that is being written.
#[derive(Default)]
pub struct Xml(String);

impl Xml {
    /// An element that has text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.within(name, |xml| xml.0.push_str(&escaped(text)));
    }

    /// The same, if there is any.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An element that has others.
    pub fn within(&mut self, name: &str, inside: impl FnOnce(&mut Xml)) {
        self.0.extend(["<", name, ">"]);
        inside(self);
        self.0.extend(["</", name, ">"]);
    }

    /// A list, an element for each.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut inside: impl FnMut(&mut Xml, T)) {
        self.within(name, |xml| {
            for item in items {
                xml.within("member", |xml| inside(xml, item));
            }
        });
    }

    /// Text of the element that is open.
    pub fn say(&mut self, text: &str) {
        self.0.push_str(&escaped(text));
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text for an XML element. Characters that XML 1.0 cannot have are replaced.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The answer of an action: `result` is the inside of its result element; an action without a result has none.
pub fn answer(request: &ApiRequest, namespace: &str, action: &str, result: Option<&Xml>) -> ApiResponse {
    let id = &request.id;
    let result = result.map(|result| format!("<{action}Result>{}</{action}Result>", result.as_str())).unwrap_or_default();
    xml(
        StatusCode::OK,
        format!(
            "<{action}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

/// An error, as these services tell it.
pub fn refusal(request: &ApiRequest, error: &ApiError) -> ApiResponse {
    let message = match error.code {
        "MissingAuthenticationTokenException" => "Request is missing Authentication Token",
        _ => error.message.as_deref().unwrap_or_default(),
    };
    let (code, message) = (short(error.code), escaped(message));
    let (whose, id) = (if error.status.is_server_error() { "Receiver" } else { "Sender" }, &request.id);
    xml(
        error.status,
        format!(
            "<ErrorResponse><Error><Type>{whose}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
        ),
    )
}

/// These services' codes for what others call exceptions.
fn short(code: &str) -> &str {
    match code {
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "AccessDeniedException" => "AccessDenied",
        "ValidationException" => "ValidationError",
        "ServiceException" => "ServiceFailure",
        other => other.strip_suffix("Exception").unwrap_or(other),
    }
}

fn xml(status: StatusCode, body: String) -> ApiResponse {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::SystemTime;

    use http::{HeaderMap, Method};

    use super::*;

    fn request(body: &str) -> ApiRequest {
        ApiRequest {
            id: "id".to_owned(),
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            client: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            received: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_form_has_lists_and_structures() {
        let body = "Action=A&Tags.member.1.Key=a+b&Tags.member.1.Value=&TagKeys.member.1=x&TagKeys.member.2=%26&TagKeysX=1&Tags-x=1&Action=B";
        let form = QueryForm::read(&request(body)).unwrap();
        assert_eq!((form.parameter("Action"), form.parameter("None")), (Some("A"), None));
        assert_eq!(form.list("TagKeys"), ["x", "&"]);
        assert_eq!((form.member("Tags", 1, "Key"), form.member("Tags", 2, "Key")), (Some("a b"), None));
        assert!(form.has("Tags") && form.has("Action") && !form.has("Tag") && !form.has("Z"));
    }

    #[test]
    fn a_form_has_so_many_parameters_and_no_more() {
        let body = |count: usize| (0..count).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
        assert!(QueryForm::read(&request(&body(PARAMETERS - 1))).is_ok());
        assert!(QueryForm::read(&request(&body(PARAMETERS))).is_ok());
        assert_eq!(QueryForm::read(&request(&body(PARAMETERS + 1))).err().unwrap().status, 400);
    }

    #[test]
    fn xml_is_escaped() {
        let mut xml = Xml::default();
        xml.list("L", ["<a&b>", "\u{1}"], |xml, item| xml.text("T", item));
        assert_eq!(xml.as_str(), "<L><member><T>&lt;a&amp;b&gt;</T></member><member><T>\u{fffd}</T></member></L>");
    }
}
