//! What an origin hook can do.

use edgeward::failure::Failure;
use edgeward::wasm::abi::Moment;

use crate::component::{COUNT, ECHO, hook, hook_with, logging, waiting};
use crate::{call, call_at, deploy, function, metric, serve, try_deploy};

#[tokio::test]
async fn a_hook_answers_from_an_instance_that_was_ready() {
    let revision = deploy(&function("echo"), &hook(ECHO));
    let outcome = call(&revision, b"an event").await;
    assert_eq!(outcome.result.unwrap(), b"an event");
    assert!(!outcome.usage.cold);
    assert!(outcome.usage.fuel > 0 && outcome.usage.memory_bytes == 2 << 16);
    assert_eq!(metric(r#"edgeward_function_calls_total{function="echo",result="ok"}"#), 1);
}

#[tokio::test]
async fn large_events_and_answers_cross() {
    let event: Vec<u8> = (0..1 << 20).map(|i: u32| i.to_le_bytes()[1]).collect();
    let revision = deploy(&function("large"), &hook(ECHO));
    assert!(call(&revision, &event).await.result.unwrap() == event);
}

#[tokio::test]
async fn every_call_sees_a_new_instance() {
    let revision = deploy(&function("fresh"), &hook(COUNT));
    for _ in 0..20 {
        assert_eq!(call(&revision, b"").await.result.unwrap(), [1]);
    }
}

#[tokio::test]
async fn what_a_hook_logs_comes_back_with_its_answer() {
    let revision = deploy(
        &function("log"),
        &logging("(call $log (local.get $event) (local.get $bytes)) (call $answer (i32.const 0) (i32.const 0))"),
    );
    let outcome = call(&revision, b"a line").await;
    assert_eq!(outcome.log, "a line");
}

#[tokio::test]
async fn a_hook_may_wait() {
    let revision = deploy(
        &function("wait"),
        &waiting("(call $wait (i64.const 1000000)) (call $answer (local.get $event) (local.get $bytes))"),
    );
    let outcome = call(&revision, b"x").await;
    assert_eq!(outcome.result.unwrap(), b"x");
    assert!(outcome.usage.duration_us >= 1_000, "{:?}", outcome.usage);
}

#[tokio::test]
async fn a_moment_that_is_not_exported_is_not_runnable() {
    let revision = deploy(&function("one-moment"), &hook(ECHO));
    let outcome = call_at(&revision, Moment::OriginResponse, b"").await;
    assert!(matches!(outcome.result, Err(Failure::NotRunnable(_))), "{outcome:?}");
    assert!(matches!(serve(&revision, http::Request::default().map(|()| empty())).await, Err(Failure::NotRunnable(_))));
}

fn empty() -> edgeward::function::call::StreamBody {
    use http_body_util::BodyExt as _;
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn imports_that_are_not_offered_are_refused_by_name() {
    let wat = hook_with(
        r#"(import "wasi:nn/inference@0.2.0" (instance $nn (export "run" (func))))"#,
        r#"(core func $run (canon lower (func $nn "run"))) (core instance $host (export "run" (func $run)))"#,
        r#"(import "host" "run" (func $run))"#,
        ECHO,
    );
    let error = try_deploy(&function("nn"), &wat).err().unwrap().to_string();
    assert!(error.contains("wasi:nn/inference@0.2.0") && error.contains("wasi:http"), "{error}");
}

#[tokio::test]
async fn a_component_that_traps_at_its_start_is_not_deployed() {
    let wat = hook_with("", "", "(func $start unreachable) (start $start)", ECHO);
    let error = try_deploy(&function("start"), &wat).err().unwrap().to_string();
    assert!(error.contains("trap"), "{error}");
}
