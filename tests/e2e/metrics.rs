//! Metrics, as Prometheus gets them: a real one scrapes a real edge, evaluates every alert rule and every panel of the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Config, Edge, Origin, Reply, closed_port, component, eventually, get};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything that shows metrics: a cache, functions, TLS, a group whose first origin is away, and what is wrong.
fn busy(origin: &Origin) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2090, 1, 2);
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("chain.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    Edge::start_in(folder, Config::new().https("chain.pem", "key.pem").with(config(origin)))
}

fn config(origin: &Origin) -> Config {
    let functions = Config::new().function("rules", component("edge-rules")).function("trap", component("hostile-trap"));
    let away = functions.origin("away", format!("http://127.0.0.1:{}", closed_port())).set("connect_attempts", 1);
    let group = away.origin("o", origin.url()).table("origin_group.both").set("primary", "away").set("secondary", "o");
    let disk = group.set("status", [500]).table("cache.disk").set("folder", "disk").set("bytes", 1_000_000_000);
    let site = disk.site("both").cached().set("viewer_request", "rules").behavior("/trap").set("viewer_request", "trap");
    let uncached = site.behavior("/o/*").set("origin", "o").set("cache_policy", "CachingDisabled");
    uncached.behavior("/away").set("origin", "away").set("cache_policy", "CachingDisabled")
}

fn origin() -> Origin {
    Origin::start(|seen| {
        let status = if seen.target == "/o/500" { 500 } else { 200 };
        Reply::new(status, "0123456789").header("cache-control", "max-age=600").header("content-type", "text/plain")
    })
}

fn traffic(edge: &Edge, round: usize) {
    for target in [&format!("/{round}.html"), "/0.html", "/trap", "/o/a", "/o/500", "/away"] {
        edge.get(target);
    }
    // No host.
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    client.rest();
}

/// Of the document: type and labels by name.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.map(|row| row.splitn(4, '|').map(str::trim).collect::<Vec<_>>()).filter(|cells| cells.len() == 4);
    rows.map(|cells| {
        let labels = cells[2].split(", ").map(|label| label.trim_matches('`').to_owned()).filter(|label| !label.is_empty());
        (cells[0].trim_end_matches('`').to_owned(), (cells[1].to_owned(), labels.collect()))
    })
    .collect()
}

#[test]
fn what_is_scraped_is_what_is_documented() {
    let (origin, documented) = (origin(), documented());
    let edge = busy(&origin);
    traffic(&edge, 1);
    let scrape = edge.admin("/metrics").text();
    let mut scraped = BTreeSet::new();
    let mut family = String::new();
    for line in scrape.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            name.clone_into(&mut family);
            let (written, _) = documented.get(name).unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
            assert_eq!(written, kind, "{name}");
            scraped.insert(family.clone());
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once(['{', ' ']).unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(name == family || base == family, "{line} belongs to {family}");
            let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
            // Values have no comma but in quotes, and none here has one.
            let names = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            let names: BTreeSet<_> = names.filter(|name| name != "le").collect();
            assert_eq!(names, documented[&family].1, "{line}");
        }
    }
    // The rest is held to the program's own list by tests/docs/metrics.rs; here is what this traffic must have shown.
    let shown = documented.keys().filter(|name| scraped.contains(*name)).count();
    assert!(shown > 40, "{scraped:?}");
    for name in [
        "edgeward_build_info",
        "edgeward_certificate_not_after_seconds",
        "process_open_fds",
        "edgeward_edge_origin_failovers_total",
    ] {
        assert!(scraped.contains(name), "{name}");
    }
    assert!(
        scrape.contains("edgeward_build_info{target=\"")
            && scrape.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION")))
    );
    assert!(!scrape.contains("wasmtime=\"unknown\""), "{scrape}");
    assert_eq!(edge.metric("edgeward_edge_origin_responses_total{origin=\"o\",status=\"5xx\"}"), 1.0);
    for bound in ["0.001", "0.0025", "0.005", "1", "+Inf"] {
        assert!(
            scrape.contains(&format!("edgeward_edge_request_seconds_bucket{{site=\"www\",le=\"{bound}\"}}")),
            "{bound}: {scrape}"
        );
    }
}

#[test]
fn a_certificate_tells_when_it_expires_and_a_new_one_at_once() {
    const NAME: &str = "edgeward_certificate_not_after_seconds{chain=\"";
    let edge = busy(&origin());
    // 2090-01-02T00:00:00Z
    assert_eq!(edge.metric(NAME), 3_786_998_400.0, "{}", edge.admin("/metrics").text());
    assert!(edge.admin("/metrics").text().contains("chain.pem\",host=\"www.example.com\"} "));
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["new.example.com".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2091, 1, 2);
    edge.put("key.pem", key.serialize_pem().as_bytes());
    edge.put("chain.pem", parameters.self_signed(&key).unwrap().pem().as_bytes());
    edge.wait_for_metric(NAME, 3_818_534_400.0);
}

#[test]
fn a_refused_reload_is_shown_until_the_file_is_corrected() {
    let origin = origin();
    let edge = Edge::start(config(&origin));
    assert_eq!(edge.metric("edgeward_config_last_reload_ok"), 1.0);
    edge.reconfigure("nonsense");
    edge.wait_for_metric("edgeward_config_last_reload_ok", 0.0);
    edge.reconfigure(config(&origin));
    edge.wait_for_metric("edgeward_config_last_reload_ok", 1.0);
}

/// `tests/tools` installs it. That it is missing is an error: nothing would have been tested.
fn tool(name: &str) -> Command {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok_and(|status| status.success()), "`{name}` is missing: run tests/tools, or apt-get install prometheus");
    Command::new(name)
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let folder = root().join("ops/prometheus");
    for arguments in [["check", "rules", "edgeward.rules.yml"], ["test", "rules", "edgeward.test.yml"]] {
        let output = tool("promtool").args(arguments).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "promtool {arguments:?}: {output:?}");
    }
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for alert in text("edgeward.rules.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        for case in [format!("{alert} fires"), format!("{alert} is quiet")] {
            assert!(text("edgeward.test.yml").contains(&format!("name: {case}\n")), "{case}: not tested");
        }
    }
}

/// Killed when dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn scraping(admin: &str) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], closed_port()).into();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: edgeward\n    static_configs: [{{ targets: [{admin:?}] }}]\n",
            root().join("ops/prometheus/edgeward.rules.yml").canonicalize().unwrap()
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = tool("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut prometheus = Prometheus { process, address, _folder: folder };
        eventually("Prometheus is ready", || {
            assert!(prometheus.process.try_wait().unwrap().is_none(), "{}", prometheus.log());
            std::net::TcpStream::connect(address).is_ok()
                && get(address, "localhost", "/-/ready", "Connection: close\r\n").status == 200
        });
        prometheus
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self._folder.path().join("log")).unwrap()
    }

    /// What is in `data` of an answer of its API; an error is a failure of the test.
    #[track_caller]
    fn data(&self, target: &str) -> Value {
        let answer = get(self.address, "localhost", target, "Connection: close\r\n");
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{target}: {error}: {answer:?}"));
        assert_eq!(json["status"], "success", "{target}: {json}");
        json["data"].clone()
    }

    /// The samples that an expression has now.
    #[track_caller]
    fn query(&self, expression: &str) -> Vec<Value> {
        let escaped: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.data(&format!("/api/v1/query?query={escaped}"))["result"].as_array().unwrap().clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Title and expression of every query of the dashboard, as Grafana would send it.
fn panels() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("ops/grafana/edgeward.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        queries.push(("annotation".to_owned(), annotation["expr"].as_str().unwrap().to_owned()));
    }
    let variables = [("$__rate_interval", "1m"), ("$instance", ".*"), ("$site", ".*")];
    let replaced = |text: String| variables.iter().fold(text, |text, (name, value)| text.replace(name, value));
    queries.into_iter().map(|(title, expression)| (title, replaced(expression))).collect()
}

#[test]
fn a_real_prometheus_evaluates_every_rule_and_every_panel() {
    // Nothing of this traffic makes these.
    const MAY_BE_EMPTY: [&str; 3] = ["edgeward_cache_disk_failures_total", "edgeward_trace_spans_dropped_total", "> 0"];
    let origin = origin();
    let edge = busy(&origin);
    traffic(&edge, 0);
    let prometheus = Prometheus::scraping(&edge.admin_address());
    eventually("it has scraped", || prometheus.query("up{job=\"edgeward\"} == 1").len() == 1);

    let panels = panels();
    assert!(panels.len() > 30, "the panels are where they were");
    assert!(panels.iter().all(|(_, expression)| !expression.contains('$')), "a variable that is not known: {panels:?}");
    let mut round = 1;
    let mut empty = panels.clone();
    // A rate needs two scrapes, and traffic between them.
    eventually("every panel has data", || {
        traffic(&edge, round);
        round += 1;
        empty.retain(|(_, expression)| prometheus.query(expression).is_empty());
        empty.retain(|(_, expression)| !MAY_BE_EMPTY.iter().any(|part| expression.contains(part)));
        if round % 100 == 0 {
            println!("still empty: {empty:?}");
        }
        empty.is_empty()
    });
    // What shows nothing may show nothing, and no nonsense either.
    for (title, expression) in &panels {
        for sample in prometheus.query(expression) {
            let value: f64 = sample["value"][1].as_str().unwrap().parse().unwrap();
            assert!(value.is_finite() || expression.contains("histogram_quantile"), "{title}: {expression}: {sample}");
        }
    }

    let evaluated = || {
        let groups = prometheus.data("/api/v1/rules")["groups"].clone();
        let rules: Vec<_> =
            groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        rules
    };
    // What is the case here has been so for less than it takes to tell somebody.
    const PENDING: [&str; 5] =
        ["EdgewardErrors", "EdgewardOriginFails", "EdgewardOriginErrors", "EdgewardFailover", "EdgewardFunctionFails"];
    let state = |rules: &[Value], name: &str| {
        let rule = rules.iter().find(|rule| rule["name"] == name);
        rule.unwrap_or_else(|| panic!("{name}: {rules:?}"))["state"].as_str().unwrap_or_default().to_owned()
    };
    let mut rules = Vec::new();
    eventually("every rule is evaluated, with this traffic", || {
        traffic(&edge, round);
        round += 1;
        rules = evaluated();
        rules.iter().all(|rule| rule["health"] == "ok") && PENDING.iter().all(|name| state(&rules, name) == "pending")
    });
    assert!(rules.len() >= 15, "the rules are where they were");
    for name in ["EdgewardDown", "EdgewardCertificateExpires", "EdgewardConfigRefused", "EdgewardInstanceDiffers"] {
        assert_eq!(state(&rules, name), "inactive", "{name}");
    }
    // Each metric of a rule is one of the edge's, or of the process's, or Prometheus' own.
    let families = documented();
    for rule in &rules {
        let query = rule["query"].as_str().unwrap();
        for word in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let name = word.strip_suffix("_bucket").unwrap_or(word);
            let is_metric = word.starts_with("edgeward_") || word.starts_with("process_");
            assert!(!is_metric || families.contains_key(name), "{word} in {query}");
        }
    }
}
