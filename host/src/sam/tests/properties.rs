//! For any input: nothing panics. For any plan: what has been deployed is not deployed again.

use super::*;
use crate::sam::difference::Owner;

/// A host, as far as changes are concerned: it has what it was told.
fn deployed(plan: &StackPlan, found: &mut FoundStack, versions: &mut u64) {
    let changes = changes(plan, found).unwrap();
    for change in changes {
        let Some(thing) = plan.things.iter().find(|thing| thing.key == change.key) else {
            // A function goes with all of its parts.
            let is_gone = |key: &ThingKey| {
                *key == change.key || (matches!(change.key, ThingKey::Function(_)) && key.function() == change.key.function())
            };
            found.things.retain(|key, _| !is_gone(key));
            continue;
        };
        if change.proposal == Proposal::Keep {
            continue;
        }
        *versions += 1;
        let members: BTreeMap<&'static str, Value> =
            thing.members.iter().map(|(member, value)| (*member, later_told(value, &found.known))).collect();
        assert!(members.values().all(|value| !is_open(value)), "{}: {members:?}", thing.key);
        match &thing.key {
            ThingKey::Layer(name) => drop(found.known.insert(later::layer(name), format!("arn:layer:{name}:{versions}"))),
            ThingKey::Alias { function, .. } => {
                drop(found.known.insert(later::version(function), format!("arn:{function}:{versions}")))
            }
            ThingKey::Url { function, alias } => {
                found.known.entry(later::url(function, alias.as_deref())).or_insert_with(|| format!("http://{versions}/"));
            }
            _ => {}
        }
        let owner = match thing.key {
            ThingKey::Layer(_) => Owner::Shared,
            _ => Owner::Stack(plan.stack.clone()),
        };
        found.things.insert(thing.key.clone(), FoundThing { members, owner });
    }
}

/// Functions that may name the URLs and versions of those before them.
fn template() -> impl Strategy<Value = String> {
    let function = (any::<[bool; 6]>(), 1..900_u32, "[a-z]{0,3}", 0..3_usize);
    proptest::collection::vec(function, 0..5).prop_map(|functions| {
        let mut text = "Parameters: {Stage: {Type: String}}\nResources:\n  None: {Type: AWS::Lambda::Permission, Properties: {Action: 'lambda:InvokeFunction', Principal: '123456789012', FunctionName: other}}\n".to_owned();
        for (index, ([alias, url, role, invoke, reserved, public], timeout, word, needs)) in functions.iter().enumerate() {
            let _ = write!(text, "  F{index}:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.14\n      Handler: i.h\n      InlineCode: '{word}'\n      Timeout: {timeout}\n      Description: !Sub 'x${{Stage}}{word}'\n      Layers: [!Sub 'arn:aws:lambda:us-east-1:1:layer:{word}:1']\n");
            if *alias {
                text += "      AutoPublishAlias: live\n";
            }
            if *url {
                let _ = writeln!(text, "      FunctionUrlConfig: {{AuthType: {}}}", if *public { "NONE" } else { "AWS_IAM" });
            }
            if *role {
                let _ = writeln!(text, "      Role: {ROLE}");
            }
            if *invoke {
                text += "      EventInvokeConfig: {MaximumRetryAttempts: 0}\n";
            }
            if *reserved {
                let _ = writeln!(text, "      ReservedConcurrentExecutions: {timeout}");
            }
            // Its own URL is known only when it is there.
            if let Some(before) = index.checked_sub(needs + 1) {
                let named = if functions[before].0[1] { format!("!GetAtt F{before}Url.FunctionUrl") } else { format!("!GetAtt F{before}.Arn") };
                let _ = writeln!(text, "      Environment: {{Variables: {{UP: {named}}}}}");
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_has_been_deployed_is_not_deployed_again(first in template(), second in template()) {
        let (mut found, mut versions) = (FoundStack::default(), 0);
        for text in [&first, &second, &first] {
            let plan = plan_of(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
            deployed(&plan, &mut found, &mut versions);
            let again = changes(&plan, &found).unwrap();
            prop_assert!(again.iter().all(|change| change.proposal == Proposal::Keep), "{text}\n{again:#?}");
            prop_assert_eq!(again.len(), found.things.len());
        }
        let plan = plan_of(&first).unwrap();
        let other = StackPlan { stack: "other".to_owned(), ..plan };
        let mine = other.things.iter().filter(|thing| found.things.contains_key(&thing.key)).count();
        prop_assert_eq!(changes(&other, &found).map_or_else(|taken| taken.len(), |_| 0), mine);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        drop(plan_of(&text));
    }

    #[test]
    fn no_damaged_template_panics(
        value in "(!Sub|!Ref|!If|!Join|!Select|!Split|!GetAtt|!FindInMap|!And)? ?[\\[\\]{}a-zA-Z0-9$,:.'\"*& -]{0,40}",
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[\\[\\]{}:,'\"!&*\\n -]{0,3}"), 0..6),
    ) {
        let mut text = with_output(&value);
        for (at, length, inserted) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &inserted);
            }
        }
        if let Err(errors) = plan_of(&text) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }
}
