//! I find out what there is to build: packages of the workspace that are a `cdylib` or, where they name a target, a
//! program; text modules; and the Runtime for Python, whose folder is no package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::python;

const DEFAULT_TARGET: &str = "wasm32-unknown-unknown";

pub struct Guest {
    /// The name of the component.
    pub name: String,
    pub kind: Kind,
    pub source: Source,
}

/// What a component is for, and so the folder in `target` that it belongs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Guest,
    Runtime,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Guest, Kind::Runtime];

    pub fn folder(self) -> &'static str {
        match self {
            Kind::Guest => "components",
            Kind::Runtime => "runtimes",
        }
    }
}

pub enum Source {
    /// `file` is what cargo makes of it, without `.wasm`.
    Package {
        package: String,
        file: String,
        target: String,
    },
    Text(PathBuf),
    /// What `python` builds.
    Python,
}

impl Guest {
    pub fn package_for(&self, wanted: &str) -> Option<&str> {
        match &self.source {
            Source::Package { package, target, .. } if target == wanted => Some(package),
            _ => None,
        }
    }

    pub fn target(&self) -> &str {
        match &self.source {
            Source::Package { target, .. } => target,
            Source::Text(_) => "wat",
            Source::Python => "componentize-py",
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
    #[serde(default)]
    metadata: Option<Tables>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Tables {
    edgeward: Option<Settings>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Settings {
    target: Option<String>,
    component: Option<String>,
    #[serde(default)]
    runtime: bool,
}

/// All guests, by name.
pub fn find(root: &Path) -> Result<Vec<Guest>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.output().context("cannot run `cargo metadata`")?;
    ensure!(output.status.success(), "`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("`cargo metadata`")?;

    let mut guests: Vec<Guest> = metadata.packages.into_iter().filter_map(guest).collect();
    let hostile = root.join("hostile");
    for entry in fs::read_dir(&hostile).with_context(|| format!("cannot read {}", hostile.display()))? {
        let path = entry?.path();
        if let (Some("wat"), Some(name)) = (path.extension().and_then(|x| x.to_str()), path.file_stem()) {
            let name = format!("hostile-{}", name.to_string_lossy());
            guests.push(Guest { name, kind: Kind::Guest, source: Source::Text(path) });
        }
    }
    guests.push(Guest { name: python::NAME.to_owned(), kind: Kind::Runtime, source: Source::Python });
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

fn guest(package: Package) -> Option<Guest> {
    let settings = package.metadata.and_then(|tables| tables.edgeward);
    let of_kind = |kind: &str| package.targets.iter().find(|target| target.crate_types.iter().any(|found| found == kind));
    // A program's file keeps the dashes of its name.
    let program = || of_kind("bin").filter(|_| settings.is_some()).map(|target| target.name.clone());
    let file = of_kind("cdylib").map(|target| target.name.replace('-', "_")).or_else(program)?;
    let settings = settings.unwrap_or_default();
    Some(Guest {
        name: settings.component.unwrap_or_else(|| package.name.clone()),
        kind: if settings.runtime { Kind::Runtime } else { Kind::Guest },
        source: Source::Package {
            file,
            package: package.name,
            target: settings.target.unwrap_or_else(|| DEFAULT_TARGET.to_owned()),
        },
    })
}
