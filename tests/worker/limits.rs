//! Each limit when it is hit: the right category, and a neighbour that never notices.

use std::time::Duration;

use edgeward::failure::Failure;
use edgeward::function::call::HookOutcome;
use edgeward::limits::Limit;

use crate::component::{ECHO, LOOP, hook, hook_with, logging, waiting};
use crate::{call, deploy, function, metric, try_deploy, with};

fn assert_limit(outcome: &HookOutcome, limit: Limit, value: u64) {
    match &outcome.result {
        Err(Failure::Limit { limit: hit, value: told }) => assert_eq!((*hit, *told), (limit, value)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_loop_ends_at_its_cpu_limit_and_its_neighbours_have_their_turns() {
    let revision = deploy(&with(function("loop"), Limit::CpuUs, 50_000), &hook(LOOP));
    let looping = call(&revision, b"");
    tokio::pin!(looping);
    let mut turns = 0;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut looping => break outcome,
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert_limit(&outcome, Limit::CpuUs, 50_000);
    assert_eq!(outcome.usage.utilization, 100);
    assert!(turns > 100, "a turn for each 100 µs of fuel, not {turns}");
    assert_eq!(metric(r#"edgeward_function_calls_total{function="loop",result="limit:cpu_us"}"#), 1);
    assert_eq!(metric(r#"edgeward_function_instances_total{event="retired",function="loop",reason="limit"}"#), 1);
}

#[tokio::test]
async fn a_function_that_keeps_looping_is_refused_for_a_while() {
    let revision = deploy(&with(function("looping"), Limit::CpuUs, 1_000), &hook(LOOP));
    for _ in 0..16 {
        assert_limit(&call(&revision, b"").await, Limit::CpuUs, 1_000);
    }
    assert!(matches!(call(&revision, b"").await.result, Err(Failure::Throttled(_))));
}

#[tokio::test]
async fn memory_is_bounded() {
    let fill = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let limited = with(function("memory"), Limit::MemoryBytes, 1 << 20);
    assert_limit(&call(&deploy(&limited, &hook(&format!("{fill} unreachable"))), b"").await, Limit::MemoryBytes, 1 << 20);
    // A guest that takes the refusal well goes on.
    let outcome = call(&deploy(&limited, &hook(&format!("{fill} {ECHO}"))), b"ok").await;
    assert_eq!(outcome.usage.memory_bytes, 1 << 20, "all it may have, and no more");
    assert_eq!(outcome.result.unwrap(), b"ok");
}

#[tokio::test]
async fn a_component_whose_initial_memory_is_over_the_limit_is_refused() {
    let error = try_deploy(&with(function("born"), Limit::MemoryBytes, 1 << 16), &hook(ECHO)).err().unwrap().to_string();
    assert!(error.contains("memory_bytes"), "{error}");
}

#[tokio::test]
async fn tables_are_bounded() {
    let bomb = "(loop (br_if 0 (i32.ne (table.grow $table (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable";
    let limited = with(function("table"), Limit::TableElements, 10_000);
    assert_limit(&call(&deploy(&limited, &hook(bomb)), b"").await, Limit::TableElements, 10_000);
}

#[tokio::test]
async fn recursion_is_bounded() {
    let revision = deploy(&function("recursion"), &hook("(drop (call $recurse (i32.const 0))) unreachable"));
    assert_limit(&call(&revision, b"").await, Limit::StackBytes, 1 << 20);
}

#[tokio::test]
async fn answers_are_bounded_and_checked() {
    let limited = with(function("reply"), Limit::ReplyBytes, 1_000);
    let exact = deploy(&limited, &hook("(call $answer (i32.const 0) (i32.const 1000))"));
    assert_eq!(call(&exact, b"").await.result.unwrap().len(), 1_000);
    let over = deploy(&limited, &hook("(call $answer (i32.const 0) (i32.const 1001))"));
    assert_limit(&call(&over, b"").await, Limit::ReplyBytes, 1_000);
    for outside in [
        "(call $answer (i32.const 0) (i32.const -1))",
        "(call $answer (i32.const -8) (i32.const 16))",
        "(i32.const -4)",
        "(i32.const 3)",
    ] {
        let outcome = call(&deploy(&limited, &hook(outside)), b"").await;
        assert!(matches!(outcome.result, Err(Failure::Trap(_))), "{outside}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_trap_costs_its_own_call_only() {
    // Traps on an empty event.
    let revision = deploy(&function("trap"), &hook(&format!("(if (i32.eqz (local.get $bytes)) (then unreachable)) {ECHO}")));
    for _ in 0..3 {
        assert!(matches!(call(&revision, b"").await.result, Err(Failure::Trap(_))));
        assert_eq!(call(&revision, b"x").await.result.unwrap(), b"x");
    }
}

#[tokio::test]
async fn calls_into_the_host_are_counted() {
    let log = format!("(loop (call $log (i32.const 0) (i32.const 8)) (br 0)) {LOOP}");
    let limited = with(with(function("flood"), Limit::HostCalls, 10_000), Limit::LogBytes, 100);
    let outcome = call(&deploy(&limited, &logging(&log)), b"").await;
    assert_limit(&outcome, Limit::HostCalls, 10_000);
    assert!(outcome.log.len() < 200 && outcome.log.contains("log truncated"), "{}", outcome.log);
    // WASI's functions cannot end the guest by themselves: the next yield does.
    let now = format!("(loop (drop (call $now)) (br 0)) {LOOP}");
    let outcome = call(&deploy(&with(function("clock"), Limit::HostCalls, 10_000), &waiting(&now)), b"").await;
    assert_limit(&outcome, Limit::HostCalls, 10_000);
}

#[tokio::test]
async fn time_in_the_host_counts_as_cpu_time() {
    let now = format!("(loop (drop (call $now)) (br 0)) {LOOP}");
    let limited = with(with(function("host-time"), Limit::HostCalls, 10_000_000), Limit::CpuUs, 20_000);
    let outcome = call(&deploy(&limited, &waiting(&now)), b"").await;
    assert_limit(&outcome, Limit::CpuUs, 20_000);
    assert!(outcome.usage.duration_us < 2_000_000, "{:?}", outcome.usage);
}

#[tokio::test]
async fn waiting_ends_at_the_deadline() {
    let revision = deploy(
        &with(function("deadline"), Limit::DeadlineMs, 30),
        &waiting("(call $wait (i64.const 3600000000000)) unreachable"),
    );
    let outcome = call(&revision, b"").await;
    assert_limit(&outcome, Limit::DeadlineMs, 30);
    assert!(outcome.usage.duration_us < Duration::from_secs(10).as_micros() as u64);
}

#[tokio::test]
async fn handles_are_bounded() {
    let leak = format!("(loop (drop (call $subscribe (i64.const 1))) (br 0)) {LOOP}");
    let outcome = call(&deploy(&with(function("handles"), Limit::Handles, 100), &waiting(&leak)), b"").await;
    assert_limit(&outcome, Limit::Handles, 100);
}

#[tokio::test]
async fn memory_is_bounded_in_start_functions_too() {
    let bomb = "(func $start (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable) (start $start)";
    let limited = with(function("start-bomb"), Limit::MemoryBytes, 4 << 20);
    let error = try_deploy(&limited, &hook_with("", "", bomb, ECHO)).err().unwrap().to_string();
    assert!(error.contains("memory_bytes"), "{error}");
}

#[tokio::test]
async fn one_call_cannot_pass_the_host_more_than_it_takes() {
    // 4 MiB of text at once, which would be 4 MiB of the host's memory.
    let shout = format!("(drop (memory.grow (i32.const 64))) (call $log (i32.const 0) (i32.const 0x400000)) {ECHO}");
    let outcome = call(&deploy(&function("shout"), &logging(&shout)), b"").await;
    assert_limit(&outcome, Limit::ReplyBytes, Limit::ReplyBytes.default(edgeward::limits::Profile::Worker));
}

#[tokio::test]
async fn a_function_that_floods_its_log_does_not_block_other_functions() {
    let flood = format!("(loop (call $log (i32.const 0) (i32.const 65536)) (br 0)) {LOOP}");
    let revision = deploy(&with(function("shouting"), Limit::HostCalls, 3_000), &logging(&flood));
    let shouting = call(&revision, b"");
    tokio::pin!(shouting);
    let mut turns = 0;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut shouting => break outcome,
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert_limit(&outcome, Limit::HostCalls, 3_000);
    assert!(turns >= 50, "{turns}");
}
