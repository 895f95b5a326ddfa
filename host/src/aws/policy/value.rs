//! Values of a policy's conditions that are more than texts: decimal numbers, dates, networks, and encoded bytes.
//!
//! Numbers compare exactly, whatever their length. Dates are instants of the proleptic Gregorian calendar in
//! nanoseconds; a leap second is the second before it.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::str::FromStr;

use crate::calendar;

/// A decimal number, such as `-12.50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without leading zeros.
    whole: String,
    /// Without trailing zeros.
    fraction: String,
}

impl Decimal {
    pub(super) fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Decimal { negative: negative && !is_zero, whole, fraction })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let size = |number: &Decimal| number.whole.len();
        let magnitude = size(self).cmp(&size(other));
        let magnitude = magnitude.then_with(|| self.whole.cmp(&other.whole));
        let magnitude = magnitude.then_with(|| self.fraction.cmp(&other.fraction));
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An instant, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i128);

const NANOS: i128 = 1_000_000_000;

impl Instant {
    /// Reads the W3C's profile of ISO 8601 (`2013`, `2013-08`, `2013-08-16`, `2013-08-16T12:00Z`,
    /// `2013-08-16T12:00:00.5+02:00`) or seconds since 1970. Four digits are a year.
    pub(super) fn parse(text: &str) -> Option<Instant> {
        if !text.contains('-') && text.len() != YEAR_DIGITS {
            return is_digits(text).then(|| text.parse::<i64>().ok())?.map(|seconds| Instant(i128::from(seconds) * NANOS));
        }
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = digits(parts.next()?, YEAR_DIGITS)?;
        let month = parts.next().map_or(Some(1), |text| digits(text, 2))?;
        let day = match parts.next() {
            Some(text) => digits(text, 2)?,
            None if time.is_none() => 1,
            None => return None,
        };
        if parts.next().is_some() {
            return None;
        }
        let midnight = i128::from(calendar::days(year, month, day)?) * 86_400 * NANOS;
        Some(Instant(midnight + time.map_or(Some(0), nanos_of_day)?))
    }
}

const YEAR_DIGITS: usize = 4;

/// Of `12:00Z` or `12:00:00.5+02:00`; below zero or above a day's where the zone makes it so.
fn nanos_of_day(text: &str) -> Option<i128> {
    let (clock, zone_minutes) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, zone) = text.split_at(text.rfind(['+', '-'])?);
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = below(hours, 24)? * 60 + below(minutes, 60)?;
            (clock, if zone.starts_with('-') { -minutes } else { minutes })
        }
    };
    let mut parts = clock.splitn(3, ':');
    let minutes = below(parts.next()?, 24)? * 60 + below(parts.next()?, 60)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
            if !is_digits(fraction) || fraction.len() > 9 {
                return None;
            }
            (below(seconds, 61)?.min(59), format!("{fraction:0<9}").parse::<i128>().ok()?)
        }
    };
    Some((i128::from(minutes - zone_minutes) * 60 + i128::from(seconds)) * NANOS + fraction)
}

/// Two digits of less than a number.
fn below(text: &str, end: i64) -> Option<i64> {
    digits(text, 2).filter(|number| *number < end)
}

fn digits<T: FromStr>(text: &str, count: usize) -> Option<T> {
    (text.len() == count && is_digits(text)).then(|| text.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Addresses with a common beginning: `203.0.113.0/24`, `2001:db8::/32`, or a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) if is_digits(bits) => (address, Some(bits.parse::<u32>().ok()?)),
            Some(_) => return None,
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(bits_max);
        (bits <= bits_max).then_some(Network { address, bits })
    }

    /// Whether an address is one of them. An IPv4 address that is written as IPv6 is an IPv4 address.
    pub(super) fn contains(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        match (self.address, address) {
            (IpAddr::V6(own), IpAddr::V6(address)) => (own.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V4(own), address) => match address.to_canonical() {
                IpAddr::V4(address) => (own.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits,
                IpAddr::V6(_) => false,
            },
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether a text is in base64 (RFC 4648, section 4), with its padding.
pub(super) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}
