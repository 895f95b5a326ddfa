//! Replies, and the ops or the reason that come of them.

use serde_json::json;

use super::super::event;
use super::super::event::tests::{request, response};
use super::answer;
use crate::limits::generated;
use crate::wasm::abi::guest_side::OriginEvent;
use crate::wasm::abi::{Op, Ops};

/// One line for each op.
fn ops(event: &OriginEvent<'_>, reply: &str) -> Result<Vec<String>, String> {
    let answer = answer(event, reply.as_bytes())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |op| match op {
        Op::SetUri(uri) => format!("uri {uri}"),
        Op::SetQuery(query) => format!("query {query}"),
        Op::SetHeader { name, value } => format!("set {name}: {}", text(value)),
        Op::AppendHeader { name, value } => format!("add {name}: {}", text(value)),
        Op::RemoveHeader { name } => format!("remove {name}"),
        Op::Respond { status, reason } => format!("respond {status} {reason}"),
        Op::SetStatus { status, reason } => format!("status {status} {reason}"),
        Op::SetBody(body) => format!("body {}", text(body)),
        Op::OriginAddress { host, port, tls } => format!("to {host} {port} {tls}"),
        Op::OriginPath(path) => format!("path {path}"),
        Op::OriginHostHeader(host) => format!("host {host}"),
        Op::OriginHeader { name, value } => format!("origin {name}: {}", text(value)),
        Op::ClearOriginHeaders => "no origin headers".to_owned(),
        Op::OriginTimeouts { read_ms, .. } => format!("read {read_ms}"),
        other => format!("{other:?}"),
    };
    Ok(Ops::parse(&answer).unwrap().map(|op| line(op.unwrap())).collect())
}

/// What a function of Lambda@Edge returns: the event's request or response, after `change`.
fn changed(event: &OriginEvent<'_>, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value: serde_json::Value = serde_json::from_slice(&event::of(event)).unwrap();
    let mut part = value["Records"][0]["cf"][if event.response.is_some() { "response" } else { "request" }].take();
    change(&mut part);
    part.to_string()
}

type Change = fn(&mut serde_json::Value);

#[test]
fn what_a_function_leaves_alone_makes_no_op() {
    for event in [request(), response()] {
        assert_eq!(ops(&event, &changed(&event, |_| {})), Ok(Vec::new()));
    }
    // What is left out is as it was.
    assert_eq!(ops(&request(), r#"{"uri":"/a%20b"}"#), Ok(Vec::new()));
    let nulls = r#"{"uri":"/a%20b","querystring":null,"headers":null,"body":null,"origin":null,"status":null,"method":null}"#;
    assert_eq!(ops(&request(), nulls), Ok(Vec::new()));
    assert_eq!(ops(&response(), r#"{"status":200,"statusDescription":"OK","headers":null,"body":null}"#), Ok(Vec::new()));
}

#[test]
fn a_changed_request_becomes_ops() {
    let changes: [(Change, &[&str]); 15] = [
        (|r| r["uri"] = json!("/index.html"), &["uri /index.html"]),
        // Whether it begins with `/` is the edge's to judge.
        (|r| r["uri"] = json!("x"), &["uri x"]),
        (|r| r["querystring"] = json!("y=2"), &["query y=2"]),
        (|r| r["querystring"] = json!(""), &["query "]),
        (|r| r["headers"]["x-new"] = json!([{"key": "X-New", "value": "1"}]), &["set x-new: 1"]),
        (|r| r["headers"]["X-New"] = json!([{"value": "1"}, {"value": "2"}]), &["set x-new: 1", "add x-new: 2"]),
        (|r| r["headers"]["x-many"] = json!([{"value": "one"}]), &["set x-many: one"]),
        (|r| r["headers"]["x-many"] = json!([{"value": ["one", "2"]}]), &["set x-many: one", "add x-many: 2"]),
        (|r| r["headers"]["x-many"] = json!([]), &["remove x-many"]),
        (|r| r["headers"] = json!({}), &["remove via", "remove x-latin", "remove x-many"]),
        (|r| r["headers"]["host"] = json!([{"value": "other.example"}]), &["set host: other.example"]),
        (|r| r["headers"]["x-latin"] = json!([{"value": "th\u{e9}"}]), &["set x-latin: th\u{e9}"]),
        (|r| r["body"] = json!({"action": "replace", "encoding": "text", "data": "né"}), &["body né"]),
        (|r| r["body"] = json!({"action": "replace", "data": "aGk="}), &["body hi"]),
        (|r| r["body"] = json!({"action": "read-only", "encoding": "text", "data": "ignored"}), &[]),
    ];
    for (change, expected) in changes {
        let reply = changed(&request(), change);
        assert_eq!(ops(&request(), &reply).unwrap(), expected, "{reply}");
    }
}

#[test]
fn a_changed_origin_becomes_ops() {
    let to_s3: Change = |r| {
        r["origin"] = json!({"s3": {
            "domainName": "b.s3.amazonaws.com", "region": "", "authMethod": "none", "path": "/p",
            "customHeaders": {"x-a": [{"key": "X-A", "value": "1"}, {"value": "2"}]},
        }});
        r["headers"]["host"] = json!([{"key": "host", "value": "b.s3.amazonaws.com"}]);
    };
    let changes: [(Change, &[&str]); 9] = [
        (
            |r| r["origin"]["custom"]["domainName"] = json!("other.example"),
            &["to other.example 443 true", "host example.com", "path /v1"],
        ),
        (
            |r| {
                r["origin"]["custom"]["protocol"] = json!("http");
                r["origin"]["custom"]["port"] = json!(1_024);
            },
            &["to example.com 1024 false", "host example.com", "path /v1"],
        ),
        // Without a Host the request gets the new origin's.
        (
            |r| {
                r["headers"] =
                    json!({"via": r["headers"]["via"], "x-latin": r["headers"]["x-latin"], "x-many": r["headers"]["x-many"]});
                r["origin"]["custom"]["domainName"] = json!("other.example");
            },
            &["to other.example 443 true", "path /v1"],
        ),
        (|r| r["origin"]["custom"]["path"] = json!(""), &["path "]),
        (|r| r["origin"]["custom"]["readTimeout"] = json!(60), &["read 60000"]),
        (|r| r["origin"]["custom"]["customHeaders"] = json!({}), &["no origin headers"]),
        (
            |r| r["origin"]["custom"]["customHeaders"]["x-more"] = json!([{"value": "1"}]),
            &["no origin headers", "origin x-key: secret", "origin x-more: 1"],
        ),
        // A new origin has what the reply says of it. What was added for the old one does not go there.
        (
            |r| r["origin"] = json!({"custom": {"domainName": "new.example", "port": 80, "protocol": "http"}, "s3": null}),
            &["to new.example 80 false", "host example.com", "path ", "no origin headers"],
        ),
        (
            to_s3,
            &[
                "to b.s3.amazonaws.com 443 true",
                "host b.s3.amazonaws.com",
                "path /p",
                "no origin headers",
                "origin x-a: 1",
                "origin x-a: 2",
                "set host: b.s3.amazonaws.com",
            ],
        ),
    ];
    for (change, expected) in changes {
        let reply = changed(&request(), change);
        assert_eq!(ops(&request(), &reply).unwrap(), expected, "{reply}");
    }
}

#[test]
fn a_reply_with_a_status_is_a_response_to_the_request() {
    for (reply, expected) in [
        (r#"{"status":"200"}"#, &["respond 200 "][..]),
        (r#"{"status":404,"statusDescription":"Gone fishing"}"#, &["respond 404 Gone fishing"]),
        (
            r#"{"status":"302","headers":{"location":[{"key":"Location","value":"/x"}],"set-cookie":[{"value":"a"},{"value":"b"}]}}"#,
            &["respond 302 ", "add location: /x", "add set-cookie: a", "add set-cookie: b"],
        ),
        (r#"{"status":"200","body":"hi","bodyEncoding":"text"}"#, &["respond 200 ", "body hi"]),
        (r#"{"status":"200","body":"aGk=","bodyEncoding":"base64"}"#, &["respond 200 ", "body hi"]),
        (r#"{"status":"599","body":null,"headers":null,"bodyEncoding":null,"statusDescription":null}"#, &["respond 599 "]),
        (r#"{"status":"200","body":""}"#, &["respond 200 ", "body "]),
    ] {
        assert_eq!(ops(&request(), reply).unwrap(), expected, "{reply}");
    }
}

#[test]
fn a_changed_response_becomes_ops() {
    let changes: [(Change, &[&str]); 8] = [
        (|r| r["status"] = json!("404"), &["status 404 OK"]),
        (|r| r["status"] = json!(599), &["status 599 OK"]),
        (|r| r["statusDescription"] = json!("Fine"), &["status 200 Fine"]),
        (|r| r["statusDescription"] = json!(null), &["status 200 "]),
        (
            |r| r["headers"] = json!({"x-a": [{"value": "1"}]}),
            &["remove content-length", "remove content-type", "remove set-cookie", "set x-a: 1"],
        ),
        (
            |r| r["headers"]["set-cookie"] = json!([{"value": "a=1"}, {"value": "c=3"}]),
            &["set set-cookie: a=1", "add set-cookie: c=3"],
        ),
        (|r| r["body"] = json!("new"), &["body new"]),
        (|r| r["body"] = json!(""), &["body "]),
    ];
    for (change, expected) in changes {
        let reply = changed(&response(), change);
        assert_eq!(ops(&response(), &reply).unwrap(), expected, "{reply}");
    }
}

#[test]
fn a_reply_that_is_not_valid_is_refused_by_its_place() {
    for (reply, why) in [
        ("", "its reply is no JSON: EOF while parsing a value at line 1 column 0"),
        ("null", "its reply is null, and no object"),
        ("[]", "its reply is a list, and no object"),
        (r#""/x""#, "its reply is text, and no object"),
        ("{}", "its reply is neither a response, which has a `status`, nor a request, which has a `uri`"),
        (r#"{"Records":[]}"#, "its reply is neither a response, which has a `status`, nor a request, which has a `uri`"),
        (r#"{"statusCode":302}"#, "its reply is neither a response, which has a `status`, nor a request, which has a `uri`"),
        (r#"{"uri":1}"#, "`uri` is a number, and no text"),
        (r#"{"uri":"/","method":"GET"}"#, "`method` is read-only"),
        (r#"{"uri":"/","clientIp":"192.0.2.8"}"#, "`clientIp` is read-only"),
        (r#"{"uri":"/","querystring":{}}"#, "`querystring` is an object, and no text"),
        (r#"{"uri":"/","headers":[]}"#, "`headers` is no object"),
        (r#"{"uri":"/","headers":{"a":"1"}}"#, "`headers` has no list for `a`"),
        (r#"{"uri":"/","headers":{"a":["1"]}}"#, "`headers` has an entry that is no object for `a`"),
        (r#"{"uri":"/","headers":{"a":[{"key":"A"}]}}"#, "`headers` has a value that is no text for `a`"),
        (r#"{"uri":"/","headers":{"a":[{"value":1}]}}"#, "`headers` has a value that is no text for `a`"),
        (r#"{"uri":"/","headers":{"a":[{"value":["1",2]}]}}"#, "`headers` has a value that is no text for `a`"),
        (r#"{"uri":"/","headers":{"a":[{"key":"B","value":"1"}]}}"#, "`headers` has the key of another header for `a`"),
        (r#"{"uri":"/","body":"x"}"#, "`body` is text, and no object"),
        (r#"{"uri":"/","body":{"action":"drop"}}"#, "`body.action` is `drop`, and neither `read-only` nor `replace`"),
        (r#"{"uri":"/","body":{"action":"replace"}}"#, "`body.data` is missing"),
        (r#"{"uri":"/","body":{"action":"replace","data":"é"}}"#, "`body.data` is no base64"),
        (
            r#"{"uri":"/","body":{"action":"replace","data":"","encoding":"hex"}}"#,
            "`body.encoding` is `hex`, and neither `text` nor `base64`",
        ),
        (r#"{"status":"199"}"#, r#"`status` is "199", and no status from 200 to 599"#),
        (r#"{"status":600}"#, "`status` is 600, and no status from 200 to 599"),
        (r#"{"status":"+200"}"#, r#"`status` is "+200", and no status from 200 to 599"#),
        (r#"{"status":""}"#, r#"`status` is "", and no status from 200 to 599"#),
        (r#"{"status":200.5}"#, "`status` is 200.5, and no status from 200 to 599"),
        (r#"{"status":true}"#, "`status` is true, and no status from 200 to 599"),
        (r#"{"status":"200","statusDescription":1}"#, "`statusDescription` is a number, and no text"),
        (r#"{"status":"200","body":{}}"#, "`body` is an object, and no text"),
        (r#"{"status":"200","body":"%","bodyEncoding":"base64"}"#, "`body` is no base64"),
        (r#"{"status":"200","body":"","bodyEncoding":"hex"}"#, "`bodyEncoding` is `hex`, and neither `text` nor `base64`"),
        (
            r#"{"status":"200","headers":{"Content-Length":[{"value":"3"}]}}"#,
            "header `content-length` is read-only in origin-request, and must not be added",
        ),
    ] {
        assert_eq!(ops(&request(), reply), Err(why.to_owned()), "{reply}");
    }
    for (reply, why) in [
        ("null", "its reply is null, and no object"),
        (r#"{"uri":"/a%20b"}"#, "its reply is no response: `status` is missing"),
        (r#"{"status":"100"}"#, r#"`status` is "100", and no status from 200 to 599"#),
        (r#"{"status":"200","body":1}"#, "`body` is a number, and no text"),
    ] {
        assert_eq!(ops(&response(), reply), Err(why.to_owned()), "{reply}");
    }
}

#[test]
fn an_origin_that_is_not_valid_is_refused_by_its_field() {
    let changes: [(Change, &str); 17] = [
        (|o| *o = json!({}), "`origin` has not exactly one of `custom` and `s3`"),
        (|o| o["s3"] = json!({}), "`origin` has not exactly one of `custom` and `s3`"),
        (|o| *o = json!("x"), "`origin` is text, and no object"),
        (|o| o["custom"]["domainName"] = json!(null), "`origin.custom.domainName` is missing"),
        (|o| o["custom"]["domainName"] = json!("192.0.2.1"), "`origin.custom.domainName` is `192.0.2.1`, and no name of a host"),
        (|o| o["custom"]["domainName"] = json!("a:80"), "`origin.custom.domainName` is `a:80`, and no name of a host"),
        (|o| o["custom"]["domainName"] = json!(""), "`origin.custom.domainName` is ``, and no name of a host"),
        (|o| o["custom"]["protocol"] = json!("ftp"), "`origin.custom.protocol` is `ftp`, and neither `http` nor `https`"),
        (|o| o["custom"]["port"] = json!("443"), "`port` is text, and no number"),
        (|o| o["custom"]["port"] = json!(1_023), "`origin.custom.port` is neither 80, nor 443, nor from 1024 to 65535"),
        (|o| o["custom"]["port"] = json!(65_616), "`origin.custom.port` is neither 80, nor 443, nor from 1024 to 65535"),
        (|o| o["custom"]["readTimeout"] = json!(3), "`origin.custom.readTimeout` is not from 4 to 60 seconds"),
        (|o| o["custom"]["readTimeout"] = json!(61), "`origin.custom.readTimeout` is not from 4 to 60 seconds"),
        (|o| o["custom"]["keepaliveTimeout"] = json!(61), "`origin.custom.keepaliveTimeout` is not from 1 to 60 seconds"),
        (
            |o| o["custom"]["sslProtocols"] = json!(["TLSv1.9"]),
            "`origin.custom.sslProtocols` is no list of `TLSv1.2`, `TLSv1.1`, `TLSv1`, `SSLv3`",
        ),
        (
            |o| o["custom"]["customHeaders"]["via"] = json!([{"value": "1"}]),
            "`origin.custom.customHeaders` and `headers` both have `via`",
        ),
        (
            |o| *o = json!({"s3": {"domainName": "b.s3.amazonaws.com", "authMethod": "origin-access-identity"}}),
            "`origin.s3.authMethod` is `origin-access-identity`, which needs AWS; only `none` works here",
        ),
    ];
    for (change, why) in changes {
        let reply = changed(&request(), |request| change(&mut request["origin"]));
        assert_eq!(ops(&request(), &reply), Err(why.to_owned()), "{reply}");
    }
}

#[test]
fn a_body_for_the_origin_has_a_megabyte_at_most() {
    let reply = |bytes: usize| {
        changed(&request(), |request| {
            request["body"] = json!({"action": "replace", "encoding": "text", "data": "x".repeat(bytes)});
        })
    };
    let most = generated::ORIGIN_BYTES;
    for bytes in [most - 1, most] {
        assert_eq!(ops(&request(), &reply(bytes)).unwrap().len(), 1);
    }
    let why = format!("the body has {} bytes, and may have {most}", most + 1);
    assert_eq!(ops(&request(), &reply(most + 1)), Err(why));
}
