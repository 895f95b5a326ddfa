//! Services that take all they can get of their thread and their host: their limits end them, and the other sites of
//! the same worker go on.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Client, Config, Edge, component, eventually, get};

/// The greedy components' ways, and the limit that ends each, or the first of two.
const P2: [(&str, &str); 10] = [
    ("loop", "cpu_us"),
    ("newlines", "cpu_us"),
    ("random", "cpu_us"),
    ("clocks", "cpu_us"),
    ("environment", "cpu_us"),
    ("poll", "cpu_us"),
    ("fill", "cpu_us"),
    ("fields", "cpu_us"),
    ("requests", "cpu_us"),
    ("late", "cpu_us"),
];
const P3: [(&str, &str); 12] = [
    ("newlines", "cpu_us"),
    ("random", "cpu_us"),
    ("clocks", "cpu_us"),
    ("copy", "cpu_us"),
    ("bytes", "cpu_us"),
    ("subtasks", "cpu_us"),
    ("tasks", "cpu_us"),
    ("futures", "handles|cpu_us"),
    ("streams", "handles|cpu_us"),
    ("fields", "cpu_us"),
    ("requests", "cpu_us"),
    ("late", "cpu_us"),
];

/// One worker; a function for each way, so that none rests for what another did, and a good site beside them.
fn edge(service: &str, ways: &[&str], settings: &str) -> Edge {
    let (mut functions, mut behaviors) = (Config::new(), Config::new());
    for way in ways {
        functions = functions.function(way, component(service)).with(settings).service(way, way);
        behaviors = behaviors.behavior(&format!("/{way}*")).set("origin", way);
    }
    Edge::start(functions.server("workers", 1).fixed("fixed", "good").site("fixed").with(behaviors))
}

fn calls(edge: &Edge, function: &str, result: &str) -> f64 {
    edge.metric(&format!("edgeward_function_calls_total{{function=\"{function}\",result=\"{result}\"}}"))
}

#[test]
fn what_the_host_does_for_a_service_is_its_cpu_time() {
    // Host calls are not what ends them here.
    let settings = "limits = { cpu_us = 10_000, host_calls = 10_000_000, deadline_ms = 20_000 }";
    for (service, ways) in [("greedy-p2", &P2[..]), ("greedy-p3", &P3[..])] {
        let names: Vec<&str> = ways.iter().map(|(way, _)| *way).collect();
        let edge = edge(service, &names, settings);
        let mut wrong = Vec::new();
        for (way, limit) in ways {
            let start = Instant::now();
            let answer = get(edge.http(), "www", &format!("/{way}"), "Connection: close\r\n");
            let took = start.elapsed();
            // Who answers before it is over its limit has answered.
            let status = if *way == "late" { 200 } else { 503 };
            if answer.status != status {
                wrong.push(format!("{service} /{way}: {answer:?}"));
            }
            eventually("the call is counted", || {
                edge.metric(&format!("edgeward_function_calls_total{{function=\"{way}\"")) == 1.0
            });
            if limit.split('|').all(|limit| calls(&edge, way, &format!("limit:{limit}")) != 1.0) {
                let metrics = edge.admin("/metrics").text();
                let counted =
                    metrics.lines().find(|line| line.starts_with("edgeward_function_calls_total") && line.contains(way));
                wrong.push(format!("{service} /{way}: not by {limit}: {counted:?}"));
            }
            // Ten milliseconds, four times that at the most, on a machine that does other things.
            if took > Duration::from_secs(1) {
                wrong.push(format!("{service} /{way}: {took:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // However many requests it sent, and lines it wrote.
        assert!(edge.log().lines().count() < 10 * ways.len(), "{}", edge.log());
    }
}

#[test]
fn a_greedy_service_holds_up_no_other_site() {
    let settings = "limits = { cpu_us = 200_000, host_calls = 10_000_000, deadline_ms = 20_000 }";
    for (service, ways) in [("greedy-p2", &P2[..]), ("greedy-p3", &P3[..])] {
        let mut names: Vec<&str> = ways.iter().map(|(way, _)| *way).collect();
        names.extend(["memory", "body"]);
        let edge = edge(service, &names, settings);
        let address = edge.http();
        for way in names {
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while !stop.load(Relaxed) {
                            let mut client = Client::connect(address);
                            client.send(format!("GET /{way} HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"));
                            let _ = client.rest();
                        }
                    });
                }
                let mut client = edge.connect();
                let mut times: Vec<Duration> = (0..40)
                    .map(|_| {
                        let start = Instant::now();
                        assert_eq!(client.request("GET", "/", "www", "", b"").text(), "good");
                        start.elapsed()
                    })
                    .collect();
                stop.store(true, Relaxed);
                times.sort();
                // A worker that hangs answers after seconds; what it should be is measured by `bench/load`.
                assert!(times[30] < Duration::from_millis(250), "{service} /{way}: {:?}", &times[30..]);
            });
        }
    }
}

#[test]
fn the_instance_of_a_client_that_leaves_is_dropped() {
    for service in ["greedy-p2", "greedy-p3"] {
        let edge = edge(service, &["slow", "body", "late"], "limits = { instances = 16, cpu_us = 200_000 }");
        let events = |event: &str| edge.metric(&format!("edgeward_function_instances_total{{event=\"{event}\""));
        // One ready for each.
        eventually("the shelves are full", || events("made") - events("retired") >= 3.0);
        let idle = edge.resident_bytes();
        for _ in 0..4 {
            for path in ["/slow?60000", "/body", "/late"] {
                let mut clients: Vec<Client> = (0..8).map(|_| edge.connect()).collect();
                for client in &mut clients {
                    client.send(format!("GET {path} HTTP/1.1\r\nHost: www\r\n\r\n"));
                }
                let function = path.trim_start_matches('/').split('?').next().unwrap();
                // All of them run.
                eventually("they run", || {
                    let warm = edge.metric(&format!("edgeward_function_instances_total{{event=\"warm\",function=\"{function}\""));
                    let cold = edge.metric(&format!("edgeward_function_instances_total{{event=\"cold\",function=\"{function}\""));
                    warm + cold >= 8.0
                });
                drop(clients);
            }
        }
        eventually("the instances are gone", || events("made") - events("retired") <= 2.0 * 3.0);
        let left = edge.resident_bytes().saturating_sub(idle);
        assert!(left < 48 << 20, "{service}: {left} bytes more are resident");
        assert_eq!(edge.get("/").text(), "good");
    }
}

#[test]
fn what_a_call_leaves_running_ends_with_it_also_where_instances_are_used_again() {
    let settings = "policy = { reuse = { max_calls = 1_000 } }\nlimits = { instances = 1, deadline_ms = 300 }";
    let edge = edge("greedy-p3", &["tick"], settings);
    assert_eq!(edge.get("/tick?5").text(), "0");
    // The next one waits until the first has done all that it began, and finds nothing running.
    assert_eq!(edge.get("/tick?0").text(), "5");
    assert_eq!(edge.get("/tick?0").text(), "5");
    // What would go on for ever ends at the deadline, and the instance with it.
    assert_eq!(edge.get("/tick").text(), "5");
    eventually("it is ended", || calls(&edge, "tick", "limit:deadline_ms") == 1.0);
    assert_eq!(edge.get("/tick?0").text(), "0");
}

#[test]
fn an_instance_with_an_unfinished_request_serves_no_other_call() {
    // Takes the connection, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = format!("policy = {{ reuse = {{ max_calls = 1_000 }} }}\nnetwork = [\"127.0.0.1:{port}\"]");
    let edge = edge("greedy-p2", &["leave", "good"], &settings);
    assert_eq!(edge.get(&format!("/leave?{port}")).text(), "ok");
    edge.wait_for_metric("edgeward_function_instances_total{event=\"retired\",function=\"leave\",reason=\"busy\"}", 1.0);
    // Its connection, if there was time for one, ends with it: nothing is sent after its call.
    listener.set_nonblocking(true).unwrap();
    if let Ok((mut connection, _)) = listener.accept() {
        connection.set_nonblocking(false).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut sent = Vec::new();
        let ended = std::io::Read::read_to_end(&mut connection, &mut sent);
        assert!(!matches!(ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "the connection stays");
    }
    for _ in 0..3 {
        assert_eq!(edge.get("/good").text(), "ok");
    }
    let good = edge.metric("edgeward_function_instances_total{event=\"retired\",function=\"good\"");
    assert_eq!(good, 0.0, "who leaves nothing is used again");
}

#[test]
fn a_function_has_so_many_connections_and_sockets_open_as_it_may() {
    // Takes connections by its backlog, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for service in ["greedy-p2", "greedy-p3"] {
        let settings = format!("network = [\"127.0.0.1:{port}\"]\nlimits = {{ connections = 20 }}");
        let edge = edge(service, &["flood", "sockets"], &settings);
        let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", edge.id())).unwrap().count();
        let before = descriptors();
        assert_eq!(edge.get(&format!("/flood?{port},50,30")).text(), "20", "{service}");
        let exhausted = |function: &str| {
            edge.metric(&format!("edgeward_function_egress_total{{function=\"{function}\",result=\"connections-exhausted\"}}"))
        };
        assert_eq!(exhausted("flood"), 30.0, "{service}");
        eventually("the log has it", || edge.log().contains("network: too many connections are open"));
        // They end with the call, and the next one has as many.
        for calls in [1.0, 2.0, 3.0] {
            assert_eq!(edge.get("/sockets?50").text(), "20", "{service}");
            assert_eq!(exhausted("sockets"), calls, "{service}");
            eventually("all are closed", || descriptors() <= before + 2);
        }
    }
}

#[test]
fn all_functions_together_leave_descriptors_to_origins_and_clients() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Takes all, and never answers.
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("page"), "page").unwrap();
    let function = Config::new().function("f", component("greedy-p3")).set("network", [format!("127.0.0.1:{port}")]);
    let function = function.set("limits", json!({ "connections": 10_000, "deadline_ms": 60_000 }));
    let config = function
        .service("f", "f")
        .folder("files", files.path().display().to_string())
        .site("files")
        .behavior("/sockets*")
        .set("origin", "f")
        .behavior("/flood*")
        .set("origin", "f");
    // A quarter of them is nobody's, half of the rest may be functions'.
    let edge = Edge::start_behind("ulimit -n 400", &config);
    assert_eq!(edge.get("/sockets?1000").text(), "150");
    // It has all of them, and waits for what never comes.
    let mut flood = edge.connect();
    flood.send(format!("GET /flood?{port},160,160 HTTP/1.1\r\nHost: www\r\n\r\n"));
    // At least ten of the requests wait in vain; all of them, if the sockets are not gone in time.
    let refused = "edgeward_function_egress_total{function=\"f\",result=\"connections-exhausted\"}";
    eventually("requests are refused", || edge.metric(refused) >= 10.0);
    for _ in 0..20 {
        assert_eq!(edge.get("/page").text(), "page");
    }
}

#[test]
fn what_handles_hold_in_the_host_counts_as_memory() {
    for service in ["greedy-p2", "greedy-p3"] {
        let settings = "limits = { memory_bytes = 16_777_216, handles = 10_000 }";
        let edge = edge(service, &["fields"], settings);
        let before = edge.resident_bytes();
        let answer = edge.get("/fields");
        assert_eq!(answer.status, 503, "{service}: {answer:?}");
        assert_eq!(calls(&edge, "fields", "limit:memory_bytes"), 1.0, "{service}");
        let grown = edge.resident_bytes().saturating_sub(before);
        assert!(grown < 64 << 20, "{service}: {grown} bytes more are resident");
        assert_eq!(edge.get("/fields?10").status, 200, "{service}: a few are no matter");
    }
}

#[test]
fn hundreds_of_slow_calls_are_served_at_once_or_one_after_the_other() {
    for settings in ["limits = { instances = 200 }", "limits = { instances = 50, queue_wait_ms = 20_000 }"] {
        let edge = edge("greedy-p2", &["slow"], settings);
        let mut clients: Vec<Client> = (0..200).map(|_| edge.connect()).collect();
        for client in &mut clients {
            client.send("GET /slow?500 HTTP/1.1\r\nHost: www\r\n\r\n");
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let answer = client.answer(false).expect("an answer");
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{settings}: {n}");
        }
    }
}

#[test]
fn a_value_of_the_environment_shows_nowhere_but_where_the_guest_wrote_it() {
    let edge = edge("greedy-p2", &["secret"], "environment = { TOKEN = \"s3cr3t-value\" }");
    let answer: Answer = edge.get("/secret");
    assert_eq!(answer.status, 503);
    let told = format!("{:?} {} {}", answer, edge.admin("/metrics").text(), edge.admin("/config/functions").text());
    assert!(!told.contains("s3cr3t"), "{told}");
    eventually("the request is logged", || !edge.access_log().is_empty());
    assert!(edge.access_log().iter().all(|line| !line.to_string().contains("s3cr3t")));
    // The panic's own text is the function's log, and stands there alone.
    eventually("the guest's own words are logged", || edge.log().contains("panicked"));
    for line in edge.log().lines().filter(|line| line.contains("s3cr3t")) {
        assert!(line.contains("panicked"), "{line}");
    }
}
