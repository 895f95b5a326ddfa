//! The toolchains that commands name: whether they are installed, and where to get them.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CLANG: &str = "on Debian: apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";
const CLANG_CPP: &str =
    "on Debian: apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32";

/// Programs, and how to get them.
const TOOLS: [(&str, &str); 7] = [
    ("cargo", "see https://rustup.rs"),
    ("clang++-19", CLANG_CPP),
    ("clang++", CLANG_CPP),
    ("clang-19", CLANG),
    ("clang", CLANG),
    ("zig", "see https://ziglang.org/download, version 0.16 or later"),
    ("go", "see https://go.dev/dl, version 1.21 or later"),
];

/// The programs of a project's own packages.
const PACKAGES: &str = "node_modules/.bin/";

/// An error if the program, or the Rust target that it is to build for, is not installed. The command runs in `folder`.
pub(super) fn require(command: &[String], folder: &Path) -> Result<(), String> {
    let Some(tool) = command.first() else { return Err("the command of [build] is empty".to_owned()) };
    if let Some(name) = tool.strip_prefix(PACKAGES) {
        if !is_installed("node") {
            return Err("`node` is not installed; see https://nodejs.org, or on Debian: apt-get install nodejs npm".to_owned());
        }
        if !folder.join(tool).exists() {
            return Err(format!("`{name}` is not installed in this project; run `npm install` in {}", folder.display()));
        }
    }
    if !is_installed(tool) {
        let remedy = remedy(tool).map_or_else(String::new, |remedy| format!("; {remedy}"));
        return Err(format!("`{tool}` is not installed{remedy}"));
    }
    let target = command.iter().skip_while(|word| *word != "--target").nth(1);
    match target {
        Some(target) if tool == "cargo" && is_missing(target) => {
            Err(format!("the Rust target {target} is not installed; run `rustup target add {target}`"))
        }
        _ => Ok(()),
    }
}

/// What may be missing if a tool fails, for the end of an error.
pub(super) fn hint(tool: &str) -> String {
    match remedy(tool) {
        Some(remedy) if tool.starts_with("clang") => format!("; if a header or a library is missing, {remedy}"),
        _ => String::new(),
    }
}

fn remedy(tool: &str) -> Option<&'static str> {
    TOOLS.iter().find(|(name, _)| *name == tool).map(|(_, remedy)| *remedy)
}

fn is_installed(tool: &str) -> bool {
    let is_program = |path: &Path| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if tool.contains('/') {
        // Relative to the folder of the configuration, where the command runs; the system says what is wrong with it.
        return true;
    }
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| is_program(&folder.join(tool))))
}

/// Whether the standard library of a target is missing. If the compiler cannot be asked, `cargo` says why.
fn is_missing(target: &str) -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).stderr(Stdio::null()).output();
    asked.is_ok_and(|asked| {
        let folder = String::from_utf8_lossy(&asked.stdout);
        asked.status.success() && !PathBuf::from(folder.trim()).is_dir()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_way_to_get_it() {
        let asked = |tool: &str| require(&[tool.to_owned()], Path::new("."));
        assert_eq!(asked("sh"), Ok(()));
        assert_eq!(asked("./own-script"), Ok(()));
        assert_eq!(asked("no-such-toolchain"), Err("`no-such-toolchain` is not installed".to_owned()));
        for (tool, remedy) in TOOLS {
            if let Err(error) = asked(tool) {
                assert_eq!(error, format!("`{tool}` is not installed; {remedy}"));
            }
        }
        assert!(require(&[], Path::new(".")).is_err());
    }

    #[test]
    fn a_failed_compiler_for_c_may_lack_a_library() {
        assert!(hint("clang-19").contains("wasi-libc") && hint("clang++-19").contains("libc++-19-dev-wasm32"));
        assert_eq!(hint("go"), "");
    }
}
