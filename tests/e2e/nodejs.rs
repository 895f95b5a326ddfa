//! Functions in JavaScript as Node.js runs them on Lambda, and what they find there beside what each language has
//! (`languages.rs`).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Client, Config, Edge, Origin, Reply, edgeward, eventually, runtimes};

const REUSE: &str = "policy = { reuse = { max_calls = 1000, max_idle_s = 600 } }";

/// The package of `tests/e2e/nodejs`, and one that is installed in it.
fn package(folder: &Path) {
    let files = [
        ("index.js", include_str!("nodejs/index.js")),
        ("data.json", include_str!("nodejs/data.json")),
        ("late.mjs", include_str!("nodejs/late.mjs")),
        ("lib/double.js", include_str!("nodejs/lib/double.js")),
        ("node_modules/greeter/package.json", r#"{ "exports": { "require": "./main.js", "import": "./other.js" } }"#),
        ("node_modules/greeter/main.js", "exports.greeting = 'hello';\n"),
    ];
    for (name, text) in files {
        let path = folder.join("package").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// An edge whose only site is the package.
fn serving(settings: impl Into<Config>) -> Edge {
    runtimes();
    let folder = tempfile::tempdir().unwrap();
    package(folder.path());
    compiled_in(folder.path(), Runtime::Nodejs);
    let function = Config::new().server("workers", 1).table("function.f").set("source", "package").set("runtime", "nodejs24.x");
    let function = function.set("handler", "index.handler").with(settings);
    Edge::start_in(folder, function.table("origin.o").set("component", "f").site("o"))
}

#[track_caller]
fn value(edge: &Edge, target: &str) -> Value {
    let answer = edge.get(target);
    serde_json::from_str(&answer.text()).unwrap_or_else(|error| panic!("{target}: {error}: {answer:?}\n{}", edge.log()))
}

#[test]
fn a_node_function_finds_what_node_has() {
    let edge = serving("");
    for (target, expected) in [
        ("/modules", json!([42, 42, "hello", 17, "/var/task/index.js", "/var/task"])),
        // The handler is no `async` function, though what it calls is one.
        ("/never", Value::Null),
        ("/timers", json!("tick,promise,immediate,timeout")),
        ("/callback", json!("later")),
        ("/succeed", json!("succeeded")),
        ("/hash", json!("2d711642")),
        ("/readonly", json!("EACCES")),
        ("/recursion", json!("RangeError: Maximum call stack size exceeded")),
        ("/waits", json!("waited")),
    ] {
        // A string is the body without its quotes.
        let text = edge.get(target).text();
        let found = serde_json::from_str(&text).unwrap_or(Value::String(text));
        assert_eq!(found, expected, "{target}\n{}", edge.log());
    }
    let echo: Value =
        serde_json::from_slice(&edge.request("POST", "/echo?a=b", "Content-Type: text/plain\r\n", "né\n".as_bytes()).body)
            .unwrap();
    assert_eq!(echo, json!({"body": "né\n", "query": {"a": "b"}, "text": "żółć 🎉"}));
    let binary = edge.get("/binary");
    assert_eq!((binary.status, binary.body.as_slice()), (201, [0, 255, 128].as_slice()));
    assert_eq!(edge.get("/big").body.len(), 1_000_000);
}

#[test]
fn each_instance_has_random_numbers_and_state_of_its_own() {
    let fresh = serving("");
    let randoms = [value(&fresh, "/random"), value(&fresh, "/random")];
    // What was made while loading is the snapshot's.
    assert_eq!(randoms[0][0], randoms[1][0]);
    assert!(randoms[0][1] != randoms[1][1] && randoms[0][2] != randoms[1][2], "{randoms:?}");
    assert_eq!([value(&fresh, "/calls"), value(&fresh, "/calls")], [json!(1), json!(1)]);
    let reused = serving(REUSE);
    let calls = [(); 3].map(|()| value(&reused, "/calls"));
    assert_eq!(calls, [json!(1), json!(2), json!(3)]);
}

#[test]
fn a_node_function_has_a_folder_for_temporary_files() {
    let edge = serving(&*format!("{REUSE}\nlimits = {{ ephemeral_storage_bytes = 4_194_304 }}"));
    let expected = |before: Value, size: u32| json!(["/tmp", "né!", true, before, ["kept"], size]);
    assert_eq!(value(&edge, "/tmp"), expected(json!([]), 1));
    assert_eq!(value(&edge, "/tmp"), expected(json!(["kept"]), 2), "the instance is the same");
    assert_eq!(edge.get("/fill").text(), "ENOSPC");
    assert_eq!(value(&edge, "/tmp"), expected(json!(["kept"]), 3), "it serves on");
    assert_eq!(value(&serving(""), "/tmp"), expected(json!([]), 1));
}

#[test]
fn what_is_pending_after_an_answer_goes_on_in_the_next_call() {
    let edge = serving(REUSE);
    assert_eq!(edge.get("/leaves").text(), "at once");
    assert_eq!(edge.get("/waits").text(), "waited");
    eventually("the timer of the first call has run", || edge.log().contains("left behind"));
}

#[test]
fn errors_of_a_node_function_are_lambdas() {
    let edge = serving(REUSE);
    for (target, told) in [
        ("/fails", "RangeError"),
        ("/fail", "called back"),
        ("/rejects", "Runtime.UnhandledPromiseRejection"),
        ("/circle", "Unable to stringify response body"),
    ] {
        assert_eq!(edge.get(target).status, 503, "{target}");
        eventually(target, || edge.log().contains(told));
    }
    assert!(edge.log().contains("/var/task/index.js:"), "{}", edge.log());
}

#[test]
fn the_log_has_lambdas_lines() {
    let edge = serving("");
    assert_eq!(value(&edge, "/log"), json!(1));
    eventually("the lines are there", || {
        let log = edge.log();
        log.contains("INFO\\thello { a: [ 1 ] }") || log.contains("INFO\thello { a: [ 1 ] }")
    });
    assert!(edge.log().contains("ERROR"), "{}", edge.log());
}

const WRITER: &str = r"export const handler = awslambda.streamifyResponse(async (event, stream) => {
    const headers = { 'Content-Type': 'text/plain' };
    const statusCode = event.rawPath === '/wrong' ? 99 : 201;
    stream = awslambda.HttpResponseStream.from(stream, { statusCode, headers });
    if (statusCode === 99) for (let n = 0; n < 100; n++) stream.write('x'.repeat(100_000));
    stream.write(`${event.rawPath};`);
    if (event.rawQueryString) await fetch(event.rawQueryString);
    stream.write('last');
    if (event.rawPath === '/fails') throw new Error('in the middle');
    stream.end();
});
";

#[test]
fn what_a_node_function_writes_piece_by_piece_is_the_response_of_a_site() {
    runtimes();
    let folder = tempfile::tempdir().unwrap();
    compiled_in(folder.path(), Runtime::Nodejs);
    fs::write(folder.path().join("writer.mjs"), WRITER).unwrap();
    let function =
        Config::new().server("workers", 1).table("function.f").set("source", "writer.mjs").set("runtime", "nodejs24.x");
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let elsewhere = Origin::start(move |_| Reply::new(200, "x").held(held.clone()));
    let function = function.set("handler", "writer.handler").set("network", [elsewhere.address.to_string()]).with(REUSE);
    let edge = Edge::start_in(folder, function.table("origin.o").set("component", "f").site("o"));
    for path in ["/first", "/second"] {
        let answer = edge.get(path);
        assert_eq!((answer.status, answer.text()), (201, format!("{path};last")), "{}", edge.log());
    }

    // The client has the first piece while the function waits for somebody else.
    for (path, whole) in [("/slow", true), ("/fails", false), ("/slow", true)] {
        let mut client = Client::connect(edge.http());
        client.send(format!("GET {path}?{}/ HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n", elsewhere.url()));
        let first = client.until(&format!("{path};"));
        assert!(first.starts_with("HTTP/1.1 201 ") && !first.contains("last"), "{first}");
        gate.notify_one();
        let rest = client.rest();
        assert!(rest.contains("last"), "{rest}");
        assert_eq!(rest.ends_with("0\r\n\r\n"), whole, "a client can tell a whole response from one that breaks off: {rest}");
    }
    edge.wait_for_metric("edgeward_function_calls_total{function=\"f\",result=\"guest-error\"}", 1.0);

    // Nobody reads what follows a head that is wrong: the function ends, and its instance serves on.
    assert_eq!(edge.get("/wrong").status, 502);
    edge.wait_for_metric("edgeward_function_calls_total{function=\"f\",result=\"bad-reply\"}", 1.0);
    assert_eq!(edge.get("/after").text(), "/after;last");
}

#[test]
fn a_node_function_goes_where_it_is_granted() {
    let origin = Origin::start(|seen| Reply::new(200, format!("{} {}", seen.method, seen.target)));
    let edge = serving(Config::new().set("network", [origin.address.to_string()]));
    let url = origin.url();
    assert_eq!(value(&edge, &format!("/fetch?{url}/a")), json!([200, "POST /a"]));
    assert_eq!(value(&edge, &format!("/get?{url}/b")), json!([200, "GET /b"]));
    let denied = serving("");
    let told = denied.get(&format!("/fetch?{url}/a")).text();
    assert!(told.contains("Error"), "{told}");
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn a_handler_that_cannot_be_loaded_is_refused_with_lambdas_message() {
    runtimes();
    for (file, source, told) in [
        ("index.js", "exports.other = 1;\n", "Runtime.HandlerNotFound: index.handler is undefined or not exported"),
        ("index.js", "exports.handler = 1;\n", "Runtime.HandlerNotFound: index.handler is not a function"),
        ("index.js", "require('missing');\n", "Runtime.ImportModuleError: Error: Cannot find module 'missing'"),
        ("index.mjs", "export const handler = async () => {\n", "Runtime.UserCodeSyntaxError: SyntaxError: "),
        ("index.mjs", "throw new TypeError('at load');\n", "TypeError: at load"),
        ("index.mjs", "await new Promise(() => {});\n", "Runtime.ExitError: Error: Runtime exited with error: exit status 13"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), source).unwrap();
        let mut command = edgeward();
        command.args(["invoke", "--runtime", "nodejs24.x", "--handler", "index.handler", file]).current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(told), "{source}: {said}");
    }
}

/// By esbuild, as `edgeward new --lang ts` bundles a function, and otherwise.
#[test]
fn a_stack_names_the_source_that_was_bundled() {
    runtimes();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/npm/node_modules/.bin/esbuild").canonicalize();
    let esbuild = tools.expect("`tests/tools` installs esbuild");
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        (
            "src/index.ts",
            "import { reach } from './lib/far';\n\ninterface Event {\n    far: number;\n}\n\nexport const handler = async (event: Event) => {\n    \
             try {\n        return reach(event.far);\n    } catch (error) {\n        console.error(error);\n        throw error;\n    }\n};\n",
        ),
        (
            "src/lib/far.ts",
            "/* Not the first line. */\nexport function reach(far: number): number {\n    if (!far) throw new RangeError(`too far: ${far}`);\n    \
             return far;\n}\n",
        ),
    ] {
        fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        fs::write(folder.path().join(file), text).unwrap();
    }
    for (arguments, has_map) in [
        ("--sourcemap --outfile=a/index.js", true),
        ("--sourcemap=inline --minify --outfile=b/index.js", true),
        ("--sourcemap=external --minify --format=esm --outfile=c/index.mjs", true),
        ("--sourcemap=inline --format=esm --outfile=d/lib/index.mjs", true),
        ("--outfile=e/index.js", false),
    ] {
        let mut bundler = std::process::Command::new(&esbuild);
        bundler.args(["src/index.ts", "--bundle", "--platform=node", "--target=es2023", "--log-level=warning"]);
        assert!(bundler.args(arguments.split(' ')).current_dir(folder.path()).status().unwrap().success(), "{arguments}");
        let package = arguments.split("--outfile=").nth(1).unwrap().split('/').next().unwrap();
        let handler = if package == "d" { "lib/index.handler" } else { "index.handler" };
        let mut command = edgeward();
        command.args(["invoke", package, "--runtime", "nodejs24.x", "--handler", handler]).current_dir(folder.path());
        let output = command.output().unwrap();
        let error: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let (stack, log) = (error["stackTrace"].to_string(), String::from_utf8_lossy(&output.stderr).into_owned());
        assert_eq!(error["errorMessage"], "too far: undefined");
        for place in ["(src/lib/far.ts:3:", "(src/index.ts:9:"] {
            // In what the function has logged itself, too.
            assert_eq!(
                (stack.contains(place), log.matches(place).count() >= 2),
                (has_map, has_map),
                "{arguments}: {stack}\n{log}"
            );
        }
        assert_eq!(stack.contains("/var/task/"), !has_map, "{arguments}: {stack}");
    }
}
