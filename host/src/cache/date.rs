//! Parses HTTP dates leniently (RFC 9110 section 5.6.7).
//!
//! A wrong weekday is ignored, since the weekday adds nothing to a date.

use std::time::SystemTime;

const WEEKDAYS: [(&str, &str); 7] = [
    ("Mon", "Monday"),
    ("Tue", "Tuesday"),
    ("Wed", "Wednesday"),
    ("Thu", "Thursday"),
    ("Fri", "Friday"),
    ("Sat", "Saturday"),
    ("Sun", "Sunday"),
];

/// The three forms of HTTP dates, from 1970 on.
pub fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim_ascii();
    if let Ok(moment) = httpdate::parse_http_date(text) {
        return Some(moment);
    }
    // Text with an existing weekday is meant as a date.
    let end = text.find([',', ' '])?;
    let (weekday, rest) = text.split_at(end);
    WEEKDAYS.iter().find(|(short, long)| weekday.eq_ignore_ascii_case(short) || weekday.eq_ignore_ascii_case(long))?;
    let right = |(short, long): &(&str, &str)| {
        let name = if weekday.len() == 3 { short } else { long };
        httpdate::parse_http_date(&format!("{name}{rest}")).ok()
    };
    WEEKDAYS.iter().find_map(right)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_date_with_a_wrong_weekday_is_valid() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Tue, 06 Nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Monday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sat Nov  6 08:49:37 1994",
            " Fri, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(parse(text), Some(UNIX_EPOCH + Duration::from_secs(784_111_777)), "{text}");
        }
        for text in [
            "",
            "0",
            "Sun",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994",
            "06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
