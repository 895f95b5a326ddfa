//! `edgeward deploy` and `edgeward logs`, on a host of their own; what has been deployed is called by boto3.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::api::ApiHost;
use crate::harness::edgeward;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: {Type: String, Default: hello}
Globals:
  Function:
    Runtime: python3.14
    Handler: app.handler
    Environment: {Variables: {GREETING: !Ref Greeting}}
Resources:
  Common:
    Type: AWS::Serverless::LayerVersion
    Properties: {LayerName: common, ContentUri: common, CompatibleRuntimes: [python3.14]}
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello
      AutoPublishAlias: live
      Layers: [!Ref Common]
      Policies:
        - SQSSendMessagePolicy: {QueueName: jobs}
      FunctionUrlConfig: {AuthType: NONE}
  Other:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-second
      CodeUri: other
      Role: !GetAtt Runner.Arn
      Environment: {Variables: {FRONT: !GetAtt HelloUrl.FunctionUrl}}
  Runner:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
Outputs:
  Url: {Value: !GetAtt HelloUrl.FunctionUrl}
  Layer: {Value: !Ref Common}
"#;

const HELLO: &str = "import os, greeting\n\ndef handler(event, context):\n    print('called')\n    return os.environ['GREETING'] + ' ' + greeting.NAME\n";
const OTHER: &str = "import os\n\ndef handler(event, context):\n    return os.environ['FRONT']\n";

/// Everything that a deployment could have changed.
const STATE: &str = r#"
from aws import *
for f in sorted(aws.list_functions()["Functions"], key=lambda f: f["FunctionName"]):
    print(f["FunctionName"], f["RevisionId"], [a["RevisionId"] for a in aws.list_aliases(FunctionName=f["FunctionName"])["Aliases"]])
print([v["Version"] for v in aws.list_layer_versions(LayerName="common")["LayerVersions"]])
print(sorted(r["RoleName"] for r in client("iam").list_roles()["Roles"]))
"#;

struct Project {
    host: ApiHost,
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Project {
        let project = Project { host: ApiHost::start(), folder: tempfile::tempdir().unwrap() };
        project.write("template.yaml", TEMPLATE);
        project.write("hello/app.py", HELLO);
        project.write("other/app.py", OTHER);
        project.write("common/python/greeting.py", "NAME = 'world'\n");
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.host.client(edgeward().get_program());
        command.args(arguments).current_dir(self.folder.path()).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// What a deployment prints.
    #[track_caller]
    fn deploy(&self, more: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(&[&["deploy", "--stack", "shop", "--yes"], more].concat());
        let out = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{out}\n{}", String::from_utf8_lossy(&stderr));
        out
    }
}

/// The lines that tell what was done, without what stands between.
fn done(out: &str, what: &str) -> Vec<String> {
    let lines = out.lines().filter_map(|line| line.strip_prefix(what));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_template_is_deployed_called_and_left_alone_the_second_time() {
    let project = Project::new();
    let looked = project.run(&["deploy", "--stack", "shop"]);
    assert_eq!(looked.status.code(), Some(64), "it asks, and there is nobody");
    assert!(String::from_utf8_lossy(&looked.stderr).contains("nothing was changed: stdin is no terminal to ask; pass `--yes`"));
    assert_eq!(project.host.python(STATE), "[]\n[]");

    let out = project.deploy(&[]);
    let expected = [
        "role shop-HelloRole",
        "role shop-Runner",
        "layer common",
        "function shop-Hello",
        "alias shop-Hello:live",
        "url shop-Hello:live",
        "permission shop-Hello:live shop_HelloUrlPublicPermissions",
        "function shop-second",
    ];
    assert_eq!(done(&out, "created"), expected, "{out}");
    assert!(out.contains("Layer = arn:aws:lambda:us-east-1:123456789012:layer:common:1"), "{out}");
    let called = "
from aws import *
import os, urllib.parse, urllib.request
invoke = lambda name: json.loads(aws.invoke(FunctionName=name, Payload=b'{}')['Payload'].read())
url = invoke('shop-second')
host = urllib.parse.urlsplit(url).netloc
asked = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'] + '/', headers={'Host': host})
got = aws.get_function(FunctionName='shop-Hello')
print(invoke('shop-Hello:live'), urllib.request.urlopen(asked).read().decode(), got['Tags']['edgeward:stack'], got['Configuration']['Role'])
";
    let called = format!("import json{called}");
    let role = "arn:aws:iam::123456789012:role/shop-HelloRole";
    assert_eq!(project.host.python(&called), format!("hello world hello world shop {role}"));

    let before = project.host.python(STATE);
    let out = project.deploy(&[]);
    assert!(out.contains("Nothing to change."), "{out}");
    assert_eq!(project.host.python(STATE), before);

    project.write("other/app.py", &OTHER.replace("os.environ['FRONT']", "'changed'"));
    let out = project.deploy(&[]);
    assert_eq!(done(&out, "updated"), ["function shop-second"], "{out}");
    assert_eq!(done(&out, "created"), [""; 0], "{out}");

    let out = project.deploy(&["--parameter", "Greeting=hi"]);
    assert!(out.contains("Environment.Variables.GREETING: changed"), "{out}");
    assert_eq!(done(&out, "updated"), ["function shop-Hello", "alias shop-Hello:live", "function shop-second"], "{out}");
    project.write("common/python/greeting.py", "NAME = 'moon'\n");
    let out = project.deploy(&["--parameter", "Greeting=hi"]);
    assert_eq!(done(&out, "updated"), ["layer common", "function shop-Hello", "alias shop-Hello:live"], "{out}");
    assert_eq!(
        project.host.python("from aws import *\nprint(aws.invoke(FunctionName='shop-Hello:live')['Payload'].read())"),
        "b'\"hi moon\"'"
    );
}

#[test]
fn a_broken_template_changes_nothing_and_what_is_left_over_is_kept_until_it_is_pruned() {
    let project = Project::new();
    project.deploy(&[]);
    let before = project.host.python(STATE);
    let broken = TEMPLATE
        .replace("CodeUri: other", "CodeUri: nowhere")
        .replace("AutoPublishAlias: live", "AutoPublishAlias: live\n      DeploymentPreference: {Type: Canary10Percent5Minutes}")
        .replace("!GetAtt Runner.Arn", "!GetAtt Runer.Arn");
    project.write("template.yaml", &broken);
    let Output { status, stderr, .. } = project.run(&["deploy", "--stack", "shop", "--yes"]);
    let errors = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(64), "{errors}");
    assert_eq!(errors.matches("error: ").count(), 3, "{errors}");
    for told in ["did you mean `Runner`?", "--> template.yaml:20:7", "`nowhere` cannot be sent"] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(project.host.python(STATE), before);

    let (front, _) = TEMPLATE.split_once("  Other:").unwrap();
    project.write("template.yaml", front);
    let out = project.deploy(&[]);
    assert!(
        out.contains("shop-second is not in the template; --prune deletes it") && out.contains("Nothing to change."),
        "{out}"
    );
    assert_eq!(project.host.python(STATE), before);
    let out = project.deploy(&["--prune"]);
    assert_eq!(done(&out, "deleted"), ["function shop-second", "role shop-Runner"], "{out}");
    assert!(!project.host.python(STATE).contains("shop-second"));

    project.write("template.yaml", &front.replace("AutoPublishAlias", "FunctionName: shop-Hello\n      AutoPublishAlias"));
    let foreign = project.run(&["deploy", "--stack", "another", "--yes"]);
    let errors = String::from_utf8(foreign.stderr).unwrap();
    assert_eq!(foreign.status.code(), Some(1));
    assert!(errors.contains("the function `shop-Hello` belongs to the stack `shop`; give this one another name"), "{errors}");
}

#[test]
fn logs_are_shown_and_filtered() {
    let project = Project::new();
    project.deploy(&[]);
    project.host.python("from aws import *\naws.invoke(FunctionName='shop-Hello', Payload=b'{}')");
    let mut shown = String::new();
    crate::harness::eventually("the log is there", || {
        shown = String::from_utf8(project.run(&["logs", "shop-Hello", "--since", "1h"]).stdout).unwrap();
        shown.contains("REPORT RequestId")
    });
    assert!(shown.contains("START RequestId") && shown.contains(" called"), "{shown}");
    let filtered = String::from_utf8(project.run(&["logs", "shop-Hello", "--filter", "called"]).stdout).unwrap();
    assert_eq!(filtered.lines().count(), 1, "{filtered}");
    let missing = project.run(&["logs", "nobody"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no function `nobody`"));
}
