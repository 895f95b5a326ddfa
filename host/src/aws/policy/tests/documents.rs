//! What is read and printed, and what is refused with which place.

use super::super::document::Version;
use super::super::error::PolicyFault;
use super::*;
use crate::limits::policy::{STATEMENTS_MAX, TEXT_BYTES_MAX, VALUES_MAX};

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

#[test]
fn a_policy_prints_in_the_order_of_aws() {
    for (kind, text, printed) in [
        (
            PolicyKind::Trust,
            TRUST,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
        ),
        (
            PolicyKind::Resource,
            r#"{"Id": "default", "Statement": {"Condition": {"ArnLike": {"AWS:SourceArn": ["arn:aws:s3:::b"]}}, "Resource": ["arn:aws:lambda:us-east-1:123456789012:function:f"],
                "Action": ["lambda:InvokeFunction"], "Principal": {"Service": "s3.amazonaws.com", "AWS": "123456789012"}, "Effect": "Allow", "Sid": "s-1"}}"#,
            r#"{"Version":"2008-10-17","Id":"default","Statement":[{"Sid":"s-1","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root","Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}]}"#,
        ),
        (
            PolicyKind::Identity,
            r#"{"Statement": [{"Sid": "", "Effect": "Deny", "NotAction": ["a:b", "c:*"], "NotResource": "*", "Condition": {"Null": {"k": [true, "false"]}, "NumericEqualsIfExists": {"k": 5}}}]}"#,
            r#"{"Version":"2008-10-17","Statement":[{"Effect":"Deny","NotAction":["a:b","c:*"],"NotResource":"*","Condition":{"Null":{"k":["true","false"]},"NumericEqualsIfExists":{"k":"5"}}}]}"#,
        ),
    ] {
        let document = parsed(text, kind);
        assert_eq!(document.to_string(), printed);
        assert_eq!(parsed(printed, kind), document);
    }
}

fn refused(text: &str, kind: PolicyKind) -> PolicyError {
    match PolicyDocument::parse(text, kind) {
        Ok(_) => panic!("not refused: {text}"),
        Err(error) => error,
    }
}

#[test]
fn errors_of_identity_policies_name_their_place() {
    // Each is a policy's second statement.
    for (members, place, aws) in [
        (r#""Effect": "allow", "Action": "*", "Resource": "*""#, "Statement[1].Effect", "Syntax errors in policy."),
        (r#""Action": "*", "Resource": "*""#, "Statement[1]", "Syntax errors in policy."),
        (r#""Effect": "Allow", "Resource": "*""#, "Statement[1]", "Policy statement must contain actions."),
        (r#""Effect": "Allow", "Action": "*""#, "Statement[1]", "Policy statement must contain resources."),
        (r#""Effect": "Allow", "Action": [], "Resource": "*""#, "Statement[1].Action", "Syntax errors in policy."),
        (r#""Effect": "Allow", "Action": "*", "NotAction": "a:b", "Resource": "*""#, "Statement[1]", "Syntax errors in policy."),
        (r#""Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*""#, "Statement[1]", "Syntax errors in policy."),
        (r#""Effect": "Allow", "Action": ["a:b", 5], "Resource": "*""#, "Statement[1].Action[1]", "Syntax errors in policy."),
        (
            r#""Effect": "Allow", "Action": ["a:b", "Invoke"], "Resource": "*""#,
            "Statement[1].Action[1]",
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            r#""Effect": "Allow", "Action": "a:b:c", "Resource": "*""#,
            "Statement[1].Action[0]",
            "Actions/Condition can contain only one colon.",
        ),
        (r#""Effect": "Allow", "Action": "a b:c", "Resource": "*""#, "Statement[1].Action[0]", "Vendor a b is not valid"),
        (r#""Effect": "Allow", "Action": ":c", "Resource": "*""#, "Statement[1].Action[0]", "Vendor  is not valid"),
        (r#""Effect": "Allow", "Action": "a:", "Resource": "*""#, "Statement[1].Action[0]", "Syntax errors in policy."),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "f""#,
            "Statement[1].Resource[0]",
            r#"Resource f must be in ARN format or "*"."#,
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "arn:aws:*""#,
            "Statement[1].Resource[0]",
            r#"Resource arn:aws:* must be in ARN format or "*"."#,
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${x""#,
            "Statement[1].Resource[0]",
            "Syntax errors in policy.",
        ),
        (r#""Effect": "Allow", "Action": "*", "Resource": null"#, "Statement[1].Resource[0]", "Syntax errors in policy."),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*""#,
            "Statement[1]",
            "Policy document should not specify a principal.",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Sid": "a-b""#,
            "Statement[1].Sid",
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Sid": "one""#,
            "Statement[1].Sid",
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Resources": "*""#,
            "Statement[1].Resources",
            "Syntax errors in policy.",
        ),
        (
            r#""Effect": "Allow", "Effect": "Allow", "Action": "*", "Resource": "*""#,
            "Statement[1].Effect",
            "Syntax errors in policy.",
        ),
    ] {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "one", "Effect": "Deny", "Action": "x:y", "Resource": "*"}}, {{{members}}}]}}"#
        );
        let error = refused(&text, PolicyKind::Identity);
        assert_eq!(
            (error.place.as_str(), error.aws_message().as_str(), error.code()),
            (place, aws, "MalformedPolicyDocument"),
            "{members}"
        );
    }
}

#[test]
fn errors_of_conditions_name_their_place() {
    for (condition, place) in [
        ("5", "Statement.Condition"),
        (r#"{"stringequals": {"k": "v"}}"#, "Statement.Condition.stringequals"),
        (r#"{"NullIfExists": {"k": "true"}}"#, "Statement.Condition.NullIfExists"),
        (r#"{"ForAllValues:Null": {"k": "true"}}"#, "Statement.Condition.ForAllValues:Null"),
        (r#"{"StringLike": "k"}"#, "Statement.Condition.StringLike"),
        (r#"{"StringLike": {"k": []}}"#, "Statement.Condition.StringLike.k"),
        (r#"{"StringLike": {"k": ["a", {}]}}"#, "Statement.Condition.StringLike.k[1]"),
        (r#"{"StringLike": {"k": ["a", "${"]}}"#, "Statement.Condition.StringLike.k[1]"),
        (r#"{"StringLike": {"k": "a", "k": "b"}}"#, "Statement.Condition.StringLike.k"),
        (r#"{"StringLike": {"k": "a", "K": "b"}}"#, "Statement.Condition.StringLike.K"),
        (r#"{"StringLike": {"": "a"}}"#, "Statement.Condition.StringLike."),
        (r#"{"StringLike": {"k": "a"}, "StringLike": {"l": "b"}}"#, "Statement.Condition.StringLike"),
        (r#"{"NumericEquals": {"k": "x"}}"#, "Statement.Condition.NumericEquals.k[0]"),
        (r#"{"NumericEquals": {"k": "${x}"}}"#, "Statement.Condition.NumericEquals.k[0]"),
        (r#"{"DateEquals": {"k": "tomorrow"}}"#, "Statement.Condition.DateEquals.k[0]"),
        (r#"{"Bool": {"k": "yes"}}"#, "Statement.Condition.Bool.k[0]"),
        (r#"{"Null": {"k": "yes"}}"#, "Statement.Condition.Null.k[0]"),
        (r#"{"IpAddress": {"k": "10.0.0.0/99"}}"#, "Statement.Condition.IpAddress.k[0]"),
        (r#"{"BinaryEquals": {"k": "a"}}"#, "Statement.Condition.BinaryEquals.k[0]"),
    ] {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Deny", "Action": "x:y", "Resource": "*", "Condition": {condition}}}}}"#
        );
        assert_eq!(refused(&text, PolicyKind::Identity).place, place, "{condition}");
    }
}

#[test]
fn errors_of_whole_policies() {
    for (text, place) in [
        ("", "policy"),
        ("[]", "policy"),
        (r#"{"Version": "2012-10-17"}"#, "Statement"),
        (r#"{"Version": "2012-10-17", "Statement": []}"#, "Statement"),
        (r#"{"Version": "2012-10-17", "Statement": "x"}"#, "Statement"),
        (r#"{"Version": "2012-10-17", "Statement": ["x"]}"#, "Statement[0]"),
        (r#"{"Version": "2013-10-17", "Statement": []}"#, "Version"),
        (r#"{"Version": 2012, "Statement": []}"#, "Version"),
        (r#"{"Id": [], "Statement": []}"#, "Id"),
        (r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}, "Extra": 1}"#, "Extra"),
        (r#"{"Statement": [], "Statement": []}"#, "Statement"),
        (r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]} x"#, "policy"),
    ] {
        assert_eq!(refused(text, PolicyKind::Identity).place, place, "{text}");
    }
    let deep = "[".repeat(5_000);
    assert_eq!(refused(&deep, PolicyKind::Identity).place, "policy");
}

#[test]
fn errors_of_principals() {
    let (resource, trust) = (PolicyKind::Resource, PolicyKind::Trust);
    for (kind, members, place) in [
        (resource, r#""Effect": "Allow", "Action": "*""#, "Statement"),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": "ann""#, "Statement.Principal"),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": {}"#, "Statement.Principal"),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": {"aws": "*"}"#, "Statement.Principal.aws"),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": {"AWS": []}"#, "Statement.Principal.AWS"),
        (
            resource,
            r#""Effect": "Allow", "Action": "*", "Principal": {"AWS": ["*", "12345678901"]}"#,
            "Statement.Principal.AWS[1]",
        ),
        (
            resource,
            r#""Effect": "Allow", "Action": "*", "Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}"#,
            "Statement.Principal.AWS[0]",
        ),
        (
            resource,
            r#""Effect": "Allow", "Action": "*", "Principal": {"AWS": "arn:aws:iam::123456789012:group/g"}"#,
            "Statement.Principal.AWS[0]",
        ),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": {"Service": "*"}"#, "Statement.Principal.Service[0]"),
        (resource, r#""Effect": "Allow", "Action": "*", "Principal": "*", "NotPrincipal": "*""#, "Statement"),
        (resource, r#""Effect": "Allow", "Action": "*", "NotPrincipal": {"AWS": "123456789012"}"#, "Statement.NotPrincipal"),
        (
            trust,
            r#""Effect": "Deny", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "123456789012"}"#,
            "Statement.NotPrincipal",
        ),
        (trust, r#""Effect": "Allow", "Action": "lambda:*", "Principal": "*""#, "Statement.Action[0]"),
        (trust, r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*""#, "Statement.Resource[0]"),
    ] {
        assert_eq!(refused(&format!(r#"{{"Statement": {{{members}}}}}"#), kind).place, place, "{members}");
    }
    for arn in ["", "arn:aws:iam::1:user/a", "arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:user/"] {
        assert!(Principal::of_user(arn).is_err(), "{arn}");
    }
    assert!(Principal::of_session("arn:aws:iam::123456789012:user/a", "s").is_err());
    assert!(Principal::of_session("arn:aws:iam::123456789012:role/a", "s/t").is_err());
}

#[test]
fn each_limit_is_at_its_number() {
    let statement = r#"{"Effect": "Allow", "Action": "a:b", "Resource": "*"}"#;
    let policy = |count: usize| format!(r#"{{"Statement": [{}]}}"#, vec![statement; count].join(","));
    let parse = |text: &str| PolicyDocument::parse(text, PolicyKind::Identity);
    assert!(parse(&policy(STATEMENTS_MAX)).is_ok());
    assert!(matches!(refused(&policy(STATEMENTS_MAX + 1), PolicyKind::Identity).fault, PolicyFault::TooMany { max: 200, .. }));

    let policy = |actions: usize| {
        format!(r#"{{"Statement": {{"Effect": "Allow", "Action": [{}], "Resource": "*"}}}}"#, vec![r#""a:b""#; actions].join(","))
    };
    assert!(parse(&policy(VALUES_MAX - 1)).is_ok());
    assert!(matches!(refused(&policy(VALUES_MAX), PolicyKind::Identity).fault, PolicyFault::TooMany { max: 1_000, .. }));

    let padded = |bytes: usize| format!("{}{}", policy(1), " ".repeat(bytes - policy(1).len()));
    assert!(parse(&padded(TEXT_BYTES_MAX)).is_ok());
    assert!(parse(&padded(TEXT_BYTES_MAX + 1)).is_err());

    for (size, max) in [
        (PolicySize::Managed, 6_144),
        (PolicySize::UserInline, 2_048),
        (PolicySize::RoleInline, 10_240),
        (PolicySize::Trust, 2_048),
        (PolicySize::Resource, 20_480),
    ] {
        assert_eq!(size.check(&format!(" \n{}", "x".repeat(max))), Ok(()));
        let error = size.check(&"x".repeat(max + 1)).unwrap_err();
        assert_eq!(error.code(), "LimitExceeded");
    }
    let long = format!(r#"{{"Id": "{}", "Statement": {statement}}}"#, "x".repeat(20_480));
    assert!(matches!(refused(&long, PolicyKind::Identity).fault, PolicyFault::TooLong { .. }));
    assert_eq!(
        PolicySize::Managed.check(&"x".repeat(6_145)).unwrap_err().to_string(),
        "policy: the policy has 6145 characters besides white space; a managed policy may have 6144"
    );
}

#[test]
fn managed_policies_are_policies() {
    for policy in MANAGED {
        let document = identity(policy.document);
        assert_eq!(document.version, Version::V2012, "{}", policy.name);
        assert_eq!(ManagedPolicy::by_arn(policy.arn), Some(policy));
        assert_eq!(PolicySize::Managed.check(policy.document), Ok(()), "{}", policy.name);
    }
    assert_eq!(ManagedPolicy::by_arn("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"), None);
    let of = |arn: &str| identity(ManagedPolicy::by_arn(arn).unwrap().document);
    let basic = ManagedPolicy::by_arn("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").unwrap();
    assert_eq!(basic.path(), "/service-role/");
    assert_eq!(ManagedPolicy::by_arn("arn:aws:iam::aws:policy/AdministratorAccess").unwrap().path(), "/");
    let ann = user("ann");
    for (arn, action, resource, expected) in [
        ("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", "logs:PutLogEvents", "*", true),
        ("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", "lambda:InvokeFunction", FUNCTION, false),
        ("arn:aws:iam::aws:policy/service-role/AWSLambdaRole", "lambda:InvokeFunction", FUNCTION, true),
        ("arn:aws:iam::aws:policy/AWSLambda_FullAccess", "lambda:CreateFunction", FUNCTION, true),
        // Without `iam:PassedToService`.
        ("arn:aws:iam::aws:policy/AWSLambda_FullAccess", "iam:PassRole", "arn:aws:iam::123456789012:role/r", false),
        ("arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess", "lambda:GetFunction", FUNCTION, true),
        ("arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess", "lambda:InvokeFunction", FUNCTION, false),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "lambda:DeleteFunction", FUNCTION, true),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "iam:CreateUser", "*", false),
        ("arn:aws:iam::aws:policy/PowerUserAccess", "iam:ListRoles", "*", true),
        ("arn:aws:iam::aws:policy/AdministratorAccess", "iam:CreateUser", "*", true),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "secretsmanager:GetSecretValue", "*", false),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "lambda:ListFunctions", "*", true),
    ] {
        assert_eq!(asked(&ann, action, resource, &[&of(arn)], None).is_allowed(), expected, "{arn} {action}");
    }
}
