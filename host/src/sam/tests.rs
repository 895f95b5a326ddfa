//! Templates as text, and what is made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod properties;
mod refusals;

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// `Stage` has a value.
fn plan_of(text: &str) -> Result<StackPlan, TemplateErrors> {
    let parameters = BTreeMap::from([("Stage".to_owned(), "prod".to_owned())]);
    let parameters = if text.contains("Stage") { parameters } else { BTreeMap::new() };
    let account = Account::default();
    let template = SamTemplate {
        file: "t.yaml",
        text,
        folder: Path::new("/nonexistent"),
        stack: "shop",
        account: &account,
        parameters: &parameters,
    };
    read(&template)
}

/// Parameters, mappings and conditions, a layer that is there, functions, and an output.
fn with_output(value: &str) -> String {
    format!(
        "Parameters:
  Stage: {{Type: String, AllowedValues: [dev, prod]}}
  Zones: {{Type: CommaDelimitedList, Default: 'a, b,c'}}
  Size: {{Type: Number, Default: 3}}
Mappings:
  Names: {{dev: {{Table: t-dev, List: [x, y]}}, prod: {{Table: t-prod, List: [x, z]}}}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: {{'Fn::Not': [{{Condition: IsProd}}]}}
  Both: !And [!Condition IsProd, !Or [!Condition IsDev, !Equals ['3', !Ref Size]]]
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: python3.14, Handler: index.h, InlineCode: 'x', AutoPublishAlias: live, FunctionUrlConfig: {{AuthType: AWS_IAM}}}}
  G:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: nodejs24.x, Handler: index.h, InlineCode: 'x', FunctionName: !Sub 'g-${{Stage}}', Role: !GetAtt R.Arn}}
  R:
    Type: AWS::IAM::Role
    Properties: {{RoleName: runs, Path: /a/, AssumeRolePolicyDocument: {{Statement: {{Effect: Allow, Action: 'sts:AssumeRole'}}}}}}
Outputs:
  O: {{Value: {value}}}
"
    )
}

#[test]
fn intrinsic_functions_in_both_forms() {
    for (value, expected) in [
        ("!Ref Stage", "prod"),
        ("{Ref: Stage}", "prod"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "shop"),
        ("!Sub '${AWS::Partition} ${AWS::URLSuffix}'", "aws amazonaws.com"),
        ("!Ref F", "shop-F"),
        ("!Ref G", "g-prod"),
        ("!Ref R", "runs"),
        ("!Ref FRole", "shop-FRole"),
        ("!Ref F.Alias", "arn:aws:lambda:us-east-1:123456789012:function:shop-F:live"),
        ("!Ref FAliaslive", "arn:aws:lambda:us-east-1:123456789012:function:shop-F:live"),
        ("!Ref F.Version", "<version:shop-F>"),
        ("!GetAtt F.Arn", "arn:aws:lambda:us-east-1:123456789012:function:shop-F"),
        ("!GetAtt [R, Arn]", "arn:aws:iam::123456789012:role/a/runs"),
        ("{'Fn::GetAtt': [FRole, Arn]}", "arn:aws:iam::123456789012:role/shop-FRole"),
        ("!GetAtt FUrl.FunctionUrl", "<url:shop-F:live>"),
        ("!Sub 'at ${FUrl.FunctionUrl}x'", "at <url:shop-F:live>x"),
        ("!Sub '${Stage}-${!Stage}-${G.Arn}'", "prod-${Stage}-arn:aws:lambda:us-east-1:123456789012:function:g-prod"),
        ("!Sub ['${A}/${Stage}', {A: !Join [':', [x, !Ref Stage]]}]", "x:prod/prod"),
        ("{'Fn::Sub': 'a$b'}", "a$b"),
        ("!Join ['-', !Ref Zones]", "a-b-c"),
        ("!Join ['', []]", "''"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['2', !Split [',', 'x,y,z']]", "z"),
        ("!Join ['+', !Split [', ', 'x, y']]", "x+y"),
        ("!If [IsProd, yes, no]", "yes"),
        ("!If [IsDev, yes, !If [Both, both, one]]", "both"),
        ("!FindInMap [Names, !Ref Stage, Table]", "t-prod"),
        ("!Select [1, !FindInMap [Names, dev, List]]", "y"),
        ("2012-10-17", "2012-10-17"),
        ("0123", "0123"),
        ("!Join ['', [a, !Ref AWS::NoValue, b]]", "ab"),
    ] {
        let plan = plan_of(&with_output(value)).unwrap_or_else(|errors| panic!("{value}\n{errors}"));
        let shown = plan.outputs[0].value.as_str().unwrap().split('\0').enumerate();
        let shown: String =
            shown.map(|(index, part)| if index % 2 == 1 { format!("<{part}>") } else { part.to_owned() }).collect();
        assert_eq!(shown, expected.trim_matches('\''), "{value}");
    }
}

#[test]
fn what_is_known_only_later_is_put_in_when_it_is_known() {
    let plan = plan_of(&with_output("!Sub '${F.Version} ${FUrl.FunctionUrl}'")).unwrap();
    let known = Known::from([("\0url:shop-F:live\0".to_owned(), "http://x/".to_owned())]);
    assert_eq!(later_told(&plan.outputs[0].value, &known), json!("\0version:shop-F\0 http://x/"));
    assert!(is_open(&later_told(&plan.outputs[0].value, &known)));
}

/// What is planned, a line for each member that is set.
fn shown(plan: &StackPlan) -> String {
    let mut text = String::new();
    for thing in &plan.things {
        let _ = writeln!(text, "{}", thing.key);
        let is_set = |value: &Value| !matches!(value, Value::Null) && *value != "" && *value != json!([]) && *value != json!({});
        for (member, value) in thing.members.iter().filter(|(member, value)| is_set(value) && **member != "Version") {
            // The bytes of an archive are those of the compressor.
            let value = if *member == "CodeSha256" { "…".to_owned() } else { value.to_string() };
            let _ = writeln!(text, "    {member}: {value}");
        }
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "{warning}");
    }
    text
}

fn check(text: &str, expected: Expect) {
    match plan_of(text) {
        Ok(plan) => expected.assert_eq(&shown(&plan)),
        Err(errors) => expected.assert_eq(&errors.to_string()),
    }
}

#[test]
fn a_function_has_its_role_its_alias_and_the_defaults_of_the_api() {
    check(
        "Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Timeout: 5, Tags: {team: fruit}, Environment: {Variables: {A: '1', B: '2'}}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.14
      Handler: index.handler
      InlineCode: |
        def handler(event, context): return 1
      Environment: {Variables: {B: 3, DB_PASSWORD: hunter2, TOKEN_ARN: 'arn:x'}}
      Policies:
        - AWSLambdaSQSQueueExecutionRole
        - DynamoDBReadPolicy: {TableName: !Ref AWS::StackName}
      DeadLetterQueue: {Type: SQS, TargetArn: 'arn:aws:sqs:us-east-1:123456789012:dead'}
      AutoPublishAlias: live
      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}
",
        expect![[r#"
            role         shop-HelloRole
                AssumeRolePolicyDocument: {"Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com"]}}],"Version":"2012-10-17"}
                ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole","arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]
                MaxSessionDuration: 3600
                Path: "/"
                Policies: {"DeadLetterQueuePolicy":{"Statement":[{"Action":"sqs:SendMessage","Effect":"Allow","Resource":"arn:aws:sqs:us-east-1:123456789012:dead"}],"Version":"2012-10-17"},"HelloRolePolicy1":{"Statement":[{"Action":["dynamodb:GetItem","dynamodb:Scan","dynamodb:Query","dynamodb:BatchGetItem","dynamodb:DescribeTable"],"Effect":"Allow","Resource":["arn:aws:dynamodb:us-east-1:123456789012:table/shop","arn:aws:dynamodb:us-east-1:123456789012:table/shop/index/*"]}],"Version":"2012-10-17"}}
                Tags: {"edgeward:resource":"HelloRole","edgeward:stack":"shop"}
            function     shop-Hello
                Architectures: ["x86_64"]
                CodeSha256: …
                DeadLetterConfig: {"TargetArn":"arn:aws:sqs:us-east-1:123456789012:dead"}
                Environment: {"Variables":{"A":"1","B":"3","DB_PASSWORD":"hunter2","TOKEN_ARN":"arn:x"}}
                EphemeralStorage: {"Size":512}
                Handler: "index.handler"
                LoggingConfig: {"LogFormat":"Text","LogGroup":"/aws/lambda/shop-Hello"}
                MemorySize: 128
                Role: "arn:aws:iam::123456789012:role/shop-HelloRole"
                Runtime: "python3.14"
                Tags: {"edgeward:resource":"Hello","edgeward:stack":"shop","team":"fruit"}
                Timeout: 5
                TracingConfig: {"Mode":"PassThrough"}
            alias        shop-Hello:live
            provisioned  shop-Hello:live
                ProvisionedConcurrentExecutions: 2
            warning: `DB_PASSWORD` of function `Hello` looks like a secret, and stands there in plain text; keep it in Secrets Manager, and say `{{resolve:secretsmanager:NAME}}` (t.yaml:12:39)
        "#]],
    );
}

#[test]
fn json_is_read_as_yaml_is_also_with_tabs() {
    let text = format!(
        "{{\n\t\"Resources\": {{\n\t\t\"F\": {{\n\t\t\t\"Type\": \"AWS::Serverless::Function\",\n\t\t\t\"Properties\": {{\"Runtime\": \"nodejs24.x\", \"Handler\": \"index.h\", \"InlineCode\": {{\"Fn::Join\": [\"\\n\", [\"a\", \"b\\u00e9\"]]}}, \"Role\": \"{ROLE}\", \"Timeout\": 30,\n\"Events\": {{\"E\": {{\"Type\": \"Api\", \"Properties\": {{\"Path\": \"/a\", \"Method\": \"GET\"}}}}}}}}\n\t\t}}\n\t}},\n\t\"Outputs\": {{\"Api\": {{\"Value\": {{\"Fn::Sub\": \"https://${{ServerlessRestApi}}.execute-api/\"}}}}}}\n}}"
    );
    let plan = plan_of(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let warnings: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
    expect![[r#"
        warning: the timeout of function `F` is 30 s, and API Gateway waits for 29 s; the client would be told of an error while the function goes on: let it take less, or call it asynchronously (t.yaml:6:12)
        warning: event `E`: the edge sends events of format 2.0, as `HttpApi` has them, and not those of `Api` (t.yaml:6:26)
        warning: output `Api` is left out: it is the address of an API, and the edge serves the events of APIs (t.yaml:9:14)"#]]
    .assert_eq(&warnings.join("\n"));
    assert!(plan.edge.contains("origin = \"shop-F\""), "{}", plan.edge);
}

#[test]
fn aliases_are_copied_and_merged_and_resources_without_their_condition_are_not_there() {
    let text = format!(
        "Conditions: {{No: !Equals [a, b]}}
Metadata:
  all: &all {{Runtime: python3.14, Handler: index.h, InlineCode: x, Role: '{ROLE}', Timeout: 9}}
Resources:
  A: {{Type: AWS::Serverless::Function, Properties: *all}}
  B: {{Type: AWS::Serverless::Function, Properties: {{<<: *all, Timeout: 4, Layers: !If [No, [x], !Ref AWS::NoValue]}}}}
  C: {{Type: AWS::Serverless::Function, Condition: No, Properties: {{Anything: 1}}}}
"
    );
    let plan = plan_of(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let timeouts: Vec<&Value> = plan.things.iter().map(|thing| &thing.members["Timeout"]).collect();
    assert_eq!(timeouts, [&json!(9), &json!(4)]);
}

#[test]
fn a_function_that_needs_the_url_of_another_comes_after_it() {
    let function = |name: &str, needs: &str| {
        format!(
            "  {name}: {{Type: AWS::Serverless::Function, Properties: {{Runtime: python3.14, Handler: i.h, InlineCode: x, Role: '{ROLE}', FunctionUrlConfig: {{AuthType: AWS_IAM}}, Environment: {{Variables: {{U: !GetAtt {needs}Url.FunctionUrl}}}}}}}}\n"
        )
    };
    let plan = plan_of(&format!("Resources:\n{}{}", function("A", "B"), function("B", "B"))).unwrap();
    let order: Vec<String> = plan
        .things
        .iter()
        .filter(|thing| matches!(thing.key, ThingKey::Function(_)))
        .map(|thing| thing.key.to_string())
        .collect();
    assert_eq!(order, ["function     shop-B", "function     shop-A"]);
    let errors = plan_of(&format!("Resources:\n{}{}", function("A", "B"), function("B", "A"))).unwrap_err();
    assert_eq!(errors.errors[0].message, "functions need each other's URLs or versions: shop-A, shop-B");
}

#[test]
fn secrets_of_parameters_are_in_no_message() {
    let text = "Parameters: {Stage: {Type: String, NoEcho: true, MaxLength: 2}}\nResources: {}\n";
    let errors = plan_of(text).unwrap_err().to_string();
    assert!(errors.contains("`****` is not allowed for `Stage`") && !errors.contains("prod"), "{errors}");
}
