//! The Debian package: made from this program, installed by dpkg into a folder that stands for a machine, and run as its unit says.
//!
//! What is not there is no reason to pass: a missing tool fails the test with the name of its Debian package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::harness::{Edge, runtimes};

/// How much a service may do that it need not, of 10, as `systemd-analyze security` counts; ours is at 1.8.
const EXPOSURE_MAX: &str = "20";

/// Runs a tool to its end, and gives what it said on both streams, standard output first.
#[track_caller]
fn run(debian: &str, command: &mut Command) -> String {
    let tool = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{tool} does not start ({error}): install the Debian package {debian}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Makes the package by the one command, and gives its path.
fn built(out: &Path) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/build-deb");
    let mut command = Command::new(script);
    command.args(["--binary", env!("CARGO_BIN_EXE_edgeward"), "--runtimes"]).arg(runtimes());
    command.arg("--out").arg(out);
    // What these are by default is the repository's; and a package for a test is not worth an hour of compressing.
    command.env("SOURCE_DATE_EPOCH", "1790000000").env("DEBFULLNAME", "Edgeward").env("DEBEMAIL", "edgeward@example.com");
    command.env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("DPKG_DEB_COMPRESSOR_LEVEL", "1").env_remove("EDGEWARD_LOG");
    run("dpkg-dev", &mut command);
    let made: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    made.into_iter().next().unwrap()
}

/// A folder that stands for a machine on which nothing is installed.
struct Machine(Arc<tempfile::TempDir>);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(Arc::new(tempfile::tempdir().unwrap()));
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "bin"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        fs::write(machine.path("var/lib/dpkg/status"), "").unwrap();
        // What the unit names of other packages.
        fs::copy("/bin/kill", machine.path("bin/kill")).unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Its dependencies are not there, and its scripts run outside: there is no shell inside.
    fn dpkg(&self) -> Command {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("--root").arg(self.0.path());
        dpkg.args(["--force-depends", "--force-script-chrootless", "--force-not-root", "--force-confold"]);
        dpkg
    }

    fn systemd_analyze(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("systemd-analyze");
        command.args(&arguments[..1]).arg("--no-pager").arg(format!("--root={}", self.0.path().display()));
        run("systemd", command.args(&arguments[1..]))
    }

    /// The command that the unit starts, on this machine.
    fn service(&self) -> Command {
        let unit = self.read("/usr/lib/systemd/system/edgeward.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a unit starts something");
        let mut words = line.split(' ').map(|word| if word.starts_with('/') { self.path(word) } else { word.into() });
        let mut command = Command::new(words.next().unwrap());
        command.args(words).env_remove("EDGEWARD_LOG");
        command
    }
}

#[test]
fn the_debian_package_is_installed_serves_is_upgraded_and_leaves_nothing() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let package = built(first.path());
    let again = built(second.path());
    assert!(fs::read(&package).unwrap() == fs::read(&again).unwrap(), "the same program made two packages");
    let control = run("dpkg", Command::new("dpkg-deb").arg("--info").arg(&package));
    assert!(control.contains("Depends: libc6 (>= 2."), "{control}");

    let machine = Machine::new();
    run("dpkg", machine.dpkg().arg("--install").arg(&package));
    assert_eq!(run("dpkg", machine.dpkg().args(["--verify", "edgeward"])), "", "what is there is not what was packed");
    assert!(machine.read("/etc/passwd").contains("edgeward:"), "the service has no user");
    assert!(machine.path("/etc/systemd/system/multi-user.target.wants/edgeward.service").is_symlink(), "not enabled");
    assert!(!machine.path("/etc/systemd/system/sockets.target.wants").exists(), "the socket is for who wants it");

    // What a unit says that systemd does not know is a warning to systemd, and an error here.
    let units = ["verify", "--man=no", "--recursive-errors=no", "edgeward.service", "edgeward.socket"];
    assert_eq!(machine.systemd_analyze(&units), "");
    machine.systemd_analyze(&["security", "--offline=true", "--threshold", EXPOSURE_MAX, "edgeward.service"]);

    the_shell_and_the_manual_know_it(&machine);
    it_runs_sources(&machine);

    // As it is installed it is right; the ports and folder of this test are not those of a machine.
    let configuration = "/etc/edgeward/edge.toml";
    run("edgeward", Command::new(machine.path("/usr/bin/edgeward")).arg("check").arg(machine.path(configuration)));
    let socket = machine.read("/usr/lib/systemd/system/edgeward.socket");
    let text = machine.read(configuration);
    assert!(text.contains("127.0.0.1:8080") && socket.contains("ListenStream=127.0.0.1:8080"), "they are for each other");
    let here = machine.path("/var/lib/edgeward").display().to_string();
    let text = text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9090", "127.0.0.1:0");
    let text = text.replace("/var/lib/edgeward", &here);
    fs::write(machine.path(configuration), &text).unwrap();

    let mut edge = Edge::run_as_it_is(machine.service(), machine.0.clone(), "access.log");
    let answer = edge.get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Edgeward runs"), "{}", answer.text());
    edge.signal("TERM");
    assert!(edge.ended().success());
    drop(edge);

    run("dpkg", machine.dpkg().arg("--install").arg(&again));
    assert_eq!(machine.read(configuration), text, "an upgrade takes nobody's configuration");
    let edge = Edge::run_as_it_is(machine.service(), machine.0.clone(), "access.log");
    assert_eq!(edge.get("/").status, 200);
    drop(edge);

    run("dpkg", machine.dpkg().args(["--remove", "edgeward"]));
    assert!(!machine.path("/usr/bin/edgeward").exists());
    assert!(machine.path(configuration).exists() && machine.path("/var/lib/edgeward").exists(), "removed is not purged");
    run("dpkg", machine.dpkg().args(["--purge", "edgeward"]));
    for path in ["/etc/edgeward", "/etc/systemd", "/usr", "/var/lib/edgeward", "/var/lib/systemd"] {
        let left = run(
            "findutils",
            Command::new("find").arg(machine.0.path()).args(["-path", &format!("*{path}/*"), "-not", "-type", "d"]),
        );
        assert_eq!(left, "", "left in {path}");
    }
}

/// With the Runtimes that are installed beside the program.
fn it_runs_sources(machine: &Machine) {
    for (file, source, command, runtime, expected) in [
        ("f.js", "function handler(event) { return event.request; }", "inspect", "cloudfront-js-2.0", "viewer-request hook"),
        ("f.mjs", "export const handler = async () => 'from Node';", "invoke", "nodejs24.x", "\"from Node\""),
        (
            "f.py",
            "def lambda_handler(event, context):\n    import decimal\n    return 'from Python'",
            "invoke",
            "python3.14",
            "\"from Python\"",
        ),
    ] {
        let path = machine.path(file);
        fs::write(&path, source).unwrap();
        let mut program = Command::new(machine.path("/usr/bin/edgeward"));
        program.arg(command).arg(path).args(["--runtime", runtime]).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        let shown = run("edgeward", program.env_remove("EDGEWARD_RUNTIMES"));
        assert!(shown.contains(expected), "{shown}");
    }
}

fn the_shell_and_the_manual_know_it(machine: &Machine) {
    let completions = machine.path("/usr/share/bash-completion/completions/edgeward");
    let known = run("bash", Command::new("bash").args(["-c", "set -e; . \"$0\"; complete -p edgeward"]).arg(completions));
    assert!(known.contains("edgeward"), "{known}");
    for path in ["/usr/share/zsh/vendor-completions/_edgeward", "/usr/share/fish/vendor_completions.d/edgeward.fish"] {
        assert!(machine.read(path).contains("serve"), "{path}");
    }
    let page = run("gzip", Command::new("gzip").arg("-dc").arg(machine.path("/usr/share/man/man1/edgeward.1.gz")));
    assert!(page.contains(".TH") && page.contains("serve"), "{page}");
    let licences = run("gzip", Command::new("gzip").arg("-dc").arg(machine.path("/usr/share/doc/edgeward/third-party.gz")));
    assert!(licences.contains("wasmtime 48") && licences.contains("Permission is hereby granted"), "the notices of others");
    assert!(licences.contains("wasm-rquickjs 0.4"), "of what is in the Runtimes");
}

#[test]
fn the_container_takes_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("packaging/Containerfile")).unwrap();
    let mut taken = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from")) {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with("--")).collect();
        taken.extend_from_slice(&words[..words.len() - 1]);
    }
    assert!(taken.contains(&"host"), "{taken:?}");
    // Whatever is not let in by name stays outside, such as gigabytes of build results.
    let let_in = fs::read_to_string(root.join("packaging/Containerfile.dockerignore")).unwrap();
    for path in taken {
        assert!(root.join(path).exists(), "{path} is not there");
        let inside = |line: &str| line.strip_prefix('!').is_some_and(|folder| Path::new(path).starts_with(folder));
        assert!(let_in.lines().any(inside), "{path} is kept out");
    }
}
