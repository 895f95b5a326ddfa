//! Who may do what, as the tables of IAM have it, and the messages of refusals.

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/target";

fn allow(members: &str) -> PolicyDocument {
    statement(PolicyKind::Identity, &format!(r#""Effect": "Allow", {members}"#))
}

fn of_function(principal: &str) -> PolicyDocument {
    let members = format!(r#""Effect": "Allow", "Principal": {principal}, "Action": "lambda:*", "Resource": "{FUNCTION}*""#);
    statement(PolicyKind::Resource, &members)
}

#[test]
fn actions_and_resources_select() {
    for (members, action, resource, expected) in [
        (r#""Action": "*", "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "*:*", "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "LAMBDA:get*", "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "lambda:GetFunctio?", "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "lambda:Get", "Resource": "*""#, "lambda:GetFunction", FUNCTION, false),
        (r#""Action": ["s3:*", "lambda:*Function"], "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""NotAction": "iam:*", "Resource": "*""#, "lambda:GetFunction", FUNCTION, true),
        (r#""NotAction": ["iam:*", "lambda:get*"], "Resource": "*""#, "lambda:GetFunction", FUNCTION, false),
        (r#""Action": "*", "Resource": "arn:aws:lambda:*:*:function:f""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "*", "Resource": "arn:aws:lambda:*:f""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "*", "Resource": "arn:aws:lambda:*:*:function:F""#, "lambda:GetFunction", FUNCTION, false),
        (r#""Action": "*", "Resource": "arn:aws:lambda:*""#, "lambda:ListFunctions", "*", false),
        (r#""Action": "*", "NotResource": "arn:aws:lambda:*:*:function:g""#, "lambda:GetFunction", FUNCTION, true),
        (r#""Action": "*", "NotResource": ["arn:aws:lambda:*:*:function:f"]"#, "lambda:GetFunction", FUNCTION, false),
        (r#""Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}/*""#, "s3:GetObject", "arn:aws:s3:::b/ann/x", true),
        (r#""Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}/*""#, "s3:GetObject", "arn:aws:s3:::b/bob/x", false),
        // What is left out is not known.
        (r#""Action": "*", "NotResource": "arn:aws:s3:::b/${aws:userid}""#, "s3:GetObject", "arn:aws:s3:::b/x", false),
    ] {
        assert_eq!(asked(&user("ann"), action, resource, &[&allow(members)], None).is_allowed(), expected, "{members}");
    }
    let members = r#""Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::b/${aws:userid}""#;
    let decision = asked(&user("ann"), "s3:GetObject", "arn:aws:s3:::b/x", &[&statement(PolicyKind::Identity, members)], None);
    assert!(matches!(decision, Decision::ExplicitlyDenied { .. }));
    let old = identity(r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}"}}"#);
    assert!(!asked(&user("ann"), "s3:GetObject", "arn:aws:s3:::b/ann", &[&old], None).is_allowed());
}

/// Who gets in with nothing (`alone`) and with a policy of their own that allows all (`with_own`).
#[test]
fn principals_of_a_resource_policy() {
    let s3 = Principal::Service("s3.amazonaws.com".to_owned());
    let root = Principal::of_user("arn:aws:iam::123456789012:root").unwrap();
    for (named, principal, alone, with_own) in [
        (r#""*""#, user("ann"), true, true),
        (r#"{"AWS": "*"}"#, user("ann"), true, true),
        (r#"{"AWS": "*"}"#, Principal::Anonymous, true, true),
        (r#""*""#, stranger(), false, true),
        (r#""*""#, s3.clone(), true, true),
        (r#"{"AWS": "123456789012"}"#, user("ann"), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, user("ann"), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, session(), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, root.clone(), true, true),
        (r#"{"AWS": "999999999999"}"#, stranger(), false, true),
        (r#"{"AWS": "123456789012"}"#, stranger(), false, false),
        (r#"{"AWS": "123456789012"}"#, Principal::Anonymous, false, false),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/ann"}"#, user("ann"), true, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/ann"}"#, user("bob"), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/ann"}"#, user("path/ann"), false, true),
        (r#"{"AWS": ["999999999999", "arn:aws:iam::123456789012:user/ann"]}"#, user("ann"), true, true),
        (r#"{"AWS": "arn:aws:iam::999999999999:user/bob"}"#, stranger(), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:role/path/worker"}"#, session(), true, true),
        (r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/worker/s1"}"#, session(), true, true),
        (r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/worker/s2"}"#, session(), false, true),
        (r#"{"Service": "s3.amazonaws.com"}"#, s3.clone(), true, true),
        (r#"{"Service": "sns.amazonaws.com"}"#, s3.clone(), false, false),
        (r#"{"Service": "s3.amazonaws.com"}"#, user("ann"), false, true),
        (r#"{"CanonicalUser": "79a59df900b949e5"}"#, Principal::Anonymous, false, false),
        (r#"{"Service": "sns.amazonaws.com"}"#, root, true, true),
    ] {
        let policy = of_function(named);
        let own = allow(r#""Action": "*", "Resource": "*""#);
        let action = "lambda:InvokeFunction";
        assert_eq!(asked(&principal, action, FUNCTION, &[], Some(&policy)).is_allowed(), alone, "{named} {principal:?}");
        assert_eq!(asked(&principal, action, FUNCTION, &[&own], Some(&policy)).is_allowed(), with_own, "{named} {principal:?}");
    }
}

#[test]
fn a_deny_spares_whom_not_principal_names_in_full() {
    let session_arn = "arn:aws:sts::123456789012:assumed-role/worker/s1";
    let role = "arn:aws:iam::123456789012:role/path/worker";
    let ann = "arn:aws:iam::123456789012:user/ann";
    for (named, principal, spared) in [
        (vec![ACCOUNT, ann], user("ann"), true),
        (vec![ann], user("ann"), false),
        (vec![ACCOUNT], user("ann"), false),
        (vec![ACCOUNT, role, session_arn], session(), true),
        (vec![ACCOUNT, role], session(), false),
        (vec!["*"], session(), true),
        (vec![ACCOUNT], Principal::of_user("arn:aws:iam::123456789012:root").unwrap(), true),
        (vec![ACCOUNT, ann], Principal::Anonymous, false),
    ] {
        let named = format!(r#"["{}"]"#, named.join(r#"",""#));
        let members = format!(r#""Effect": "Deny", "NotPrincipal": {{"AWS": {named}}}, "Action": "*", "Resource": "*""#);
        let policy = statement(PolicyKind::Resource, &members);
        let own = allow(r#""Action": "*", "Resource": "*""#);
        let decision = asked(&principal, "lambda:InvokeFunction", FUNCTION, &[&own], Some(&policy));
        assert_eq!(decision.is_allowed(), spared, "{named} {principal:?}");
    }
}

fn trust(members: &str) -> PolicyDocument {
    statement(PolicyKind::Trust, &format!(r#""Effect": "Allow", "Action": "sts:AssumeRole*", {members}"#))
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let lambda = Principal::Service("lambda.amazonaws.com".to_owned());
    let google = Principal::Federated("accounts.google.com".to_owned());
    for (named, principal, alone, with_own) in [
        (r#"{"Service": "lambda.amazonaws.com"}"#, lambda.clone(), true, true),
        (r#"{"Service": "edge.amazonaws.com"}"#, lambda, false, false),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/ann"}"#, user("ann"), true, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, user("ann"), false, true),
        // An identity's own policy is never enough.
        (r#"{"AWS": "arn:aws:iam::123456789012:user/bob"}"#, user("ann"), false, false),
        (r#"{"AWS": "arn:aws:iam::999999999999:user/bob"}"#, stranger(), false, true),
        (r#"{"AWS": "arn:aws:iam::123456789012:role/path/worker"}"#, session(), true, true),
        (r#"{"Federated": "accounts.google.com"}"#, google, true, true),
    ] {
        let policy = trust(&format!(r#""Principal": {named}"#));
        let own = allow(&format!(r#""Action": "sts:AssumeRole", "Resource": "{ROLE}""#));
        let asked = |own: &[&PolicyDocument]| asked(&principal, "sts:AssumeRole", ROLE, own, Some(&policy)).is_allowed();
        assert_eq!((asked(&[]), asked(&[&own])), (alone, with_own), "{named} {principal:?}");
    }
    let own = allow(r#""Action": "*", "Resource": "*""#);
    let missing = Decision::ImplicitlyDenied { missing: PolicySide::Trust };
    assert_eq!(asked(&user("ann"), "sts:AssumeRole", ROLE, &[&own], None), missing);
    let policy = trust(r#""Principal": {"AWS": "999999999999"}, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}"#);
    assert_eq!(asked(&stranger(), "sts:AssumeRole", ROLE, &[&own], Some(&policy)), missing);
}

#[test]
fn refusals_say_what_aws_says() {
    let all = allow(r#""Action": "*", "Resource": "*""#);
    let deny = identity(
        r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "no", "Effect": "Deny", "Action": "lambda:Get*", "Resource": "*"}]}"#,
    );
    let deny_by_resource = statement(PolicyKind::Resource, r#""Effect": "Deny", "Principal": "*", "Action": "lambda:*""#);
    let deny_by_trust = statement(PolicyKind::Trust, r#""Effect": "Deny", "Principal": "*", "Action": "sts:*""#);
    let explicit = |by, policy, statement, sid: Option<&str>| Decision::ExplicitlyDenied {
        by,
        policy,
        statement,
        sid: sid.map(str::to_owned),
    };
    for (principal, action, own, by, decision, message) in [
        (
            user("root"),
            "lambda:GetFunction",
            vec![],
            None,
            Decision::ImplicitlyDenied { missing: PolicySide::Identity },
            "User: arn:aws:iam::123456789012:user/root is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:f because no identity-based policy allows the lambda:GetFunction action",
        ),
        (
            session(),
            "lambda:GetFunction",
            vec![&all, &deny],
            None,
            explicit(PolicySide::Identity, 1, 1, Some("no")),
            "User: arn:aws:sts::123456789012:assumed-role/worker/s1 is not authorized to perform: lambda:GetFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:f with an explicit deny in an identity-based policy",
        ),
        (
            user("ann"),
            "lambda:InvokeFunction",
            vec![&all],
            Some(&deny_by_resource),
            explicit(PolicySide::Resource, 0, 0, None),
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:f with an explicit deny in a resource-based policy",
        ),
        (
            stranger(),
            "lambda:InvokeFunction",
            vec![&all],
            None,
            Decision::ImplicitlyDenied { missing: PolicySide::Resource },
            "User: arn:aws:iam::999999999999:user/bob is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:f because no resource-based policy allows the lambda:InvokeFunction action",
        ),
        (
            user("ann"),
            "sts:AssumeRole",
            vec![&all],
            Some(&deny_by_trust),
            explicit(PolicySide::Trust, 0, 0, None),
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sts:AssumeRole on resource: arn:aws:lambda:us-east-1:123456789012:function:f with an explicit deny in the role trust policy",
        ),
    ] {
        let context = Context::of(&principal);
        let request = Request { principal: &principal, action, resource: FUNCTION, context: &context };
        let decided = decide(&request, &own, by, principal.account() == Some(ACCOUNT));
        assert_eq!(decided, decision);
        assert_eq!(decided.refusal(&request).as_deref(), Some(message));
    }
    let ann = user("ann");
    let context = Context::of(&ann);
    let request = Request { principal: &ann, action: "lambda:GetFunction", resource: FUNCTION, context: &context };
    assert_eq!(decide(&request, &[&all], None, true).refusal(&request), None);
}

/// What `lambda add-permission` writes for a bucket's notifications.
#[test]
fn a_service_invokes_for_the_source_that_was_permitted() {
    let policy = statement(
        PolicyKind::Resource,
        &format!(
            r#""Sid": "s3-1", "Effect": "Allow", "Principal": {{"Service": "s3.amazonaws.com"}}, "Action": "lambda:InvokeFunction", "Resource": "{FUNCTION}",
            "Condition": {{"StringEquals": {{"AWS:SourceAccount": "123456789012"}}, "ArnLike": {{"AWS:SourceArn": "arn:aws:s3:::bucket"}}}}"#
        ),
    );
    let principal = Principal::Service("s3.amazonaws.com".to_owned());
    for (source, expected) in [("arn:aws:s3:::bucket", true), ("arn:aws:s3:::other", false)] {
        let mut context = Context::of(&principal);
        context.put("aws:SourceAccount", ACCOUNT);
        context.put("aws:SourceArn", source);
        let request = Request { principal: &principal, action: "lambda:InvokeFunction", resource: FUNCTION, context: &context };
        assert_eq!(decide(&request, &[], Some(&policy), false).is_allowed(), expected);
    }
}
