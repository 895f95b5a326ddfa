//! What a deployment leaves as it is. Through the edge nobody can see that nothing was built.

use std::path::Path;

use super::*;
use crate::cache;
use crate::function::build::tests::{builder, counter};
use crate::wasm::abi::Moment;

struct Host {
    folder: tempfile::TempDir,
    publisher: Publisher,
    cache: Arc<Cache>,
}

const SITE: &str = "[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\n\
                    viewer_request = \"ask\"\nviewer_response = \"answer\"\n";

impl Host {
    fn new() -> Host {
        let telemetry = Arc::new(Telemetry::new());
        let options = cache::Options { memory_bytes: 0, memory_object_bytes: 0, disk: None };
        let cache = Cache::open(&options, telemetry.cache()).unwrap();
        let host = Host {
            folder: tempfile::tempdir().unwrap(),
            publisher: Publisher::new(Arc::new(builder(&telemetry)), telemetry),
            cache,
        };
        host.write("ask.wasm", &counter(Moment::ViewerRequest));
        host.write("answer.wasm", &counter(Moment::ViewerResponse));
        host.configure(SITE, "");
        host
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// `settings` are of the function `ask`.
    fn configure(&self, site: &str, settings: &str) {
        let text = format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\n[function.ask]\ncomponent = \"ask.wasm\"\n{settings}\n\
             [function.answer]\ncomponent = \"answer.wasm\"\n[origin.o]\nfixed = {{ body = \"x\" }}\n{site}"
        );
        self.write("edge.toml", text.as_bytes());
    }

    fn load(&self) -> Config {
        let path: &Path = &self.path("edge.toml");
        config::load(path).unwrap_or_else(|errors| panic!("{errors:#}")).config
    }

    /// What is read now, ready but not in force.
    fn next(&self, before: &Snapshot) -> anyhow::Result<Snapshot> {
        self.publisher.snapshot(&self.load(), &before.revisions, Some(before), &self.cache)
    }

    fn first(&self) -> Snapshot {
        let first = self.publisher.snapshot(&self.load(), &Revisions::new(), None, &self.cache).unwrap();
        self.publisher.publish(None, &first);
        first
    }

    /// What the edge of `snapshot` calls.
    fn called(snapshot: &Snapshot, name: &str) -> Arc<Revision> {
        snapshot.aliases[name].hold()
    }
}

/// The same with more bytes, so another one.
fn other(component: &[u8]) -> Vec<u8> {
    // A custom section with the name `x`.
    [component, &[0, 2, 1, b'x']].concat()
}

#[test]
fn a_new_component_replaces_only_its_function() {
    let host = Host::new();
    let first = host.first();
    host.write("ask.wasm", &other(&counter(Moment::ViewerRequest)));
    let next = host.next(&first).unwrap();
    assert!(Arc::ptr_eq(&Host::called(&next, "ask"), &first.revisions["ask"]), "nothing is in force yet");
    host.publisher.publish(Some(&first), &next);

    assert!(Arc::ptr_eq(&first.edge, &next.edge), "no site is built anew");
    assert!(Arc::ptr_eq(&Host::called(&first, "ask"), &next.revisions["ask"]), "the edge calls the new one");
    assert!(!Arc::ptr_eq(&first.revisions["ask"], &next.revisions["ask"]));
    assert!(Arc::ptr_eq(&first.revisions["answer"], &next.revisions["answer"]), "with its warm instances");
    let live = host.publisher.catalog.get("ask").unwrap().alias(LIVE).unwrap();
    assert!(Arc::ptr_eq(&live, &next.aliases["ask"]));
}

#[test]
fn new_settings_replace_only_their_function() {
    let host = Host::new();
    let first = host.first();
    host.configure(SITE, "limits = { cpu_us = 2000 }");
    let next = host.next(&first).unwrap();
    host.publisher.publish(Some(&first), &next);
    assert!(Arc::ptr_eq(&first.edge, &next.edge));
    assert!(!Arc::ptr_eq(&first.revisions["ask"], &Host::called(&next, "ask")));
    assert!(Arc::ptr_eq(&first.revisions["answer"], &Host::called(&next, "answer")));
}

#[test]
fn a_request_of_a_replaced_edge_ends_with_the_functions_that_it_began_with() {
    let host = Host::new();
    let first = host.first();
    host.write("ask.wasm", &other(&counter(Moment::ViewerRequest)));
    host.configure(&SITE.replace("www", "web"), "");
    let next = host.next(&first).unwrap();
    host.publisher.publish(Some(&first), &next);
    assert!(!Arc::ptr_eq(&first.edge, &next.edge));
    assert!(Arc::ptr_eq(&Host::called(&first, "ask"), &first.revisions["ask"]));
    assert!(Arc::ptr_eq(&Host::called(&next, "ask"), &next.revisions["ask"]));
    assert!(Arc::ptr_eq(&first.aliases["answer"], &next.aliases["answer"]), "what has not changed is found where it was");
}

#[test]
fn a_deployment_with_one_error_changes_nothing() {
    let host = Host::new();
    let first = host.first();
    host.write("ask.wasm", &other(&counter(Moment::ViewerRequest)));
    host.write("answer.wasm", &counter(Moment::ViewerRequest));
    let error = host.next(&first).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("function `answer` is the viewer-response hook"), "{error}");
    for name in ["ask", "answer"] {
        assert!(Arc::ptr_eq(&Host::called(&first, name), &first.revisions[name]), "{name}");
    }
}

#[test]
fn a_removed_function_is_removed_from_the_catalog() {
    let host = Host::new();
    let first = host.first();
    host.configure(&SITE.replace("viewer_response = \"answer\"\n", ""), "");
    let text = std::fs::read_to_string(host.path("edge.toml")).unwrap();
    host.write("edge.toml", text.replace("[function.answer]\ncomponent = \"answer.wasm\"\n", "").as_bytes());
    let next = host.next(&first).unwrap();
    host.publisher.publish(Some(&first), &next);
    assert!(host.publisher.catalog.get("answer").is_none());
    assert_eq!(host.publisher.catalog.revisions(LIVE).len(), 1);
}
