//! `edgeward doctor`: on a host, beside a configuration, in a template.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::api::ApiHost;
use crate::harness::edgeward;

/// A function for each trap, one for none of them, and roles for two.
const FUNCTIONS: &str = r#"
from aws import *
import json

trust = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
client("iam").create_role(RoleName="lambda", AssumeRolePolicyDocument=trust)
code = python("def lambda_handler(event, context): pass")
create("fine", code, Timeout=5, Environment={"Variables": {"TOKEN_ARN": "arn:aws:secretsmanager:x", "STAGE": "prod"}})
create("slow", code, Timeout=60)
create("plain", code, Environment={"Variables": {"DB_PASSWORD": "hunter2", "DSN": "postgres://shop:hunter2@db/shop"}})
create("lost", code)
create("off", code)
create("open", code)
create("homeless", code, Role=ROLE.replace("role/lambda", "role/nobody"))
aws.add_permission(FunctionName="slow", StatementId="gateway", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
aws.add_permission(FunctionName="lost", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                   SourceArn="arn:aws:s3:::orders")
aws.put_function_concurrency(FunctionName="off", ReservedConcurrentExecutions=0)
aws.add_permission(FunctionName="open", StatementId="all", Action="lambda:InvokeFunction", Principal="*")
print(aws.create_function_url_config(FunctionName="open", AuthType="NONE")["FunctionUrl"])
"#;

/// The exit code, and what was printed.
fn doctor(mut command: Command, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.arg("doctor").args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8_lossy(&stderr))
}

/// Trap and function of each finding.
fn traps(printed: &str) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    told["findings"].as_array().unwrap().iter().map(|found| (text(&found["trap"]), text(&found["function"]))).collect()
}

#[test]
fn the_traps_of_a_hosts_functions_are_told() {
    let host = ApiHost::start();
    let client = || host.client(edgeward().get_program());
    let (code, empty) = doctor(client(), &[]);
    assert_eq!(code, Some(0), "{empty}");
    assert!(empty.starts_with("0 functions at http://127.0.0.1:") && empty.contains("0 warnings, 0 notes"), "{empty}");

    let url = host.python(FUNCTIONS);
    let (code, printed) = doctor(client(), &["--json"]);
    assert_eq!(code, Some(1), "{printed}");
    let mut found = traps(&printed);
    found.sort();
    let expected = [
        ("concurrency", "-"),
        ("concurrency", "off"),
        ("lost-events", "lost"),
        ("open", "open"),
        ("open", "open"),
        ("role", "homeless"),
        ("secret", "plain"),
        ("secret", "plain"),
        ("timeout", "slow"),
    ];
    assert_eq!(found, expected.map(|(trap, function)| (trap.to_owned(), function.to_owned())));

    let (_, text) = doctor(client(), &[]);
    for told in [
        "warning: the timeout of function `slow` is 60 s, and API Gateway waits for 29 s\n",
        "warning: `DB_PASSWORD` of function `plain` looks like a secret, and stands there in plain text\n         keep it in Secrets Manager",
        "warning: the statement `all` of the policy of function `open` lets everybody call it\n",
        &format!("note: whoever reaches {url} can call function `open`: its URL asks for no signature\n"),
        "note: there is no role `nobody`, which function `homeless` has\n",
        "note: 6 functions reserve no concurrency, and share 1000 of the account's 1000\n",
        "7 functions at http://127.0.0.1:",
        ": 5 warnings, 4 notes\n",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    assert!(!text.contains("hunter2"), "a secret is not repeated: {text}");
}

/// A user who may list functions, and read their concurrency; prints the keys.
const READER: &str = r#"
from aws import *
import json
iam = client("iam")
iam.create_user(UserName="reader")
may = ["lambda:ListFunctions", "lambda:ListAliases", "lambda:GetFunctionConcurrency", "lambda:ListProvisionedConcurrencyConfigs"]
iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": may, "Resource": "*"}]}))
key = iam.create_access_key(UserName="reader")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"#;

#[test]
fn what_may_not_be_looked_at_is_told_and_the_rest_is_looked_at() {
    let host = ApiHost::start();
    host.python(FUNCTIONS);
    let keys = host.python(READER);
    let (id, secret) = keys.split_once(' ').unwrap();
    let reader = || {
        let mut command = host.client(edgeward().get_program());
        command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        command
    };
    let (code, printed) = doctor(reader(), &["--json"]);
    assert_eq!(code, Some(1), "{printed}");
    let mut found = traps(&printed);
    found.sort();
    let unseen = ["GetAccountSettings", "GetPolicy", "GetRole", "ListFunctionEventInvokeConfigs", "ListFunctionUrlConfigs"];
    let mut expected = vec![("concurrency", "off"), ("secret", "plain"), ("secret", "plain")];
    expected.extend(unseen.map(|_| ("unseen", "-")));
    assert_eq!(found, expected.into_iter().map(|(trap, function)| (trap.to_owned(), function.to_owned())).collect::<Vec<_>>());
    let (_, text) = doctor(reader(), &[]);
    for told in [
        "warning: 7 functions could not be looked at for what GetPolicy tells: it was refused\n         look with keys whose user may do `lambda:GetPolicy`\n",
        "warning: 7 functions could not be looked at for what GetRole tells: it was refused\n         look with keys whose user may do `iam:GetRole`\n",
        "warning: the host could not be looked at for what GetAccountSettings tells",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

#[test]
fn an_origin_that_waits_for_less_than_its_function_takes_is_told_of() {
    let host = ApiHost::start();
    let url = host.python(FUNCTIONS).trim_end_matches('/').to_owned();
    host.python("from aws import *\naws.update_function_configuration(FunctionName='open', Timeout=30)");
    let folder = tempfile::tempdir().unwrap();
    let write = |wait: &str| {
        let api = host.address();
        let text = format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\napi = \"{api}\"\n\n[origin.open]\nurl = \"{url}\"\n{wait}\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"open\"\n"
        );
        fs::write(folder.path().join("edge.toml"), text).unwrap();
    };
    let told = "the timeout of function `open` is 30 s, and the origin `open` in front of it waits for 30 s";
    let look = || {
        let mut command = host.client(edgeward().get_program());
        // The file says where the functions are.
        command.env_remove("AWS_ENDPOINT_URL").current_dir(folder.path());
        doctor(command, &["edge.toml"]).1
    };
    write("");
    let printed = look();
    assert!(printed.contains(told), "{printed}");
    write("read_timeout_s = 31");
    let printed = look();
    assert!(!printed.contains(told) && printed.contains("edge.toml, 7 functions at"), "{printed}");
}

#[test]
fn a_template_is_looked_at_without_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let template = "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.14\n      Handler: app.handler\n      InlineCode: x\n      Timeout: 30\n      Environment: {Variables: {API_KEY: abc}}\n      Events: {E: {Type: HttpApi, Properties: {Path: /a, Method: get}}}\n";
    fs::write(folder.path().join("template.yaml"), template).unwrap();
    let looked = |arguments: &[&str]| {
        let mut command = edgeward();
        command.current_dir(folder.path());
        doctor(command, &[&["template.yaml", "--stack", "shop"], arguments].concat())
    };
    let (code, printed) = looked(&[]);
    assert_eq!(code, Some(1), "{printed}");
    for told in [
        "`API_KEY` of function `F` looks like a secret",
        "(template.yaml:9:",
        "API Gateway waits for 29 s",
        "template.yaml: 2 warnings, 0 notes",
    ] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
    let found = traps(&looked(&["--json"]).1);
    assert_eq!(found.iter().map(|(trap, _)| trap.as_str()).collect::<Vec<_>>(), ["secret", "timeout"], "each has a name");
    fs::write(folder.path().join("template.yaml"), template.replace("Timeout: 30", "Timeout: 5").replace("API_KEY", "STAGE"))
        .unwrap();
    assert_eq!(looked(&[]), (Some(0), "template.yaml: 0 warnings, 0 notes\n".to_owned()));
    fs::write(folder.path().join("template.yaml"), template.replace("Timeout: 30", "Timeout: never")).unwrap();
    let (code, printed) = looked(&["--json"]);
    assert_eq!(code, Some(64), "{printed}");
    assert!(printed.contains("--> template.yaml:8:"), "{printed}");
}
