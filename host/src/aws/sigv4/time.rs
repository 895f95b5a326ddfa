//! The two ways in which a signed request writes its time. Both are in UTC and without fractions or leap seconds.

use crate::calendar;

const DAY_S: u64 = 86_400;
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
    let ((year, month, day), second) = (calendar::date(time_s / DAY_S), time_s % DAY_S);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

fn seconds([year, month, day]: [u16; 3], [hour, minute, second]: [u16; 3]) -> Option<u64> {
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = calendar::days(year, month.try_into().ok()?, day.try_into().ok()?)?;
    let seconds = u64::from(hour) * 3_600 + u64::from(minute) * 60 + u64::from(second);
    Some(u64::try_from(days).ok()? * DAY_S + seconds)
}

/// Up to four digits and nothing else: `str::parse` takes a sign.
fn decimal(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| 10 * number + u16::from(digit - b'0')))
}
