//! Patterns of JSON messages: `{ ($.level = "ERROR" || $.a.b[0] > 5) && $.c NOT EXISTS }`.
//!
//! A message that is no JSON object or array matches none. A comparison of a member that is not there, or that is an object or
//! an array, is false, whatever the operator.

use serde_json::Value;

use crate::aws::logs::filter::comparison::FilterComparison;
use crate::aws::logs::filter::reader::{PatternFault, PatternText};
use crate::limits::logs::PATTERN_DEPTH;

/// See the module.
#[derive(Debug)]
pub struct JsonPattern(JsonTest);

#[derive(Debug)]
enum JsonTest {
    /// All of them.
    All(Vec<JsonTest>),
    /// One of them.
    Some(Vec<JsonTest>),
    Member(Vec<JsonStep>, MemberTest),
}

#[derive(Debug)]
enum JsonStep {
    Member(String),
    Element(usize),
}

#[derive(Debug)]
enum MemberTest {
    Exists,
    NotExists,
    IsNull,
    IsTrue,
    IsFalse,
    Is(FilterComparison),
}

impl JsonPattern {
    pub fn parse(text: &mut PatternText<'_>) -> Result<JsonPattern, PatternFault> {
        if !text.take("{") {
            return Err(text.unexpected("{"));
        }
        let test = either(text, 0)?;
        text.skip_spaces();
        if !text.take("}") {
            return Err(text.unexpected("&&, || or }"));
        }
        text.end()?;
        Ok(JsonPattern(test))
    }

    pub fn matches(&self, message: &str) -> bool {
        let message = message.trim();
        if !message.starts_with(['{', '[']) {
            return false;
        }
        serde_json::from_str(message).is_ok_and(|value| self.0.holds(&value))
    }
}

impl JsonTest {
    fn holds(&self, value: &Value) -> bool {
        match self {
            JsonTest::All(tests) => tests.iter().all(|test| test.holds(value)),
            JsonTest::Some(tests) => tests.iter().any(|test| test.holds(value)),
            JsonTest::Member(steps, test) => {
                let member = steps.iter().try_fold(value, |value, step| match step {
                    JsonStep::Member(name) => value.get(name),
                    JsonStep::Element(index) => value.get(index),
                });
                test.holds(member)
            }
        }
    }
}

impl MemberTest {
    fn holds(&self, member: Option<&Value>) -> bool {
        match self {
            MemberTest::Exists => member.is_some(),
            MemberTest::NotExists => member.is_none(),
            MemberTest::IsNull => member == Some(&Value::Null),
            MemberTest::IsTrue => member == Some(&Value::Bool(true)),
            MemberTest::IsFalse => member == Some(&Value::Bool(false)),
            MemberTest::Is(comparison) => match member {
                Some(Value::String(text)) => comparison.text(text),
                Some(Value::Number(number)) => number.as_f64().is_some_and(|number| comparison.number(number)),
                Some(Value::Bool(value)) => comparison.text(if *value { "true" } else { "false" }),
                _ => false,
            },
        }
    }
}

/// Tests between `||`.
fn either(text: &mut PatternText<'_>, depth: usize) -> Result<JsonTest, PatternFault> {
    let mut tests = vec![both(text, depth)?];
    while next_is(text, "||") {
        tests.push(both(text, depth)?);
    }
    Ok(JsonTest::Some(tests))
}

/// Tests between `&&`, which binds more closely.
fn both(text: &mut PatternText<'_>, depth: usize) -> Result<JsonTest, PatternFault> {
    let mut tests = vec![one(text, depth)?];
    while next_is(text, "&&") {
        tests.push(one(text, depth)?);
    }
    Ok(JsonTest::All(tests))
}

fn one(text: &mut PatternText<'_>, depth: usize) -> Result<JsonTest, PatternFault> {
    if depth > PATTERN_DEPTH {
        return Err("The filter pattern has too many parentheses within parentheses".to_owned());
    }
    if next_is(text, "(") {
        let test = either(text, depth + 1)?;
        return if next_is(text, ")") { Ok(test) } else { Err(text.unexpected(")")) };
    }
    let steps = selector(text)?;
    let test = if FilterComparison::is_next(text) {
        MemberTest::Is(FilterComparison::parse(text)?)
    } else if text.take_word("NOT") {
        if !text.take_word("EXISTS") {
            return Err(text.unexpected("EXISTS"));
        }
        MemberTest::NotExists
    } else if text.take_word("EXISTS") {
        MemberTest::Exists
    } else if text.take_word("IS") {
        if text.take_word("NULL") {
            MemberTest::IsNull
        } else if text.take_word("TRUE") {
            MemberTest::IsTrue
        } else if text.take_word("FALSE") {
            MemberTest::IsFalse
        } else {
            return Err(text.unexpected("NULL, TRUE or FALSE"));
        }
    } else {
        return Err(text.unexpected("a comparison, EXISTS, NOT EXISTS or IS"));
    };
    Ok(JsonTest::Member(steps, test))
}

/// `$.a.b[0]`, `$[0].a` and `$.a["b c"]`.
fn selector(text: &mut PatternText<'_>) -> Result<Vec<JsonStep>, PatternFault> {
    text.skip_spaces();
    if !text.take("$") {
        return Err(text.unexpected("a selector such as $.member"));
    }
    let mut steps = Vec::new();
    loop {
        if text.take(".") {
            let name = text.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '@' | '#' | '/'));
            if !name.is_empty() {
                steps.push(JsonStep::Member(name.to_owned()));
            } else if text.peek() != Some('[') {
                return Err(text.unexpected("the name of a member"));
            }
        } else if text.take("[") {
            steps.push(match text.peek() {
                Some('"') => JsonStep::Member(text.quoted()?),
                _ => match text.take_while(|c| c.is_ascii_digit()).parse() {
                    Ok(index) => JsonStep::Element(index),
                    Err(_) => return Err(text.unexpected("the index of an element")),
                },
            });
            if !text.take("]") {
                return Err(text.unexpected("]"));
            }
        } else if steps.is_empty() {
            return Err(text.unexpected(". or ["));
        } else {
            return Ok(steps);
        }
    }
}

fn next_is(text: &mut PatternText<'_>, what: &str) -> bool {
    text.skip_spaces();
    text.take(what)
}
