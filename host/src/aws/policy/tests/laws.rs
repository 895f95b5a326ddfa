//! What holds for all policies and requests.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn one_or_many(values: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Value> {
    vec(values, 1..3).prop_map(|values| if values.len() == 1 { json!(values[0]) } else { json!(values) })
}

fn action(kind: PolicyKind) -> BoxedStrategy<&'static str> {
    match kind {
        PolicyKind::Trust => prop::sample::select(vec!["sts:AssumeRole", "sts:*", "STS:assume????"]).boxed(),
        _ => prop::sample::select(vec!["*", "lambda:*", "lambda:GetFunction", "lambda:Get*", "s3:GetObject", "sts:AssumeRole"])
            .boxed(),
    }
}

fn resource() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "*",
        FUNCTION,
        "arn:aws:lambda:*:function:?",
        "arn:aws:s3:::b/${aws:username}",
        "arn:aws:lambda:*:*:${aws:userid}",
    ])
}

fn principal() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["123456789012", "arn:aws:iam::999999999999:user/bob"]}),
        json!({"AWS": "arn:aws:iam::123456789012:user/ann"}),
        json!({"Service": "s3.amazonaws.com", "AWS": "arn:aws:iam::123456789012:role/path/worker"}),
        json!({"Federated": ["accounts.google.com"], "CanonicalUser": "79a5"}),
    ])
}

fn condition() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"StringEquals": {"aws:username": ["ann", "${aws:userid}"]}}),
        json!({"StringNotLike": {"aws:username": "a*", "aws:userid": "${aws:username, 'x'}"}}),
        json!({"NumericLessThanIfExists": {"n": 5}, "Null": {"n": [true]}}),
        json!({"ForAllValues:StringEquals": {"tags": ["a", "b"]}}),
        json!({"Bool": {"aws:PrincipalIsAWSService": true}}),
        json!({"NotIpAddress": {"ip": ["10.0.0.0/8", "::1"]}, "DateLessThan": {"now": "2026-01-01"}}),
    ])
}

fn any_statement(kind: PolicyKind, effects: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let not = any::<(bool, bool, bool)>();
    let effect = prop::sample::select(effects);
    (effect, not, one_or_many(action(kind)), one_or_many(resource()), principal(), condition()).prop_map(
        move |(effect, (not_action, not_resource, not_principal), action, resource, principal, condition)| {
            let mut statement = json!({"Effect": effect, "Condition": condition});
            statement[if not_action { "NotAction" } else { "Action" }] = action;
            if kind != PolicyKind::Trust {
                statement[if not_resource { "NotResource" } else { "Resource" }] = resource;
            }
            if kind != PolicyKind::Identity {
                let not = not_principal && effect == "Deny" && kind == PolicyKind::Resource;
                statement[if not { "NotPrincipal" } else { "Principal" }] = principal;
            }
            statement
        },
    )
}

const BOTH: &[&str] = &["Allow", "Deny"];

fn any_statements(kind: PolicyKind) -> impl Strategy<Value = Vec<Value>> {
    vec(any_statement(kind, BOTH), 1..4)
}

fn document(kind: PolicyKind, statements: &[Value]) -> PolicyDocument {
    parsed(&json!({"Version": "2012-10-17", "Statement": statements}).to_string(), kind)
}

fn kinds() -> impl Strategy<Value = PolicyKind> {
    prop::sample::select(vec![PolicyKind::Identity, PolicyKind::Resource, PolicyKind::Trust])
}

#[derive(Debug, Clone)]
struct Question {
    principal: Principal,
    action: &'static str,
    resource: &'static str,
    context: Context,
    same_account: bool,
    identity: Vec<Value>,
    by: Option<Vec<Value>>,
    by_kind: PolicyKind,
}

impl Question {
    fn answer(&self) -> Decision {
        let identity = (!self.identity.is_empty()).then(|| document(PolicyKind::Identity, &self.identity));
        let by = self.by.as_ref().map(|statements| document(self.by_kind, statements));
        let Question { principal, action, resource, context, .. } = self;
        let identity: Vec<&PolicyDocument> = identity.iter().collect();
        decide(&Request { principal, action, resource, context }, &identity, by.as_ref(), self.same_account)
    }
}

fn question() -> impl Strategy<Value = Question> {
    let principals = prop::sample::select(vec![
        user("ann"),
        stranger(),
        session(),
        Principal::of_user("arn:aws:iam::123456789012:root").unwrap(),
        Principal::Service("s3.amazonaws.com".to_owned()),
        Principal::Federated("accounts.google.com".to_owned()),
        Principal::Anonymous,
    ]);
    let actions = prop::sample::select(vec!["lambda:GetFunction", "s3:GetObject", "sts:AssumeRole"]);
    let resources = prop::sample::select(vec![FUNCTION, "arn:aws:s3:::b/ann", "*"]);
    let by_kind = prop::sample::select(vec![PolicyKind::Resource, PolicyKind::Trust]);
    by_kind.prop_flat_map(move |by_kind| {
        let identity = vec(any_statement(PolicyKind::Identity, BOTH), 0..3);
        let by = prop::option::of(any_statements(by_kind));
        let facts = (any::<bool>(), any::<bool>(), any::<bool>());
        (principals.clone(), actions.clone(), resources.clone(), facts, identity, by).prop_map(
            move |(principal, action, resource, (same_account, has_number, has_id), identity, by)| {
                let mut context = Context::of(&principal);
                context.put_all("tags", ["a"]);
                if has_number {
                    context.put("n", "4");
                }
                if has_id {
                    context.put("aws:userid", "AIDA");
                }
                Question { principal, action, resource, context, same_account, identity, by, by_kind }
            },
        )
    })
}

/// A Deny that is about every request.
fn deny_all(kind: PolicyKind) -> Value {
    match kind {
        PolicyKind::Identity => json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
        PolicyKind::Resource => json!({"Effect": "Deny", "Action": "*", "Principal": "*"}),
        PolicyKind::Trust => json!({"Effect": "Deny", "NotAction": "sts:Nothing", "Principal": "*"}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_printed_policy_reads_the_same(
        (kind, statements) in kinds().prop_flat_map(|kind| (Just(kind), any_statements(kind))),
    ) {
        let policy = document(kind, &statements);
        let printed = policy.to_string();
        prop_assert_eq!(&parsed(&printed, kind), &policy);
        prop_assert_eq!(parsed(&printed, kind).to_string(), printed);
    }

    #[test]
    fn an_explicit_deny_wins(mut question in question(), by_resource: bool, place: prop::sample::Index) {
        let kind = if by_resource { question.by_kind } else { PolicyKind::Identity };
        let statements = if by_resource { question.by.get_or_insert_default() } else { &mut question.identity };
        statements.insert(place.index(statements.len() + 1), deny_all(kind));
        let explicit = matches!(question.answer(), Decision::ExplicitlyDenied { .. });
        prop_assert!(explicit);
    }

    #[test]
    fn another_allow_takes_nothing(
        mut question in question(),
        identity in any_statement(PolicyKind::Identity, &["Allow"]),
        resource in any_statement(PolicyKind::Resource, &["Allow"]),
        trust in any_statement(PolicyKind::Trust, &["Allow"]),
        by_resource: bool,
        place: prop::sample::Index,
    ) {
        let before = question.answer();
        let (statements, statement) = match (by_resource, question.by_kind) {
            (false, _) => (&mut question.identity, identity),
            // A policy where none was is another question for roles: it is not added.
            (true, PolicyKind::Trust) => (question.by.get_or_insert_default(), trust),
            (true, _) => (question.by.get_or_insert_default(), resource),
        };
        if !statements.is_empty() || question.by_kind == PolicyKind::Resource || !by_resource {
            statements.insert(place.index(statements.len() + 1), statement);
            let after = question.answer();
            prop_assert!(!before.is_allowed() || after.is_allowed());
            prop_assert_eq!(matches!(before, Decision::ExplicitlyDenied { .. }), matches!(after, Decision::ExplicitlyDenied { .. }));
        }
    }

    #[test]
    fn another_deny_gives_nothing(
        mut question in question(),
        identity in any_statement(PolicyKind::Identity, &["Deny"]),
        resource in any_statement(PolicyKind::Resource, &["Deny"]),
        trust in any_statement(PolicyKind::Trust, &["Deny"]),
        by_resource: bool,
        place: prop::sample::Index,
    ) {
        let before = question.answer();
        let (statements, statement) = match (by_resource, question.by_kind) {
            (false, _) => (&mut question.identity, identity),
            (true, PolicyKind::Trust) => (question.by.get_or_insert_default(), trust),
            (true, _) => (question.by.get_or_insert_default(), resource),
        };
        statements.insert(place.index(statements.len() + 1), statement);
        prop_assert!(before.is_allowed() || !question.answer().is_allowed());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,\"a-zA-Z0-9*$' ]{0,60}", kind in kinds()) {
        let _ = PolicyDocument::parse(&text, kind);
    }
}
