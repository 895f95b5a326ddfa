//! Files change under load: no request fails, and a wrong change changes nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Client, Config, Edge, Origin, component, eventually};

fn config(component: &str, origin: &Origin) -> Config {
    site_of("o", component, origin)
}

fn site_of(named: &str, component: &str, origin: &Origin) -> Config {
    Config::new().function("f", component).origin("o", origin.url()).site(named).set("viewer_request", "f")
}

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(component(name)).unwrap()
}

/// Runs `change` while four clients ask without pause; gives the number of answers. Each must be 200.
fn under_load(edge: &Edge, change: impl FnOnce()) -> usize {
    let stop = AtomicBool::new(false);
    let answers = AtomicUsize::new(0);
    let address = edge.http();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.request("GET", "/route", "www", "", b"");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        change();
        stop.store(true, Ordering::Relaxed);
    });
    answers.into_inner()
}

#[test]
fn a_component_is_replaced_under_load_without_a_failed_request() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hook.wasm"), guest("spa-rewrite")).unwrap();
    let edge = Edge::start_in(folder, config("hook.wasm", &origin));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    let answers = under_load(&edge, || {
        for (name, expected) in [("edge-rules", "GET /route/index.html\n"), ("spa-rewrite", "GET /index.html\n")] {
            edge.put("hook.wasm", &guest(name));
            eventually(name, || edge.get("/route").text() == expected);
        }
    });
    assert!(answers > 0);
    assert_eq!(edge.metric("edgeward_config_reloads_total{result=\"ok\"}"), 2.0);
}

#[test]
fn a_configuration_is_replaced_under_load_without_a_failed_request() {
    let (first, second) = (Origin::echo(), Origin::echo());
    let guest = component("spa-rewrite");
    let edge = Edge::start(config(&guest, &first));
    under_load(&edge, || {
        edge.reconfigure(config(&guest, &second));
        eventually("the second origin is asked", || {
            edge.get("/route");
            !second.seen().is_empty()
        });
    });
    let asked = first.seen().len();
    edge.get("/route");
    assert_eq!(first.seen().len(), asked);
}

#[test]
fn an_invalid_configuration_leaves_the_old_one_in_force_and_says_why() {
    let origin = Origin::echo();
    let guest = component("spa-rewrite");
    let edge = Edge::start(config(&guest, &origin));
    under_load(&edge, || {
        edge.reconfigure(site_of("nowhere", &guest, &origin));
        eventually("the change is refused", || edge.metric("edgeward_config_reloads_total{result=\"refused\"}") >= 1.0);
    });
    eventually("the log says why", || edge.log().contains("nowhere"));
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
    edge.reconfigure(config(&guest, &origin));
    eventually("the old text is fine again", || edge.metric("edgeward_config_reloads_total{result=\"ok\"}") >= 1.0);
}

#[test]
fn an_invalid_component_leaves_the_old_one_in_force() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hook.wasm"), guest("spa-rewrite")).unwrap();
    let edge = Edge::start_in(folder, config("hook.wasm", &origin));
    under_load(&edge, || {
        for (n, bytes) in [b"not a component".to_vec(), guest("security-headers")].iter().enumerate() {
            edge.put("hook.wasm", bytes);
            let refused = f64::from(u8::try_from(n + 1).unwrap());
            eventually("it is refused", || edge.metric("edgeward_config_reloads_total{result=\"refused\"}") >= refused);
        }
    });
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
}
