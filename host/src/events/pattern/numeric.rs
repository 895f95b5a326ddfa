//! Numbers: when two are equal, and the ranges of `numeric`.

use serde_json::{Number, Value};

use super::error::PatternError;
use crate::limits::event_rules::NUMBER_MAX;

/// Whether two numbers have one value, however they are written.
pub fn are_equal(one: &Number, other: &Number) -> bool {
    let integer = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
struct RangeEnd {
    value: f64,
    included: bool,
}

/// What `numeric` means. A number must be between its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumericRange {
    from: RangeEnd,
    to: RangeEnd,
}

impl NumericRange {
    /// `["=", 5]`, `[">", 0, "<=", 5]`
    pub fn parse(terms: &[Value]) -> Result<NumericRange, PatternError> {
        let everything = (RangeEnd { value: -NUMBER_MAX, included: true }, RangeEnd { value: NUMBER_MAX, included: true });
        let Some(Value::String(operator)) = terms.first() else {
            let found = terms.first().map_or_else(|| "]".to_owned(), Value::to_string);
            return Err(PatternError::new(format!("Invalid member in numeric match: {found}")));
        };
        let value = || number(terms.get(1), if operator == "=" { "equals" } else { operator });
        let (from, to, read) = match operator.as_str() {
            "=" => {
                let end = RangeEnd { value: value()?, included: true };
                (end, end, 2)
            }
            "<" | "<=" => (everything.0, RangeEnd { value: value()?, included: operator == "<=" }, 2),
            ">" | ">=" => {
                let from = RangeEnd { value: value()?, included: operator == ">=" };
                match terms.get(2) {
                    None => (from, everything.1, 2),
                    Some(Value::String(upper)) if upper == "<" || upper == "<=" => {
                        (from, RangeEnd { value: number(terms.get(3), upper)?, included: upper == "<=" }, 4)
                    }
                    Some(Value::String(upper)) => {
                        return Err(PatternError::new(format!("Bad numeric range operator: {upper}")));
                    }
                    Some(other) => return Err(PatternError::new(format!("Bad value in numeric range: {other}"))),
                }
            }
            other => return Err(PatternError::new(format!("Unrecognized numeric range operator: {other}"))),
        };
        match terms.len() {
            length if length == read => {}
            _ if read == 4 => return Err(PatternError::new("Too many terms in numeric range expression")),
            _ => return Err(PatternError::new("Too many elements in numeric expression")),
        }
        if read == 4 && from.value > to.value {
            return Err(PatternError::new("Bottom must be less than top"));
        }
        Ok(NumericRange { from, to })
    }

    pub fn contains(&self, number: &Number) -> bool {
        let Some(value) = number.as_f64() else { return false };
        let above = value > self.from.value || (self.from.included && value == self.from.value);
        let below = value < self.to.value || (self.to.included && value == self.to.value);
        above && below
    }
}

fn number(term: Option<&Value>, of: &str) -> Result<f64, PatternError> {
    let value = term.and_then(Value::as_f64).ok_or_else(|| PatternError::new(format!("Value of {of} must be numeric")))?;
    if value.abs() > NUMBER_MAX {
        return Err(PatternError::new("Value must be between -5.0E9 and 5.0E9, inclusive"));
    }
    Ok(value)
}
