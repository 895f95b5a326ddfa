//! Layers of functions: found where Lambda has them, merged in their order, and part of what is deployed.

use std::fs;
use std::path::Path;

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Config, Edge, edgeward, eventually, runtimes};

/// How a language finds what a layer has.
struct Layered {
    runtime: Runtime,
    name: &'static str,
    /// The function's file, which replies with `word` of the module `shared`, and that of `other`.
    file: &'static str,
    function: &'static str,
    /// The files of modules with these words.
    shared: &'static str,
    other: &'static str,
    module: fn(&str) -> String,
}

const PYTHON: Layered = Layered {
    runtime: Runtime::Python,
    name: "python3.14",
    file: "f.py",
    function: "import other\nimport shared\n\n\ndef lambda_handler(event, context):\n    return f\"{shared.word} {other.word}\"\n",
    shared: "python/shared.py",
    other: "python/lib/python3.14/site-packages/other/__init__.py",
    module: |word| format!("word = \"{word}\"\n"),
};

const NODEJS: Layered = Layered {
    runtime: Runtime::Nodejs,
    name: "nodejs24.x",
    file: "f.js",
    function: "const [shared, other] = [require('shared'), require('other')];\n\
        exports.handler = async () => `${shared.word} ${other.word}`;\n",
    shared: "nodejs/node_modules/shared/index.js",
    other: "nodejs/node_modules/other.js",
    module: |word| format!("exports.word = '{word}';\n"),
};

/// The same by `import`.
const MODULES: Layered = Layered {
    file: "f.mjs",
    function: "import shared from 'shared';\nimport other from 'other';\n\
        export const handler = async () => `${shared.word} ${other.word}`;\n",
    other: "nodejs/node_modules/other/index.js",
    ..NODEJS
};

impl Layered {
    fn write(&self, folder: &Path) {
        let write = |path: String, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(self.file.to_owned(), self.function);
        write(format!("first/{}", self.shared), &(self.module)("hidden"));
        write(format!("first/{}", self.other), &(self.module)("first"));
        write(format!("second/{}", self.shared), &(self.module)("second"));
    }

    fn config(&self, layers: &[&str]) -> Config {
        let function = Config::new().server("workers", 1).table("function.f").set("source", self.file).set("runtime", self.name);
        function.set("layers", layers).service("o", "f").site("o")
    }
}

#[test]
fn a_function_finds_its_layers_and_a_changed_one_is_deployed() {
    for layered in [PYTHON, NODEJS, MODULES] {
        let folder = tempfile::tempdir().unwrap();
        layered.write(folder.path());
        compiled_in(folder.path(), layered.runtime);
        let edge = Edge::start_in(folder, layered.config(&["first", "second"]));
        assert_eq!(edge.get("/").text(), "second first", "{}\n{}", layered.file, edge.log());
        // In one step, as an editor does.
        let new = edge.put("new", (layered.module)("changed").as_bytes());
        fs::rename(new, edge.folder().join("second").join(layered.shared)).unwrap();
        eventually("the changed layer is deployed", || edge.get("/").text() == "changed first");
        edge.reconfigure(layered.config(&["second", "first"]));
        eventually("the order is another", || edge.get("/").text() == "hidden first");
        edge.reconfigure(layered.config(&["second"]));
        edge.wait_for_metric("edgeward_deployments_refused_total{reason=\"init\"}", 1.0);
        assert_eq!(edge.get("/").text(), "hidden first");
    }
}

#[test]
fn an_invocation_takes_layers_too() {
    runtimes();
    for layered in [PYTHON, NODEJS] {
        let folder = tempfile::tempdir().unwrap();
        layered.write(folder.path());
        let invoked = |layers: &[&str]| {
            let mut command = edgeward();
            command.args(["invoke", layered.file, "--runtime", layered.name]).current_dir(folder.path());
            let output = command.args(layers.iter().flat_map(|layer| ["--layer", layer])).output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, reply, log) = invoked(&["first", "second"]);
        assert_eq!((code, reply.as_str()), (Some(0), "\"second first\"\n"), "{log}");
        let (code, _, log) = invoked(&["none"]);
        assert!(code == Some(1) && log.contains("its layers: none: No such file or directory"), "{log}");
        let (code, _, log) = invoked(&["first"; 6]);
        assert!(code == Some(64) && log.contains("a function has at most 5 layers"), "{log}");
    }
}

#[test]
fn a_layer_that_cannot_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    PYTHON.write(folder.path());
    fs::write(folder.path().join("broken.zip"), "no archive").unwrap();
    fs::write(folder.path().join("edge.toml"), PYTHON.config(&["first", "broken.zip"]).file()).unwrap();
    let output = edgeward().arg("check").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64));
    let line = said.lines().find(|line| line.contains("the layer cannot be used: ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.starts_with("error: the layer cannot be used: broken.zip: "), "{said}");
    let place = said.lines().find(|line| line.contains(" | layers = [")).unwrap_or_else(|| panic!("{said}"));
    let at = place.find("\"broken.zip\"").unwrap();
    assert!(said.lines().any(|line| line.find('^') == Some(at)), "{said}");
}
