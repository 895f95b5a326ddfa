//! Patterns of resources and ARNs, and how many steps they take.

use proptest::prelude::*;

use super::super::context::Context;
use super::super::pattern::{Fit, LetterCase, PatternToken, PolicyPattern, matches_in};

fn context() -> Context {
    let mut context = Context::default();
    context.put("aws:username", "ann");
    context.put("aws:PrincipalTag/team", "a*c");
    context.put("aws:userid", "AIDA:x");
    context.put_all("aws:TagKeys", ["one"]);
    context
}

#[test]
fn wildcards_and_variables_of_resources() {
    use Fit::{No, Unresolved, Yes};
    for (pattern, text, expected) in [
        ("*", "", Yes),
        ("*", "anything:at/all", Yes),
        ("a?c", "abc", Yes),
        ("a?c", "ac", No),
        ("a?c", "aéc", Yes),
        ("", "", Yes),
        ("", "a", No),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b:c", Yes),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", No),
        ("arn:aws:lambda:*:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f", Yes),
        ("arn:aws:sqs:*:*:*-dlq", "arn:aws:sqs:us-east-1:1:a-dlq-dlq", Yes),
        ("*a*b*c", "xxaxxbxxcxxc", Yes),
        ("*a*b*c", "xxaxxcxxb", No),
        ("Abc", "abc", No),
        ("home/${aws:username}/*", "home/ann/x", Yes),
        ("home/${AWS:UserName}/*", "home/bob/x", No),
        ("home/${aws:nobody}/*", "home/bob/x", Unresolved),
        ("home/${aws:nobody, 'all'}/*", "home/all/x", Yes),
        ("home/${aws:username,'all'}/*", "home/ann/x", Yes),
        ("${aws:TagKeys}", "one", Unresolved),
        // A wildcard of a value is literal.
        ("${aws:PrincipalTag/team}", "abc", No),
        ("${aws:PrincipalTag/team}", "a*c", Yes),
        ("${*}${?}${$}", "*?$", Yes),
        ("${*}${?}${$}", "ab$", No),
        ("$x$", "$x$", Yes),
        ("${aws:username}${aws:username}", "annann", Yes),
        ("${aws:username}${aws:username}", "ann", No),
        ("${aws:username}${aws:nobody}", "", Unresolved),
    ] {
        let fit = PolicyPattern::with_variables(pattern).unwrap().fits(text, LetterCase::Sensitive, &context());
        assert_eq!(fit, expected, "{pattern} {text}");
    }
    for wrong in ["${", "${aws:username", "${}", "${a, b}", "${a, 'b}", "${ a}", "${a${b}", "${a*}"] {
        assert!(PolicyPattern::with_variables(wrong).is_err(), "{wrong}");
    }
    let old = PolicyPattern::without_variables("${aws:username}");
    assert_eq!(old.fits("${aws:username}", LetterCase::Sensitive, &context()), Fit::Yes);
    assert_eq!(old.fits("ann", LetterCase::Sensitive, &context()), Fit::No);
}

#[test]
fn parts_of_arns_match_for_themselves() {
    for (pattern, text, expected) in [
        ("arn:aws:lambda:*:*:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f", Fit::Yes),
        ("arn:aws:lambda:*:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f", Fit::No),
        ("arn:aws:s3:::b*", "arn:aws:s3:::bucket", Fit::Yes),
        ("arn:aws:sns:*:1:*", "arn:aws:sns:us-east-1:1:a:b:c", Fit::Yes),
        ("arn:aws:sns:us-east-?:1:t", "arn:aws:sns:us-east-1:1:t", Fit::Yes),
        ("*", "arn:aws:sns:us-east-1:1:t", Fit::Yes),
        ("*", "text", Fit::No),
        ("arn:*", "arn:aws:sns:us-east-1:1:t", Fit::No),
        ("arn:aws:iam::1:user/${aws:userid}", "arn:aws:iam::1:user/AIDA:x", Fit::Yes),
        ("arn:aws:iam::${aws:userid}:1", "arn:aws:iam::AIDA:x:1", Fit::No),
        ("arn:aws:iam::1:${aws:nobody}", "arn:aws:iam::1:x", Fit::Unresolved),
    ] {
        assert_eq!(PolicyPattern::with_variables(pattern).unwrap().fits_arn(text, &context()), expected, "{pattern} {text}");
    }
}

fn tokens(text: &str) -> Vec<PatternToken> {
    let token = |char| match char {
        '*' => PatternToken::Many,
        '?' => PatternToken::One,
        char => PatternToken::Char(char),
    };
    text.chars().map(token).collect()
}

/// The steps are at most the product of the lengths, with the `*`s: a matcher that branches would need 2 to the 2,048.
#[test]
fn many_stars_do_not_branch() {
    let text = "a".repeat(2_048);
    let matched = |pattern: &str, text: &str| {
        let mut steps = 0;
        let fits = matches_in(&tokens(pattern), text, LetterCase::Sensitive, &mut steps);
        let bound = (pattern.chars().count() + 1) * (text.chars().count() + 1);
        assert!(steps <= bound, "{steps} steps, bound {bound}");
        (fits, steps)
    };
    let (fits, steps) = matched(&"*a".repeat(2_048), &text);
    assert!(fits);
    assert!(steps <= 2 * 4_096, "{steps} steps where nothing fails");
    assert!(!matched(&"*a".repeat(2_049), &text).0);
    assert!(!matched(&format!("{}b", "*a".repeat(2_048)), &text).0);
    assert!(!matched(&format!("{}*b", "*a".repeat(1_024)), &text).0);
    assert!(!matched(&format!("*{}b", "a".repeat(1_024)), &text).0);
}

/// A value that is longer than the text is not copied, however often it is named.
#[test]
fn values_that_cannot_fit_are_not_copied() {
    let mut context = Context::default();
    context.put("k", "x".repeat(1 << 20));
    let pattern = PolicyPattern::with_variables(&"${k}".repeat(5_000)).unwrap();
    assert_eq!(pattern.fits("xxxx", LetterCase::Sensitive, &context), Fit::No);
}

fn naive(pattern: &[PatternToken], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((PatternToken::Many, rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        Some((PatternToken::One, rest)) => !text.is_empty() && naive(rest, &text[1..]),
        Some((PatternToken::Colon, rest)) => text.first() == Some(&':') && naive(rest, &text[1..]),
        Some((PatternToken::Char(char), rest)) => text.first() == Some(char) && naive(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_matcher_agrees_with_a_naive_one(pattern in "[ab*?é]{0,10}", text in "[abé]{0,12}") {
        let chars: Vec<char> = text.chars().collect();
        let pattern = tokens(&pattern);
        let mut steps = 0;
        let fits = matches_in(&pattern, &text, LetterCase::Sensitive, &mut steps);
        prop_assert_eq!(fits, naive(&pattern, &chars));
        prop_assert!(steps <= (pattern.len() + 1) * (chars.len() + 1));
    }
}
