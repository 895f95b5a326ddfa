//! What is not known here is refused by name, at its place.

use super::*;

fn function(properties: &str) -> String {
    format!(
        "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.14\n      Handler: i.h\n      InlineCode: x\n      Role: {ROLE}\n      {properties}\n"
    )
}

/// Line, column and message of each error.
fn places(text: &str) -> Vec<String> {
    let errors = plan_of(text).err().map(|errors| errors.errors).unwrap_or_default();
    errors.iter().map(|error| format!("{}:{} {}", error.place.line, error.place.column, error.message)).collect()
}

#[test]
fn of_a_function() {
    for (properties, expected) in [
        ("DeploymentPreference: {Type: Linear}", "9:7 `DeploymentPreference` of function `F` is not supported here"),
        ("ImageUri: x", "9:7 `ImageUri` of function `F` is not supported here"),
        ("Tiemout: 3", "9:7 `Tiemout` of function `F` is not supported here"),
        ("PackageType: Image", "9:20 `Image` is not allowed for `PackageType`"),
        ("Timeout: 0", "9:16 `0` is not allowed for `Timeout`"),
        ("Timeout: [1]", "9:16 `Timeout` of function `F` is a list"),
        ("MemorySize: 20000", "9:19 `20000` is not allowed for `MemorySize`"),
        ("Policies: AWSLambdaRole", "9:7 `Policies` of `F` is for a role of its own, and it names a `Role`"),
        (
            "ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}",
            "9:7 `ProvisionedConcurrencyConfig` of `F` needs `AutoPublishAlias`",
        ),
        ("AutoPublishAlias: '12'", "9:25 `12` cannot be the name of an alias"),
        ("CodeUri: y", "9:7 function `F` has `CodeUri` and `InlineCode`"),
        ("Events: {E: {Type: SQS}}", "9:26 `SQS` events are not there yet: this host has no queues as sources of events"),
        ("Events: {E: {Type: Schedule}}", "9:26 `Schedule` events are not there yet: this host has no schedules"),
        ("Events: {E: {Type: Htp}}", "9:26 there are no events of type `Htp`"),
        ("Events: {E: {Type: HttpApi, Properties: {ApiId: !Ref X}}}", "9:55 `X` is no parameter and no resource"),
        (
            "Events: {E: {Type: HttpApi, Properties: {Auth: {}}}}",
            "9:48 `Auth` of `Properties` of event `E` is not supported here",
        ),
        ("Events: {E: {Type: Api, Properties: {Path: x, Method: get}}}", "9:50 the path `x` is none"),
        ("Layers: [a, b]", "9:7 `a` is no version of a layer"),
        ("FunctionUrlConfig: {}", "9:7 `FunctionUrlConfig` of function `F` has no `AuthType`"),
        ("FunctionUrlConfig: {AuthType: SOME}", "9:37 `SOME` is not allowed for `AuthType`"),
        ("DeadLetterQueue: {Type: SQS}", "9:7 `DeadLetterQueue` of function `F` has no `TargetArn`"),
        ("LoggingConfig: {ApplicationLogLevel: INFO}", "9:7 levels are for `LogFormat: JSON`"),
        ("Description: '{{resolve:ssm:x}}'", "9:20 dynamic references (`{{resolve:…}}`) are not resolved here"),
        ("Description: !ImportValue x", "9:20 `Fn::ImportValue` is not there: stacks export nothing here"),
        ("Description: !Base64 x", "9:20 `Fn::Base64` is not known here"),
        ("Description: !Equals [a, b]", "9:20 `Fn::Equals` stands only in `Conditions`"),
        ("Description: !Ref None", "9:20 `None` is no parameter and no resource"),
        ("Description: !GetAtt F.Name", "9:20 `F` has no attribute `Name`"),
        ("Description: !Sub 'a${b'", "9:20 a `${` is not closed"),
        ("Description: !Select [7, [a]]", "9:20 there is no element 7: the list has 1"),
        ("Description: !Join [x]", "9:20 `Fn::Join` takes a list of 2"),
        ("Description: !If [Never, a, b]", "9:25 there is no condition `Never`"),
        ("Description: !FindInMap [M, a, b]", "9:32 there is no `M` in `Mappings`"),
        ("Description: {'Fn::Sub': a, b: c}", "9:21 `Fn::Sub` has other keys beside it"),
        ("Description: !!binary aGk=", "9:20 the tag `tag:yaml.org,2002:binary` has no meaning here"),
        ("Description: \"a\\0b\"", "9:20 a text has no NUL character here"),
        ("Tags: {'edgeward:stack': x}", "3:1 "),
        ("Timeout: 3\n      Timeout: 4", "10:7 `Timeout` is there twice, first in line 9"),
    ] {
        let found = places(&function(properties));
        // The places of blocks are those of their resources.
        let expected =
            if expected == "3:1 " { "2:3 the tag `edgeward:stack` of `F` is not the template's to set" } else { expected };
        assert!(found.iter().any(|error| error == expected), "{properties}: {found:#?}");
    }
}

#[test]
fn of_a_template() {
    for (text, expected) in [
        ("", "1:1 the template is empty"),
        ("a: [", "1:5 this is not YAML"),
        ("[]", "1:1 the template is a list"),
        ("Foo: 1\nResources: {}", "1:1 `Foo` of the template is not supported here"),
        ("Rules: {}\nResources: {}", "1:1 `Rules` of the template is not supported here"),
        ("AWSTemplateFormatVersion: 2020-01-01\nResources: {}", "1:27 there is no version `2020-01-01` of templates"),
        (
            "Transform: AWS::LanguageExtensions\nResources: {}",
            "1:12 the transform `AWS::LanguageExtensions` is not supported here",
        ),
        ("Globals: {Api: {Cors: x}}\nResources: {}", "1:11 `Api` of `Globals` is not supported here"),
        ("Globals: {Function: {FunctionName: x}}\nResources: {}", "1:22 `FunctionName` cannot be global"),
        ("Resources:\n  T: {Type: AWS::Serverless::SimpleTable}", "2:13 `AWS::Serverless::SimpleTable` is not supported here"),
        ("Resources:\n  T: {Type: AWS::SQS::Queue}", "2:13 `AWS::SQS::Queue` is not supported here"),
        ("Resources:\n  T: {Type: AWS::S3::Bucket}", "2:13 `AWS::S3::Bucket` is not supported here"),
        ("Resources:\n  T: {}", "2:3 resource `T` has no `Type`"),
        ("Resources:\n  T-1: {Type: AWS::IAM::Role}", "2:3 `T-1` cannot be the name of a resource"),
        ("Resources:\n  L: {Type: AWS::Serverless::LayerVersion}", "2:3 layer `L` has no `ContentUri`"),
        (
            "Resources:\n  L: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: s3://b/k}}",
            "2:69 `s3://b/k` is not fetched",
        ),
        (
            "Resources:\n  L: {Type: AWS::Serverless::LayerVersion, DeletionPolicy: Retain}",
            "2:60 `DeletionPolicy: Retain` is not supported here",
        ),
        ("Resources:\n  R: {Type: AWS::IAM::Role}", "2:3 role `R` has no `AssumeRolePolicyDocument`"),
        ("Resources:\n  P: {Type: AWS::Lambda::Permission, Properties: {Action: a}}", "2:3 permission `P` has no `Principal`"),
        ("Parameters: {P: {Type: String}}\nResources: {}", "1:14 the parameter `P` has no value and no default"),
        (
            "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: x}}\nResources: {}",
            "1:24 the type `AWS::SSM::Parameter::Value<String>` asks AWS, which is not there",
        ),
        ("Parameters: {Stage: {Type: String, AllowedValues: [a]}}\nResources: {}", "1:14 `prod` is not allowed for `Stage`"),
        ("# Stage\nResources: {}", "1:1 `--parameter Stage=…`: the template has no parameter `Stage`"),
        ("Conditions: {A: !Condition B, B: !Condition A}\nResources: {}", "1:34 the condition `A` depends on itself"),
        ("Conditions: {A: !Ref B}\nResources: {}", "1:17 `Ref` is no condition"),
        ("Conditions: {A: x}\nResources: {}", "1:17 a condition is a text"),
        ("Resources: {}\nOutputs: {O: {Description: x}}", "2:11 output `O` has no `Value`"),
        ("Resources: {}\nOutputs: {O: {Value: [a]}}", "2:22 output `O` is a list"),
        ("Resources: {}\n---\nResources: {}", "2:1 a template is one document"),
        ("a: &a [*a]\nResources: {}", "1:8 this alias stands within what it repeats"),
    ] {
        let found = places(text);
        assert!(found.iter().any(|error| error.starts_with(expected)), "{text}: {found:#?}");
    }
}

#[test]
fn all_errors_are_told_at_once_each_with_its_line_and_its_remedy() {
    check(
        "Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.14
      Handler: app.handler
      CodeUri: missing/
      Role: !GetAtt Rôle.Arn
  T:
    Type: AWS::Serverless::SimpleTable
",
        expect![[r"
            error: `missing/` cannot be sent: No such file or directory (os error 2)
             --> t.yaml:7:16
              |
            7 |       CodeUri: missing/
              |                ^^^^^^^^ `CodeUri` is a folder or a zip archive

            error: `Rôle` is no parameter and no resource
             --> t.yaml:8:13
              |
            8 |       Role: !GetAtt Rôle.Arn
              |             ^^^^^^^^^^^^^^^^ known here: `F`, `T`, `AWS::Region`, `AWS::AccountId`, `AWS::StackName`, `AWS::Partition`, `AWS::URLSuffix`, `AWS::NoValue`

            error: `AWS::Serverless::SimpleTable` is not supported here
              --> t.yaml:10:11
               |
            10 |     Type: AWS::Serverless::SimpleTable
               |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ make the table with `aws dynamodb create-table`, and name it in the environment"]],
    );
}

#[test]
fn what_grows_without_end_is_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        let _ = writeln!(text, "a{n}: &a{n} [{}]", before.trim_end_matches(", "));
    }
    assert!(places(&text)[0].contains("values"), "{:?}", places(&text));
    let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(places(&deep)[0].contains("within each other") || places(&deep)[0].contains("YAML"), "{:?}", places(&deep));
    let mut text = "Resources: {}\nConditions:\n  C0: !Equals [a, a]\n".to_owned();
    for n in 1..100 {
        let _ = writeln!(text, "  C{n}: !And [!Condition C{}, !Condition C{}]", n - 1, n - 1);
    }
    assert_eq!(places(&text), [""; 0], "each is looked at once");
}
