//! Who gets an instance, who waits, who is refused.

use std::time::Duration;

use edgeward::failure::{Failure, Scope};
use edgeward::limits::Limit;
use tokio::join;

use crate::component::{COUNT, COUNT_OR_ECHO, ECHO, hook, waiting};
use crate::{call, deploy, function, metric, reuse, with};

/// Waits 20 ms for an event that is not empty.
fn slow() -> String {
    waiting(
        "(if (local.get $bytes) (then (call $wait (i64.const 20000000)))) (call $answer (local.get $event) (local.get $bytes))",
    )
}

#[tokio::test]
async fn reused_instances_keep_their_state_until_their_quota() {
    let revision = deploy(&reuse(function("reuse"), 3, Duration::from_secs(60)), &hook(COUNT));
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.extend(call(&revision, b"").await.result.unwrap());
    }
    assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1]);
    assert_eq!(metric(r#"edgeward_function_instances_total{event="retired",function="reuse",reason="quota"}"#), 2);
}

#[tokio::test]
async fn an_instance_is_kept_when_a_hook_reports_that_it_failed() {
    let revision = deploy(&reuse(function("reports"), 100, Duration::from_secs(60)), &hook(COUNT_OR_ECHO));
    assert_eq!(call(&revision, b"").await.result.unwrap(), [1]);
    // Ops 32 and 33 with the message `x`.
    for (op, told) in [(32, "guest error: x"), (33, "bad reply: x")] {
        let outcome = call(&revision, &[1, op, 1, 0, 0, 0, b'x']).await;
        assert_eq!(outcome.result.unwrap_err().to_string(), told);
    }
    assert_eq!(call(&revision, b"").await.result.unwrap(), [4]);
    for category in ["guest-error", "bad-reply"] {
        assert_eq!(metric(&format!(r#"edgeward_function_calls_total{{function="reports",result="{category}"}}"#)), 1);
    }
}

#[tokio::test]
async fn an_instance_that_has_idled_too_long_is_replaced() {
    let revision = deploy(&reuse(function("idle"), 100, Duration::ZERO), &hook(COUNT));
    for _ in 0..3 {
        assert_eq!(call(&revision, b"").await.result.unwrap(), [1]);
    }
}

#[tokio::test]
async fn without_a_queue_the_second_call_is_refused() {
    let limited = with(with(function("no-queue"), Limit::Instances, 1), Limit::Queue, 0);
    let revision = deploy(&limited, &slow());
    let (first, second) = join!(call(&revision, b"wait"), call(&revision, b"wait"));
    assert_eq!(first.result.unwrap(), b"wait");
    assert!(matches!(second.result, Err(Failure::Throttled(Scope::Queue))), "{second:?}");
}

#[tokio::test]
async fn a_call_in_the_queue_gets_the_next_instance() {
    let limited = with(with(function("queue"), Limit::Instances, 1), Limit::Queue, 1);
    let revision = deploy(&limited, &slow());
    let (first, second, third) = join!(call(&revision, b"wait"), call(&revision, b"wait"), call(&revision, b"wait"));
    assert!(first.result.is_ok() && second.result.is_ok(), "{first:?} {second:?}");
    assert!(matches!(third.result, Err(Failure::Throttled(Scope::Queue))), "{third:?}");
}

#[tokio::test]
async fn a_call_in_the_queue_gets_an_instance_that_is_put_back() {
    let limited = with(with(reuse(function("handover"), 100, Duration::from_secs(60)), Limit::Instances, 1), Limit::Queue, 8);
    let revision = deploy(&limited, &hook(COUNT));
    let (first, second, third) = join!(call(&revision, b""), call(&revision, b""), call(&revision, b""));
    assert_eq!([first, second, third].map(|outcome| outcome.result.unwrap()), [[1], [2], [3]]);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_limit() {
    let limited = with(with(with(function("wait-limit"), Limit::Instances, 1), Limit::Queue, 8), Limit::QueueWaitMs, 1);
    let revision = deploy(&limited, &slow());
    let (first, second) = join!(call(&revision, b"wait"), call(&revision, b"wait"));
    assert!(first.result.is_ok());
    assert!(matches!(second.result, Err(Failure::Throttled(Scope::Instances))), "{second:?}");
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_right_to_the_next() {
    let limited = with(with(function("dropped"), Limit::Instances, 1), Limit::Queue, 1);
    let revision = deploy(
        &limited,
        &waiting(
            "(if (local.get $bytes) (then (call $wait (i64.const 3600000000000)))) (call $answer (local.get $event) (local.get $bytes))",
        ),
    );
    let mut forever = Box::pin(call(&revision, b"wait"));
    assert!(is_pending(&mut forever).await);
    let (next, ()) = join!(call(&revision, b""), async { drop(forever) });
    assert!(next.result.is_ok(), "{next:?}");
}

/// Polls once.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn the_shelf_is_filled_again_off_the_path() {
    let mut settings = function("refill");
    settings.min_warm = Some(2);
    let revision = deploy(&settings, &hook(ECHO));
    for _ in 0..20 {
        assert!(!call(&revision, b"x").await.usage.cold);
        // The refill runs on this thread, when it is idle.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(metric(r#"edgeward_function_instances_total{event="cold",function="refill",reason=""}"#), 0);
}

#[tokio::test]
async fn instances_are_dropped_with_their_revision() {
    let revision = deploy(&function("gone"), &slow());
    let gone = std::sync::Arc::downgrade(&revision);
    let last = {
        let revision = revision.clone();
        async move { call(&revision, b"wait").await }
    };
    // Replaced while a call runs, which ends as if nothing had happened.
    let (outcome, ()) = join!(last, async { drop(revision) });
    assert!(outcome.result.is_ok());
    assert!(gone.upgrade().is_none(), "nothing that runs later keeps it");
}
