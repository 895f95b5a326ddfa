//! Writes the sources of Node's modules, which the crate `wasm-rquickjs` carries as a skeleton for its generated crates, into
//! OUT_DIR, with the changes that `src/lib.rs` relies on. What the crate generates beside them is not used.

use std::path::{Path, PathBuf};
use std::{env, fs};

use camino::Utf8Path;
use wasm_rquickjs::{EmbeddingMode, JsModuleSpec};

/// A part of a file, and what stands there instead.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const CHANGES: &[Change] = &[
    // The folders above a mounted one are not there to be asked.
    Change {
        file: "builtin/fs.rs",
        from: "let metadata = std::fs::symlink_metadata(&current)?;",
        to: "let metadata = match std::fs::symlink_metadata(&current) {
            Err(_) if index + 1 < todo.len() => {
                index += 1;
                continue;
            }
            metadata => metadata?,
        };",
    },
    // Who asked for a module that is not there, up to the handler's.
    Change {
        file: "builtin/module.js",
        from: "    const err = new Error(\"Cannot find module '\" + id + \"'\");
    err.code = 'MODULE_NOT_FOUND';
    throw err;
}

function decorateRequire(",
        to: "    const err = new Error(\"Cannot find module '\" + id + \"'\");
    err.code = 'MODULE_NOT_FOUND';
    throw addRequireStackToModuleNotFound(err, id, parentFilename, parentModule);
}

function decorateRequire(",
    },
    Change {
        file: "builtin/module.js",
        from: "            throw addRequireStackToModuleNotFound(err, id, parentFilename);
        }
        cjsSetPath",
        to: "            throw addRequireStackToModuleNotFound(err, id, parentFilename, parentModule);
        }
        cjsSetPath",
    },
    Change {
        file: "builtin/module.js",
        from: "function addRequireStackToModuleNotFound(err, request, parentFilename) {",
        to: "function addRequireStackToModuleNotFound(err, request, parentFilename, parentModule) {",
    },
    Change {
        file: "builtin/module.js",
        from: "    err.requireStack = [parentFilename];
    err.message = \"Cannot find module '\" + request + \"'\\nRequire stack:\\n- \" + parentFilename;
",
        to: "    err.requireStack = [parentFilename];
    for (let parent = parentModule?.parent; parent; parent = parent.parent) {
        if (typeof parent.filename === 'string') err.requireStack.push(parent.filename);
    }
    err.message = \"Cannot find module '\" + request + \"'\\nRequire stack:\\n- \" + err.requireStack.join('\\n- ');
",
    },
    // Source maps (`src/source_map.rs`). The wrapper of CommonJS is on the first line of the code.
    Change {
        file: "builtin/module.js",
        from: "const cjsLineOffset = 6;
",
        to: "const cjsLineOffset = 6;
const cjsFirstColumns = Object.create(null);
",
    },
    Change {
        file: "builtin/module.js",
        from: "    return _evalWithFilename(wrappedSource, filename);
",
        to: "    cjsFirstColumns[filename] = wrappedSource.indexOf(source);
    return _evalWithFilename(wrappedSource, filename);
",
    },
    Change {
        file: "builtin/module.js",
        from: "    if (lineNumber <= 0) return undefined;
    if (!isSourceMapsEnabled()",
        to: "    if (lineNumber <= 0) return undefined;
    const before = lineNumber === 1 ? cjsFirstColumns[scriptName] ?? 0 : 0;
    const mapped = globalThis.__edgeward_source_position?.(scriptName, lineNumber, columnNumber - before);
    if (mapped !== undefined) return mapped;
    if (!isSourceMapsEnabled()",
    },
    // Before anything runs: QuickJS's own limit is larger than the stack.
    Change {
        file: "internal/runtime_services.rs",
        from: "rt.set_memory_limit(0).await;",
        to: "rt.set_memory_limit(0).await;
        rt.set_max_stack_size(crate::JS_STACK_BYTES).await;",
    },
    // What happens after a snapshot, under the host's control.
    // wasi-libc makes EIO of any error of a stream: the one that a file that is written to has is that there is no space.
    Change {
        file: "builtin/fs.rs",
        from: "31 => (\"EISDIR\", -21, \"illegal operation on a directory\"),
                    _ =>",
        to: "31 => (\"EISDIR\", -21, \"illegal operation on a directory\"),
                    29 | 51 => (\"ENOSPC\", -28, \"no space left on device\"),
                    _ =>",
    },
    Change { file: "internal/mod.rs", from: "fn restore_runtime_state()", to: "pub(crate) fn restore_runtime_state()" },
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../../wit");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let wit = out.join("wit");
    write(&wit.join("world.wit"), "package edgeward:skeleton;\nworld skeleton {}\n");
    let script = out.join("empty.js");
    write(&script, "");
    let skeleton = out.join("skeleton");
    let module = JsModuleSpec { name: "empty".to_owned(), mode: EmbeddingMode::EmbedFile(utf8(&script).to_owned()) };
    wasm_rquickjs::generate_wrapper_crate(utf8(&wit), &[module], utf8(&skeleton), None).expect("the skeleton");

    let sources = skeleton.join("src");
    for change in CHANGES {
        let path = sources.join(change.file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(text.matches(change.from).count(), 1, "{} has another version of: {}", change.file, change.from);
        write(&path, &text.replace(change.from, change.to));
    }
    let modules = ["builtin", "internal", "modules", "wrappers"];
    let modules = modules.map(|module| format!("#[allow(warnings, clippy::all)]\nmod {module};\n"));
    write(&sources.join("skeleton.rs"), &modules.concat());

    // The stack is at the bottom of memory, so that an overflow traps; `JS_STACK_BYTES` is below it.
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
}

/// Leaves the file alone if it is as it should be.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).and_then(|()| fs::write(path, text)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn utf8(path: &Path) -> &Utf8Path {
    Utf8Path::from_path(path).expect("the path of the build folder is UTF-8")
}
