//! The proleptic Gregorian calendar, in days since 1970-01-01.
//!
//! Both directions are those of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the
//! leap day is the last, and 153 days are five months from there on.

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// Year, month and day of a day.
pub fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day of a date, below zero before 1970. `None` if the calendar has no such date.
pub fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of_month = match month {
        2 => 28 + u8::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_of_month).contains(&day) {
        return None;
    }
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (153 * month_from_march + 2) / 5 + day - 1 - EPOCH_DAYS.cast_signed())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn days_are_those_of_another_implementation_and_come_back() {
        for day in (0..60_000).step_by(17) {
            let time = UNIX_EPOCH + Duration::from_secs(day * 86_400);
            let (year, month, number) = date(day);
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let name = months[usize::try_from(month - 1).unwrap()];
            let http = httpdate::fmt_http_date(time);
            assert!(http.contains(&format!("{number:02} {name} {year}")), "{day}: {http}");
            let back = days(year.try_into().unwrap(), month.try_into().unwrap(), number.try_into().unwrap());
            assert_eq!(back, Some(day.cast_signed()));
        }
    }

    #[test]
    fn dates_that_the_calendar_has_not_are_refused() {
        assert_eq!((days(1969, 12, 31), days(0, 3, 1), days(0, 2, 29)), (Some(-1), Some(-719_468), Some(-719_469)));
        assert_eq!((days(2024, 2, 29).is_some(), days(2000, 2, 29).is_some()), (true, true));
        for (year, month, day) in [(2023, 2, 29), (1900, 2, 29), (2023, 4, 31), (2023, 13, 1), (2023, 0, 1), (2023, 1, 0)] {
            assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
        }
    }
}
