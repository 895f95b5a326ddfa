//! What the audit does about an instance that is not as it should be. Through the edge nobody can make one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::function::build::tests::counter;
use crate::limits::{Compiling, Limits, Profile};
use crate::telemetry::Telemetry;
use crate::wasm::abi::Moment;
use crate::wasm::compile;
use crate::wasm::engine::tests::engines;

fn pool(policy: InstancePolicy, live_max: u64) -> (Arc<ViewerPool>, WorkerLane, Telemetry) {
    let limits = Limits::defaults(Profile::Viewer);
    let component = counter(Moment::ViewerRequest);
    let compiled =
        compile::compiled(engines(), &compile::ComponentSource::from_bytes(&component).unwrap(), &limits, Compiling::default())
            .unwrap();
    let code = ViewerCode::new(engines(), &compiled, &limits, None).unwrap();
    let telemetry = Telemetry::new();
    let metrics = Arc::new(telemetry.function("counter"));
    (ViewerPool::new(code, policy, None, live_max, 1, metrics), WorkerLane::new(0), telemetry)
}

fn call(pool: &ViewerPool, instance: &mut Instance) -> u8 {
    instance.inner().call(pool.code(), Moment::ViewerRequest, b"", 0, 0).result.unwrap()[0]
}

#[test]
fn a_difference_from_a_new_instance_ends_restoring_for_the_function() {
    let (pool, lane, telemetry) = pool(InstancePolicy::Fresh, 100);
    let now = Instant::now();
    assert_eq!(pool.cleanliness(), Cleanliness::Restored);
    // One that was put back long ago waits on the shelf.
    let (mut waiting, _) = pool.take(&lane, now).unwrap();
    call(&pool, &mut waiting);
    waiting.calls = 1;
    pool.shelf(&lane).lock().instances.push(waiting);

    let mut dirty = pool.make().unwrap();
    call(&pool, &mut dirty);
    pool.audit(dirty);
    let Cleanliness::New(why) = pool.cleanliness() else { panic!("{:?}", pool.cleanliness()) };
    assert!(why.contains("memory 0 differs at byte 32"), "{why}");
    assert!(telemetry.render().contains("edgeward_function_audits_total{function=\"counter\",result=\"different\"} 1"));

    for _ in 0..3 {
        let (mut instance, _) = pool.take(&lane, now).unwrap();
        assert_eq!(call(&pool, &mut instance), 1, "it is new");
        pool.put_back(&lane, instance);
    }
}

#[test]
fn the_first_restored_instances_are_compared_and_then_one_in_a_thousand() {
    let (pool, lane, telemetry) = pool(InstancePolicy::Fresh, 100);
    let audited = || {
        let text = telemetry.render();
        let line =
            text.lines().find(|line| line.starts_with("edgeward_function_audits_total{function=\"counter\",result=\"same\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
    };
    for calls in 1..=2 * audit::EVERY {
        let (mut instance, _) = pool.take(&lane, Instant::now()).unwrap();
        assert_eq!(call(&pool, &mut instance), 1);
        pool.put_back(&lane, instance);
        if [1, audit::FIRST, audit::FIRST + 1, audit::EVERY - 1, audit::EVERY, 2 * audit::EVERY].contains(&calls) {
            assert_eq!(audited(), calls.min(audit::FIRST) + calls / audit::EVERY, "after {calls} calls");
        }
    }
    assert_eq!(pool.cleanliness(), Cleanliness::Restored);
}

#[test]
fn a_function_that_is_reused_is_not_compared() {
    let (pool, lane, _) = pool(InstancePolicy::Reuse { max_calls: 10, max_idle: std::time::Duration::from_secs(60) }, 100);
    assert_eq!(pool.cleanliness(), Cleanliness::Reused);
    for count in 1..5 {
        let (mut instance, _) = pool.take(&lane, Instant::now()).unwrap();
        assert_eq!(call(&pool, &mut instance), count);
        pool.put_back(&lane, instance);
    }
}

#[test]
fn a_panic_gives_the_slot_of_its_instance_back() {
    let (pool, lane, _) = pool(InstancePolicy::Fresh, 1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _taken = pool.take(&lane, Instant::now()).unwrap();
        assert!(matches!(pool.take(&lane, Instant::now()), Err(Failure::Throttled(Scope::Instances))));
        panic!("in the middle of a call");
    }));
    assert!(panicked.is_err());
    let (mut instance, _) = pool.take(&lane, Instant::now()).unwrap();
    assert_eq!(call(&pool, &mut instance), 1);
    pool.put_back(&lane, instance);
    assert!(pool.take(&lane, Instant::now()).is_ok(), "what was put back is there");
}
