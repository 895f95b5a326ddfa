//! Functions as AWS Lambda runs them: an event and a context go in, a reply or an error comes out.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{Config, Edge, component, edgeward, eventually, get};

/// What `edgeward invoke` wrote.
struct Invoked {
    code: Option<i32>,
    reply: String,
    log: String,
}

impl Invoked {
    fn json(&self) -> Value {
        serde_json::from_str(&self.reply).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.reply, self.log))
    }
}

fn invoke_file(file: &str, event: &str, arguments: &[&str]) -> Invoked {
    let mut command = edgeward();
    command.args(["invoke", file, "-"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Invoked { code: status.code(), reply: text(stdout), log: text(stderr) }
}

fn invoke(event: &Value, arguments: &[&str]) -> Invoked {
    invoke_file(&component("function-behaviors"), &event.to_string(), arguments)
}

#[test]
fn a_function_answers_an_event() {
    for (event, reply) in [
        (json!({"do": "add", "numbers": [1, 2, 39]}), "42\n"),
        (json!({"do": "echo", "text": "né \u{1f600}"}), "{\"do\":\"echo\",\"text\":\"né \u{1f600}\"}\n"),
        (json!({"do": "env", "name": "TABLE"}), "\"orders\"\n"),
        (json!({"do": "env", "name": "HOME"}), "null\n"),
    ] {
        let invoked = invoke(&event, &["--env", "TABLE=orders"]);
        assert_eq!((invoked.code, invoked.reply.as_str()), (Some(0), reply), "{}", invoked.log);
    }
    // The reply's bytes are the function's.
    let Output { stdout, .. } = {
        let folder = tempfile::tempdir().unwrap();
        let event = folder.path().join("event.json");
        std::fs::write(&event, r#"{"do":"bytes"}"#).unwrap();
        edgeward().args(["invoke", &component("function-behaviors")]).arg(&event).output().unwrap()
    };
    assert_eq!(stdout, b"\xff\x00\xfe\n");
}

/// Since 1970.
fn milliseconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[test]
fn the_context_says_who_is_called_and_until_when() {
    let began = milliseconds();
    let invoked = invoke(&json!({"do": "context"}), &["--memory", "256", "--timeout", "7", "--client-context", "{\"a\":1}"]);
    let context = invoked.json();
    let id = context["requestId"].as_str().unwrap();
    assert!(id.len() == 36 && invoked.log.starts_with(&format!("START RequestId: {id} Version: $LATEST\n")), "{}", invoked.log);
    let deadline = context["deadline"].as_u64().unwrap();
    assert!((began + 7_000..=milliseconds() + 7_000).contains(&deadline), "{deadline} after {began}");
    let known = json!({
        "requestId": id, "name": "function-behaviors", "version": "$LATEST",
        "arn": "arn:aws:lambda:local:000000000000:function:function-behaviors", "memory": 256, "deadline": context["deadline"],
        "group": "/aws/lambda/function-behaviors", "stream": "$LATEST", "client": "{\"a\":1}", "trace": null,
    });
    assert_eq!(context, known);
}

#[test]
fn the_log_has_the_lines_that_lambda_writes() {
    let invoked = invoke(&json!({"do": "log", "text": "hello", "err": "oh"}), &["--repeat", "2"]);
    let lines: Vec<&str> = invoked.log.lines().collect();
    let [start, out, err, end, cold, second, .., warm] = lines[..] else { panic!("{}", invoked.log) };
    let id = start.split(' ').nth(2).unwrap();
    assert_eq!((out, err, end), ("hello", "oh", format!("END RequestId: {id}").as_str()));
    assert!(second.starts_with("START RequestId: ") && !second.contains(id), "each call has an id of its own");
    for report in [cold, warm] {
        let fields: Vec<&str> = report.split('\t').collect();
        assert!(fields[0].starts_with("REPORT RequestId: ") && fields[1].starts_with("Duration: "), "{report}");
        assert!(fields[2].starts_with("Billed Duration: ") && fields[3] == "Memory Size: 128 MB", "{report}");
        assert!(fields[4].starts_with("Max Memory Used: ") && report.ends_with('\t'), "{report}");
    }
    assert!(cold.contains("Init Duration: ") && !warm.contains("Init Duration"), "{}", invoked.log);
}

#[test]
fn an_environment_serves_one_call_after_the_other() {
    let invoked = invoke(&json!({"do": "count"}), &["--repeat", "3"]);
    assert_eq!(invoked.reply, "1\n2\n3\n", "{}", invoked.log);
}

#[test]
fn a_failure_is_told_in_lambdas_words() {
    let error = |error_type: &str, message: &str| json!({"errorType": error_type, "errorMessage": message});
    for (event, arguments, expected) in [
        (
            json!({"do": "panic"}),
            &[][..],
            error("Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: signal: aborted"),
        ),
        (
            json!({"do": "loop"}),
            &["--timeout", "1"],
            error("Sandbox.Timedout", "RequestId: ID Error: Task timed out after 1.00 seconds"),
        ),
        (
            json!({"do": "grow"}),
            &["--memory", "16", "--timeout", "60"],
            error("Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: signal: killed"),
        ),
        (
            json!({"do": "big", "bytes": 6_291_555}),
            &["--memory", "512", "--timeout", "60"],
            error(
                "Function.ResponseSizeTooLarge",
                "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            ),
        ),
    ] {
        let invoked = invoke(&event, arguments);
        let id = invoked.log.split(' ').nth(2).unwrap();
        let told: Value = serde_json::from_str(&invoked.reply.replace(id, "ID")).unwrap();
        assert_eq!((invoked.code, told), (Some(1), expected), "{}", invoked.log);
    }
    let own = invoke(&json!({"do": "error"}), &[]);
    let id = own.log.split(' ').nth(2).unwrap();
    let expected = json!({
        "errorMessage": "no apples left", "errorType": "OutOfStock", "requestId": id, "stackTrace": ["in sell", "in handle"],
    });
    assert_eq!((own.code, own.json()), (Some(1), expected));
    // What a panic says is in the log.
    assert!(invoke(&json!({"do": "panic"}), &[]).log.contains("a panic on purpose"));
}

#[test]
fn a_program_is_a_function() {
    let program = component("function-program");
    let invoked = invoke_file(&program, "{\"n\": 1}", &["--repeat", "2"]);
    let reply = r#"{"bytes": 8, "name": "function-program", "id": true}"#;
    assert_eq!((invoked.code, invoked.reply), (Some(0), format!("{reply}\n{reply}\n")), "{}", invoked.log);
    let exited = invoke_file(&program, "\"exit 3\"", &[]);
    let id = exited.log.split(' ').nth(2).unwrap();
    // WASI 0.2 tells success from failure, and no more.
    let expected = json!({
        "errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: {id} Error: Runtime exited with error: exit status 1"),
        "requestId": id, "stackTrace": [],
    });
    assert_eq!((exited.code, exited.json()), (Some(1), expected), "{}", exited.log);
    assert!(exited.log.contains("leaving"), "{}", exited.log);
}

#[test]
fn an_event_that_is_no_json_is_refused_before_anything_runs() {
    let invoked = invoke_file(&component("function-behaviors"), "{", &[]);
    assert_eq!(invoked.code, Some(64));
    assert!(
        invoked.log.contains("could not parse the event as JSON: EOF while parsing an object at line 1 column 1"),
        "{}",
        invoked.log
    );
    let hook = invoke_file(&component("spa-rewrite"), "{}", &[]);
    assert_eq!(hook.code, Some(1));
    assert!(hook.log.contains("edgeward:function/handler@0.1.0"), "{}", hook.log);
}

/// An edge with one worker, so that its next call finds the instance of the call before, if that was kept.
fn origin(limits: &Value) -> Edge {
    let function = Config::new().function("api", component("function-behaviors"));
    let function = function.set("policy", json!({ "reuse": {} })).set("limits", limits);
    Edge::start(function.service("app", "api").site("app").server("workers", 1))
}

#[test]
fn an_instance_serves_on_after_an_error_of_its_own_and_is_replaced_after_a_failure() {
    let edge = origin(&json!({}));
    // Each call is counted; what follows an error is how many calls the instance has had.
    for (target, status, category, calls) in [
        ("/count", 200, "1", "2"),
        ("/error", 503, "category: guest-error", "4"),
        ("/bytes", 502, "category: bad-reply", "6"),
        ("/panic", 503, "category: trap", "1"),
    ] {
        let answer = edge.get(target);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(answer.text().contains(category), "{target}: {answer:?}");
        assert_eq!(edge.get("/count").text(), calls, "after {target}");
    }
    for (result, calls) in [("ok", 5.0), ("guest-error", 1.0), ("bad-reply", 1.0), ("trap", 1.0)] {
        let counted = edge.metric(&format!("edgeward_function_calls_total{{function=\"api\",result=\"{result}\"}}"));
        assert_eq!(counted, calls, "{result}");
    }
    // Clients are told no more than the category; the log has the rest.
    eventually("the log has the error and its stack", || {
        let log = edge.log();
        log.contains("OutOfStock: no apples left") && log.contains("in sell")
    });
}

#[test]
fn a_function_as_an_origin_is_told_who_is_called_and_until_when() {
    let edge = origin(&json!({ "deadline_ms": 20_000, "memory_bytes": 64 << 20 }));
    let began = milliseconds();
    let answer = edge.get("/context");
    let context: Value = serde_json::from_str(&answer.text()).unwrap();
    let deadline = context["deadline"].as_u64().unwrap();
    assert!((began + 20_000..=milliseconds() + 20_000).contains(&deadline), "{deadline} after {began}");
    let known = json!({
        "requestId": answer.header("x-amz-cf-id"), "name": "api", "version": "$LATEST",
        "arn": "arn:aws:lambda:local:000000000000:function:api", "memory": 64, "deadline": deadline,
        "group": "/aws/lambda/api", "stream": "$LATEST", "client": null, "trace": null,
    });
    assert_eq!(context, known);
}

#[test]
fn a_function_over_a_limit_is_told_by_the_limit_and_replaced() {
    let cases = [
        ("cpu_us", 200_000, "/loop", 503, "LambdaLimitExceeded"),
        ("deadline_ms", 1_000, "/loop", 503, "LambdaLimitExceeded"),
        ("memory_bytes", 16 << 20, "/grow", 503, "LambdaExecutionError"),
        ("reply_bytes", 64, "/context", 502, "LambdaValidationError"),
    ];
    let mut config = Config::new().server("workers", 1);
    for (limit, value, ..) in cases {
        let limits = match limit {
            // Else its CPU time is over first.
            "deadline_ms" => json!({ "deadline_ms": value, "cpu_us": 900_000_000 }),
            _ => json!({ limit: value }),
        };
        let function = config.function(limit, component("function-behaviors"));
        config = function.set("policy", json!({ "reuse": {} })).set("limits", limits).service(limit, limit);
    }
    for (limit, ..) in cases {
        config = config.site_named(limit, &format!("{}.example.com", limit.replace('_', "-")), limit);
    }
    let edge = Edge::start(config);
    for (limit, _, target, status, result) in cases {
        let get = |target| get(edge.http(), &format!("{}.example.com", limit.replace('_', "-")), target, "");
        assert_eq!(get("/count").text(), "1", "{limit}");
        let over = get(target);
        assert_eq!((over.status, over.header("x-cache")), (status, format!("{result} from cloudfront").as_str()), "{over:?}");
        assert!(over.text().contains("category: limit"), "{limit}: {over:?}");
        assert_eq!(get("/count").text(), "1", "{limit}");
        let counted = format!("edgeward_function_calls_total{{function=\"{limit}\",result=\"limit:{limit}\"}}");
        assert_eq!(edge.metric(&counted), 1.0, "{limit}");
    }
}

#[test]
fn a_body_may_have_as_many_bytes_as_an_event_has_room_for() {
    // The guest tells of each body by another one.
    let edge = origin(&json!({ "reply_bytes": 16 << 20, "cpu_us": 60_000_000, "deadline_ms": 60_000 }));
    let post = |bytes: usize| edge.request("POST", "/a", "Content-Type: text/plain\r\n", &vec![b'x'; bytes]);
    for bytes in [4_499_999, 4_500_000] {
        let answer = post(bytes);
        assert_eq!(answer.status, 201, "{bytes}: {}", answer.text().chars().take(200).collect::<String>());
        let shown: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(shown["body"].as_str().unwrap().len(), bytes);
    }
    let over = post(4_500_001);
    assert_eq!((over.status, over.body.len()), (413, 0));
    assert_eq!(edge.get("/count").text(), "3", "the function is not called, and its instance goes on");
}

#[test]
fn a_function_is_an_origin_by_payload_format_2() {
    let config = Config::new().function("api", component("function-behaviors")).service("app", "api").site("app");
    let edge = Edge::start(config);
    let mut client = edge.connect();
    let body = "a=1";
    client.send(format!(
        "POST /a/b?x=1&x=2 HTTP/1.1\r\nHost: www\r\nConnection: close\r\nCookie: c=d\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let response = client.rest();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 201") && head.contains("x-function: api"), "{response}");
    assert!(head.contains("set-cookie: seen=1") && head.contains("set-cookie: again=2"), "{response}");
    let shown: Value = serde_json::from_str(body).unwrap();
    let expected = json!({
        "path": "/a/b", "query": {"x": "1,2"}, "cookies": ["c=d"], "method": "POST", "body": "a=1", "encoded": false, "id": true,
    });
    assert_eq!(shown, expected);
}
