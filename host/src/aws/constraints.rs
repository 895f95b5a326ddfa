//! What a request's members must satisfy, and AWS's text for those that do not: all at once, in one message.
//!
//! The texts are those of the service's model, recorded from AWS: `1 validation error detected: Value 'x' at 'functionName'
//! failed to satisfy constraint: Member must …`.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::aws::error::ApiError;

/// Collects what is wrong.
#[derive(Default)]
pub struct Constraints(Vec<String>);

impl Constraints {
    /// `place` is the member's path in the model: `memorySize`, `code.zipFile`.
    pub fn fail(&mut self, place: &str, value: &dyn Display, must: &str) {
        self.0.push(format!("Value '{value}' at '{place}' failed to satisfy constraint: Member must {must}"));
    }

    /// A member that has to be there.
    pub fn required<T>(&mut self, place: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.0.push(format!("Value null at '{place}' failed to satisfy constraint: Member must not be null"));
        }
        value
    }

    pub fn pattern(&mut self, place: &str, value: &str, pattern: &str, matches: impl Fn(&str) -> bool) {
        if !matches(value) {
            self.fail(place, &value, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// Of a text, in characters.
    pub fn length(&mut self, place: &str, value: &str, range: RangeInclusive<usize>) {
        let length = value.chars().count();
        if length > *range.end() {
            self.fail(place, &value, &format!("have length less than or equal to {}", range.end()));
        } else if length < *range.start() {
            self.fail(place, &value, &format!("have length greater than or equal to {}", range.start()));
        }
    }

    pub fn range(&mut self, place: &str, value: i64, range: RangeInclusive<i64>) {
        if value > *range.end() {
            self.fail(place, &value, &format!("have value less than or equal to {}", range.end()));
        } else if value < *range.start() {
            self.fail(place, &value, &format!("have value greater than or equal to {}", range.start()));
        }
    }

    pub fn one_of(&mut self, place: &str, value: &str, known: &[&str]) {
        if !known.contains(&value) {
            self.fail(place, &value, &format!("satisfy enum value set: [{}]", known.join(", ")));
        }
    }

    /// # Errors
    /// Everything that was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(ApiError::validation(format!("1 validation error detected: {}", self.0[0]))),
            count => Err(ApiError::validation(format!("{count} validation errors detected: {}", self.0.join("; ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut constraints = Constraints::default();
        constraints.range("memorySize", 1, 128..=10_240);
        constraints.length("description", "abc", 0..=3);
        assert_eq!(
            std::mem::take(&mut constraints).finish().unwrap_err().message.unwrap(),
            "1 validation error detected: Value '1' at 'memorySize' failed to satisfy constraint: Member must have value \
             greater than or equal to 128"
        );
        constraints.one_of("runtime", "x", &["a", "b"]);
        constraints.required::<()>("role", None);
        assert_eq!(
            constraints.finish().unwrap_err().message.unwrap(),
            "2 validation errors detected: Value 'x' at 'runtime' failed to satisfy constraint: Member must satisfy enum value \
             set: [a, b]; Value null at 'role' failed to satisfy constraint: Member must not be null"
        );
        assert_eq!(Constraints::default().finish(), Ok(()));
    }
}
