//! Condition operators, and the values that they compare.

use super::super::value::{Decimal, Instant, Network};
use super::*;

/// Whether an Allow or a Deny with a condition is about a request with the context.
fn applies(effect: &str, condition: &str, context: &Context) -> bool {
    let members = format!(r#""Effect": "{effect}", "Action": "*", "Resource": "*", "Condition": {condition}"#);
    let document = statement(PolicyKind::Identity, &members);
    let principal = user("ann");
    let request = Request { principal: &principal, action: "lambda:GetFunction", resource: FUNCTION, context };
    let decision = decide(&request, &[&document], None, true);
    match effect {
        "Allow" => decision == Decision::Allowed,
        _ => matches!(decision, Decision::ExplicitlyDenied { .. }),
    }
}

fn context() -> Context {
    let mut context = Context::of(&user("ann"));
    context.put("aws:UserAgent", "Boto3/1.0");
    context.put("s3:max-keys", "10");
    context.put("aws:CurrentTime", "2026-03-01T12:00:00Z");
    context.put("aws:EpochTime", "1772366400");
    context.put("aws:SecureTransport", "true");
    context.put("aws:SourceIp", "203.0.113.7");
    context.put("aws:VpcSourceIp", "2001:db8::1");
    context.put("aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:topic");
    context.put("aws:PrincipalTag/team", "blue*");
    context.put("key", "QmluYXJ5VmFsdWVJbkJhc2U2NA==");
    context.put_all("aws:TagKeys", ["env", "team"]);
    context.put_all("none", [] as [&str; 0]);
    context
}

#[test]
fn operators_compare_as_iam_says() {
    for (condition, expected) in [
        (r#"{"StringEquals": {"aws:username": "ann"}}"#, true),
        (r#"{"StringEquals": {"AWS:UserName": "ann"}}"#, true),
        (r#"{"StringEquals": {"aws:username": "Ann"}}"#, false),
        (r#"{"StringEquals": {"aws:username": ["bob", "ann"]}}"#, true),
        (r#"{"StringEquals": {"aws:username": "a*"}}"#, false),
        (r#"{"StringNotEquals": {"aws:username": ["bob", "cid"]}}"#, true),
        (r#"{"StringNotEquals": {"aws:username": ["bob", "ann"]}}"#, false),
        (r#"{"StringEqualsIgnoreCase": {"aws:username": "ANN"}}"#, true),
        (r#"{"StringNotEqualsIgnoreCase": {"aws:username": "ANN"}}"#, false),
        (r#"{"StringLike": {"aws:username": ["b*", "?nn"]}}"#, true),
        (r#"{"StringLike": {"aws:username": "A*"}}"#, false),
        (r#"{"StringNotLike": {"aws:username": ["b*", "?nn"]}}"#, false),
        (r#"{"NumericEquals": {"s3:max-keys": "10.0"}}"#, true),
        (r#"{"NumericEquals": {"s3:max-keys": 10}}"#, true),
        (r#"{"NumericNotEquals": {"s3:max-keys": ["9", "10"]}}"#, false),
        (r#"{"NumericLessThan": {"s3:max-keys": "9"}}"#, false),
        (r#"{"NumericLessThanEquals": {"s3:max-keys": "10"}}"#, true),
        (r#"{"NumericGreaterThan": {"s3:max-keys": "-1"}}"#, true),
        (r#"{"NumericGreaterThanEquals": {"s3:max-keys": "100"}}"#, false),
        (r#"{"NumericLessThan": {"aws:username": "9"}}"#, false),
        (r#"{"NumericNotEquals": {"aws:username": "9"}}"#, true),
        (r#"{"DateGreaterThan": {"aws:CurrentTime": "2026-03-01T11:59:59Z"}}"#, true),
        (r#"{"DateLessThan": {"aws:CurrentTime": "2026-03-01T13:00:00+01:00"}}"#, false),
        (r#"{"DateEquals": {"aws:CurrentTime": "2026-03-01T13:00:00+01:00"}}"#, true),
        (r#"{"DateEquals": {"aws:EpochTime": "2026-03-01T12:00Z"}}"#, true),
        (r#"{"DateNotEquals": {"aws:EpochTime": "2026"}}"#, true),
        (r#"{"DateLessThanEquals": {"aws:EpochTime": "1772366400"}}"#, true),
        (r#"{"DateGreaterThanEquals": {"aws:CurrentTime": "2026-04"}}"#, false),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": true}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": "False"}}"#, false),
        (r#"{"BinaryEquals": {"key": "QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}"#, true),
        (r#"{"BinaryEquals": {"key": "QmluYXJ5"}}"#, false),
        (r#"{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "203.0.113.7"]}}"#, true),
        (r#"{"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24", "203.0.113.7"]}}"#, false),
        (r#"{"IpAddress": {"aws:VpcSourceIp": "2001:DB8::/32"}}"#, true),
        (r#"{"IpAddress": {"aws:VpcSourceIp": "0.0.0.0/0"}}"#, false),
        (r#"{"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:top*"}}"#, true),
        (r#"{"ArnEquals": {"aws:SourceArn": "arn:aws:sns:*:*:top*"}}"#, true),
        (r#"{"ArnNotLike": {"aws:SourceArn": "arn:aws:sns:*:*:top*"}}"#, false),
        (r#"{"ArnNotEquals": {"aws:SourceArn": "arn:aws:sqs:*:*:top*"}}"#, true),
        // Operators and keys: all must hold.
        (r#"{"StringEquals": {"aws:username": "ann", "aws:UserAgent": "x"}}"#, false),
        (r#"{"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "false"}}"#, false),
        (r#"{"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "true"}}"#, true),
        ("{}", true),
        // Keys that are not there.
        (r#"{"StringEquals": {"no": "x"}}"#, false),
        (r#"{"StringNotEquals": {"no": "x"}}"#, true),
        (r#"{"NotIpAddress": {"no": "10.0.0.0/8"}}"#, true),
        (r#"{"Bool": {"no": "false"}}"#, false),
        (r#"{"StringEqualsIfExists": {"no": "x"}}"#, true),
        (r#"{"StringEqualsIfExists": {"aws:username": "x"}}"#, false),
        (r#"{"BoolIfExists": {"no": "true"}}"#, true),
        (r#"{"Null": {"no": "true"}}"#, true),
        (r#"{"Null": {"no": false}}"#, false),
        (r#"{"Null": {"none": "true"}}"#, true),
        (r#"{"Null": {"aws:username": "true"}}"#, false),
        (r#"{"Null": {"aws:username": "false"}}"#, true),
        // Keys of many values.
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["env", "team", "x"]}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"aws:TagKeys": ["env"]}}"#, false),
        (r#"{"ForAllValues:StringEquals": {"no": "x"}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"none": "x"}}"#, true),
        (r#"{"ForAllValues:StringNotEquals": {"aws:TagKeys": ["x", "y"]}}"#, true),
        (r#"{"ForAllValues:StringNotEquals": {"aws:TagKeys": ["x", "env"]}}"#, false),
        (r#"{"ForAnyValue:StringEquals": {"aws:TagKeys": ["x", "env"]}}"#, true),
        (r#"{"ForAnyValue:StringLike": {"aws:TagKeys": "x*"}}"#, false),
        (r#"{"ForAnyValue:StringNotEquals": {"aws:TagKeys": "env"}}"#, true),
        (r#"{"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["env", "team"]}}"#, false),
        (r#"{"ForAnyValue:StringEquals": {"no": "x"}}"#, false),
        (r#"{"ForAnyValue:StringNotEquals": {"no": "x"}}"#, false),
        (r#"{"ForAnyValue:StringEqualsIfExists": {"no": "x"}}"#, true),
        (r#"{"StringEquals": {"aws:TagKeys": "env"}}"#, true),
        (r#"{"StringNotEquals": {"aws:TagKeys": "env"}}"#, false),
        // Variables.
        (r#"{"StringEquals": {"aws:username": "${aws:username}"}}"#, true),
        (r#"{"StringLike": {"aws:UserAgent": "${aws:PrincipalTag/team}"}}"#, false),
        (r#"{"StringLike": {"aws:PrincipalTag/team": "${aws:PrincipalTag/team}"}}"#, true),
        (r#"{"StringEquals": {"aws:PrincipalTag/team": "blue${*}"}}"#, true),
        (r#"{"StringEquals": {"aws:username": "${aws:userid, 'ann'}"}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": "${aws:SecureTransport}"}}"#, true),
        (r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}"}}"#, true),
        (r#"{"StringEquals": {"aws:username": ["${aws:userid}", "ann"]}}"#, true),
    ] {
        assert_eq!(applies("Allow", condition, &context()), expected, "{condition}");
        assert_eq!(applies("Deny", condition, &context()), expected, "{condition}");
    }
}

/// What is not known must not grant: the two effects differ.
#[test]
fn a_negated_operator_with_an_unknown_variable_denies_but_does_not_allow() {
    for condition in [
        r#"{"StringNotEquals": {"aws:username": "${aws:userid}"}}"#,
        r#"{"ForAllValues:StringNotLike": {"aws:TagKeys": ["x", "${aws:userid}"]}}"#,
        r#"{"ArnNotLike": {"aws:SourceArn": "arn:aws:sns:*:*:${aws:userid}"}}"#,
    ] {
        assert!(!applies("Allow", condition, &context()), "{condition}");
        assert!(applies("Deny", condition, &context()), "{condition}");
    }
}

#[test]
fn numbers_compare_exactly() {
    let number = |text| Decimal::parse(text).unwrap();
    let ascending = ["-10", "-9.5", "-9.25", "-0.1", "0", "0.09", "0.1", "9", "10", "9007199254740993", "9007199254740993.5"];
    for (i, one) in ascending.iter().enumerate() {
        for (j, other) in ascending.iter().enumerate() {
            assert_eq!(number(one).cmp(&number(other)), i.cmp(&j), "{one} {other}");
        }
    }
    for (one, other) in [("-0", "0"), ("007", "7.00"), ("+1", "1")] {
        assert_eq!(number(one), number(other));
    }
    for wrong in ["", "-", ".", "1.", ".5", "1e3", "0x1", " 1", "1 ", "--1", "+-1", "１"] {
        assert_eq!(Decimal::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn dates_are_instants() {
    for (one, other) in [
        ("1970-01-01T00:00:00Z", "00000"),
        ("1970", "1970-01-01T00:00Z"),
        ("2000-02-29", "951782400"),
        ("2000-03-01t00:00:00.000z", "951868800"),
        ("1969-12-31T23:00:00-01:00", "00000"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59Z", "253402300799"),
    ] {
        assert_eq!(Instant::parse(one).unwrap(), Instant::parse(other).unwrap(), "{one}");
    }
    assert!(Instant::parse("2026-01-01T00:00:00.1Z") > Instant::parse("2026-01-01T00:00:00.09Z"));
    for wrong in [
        "",
        "2026-13",
        "2026-00-01",
        "2025-02-29",
        "2100-02-29",
        "2026-1-1",
        "2026-01-01T",
        "2026-01-01T00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60Z",
        "2026-01-01T00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00+0100",
        "2026-01-01-01",
        "2026-01T00:00Z",
        "-5",
        "1.5",
        "99999999999999999999",
        "é026-01-01",
        "2026-01-01T00:00é",
    ] {
        assert_eq!(Instant::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn networks_contain_addresses() {
    for (network, address, expected) in [
        ("10.0.0.0/8", "10.255.255.255", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.1.2.3/8", "10.9.9.9", true),
        ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false),
        ("1.2.3.4", "1.2.3.4", true),
        ("1.2.3.4/31", "1.2.3.5", true),
        ("1.2.3.4", "::ffff:1.2.3.4", true),
        ("::/0", "2001:db8::1", true),
        ("::/0", "1.2.3.4", false),
        ("2001:db8::/33", "2001:db8:8000::", false),
        ("2001:db8::1", "2001:db8:0::1", true),
        ("1.2.3.4", "x", false),
    ] {
        assert_eq!(Network::parse(network).unwrap().contains(address), expected, "{network} {address}");
    }
    for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "10.*", "a/8"] {
        assert_eq!(Network::parse(wrong), None, "{wrong}");
    }
}
