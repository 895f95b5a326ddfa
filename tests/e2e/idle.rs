//! What functions hold of memory while nobody calls them.
//!
//! A start of the interpreter writes to megabytes, and a call to one; each of them would show.

use std::fs;

use serde_json::json;

use crate::api::{ApiHost, seed_compiled};
use crate::harness::{Config, Edge, eventually, get};

const FUNCTION: &str = "def lambda_handler(event, context):\n    return event['rawPath']\n";

/// Far more than one takes, and far less than what would be left of an INIT or a call.
const EACH_BYTES: u64 = 500_000;

/// Makes the functions of these numbers, and waits until they are active.
fn made(host: &ApiHost, numbers: std::ops::Range<u64>) {
    host.python(&format!(
        "from aws import *\n\
         names = [f'f{{n}}' for n in range({}, {})]\n\
         for name in names: aws.create_function(**request(name, python({FUNCTION:?})))\n\
         for name in names: active(name)",
        numbers.start, numbers.end
    ));
}

#[test]
fn a_function_that_was_never_called_holds_little_memory() {
    let host = ApiHost::start();
    // What all have in common, and what the allocator keeps from one INIT for the next.
    made(&host, 0..10);
    let before = host.resident_bytes();
    made(&host, 10..40);
    // The allocator gives back after a moment what the last INIT has used.
    eventually("each holds little", || host.resident_bytes().saturating_sub(before) < 30 * EACH_BYTES);
}

#[test]
fn a_function_that_is_called_no_more_holds_little_memory() {
    const FUNCTIONS: u64 = 20;
    let folder = tempfile::tempdir().unwrap();
    seed_compiled(&folder.path().join("data/aot"));
    fs::write(folder.path().join("lambda_function.py"), FUNCTION).unwrap();
    let mut config = Config::new().server("workers", 1);
    for n in 0..=FUNCTIONS {
        let name = format!("f{n}");
        config = config.table(&format!("function.{name}")).set("source", "lambda_function.py").set("runtime", "python3.14");
        config = config.set("policy", json!({ "reuse": { "max_idle_s": 1 } })).service(&name, &name);
        config = config.site_named(&name, &format!("{name}.example.com"), &name);
    }
    let edge = Edge::start_in(folder, config);
    let called = |n: u64| assert_eq!(get(edge.http(), &format!("f{n}.example.com"), "/pear", "").text(), "/pear");
    let idle = |n: u64| format!("edgeward_function_instances_total{{event=\"retired\",function=\"f{n}\",reason=\"idle\"}}");
    // What all have in common: the Runtime's own code.
    called(0);
    edge.wait_for_metric(&idle(0), 1.0);
    let before = edge.resident_bytes();
    (1..=FUNCTIONS).for_each(called);
    (1..=FUNCTIONS).for_each(|n| edge.wait_for_metric(&idle(n), 1.0));
    eventually("each holds little", || edge.resident_bytes().saturating_sub(before) < FUNCTIONS * EACH_BYTES);
    // And can be called as before.
    (0..=FUNCTIONS).for_each(called);
}
