//! The AWS APIs, used by AWS's own clients: boto3, and the command line in both of its versions.
//!
//! Each story in `api/` is a program of its own in Python, with a host of its own; it prints `ok` after each of its steps.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::OnceLock;

use crate::harness::{edgeward, eventually, resident_bytes};

/// What a client needs of a host that serves the APIs, of these alone or of sites, too.
pub(crate) struct ApiClient {
    address: String,
    keys: [String; 2],
}

impl ApiClient {
    /// Of what a host has logged and printed at its first start. `None` if the API does not listen yet.
    pub(crate) fn of(log: &str, printed: &str) -> Option<ApiClient> {
        let address = address_in(log)?;
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| {
            let line = printed.lines().find_map(|line| line.trim().strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("no {name} in {printed}")).to_owned()
        });
        Some(ApiClient { address, keys })
    }

    /// With what AWS's clients read from their environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.address));
        command.env("AWS_ACCESS_KEY_ID", &self.keys[0]).env("AWS_SECRET_ACCESS_KEY", &self.keys[1]);
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_MAX_ATTEMPTS", "1").env_remove("AWS_PROFILE");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    }

    /// Runs a story; returns the steps that it has done.
    #[track_caller]
    pub(crate) fn story(&self, name: &str, folder: &Path) -> usize {
        let script = stories().join(format!("story_{name}.py"));
        let mut python = self.command(tools().join("aws/bin/python"));
        steps(python.env("EDGEWARD_TEST_FOLDER", folder).arg("-B").arg(script).output().unwrap())
    }

    /// What boto3 says to a few lines of Python in which `aws` is a client of Lambda.
    #[track_caller]
    pub(crate) fn python(&self, lines: &str) -> String {
        let python = self.command(tools().join("aws/bin/python")).env("PYTHONPATH", stories()).args(["-B", "-c", lines]).output();
        let Output { status, stdout, stderr } = python.unwrap();
        assert!(status.success(), "{lines}\n{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }
}

/// Where the API listens, as its host has logged it.
fn address_in(log: &str) -> Option<String> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let line = lines.find(|line| line["message"] == "serving the AWS APIs")?;
    Some(line["address"].as_str()?.to_owned())
}

/// A host that serves the APIs and nothing else; killed when dropped.
pub(crate) struct ApiHost {
    child: Child,
    folder: tempfile::TempDir,
    log: File,
    client: ApiClient,
}

impl ApiHost {
    #[track_caller]
    pub(crate) fn start() -> ApiHost {
        ApiHost::start_in(prepared(), None)
    }

    /// With more of a configuration than where it listens.
    #[track_caller]
    pub(crate) fn start_with(sections: &str) -> ApiHost {
        let folder = prepared();
        // With one thread, calls one after another find the same environment.
        let server = "[server]\napi = \"127.0.0.1:0\"\ndata_dir = \"data\"\nworkers = 1\n";
        fs::write(folder.path().join("edge.toml"), format!("{server}{sections}")).unwrap();
        ApiHost::start_in(folder, None)
    }

    /// `keys` are those that an earlier host in this folder has printed.
    #[track_caller]
    fn start_in(folder: tempfile::TempDir, keys: Option<[String; 2]>) -> ApiHost {
        let log = tempfile::tempfile().unwrap();
        let out = File::create(folder.path().join("out")).unwrap();
        let mut command = edgeward();
        for name in ["buckets", "hot"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        command.args(["serve", "--log", "json"]);
        match folder.path().join("edge.toml").exists() {
            true => command.arg("edge.toml"),
            false => command.args([
                "--api",
                "127.0.0.1:0",
                "--data-dir",
                "data",
                "--api-buckets",
                "buckets",
                "--api-hot-reload",
                "hot",
                "--movable-clock",
            ]),
        };
        command.current_dir(folder.path()).stdout(out).stderr(log.try_clone().unwrap());
        let mut child = command.spawn().expect("the program starts");
        let mut address = None;
        eventually("the API listens", || {
            let log = text_of(&log);
            assert!(child.try_wait().unwrap().is_none(), "the host has ended:\n{log}");
            address = address_in(&log);
            address.is_some()
        });
        let client = match (address, keys) {
            (Some(address), Some(keys)) => ApiClient { address, keys },
            _ => ApiClient::of(&text_of(&log), &fs::read_to_string(folder.path().join("out")).unwrap()).unwrap(),
        };
        ApiHost { child, folder, log, client }
    }

    pub(crate) fn address(&self) -> &str {
        &self.client.address
    }

    /// Where the API is served over TLS.
    fn secure_port(&self) -> String {
        let log = text_of(&self.log);
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let line = lines.find(|line| line["message"] == "serving the AWS APIs over TLS").expect("it is served over TLS");
        line["address"].as_str().and_then(|address| address.rsplit(':').next()).unwrap().to_owned()
    }

    pub(crate) fn client(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.client.command(program)
    }

    #[track_caller]
    fn story(&self, name: &str) -> usize {
        self.client.story(name, self.folder.path())
    }

    #[track_caller]
    pub(crate) fn python(&self, lines: &str) -> String {
        self.client.python(lines)
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        resident_bytes(&self.child)
    }

    /// Kills the host as a power cut would, and starts another in its place.
    #[track_caller]
    fn killed(mut self) -> ApiHost {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        ApiHost::start_in(folder, Some(self.client.keys.clone()))
    }
}

impl Drop for ApiHost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with what is compiled already.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    seed_compiled(&folder.path().join("data/aot"));
    folder
}

fn text_of(file: &File) -> String {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    let read = file.read_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn stories() -> PathBuf {
    repository().join("tests/e2e/api")
}

fn tools() -> PathBuf {
    let tools = repository().join("target/tools");
    assert!(tools.join("aws/bin/python").exists(), "`tests/tools` installs the clients of AWS");
    tools
}

/// The Runtimes, compiled once for all hosts of these tests.
pub(crate) fn seed_compiled(folder: &Path) {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let sources = tempfile::tempdir().unwrap();
        for (runtime, file, text) in [
            ("python3.14", "f.py", "def lambda_handler(event, context):\n    return 1\n"),
            ("nodejs24.x", "f.js", "exports.handler = async () => 1;\n"),
        ] {
            let file = sources.path().join(file);
            fs::write(&file, text).unwrap();
            let ran = edgeward().args(["invoke", "--runtime", runtime]).arg(&file).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        }
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("edgeward/aot")
    });
    fs::create_dir_all(folder).unwrap();
    for entry in fs::read_dir(compiled).unwrap() {
        let path = entry.unwrap().path();
        // Another test may just have replaced it.
        let _ = fs::copy(&path, folder.join(path.file_name().unwrap()));
    }
}

#[track_caller]
fn steps(Output { status, stdout, stderr }: Output) -> usize {
    let out = String::from_utf8_lossy(&stdout);
    assert!(status.success(), "{out}\n{}", String::from_utf8_lossy(&stderr));
    out.lines().filter(|line| line.starts_with("ok ")).count()
}

macro_rules! stories {
    ($($test:ident: $story:literal, $least:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let done = ApiHost::start().story($story);
                assert!(done >= $least, "{done} steps");
            }
        )*
    };
}

stories! {
    functions_are_made_called_changed_and_deleted: "functions", 28;
    versions_and_aliases_lead_where_they_say: "versions", 19;
    concurrency_is_reserved_and_provisioned: "concurrency", 15;
    what_is_wrong_is_refused_in_lambdas_words: "errors", 24;
    resource_policies_are_kept: "permissions", 8;
    layers_are_published_and_used: "layers", 14;
    environments_begin_end_and_keep_their_files: "lifecycle", 11;
    replies_leave_while_functions_run: "streaming", 13;
    layers_are_shared_by_their_policies: "layer_permissions", 7;
    functions_have_a_mode_of_runtime_updates: "runtime_management", 4;
    environments_refer_to_secrets_and_parameters: "references", 6;
    code_is_read_from_buckets_and_reloaded_from_folders: "buckets", 8;
    logs_are_lines_of_json_where_it_is_asked_for: "log_format", 5;
    functions_have_tags: "tags", 8;
    functions_have_urls: "urls", 8;
    asynchronous_calls_are_configured: "events", 7;
    events_are_called_until_they_are_over: "asynchronous", 11;
    who_calls_must_prove_it: "identity", 8;
    policies_decide_what_who_may_do: "iam", 20;
    secrets_are_kept: "secrets", 15;
    parameters_are_kept: "parameters", 12;
    events_are_matched_by_rules: "eventbridge", 11;
    tables_are_kept: "tables", 20;
    logs_are_found_again: "logs", 12;
    the_table_of_operations_is_true: "model", 2;
    the_sdk_and_powertools_run_in_functions: "sdk", 6;
}

const VPCS: &str = r#"
[[vpc.main.subnet]]
id = "subnet-local"
cidrs = ["127.0.0.0/8", "169.254.0.0/16"]
[[vpc.main.subnet]]
id = "subnet-web"
nat = true
[[vpc.main.security_group]]
id = "sg-any"
egress = [{ protocol = "all", cidrs = ["0.0.0.0/0", "::/0"] }]
[[vpc.main.security_group]]
id = "sg-https"
egress = [{ protocol = "tcp", ports = "443", cidrs = ["0.0.0.0/0"] }]
[[vpc.other.subnet]]
id = "subnet-other"
cidrs = ["10.0.0.0/8"]
[[vpc.other.security_group]]
id = "sg-other"
"#;

#[test]
fn functions_reach_what_their_subnets_and_security_groups_permit() {
    let done = ApiHost::start_with(VPCS).story("vpc");
    assert!(done >= 10, "{done} steps");
}

const SECURE: &str = r#"
import json, urllib.request
from aws import *
create("greeter", python("def lambda_handler(event, context):\n    return event['headers']['x-forwarded-proto']"))
url = aws.create_function_url_config(FunctionName="greeter", AuthType="NONE")["FunctionUrl"]
archive = aws.get_function(FunctionName="greeter")["Code"]["Location"]
for at in [url, archive]:
    assert at.startswith("https://") and aws.meta.endpoint_url.rsplit(":")[-1] in at, at
called = json.loads(aws.invoke(FunctionName="greeter", Payload=b'{"headers": {"x-forwarded-proto": "asked"}}')["Payload"].read())
assert called == "asked", called

iam = client("iam")
iam.create_user(UserName="careful")
iam.put_user_policy(UserName="careful", PolicyName="secure", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "lambda:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}))
key = iam.create_access_key(UserName="careful")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"#;

const LIST: &str = "from aws import *\nprint(aws.list_functions()['Functions'][0]['FunctionName'])";

/// A certificate for `localhost`, and that of its authority.
fn issue_for_localhost(folder: &Path) -> PathBuf {
    let (authority_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // Else the two have one name, as of a certificate that has signed itself.
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let bundle = folder.join("ca.pem");
    fs::write(&bundle, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let mut own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    own.use_authority_key_identifier_extension = true;
    let own = own.signed_by(&key, &rcgen::Issuer::new(authority, authority_key)).unwrap();
    fs::write(folder.join("chain.pem"), own.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    bundle
}

#[test]
fn the_apis_are_served_over_tls_with_the_certificates_of_the_sites() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = issue_for_localhost(folder.path());
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name).display().to_string());
    let host = ApiHost::start_with(&format!(
        "api_https = \"127.0.0.1:0\"\n[[server.certificate]]\nchain = \"{chain}\"\nkey = \"{key}\"\n"
    ));
    let secure = format!("https://localhost:{}", host.secure_port());
    let run = |command: &mut Command| {
        let ran = command.output().unwrap();
        let told = [&ran.stdout[..], &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        (ran.status.success(), told.join(""))
    };
    let python = |endpoint: &str, lines: &str| {
        let mut python = host.client(tools().join("aws/bin/python"));
        python.env("AWS_ENDPOINT_URL", endpoint).env("PYTHONPATH", stories()).args(["-B", "-c", lines]);
        python
    };
    let (done, keys) = run(python(&secure, SECURE).env("AWS_CA_BUNDLE", &bundle));
    assert!(done, "{keys}");
    let (id, secret) = keys.split_once(' ').unwrap();
    let careful = |endpoint: &str| {
        let mut python = python(endpoint, LIST);
        python.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_CA_BUNDLE", &bundle);
        python
    };
    assert_eq!(run(&mut careful(&secure)), (true, "greeter".to_owned()));
    let (done, told) = run(&mut careful(&format!("http://{}", host.address())));
    assert!(!done && told.contains("AccessDeniedException"), "in clear text: {told}");
    let (done, told) = run(&mut python(&secure, LIST));
    assert!(!done && told.contains("CERTIFICATE_VERIFY_FAILED"), "without the authority: {told}");

    let doctor = || {
        let mut doctor = host.client(edgeward().get_program());
        doctor.env("AWS_ENDPOINT_URL", &secure).arg("doctor");
        doctor
    };
    let (_, told) = run(doctor().env("AWS_CA_BUNDLE", &bundle));
    assert!(told.contains(&format!("1 function at {secure}")), "{told}");
    assert!(!run(&mut doctor()).0);
    let (done, told) = run(doctor().env("AWS_CA_BUNDLE", folder.path().join("none")));
    assert!(!done && told.contains("cannot read AWS_CA_BUNDLE"), "{told}");
}

#[test]
fn the_command_line_does_what_the_primer_shows_in_both_of_its_versions() {
    let host = ApiHost::start();
    let second = if version("/usr/bin/aws").starts_with("aws-cli/2.") { "/usr/bin/aws" } else { "aws" };
    for cli in [PathBuf::from(second), tools().join("aws/bin/aws")] {
        let done = steps(host.client("sh").env("AWS", &cli).arg(stories().join("primer.sh")).output().unwrap());
        assert!(done >= 40, "{done} steps of {}", cli.display());
    }
}

fn version(cli: &str) -> String {
    let ran = Command::new(cli).arg("--version").output();
    ran.map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned()).unwrap_or_default()
}

const MAKE: &str = r#"
from aws import *
create("kept", python("def lambda_handler(event, context):\n    return event"), Environment={"Variables": {"FRUIT": "apple"}})
aws.publish_version(FunctionName="kept")
aws.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
aws.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=7)
"#;

const LOOK: &str = r#"
from aws import *
kept = aws.get_function(FunctionName="kept", Qualifier="live")["Configuration"]
answer = aws.invoke(FunctionName="kept:live", Payload=b'"x"')
print(kept["Version"], kept["Environment"], kept["State"], answer["Payload"].read(), answer["ExecutedVersion"],
      aws.get_function_concurrency(FunctionName="kept")["ReservedConcurrentExecutions"])
"#;

#[test]
fn what_was_answered_survives_the_end_of_the_process() {
    let host = ApiHost::start();
    host.python(MAKE);
    let before = host.python(LOOK);
    assert_eq!(before, r#"1 {'Variables': {'FRUIT': 'apple'}} Active b'"x"' 1 7"#);
    let host = host.killed();
    assert_eq!(host.python(LOOK), before);
    host.python("from aws import *\naws.delete_function(FunctionName='kept')");
    let host = host.killed();
    assert_eq!(host.python("from aws import *\nprint(aws.list_functions()['Functions'])"), "[]");
    let code = fs::read_dir(host.folder.path().join("data/code")).map_or(0, Iterator::count);
    assert_eq!(code, 0, "the code went with its function");
}

/// A function that takes its time, one call at a time, and tells a bucket of each.
const WORK: &str = r#"
import json
from aws import *
iam = client("iam")
allow = lambda **more: json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **more}]})
trust = allow(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
iam.put_role_policy(RoleName="worker", PolicyName="put", PolicyDocument=allow(Action="s3:PutObject", Resource="*"))
code = "import time\ndef lambda_handler(event, context):\n    time.sleep(0.02)\n    return event\n"
create("slow", python(code), Role=role)
aws.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=1)
aws.put_function_event_invoke_config(FunctionName="slow", DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::over"}})
"#;

/// Sends events until it is killed; prints the id of each that was accepted.
const SEND: &str = r#"
from aws import *
for n in range(10_000):
    answer = aws.invoke(FunctionName="slow", InvocationType="Event", Payload=b"1")
    print(answer["ResponseMetadata"]["RequestId"], flush=True)
"#;

/// The records in a folder, by the event that they are of.
fn records(folder: &Path, found: &mut std::collections::BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            records(&path, found);
        } else if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            let record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            *found.entry(record["requestContext"]["requestId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
}

#[test]
fn no_event_that_was_accepted_is_lost_by_a_kill() {
    let mut host = ApiHost::start();
    let over = host.folder.path().join("buckets/over");
    fs::create_dir(&over).unwrap();
    host.python(WORK);
    let mut accepted = std::collections::BTreeSet::new();
    for round in 0..4 {
        let mut sender = host.client(tools().join("aws/bin/python"));
        let out = host.folder.path().join(format!("sent-{round}"));
        sender.env("PYTHONPATH", stories()).args(["-B", "-c", SEND]);
        let mut sender = sender.stdout(File::create(&out).unwrap()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let sent = || fs::read_to_string(&out).unwrap_or_default();
        eventually("events are accepted", || sent().lines().count() >= 10 + 5 * round);
        host = host.killed();
        sender.kill().unwrap();
        sender.wait().unwrap();
        // The last line may be cut off.
        let text = sent();
        accepted.extend(text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| line.trim().to_owned()));
    }
    let mut found = std::collections::BTreeMap::new();
    eventually("all are over", || {
        found.clear();
        records(&over, &mut found);
        accepted.iter().all(|id| found.contains_key(id))
    });
    let again = found.values().filter(|times| **times > 1).count();
    assert!(again <= 4 * 65, "only what was under way is called or told again: {again}");
    eventually("nothing waits", || {
        let listed = host.client(edgeward().get_program()).args(["queue", "list"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout) == "nothing waits\n"
    });
}

#[test]
fn the_clock_of_events_stands_unless_it_may_be_moved() {
    let host = ApiHost::start_with("");
    let moved = host.client(edgeward().get_program()).args(["queue", "advance", "1h"]).output().unwrap();
    assert_eq!(moved.status.code(), Some(1));
    let told = String::from_utf8_lossy(&moved.stderr).into_owned();
    assert!(told.contains("`--movable-clock`"), "{told}");
}

/// Changes functions until it is killed, and says what it was answered.
const CHURN: &str = r#"
import sys
from aws import *
code = [python(f"def lambda_handler(event, context):\n    return {n}") for n in range(3)]
for n in range(10_000):
    name = f"f{n % 5}"
    try:
        if n % 7 == 6:
            aws.delete_function(FunctionName=name)
            print(name, "gone", flush=True)
        else:
            aws.create_function(**request(name, code[n % 3], Description=str(n)))
            print(name, n, flush=True)
    except aws.exceptions.ResourceConflictException:
        pass
    except aws.exceptions.ResourceNotFoundException:
        pass
"#;

#[test]
fn a_kill_at_any_moment_leaves_the_state_before_or_after() {
    let mut host = ApiHost::start();
    for round in 0..5 {
        let mut churn = host.client(tools().join("aws/bin/python"));
        churn.env("PYTHONPATH", stories()).args(["-B", "-c", CHURN]);
        let out = host.folder.path().join(format!("churn-{round}"));
        let mut churn = churn.stdout(File::create(&out).unwrap()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let said = || fs::read_to_string(&out).unwrap_or_default();
        eventually("the functions change", || said().lines().count() >= 8 + 5 * round);
        host = host.killed();
        churn.kill().unwrap();
        churn.wait().unwrap();
        let listed = host
            .python("from aws import *\nfor f in aws.list_functions()['Functions']: print(f['FunctionName'], f['Description'])");
        // The last change may have been made without an answer: all others stand as they were answered.
        let text = said();
        let answers: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        let mut standing = std::collections::BTreeMap::new();
        for (name, state) in &answers {
            match *state {
                "gone" => drop(standing.remove(name)),
                number => drop(standing.insert(*name, number)),
            }
        }
        let found: std::collections::BTreeMap<&str, &str> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
        let differing = (0..5).map(|n| format!("f{n}")).filter(|name| {
            let name = name.as_str();
            found.get(name) != standing.get(name)
        });
        assert!(differing.count() <= 1, "answered {standing:?}, found {found:?}");
        for name in found.keys() {
            host.python(&format!("from aws import *\nassert 'FunctionError' not in aws.invoke(FunctionName='{name}')"));
            host.python(&format!("from aws import *\naws.delete_function(FunctionName='{name}')"));
        }
    }
}
