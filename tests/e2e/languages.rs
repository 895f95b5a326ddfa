//! Functions as they are written for AWS Lambda, in each language that has a Runtime: what a program may do, and what that
//! leads to.
//!
//! A language has a folder in `languages`, whose function does by the path of a request what the tables here say. An edge
//! serves it three times: as it is, without the network, and under limits that are soon reached.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Answer, Config, Edge, Origin, Reply, closed_port, edgeward, eventually, get};

struct Language {
    name: &'static str,
    runtime: Runtime,
    /// In `languages`.
    folder: &'static str,
    /// Of the function's main file.
    file: &'static str,
    handler: &'static str,
    /// What the log says of an error that the function raises.
    raised: &'static [&'static str],
    /// And of a reply that is no JSON.
    unmarshalled: &'static str,
    /// Main files that INIT refuses, and what the log says then.
    refused: &'static [(&'static str, &'static str)],
    /// What the log says of a function that ends with status 3.
    exited: &'static str,
    /// What the log says of a function that takes more memory than it may.
    out_of_memory: &'static str,
    /// The name and the message of the error when `/tmp` is full.
    no_space: [&'static str; 2],
    /// What `fetch` tells of a destination that was not granted, and of one where nobody listens.
    unreachable: [&'static str; 2],
}

const PYTHON: Language = Language {
    name: "python3.14",
    runtime: Runtime::Python,
    folder: "python",
    file: "lambda_function.py",
    handler: "lambda_function.lambda_handler",
    raised: &[
        "[ERROR] ValueError: no apples left",
        "Traceback (most recent call last):",
        "File \\\"/var/task/lambda_function.py\\\", line 64, in fail",
        "raise ValueError(\\\"no apples left\\\")",
    ],
    unmarshalled: "Runtime.MarshalError: Unable to marshal response: ",
    refused: &[
        ("import apples\n", "Runtime.ImportModuleError: Unable to import module 'lambda_function': No module named 'apples'"),
        (
            "def lambda_handler(event context):\n    pass\n",
            "Runtime.UserCodeSyntaxError: Syntax error in module 'lambda_function': invalid syntax (lambda_function.py, line 1)",
        ),
        (
            "def handler(event, context):\n    pass\n",
            "Runtime.HandlerNotFound: Handler 'lambda_handler' missing on module 'lambda_function'",
        ),
        ("apples = {}\napples[1]\n", "KeyError: 1"),
        ("import sys\nsys.exit(3)\n", "Runtime.ExitError: Error: Runtime exited with error: exit status 3"),
    ],
    exited: "Runtime exited with error: exit status 3",
    // Not killed, as on Lambda: the interpreter is told, and so is the function.
    out_of_memory: "[ERROR] MemoryError",
    no_space: ["OSError", "No space left on device"],
    unreachable: ["PermissionError", "ConnectionRefusedError"],
};

const NODE: Language = Language {
    name: "nodejs24.x",
    runtime: Runtime::Nodejs,
    folder: "nodejs",
    file: "index.js",
    handler: "index.handler",
    raised: &["\\tERROR\\tInvoke Error", "RangeError", "no apples left", "/var/task/index.js:14:"],
    unmarshalled: "Unable to stringify response body",
    refused: &[
        ("require('apples');\n", "Runtime.ImportModuleError: Error: Cannot find module 'apples'"),
        ("exports.handler = async (event context) => {};\n", "Runtime.UserCodeSyntaxError: SyntaxError: "),
        ("exports.other = async () => {};\n", "Runtime.HandlerNotFound: index.handler is undefined or not exported"),
        ("throw new TypeError('at load');\n", "TypeError: at load"),
    ],
    // WASI 0.2 has one status for all errors.
    exited: "Exited with i32 exit status 1",
    out_of_memory: "InternalError: out of memory",
    // Why, the log says.
    no_space: ["Error", "ENOSPC: no space left on device, write"],
    unreachable: ["HTTP request failed", "HTTP request failed"],
};

const LANGUAGES: [Language; 2] = [PYTHON, NODE];

impl Language {
    /// An edge with one worker, whose function keeps its instance.
    fn start(&self) -> Edge {
        let folder = tempfile::tempdir().unwrap();
        compiled_in(folder.path(), self.runtime);
        let package = folder.path().join("package");
        fs::create_dir(&package).unwrap();
        for file in fs::read_dir(self.files()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), package.join(file.file_name())).unwrap();
        }
        Edge::start_in(folder, self.config())
    }

    fn files(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/languages").join(self.folder)
    }

    fn config(&self) -> Config {
        let roomy = json!({ "cpu_us": 60_000_000, "deadline_ms": 20_000, "memory_bytes": 256 << 20 });
        let narrow = json!({ "cpu_us": 1_000_000, "deadline_ms": 20_000, "memory_bytes": 48 << 20, "reply_bytes": 50_000,
            "ephemeral_storage_bytes": 4 << 20 });
        let functions = [("f", &roomy, json!(["127.0.0.1:*"])), ("alone", &roomy, json!([])), ("narrow", &narrow, json!([]))];
        let mut config = Config::new().server("workers", 1);
        for (name, limits, network) in functions {
            config = config.table(&format!("function.{name}")).set("source", "package").set("runtime", self.name);
            config = config.set("handler", self.handler).set("policy", json!({ "reuse": {} })).set("limits", limits);
            config = config.set("network", network).set("environment", json!({ "TABLE": "orders" })).service(name, name);
        }
        config.site_named("alone", "alone.example.com", "alone").site_named("narrow", "narrow.example.com", "narrow").site("f")
    }
}

/// An answer of the function that is not granted the network, or of the one under narrow limits.
fn of(edge: &Edge, function: &str, target: &str) -> Answer {
    get(edge.http(), &format!("{function}.example.com"), target, "")
}

#[test]
fn a_function_does_what_it_does_on_lambda() {
    for language in LANGUAGES {
        let edge = language.start();
        let echoed = edge.request("POST", "/echo", "Content-Type: text/plain\r\n", "né \u{1f600}".as_bytes());
        assert_eq!((echoed.status, echoed.header("x-function"), echoed.text()), (201, "echo", "né \u{1f600}".into()));
        for (target, body) in [
            ("/nothing", "null"),
            ("/text", "né"),
            ("/env", "orders"),
            ("/file", "data of the package"),
            ("/late", "later"),
            // Each call was one of this instance's.
            ("/count", "7"),
            ("/count", "8"),
            ("/environment", "[\"TABLE\"]"),
        ] {
            let answer = edge.get(target);
            assert_eq!((answer.status, answer.text()), (200, body.to_owned()), "{} {target}\n{}", language.name, edge.log());
        }
        let shown: Value = serde_json::from_str(&edge.get("/json").text()).unwrap();
        assert_eq!(shown, json!({ "text": "né \u{1f600}", "list": [1, 2.5, true, null] }));
        assert_eq!(edge.get("/binary").body, b"\xff\x00\xfe");
        assert_eq!(edge.get("/big").body.len(), 100_000);
        let about: Value = serde_json::from_str(&edge.get("/about").text()).unwrap();
        let known = json!({
            "name": "f", "version": "$LATEST", "arn": "arn:aws:lambda:local:000000000000:function:f", "memory": "256",
            "group": "/aws/lambda/f", "stream": "$LATEST", "in time": true,
        });
        assert_eq!(about, known, "{}", language.name);
    }
}

#[test]
fn what_a_function_writes_is_in_the_log() {
    for language in LANGUAGES {
        let edge = language.start();
        let id = edge.get("/log").text();
        let lines = ["printed in INIT", "printed", "complained", "warned of 3 apples", "without an end"];
        eventually("the log has each line", || lines.iter().all(|line| edge.log().contains(line)));
        // As Lambda's own formatter writes it, with the call's id.
        let warned = edge.log().lines().find(|line| line.contains("warned of")).unwrap().to_owned();
        assert!(warned.contains(&id), "{warned}");
    }
}

#[test]
fn an_error_of_a_function_is_told_with_its_stack() {
    for language in LANGUAGES {
        let edge = language.start();
        let answer = edge.get("/fail");
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text().contains("category: guest-error") && !answer.text().contains("apples"), "{answer:?}");
        eventually("the log has the stack", || {
            let (mut at, log) = (Some(0), edge.log());
            for line in language.raised {
                at = at.and_then(|from| Some(from + log[from..].find(line)?));
            }
            at.is_some()
        });
        assert_eq!(edge.get("/nonsense").status, 503);
        eventually("the log says why", || edge.log().contains(language.unmarshalled));
        // The instance serves on.
        assert_eq!(edge.get("/count").text(), "3");
    }
}

#[test]
fn a_function_that_ends_or_exceeds_a_limit_is_begun_anew() {
    for language in LANGUAGES {
        let edge = language.start();
        assert_eq!(edge.get("/count").text(), "1");
        assert_eq!(edge.get("/abort").status, 503);
        assert_eq!(edge.get("/count").text(), "1");
        let exited = edge.get("/exit");
        assert_eq!(exited.status, 503, "{exited:?}");
        eventually("the log says how", || edge.log().contains(language.exited));
        assert_eq!(of(&edge, "narrow", "/count").text(), "1");
        let over = of(&edge, "narrow", "/loop");
        assert_eq!(over.status, 503, "{over:?}");
        assert_eq!(of(&edge, "narrow", "/count").text(), "1");
        let over = of(&edge, "narrow", "/grow");
        assert_eq!(over.status, 503, "{over:?}");
        eventually("the log says why", || edge.log().contains(language.out_of_memory));
        let large = of(&edge, "narrow", "/big");
        assert_eq!(large.status, 502, "{large:?}");
    }
}

#[test]
fn a_function_has_a_folder_for_temporary_files() {
    for language in LANGUAGES {
        let edge = language.start();
        let told = |answer: Answer| {
            serde_json::from_str::<Value>(&answer.text()).unwrap_or_else(|error| panic!("{error}: {answer:?}\n{}", edge.log()))
        };
        let expected = |before: Value, after: Value, size: u32| json!({ "where": "/tmp", "text": "né2", "before": before, "after": after, "size": size });
        let kept = || json!(["init", "kept"]);
        // What was written while the function was loaded is there.
        assert_eq!(told(edge.get("/tmp")), expected(json!(["init"]), kept(), 1), "{}", language.name);
        assert_eq!(told(edge.get("/tmp")), expected(kept(), kept(), 2), "the instance is the same");
        assert_eq!(told(edge.get("/large")), json!([true, true]), "what was written to disk");
        // An instance that takes the place of one that failed finds its files, those on disk, too.
        assert_eq!(edge.get("/abort").status, 503);
        let large = || json!(["init", "kept", "large"]);
        assert_eq!(told(edge.get("/tmp")), expected(large(), large(), 3));
        assert_eq!(edge.get("/init").text(), "written in INIT");
        // Over its size the language says so, and the instance serves on.
        for count in [2, 4] {
            let full = told(of(&edge, "narrow", "/fill"));
            let [kind, is_no_space, says, size] = [0, 1, 2, 3].map(|at| &full[at]);
            assert_eq!([kind, is_no_space, says], [&json!(language.no_space[0]), &json!(true), &json!(language.no_space[1])]);
            // The file that INIT wrote takes a block.
            assert!((3 << 20..4 << 20).contains(&size.as_u64().unwrap()), "{full}");
            assert_eq!(of(&edge, "narrow", "/count").text(), count.to_string());
        }
    }
}

#[test]
fn instances_draw_different_numbers_after_the_same_beginning() {
    for language in LANGUAGES {
        let edge = language.start();
        let drawn = || serde_json::from_str::<Value>(&edge.get("/random").text()).unwrap();
        let first = drawn();
        assert_eq!(edge.get("/abort").status, 503);
        let second = drawn();
        assert_eq!(first["init"], second["init"], "what INIT drew is part of the state");
        assert_ne!(first["call"], second["call"]);
    }
}

#[test]
fn a_function_reaches_what_it_is_granted() {
    let origin = Origin::start(|seen| Reply::new(202, format!("{} bytes", seen.body.len())).header("x-server", "origin"));
    for language in LANGUAGES {
        let edge = language.start();
        let fetch = |to: &str, bytes: usize| format!("/fetch?bytes={bytes}&to={to}");
        for bytes in [0, 200_000] {
            let answer = edge.get(&fetch(&origin.url(), bytes)).text();
            let told: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
            assert_eq!(told, json!({ "status": 202, "server": "origin", "body": format!("{bytes} bytes") }));
            assert_eq!(origin.last().header("x-test"), "1");
        }
        let [denied, refused] = language.unreachable;
        let answer = of(&edge, "alone", &fetch(&origin.url(), 1));
        assert!(answer.text().contains(denied), "{answer:?}");
        let nobody = format!("http://127.0.0.1:{}/", closed_port());
        let answer = edge.get(&fetch(&nobody, 1));
        assert!(answer.text().contains(refused), "{answer:?}");
    }
}

#[test]
fn a_function_that_cannot_be_loaded_leaves_the_old_one_in_force() {
    for language in LANGUAGES {
        let edge = language.start();
        for (refused, (source, told)) in (1u32..).zip(language.refused) {
            // In one step, as an editor does.
            let new = edge.put("new", source.as_bytes());
            fs::rename(new, edge.folder().join("package").join(language.file)).unwrap();
            edge.wait_for_metric("edgeward_deployments_refused_total{reason=\"init\"}", (3 * refused).into());
            eventually("the log says why", || edge.log().contains(told));
            assert_eq!(edge.get("/text").text(), "né");
        }
    }
}

#[test]
fn a_check_loads_a_function_with_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("f.py"),
        "import os\n\nTABLE = os.environ[\"TABLE\"]\n\n\ndef lambda_handler(event, context):\n    return TABLE\n",
    )
    .unwrap();
    let checked = |environment: Value| {
        let config = Config::new().table("function.f").set("source", "f.py").set("runtime", PYTHON.name);
        let config = config.set("environment", environment).service("o", "f").site("o");
        fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
        let output = edgeward().arg("check").current_dir(folder.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (right, said) = checked(json!({ "TABLE": "orders" }));
    assert!(right, "{said}");
    let (right, said) = checked(json!({}));
    assert!(!right && said.contains("KeyError: 'TABLE'"), "{said}");
}
