//! A real application behind the edge, used with a real browser: see `tests/applications/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Django and what drives Chromium, in their pinned versions.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let (folder, wanted) = (root.join("target/applications"), root.join("tests/applications/requirements.txt"));
    let python = folder.join("bin/python");
    let installed = folder.join("installed.txt");
    if std::fs::read(&installed).ok() != std::fs::read(&wanted).ok() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted));
        std::fs::copy(&wanted, &installed).unwrap();
    }
    python
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let ran = command.output().expect("Python 3 is installed: see the README");
    let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?}\n{out}{error}");
    out.into_owned()
}

#[test]
fn people_use_a_django_through_the_edge_as_they_would_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("chain.pem"), issued.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), issued.signing_key.serialize_pem()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/applications/run.py");
    let out = run(Command::new(python()).arg(script).arg(env!("CARGO_BIN_EXE_edgeward")).arg(folder.path()));
    assert_eq!(out.trim(), "passed");
}
