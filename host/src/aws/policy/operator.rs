//! The names of condition operators: `StringLikeIfExists`, `ForAllValues:StringEquals`, `Null`.
//!
//! An operator says which test it makes, whether it negates it, and what it does with keys of many values and with keys
//! that are not there. Names are as IAM writes them; their case counts.

use std::fmt;

/// How an operator takes the values of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// For keys of one value.
    Single(OperatorBase),
    /// `ForAllValues:`: each value of the request must pass.
    ForAllValues(OperatorBase),
    /// `ForAnyValue:`: one value of the request must pass.
    ForAnyValue(OperatorBase),
    /// Whether the key is not there.
    Null,
}

/// An operator without its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorBase {
    /// The place in `NAMES`.
    index: usize,
    if_exists: bool,
}

/// What an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Text(Comparison),
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
}

/// How the request's value stands to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Each operator but `Null`: its name, its test, and whether it negates it.
const NAMES: [(&str, Test, bool); 26] = [
    ("StringEquals", Test::Text(Comparison::Equals), false),
    ("StringNotEquals", Test::Text(Comparison::Equals), true),
    ("StringEqualsIgnoreCase", Test::Text(Comparison::EqualsIgnoreCase), false),
    ("StringNotEqualsIgnoreCase", Test::Text(Comparison::EqualsIgnoreCase), true),
    ("StringLike", Test::Text(Comparison::Like), false),
    ("StringNotLike", Test::Text(Comparison::Like), true),
    ("NumericEquals", Test::Number(Order::Equal), false),
    ("NumericNotEquals", Test::Number(Order::Equal), true),
    ("NumericLessThan", Test::Number(Order::Less), false),
    ("NumericLessThanEquals", Test::Number(Order::AtMost), false),
    ("NumericGreaterThan", Test::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Test::Number(Order::AtLeast), false),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::AtMost), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::AtLeast), false),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::Address, false),
    ("NotIpAddress", Test::Address, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnLike", Test::Arn, false),
    ("ArnNotLike", Test::Arn, true),
];

const IF_EXISTS: &str = "IfExists";
const FOR_ALL_VALUES: &str = "ForAllValues:";
const FOR_ANY_VALUE: &str = "ForAnyValue:";

impl Operator {
    /// `None` for what is no operator of IAM's, also `NullIfExists`.
    pub(super) fn parse(name: &str) -> Option<Operator> {
        if name == "Null" {
            return Some(Operator::Null);
        }
        if let Some(name) = name.strip_prefix(FOR_ALL_VALUES) {
            return OperatorBase::parse(name).map(Operator::ForAllValues);
        }
        if let Some(name) = name.strip_prefix(FOR_ANY_VALUE) {
            return OperatorBase::parse(name).map(Operator::ForAnyValue);
        }
        OperatorBase::parse(name).map(Operator::Single)
    }

    pub(super) fn test(&self) -> Test {
        self.base().map_or(Test::Null, |base| NAMES[base.index].1)
    }

    pub(super) fn is_negated(&self) -> bool {
        self.base().is_some_and(|base| NAMES[base.index].2)
    }

    pub(super) fn is_if_exists(&self) -> bool {
        self.base().is_some_and(|base| base.if_exists)
    }

    fn base(&self) -> Option<&OperatorBase> {
        match self {
            Operator::Single(base) | Operator::ForAllValues(base) | Operator::ForAnyValue(base) => Some(base),
            Operator::Null => None,
        }
    }
}

impl OperatorBase {
    fn parse(name: &str) -> Option<OperatorBase> {
        let (name, if_exists) = match name.strip_suffix(IF_EXISTS) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let index = NAMES.iter().position(|(own, ..)| *own == name)?;
        Some(OperatorBase { index, if_exists })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self {
            Operator::ForAllValues(_) => FOR_ALL_VALUES,
            Operator::ForAnyValue(_) => FOR_ANY_VALUE,
            Operator::Single(_) | Operator::Null => "",
        };
        let name = self.base().map_or("Null", |base| NAMES[base.index].0);
        write!(f, "{prefix}{name}{}", if self.is_if_exists() { IF_EXISTS } else { "" })
    }
}
