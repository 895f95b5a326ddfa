//! Patterns and messages.

use proptest::prelude::*;

use super::*;
use crate::limits::logs::{EVENT_BYTES, PATTERN_DEPTH};

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let parsed = FilterPattern::parse(pattern).unwrap_or_else(|fault| panic!("{pattern}: {fault}"));
    for message in matching {
        assert!(parsed.matches(message), "{pattern} matches {message}");
    }
    for message in others {
        assert!(!parsed.matches(message), "{pattern} does not match {message}");
    }
}

#[test]
fn terms_are_found_in_messages() {
    check("", &["", "x"], &[]);
    check("  ", &["x"], &[]);
    check("ERROR", &["[ERROR 400] BAD", "an ERROR\n"], &["error", ""]);
    check("ERROR BAD", &["BAD ERROR"], &["ERROR", "BAD"]);
    check(r#""BAD REQUEST""#, &["a BAD REQUEST here"], &["BAD  REQUEST", "REQUEST BAD"]);
    check(r#""a \"b\" \\ \c""#, &[r#"x a "b" \ \c"#], &["a b"]);
    check("?ERROR ?WARN", &["ERROR", "a WARN"], &["INFO"]);
    check("ERROR -EXITING", &["ERROR"], &["ERROR EXITING", "INFO"]);
    check(r#"-"GET /health""#, &["GET /", ""], &["GET /health 200"]);
    check("?ERROR INFO", &["INFO"], &["ERROR"]);
    check(r#"?"a b" ?"c d""#, &["xa b", "c d"], &["a c"]);
    check("äöü", &["xäöüx"], &["aou"]);
}

#[test]
fn members_of_json_are_compared() {
    let level = r#"{"level":"ERROR","latency":7.5,"ok":true,"gone":null,"a":{"b":[{"c":"x"},404]},"ip":"10.0.0.1","n":"12"}"#;
    for pattern in [
        r#"{ $.level = "ERROR" }"#,
        r#"{$.level="ERROR"}"#,
        "{ $.level = ERROR && $.latency > 5 }",
        "{ $.level = ERR* }",
        r#"{ $.level = "*RO*" }"#,
        "{ $.level = * }",
        "{ $.latency = * }",
        "{ $.latency >= 7.5 }",
        "{ $.latency <= 75e-1 }",
        "{ $.latency != 8 }",
        "{ $.ok IS TRUE }",
        "{ $.ok = true }",
        "{ $.gone IS NULL }",
        "{ $.gone EXISTS }",
        "{ $.none NOT EXISTS }",
        "{ $.none not exists }",
        "{ $.a.b[0].c = x }",
        "{ $.a.b[1] = 404 }",
        "{ $.a.b[1] = 4* }",
        r#"{ $.["a"].["b"][1] < 405 }"#,
        "{ $.ip != 10.1.* }",
        "{ $.ip = 10.0.* }",
        "{ $.n > 11 }",
        r#"{ $.n = "12" }"#,
        "{ $.none = 1 || $.latency < 8 }",
        "{ ($.level = INFO || $.level = ERROR) && ($.ok IS TRUE) }",
        "{ $.level = ERROR || $.x = 1 && $.y = 2 }",
    ] {
        check(pattern, &[level, &format!(" {level}\n")], &["", "ERROR 404"]);
    }
    check("{ $.a NOT EXISTS }", &["{}", "[]"], &["", "1", "{", r#"{"a":null}"#]);
    for pattern in [
        r#"{ $.level = "error" }"#,
        "{ $.level != ERROR }",
        "{ $.level != ERR* }",
        "{ $.none != 1 }",
        "{ $.none = * }",
        "{ $.gone = * }",
        "{ $.a = * }",
        "{ $.latency = 7 }",
        r#"{ $.latency = "7.5" }"#,
        "{ $.level > 5 }",
        "{ $.ok IS FALSE }",
        "{ $.ok IS NULL }",
        "{ $.none IS NULL }",
        "{ $.level NOT EXISTS }",
        "{ $.a.b[2] EXISTS }",
        "{ $.a.b.c EXISTS }",
        "{ $.level = ERROR && ($.latency < 5 || $.latency > 8) }",
    ] {
        check(pattern, &[], &[level]);
    }
    check("{ $[0].a = 1 }", &[r#"[{"a":1}]"#], &[r#"[{"a":2}]"#, r#"{"0":{"a":1}}"#]);
}

#[test]
fn fields_between_spaces_are_compared() {
    let line = "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534";
    for pattern in [
        "[ip, user, username, timestamp, request, status_code, bytes]",
        "[,,,,,,]",
        "[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes > 1000]",
        "[ip, ..., status_code = 4*, bytes]",
        "[..., status_code = 404 || status_code = 410, bytes]",
        "[ip = 127.0.0.1, ...]",
        "[ip, user, username, timestamp = \"10/Oct*\", ...]",
        "[..., bytes >= 1000 && bytes < 2000]",
        "[...]",
        "[a,b,c,d,e,f,g,...]",
        "[a = 1 && a = 2 || a = 127.*, ...]",
    ] {
        check(pattern, &[line, &format!("{line}\n")], &[]);
    }
    for pattern in [
        "[ip, user]",
        "[a,b,c,d,e,f,g,h]",
        "[a,b,c,d,e,f,g,...,h]",
        "[..., status_code = 5*, bytes]",
        "[ip != 127.0.0.1, ...]",
        "[..., bytes > 2000]",
        "[..., username = frank]",
    ] {
        check(pattern, &[], &[line, ""]);
    }
    // White space that is not ASCII's is a part of its field; it was once a field without an end.
    check("[a]", &["x\u{b}y", "\u{b}", "x\u{a0}", "\u{3000}\u{85}x"], &["x y"]);
    check("[a, b = \u{e9}]", &["x\u{a0}y \u{e9}"], &["x\u{a0}\u{e9}"]);
    check("[a, b]", &["[unclosed \"x y\"", "[a b] c"], &["[a", "a b c"]);
}

#[test]
fn what_is_no_pattern_is_refused_with_a_reason() {
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(PATTERN_DEPTH + 2), ")".repeat(PATTERN_DEPTH + 2));
    let long = "x".repeat(PATTERN_CHARS + 1);
    for (pattern, reason) in [
        ("%ERR[0-9]+%", "Regular expressions"),
        ("a %b%", "Regular expressions"),
        ("{ $.a = %b% }", "Regular expressions"),
        ("[a = %b%]", "Regular expressions"),
        ("a:b", "Invalid character(s) in term 'a:b'"),
        ("\"a", "not closed"),
        ("a - b", "Invalid character(s) in term ''"),
        ("{", "it ends where"),
        ("{}", "'}' where a selector"),
        ("{ a = 1 }", "'a' where a selector"),
        ("{ $.a }", "'}' where a comparison"),
        ("{ $.a = }", "'}' where a value"),
        ("{ $.a = 1", "it ends where"),
        ("{ $.a = 1 } x", "'x' where the end"),
        ("{ $.a > b }", "only numbers"),
        ("{ $.a IS 5 }", "'5' where NULL"),
        ("{ ($.a = 1 }", "'}' where )"),
        ("{ $.a[x] = 1 }", "'x' where the index"),
        ("[a", "it ends where"),
        ("[a = 1 && b = 2]", "the field b is compared within the field a"),
        ("[..., a, ...]", "may stand once"),
        (deep.as_str(), "parentheses"),
        (long.as_str(), "at most 1024"),
    ] {
        let fault = FilterPattern::parse(pattern).unwrap_err();
        assert!(fault.contains(reason), "{pattern}: {fault}");
    }
    assert!(FilterPattern::parse(&long[1..]).is_ok());
    assert!(FilterPattern::parse(&format!("{{ {}$.a = 1{} }}", "(".repeat(PATTERN_DEPTH), ")".repeat(PATTERN_DEPTH))).is_ok());
}

#[test]
fn the_worst_message_takes_little_longer_than_a_harmless_one() {
    let stars = format!("[{}]", "a = *x*x*x*x*y*");
    let pattern = FilterPattern::parse(&stars).unwrap();
    assert!(!pattern.matches(&"x".repeat(EVENT_BYTES)));
    let fields = FilterPattern::parse("[..., a = 1]").unwrap();
    assert!(!fields.matches(&"[ ".repeat(EVENT_BYTES / 2)));
    assert!(!fields.matches(&"\" ".repeat(EVENT_BYTES / 2)));
    let json = FilterPattern::parse("{ $.a = 1 }").unwrap();
    assert!(!json.matches(&"[".repeat(EVENT_BYTES)));
}

proptest! {
    #[test]
    fn nothing_panics(pattern in r#"([?\-{}\[\]()$.=!<>&|*"%\\, a1é]|NOT |EXISTS|IS |NULL|\$\.a|\.\.\.){0,40}"#, message in r#"([{}\[\]":, a1é.\n])*"#) {
        if let Ok(pattern) = FilterPattern::parse(&pattern) {
            pattern.matches(&message);
            pattern.matches(r#"{"a": {"a": [1, "1", null, true]}}"#);
        }
    }

    #[test]
    fn a_star_is_any_text(pieces in proptest::collection::vec("[a-c]{0,3}", 1..5), between in "[a-c]{0,5}") {
        let pattern = FilterPattern::parse(&format!("{{ $.m = \"{}\" }}", pieces.join("*"))).unwrap();
        let message = serde_json::json!({"m": pieces.join(&between)}).to_string();
        prop_assert!(pattern.matches(&message));
    }
}
