//! Expressions and the times after them; and against every minute of some months.

use jiff::civil::{DateTime, Weekday, date};
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;

fn ms(time: &str) -> u64 {
    time.parse::<Timestamp>().unwrap_or_else(|error| panic!("{time}: {error}")).as_millisecond().try_into().unwrap()
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    let expression = ScheduleExpression::of_a_schedule(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    Schedule { expression, zone: Zone::named(zone).unwrap(), start_ms: 0 }
}

/// The times after a time, one after the other.
#[track_caller]
fn check(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let schedule = schedule(expression, zone);
    let mut at = ms(after);
    for expected in expected {
        at = schedule.next(at).unwrap_or_else(|| panic!("{expression} has no time {expected}"));
        let told = Timestamp::from_millisecond(at.try_into().unwrap()).unwrap().to_string();
        assert_eq!(told, *expected, "{expression} in {zone}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_due_when_it_says() {
    let utc = |expression, expected: &[&str]| check(expression, "UTC", "2026-11-28T11:30:00Z", expected);
    utc("cron(0 10 * * ? *)", &["2026-11-29T10:00:00Z", "2026-11-30T10:00:00Z"]);
    utc("cron(15 12 * * ? *)", &["2026-11-28T12:15:00Z"]);
    utc("cron(0 18 ? * MON-FRI *)", &["2026-11-30T18:00:00Z", "2026-12-01T18:00:00Z"]);
    utc("cron(0 8 1 * ? *)", &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"]);
    utc("cron(0/10 * ? * MON-FRI *)", &["2026-11-30T00:00:00Z", "2026-11-30T00:10:00Z"]);
    utc("cron(0/5 8-17 ? * MON-FRI *)", &["2026-11-30T08:00:00Z", "2026-11-30T08:05:00Z"]);
    // From 20:00 of a day to 02:00 of the next.
    utc("cron(0/30 20-23 ? * MON-FRI *)", &["2026-11-30T20:00:00Z", "2026-11-30T20:30:00Z"]);
    utc("cron(0/30 0-2 ? * 3-7 *)", &["2026-12-01T00:00:00Z"]);
    // The last Friday of each month.
    utc("cron(15 10 ? * 6L 2026-2027)", &["2026-12-25T10:15:00Z", "2027-01-29T10:15:00Z"]);
    // The second Tuesday.
    utc("cron(0 9 ? * 3#2 *)", &["2026-12-08T09:00:00Z", "2027-01-12T09:00:00Z"]);
    utc("cron(0 9 ? * TUE#2 *)", &["2026-12-08T09:00:00Z"]);
    // The weekday that is nearest to the third.
    utc("cron(0 9 3W * ? *)", &["2026-12-03T09:00:00Z", "2027-01-04T09:00:00Z", "2027-02-03T09:00:00Z"]);
    utc("cron(59 23 L * ? *)", &["2026-11-30T23:59:00Z", "2026-12-31T23:59:00Z"]);
    utc("cron(0 0 LW * ? *)", &["2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-29T00:00:00Z"]);
    utc("cron(0 0 ? * L *)", &["2026-12-05T00:00:00Z"]);
    utc("cron(0 0 29 feb ? *)", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    utc("cron(0,30 5 ? JAN,MAR SUN 2027)", &["2027-01-03T05:00:00Z", "2027-01-03T05:30:00Z"]);
    utc("cron(10-20/5 * * * ? *)", &["2026-11-28T12:10:00Z", "2026-11-28T12:15:00Z", "2026-11-28T12:20:00Z"]);
    utc("cron(0 0 */10 * ? 2027/2)", &["2027-01-01T00:00:00Z", "2027-01-11T00:00:00Z"]);
}

#[test]
fn what_has_no_time_any_more_says_so() {
    for expression in ["cron(0 0 31 2 ? *)", "cron(0 0 1 1 ? 2020)", "at(2026-11-28T11:30:00)"] {
        assert_eq!(schedule(expression, "UTC").next(ms("2026-11-28T11:30:00Z")), None, "{expression}");
    }
    check("cron(0 0 1 1 ? 2199)", "UTC", "2026-11-28T11:30:00Z", &["2199-01-01T00:00:00Z"]);
    assert_eq!(schedule("cron(0 0 1 1 ? *)", "UTC").next(ms("2199-01-01T00:00:00Z")), None);
}

#[test]
fn a_rate_counts_from_its_start() {
    let expression = ScheduleExpression::of_a_rule("rate(5 minutes)").unwrap();
    let schedule = Schedule { expression, zone: Zone::utc(), start_ms: 1_000 };
    let period = 300_000;
    for (after, expected) in [
        (0, 1_000),
        (999, 1_000),
        (1_000, 1_000 + period),
        (999 + period, 1_000 + period),
        (1_000 + period, 1_000 + 2 * period),
        (7_777 + 9 * period, 1_000 + 10 * period),
    ] {
        assert_eq!(schedule.next(after), Some(expected), "{after}");
    }
}

#[test]
fn a_day_of_a_rate_has_24_hours_whatever_the_clock_does() {
    let mut schedule = schedule("rate(1 days)", "Europe/Berlin");
    schedule.start_ms = ms("2026-03-28T12:00:00Z");
    assert_eq!(schedule.next(schedule.start_ms), Some(ms("2026-03-29T12:00:00Z")));
}

#[test]
fn a_schedule_that_starts_later_has_no_time_before() {
    let mut schedule = schedule("cron(0 12 * * ? *)", "UTC");
    schedule.start_ms = ms("2026-11-30T12:00:00Z");
    assert_eq!(schedule.next(ms("2026-11-28T00:00:00Z")), Some(schedule.start_ms));
    assert_eq!(schedule.next(schedule.start_ms), Some(ms("2026-12-01T12:00:00Z")));
}

#[test]
fn a_time_that_the_clock_leaves_out_in_spring_is_skipped() {
    // On 29 March 2026 the clock goes from 02:00 to 03:00.
    check(
        "cron(30 2 * * ? *)",
        "Europe/Berlin",
        "2026-03-27T12:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"],
    );
    check("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-03-29T00:30:00Z", &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
    // A whole day was left out in Samoa: 30 December 2011.
    check("cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T12:00:00Z", &["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]);
    check("cron(* * * * ? *)", "Pacific/Apia", "2011-12-30T09:59:00Z", &["2011-12-30T10:00:00Z"]);
    check("at(2026-03-29T02:30:00)", "Europe/Berlin", "2026-03-01T00:00:00Z", &["2026-03-29T01:30:00Z"]);
}

#[test]
fn a_time_that_the_clock_shows_twice_in_autumn_is_due_once() {
    // On 25 October 2026 the clock goes from 03:00 to 02:00.
    check("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    check(
        "cron(0/30 * * * ? *)",
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"],
    );
    // Asked within the hour that comes again.
    check("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]);
    check("at(2026-10-25T02:30:00)", "Europe/Berlin", "2026-10-01T00:00:00Z", &["2026-10-25T00:30:00Z"]);
}

#[test]
fn zones_have_the_names_of_iana() {
    check("cron(0 12 * * ? *)", "America/New_York", "2026-07-01T00:00:00Z", &["2026-07-01T16:00:00Z"]);
    check("cron(0 12 * * ? *)", "Asia/Kolkata", "2026-07-01T00:00:00Z", &["2026-07-01T06:30:00Z"]);
    assert_eq!((Zone::named("Europe/Atlantis"), Zone::named("")), (None, None));
}

#[test]
fn what_is_no_expression_is_refused_as_aws_refuses_it() {
    // Recorded from AWS, of both services.
    let refused = [
        "cron(0 1 * * * *)",
        "cron(7 20 * * NOT *)",
        "cron(INVALID)",
        "cron(0 dummy ? * MON-FRI *)",
        "cron(71 8 1 * ? *)",
        "cron()",
        "rate(10 seconds)",
        "rate(10 years)",
        "rate()",
        "rate(10)",
        "rate(10 minutess)",
        "rate(foo minutes)",
        "rate(-10 minutes)",
        "rate( 10 minutes )",
        " rate(10 minutes)",
        "at(2021-12-31T23:59:59Z)",
        "at(2021-12-31)",
        // By the documentation.
        "",
        "rate",
        "rate(0 minutes)",
        "rate(+1 minute)",
        "rate(1  minute)",
        "cron(0 12 * * ?)",
        "cron(0 0 12 * * ? *)",
        "cron(0 12 ? * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 12 0 * ? *)",
        "cron(0 12 32 * ? *)",
        "cron(0 12 * 13 ? *)",
        "cron(0 12 ? * 0 *)",
        "cron(0 12 ? * 8 *)",
        "cron(0 12 ? * FRI-MON *)",
        "cron(0 12 ? * 3#6 *)",
        "cron(0 12 ? * 3#1,4#1 *)",
        "cron(0 12 1W,15 * ? *)",
        "cron(0 12 * * ? 1969)",
        "cron(0 12 * * ? 2200)",
        "cron(*/0 12 * * ? *)",
        "cron(5-1 12 * * ? *)",
        "cron(, 12 * * ? *)",
        "cron(@DAILY 12 * * ? *)",
        "at(2026-02-30T00:00:00)",
    ];
    for text in refused {
        for parsed in [ScheduleExpression::of_a_rule(text), ScheduleExpression::of_a_schedule(text)] {
            assert_eq!(parsed, Err(ScheduleError), "{text}");
        }
    }
    assert_eq!(ScheduleError.to_string(), "Parameter ScheduleExpression is not valid.");
    // A rule is stricter.
    for text in
        ["rate(1 minutes)", "rate(1 hours)", "rate(10 minute)", "rate(10 day)", "rate(10 MINUTES)", "at(2026-11-28T13:00:00)"]
    {
        assert_eq!(ScheduleExpression::of_a_rule(text), Err(ScheduleError), "{text}");
        assert!(ScheduleExpression::of_a_schedule(text).is_ok(), "{text}");
    }
}

#[test]
fn an_expression_has_its_longest_length() {
    for (chars, fits) in [(SCHEDULE_CHARS - 1, true), (SCHEDULE_CHARS, true), (SCHEDULE_CHARS + 1, false)] {
        let list = "0,".repeat((chars - 18) / 2);
        let text = format!("cron({}{list}0 12 * * ? *)", if chars % 2 == 1 { "0" } else { "" });
        assert_eq!((text.len(), ScheduleExpression::of_a_rule(&text).is_ok()), (chars, fits));
    }
    for (units, fits) in [(RATE_UNITS.end() - 1, true), (*RATE_UNITS.end(), true), (RATE_UNITS.end() + 1, false)] {
        assert_eq!(ScheduleExpression::of_a_rule(&format!("rate({units} days)")).is_ok(), fits, "{units}");
    }
}

/// What one field of a made-up expression means, for a naive look at each minute.
#[derive(Debug, Clone)]
enum Part {
    Any,
    From(i64, i64),
    Between(i64, i64),
    Each(i64, i64),
}

impl Part {
    fn text(&self) -> String {
        match self {
            Part::Any => "*".to_owned(),
            Part::From(from, step) => format!("{from}/{step}"),
            Part::Between(from, to) => format!("{from}-{to}"),
            Part::Each(one, other) => format!("{one},{other}"),
        }
    }

    fn has(&self, value: i64) -> bool {
        match *self {
            Part::Any => true,
            Part::From(from, step) => value >= from && (value - from) % step == 0,
            Part::Between(from, to) => (from..=to).contains(&value),
            Part::Each(one, other) => value == one || value == other,
        }
    }
}

fn part(first: i64, last: i64) -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Any),
        (first..=last, 1..=last).prop_map(|(from, step)| Part::From(from, step)),
        (first..=last, first..=last).prop_map(|(one, other)| Part::Between(one.min(other), one.max(other))),
        (first..=last, first..=last).prop_map(|(one, other)| Part::Each(one, other)),
    ]
}

/// A day, as the text of its two fields and what a date must be.
#[derive(Debug, Clone)]
enum Day {
    OfMonth(Part),
    OfWeek(Part),
    Last,
    Nearest(i8),
    LastWeekday(i8),
    Nth(i8, i8),
}

impl Day {
    fn text(&self) -> (String, String) {
        let of_month = |text: String| (text, "?".to_owned());
        let of_week = |text: String| ("?".to_owned(), text);
        match self {
            Day::OfMonth(part) => of_month(part.text()),
            Day::OfWeek(part) => of_week(part.text()),
            Day::Last => of_month("L".to_owned()),
            Day::Nearest(day) => of_month(format!("{day}W")),
            Day::LastWeekday(day) => of_week(format!("{day}L")),
            Day::Nth(day, number) => of_week(format!("{day}#{number}")),
        }
    }

    fn has(&self, time: DateTime) -> bool {
        let date = time.date();
        let weekday = date.weekday().to_sunday_one_offset();
        match *self {
            Day::OfMonth(ref part) => part.has(date.day().into()),
            Day::OfWeek(ref part) => part.has(weekday.into()),
            Day::Last => date == date.last_of_month(),
            Day::Nearest(day) => {
                let Ok(wanted) = jiff::civil::Date::new(date.year(), date.month(), day) else { return false };
                // The nearest of the month's weekdays; there are no two that are equally near.
                let weekdays =
                    (1..=date.days_in_month()).filter_map(|day| jiff::civil::Date::new(date.year(), date.month(), day).ok());
                let weekdays = weekdays.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
                weekdays.min_by_key(|day| (day.day() - wanted.day()).abs()) == Some(date)
            }
            Day::LastWeekday(day) => weekday == day && (date + 7.days()).month() != date.month(),
            Day::Nth(day, number) => weekday == day && (date.day() + 6) / 7 == number,
        }
    }
}

fn day() -> impl Strategy<Value = Day> {
    prop_oneof![
        part(1, 31).prop_map(Day::OfMonth),
        part(1, 7).prop_map(Day::OfWeek),
        Just(Day::Last),
        (1_i8..=31).prop_map(Day::Nearest),
        (1_i8..=7).prop_map(Day::LastWeekday),
        (1_i8..=7, 1_i8..=5).prop_map(|(day, number)| Day::Nth(day, number)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_next_time_is_the_first_minute_that_all_fields_have(
        minutes in part(0, 59),
        hours in part(0, 23),
        day in day(),
        months in part(1, 12),
        begin in 0_i64..700,
    ) {
        let (of_month, of_week) = day.text();
        let text = format!("cron({} {} {of_month} {} {of_week} *)", minutes.text(), hours.text(), months.text());
        let expression = ScheduleExpression::of_a_rule(&text);
        prop_assert!(expression.is_ok(), "{}", text);
        let Ok(ScheduleExpression::Cron(cron)) = expression else { unreachable!() };
        let from = date(2026, 1, 1).at(12, 34, 56, 0) + begin.days();
        // Days that have no time are passed over as a whole.
        let days = (0..800).map(|after| from.date() + after.days());
        let expected = days
            .filter(|date| months.has(date.month().into()) && day.has(date.at(0, 0, 0, 0)))
            .flat_map(|date| (0..24_i8).map(move |hour| date.at(hour, 0, 0, 0)))
            .filter(|time| hours.has(time.hour().into()))
            .flat_map(|time| (0..60).map(move |minute| time + minute.minutes()))
            .find(|time| minutes.has(time.minute().into()) && *time > from);
        if let Some(expected) = expected {
            prop_assert_eq!(cron.next(from), Some(expected), "{} after {}", text, from);
        } else if let Some(found) = cron.next(from) {
            prop_assert!(found.date() > from.date() + 799.days(), "{} after {} at {}", text, from, found);
        }
    }
}
