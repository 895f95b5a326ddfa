//! For a fuzz target: a request, what is known of it, and a policy. I check what everybody relies on who keeps a policy or
//! asks one.

use super::document::PolicySelection;
use super::effect::Effect;
use super::error::PolicyFault;
use super::pattern::{Fit, LetterCase, PatternToken, PolicyPattern, matches_in};
use super::{Context, Decision, PolicyDocument, PolicyKind, Principal, Request, decide};

const ACCOUNT: &str = "123456789012";
const EVERYTHING: &str = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// A line `resource user lambda:InvokeFunction ARN`, one of the context's keys as `aws:username=ann n=4`, and the policy.
pub(crate) fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (line, facts, text) = (next(), next(), next());
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, who, action, resource) = (word(), word(), word(), word());
    let kind = match kind {
        "resource" => PolicyKind::Resource,
        "trust" => PolicyKind::Trust,
        _ => PolicyKind::Identity,
    };
    let policy = match PolicyDocument::parse(text, kind) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.aws_message().is_empty());
            return;
        }
    };
    check_printed(&policy, kind);
    let principal = principal(who);
    let mut context = Context::of(&principal);
    for (key, value) in facts.split(' ').filter_map(|fact| fact.split_once('=')) {
        if value.contains('|') { context.put_all(key, value.split('|')) } else { context.put(key, value) }
    }
    let request = Request { principal: &principal, action, resource, context: &context };
    check_decision(&policy, kind, &request);
    for statement in &policy.statements {
        let selections = [Some((&statement.actions, action)), statement.resources.as_ref().map(|all| (all, resource))];
        for (selection, text) in selections.into_iter().flatten() {
            let (PolicySelection::Only(patterns) | PolicySelection::AllBut(patterns)) = selection;
            patterns.iter().for_each(|pattern| check_pattern(pattern, text, &context));
        }
    }
}

/// A policy prints as one that reads the same, unless that is too long: an account is printed by its ARN.
fn check_printed(policy: &PolicyDocument, kind: PolicyKind) {
    let printed = policy.to_string();
    match PolicyDocument::parse(&printed, kind) {
        Ok(again) => {
            assert_eq!(&again, policy, "{printed}");
            assert_eq!(again.to_string(), printed);
        }
        Err(error) => {
            let is_long = matches!(error.fault, PolicyFault::TooLong { .. } | PolicyFault::TooMany { .. });
            assert!(is_long, "{error}: {printed}");
        }
    }
}

fn check_decision(policy: &PolicyDocument, kind: PolicyKind, request: &Request<'_>) {
    let everything = PolicyDocument::parse(EVERYTHING, PolicyKind::Identity).unwrap_or_else(|error| panic!("{error}"));
    let decided = |policy: &PolicyDocument, same_account: bool| match kind {
        PolicyKind::Identity => decide(request, &[&everything, policy], None, same_account),
        PolicyKind::Resource | PolicyKind::Trust => decide(request, &[&everything], Some(policy), same_account),
    };
    let only = |effect: Option<Effect>, index: Option<usize>| PolicyDocument {
        statements: policy
            .statements
            .iter()
            .enumerate()
            .filter(|(i, statement)| {
                index.is_none_or(|index| index == *i) && effect.is_none_or(|effect| effect == statement.effect)
            })
            .map(|(_, statement)| statement.clone())
            .collect(),
        ..policy.clone()
    };
    for same_account in [false, true] {
        let decision = decided(policy, same_account);
        let is_denied = matches!(decision, Decision::ExplicitlyDenied { .. });
        let denies =
            |i: usize| matches!(decided(&only(Some(Effect::Deny), Some(i)), same_account), Decision::ExplicitlyDenied { .. });
        // One Deny that is about the request is enough, whatever else is there; and none is not.
        assert_eq!(is_denied, (0..policy.statements.len()).any(denies), "{decision:?} of {policy}");
        let without = decided(&only(Some(Effect::Allow), None), same_account);
        assert!(is_denied || without == decision, "{without:?} is not {decision:?} of {policy}");
        let denying = decided(&only(Some(Effect::Deny), None), same_account);
        assert!(!is_denied || !denying.is_allowed(), "{policy}");
        assert_eq!(decision.refusal(request).is_none(), decision.is_allowed());
    }
}

/// A pattern fits what it fits in the plainest way to look, within a step for each pair of characters.
fn check_pattern(pattern: &PolicyPattern, text: &str, context: &Context) {
    const CHARS_MAX: usize = 2_000;
    let _ = (pattern.equals(text, LetterCase::Ignored, context), pattern.fits_arn(text, context));
    if pattern.has_variables() || pattern.text().contains("${") {
        let _ = pattern.fits(text, LetterCase::Sensitive, context);
        return;
    }
    let tokens: Vec<PatternToken> = pattern.text().chars().map(token).collect();
    let mut steps = 0;
    let is_fit = matches_in(&tokens, text, LetterCase::Sensitive, &mut steps);
    assert!(steps <= (tokens.len() + 1) * (text.chars().count() + 1), "{steps} steps of {pattern:?} on {text:?}");
    assert_eq!(pattern.fits(text, LetterCase::Sensitive, context) == Fit::Yes, is_fit, "{pattern:?} on {text:?}");
    if tokens.len() < CHARS_MAX && text.len() < CHARS_MAX {
        assert_eq!(is_fit, plainly(pattern.text(), text), "{pattern:?} on {text:?}");
    }
}

fn token(char: char) -> PatternToken {
    match char {
        '*' => PatternToken::Many,
        '?' => PatternToken::One,
        ':' => PatternToken::Colon,
        char => PatternToken::Char(char),
    }
}

/// Row by row, for each beginning of the pattern: which beginnings of the text it fits.
fn plainly(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern.chars() {
        let before = fits.clone();
        for end in 0..fits.len() {
            fits[end] = match wanted {
                '*' => before[..=end].contains(&true),
                _ => end > 0 && before[end - 1] && (wanted == '?' || wanted == text[end - 1]),
            };
        }
    }
    fits[text.len()]
}

fn principal(who: &str) -> Principal {
    let known = match who {
        "root" => Principal::of_user(&format!("arn:aws:iam::{ACCOUNT}:root")),
        "session" => Principal::of_session(&format!("arn:aws:iam::{ACCOUNT}:role/path/worker"), "s1"),
        "service" => Ok(Principal::Service("s3.amazonaws.com".to_owned())),
        "anonymous" => Ok(Principal::Anonymous),
        arn if arn.starts_with("arn:") => Principal::of_user(arn).or_else(|_| Principal::of_session(arn, "s1")),
        _ => Principal::of_user(&format!("arn:aws:iam::{ACCOUNT}:user/ann")),
    };
    known.unwrap_or(Principal::Anonymous)
}
