//! The author's way: `edgeward new`, `build`, `serve` and `dev`, in a folder outside of this repository, with real toolchains.
//!
//! `tests/tools` installs those of C, C++, Zig and Go, and the packages of npm that templates name; one that is missing fails its
//! test, and `edgeward build` names it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{PATIENCE, edgeward, eventually, get};

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}

/// The toolchains of `tests/tools`, before what is installed.
fn path() -> std::ffi::OsString {
    let tools = tools().join("bin");
    let installed = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([tools].into_iter().chain(std::env::split_paths(&installed))).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = edgeward().args(arguments).current_dir(folder).env("PATH", path()).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A new project, which serves on a free port.
fn project(folder: &Path, arguments: &[&str]) -> PathBuf {
    let (code, out, errors) = run(folder, &[&["new", "my-app"], arguments].concat());
    assert_eq!(code, Some(0), "{errors}");
    let project = folder.join("my-app");
    let has_packages = project.join("package.json").exists();
    if has_packages {
        install(&project);
    }
    let install = if has_packages { "  npm install\n" } else { "" };
    assert!(out.contains(&format!("  cd my-app\n{install}  edgeward dev\n")), "{out}");
    let file = project.join("edge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:8080", "127.0.0.1:0")).unwrap();
    project
}

/// As `npm install`, which would need the network.
fn install(project: &Path) {
    let packages = tools().join("npm/node_modules").canonicalize().expect("`tests/tools` installs the packages of npm");
    std::os::unix::fs::symlink(packages, project.join("node_modules")).unwrap();
}

/// A program that serves; killed when dropped.
struct Running {
    child: Child,
    address: SocketAddr,
    /// What it says on standard error.
    lines: Receiver<String>,
    /// What it says on standard output.
    out: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn followed(read: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(read).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Starts `serve` or `dev`, which tells its address in the log.
fn start(project: &Path, command: &str) -> Running {
    let mut child = edgeward()
        .args(["--log", "text", command])
        .current_dir(project)
        .env("PATH", path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, lines) = (followed(child.stdout.take().unwrap()), followed(child.stderr.take().unwrap()));
    let mut said = String::new();
    loop {
        // A toolchain may build its standard library first.
        let Ok(line) = lines.recv_timeout(10 * PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("`edgeward {command}` does not serve:\n{said}{}", out.try_iter().collect::<Vec<_>>().join("\n"));
        };
        if line.contains("serving http") {
            let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
            let address = address.and_then(|text| text.trim_matches('"').parse().ok());
            return Running { child, address: address.expect("an address"), lines, out };
        }
        said += &(line + "\n");
    }
}

/// Creates, builds, checks and serves a project.
fn works(arguments: &[&str], page: bool) {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), arguments);
    let (code, out, errors) = run(&project, &["build"]);
    assert_eq!(code, Some(0), "{arguments:?}: {out}{errors}");
    assert!(out.contains("my-app: my-app.wasm, "), "{out}");
    let (code, out, errors) = run(&project, &["check"]);
    assert_eq!(code, Some(0), "{arguments:?}: {out}{errors}");
    let edge = start(&project, "serve");
    let answer = get(edge.address, "example.com", "/hello", "");
    assert_eq!(answer.status, 200, "{arguments:?}: {answer:?}");
    assert!(answer.text().starts_with("hello from my-app"), "{arguments:?}: {answer:?}");
    if page {
        let answer = get(edge.address, "example.com", "/", "");
        assert!(answer.text().contains("<h1>my-app</h1>"), "{arguments:?}: {answer:?}");
    }
}

#[test]
fn a_viewer_hook_in_rust_is_created_built_and_served() {
    works(&["--lang", "rust"], true);
}

#[test]
fn an_origin_hook_in_rust_is_created_built_and_served() {
    works(&["--lang", "rust", "--kind", "origin"], true);
}

#[test]
fn a_function_in_rust_is_created_built_and_served() {
    works(&["--lang", "rust", "--kind", "function"], false);
}

#[test]
fn a_function_in_c_is_created_built_and_served() {
    works(&["--lang", "c"], false);
}

#[test]
fn a_function_in_cpp_is_created_built_and_served() {
    works(&["--lang", "cpp"], false);
}

#[test]
fn a_function_in_zig_is_created_built_and_served() {
    works(&["--lang", "zig"], false);
}

#[test]
fn a_function_in_go_is_created_built_and_served() {
    works(&["--lang", "go"], false);
}

#[test]
fn a_function_in_assemblyscript_is_created_built_and_served() {
    works(&["--lang", "assemblyscript"], false);
}

/// The edge runs the source, or what is built of it, and takes it again when it is saved.
fn source_works(arguments: &[&str], runtime: Runtime, source: &str) {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), arguments);
    compiled_in(&project, runtime);
    if project.join("package.json").exists() {
        let (code, out, errors) = run(&project, &["build"]);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{errors}");
        let types = Command::new("node_modules/.bin/tsc").current_dir(&project).output().unwrap();
        assert!(types.status.success(), "{types:?}");
    }
    let check = edgeward().arg("check").current_dir(&project).output().unwrap();
    assert!(check.status.success(), "{check:?}");
    let dev = start(&project, "dev");
    let says = |text: &str| get(dev.address, "example.com", "/hello", "").text().starts_with(text);
    assert!(says("hello from my-app"));
    let source = project.join(source);
    let written = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, written.replace("hello from", "good day from")).unwrap();
    eventually("the saved source is served", || says("good day from my-app"));
}

#[test]
fn a_viewer_hook_in_javascript_is_created_and_served() {
    source_works(&["--lang", "js"], Runtime::CloudfrontJs, "handler.js");
}

#[test]
fn a_function_in_javascript_is_created_and_served() {
    source_works(&["--lang", "js", "--kind", "function"], Runtime::Nodejs, "index.mjs");
}

#[test]
fn a_viewer_hook_in_typescript_is_created_built_and_served() {
    source_works(&["--lang", "ts"], Runtime::CloudfrontJs, "src/handler.ts");
}

#[test]
fn a_function_in_typescript_is_created_built_and_served() {
    source_works(&["--lang", "ts", "--kind", "function"], Runtime::Nodejs, "src/index.ts");
}

#[test]
fn a_function_in_python_is_created_and_served() {
    source_works(&["--lang", "python"], Runtime::Python, "lambda_function.py");
}

/// The tests of a hook need no host, and the SDK may be somewhere else.
#[test]
fn the_unit_tests_of_a_new_hook_pass_with_the_sdk_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/sdk");
    let project = project(folder.path(), &["--lang", "rust", "--sdk", sdk.to_str().unwrap()]);
    assert!(!project.join("edgeward-sdk").exists());
    let cargo = Command::new("cargo").args(["test", "--target-dir", "target"]).current_dir(&project).output().unwrap();
    assert!(cargo.status.success(), "{cargo:?}");
    assert!(String::from_utf8_lossy(&cargo.stdout).contains("1 passed"), "{cargo:?}");
}

#[test]
fn dev_builds_again_when_a_source_is_saved_and_keeps_serving_when_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), &["--lang", "c"]);
    let source = project.join("src/main.c");
    let written = std::fs::read_to_string(&source).unwrap();
    // As when the first attempt of an author is wrong: nothing is served until it is corrected.
    std::fs::write(&source, "int main(void) { return no_such_thing; }\n").unwrap();
    let corrected = {
        let (source, written) = (source.clone(), written.clone());
        move || std::fs::write(source, written).unwrap()
    };
    let correcting = std::thread::spawn({
        let target = project.join("build");
        move || {
            // The folder is made before the compiler runs.
            eventually("the build has begun", || target.exists());
            corrected();
        }
    });
    let mut dev = start(&project, "dev");
    correcting.join().unwrap();
    let says = |text: &str| get(dev.address, "example.com", "/hello?a=1", "").text().starts_with(text);
    eventually("it serves", || says("hello from my-app: GET /hello"));
    eventually("the request is printed", || dev.out.try_iter().any(|line| line.starts_with("GET /hello?a=1 200 ")));

    let saved = written.replace("hello from", "good day from");
    std::fs::write(&source, &saved).unwrap();
    eventually("the new component is served", || says("good day from my-app"));

    std::fs::write(&source, saved.replace("int main", "imt main")).unwrap();
    eventually("the error is printed", || dev.lines.try_iter().any(|line| line.contains("failed (exit status")));
    assert!(says("good day from my-app"));

    assert!(Command::new("kill").args(["-TERM", &dev.child.id().to_string()]).status().unwrap().success());
    assert_eq!(dev.child.wait().unwrap().code(), Some(0));
    eventually("the edge has ended with it", || std::net::TcpStream::connect(dev.address).is_err());
}

#[test]
fn a_missing_toolchain_is_named_with_the_way_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    for (lang, tool, remedy) in [
        ("rust", "cargo", "https://rustup.rs"),
        ("c", "clang-19", "apt-get install clang-19"),
        ("cpp", "clang++-19", "libc++-19-dev-wasm32"),
        ("zig", "zig", "https://ziglang.org/download"),
        ("go", "go", "https://go.dev/dl"),
        ("ts", "node", "https://nodejs.org"),
        ("assemblyscript", "node", "https://nodejs.org"),
    ] {
        let (code, _, errors) = run(folder.path(), &["new", lang, "--lang", lang]);
        assert_eq!(code, Some(0), "{errors}");
        let project = folder.path().join(lang);
        let Output { status, stderr, .. } =
            edgeward().arg("build").current_dir(&project).env("PATH", folder.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(64), "{errors}");
        assert!(errors.starts_with(&format!("error: `{tool}` is not installed; ")) && errors.contains(remedy), "{errors}");
    }
}

#[test]
fn packages_that_are_not_installed_are_named_with_the_way_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    for (lang, tool) in [("ts", "esbuild"), ("assemblyscript", "asc")] {
        let (code, _, errors) = run(folder.path(), &["new", lang, "--lang", lang]);
        assert_eq!(code, Some(0), "{errors}");
        let (code, _, errors) = run(folder.path(), &["build", "-c", &format!("{lang}/edge.toml")]);
        let told = format!("error: `{tool}` is not installed in this project; run `npm install` in {lang}/\n");
        assert_eq!((code, errors), (Some(64), told));
    }
}

/// What a viewer hook imports is in it, but for CloudFront's own modules; it is a script that CloudFront takes.
#[test]
fn a_viewer_hook_in_typescript_becomes_a_script_for_cloudfront() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), &["--lang", "ts"]);
    let built = |handler: &str| {
        std::fs::write(project.join("src/handler.ts"), handler).unwrap();
        run(&project, &["build"])
    };
    std::fs::write(
        project.join("src/lib.ts"),
        "export const unused = 'not here';\nexport const found = (uri: string) => uri + '.html';\n",
    )
    .unwrap();
    let (code, out, errors) = built(
        "import cf from 'cloudfront';\nimport { found } from './lib';\n\nexport async function handler(event: AWSCloudFrontFunction.Event) {\n    \
         const to = await cf.kvs().get(event.request.uri);\n    event.request.uri = found(to);\n    return event.request;\n}\n",
    );
    assert_eq!(code, Some(0), "{out}{errors}");
    let script = std::fs::read_to_string(project.join("dist/handler.js")).unwrap();
    assert!(script.starts_with("import ") && script.contains("from\"cloudfront\"") && script.contains(".html"), "{script}");
    assert!(script.contains("function handler(event)") && !script.contains("export") && !script.contains("not here"), "{script}");

    let (code, _, errors) = built("export function main(event: AWSCloudFrontFunction.Event) {\n    return event.request;\n}\n");
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("it exports `main`, and not `handler`"), "{errors}");
    let long = format!("const long = '{}';\nexport const handler = () => long;\n", "x".repeat(10_240));
    let (code, _, errors) = built(&long);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("and CloudFront takes 10240"), "{errors}");
    assert_eq!(std::fs::read_to_string(project.join("dist/handler.js")).unwrap(), script, "the last one stays");
}

#[test]
fn only_combinations_that_work_get_a_project() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, says) in [
        (
            &["a", "--lang", "go", "--kind", "viewer"][..],
            "there is no template for a viewer hook in Go; `--kind viewer` works with",
        ),
        (&["a", "--lang", "ts", "--kind", "origin"], "works with `--lang` rust; `--lang ts` with `--kind` viewer, function"),
        (&["Big_Name", "--lang", "c"], "`Big_Name` cannot name a function"),
        (&["a", "--lang", "rust", "--sdk", "."], "is not the folder of a Rust package"),
    ] {
        let (code, _, errors) = run(folder.path(), &[&["new"], arguments].concat());
        assert_eq!(code, Some(64), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{errors}");
    }
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/mine.c"), "").unwrap();
    let (code, _, errors) = run(folder.path(), &["new", "full", "--lang", "c"]);
    assert!(code == Some(64) && errors.contains("is not empty"), "{errors}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_wrong_build_table_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), &["--lang", "c"]);
    let file = project.join("edge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, says) in [
        ("[build.my-app]", "[build.other]", "unknown function `other`"),
        ("module = \"build/module.wasm\"\n", "", "[build.my-app] has no `module`"),
        (
            "module = \"build/module.wasm\"",
            "module = \"my-app.wasm\"",
            "the `module` of [build.my-app] is also the function's `component`",
        ),
        ("sources = ", "source = ", "unknown key `source` in [build.my-app]"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let (code, _, errors) = run(&project, &["build"]);
        assert_eq!(code, Some(64), "{errors}");
        assert!(errors.contains(says) && errors.contains("edge.toml:"), "{errors}");
    }
    let source = "component = \"my-app.wasm\"";
    assert!(text.contains(source));
    for (runtime, module, says) in [
        ("nodejs24.x", "build/module.wasm", "[build.my-app] has a `module`, and its function is a source"),
        ("cloudfront-js-2.0", "build/module.js", "the `module` of [build.my-app] is also the function's `source`"),
    ] {
        let source = text.replace(source, &format!("source = \"build/module.js\"\nruntime = \"{runtime}\""));
        std::fs::write(&file, source.replace("build/module.wasm", module)).unwrap();
        let (code, _, errors) = run(&project, &["build"]);
        assert_eq!(code, Some(64), "{errors}");
        assert!(errors.contains(says) && errors.contains("edge.toml:"), "{errors}");
    }
    std::fs::write(&file, "[server]\nhttp = [\"127.0.0.1:0\"]\n").unwrap();
    let (code, _, errors) = run(&project, &["build"]);
    assert!(code == Some(64) && errors.contains("has no [build.NAME]"), "{errors}");
}
