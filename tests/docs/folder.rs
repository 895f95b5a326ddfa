//! A folder in which the commands of a document run: the repository's files, the program on the PATH, and
//! ports that nobody else has.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::components::components;
use crate::root;

const PATIENCE: Duration = Duration::from_secs(60);
/// The ports that documents use; each folder has others instead.
const PORTS: [&str; 7] = ["8080", "8081", "8082", "8083", "8443", "9000", "9090"];
/// What a host prints once, and AWS's clients read from their environment.
const KEYS: &str = "printed-keys";

/// See the module. What was started in it ends with it.
pub struct Folder {
    folder: tempfile::TempDir,
    ports: Vec<(&'static str, String)>,
    started: Vec<Child>,
}

/// What became of a command.
#[derive(Debug)]
pub enum Ran {
    /// It goes on, and is ready.
    Started,
    /// Standard output and error, in this order.
    Ended { success: bool, output: String },
}

impl Folder {
    pub fn new() -> Folder {
        // All are bound at once, so that they differ.
        let sockets = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = PORTS.iter().zip(&sockets).map(|(port, socket)| (*port, socket.local_addr().unwrap().port().to_string()));
        let folder = Folder { folder: tempfile::tempdir().unwrap(), ports: ports.collect(), started: Vec::new() };
        for name in ["README.md", "bench", "docs", "tests", "wit"] {
            folder.link(&root().join(name), name);
        }
        folder.link(components().parent().and_then(Path::parent).expect("guests"), "guests");
        folder.link(components(), "hooks");
        for name in ["edge.toml", "event.json", "origin.py", "private.toml"] {
            folder.write(&format!("demo/{name}"), &fs::read_to_string(root().join("demo").join(name)).unwrap());
        }
        // What the examples of docs/configuration.md refer to.
        let certificate = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
        folder.write("tls/chain.pem", &certificate.cert.pem());
        folder.write("tls/key.pem", &certificate.signing_key.serialize_pem());
        folder.write("keys/signer.pem", include_str!("../e2e/signed/rsa.pem"));
        folder.write("secrets.json", r#"{"jwt:default": "secret"}"#);
        folder.write("rewrite.js", "function handler(event) { return event.request; }\n");
        folder.write("www/index.html", "hello\n");
        folder.write("event.json", "{}\n");
        let mut orders = zip::ZipWriter::new(fs::File::create(folder.folder.path().join("orders.zip")).unwrap());
        for (name, handler) in [("lambda_function.py", "lambda_handler"), ("app/orders.py", "handler")] {
            orders.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            write!(orders, "def {handler}(event, context):\n    return event\n").unwrap();
        }
        orders.finish().unwrap();
        let mut layer = zip::ZipWriter::new(fs::File::create(folder.folder.path().join("shared.zip")).unwrap());
        layer.start_file("python/shared.py", zip::write::SimpleFileOptions::default()).unwrap();
        layer.finish().unwrap();
        folder.write("libraries/python/library.py", "");
        folder.write("secrets/token", "s3cret\n");
        // What docs/lambda.md shows, and the command line of AWS: Debian's does not read the variable for the endpoint.
        folder.write("lambda_function.py", "def lambda_handler(event, context):\n    return event\n");
        folder.write("bin/aws", "#!/bin/sh\nexec /usr/bin/aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"\n");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.folder.path().join("bin/aws"), executable).unwrap();
        folder.write("sites/blog.toml", "[[site]]\nname = \"blog\"\nhosts = [\"blog.example.com\"]\norigin = \"app\"\n");
        folder
    }

    /// Writes a file, with this folder's ports.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.with_ports(text)).unwrap();
    }

    /// Runs a command; one that ends in `&`, or serves, is waited for only until it is ready.
    pub fn run(&mut self, command: &str) -> Ran {
        if command.starts_with("edgeward serve") {
            self.serve(command);
            return Ran::Started;
        }
        if let Some(command) = command.strip_suffix('&') {
            let command = self.with_ports(command);
            self.started.push(self.shell(&format!("exec {command}")).stdout(Stdio::null()).spawn().unwrap());
            let ports = self.ports.iter().filter(|(_, port)| command.contains(port.as_str()));
            ports.for_each(|(_, port)| wait_for(port));
            return Ran::Started;
        }
        self.ran(command)
    }

    /// Runs a command to its end.
    pub fn ran(&self, command: &str) -> Ran {
        let output = self.shell(&self.with_ports(command)).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Ran::Ended { success: output.status.success(), output: self.without_ports(&String::from_utf8_lossy(&text)) }
    }

    fn serve(&mut self, command: &str) {
        let mut shell = self.shell(&format!("exec {} --log json", self.with_ports(command)));
        let keys = fs::File::create(self.folder.path().join(KEYS)).unwrap();
        let mut child = shell.stdout(keys).stderr(Stdio::piped()).spawn().unwrap();
        // The last of what is listened on.
        let last = if command.contains(" --api ") { "serving the AWS APIs" } else { "serving the admin port" };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        self.started.push(child);
        let mut log = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else { panic!("`{command}` does not serve:\n{log}") };
            log.push_str(&line);
            if line.contains(last) {
                break;
            }
        }
        // Whoever does not read the log in the end stops the program that writes it.
        std::thread::spawn(move || lines.for_each(drop));
    }

    fn shell(&self, command: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_edgeward")).parent().unwrap();
        let path = std::env::join_paths(
            [self.folder.path().join("bin"), program.to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env("PATH", path.unwrap()).env_remove("EDGEWARD_LOG").process_group(0);
        shell.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        let keys = fs::read_to_string(self.folder.path().join(KEYS)).unwrap_or_default();
        let keys = keys.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='));
        let endpoint = self.with_ports("http://127.0.0.1:9000");
        shell.envs(keys).env("AWS_ENDPOINT_URL", endpoint).env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_PAGER", "");
        shell
    }

    fn with_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (from, to)| replace_number(&text, from, to))
    }

    fn without_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (from, to)| replace_number(&text, to, from))
    }

    fn link(&self, to: &Path, name: &str) {
        std::os::unix::fs::symlink(to, self.folder.path().join(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for child in &mut self.started {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Replaces a number where it is not part of a longer one.
fn replace_number(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let whole = !replaced.ends_with(|c: char| c.is_ascii_digit()) && !part.starts_with(|c: char| c.is_ascii_digit());
        replaced.push_str(if whole { to } else { from });
        replaced.push_str(part);
    }
    replaced
}

fn wait_for(port: &str) {
    let start = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(start.elapsed() < PATIENCE, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
