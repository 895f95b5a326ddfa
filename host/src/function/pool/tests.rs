//! What the audit does about an instance that is not as it should be. Through the edge nobody can make one.

use super::*;
use crate::limits::{Compiling, Limits, Profile};
use crate::telemetry::Telemetry;
use crate::wasm::abi::Moment;
use crate::wasm::compile;
use crate::wasm::engine::tests::engines;

/// Counts its calls, in its memory.
const COUNTER: &str = r#"(component
  (core module $M
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "handle") (param i32 i32) (result i32)
      (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
      (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const 1))
      (i32.const 32)))
  (core instance $m (instantiate $M))
  (func $handle (param "event" (list u8)) (result (list u8))
    (canon lift (core func $m "handle") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (instance $hook (export "handle" (func $handle)))
  (export "edgeward:edge/viewer-request@0.1.0" (instance $hook)))"#;

fn pool(policy: Policy) -> (Arc<ViewerPool>, Arc<FunctionMetrics>, Telemetry) {
    let limits = Limits::defaults(Profile::Viewer);
    let component = wat::parse_str(COUNTER).unwrap();
    let compiled =
        compile::compiled(engines(), &compile::ComponentSource::from_bytes(&component).unwrap(), &limits, Compiling::default())
            .unwrap();
    let code = ViewerCode::new(engines(), &compiled, &limits, None).unwrap();
    let telemetry = Telemetry::new();
    let metrics = Arc::new(telemetry.function("counter"));
    (Arc::new(ViewerPool::new(code, policy, None, 100, 1)), metrics, telemetry)
}

fn call(pool: &ViewerPool, instance: &mut Instance) -> u8 {
    instance.inner().call(pool.code(), Moment::ViewerRequest, b"", 0, 0).result.unwrap()[0]
}

#[test]
fn an_instance_that_is_not_like_a_new_one_ends_restoring_for_all() {
    let (pool, metrics, telemetry) = pool(Policy::Fresh);
    let now = Instant::now();
    assert_eq!(pool.cleanliness(), Cleanliness::Restored);
    // One that was put back long ago waits on the shelf.
    let (mut waiting, _) = pool.take(now, &metrics).unwrap();
    call(&pool, &mut waiting);
    waiting.calls = 1;
    pool.shelf().lock().instances.push(waiting);

    let mut dirty = pool.make(&metrics).unwrap();
    call(&pool, &mut dirty);
    pool.audit(dirty, &metrics);
    let Cleanliness::New(why) = pool.cleanliness() else { panic!("{:?}", pool.cleanliness()) };
    assert!(why.contains("memory 0 differs at byte 32"), "{why}");
    assert!(telemetry.render().contains("edgeward_function_audits_total{function=\"counter\",result=\"different\"} 1"));

    for _ in 0..3 {
        let (mut instance, _) = pool.take(now, &metrics).unwrap();
        assert_eq!(call(&pool, &mut instance), 1, "it is new");
        pool.put_back(instance, &metrics);
    }
}

#[test]
fn the_first_restored_instances_are_compared_and_then_one_in_a_thousand() {
    let (pool, metrics, telemetry) = pool(Policy::Fresh);
    let audited = || {
        let text = telemetry.render();
        let line =
            text.lines().find(|line| line.starts_with("edgeward_function_audits_total{function=\"counter\",result=\"same\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
    };
    for calls in 1..=2 * audit::EVERY {
        let (mut instance, _) = pool.take(Instant::now(), &metrics).unwrap();
        assert_eq!(call(&pool, &mut instance), 1);
        pool.put_back(instance, &metrics);
        if [1, audit::FIRST, audit::FIRST + 1, audit::EVERY - 1, audit::EVERY, 2 * audit::EVERY].contains(&calls) {
            assert_eq!(audited(), calls.min(audit::FIRST) + calls / audit::EVERY, "after {calls} calls");
        }
    }
    assert_eq!(pool.cleanliness(), Cleanliness::Restored);
}

#[test]
fn a_function_that_is_reused_is_not_compared() {
    let (pool, metrics, _) = pool(Policy::Reuse { max_calls: 10, max_idle: std::time::Duration::from_secs(60) });
    assert_eq!(pool.cleanliness(), Cleanliness::Reused);
    for count in 1..5 {
        let (mut instance, _) = pool.take(Instant::now(), &metrics).unwrap();
        assert_eq!(call(&pool, &mut instance), count);
        pool.put_back(instance, &metrics);
    }
}
