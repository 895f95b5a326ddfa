//! One condition of a statement: an operator, a key of the request, and the values that it is held against.
//!
//! The values of the policy are alternatives. A negated operator holds if its positive one does not: if no value fits. A key
//! that the request does not have fits nothing, so that positive operators do not hold and negated ones do; `IfExists`
//! and `ForAllValues:` hold without the key, `ForAnyValue:` does not. Values are read when the policy is: what is no
//! number, date or network is an error there, and fits nothing where it comes with the request.
//!
//! A variable that the request has no value for fits nothing. Under a negated operator that would grant more the less is
//! known, so an Allow does not apply then, while a Deny does.
//!
//! Source: the IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multi-valued
//! context keys".

use std::cmp::Ordering;

use super::context::Context;
use super::effect::Effect;
use super::operator::{Comparison, Operator, Order, Test};
use super::pattern::{Fit, LetterCase, PolicyPattern};
use super::value::{Decimal, Instant, Network, is_base64};

/// An operator with its key and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCondition {
    pub operator: Operator,
    /// As the policy writes it; its case does not count.
    pub key: String,
    values: Vec<Value>,
}

/// A value of the policy with its text for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    text: String,
    parsed: Parsed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parsed {
    Pattern(PolicyPattern),
    Number(Decimal),
    Date(Instant),
    Network(Network),
    Base64(String),
    Flag(bool),
}

impl PolicyCondition {
    /// `pattern` reads a text with the variables that the policy's version has.
    ///
    /// Fails for a value that is none of the operator's: the error has the value's index and what is wrong.
    pub(super) fn new(
        operator: Operator,
        key: &str,
        texts: Vec<String>,
        pattern: impl Fn(&str) -> Result<PolicyPattern, &'static str>,
    ) -> Result<PolicyCondition, (usize, &'static str)> {
        let mut values = Vec::with_capacity(texts.len());
        for (i, text) in texts.into_iter().enumerate() {
            let parsed = Parsed::of(operator.test(), &text, &pattern).map_err(|why| (i, why))?;
            values.push(Value { text, parsed });
        }
        Ok(PolicyCondition { operator, key: key.to_owned(), values })
    }

    /// The values as the policy has them.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(|value| value.text.as_str())
    }

    /// Whether the condition holds, in a statement of the given effect.
    pub(super) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let present = context.values(&self.key);
        let accepts = |value: &String| self.accepts(value, context, effect);
        match &self.operator {
            Operator::Null => self.values.iter().any(|value| value.parsed == Parsed::Flag(present.is_empty())),
            Operator::Single(_) | Operator::ForAnyValue(_) if present.is_empty() => {
                self.operator.is_if_exists() || (self.operator.is_negated() && !matches!(self.operator, Operator::ForAnyValue(_)))
            }
            // A key of many values under a plain operator: any may fit a positive one, none a negated one.
            Operator::Single(_) if self.operator.is_negated() => present.iter().all(accepts),
            Operator::Single(_) | Operator::ForAnyValue(_) => present.iter().any(accepts),
            Operator::ForAllValues(_) => present.iter().all(accepts),
        }
    }

    /// Whether the operator holds for one value of the request.
    fn accepts(&self, requested: &str, context: &Context, effect: Effect) -> bool {
        let mut unresolved = false;
        for value in &self.values {
            match self.fits(&value.parsed, requested, context) {
                Fit::Yes => return !self.operator.is_negated(),
                Fit::No => {}
                Fit::Unresolved => unresolved = true,
            }
        }
        self.operator.is_negated() && (effect == Effect::Deny || !unresolved)
    }

    fn fits(&self, value: &Parsed, requested: &str, context: &Context) -> Fit {
        let fits = match (self.operator.test(), value) {
            (Test::Text(Comparison::Equals), Parsed::Pattern(pattern)) => {
                return pattern.equals(requested, LetterCase::Sensitive, context);
            }
            (Test::Text(Comparison::EqualsIgnoreCase), Parsed::Pattern(pattern)) => {
                return pattern.equals(requested, LetterCase::Ignored, context);
            }
            (Test::Text(Comparison::Like), Parsed::Pattern(pattern)) => {
                return pattern.fits(requested, LetterCase::Sensitive, context);
            }
            (Test::Arn, Parsed::Pattern(pattern)) => return pattern.fits_arn(requested, context),
            (Test::Bool, Parsed::Pattern(pattern)) => return pattern.equals(requested, LetterCase::Ignored, context),
            (Test::Number(order), Parsed::Number(number)) => in_order(Decimal::parse(requested), order, number),
            (Test::Date(order), Parsed::Date(date)) => in_order(Instant::parse(requested), order, date),
            (Test::Address, Parsed::Network(network)) => network.contains(requested),
            (Test::Binary, Parsed::Base64(text)) => text == requested,
            _ => false,
        };
        if fits { Fit::Yes } else { Fit::No }
    }
}

impl Parsed {
    fn of(test: Test, text: &str, pattern: impl Fn(&str) -> Result<PolicyPattern, &'static str>) -> Result<Parsed, &'static str> {
        let flag = || text.to_ascii_lowercase().parse::<bool>().map_err(|_| "the value is neither `true` nor `false`");
        match test {
            Test::Text(_) | Test::Arn => pattern(text).map(Parsed::Pattern),
            Test::Bool => {
                let pattern = pattern(text)?;
                if !pattern.has_variables() {
                    flag()?;
                }
                Ok(Parsed::Pattern(pattern))
            }
            Test::Null => flag().map(Parsed::Flag),
            Test::Number(_) => Decimal::parse(text).map(Parsed::Number).ok_or("the value is not a decimal number"),
            Test::Date(_) => {
                Instant::parse(text).map(Parsed::Date).ok_or("the value is neither an ISO 8601 date nor seconds since 1970")
            }
            Test::Address => Network::parse(text).map(Parsed::Network).ok_or("the value is neither an address nor a CIDR block"),
            Test::Binary => is_base64(text).then(|| Parsed::Base64(text.to_owned())).ok_or("the value is not in base64"),
        }
    }
}

fn in_order<T: Ord>(requested: Option<T>, order: Order, value: &T) -> bool {
    let Some(requested) = requested else { return false };
    let ordering = requested.cmp(value);
    match order {
        Order::Equal => ordering == Ordering::Equal,
        Order::Less => ordering == Ordering::Less,
        Order::AtMost => ordering != Ordering::Greater,
        Order::Greater => ordering == Ordering::Greater,
        Order::AtLeast => ordering != Ordering::Less,
    }
}
