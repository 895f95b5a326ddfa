//! A duration, as commands are given it: a number and its unit.

use std::time::Duration;

/// `30s`, `10m`, `2h` or `7d`; at most a hundred years.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no duration, such as 30s, 10m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    number.checked_mul(seconds).filter(|seconds| *seconds <= 100 * 365 * 86_400).map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7_200), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "10", "10w", "-1m", "1.5h", "9999999999999999999d", "ä"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
