//! AWS's cron expressions, of six fields: minutes, hours, day of the month, month, day of the week, year.
//!
//! Of the two days one is `?`. Days of the week are 1 (SUN) to 7 (SAT). I check the fields, which are stricter than those of
//! other crons, and write them as the library reads them, which knows the calendar: `L`, `15W`, `6#3` and when the next time is.
//!
//! Ranges do not go over the end of a field, as in `FRI-MON`: AWS does not say that they may.

use std::ops::RangeInclusive;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;

use super::error::ScheduleError;
use crate::limits::event_rules::CRON_YEARS;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct CronExpression(Cron);

/// What a field's values are.
struct Field {
    values: RangeInclusive<u16>,
    /// Of the values from the first one on.
    names: &'static [&'static str],
    /// What the library has less for each value.
    offset: u16,
}

impl CronExpression {
    /// `0 12 * * ? *`
    pub fn parse(text: &str) -> Result<CronExpression, ScheduleError> {
        let text = text.to_ascii_uppercase();
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[minutes, hours, day, month, weekday, year] = fields.as_slice() else { return Err(ScheduleError) };
        let plain = |values, names, offset| Field { values, names, offset };
        let minutes = plain(0..=59, &[], 0).list(minutes)?;
        let hours = plain(0..=23, &[], 0).list(hours)?;
        let months = plain(1..=12, &MONTHS, 0).list(month)?;
        let years = plain(CRON_YEARS, &[], 0).list(year)?;
        let (days, weekdays) = match (day, weekday) {
            ("?", "?") => return Err(ScheduleError),
            (day, "?") => (day_of_month(day)?, "*".to_owned()),
            ("?", weekday) => ("*".to_owned(), day_of_week(weekday)?),
            _ => return Err(ScheduleError),
        };
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).build();
        let cron = parser.parse(&format!("0 {minutes} {hours} {days} {months} {weekdays} {years}"));
        cron.map(CronExpression).map_err(|_| ScheduleError)
    }

    /// The next time behind one, both as a clock shows them.
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        self.0.find_next_occurrence(&after, false).ok()
    }
}

impl Field {
    fn value(&self, text: &str) -> Result<u16, ScheduleError> {
        let named = self.names.iter().zip(self.values.clone()).find(|(name, _)| **name == text).map(|(_, value)| value);
        let value = named.or_else(|| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())));
        value.filter(|value| self.values.contains(value)).ok_or(ScheduleError)
    }

    /// Values, ranges and steps with commas between them, as the library reads them. Nothing is left out that it would take
    /// for granted: a year without bounds is looked for up to the year 9999.
    fn list(&self, text: &str) -> Result<String, ScheduleError> {
        if text == "*" && *self.values.end() < *CRON_YEARS.start() {
            return Ok("*".to_owned());
        }
        let items: Result<Vec<String>, ScheduleError> = text.split(',').map(|item| self.item(item)).collect();
        items.map(|items| items.join(","))
    }

    fn item(&self, item: &str) -> Result<String, ScheduleError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step = step.map(|step| {
            let plain = Field { values: 1..=*self.values.end(), names: &[], offset: 0 };
            plain.value(step)
        });
        let step = step.transpose()?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*self.values.start(), *self.values.end()),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None => {
                let from = self.value(range)?;
                (from, if step.is_some() { *self.values.end() } else { from })
            }
        };
        if from > to {
            return Err(ScheduleError);
        }
        let (from, to) = (from - self.offset, to - self.offset);
        Ok(match step {
            Some(step) => format!("{from}-{to}/{step}"),
            None if from == to => from.to_string(),
            None => format!("{from}-{to}"),
        })
    }
}

/// `L`, `LW`, `15W`, or a list.
fn day_of_month(text: &str) -> Result<String, ScheduleError> {
    let field = Field { values: 1..=31, names: &[], offset: 0 };
    match text.strip_suffix('W') {
        _ if text == "L" || text == "LW" => Ok(text.to_owned()),
        Some(day) => Ok(format!("{}W", field.value(day)?)),
        None => field.list(text),
    }
}

/// `L`, which is Saturday, `6L`, `6#3`, or a list.
fn day_of_week(text: &str) -> Result<String, ScheduleError> {
    let field = Field { values: 1..=7, names: &WEEKDAYS, offset: 1 };
    if text == "L" {
        return Ok("6".to_owned());
    }
    if let Some(day) = text.strip_suffix('L') {
        return Ok(format!("{}L", field.value(day)? - 1));
    }
    if let Some((day, number)) = text.split_once('#') {
        let number = Field { values: 1..=5, names: &[], offset: 0 }.value(number)?;
        return Ok(format!("{}#{number}", field.value(day)? - 1));
    }
    field.list(text)
}
