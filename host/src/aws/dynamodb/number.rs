//! A number as DynamoDB has it: decimal, with 38 digits, from 1E-130 to 9.99…E+125.
//!
//! Each number has one form, so that equal numbers are equal values, and a key of 18 bytes that sorts as the numbers do. Sums are
//! exact or refused. Told, a number has no exponent.

use std::cmp::Ordering;
use std::fmt;

use crate::limits::dynamodb::{DIGITS, MAGNITUDE};

/// The value is `coefficient` × 10 ^ `exponent`; the coefficient does not end in zero, and zero has the exponent 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DecimalNumber {
    negative: bool,
    coefficient: u128,
    exponent: i64,
}

/// Why a text or a sum is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    #[error("The parameter cannot be converted to a numeric value")]
    NotNumeric,
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    TooLarge,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    TooSmall,
}

impl DecimalNumber {
    pub fn parse(text: &str) -> Result<DecimalNumber, NumberFault> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, power) = match rest.split_once(['e', 'E']) {
            Some((digits, power)) => (digits, parsed_power(power)?),
            None => (rest, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut reading = DigitReader::default();
        for byte in whole.bytes().chain(fraction.bytes()) {
            reading.take(byte)?;
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(NumberFault::NotNumeric);
        }
        let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let exponent = power.saturating_sub(fraction_digits).saturating_add(reading.zeros);
        let number = DecimalNumber { negative, coefficient: reading.coefficient, exponent };
        if reading.significant > i64::from(DIGITS) {
            return Err(NumberFault::TooPrecise);
        }
        number.checked()
    }

    pub fn from_size(size: usize) -> DecimalNumber {
        let number = DecimalNumber { negative: false, coefficient: size as u128, exponent: 0 };
        number.checked().unwrap_or_default()
    }

    /// # Errors
    /// The sum is too large, too small, or has more than 38 digits, which AWS calls too large.
    pub fn plus(self, other: DecimalNumber) -> Result<DecimalNumber, NumberFault> {
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if low.coefficient == 0 || high.coefficient == 0 {
            return Ok(if low.coefficient == 0 { high } else { low });
        }
        // The lower one ends in a digit that is not zero, and so does the sum: what does not fit here has more than 38 digits.
        let shift = u32::try_from(high.exponent - low.exponent).map_err(|_| NumberFault::TooLarge)?;
        let factor = 10_u128.checked_pow(shift).ok_or(NumberFault::TooLarge)?;
        let lifted = high.coefficient.checked_mul(factor).ok_or(NumberFault::TooLarge)?;
        let (negative, coefficient) = if high.negative == low.negative {
            (high.negative, lifted.checked_add(low.coefficient).ok_or(NumberFault::TooLarge)?)
        } else {
            (high.negative == (lifted >= low.coefficient), lifted.abs_diff(low.coefficient))
        };
        DecimalNumber { negative, coefficient, exponent: low.exponent }.checked()
    }

    pub fn minus(self, other: DecimalNumber) -> Result<DecimalNumber, NumberFault> {
        self.plus(DecimalNumber { negative: !other.negative && other.coefficient != 0, ..other })
    }

    /// The seconds since 1970 that it tells, if it can.
    pub fn seconds(self) -> Option<u64> {
        let power = 10_u128.checked_pow(u32::try_from(self.exponent.abs()).ok()?);
        let whole = match self.exponent {
            0.. => self.coefficient.checked_mul(power?)?,
            _ => power.map_or(0, |power| self.coefficient / power),
        };
        u64::try_from(whole).ok().filter(|_| !self.negative)
    }

    /// As AWS counts it: two digits a byte.
    pub fn size(self) -> usize {
        usize::from(self.negative) + (digits(self.coefficient) as usize).div_ceil(2) + 1
    }

    /// Bytes that sort as numbers do.
    pub fn key_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        if self.coefficient == 0 {
            bytes[0] = 0x80;
            return bytes;
        }
        bytes[0] = 0x81;
        // 0 to 255.
        bytes[1] = u8::try_from(self.magnitude() - MAGNITUDE.start()).unwrap_or(u8::MAX);
        bytes[2..].copy_from_slice(&self.scaled().to_be_bytes());
        if self.negative { bytes.map(|byte| !byte) } else { bytes }
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i64 {
        self.exponent + i64::from(digits(self.coefficient)) - 1
    }

    /// The coefficient with all digits that there can be.
    fn scaled(self) -> u128 {
        self.coefficient * 10_u128.pow(DIGITS - digits(self.coefficient))
    }

    /// In the one form that there is.
    fn checked(self) -> Result<DecimalNumber, NumberFault> {
        let DecimalNumber { negative, mut coefficient, mut exponent } = self;
        if coefficient == 0 {
            return Ok(DecimalNumber::default());
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        let magnitude = exponent.saturating_add(i64::from(digits(coefficient)) - 1);
        if magnitude > *MAGNITUDE.end() || digits(coefficient) > DIGITS {
            return Err(NumberFault::TooLarge);
        }
        if magnitude < *MAGNITUDE.start() {
            return Err(NumberFault::TooSmall);
        }
        Ok(DecimalNumber { negative, coefficient, exponent })
    }
}

fn digits(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |power| power + 1)
}

/// The number behind `e`. One that is too long for us is too large in any case.
fn parsed_power(text: &str) -> Result<i64, NumberFault> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberFault::NotNumeric);
    }
    let power = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok(if negative { -power } else { power })
}

/// Digits as they come. Zeros count only when another digit follows.
#[derive(Default)]
struct DigitReader {
    coefficient: u128,
    significant: i64,
    zeros: i64,
}

impl DigitReader {
    fn take(&mut self, byte: u8) -> Result<(), NumberFault> {
        if !byte.is_ascii_digit() {
            return Err(NumberFault::NotNumeric);
        }
        if byte == b'0' {
            self.zeros += i64::from(self.significant > 0);
            return Ok(());
        }
        self.significant += self.zeros + 1;
        if self.significant <= i64::from(DIGITS) {
            let power = 10_u128.pow(u32::try_from(self.zeros).unwrap_or(DIGITS) + 1);
            self.coefficient = self.coefficient * power + u128::from(byte - b'0');
        }
        self.zeros = 0;
        Ok(())
    }
}

impl Ord for DecimalNumber {
    fn cmp(&self, other: &DecimalNumber) -> Ordering {
        self.key_bytes().cmp(&other.key_bytes())
    }
}

impl PartialOrd for DecimalNumber {
    fn partial_cmp(&self, other: &DecimalNumber) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for DecimalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        let sign = if self.negative { "-" } else { "" };
        let Ok(below) = usize::try_from(-self.exponent) else {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        };
        match digits.len().checked_sub(below) {
            Some(_) if below == 0 => write!(f, "{sign}{digits}"),
            Some(whole @ 1..) => write!(f, "{sign}{}.{}", &digits[..whole], &digits[whole..]),
            _ => write!(f, "{sign}0.{digits:0>below$}"),
        }
    }
}

#[cfg(test)]
mod tests;
