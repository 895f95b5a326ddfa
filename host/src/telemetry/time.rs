//! The time format of all logs: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::calendar;

/// `2026-11-26T19:30:00.123Z`: of constant length, so that it sorts as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Timestamp([u8; 24]);

impl Timestamp {
    pub fn now() -> Timestamp {
        Timestamp::of(SystemTime::now())
    }

    /// Clamped to the years 1970 to 9999.
    pub fn of(time: SystemTime) -> Timestamp {
        const END_OF_9999_MS: u64 = 253_402_300_799_999;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let ms = u64::try_from(since).unwrap_or(u64::MAX).min(END_OF_9999_MS);
        let (year, month, day) = calendar::date(ms / 86_400_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (at, digits, value) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, ms / 3_600_000 % 24),
            (14, 2, ms / 60_000 % 60),
            (17, 2, ms / 1_000 % 60),
            (20, 3, ms % 1_000),
        ] {
            let mut rest = value;
            for place in text[at..at + digits].iter_mut().rev() {
                *place = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
                rest /= 10;
            }
        }
        Timestamp(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::of(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (68_169_599_000, "1972-02-28T23:59:59.000Z"),
            (68_169_600_000, "1972-02-29T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_767_225_599_007, "2025-12-31T23:59:59.007Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::of(UNIX_EPOCH + Duration::from_millis(ms)).as_str(), text, "{ms}");
        }
        assert_eq!(Timestamp::of(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::default());
    }
}
