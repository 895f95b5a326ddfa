//! A service that uses what other platforms offer beside WASI. Each path calls one interface, and answers with what it
//! said, in Rust's words:
//!
//! | path | calls |
//! |-|-|
//! | `/config?KEY` | `wasi:config/store`: `get`, and how many `get-all` gives |
//! | `/variable?NAME` | `fermyon:spin/variables` |
//! | `/draft?STORE,KEY` | `wasi:keyvalue@0.2.0-draft`: every function, on this store and key |
//! | `/draft2?STORE,KEY` | the same of `0.2.0-draft2` |
//! | `/spin?STORE,KEY` | `fermyon:spin/key-value` |
//! | `/flood?N` | `wasi:config/store`, so many times |
//! | `/log?TEXT` | `wasi:logging` |

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "platforms", generate_all });
}

use bindings::fermyon::spin::{key_value, variables};
use bindings::wasi::config::store as config;
use bindings::wasi::keyvalue0_2_0_draft as draft;
use bindings::wasi::keyvalue0_2_0_draft2 as draft2;
use bindings::wasi::logging::logging;

wasip2::http::proxy::export!(Service);
struct Service;

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let url = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let (store, key) = query.split_once(',').unwrap_or((query, ""));
        let told = match path {
            "/config" => vec![format!("{:?}", config::get(query)), format!("{:?}", config::get_all().map(|all| all.len()))],
            "/flood" => {
                let n = query.parse().unwrap_or(1);
                (0..n).for_each(|_| drop(config::get("MODE")));
                Vec::new()
            }
            "/variable" => vec![format!("{:?}", variables::get(query))],
            "/draft" => draft_of(store, key).unwrap_or_else(|error| vec![format!("{error:?}")]),
            "/draft2" => draft2_of(store, key).unwrap_or_else(|error| vec![format!("{error:?}")]),
            "/spin" => spin(store, key).unwrap_or_else(|error| vec![format!("{error:?}")]),
            "/log" => {
                logging::log(logging::Level::Warn, "here", query);
                logging::log(logging::Level::Critical, "", query);
                Vec::new()
            }
            _ => vec!["no such path".to_owned()],
        };
        respond(out, &(told.join("\n") + "\n"));
    }
}

fn text(value: Option<Vec<u8>>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}

fn draft_of(store: &str, key: &str) -> Result<Vec<String>, draft::store::Error> {
    let bucket = draft::store::open(store)?;
    let keys = [key.to_owned(), "no-such-key".to_owned()];
    let first = bucket.list_keys(None)?;
    let rest = match first.cursor {
        Some(cursor) => bucket.list_keys(Some(cursor))?.keys,
        None => Vec::new(),
    };
    Ok(vec![
        format!("get {:?}", text(bucket.get(key)?)),
        format!("exists {:?}", bucket.exists(key)?),
        format!("keys {} then {}", first.keys.len(), rest.len()),
        format!("beyond {:?}", bucket.list_keys(Some(u64::MAX)).map(|page| page.keys.len())),
        format!("set {:?}", bucket.set(key, b"changed")),
        format!("delete {:?}", bucket.delete(key)),
        format!("increment {:?}", draft::atomics::increment(&bucket, key, 1)),
        format!("get-many {:?}", draft::batch::get_many(&bucket, &keys)?.into_iter().flatten().count()),
        format!("set-many {:?}", draft::batch::set_many(&bucket, &[(key.to_owned(), b"changed".to_vec())])),
        format!("delete-many {:?}", draft::batch::delete_many(&bucket, &keys)),
    ])
}

fn draft2_of(store: &str, key: &str) -> Result<Vec<String>, draft2::store::Error> {
    let bucket = draft2::store::open(store)?;
    let keys = [key.to_owned(), "no-such-key".to_owned()];
    let first = bucket.list_keys(None)?;
    let rest = match first.cursor {
        Some(cursor) => bucket.list_keys(Some(&cursor))?.keys,
        None => Vec::new(),
    };
    let cas = draft2::atomics::Cas::new(&bucket, key)?;
    let current = text(cas.current()?);
    let many = vec![key.to_owned(); 1_001];
    Ok(vec![
        format!("get {:?}", text(bucket.get(key)?)),
        format!("exists {:?}", bucket.exists(key)?),
        format!("keys {} then {}", first.keys.len(), rest.len()),
        format!("set {:?}", bucket.set(key, b"changed")),
        format!("delete {:?}", bucket.delete(key)),
        format!("increment {:?}", draft2::atomics::increment(&bucket, key, 1)),
        format!("current {current:?}"),
        format!("swap {}", draft2::atomics::swap(cas, b"changed").is_err()),
        format!("get-many {:?}", draft2::batch::get_many(&bucket, &keys)?.iter().filter(|(_, value)| value.is_some()).count()),
        format!("get-too-many {:?}", draft2::batch::get_many(&bucket, &many).map(|found| found.len())),
        format!("set-many {:?}", draft2::batch::set_many(&bucket, &[(key.to_owned(), b"changed".to_vec())])),
        format!("delete-many {:?}", draft2::batch::delete_many(&bucket, &keys)),
    ])
}

fn spin(store: &str, key: &str) -> Result<Vec<String>, key_value::Error> {
    let store = key_value::Store::open(store)?;
    Ok(vec![
        format!("get {:?}", text(store.get(key)?)),
        format!("exists {:?}", store.exists(key)?),
        format!("keys {:?}", store.get_keys()?.len()),
        format!("set {:?}", store.set(key, b"changed")),
        format!("delete {:?}", store.delete(key)),
    ])
}

fn respond(out: ResponseOutparam, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("taken once");
    ResponseOutparam::set(out, Ok(response));
    {
        let stream = body.write().expect("taken once");
        let _ = stream.blocking_write_and_flush(text.as_bytes());
    }
    let _ = OutgoingBody::finish(body, None);
}
