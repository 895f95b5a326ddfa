//! The two ways in which a signed request writes its time. Both are in UTC and without fractions or leap seconds.

const DAY_S: u64 = 86_400;
/// Days from 0000-03-01, where the leap day ends the year, to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `YYYYMMDDTHHMMSSZ`, from 1970 on, as seconds since 1970.
pub(super) fn parse_basic(text: &str) -> Option<u64> {
    let [date @ .., b'T', h0, h1, m0, m1, s0, s1, b'Z'] = text.as_bytes() else { return None };
    let [y0, y1, y2, y3, month0, month1, day0, day1] = date else { return None };
    seconds(
        [decimal(&[*y0, *y1, *y2, *y3])?, decimal(&[*month0, *month1])?, decimal(&[*day0, *day1])?],
        [decimal(&[*h0, *h1])?, decimal(&[*m0, *m1])?, decimal(&[*s0, *s1])?],
    )
}

/// Reads `Fri, 24 May 2013 00:00:00 GMT`, also with the zone `+0000` or `-0000`, which botocore writes. The day of the week
/// is not compared with the date.
pub(super) fn parse_http(text: &str) -> Option<u64> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (weekday, day, month, year, clock, zone) = (word()?, word()?, word()?, word()?, word()?, word()?);
    if word().is_some() || weekday.len() != 4 || !weekday.ends_with(',') || !["GMT", "+0000", "-0000"].contains(&zone) {
        return None;
    }
    let [h0, h1, b':', m0, m1, b':', s0, s1] = clock.as_bytes() else { return None };
    if day.len() != 2 || year.len() != 4 {
        return None;
    }
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    seconds(
        [decimal(year.as_bytes())?, month, decimal(day.as_bytes())?],
        [decimal(&[*h0, *h1])?, decimal(&[*m0, *m1])?, decimal(&[*s0, *s1])?],
    )
}

/// Writes seconds since 1970 as `YYYYMMDDTHHMMSSZ`.
pub(super) fn format_basic(time_s: u64) -> String {
    let (days, second) = (time_s / DAY_S + EPOCH_DAYS, time_s % DAY_S);
    // Years that begin in March, in eras of 400: the inverse of `seconds`.
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

fn seconds([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of_month = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // The year begins in March, and 153 days are five months from there on.
    let (year, march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * march + 2) / 5 + day - 1 - EPOCH_DAYS;
    Some(days * DAY_S + hour * 3_600 + minute * 60 + second)
}

/// Digits and nothing else: `str::parse` takes a sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| 10 * number + u64::from(digit - b'0')))
}
