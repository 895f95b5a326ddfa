//! What a target is sent: the event, a part of it, a constant, or what a template makes of it.
//!
//! In a template `<name>` stands for the value at a path of the event. Within a text of the template's JSON it is replaced by
//! the value's own text, elsewhere by its JSON. What is not in the event is an empty text. `<aws.events.rule-arn>`,
//! `<aws.events.rule-name>`, `<aws.events.event.ingestion-time>`, `<aws.events.event>` and `<aws.events.event.json>` are always
//! there.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>.

use std::borrow::Cow;

use serde_json::Value;

use crate::aws::eventbridge::record::{InputTransformer, RuleTarget};
use crate::limits::eventbridge::TRANSFORMED_BYTES;

/// An event, on its way to the targets of a rule.
pub struct RuledEvent<'a> {
    /// As it was put together: numbers keep their digits.
    pub text: &'a str,
    pub value: &'a Value,
    pub rule_arn: &'a str,
    pub rule_name: &'a str,
    pub ingested: &'a str,
}

/// The JSON that a target gets.
///
/// # Errors
/// What a template makes is too large.
pub fn input_of(target: &RuleTarget, event: &RuledEvent<'_>) -> Result<String, String> {
    if let Some(input) = &target.input {
        Ok(input.clone())
    } else if let Some(path) = &target.input_path {
        Ok(at(event.value, path).map_or_else(|| "{}".to_owned(), Value::to_string))
    } else if let Some(transformer) = &target.input_transformer {
        transformed(transformer, event)
    } else {
        Ok(event.text.to_owned())
    }
}

/// Whether a path is one: `$`, then `.name`, `['name']` and `[0]`.
pub fn is_path(path: &str) -> bool {
    steps(path).is_some()
}

enum InputStep<'a> {
    Member(&'a str),
    Element(usize),
}

fn steps(path: &str) -> Option<Vec<InputStep<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(InputStep::Member(Some(&after[..end]).filter(|name| !name.is_empty())?));
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
            steps.push(match quoted {
                Some(name) => InputStep::Member(name),
                None => InputStep::Element(inside.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(steps)
}

/// The value at a path.
fn at<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path)?.into_iter().try_fold(event, |value, step| match step {
        InputStep::Member(name) => value.get(name),
        InputStep::Element(index) => value.get(index),
    })
}

fn transformed(transformer: &InputTransformer, event: &RuledEvent<'_>) -> Result<String, String> {
    let mut made = String::new();
    let mut in_text = false;
    let mut rest = transformer.input_template.as_str();
    while let Some(c) = rest.chars().next() {
        let variable = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let variable = variable.and_then(|(name, after)| Some((value_of(transformer, event, name)?, after)));
        if let Some((value, after)) = variable {
            match &*value {
                Value::String(text) if in_text => made.push_str(&escaped(text)),
                value if in_text => made.push_str(&escaped(&value.to_string())),
                value => made.push_str(&value.to_string()),
            }
            rest = after;
        } else if c == '\\' && in_text {
            // What is escaped begins and ends nothing.
            let length = rest.chars().take(2).map(char::len_utf8).sum();
            made.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            in_text ^= c == '"';
            made.push(c);
            rest = &rest[c.len_utf8()..];
        }
        if made.len() > TRANSFORMED_BYTES {
            return Err(format!("the input that the template makes has more than {TRANSFORMED_BYTES} bytes"));
        }
    }
    // A template without quotes is a text.
    match serde_json::from_str::<serde::de::IgnoredAny>(&made) {
        Ok(_) => Ok(made),
        Err(_) => Ok(Value::String(made).to_string()),
    }
}

/// What a variable stands for, if it is one.
fn value_of<'e>(transformer: &InputTransformer, event: &RuledEvent<'e>, name: &str) -> Option<Cow<'e, Value>> {
    Some(match name {
        "aws.events.rule-arn" => Cow::Owned(event.rule_arn.into()),
        "aws.events.rule-name" => Cow::Owned(event.rule_name.into()),
        "aws.events.event.ingestion-time" => Cow::Owned(event.ingested.into()),
        "aws.events.event.json" => Cow::Borrowed(event.value),
        "aws.events.event" => {
            // AWS leaves the detail out here.
            let members = event.value.as_object()?.iter().filter(|(name, _)| *name != "detail");
            Cow::Owned(members.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        name => {
            let path = transformer.input_paths_map.as_ref()?.get(name)?;
            at(event.value, path).map_or_else(|| Cow::Owned("".into()), Cow::Borrowed)
        }
    })
}

/// As it stands between the quotes of a text in JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(target: &Value, expected: &Value) {
        let text =
            r#"{"detail":{"n":12345678901234567890.10,"list":[{"a":"x"}],"quoted":"\"q\""},"detail-type":"made","source":"s"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let event = RuledEvent { text, value: &value, rule_arn: "arn:rule", rule_name: "r", ingested: "2026-11-28T13:00:00Z" };
        let parsed: RuleTarget = serde_json::from_value(target.clone()).unwrap();
        let input = input_of(&parsed, &event).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&input).unwrap_or_else(|error| panic!("{input}: {error}")),
            *expected,
            "{target}"
        );
    }

    fn template(text: &str) -> Value {
        let paths = json!({"kind": "$.detail-type", "list": "$.detail.list", "x": "$.detail.list[0].a", "q": "$.detail['quoted']", "none": "$.none"});
        json!({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": text}})
    }

    #[test]
    fn a_target_gets_the_event_a_part_of_it_or_a_constant() {
        check(&json!({"Input": "[1]"}), &json!([1]));
        check(&json!({"InputPath": "$.detail.list[0]"}), &json!({"a": "x"}));
        check(&json!({"InputPath": "$.source"}), &json!("s"));
        check(&json!({"InputPath": "$.nothing"}), &json!({}));
    }

    #[test]
    fn a_template_has_values_and_texts() {
        check(&template("\"it is <kind>: <x>\""), &json!("it is made: x"));
        check(
            &template("{\"k\": <kind>, \"l\": <list>, \"t\": \"<list>\"}"),
            &json!({"k": "made", "l": [{"a": "x"}], "t": "[{\"a\":\"x\"}]"}),
        );
        check(&template("{\"q\": \"<q>\", \"e\": \"\\\"<x>\\\"\"}"), &json!({"q": "\"q\"", "e": "\"x\""}));
        check(&template("{\"n\": <none>, \"u\": \"<unknown>\"}"), &json!({"n": "", "u": "<unknown>"}));
        check(&template("plain <kind>"), &json!("plain \"made\""));
        check(&template("[<aws.events.rule-name>, <aws.events.event>]"), &json!(["r", {"detail-type": "made", "source": "s"}]));
    }

    #[test]
    fn paths_lead_from_the_root() {
        for (path, expected) in [
            ("$", true),
            ("$.a", true),
            ("$.a-b[0].c", true),
            ("$['a.b']", true),
            ("a", false),
            ("$a", false),
            ("$.", false),
            ("$[x]", false),
        ] {
            assert_eq!(is_path(path), expected, "{path}");
        }
    }

    #[test]
    fn what_a_template_makes_has_a_limit() {
        let value = json!({"detail": "x".repeat(200_000)});
        let text = value.to_string();
        let event = RuledEvent { text: &text, value: &value, rule_arn: "", rule_name: "", ingested: "" };
        for (times, fits) in [(5, true), (6, false)] {
            let target = json!({"InputTransformer": {"InputPathsMap": {"d": "$.detail"}, "InputTemplate": format!("\"{}\"", "<d>".repeat(times))}});
            let target: RuleTarget = serde_json::from_value(target).unwrap();
            assert_eq!(input_of(&target, &event).is_ok(), fits, "{times}");
        }
    }
}
