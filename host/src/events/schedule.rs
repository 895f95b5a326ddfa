//! When a schedule's next time is: `rate(5 minutes)`, `cron(0 12 * * ? *)`, `at(2026-11-28T13:00:00)`.
//!
//! A rate counts from the time at which its schedule starts, and a day of it has 24 hours. A cron expression and an `at` are
//! read on the clock of a time zone. A time that the clock leaves out in spring is skipped; one that it shows twice in autumn
//! is the first of the two, once. An `at` that is left out is as much later as the clock was put forward.
//!
//! I compute: I know no clock and wait for nothing. Times are milliseconds since 1970.
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>. Which rates are refused where is
//! recorded from AWS: a rule wants `1 minute` and `2 minutes`, a schedule takes any number of both.

mod cron;
mod error;
#[cfg(test)]
mod tests;

pub use error::ScheduleError;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::limits::event_rules::{RATE_UNITS, SCHEDULE_CHARS, SKIPPED_TIMES};
use cron::CronExpression;

const MINUTE_MS: u64 = 60 * 1_000;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleExpression {
    Rate { period_ms: u64 },
    Cron(Box<CronExpression>),
    Once(DateTime),
}

impl ScheduleExpression {
    /// As the rules of EventBridge have it: without `at`.
    pub fn of_a_rule(text: &str) -> Result<ScheduleExpression, ScheduleError> {
        match body(text)? {
            ("rate", rate) => {
                let (number, unit) = rate.split_once(' ').ok_or(ScheduleError)?;
                let is_one = number.trim_start_matches('0') == "1";
                if unit.ends_with('s') == is_one {
                    return Err(ScheduleError);
                }
                read_rate(number, unit)
            }
            ("cron", cron) => Ok(ScheduleExpression::Cron(Box::new(CronExpression::parse(cron)?))),
            _ => Err(ScheduleError),
        }
    }

    /// As EventBridge Scheduler has it.
    pub fn of_a_schedule(text: &str) -> Result<ScheduleExpression, ScheduleError> {
        match body(text)? {
            ("rate", rate) => {
                let (number, unit) = rate.split_once(' ').ok_or(ScheduleError)?;
                read_rate(number, &unit.to_ascii_lowercase())
            }
            ("cron", cron) => Ok(ScheduleExpression::Cron(Box::new(CronExpression::parse(cron)?))),
            ("at", time) => {
                // The library reads more ways to write a time than AWS does.
                let is_plain = time.len() == "2026-11-28T13:00:00".len() && time.as_bytes().get(10) == Some(&b'T');
                let time = time.parse().ok().filter(|_| is_plain && !time.ends_with('Z'));
                time.map(ScheduleExpression::Once).ok_or(ScheduleError)
            }
            _ => Err(ScheduleError),
        }
    }
}

/// `rate` and what is in its parentheses.
fn body(text: &str) -> Result<(&str, &str), ScheduleError> {
    if text.chars().count() > SCHEDULE_CHARS {
        return Err(ScheduleError);
    }
    let (kind, rest) = text.split_once('(').ok_or(ScheduleError)?;
    Ok((kind, rest.strip_suffix(')').ok_or(ScheduleError)?))
}

fn read_rate(number: &str, unit: &str) -> Result<ScheduleExpression, ScheduleError> {
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let units: u64 = number.parse().ok().filter(|_| is_number).ok_or(ScheduleError)?;
    if !RATE_UNITS.contains(&units) {
        return Err(ScheduleError);
    }
    let unit_ms = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => MINUTE_MS,
        "hour" => 60 * MINUTE_MS,
        "day" => 24 * 60 * MINUTE_MS,
        _ => return Err(ScheduleError),
    };
    Ok(ScheduleExpression::Rate { period_ms: units * unit_ms })
}

/// The time zone in which an expression is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// `Europe/Berlin`, by the machine's data on time zones, or else by those of this program.
    pub fn named(name: &str) -> Option<Zone> {
        TimeZone::get(name).ok().map(Zone)
    }

    /// When the clock shows a time for the first time. `None` if it never does.
    fn first(&self, time: DateTime) -> Option<u64> {
        let found = self.0.to_ambiguous_timestamp(time);
        match found.offset() {
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok().and_then(since_1970),
        }
    }
}

fn since_1970(time: Timestamp) -> Option<u64> {
    u64::try_from(time.as_millisecond()).ok()
}

/// An expression, where it is read and when it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub expression: ScheduleExpression,
    pub zone: Zone,
    pub start_ms: u64,
}

impl Schedule {
    /// The first time after a time. `None` if there is none any more.
    pub fn next(&self, after_ms: u64) -> Option<u64> {
        match &self.expression {
            ScheduleExpression::Rate { .. } if after_ms < self.start_ms => Some(self.start_ms),
            ScheduleExpression::Rate { period_ms } => {
                let periods = (after_ms - self.start_ms) / period_ms + 1;
                periods.checked_mul(*period_ms)?.checked_add(self.start_ms)
            }
            ScheduleExpression::Once(time) => {
                let due = self.zone.0.to_ambiguous_timestamp(*time).compatible().ok().and_then(since_1970)?;
                (due > after_ms).then_some(due)
            }
            ScheduleExpression::Cron(cron) => self.next_of_cron(cron, after_ms),
        }
    }

    fn next_of_cron(&self, cron: &CronExpression, after_ms: u64) -> Option<u64> {
        // A schedule that starts later has no time before that.
        let after_ms = after_ms.max(self.start_ms.saturating_sub(1));
        let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?;
        let mut shown = self.zone.0.to_datetime(after);
        for _ in 0..SKIPPED_TIMES {
            shown = cron.next(shown)?;
            // Left out by the clock, or shown for the second time since `after`.
            if let Some(due) = self.zone.first(shown).filter(|due| *due > after_ms) {
                return Some(due);
            }
        }
        None
    }
}
