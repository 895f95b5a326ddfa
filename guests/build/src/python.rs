//! I build the Runtime for Python: CPython with the folder `runtimes/python` in it, and the standard library beside it.
//!
//! The work is componentize-py's, which I install into a virtual environment of my own, with `pip`. It takes half a minute
//! for the component and a minute for the library, so I look first whether anything has changed: the component is made of the
//! folder and the interfaces, the library of `stdlib.py`, `library/`, `library.txt`
//! and the tool's version.
//!
//! ```text
//! target/python/venv       the tool
//! target/python/sources    a copy: CPython writes compiled files beside what it imports
//! target/python/*.stamp    of what the results were made
//! target/runtimes/NAME/    the library: what a host mounts at /python
//! ```

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};

/// The component's name.
pub const NAME: &str = "python3.14";
/// The package of Python modules that is the program.
const PROGRAM: &str = "edgeward_python";

/// The component's bytes. Its library is in its place when I return.
pub fn build(root: &Path) -> Result<Vec<u8>> {
    Python::new(root).build()
}

struct Python {
    /// The Runtime's sources.
    folder: PathBuf,
    /// The repository's interfaces.
    wit: PathBuf,
    work: PathBuf,
    library: PathBuf,
}

impl Python {
    fn new(root: &Path) -> Self {
        Self {
            folder: root.join("runtimes/python"),
            wit: root.join("../wit"),
            work: root.join("target/python"),
            library: root.join("target/runtimes").join(NAME),
        }
    }

    fn build(&self) -> Result<Vec<u8>> {
        fs::create_dir_all(&self.work).with_context(|| format!("cannot make {}", self.work.display()))?;
        let requirements = self.folder.join("requirements.txt");
        let library = ["requirements.txt", "stdlib.py", "library", "library.txt"].map(|name| self.folder.join(name));
        self.once("library", &library, &self.library, || self.write_library())?;
        let component = self.work.join(format!("{NAME}.wasm"));
        let sources =
            [requirements, self.folder.join("src"), self.folder.join("wit"), self.wit.clone(), self.folder.join("library")];
        self.once("component", &sources, &component, || self.componentize(&component))?;
        fs::read(&component).with_context(|| format!("cannot read {}", component.display()))
    }

    /// Does it unless `result` is there and was made of the same inputs.
    fn once(&self, name: &str, inputs: &[PathBuf], result: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = self.work.join(format!("{name}.stamp"));
        let now = digest(inputs)?;
        if result.exists() && fs::read_to_string(&stamp).is_ok_and(|then| then == now) {
            return Ok(());
        }
        eprintln!("building the {name} of {NAME}");
        make().with_context(|| format!("the {name} of {NAME}"))?;
        fs::write(&stamp, now).with_context(|| format!("cannot write {}", stamp.display()))
    }

    fn componentize(&self, component: &Path) -> Result<()> {
        let sources = self.copy_of_sources()?;
        let new = component.with_extension("wasm.new");
        let mut tool = self.tool("python-runtime")?;
        tool.arg("componentize").arg(PROGRAM).arg("--output").arg(&new);
        for folder in ["src", "library"] {
            tool.arg("--python-path").arg(sources.join(folder));
        }
        run(&mut tool)?;
        fs::rename(&new, component).with_context(|| format!("cannot write {}", component.display()))
    }

    fn write_library(&self) -> Result<()> {
        let sources = self.copy_of_sources()?;
        let out = self.work.join("out");
        remove(&out)?;
        fs::create_dir_all(&out)?;
        let mut tool = self.tool("library-writer")?;
        tool.args(["componentize", "stdlib", "--output"]).arg(out.join("unused.wasm"));
        tool.arg("--python-path").arg(&sources).arg("--python-path").arg(&out);
        run(&mut tool)?;
        let packages = self.folder.join("library.txt");
        run(pip(&self.environment(), &packages).args(["--no-compile", "--no-deps", "--target"]).arg(out.join("library")))?;
        // In one step, so that nobody finds half a library.
        remove(&self.library)?;
        fs::rename(out.join("library"), &self.library).context("componentize-py has written no library")?;
        remove(&out)
    }

    fn environment(&self) -> PathBuf {
        self.work.join("venv")
    }

    fn copy_of_sources(&self) -> Result<PathBuf> {
        let copy = self.work.join("sources");
        remove(&copy)?;
        for (name, bytes) in files(&self.folder, &self.folder)? {
            let path = copy.join(name);
            fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(copy)
    }

    /// componentize-py for one of the worlds in `wit/python.wit`.
    fn tool(&self, world: &str) -> Result<Command> {
        let environment = self.environment();
        let wanted = fs::read_to_string(self.folder.join("requirements.txt"))?;
        let installed = environment.join("installed.txt");
        if !fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            install(&environment, &self.folder.join("requirements.txt"))?;
            fs::write(&installed, wanted)?;
        }
        let mut tool = Command::new(environment.join("bin/componentize-py"));
        // The tool would search its packages, and print its own stack.
        tool.env_remove("VIRTUAL_ENV").env_remove("RUST_BACKTRACE").arg("--quiet");
        // Each needs those before it.
        let own = self.folder.join("wit");
        for folder in [self.wit.join("edge"), self.wit.join("function"), self.wit.join("runtime"), own] {
            tool.arg("--wit-path").arg(folder);
        }
        tool.arg("--world").arg(format!("edgeward:python/{world}"));
        Ok(tool)
    }
}

fn install(environment: &Path, requirements: &Path) -> Result<()> {
    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let made = Command::new(&python).args(["-m", "venv", "--clear"]).arg(environment).status();
    ensure!(
        made.is_ok_and(|status| status.success()),
        "`{} -m venv` failed, which componentize-py is installed with; install it with: apt-get install python3-venv",
        python.display()
    );
    run(&mut pip(environment, requirements))
}

/// What installs the packages of this file.
fn pip(environment: &Path, requirements: &Path) -> Command {
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    pip
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Of names and contents, not of times: a checkout touches every file.
fn digest(inputs: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        files(input, input.parent().context("an input has a parent")?)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The file, or all files in the folder, by their names below `base`. None if there is no such thing.
fn files(path: &Path, base: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            found.append(&mut files(&entry?.path(), base)?);
        }
    } else if path.is_file() {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        found.insert(path.strip_prefix(base)?.to_owned(), bytes);
    }
    Ok(found)
}
