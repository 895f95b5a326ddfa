//! Patterns and events, in tables; and against a second way to look.

mod naive;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn pattern(value: &Value) -> EventPattern {
    EventPattern::parse(&value.to_string()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// A pattern for the key `k`, and values of `k` that it means and does not mean.
#[track_caller]
fn check(expected: Value, meant: &[Value], others: &[Value]) {
    let pattern_json = json!({"k": expected});
    let pattern = pattern(&pattern_json);
    for value in meant {
        assert!(pattern.matches(&json!({"k": value})), "{pattern_json} means {value}");
    }
    for value in others {
        assert!(!pattern.matches(&json!({"k": value})), "{pattern_json} does not mean {value}");
    }
}

#[test]
fn one_of_the_values_is_enough() {
    check(json!(["a", 1, true, null]), &[json!("a"), json!(1), json!(1.0), json!(true), json!(null)], &[json!("b"), json!("1")]);
    check(json!([300]), &[json!(300), json!(3e2), json!(300.0)], &[json!(301), json!("300")]);
    check(json!([123_456_789_012_u64]), &[json!(123_456_789_012_u64)], &[json!(123_456_789_013_u64)]);
    check(json!([""]), &[json!("")], &[json!(null), json!([])]);
}

#[test]
fn a_list_of_the_event_needs_one_element() {
    check(json!(["a"]), &[json!(["b", "a"]), json!([["a"]])], &[json!(["b"]), json!([]), json!({"k": "a"})]);
}

#[test]
fn texts_begin_end_and_are_compared_without_case() {
    check(json!([{"prefix": "ab"}]), &[json!("ab"), json!("abc")], &[json!("ABC"), json!("a"), json!(1), json!(null)]);
    check(json!([{"prefix": {"equals-ignore-case": "aB"}}]), &[json!("Abc")], &[json!("cab")]);
    check(json!([{"suffix": ".png"}]), &[json!("a.png")], &[json!("a.PNG"), json!("png")]);
    check(json!([{"suffix": {"equals-ignore-case": ".png"}}]), &[json!("a.PNG")], &[json!("a.pn")]);
    check(json!([{"equals-ignore-case": "ÄB"}]), &[json!("äb"), json!("Äb")], &[json!("äbc")]);
    check(json!([{"prefix": ""}]), &[json!(""), json!("x")], &[json!(1)]);
}

#[test]
fn anything_but_needs_a_leaf_that_is_none_of_them() {
    check(json!([{"anything-but": "a"}]), &[json!("b"), json!(1), json!(null), json!(["a", "b"])], &[json!("a"), json!([])]);
    check(json!([{"anything-but": ["a", "b"]}]), &[json!("c")], &[json!("a"), json!("b")]);
    check(json!([{"anything-but": [1, 2]}]), &[json!(3)], &[json!(1), json!(2.0)]);
    check(json!([{"anything-but": {"prefix": "a"}}]), &[json!("b"), json!(1)], &[json!("ab")]);
    check(json!([{"anything-but": {"suffix": ["x", "y"]}}]), &[json!("z")], &[json!("ax"), json!("ay")]);
    check(json!([{"anything-but": {"equals-ignore-case": ["A"]}}]), &[json!("b")], &[json!("a"), json!("A")]);
    check(json!([{"anything-but": {"wildcard": "*/lib/*"}}]), &[json!("/bin/x")], &[json!("/lib/x")]);
    assert!(!pattern(&json!({"k": [{"anything-but": "a"}]})).matches(&json!({"other": 1})));
}

#[test]
fn numbers_are_in_ranges() {
    check(json!([{"numeric": ["=", 5]}]), &[json!(5), json!(5.0)], &[json!("5"), json!(4)]);
    check(json!([{"numeric": [">", 0, "<=", 5]}]), &[json!(0.1), json!(5)], &[json!(0), json!(5.1)]);
    check(json!([{"numeric": ["<", 10]}]), &[json!(-5e9), json!(9)], &[json!(10), json!(-6e9), json!(null)]);
    check(json!([{"numeric": [">=", 1.5]}]), &[json!(1.5), json!(5e9)], &[json!(1.4), json!(5.1e9)]);
}

#[test]
fn addresses_are_in_networks() {
    check(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("x"), json!(1)],
    );
    // AWS's range begins at the address.
    check(json!([{"cidr": "10.0.0.5/24"}]), &[json!("10.0.0.5")], &[json!("10.0.0.4")]);
    check(json!([{"cidr": "2001:db8::/32"}]), &[json!("2001:db8::1")], &[json!("2001:db9::1"), json!("10.0.0.1")]);
    check(json!([{"cidr": "0.0.0.0/0"}]), &[json!("255.255.255.255")], &[json!("::1")]);
    check(json!(["2001:db8::1"]), &[json!("2001:db8::1"), json!("2001:DB8:0::1")], &[json!("2001:db8::2")]);
}

#[test]
fn stars_stand_for_any_text() {
    check(json!([{"wildcard": "a*c"}]), &[json!("ac"), json!("abc"), json!("a*c")], &[json!("abcd"), json!("c"), json!(1)]);
    check(json!([{"wildcard": "*"}]), &[json!(""), json!("x")], &[json!(1)]);
    check(json!([{"wildcard": "a\\*\\\\*"}]), &[json!("a*\\"), json!("a*\\b")], &[json!("ab\\")]);
    check(json!([{"wildcard": "a*a"}]), &[json!("aa")], &[json!("a")]);
    check(json!([{"wildcard": "*ab*ab*"}]), &[json!("abab"), json!("xabyabz")], &[json!("ab"), json!("aba")]);
    check(json!([{"wildcard": "plain"}]), &[json!("plain")], &[json!("plain ")]);
}

#[test]
fn keys_exist_as_leaves_or_not_at_all() {
    check(json!([{"exists": true}]), &[json!(null), json!(""), json!([1])], &[json!([]), json!({}), json!({"a": 1})]);
    check(json!([{"exists": false}]), &[json!([]), json!({"a": 1})], &[json!(null), json!(0)]);
    assert!(pattern(&json!({"k": [{"exists": false}]})).matches(&json!({})));
    assert!(pattern(&json!({"k": [{"exists": false}, "x"]})).matches(&json!({"k": "x"})));
    assert!(!pattern(&json!({"k": [{"exists": false}, "x"]})).matches(&json!({"k": "y"})));
}

#[test]
fn all_keys_are_found_in_the_same_elements() {
    let event = json!({"employees": [
        {"first": "John", "last": "Doe"},
        {"first": "Anna", "last": "Smith"},
        [{"first": "Peter", "last": "Jones"}],
    ]});
    let cases = [
        (json!({"employees": {"first": ["Anna"]}}), true),
        (json!({"employees": {"first": ["Anna"], "last": ["Smith"]}}), true),
        (json!({"employees": {"first": ["Anna"], "last": ["Jones"]}}), false),
        (json!({"employees": {"first": ["Peter"], "last": ["Jones"]}}), true),
        // The element that the first name has chosen has a last name; no element has a middle one.
        (json!({"employees": {"first": ["Anna"], "last": [{"exists": false}]}}), false),
        (json!({"employees": {"first": ["Anna"], "middle": [{"exists": false}]}}), true),
    ];
    for (wanted, expected) in cases {
        assert_eq!(pattern(&wanted).matches(&event), expected, "{wanted}");
    }
}

#[test]
fn absence_is_of_the_elements_that_the_keys_before_have_chosen() {
    let event = json!({"a": [{"x": 1}, {"y": 1}]});
    assert!(pattern(&json!({"a": {"x": [1], "y": [{"exists": false}]}})).matches(&event));
    assert!(!pattern(&json!({"a": {"x": [{"exists": false}], "y": [1]}})).matches(&event));
}

#[test]
fn keys_with_dots_are_paths() {
    for wanted in [json!({"a": {"b": {"c": [1]}}}), json!({"a.b": {"c": [1]}}), json!({"a": {"b.c": [1]}})] {
        for event in [json!({"a": {"b": {"c": 1}}}), json!({"a.b": {"c": 1}}), json!({"a": {"b.c": 1}})] {
            assert!(pattern(&wanted).matches(&event), "{wanted} {event}");
        }
    }
    assert!(!pattern(&json!({"a": {"b": [1]}})).matches(&json!({"a": {"bc": 1}})));
}

#[test]
fn or_multiplies_a_pattern() {
    let wanted = json!({
        "source": ["s"],
        "$or": [{"n": [1]}, {"t": [1], "$or": [{"p": [1]}, {"q": [{"exists": true}]}]}],
        "detail": {"$or": [{"u": [1]}, {"v": [1]}]},
    });
    let cases = [
        (json!({"source": "s", "n": 1, "detail": {"u": 1}}), true),
        (json!({"source": "s", "t": 1, "q": 5, "detail": {"v": 1}}), true),
        (json!({"source": "s", "t": 1, "detail": {"v": 1}}), false),
        (json!({"source": "s", "n": 1, "detail": {}}), false),
        (json!({"source": "x", "n": 1, "detail": {"u": 1}}), false),
    ];
    for (event, expected) in cases {
        assert_eq!(pattern(&wanted).matches(&event), expected, "{event}");
    }
}

#[test]
fn what_is_wrong_is_told_as_aws_tells_it() {
    // Recorded from AWS, or from the source of its matcher.
    let cases = [
        (r#"["a"]"#, "Filter is not an object"),
        (r#"{"int": 42}"#, "\"int\" must be an object or an array"),
        (r#"{"resources": []}"#, "Empty arrays are not allowed"),
        (r#"{"a": {}}"#, "Empty objects are not allowed"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"a": [["b"]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a": [{"EXISTS": true}]}"#, "Unrecognized match type EXISTS"),
        (r#"{"a": [{}]}"#, "Match expression name not found"),
        (r#"{"a": [{"prefix": "a", "suffix": "b"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a": [{"exists": 1}]}"#, "exists match pattern must be either true or false."),
        (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a": [{"prefix": {"wildcard": "a"}}]}"#, "Unsupported prefix pattern: wildcard"),
        (r#"{"a": [{"suffix": ["a"]}]}"#, "suffix match pattern must be a string"),
        (r#"{"a": [{"equals-ignore-case": ["a"]}]}"#, "equals-ignore-case match pattern must be a string"),
        (r#"{"a": [{"numeric": [">", 0, ">", 0]}]}"#, "Bad numeric range operator: >"),
        (r#"{"a": [{"numeric": [">", 0, "<"]}]}"#, "Value of < must be numeric"),
        (r#"{"a": [{"numeric": ["=", "0"]}]}"#, "Value of equals must be numeric"),
        (r#"{"a": [{"numeric": ["!", 0]}]}"#, "Unrecognized numeric range operator: !"),
        (r#"{"a": [{"numeric": ["<", 0, ">", 1]}]}"#, "Too many elements in numeric expression"),
        (r#"{"a": [{"numeric": ["<", 5000000001]}]}"#, "Value must be between -5.0E9 and 5.0E9, inclusive"),
        (r#"{"a": [{"numeric": 1}]}"#, "Value of numeric must be an array."),
        (r#"{"a": [{"anything-but": null}]}"#, "Value of anything-but must be an array or single string/number value."),
        (r#"{"a": [{"anything-but": [null]}]}"#, "Inside anything but list, start|null|boolean is not supported."),
        (
            r#"{"a": [{"anything-but": ["a", 1]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (r#"{"a": [{"anything-but": {"numeric": 1}}]}"#, "Unsupported anything-but pattern: numeric"),
        (r#"{"a": [{"anything-but": {"prefix": ""}}]}"#, "Null prefix/suffix not allowed"),
        (r#"{"a": [{"anything-but": {"prefix": 1}}]}"#, "prefix/suffix match pattern must be a string"),
        (
            r#"{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a": [{"anything-but": {"equals-ignore-case": 123}}]}"#,
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        ),
        (r#"{"a": [{"cidr": "bad-filter"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"a": [{"cidr": "10.0.0.0/xx"}]}"#, "Malformed CIDR, mask bits must be an integer"),
        (r#"{"a": [{"cidr": "10.0.0.0/32"}]}"#, "IPv4 mask bits must be < 32"),
        (r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#, "Nonstandard IP address: xx.11.xx"),
        (r#"{"a": [{"cidr": ["bad-type"]}]}"#, "prefix match pattern must be a string"),
        (r#"{"a": [{"wildcard": "a**"}]}"#, "Consecutive wildcard characters at pos 2"),
        (r#"{"a": [{"wildcard": "a\\b"}]}"#, "Invalid escape character at pos 2"),
        (r#"{"$or": {"a": [1]}}"#, "It must be an Array followed with $or."),
        (r#"{"$or": [1, 2]}"#, "Only JSON object is allowed in array of $or relationship."),
        (r#"{"$or": [{"a": [1]}]}"#, "There must have at least 2 Objects in $or relationship."),
        (r#"{"$or": [{"a": [1]}, {"prefix": ["b"]}]}"#, "prefix is Ruler reserved fieldName which cannot be used inside $or."),
        (r#"{"a": {"b": [1]}, "a.b": [2]}"#, "Path `a.b` cannot be allowed multiple times"),
    ];
    for (text, reason) in cases {
        let error = EventPattern::parse(text).expect_err(text);
        assert_eq!(error.of_a_rule(), format!("Event pattern is not valid. Reason: {reason}"), "{text}");
        assert_eq!(error.of_a_filter(), "Invalid filter pattern definition.");
    }
    let error = EventPattern::parse("this is no JSON").unwrap_err();
    assert!(error.of_a_rule().starts_with("Event pattern is not valid. Reason: Invalid JSON"), "{error}");
}

#[test]
fn patterns_have_their_limits() {
    use crate::limits::event_rules::{PATTERN_BRANCHES, PATTERN_DEPTH, WILDCARD_STARS};
    let long = |chars: usize| format!("{{\"k\":[\"{}\"]}}", "x".repeat(chars - 10));
    for (chars, fits) in [(PATTERN_CHARS - 1, true), (PATTERN_CHARS, true), (PATTERN_CHARS + 1, false)] {
        let text = long(chars);
        assert_eq!((text.chars().count(), EventPattern::parse(&text).is_ok()), (chars, fits), "{chars}");
    }
    for (stars, fits) in [(WILDCARD_STARS - 1, true), (WILDCARD_STARS, true), (WILDCARD_STARS + 1, false)] {
        let parsed = EventPattern::parse(&json!({"k": [{"wildcard": "a*".repeat(stars)}]}).to_string());
        assert_eq!(parsed.is_ok(), fits, "{stars}");
        if let Err(error) = parsed {
            assert!(error.to_string().starts_with("Rule is too complex - try using fewer wildcard"), "{error}");
        }
    }
    for (depth, fits) in [(PATTERN_DEPTH - 1, true), (PATTERN_DEPTH, true), (PATTERN_DEPTH + 1, false)] {
        let nested = (0..depth).fold(json!({"k": [1]}), |inner, _| json!({"k": inner}));
        assert_eq!(EventPattern::parse(&nested.to_string()).is_ok(), fits, "{depth}");
    }
    // 10 × 10 × 10 combinations, and one more.
    let list = |key: &str, length: usize| -> Value { (0..length).map(|value| json!({key: [value]})).collect() };
    for (length, fits) in
        [(PATTERN_BRANCHES / 100 - 1, true), (PATTERN_BRANCHES / 100, true), (PATTERN_BRANCHES / 100 + 1, false)]
    {
        let wanted = json!({"$or": list("a", 10), "b": {"$or": list("b", 10)}, "c": {"$or": list("c", length)}});
        assert_eq!(EventPattern::parse(&wanted.to_string()).is_ok(), fits, "{length}");
    }
}

#[test]
fn long_lists_are_matched_in_time() {
    let element = |at: usize| json!({"x": at, "y": at + 1, "z": [{"w": at}, {"v": 1}]});
    let event = json!({"a": (0..20_000).map(element).collect::<Vec<_>>()});
    let any = json!([{"exists": true}]);
    let wanted = json!({"a": {"x": any, "y": any, "z": {"v": any, "w": [-1]}}});
    assert!(!pattern(&wanted).matches(&event));
    let wanted = json!({"a": {"x": any, "y": any, "z": {"w": [19_999]}}});
    assert!(pattern(&wanted).matches(&event));
}

#[test]
fn an_event_that_spells_a_path_in_two_ways_is_given_up_when_it_takes_too_long() {
    let wanted = pattern(&json!({"a": {"items": {"x": [1], "y": [1]}}}));
    let event = |length: usize| json!({"a": {"items": vec![json!({"x": 1, "y": 1}); length], "items.y": 1}});
    assert!(wanted.matches(&event(1_000)));
    // Each element may go with each.
    assert!(MATCH_STEPS < 3_000 * 3_000 && !wanted.matches(&event(3_000)));
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (0..4).prop_map(Value::from),
        prop_oneof!["[ab*]{0,3}", "10\\.0\\.0\\.[0-3]"].prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abc]", 1 => "[ab]\\.[bc]"]
}

fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    });
    prop::collection::btree_map(key(), value, 0..4).prop_map(|members| json!(members))
}

fn expected() -> impl Strategy<Value = Value> {
    let text = "[ab]{1,2}";
    prop_oneof![
        4 => scalar(),
        1 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
        1 => text.prop_map(|text| json!({"prefix": text})),
        1 => text.prop_map(|text| json!({"suffix": {"equals-ignore-case": text.to_uppercase()}})),
        1 => text.prop_map(|text| json!({"anything-but": text})),
        1 => (0..4, 0..4).prop_map(|(one, other)| json!({"anything-but": [one, other]})),
        1 => text.prop_map(|text| json!({"anything-but": {"suffix": text}})),
        1 => (-1..2, 1..4).prop_map(|(from, to)| json!({"numeric": [">=", from, "<", to]})),
        1 => (0..3, 28..32).prop_map(|(last, bits)| json!({"cidr": format!("10.0.0.{last}/{bits}")})),
        1 => "[ab]?(\\*[ab]{1,2}){0,2}\\*?".prop_map(|text| json!({"wildcard": text})),
    ]
}

fn wanted() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::vec(expected(), 1..4).prop_map(Value::from);
    let inner = leaf.prop_recursive(3, 12, 3, |inner| {
        let object = || prop::collection::btree_map(key(), inner.clone(), 1..4);
        let alternatives = prop::collection::vec(object(), 2..4);
        (object(), prop::option::weighted(0.3, alternatives)).prop_map(|(members, alternatives)| {
            let mut object = json!(members);
            if let Some(alternatives) = alternatives {
                object["$or"] = json!(alternatives);
            }
            object
        })
    });
    prop::collection::btree_map(key(), inner, 1..4).prop_map(|members| json!(members))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_match_is_what_the_plainest_way_to_look_finds(wanted in wanted(), event in event()) {
        // Several spellings of one path are refused.
        let Ok(parsed) = EventPattern::parse(&wanted.to_string()) else { return Ok(()) };
        prop_assert_eq!(parsed.matches(&event), naive::matches(&wanted, &event), "{} on {}", wanted, event);
    }
}
