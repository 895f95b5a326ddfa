//! Nothing of one request is visible to another: components that were made to remember, and what stands in the way.

use crate::harness::{Config, Edge, Origin, component, eventually};

fn edge_with(guest: &str) -> (Edge, Origin) {
    let origin = Origin::echo();
    let edge = Edge::start(
        Config::new().function("hook", component(guest)).origin("o", origin.url()).site("o").set("viewer_request", "hook"),
    );
    (edge, origin)
}

fn between_calls(edge: &Edge) -> serde_json::Value {
    let functions: serde_json::Value = serde_json::from_str(&edge.admin("/config/functions").text()).unwrap();
    functions[0]["instances"].clone()
}

#[test]
fn memory_that_the_host_writes_for_a_second_module_is_restored() {
    let (edge, _origin) = edge_with("hostile-second-module");
    assert_eq!(between_calls(&edge)["between_calls"], "restored");
    let counts: Vec<String> = (0..50).map(|_| edge.get("/").header("x-count").to_owned()).collect();
    assert!(counts.iter().all(|count| *count == counts[0] && count.len() == 3), "{counts:?}");
    assert!(edge.metric("edgeward_function_instances_total{event=\"restored\",function=\"hook\",reason=\"\"}") >= 40.0);
    // The first ones were looked at: none was other than a new one.
    let same = || edge.metric("edgeward_function_audits_total{function=\"hook\",result=\"same\"}");
    eventually("instances are compared", || same() >= 10.0);
    assert_eq!(edge.metric("edgeward_function_audits_total{function=\"hook\",result=\"different\"}"), 0.0);
}

#[test]
fn a_hook_that_uses_rusts_std_is_restored_after_each_call() {
    let (edge, _origin) = edge_with("stock-rewrite");
    assert_eq!(between_calls(&edge)["between_calls"], "restored");
    for _ in 0..30 {
        assert_eq!(edge.get("/docs/").status, 200);
    }
    assert!(edge.metric("edgeward_function_instances_total{event=\"restored\",function=\"hook\",reason=\"\"}") >= 30.0);
}
