//! A function that behaves as its event says: `{"do": "echo", …}`.
//!
//! | `do` | what happens |
//! |-|-|
//! | `echo` | the reply is the event |
//! | `add` | the sum of `numbers` |
//! | `context` | the context, as JSON |
//! | `env` | the environment variable `name`, or `null` |
//! | `count` | how often this instance has been called |
//! | `log` | writes `text` to stdout and `err` to stderr |
//! | `error` | an error of its own, with a stack |
//! | `panic` | a panic |
//! | `loop` | never ends |
//! | `grow` | takes memory until there is none |
//! | `big` | a reply of `bytes` bytes |
//! | `bytes` | a reply that is no JSON |
//! | `files` | what each of `steps` does with files, see `files.rs` |
//!
//! A request of payload format 2.0 asks by its path, as `/error` does; for any other path the reply is a response that shows what
//! came.
//!
//! A Lambda@Edge event asks by headers of its request: `x-do` is as above, or `show`, for a response whose body is the event.
//! `x-reply` is the reply as it is. Otherwise the reply is the event's response, or its request, merged with `x-patch` (RFC 7396).

mod files;

use std::sync::atomic::{AtomicU32, Ordering};

use exports::edgeward::function::handler::{Context, Error, Guest};
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "../../../wit/function", world: "function" });

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Behaviors;
export!(Behaviors);

impl Guest for Behaviors {
    fn handle(event: Vec<u8>, context: Context) -> Result<Vec<u8>, Error> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let value: Value = serde_json::from_slice(&event).map_err(|error| Error {
            error_type: "JsonError".to_owned(),
            error_message: error.to_string(),
            stack_trace: Vec::new(),
        })?;
        let cf = &value["Records"][0]["cf"];
        let header = |name: &str| cf["request"]["headers"][name][0]["value"].as_str();
        if let Some(reply) = header("x-reply") {
            return Ok(reply.as_bytes().to_vec());
        }
        let asked = value["do"].as_str().or_else(|| value["rawPath"].as_str()?.strip_prefix('/')).or_else(|| header("x-do"));
        let reply = match asked {
            Some("echo") => return Ok(event),
            Some("add") => json!(value["numbers"].as_array().into_iter().flatten().filter_map(Value::as_i64).sum::<i64>()),
            Some("context") => shown(&context),
            Some("env") => json!(std::env::var(value["name"].as_str().unwrap_or_default()).ok()),
            Some("count") => json!(calls),
            Some("log") => {
                println!("{}", value["text"].as_str().unwrap_or_default());
                eprintln!("{}", value["err"].as_str().unwrap_or_default());
                Value::Null
            }
            Some("error") => {
                return Err(Error {
                    error_type: "OutOfStock".to_owned(),
                    error_message: "no apples left".to_owned(),
                    stack_trace: vec!["in sell".to_owned(), "in handle".to_owned()],
                });
            }
            Some("panic") => panic!("a panic on purpose"),
            Some("loop") => loop {
                std::hint::black_box(calls);
            },
            Some("grow") => {
                let mut held = Vec::new();
                loop {
                    held.push(vec![1u8; 1 << 20]);
                    std::hint::black_box(&held);
                }
            }
            Some("big") => json!("x".repeat(value["bytes"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0))),
            Some("bytes") => return Ok(vec![0xff, 0x00, 0xfe]),
            Some("files") => {
                let body = value["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
                files::run(body.as_ref().unwrap_or(&value["steps"]))
            }
            Some("show") if cf.is_object() => {
                let mut response = if cf["response"].is_null() { json!({"status": "200"}) } else { cf["response"].clone() };
                response["body"] = json!({"cf": cf, "calls": calls}).to_string().into();
                response
            }
            _ if cf.is_object() => {
                let mut reply = cf[if cf["response"].is_null() { "request" } else { "response" }].clone();
                merge(&mut reply, header("x-patch").and_then(|patch| serde_json::from_str(patch).ok()).unwrap_or(json!({})));
                reply
            }
            _ => json!({
                "statusCode": 201,
                "headers": {"x-function": context.function_name, "content-type": "application/json"},
                "cookies": ["seen=1", "again=2"],
                "body": json!({
                    "path": value["rawPath"], "query": value["queryStringParameters"], "cookies": value["cookies"],
                    "method": value["requestContext"]["http"]["method"], "body": value["body"], "encoded": value["isBase64Encoded"],
                    "id": context.request_id == value["requestContext"]["requestId"].as_str().unwrap_or_default(),
                }).to_string(),
            }),
        };
        Ok(reply.to_string().into_bytes())
    }
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            if let Some(target) = target.as_object_mut() {
                target.remove(&name);
            }
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn shown(context: &Context) -> Value {
    json!({
        "requestId": context.request_id, "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "memory": context.memory_limit_mb, "deadline": context.deadline_ms,
        "group": context.log_group_name, "stream": context.log_stream_name, "client": context.client_context,
        "trace": context.trace_id,
    })
}
