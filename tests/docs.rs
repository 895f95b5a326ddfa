//! The documents, held to what the program does: README.md and docs/*.md.
//!
//! Commands in `sh` and `console` blocks are run in order, per document, in a folder of their own in which the
//! repository's files are; what a `console` block shows is compared. TOML blocks must pass `edgeward check`.
//! The tables of docs/configuration.md must name exactly the keys that the parser knows.
//!
//! A command that cannot run here stands in `NOT_RUN` with the reason. Any other that fails, fails the test.

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "components.rs"]
mod components;
#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/folder.rs"]
mod folder;
#[path = "docs/metrics.rs"]
mod metrics;

use std::fs;
use std::path::{Path, PathBuf};

use blocks::{Block, blocks};
use folder::{Folder, Ran};

/// Commands that are not run, and why.
const NOT_RUN: [(&str, &str); 18] = [
    ("cargo install --locked --path host", "builds everything; the program that it makes is run by all tests"),
    ("mkdir -p ~/.local/share/bash-completion/completions ~/.local/share/man/man1", "writes to the home of who runs the tests"),
    (
        "edgeward completions bash > ~/.local/share/bash-completion/completions/edgeward",
        "as above; tested in tests/e2e/package.rs",
    ),
    ("edgeward man --out ~/.local/share/man/man1", "as above"),
    ("packaging/build-deb", "builds everything; run with a program that is there by tests/e2e/package.rs"),
    ("sudo apt install ./target/debian/edgeward_0.1.0-1_amd64.deb", "by dpkg in tests/e2e/package.rs"),
    ("docker build -f packaging/Containerfile -t edgeward .", "needs registries of images, and builds everything"),
    (
        "docker run -p 8080:8080 -v ./edge.toml:/etc/edgeward/edge.toml:ro -v edgeward:/var/lib/edgeward edgeward",
        "needs the image",
    ),
    ("node tests/conformance/run.mjs target/release/edgeward", "run by tests/conformance.rs"),
    ("demo/run", "builds everything and serves until Ctrl-C; its parts are run by this test"),
    ("tests/run", "runs this test"),
    (
        "edgeward bench cold-warm guests/target/components/edge-rules.wasm --svg start.svg",
        "a measurement; that it draws a picture is tested in tests/e2e/cli.rs",
    ),
    ("bench/check", "a measurement"),
    ("cargo bench -p edgeward --bench micro -- clean-call", "a measurement"),
    (
        "PORT=8080 ORIGIN_PORT=8081 WORKLOAD=W2 WORKDIR=$(mktemp -d) taskset -c 0 bench/peers/start &",
        "a measurement, on a core of its own",
    ),
    ("taskset -c 1 wrk -t1 -c64 -d10s http://127.0.0.1:8080/", "a measurement; wrk need not be there"),
    ("strace -f -c -p $(pidof edgeward)", "of a program that serves; strace need not be there"),
    ("perf stat -e page-faults,minor-faults -p $(pidof edgeward) -- sleep 5", "of a program that serves; perf need not be there"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The documents whose commands are for whoever has the program; path from the root, and text.
fn documents() -> Vec<(String, String)> {
    let mut paths = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md"].map(PathBuf::from).to_vec();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

#[test]
fn commands_do_what_the_documents_say() {
    let mut skipped = Vec::new();
    for (path, text) in documents() {
        let mut folder = Folder::new();
        for Block { line, language, text } in blocks(&text) {
            let commands = match language.as_str() {
                "sh" => blocks::commands(&text),
                "console" => blocks::session(&text),
                _ => continue,
            };
            for (command, shown) in commands {
                if let Some((listed, _)) = NOT_RUN.iter().find(|(listed, _)| *listed == command) {
                    skipped.push(*listed);
                    continue;
                }
                match folder.run(&command) {
                    Ran::Started => assert_eq!(shown, None, "{path}:{line}: `{command}` goes on"),
                    Ran::Ended { success, output } => {
                        assert!(success, "{path}:{line}: `{command}` fails; list it in NOT_RUN if it cannot run:\n{output}");
                        if let Some(shown) = shown {
                            assert!(
                                blocks::matches(&shown, &output),
                                "{path}:{line}: `{command}` is shown with\n{shown}\nbut gives\n{output}"
                            );
                        }
                    }
                }
            }
        }
    }
    let stale: Vec<_> = NOT_RUN.iter().filter(|(listed, _)| !skipped.contains(listed)).collect();
    assert!(stale.is_empty(), "these are in no document: {stale:?}");
}

#[test]
fn the_commands_that_the_demo_prints_work() {
    let script = fs::read_to_string(root().join("demo/run")).unwrap();
    let mut folder = Folder::new();
    folder.run("python3 demo/origin.py 8081 &");
    folder.run("edgeward serve -c demo/edge.toml");
    let lines: Vec<_> = script.lines().filter_map(|line| line.strip_prefix("  curl ")).collect();
    assert_eq!(lines.len(), 3, "the demo prints three lines to try");
    let outputs = lines.iter().map(|line| match folder.run(&format!("curl {line}")) {
        Ran::Ended { success: true, output } => output,
        ran => panic!("curl {line}: {ran:?}"),
    });
    let outputs: Vec<_> = outputs.collect();
    assert!(outputs[0].contains("asked for /docs/index.html") && outputs[0].contains("x-frame-options"), "{}", outputs[0]);
    assert!(outputs[1].contains("403") && outputs[1].contains("blocked"), "{}", outputs[1]);
    assert!(outputs[2].contains("event=\"warm\""), "{}", outputs[2]);
}

#[test]
fn toml_in_documents_is_a_configuration() {
    let mut n = 0;
    for (path, text) in documents() {
        for Block { line, language, text } in blocks(&text) {
            if language == "toml" {
                let folder = Folder::new();
                folder.write("edge.toml", &configuration::completed(&text));
                match folder.ran("edgeward check edge.toml") {
                    Ran::Ended { success: true, .. } => n += 1,
                    ran => panic!("{path}:{line}: {ran:?}"),
                }
            }
        }
    }
    assert!(n >= 10, "the examples are where they were");
}

#[test]
fn help_offers_what_works() {
    let folder = Folder::new();
    let help = |command: &str| match folder.ran(command) {
        Ran::Ended { success: true, output } => output,
        ran => panic!("{command}: {ran:?}"),
    };
    let mut all = String::new();
    for command in [
        "",
        " new",
        " build",
        " dev",
        " init",
        " serve",
        " check",
        " inspect",
        " test",
        " invoke",
        " bench",
        " bench cold-warm",
        " bench languages",
        " bench fuel",
        " bench events",
        " cache",
        " cache stats",
        " cache lookup",
        " cache purge",
        " queue",
        " queue list",
        " queue peek",
        " queue advance",
        " completions",
        " man",
    ] {
        let text = help(&format!("edgeward{command} --help"));
        // Whatever is shown as an example is a command line that the program understands.
        for line in text.lines().map(str::trim).filter(|line| line.contains("edgeward ") && !line.starts_with("Usage")) {
            let alone = line.split(['|', '&']).next().unwrap_or_default();
            help(&format!("{alone} --help"));
        }
        all.push_str(&format!("$ edgeward{command} --help\n{text}\n"));
    }
    let tidied: String = all.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    expect_test::expect_file!["docs/help.txt"].assert_eq(&tidied);
}

#[test]
fn documents_name_what_is_there() {
    let mut missing = Vec::new();
    for (path, text) in documents() {
        for word in text.split('`').skip(1).step_by(2) {
            if !module_is_there(word) {
                missing.push(format!("{path}: {word}"));
            }
            let is_path = ["host/src/", "docs/", "demo/", "bench/", "guests/", "packaging/", "tests/", "wit/"]
                .iter()
                .any(|top| word.starts_with(top));
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
            if is_path && plain && !word.contains("target/") && !root().join(word).exists() {
                missing.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_tests_that_a_promise_of_security_names_are_there() {
    let mut tests = String::new();
    let mut folders = ["tests/e2e", "tests/worker", "host/src/aws", "host/src/store.rs", "host/src/wasm/egress.rs"]
        .map(|path| root().join(path))
        .to_vec();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| ["rs", "py"].iter().any(|known| extension == *known)) {
            tests.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    // The steps of stories.
    let exists = |name: &str| tests.contains(&format!("fn {name}(")) || tests.contains(&format!("step(\"{name}\")"));
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    // The names of tests are sentences.
    let names: Vec<_> = text.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() >= 4).collect();
    assert!(names.len() >= 15, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Of a path such as `net::sweep` or `wasm::state::Growth`, whose first part is a room: the modules are files, and
/// the last part is a module or a word in one. Anything else is taken for something else.
fn module_is_there(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split("::").collect();
    let source = root().join("host/src");
    if parts.len() < 2 || !source.join(format!("{}.rs", parts[0])).exists() {
        return true;
    }
    let is_module = |parts: &[&str]| source.join(format!("{}.rs", parts.join("/"))).exists();
    if is_module(&parts) {
        return true;
    }
    let item = parts.pop().unwrap_or_default();
    let file = source.join(format!("{}.rs", parts.join("/")));
    fs::read_to_string(file).is_ok_and(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == item))
}
