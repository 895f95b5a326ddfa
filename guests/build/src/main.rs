//! I build every guest of this workspace into `target/components/NAME.wasm`, every Runtime into
//! `target/runtimes/NAME.wasm`, and print what came out.
//!
//!     cargo run --release -p build               everything
//!     cargo run --release -p build -- NAME...    only these
//!
//! A guest is a package that makes a `cdylib`, a file in `hostile/*.wat`, or the Runtime for Python. Those for
//! `wasm32-unknown-unknown` become components here; `wasm32-wasip2` modules leave the linker as components.
//! Names in `[package.metadata.edgeward]` of a package: `target`, `component` if it is not the package's, and
//! `runtime = true`. Those Runtimes have C in them: they need Debian's packages clang-19, llvm-19 and wasi-libc. The one for
//! Python needs `python3` with `venv` and `pip`.
//!
//! What is up to date is not built again; what no guest makes any more is removed from those folders. I end
//! with an error when any guest is missing in the end.

mod guests;
mod prepared;
mod python;
mod worlds;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use guests::{Guest, Kind, Source};
use wasmparser::Parser;
use worlds::Worlds;

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: Vec<String>) -> Result<()> {
    // `cargo run` says where it is. What was compiled in may be another checkout's: its target folder can be copied.
    let folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&folder).parent().context("the builder's folder has a parent")?;
    let worlds = Worlds::load(&root.join("../wit/edge"))?;

    let mut guests = guests::find(root)?;
    if let Some(unknown) = wanted.iter().find(|name| guests.iter().all(|guest| guest.name != **name)) {
        let known: Vec<_> = guests.iter().map(|guest| guest.name.as_str()).collect();
        bail!("no guest is called `{unknown}`; there are: {}", known.join(", "));
    }
    let names: Vec<(Kind, String)> = guests.iter().map(|guest| (guest.kind, guest.name.clone())).collect();
    guests.retain(|guest| wanted.is_empty() || wanted.contains(&guest.name));

    if guests.iter().any(|guest| guest.kind == Kind::Runtime && matches!(guest.source, Source::Package { .. })) {
        require_c()?;
    }
    for target in ["wasm32-unknown-unknown", "wasm32-wasip2"] {
        let packages: Vec<_> = guests.iter().filter_map(|guest| guest.package_for(target)).collect();
        if !packages.is_empty() {
            require(target)?;
            compile(root, target, &packages)?;
        }
    }

    let out = |kind: Kind| root.join("target").join(kind.folder());
    for kind in Kind::ALL {
        fs::create_dir_all(out(kind)).with_context(|| format!("cannot make {}", out(kind).display()))?;
    }
    let mut total = 0;
    for guest in &guests {
        let bytes = component(root, guest, &worlds).with_context(|| format!("guest `{}`", guest.name))?;
        let path = out(guest.kind).join(format!("{}.wasm", guest.name));
        write_if_changed(&path, &bytes)?;
        println!("{:<28} {:>9}  {}", guest.name, bytes.len(), guest.target());
        total += bytes.len();
    }
    for kind in Kind::ALL {
        let names: Vec<_> = names.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect();
        remove_stale(&out(kind), &names)?;
    }
    println!("{:<28} {total:>9}  {}", format!("{} components", guests.len()), root.join("target").display());
    Ok(())
}

/// A component whose guest was renamed or removed would be tested and deployed for ever.
fn remove_stale(out: &Path, names: &[&str]) -> Result<()> {
    for entry in fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))? {
        let path = entry?.path();
        let of_a_guest = path.extension().is_some_and(|extension| extension == "wasm")
            && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| names.contains(&stem));
        if !of_a_guest && path.is_file() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            println!("removed {}", path.display());
        }
    }
    Ok(())
}

/// The standard library of a target, installed if `rustup` can.
fn require(target: &str) -> Result<()> {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let libdir = output.context("cannot run `rustc`")?;
    let libdir = PathBuf::from(String::from_utf8(libdir.stdout)?.trim());
    if libdir.is_dir() {
        return Ok(());
    }
    eprintln!("the target {target} is not installed: running `rustup target add {target}`");
    let added = Command::new("rustup").args(["target", "add", target]).status();
    ensure!(
        added.is_ok_and(|status| status.success()) && libdir.is_dir(),
        "the target {target} is missing; install it with: rustup target add {target}"
    );
    Ok(())
}

/// The compiler, the archiver and the headers for C, which `.cargo/config.toml` names.
fn require_c() -> Result<()> {
    for (tool, package) in [("clang-19", "clang-19"), ("llvm-ar-19", "llvm-19")] {
        let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        ensure!(found, "{tool} is missing, which the Runtimes are built with; install it with: apt-get install {package}");
    }
    let has_headers = Path::new("/usr/include/wasm32-wasi/stdio.h").exists();
    ensure!(has_headers, "wasi-libc is missing, which the Runtimes are built with; install it with: apt-get install wasi-libc");
    Ok(())
}

fn compile(root: &Path, target: &str, packages: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // From the workspace's folder, so that its `.cargo/config.toml` is in force wherever I am called from.
    cargo.current_dir(root).args(["build", "--profile", "guest", "--target", target]);
    // Flags for the caller's own build are not for guests, and would replace those of the configuration.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    for package in packages {
        cargo.args(["-p", package]);
    }
    ensure!(cargo.status().context("cannot run `cargo`")?.success(), "building the guests for {target} failed");
    Ok(())
}

fn component(root: &Path, guest: &Guest, worlds: &Worlds) -> Result<Vec<u8>> {
    match &guest.source {
        Source::Text(path) => worlds.componentize(&wat::parse_file(path)?),
        Source::Python => python::build(root),
        Source::Package { target, file, .. } => {
            let path = root.join("target").join(target).join("guest").join(format!("{file}.wasm"));
            let module = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match Parser::is_component(&module) {
                true => Ok(module),
                false => worlds.componentize(&prepared::prepared(&module)?),
            }
        }
    }
}

/// Leaves the file alone if it is as it should be: an edge that watches it has nothing to reload.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // In one step, so that nobody reads half a component.
    let new = path.with_extension("wasm.new");
    fs::write(&new, bytes).and_then(|()| fs::rename(&new, path)).with_context(|| format!("cannot write {}", path.display()))
}
