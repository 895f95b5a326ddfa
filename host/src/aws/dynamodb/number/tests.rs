//! Numbers: what is one, how they are told, added and ordered.

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> DecimalNumber {
    DecimalNumber::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[test]
fn numbers_are_told_without_an_exponent() {
    let nines = "9".repeat(38);
    for (text, told) in [
        ("0", "0"),
        ("-0.000", "0"),
        ("0e1000", "0"),
        ("+3", "3"),
        ("0001.230", "1.23"),
        (".123", "0.123"),
        ("5.", "5"),
        ("-17e5", "-1700000"),
        ("-17.4E37", &format!("-174{}", "0".repeat(36))),
        ("1e-3", "0.001"),
        ("12e-1", "1.2"),
        ("-100", "-100"),
        ("3.1415926535897932384626433832795028841", "3.1415926535897932384626433832795028841"),
        (&nines, &nines),
        ("1e125", &format!("1{}", "0".repeat(125))),
        ("1e-130", &format!("0.{}1", "0".repeat(129))),
    ] {
        assert_eq!(number(text).to_string(), told, "{text}");
    }
}

#[test]
fn what_is_no_number_is_told_why() {
    for text in ["", "-", ".", "dog", "NaN", "Infinity", " 1", "1 ", "1e", "1e+", "0x1", "1_0", "1.2.3", "--1", "1e1.5", "é"] {
        assert_eq!(DecimalNumber::parse(text), Err(NumberFault::NotNumeric), "{text:?}");
    }
    for text in ["1e126", "11e125", "-1e126", "1e99999999999999999999"] {
        assert_eq!(DecimalNumber::parse(text), Err(NumberFault::TooLarge), "{text:?}");
    }
    for text in ["1e-131", "0.9e-130", "-1e-131", "1e-99999999999999999999"] {
        assert_eq!(DecimalNumber::parse(text), Err(NumberFault::TooSmall), "{text:?}");
    }
    for text in ["3.14159265358979323846264338327950288419", &format!("1{}1", "0".repeat(37)), &"1".repeat(400_000)] {
        assert_eq!(DecimalNumber::parse(text), Err(NumberFault::TooPrecise), "{text:?}");
    }
    assert_eq!(number(&format!("1{}", "0".repeat(100))), number("1e100"));
}

#[test]
fn sums_are_exact_or_refused() {
    let (large, one) = (number("10000000000000000000000"), number("1"));
    assert_eq!(large.plus(one).unwrap().to_string(), "10000000000000000000001");
    assert_eq!(large.minus(one).unwrap().to_string(), "9999999999999999999999");
    assert_eq!(one.minus(large).unwrap().to_string(), "-9999999999999999999999");
    assert_eq!(number("0.1").plus(number("0.2")).unwrap(), number("0.3"));
    assert_eq!(number("0.5").plus(number("0.5")).unwrap(), one);
    assert_eq!(one.minus(one).unwrap(), DecimalNumber::default());
    assert_eq!(DecimalNumber::default().minus(one).unwrap(), number("-1"));
    assert_eq!(number("9e125").plus(number("9e125")), Err(NumberFault::TooLarge));
    assert_eq!(number("1e50").plus(one), Err(NumberFault::TooLarge));
    assert_eq!(number(&"9".repeat(38)).plus(one).unwrap(), number("1e38"));
    assert_eq!(number("1e125").minus(number("1e-130")), Err(NumberFault::TooLarge));
    let close = number("1.0000000000000000000000000000000000001e-130");
    assert_eq!(close.minus(number("1e-130")), Err(NumberFault::TooSmall));
}

#[test]
fn seconds_are_whole_and_not_before_1970() {
    assert_eq!(number("1700000000.9").seconds(), Some(1_700_000_000));
    assert_eq!(number("17e8").seconds(), Some(1_700_000_000));
    assert_eq!(number("-1").seconds(), None);
    assert_eq!(number("1e30").seconds(), None);
    assert_eq!(number("1e-100").seconds(), Some(0));
}

proptest! {
    #[test]
    fn small_numbers_are_as_those_of_the_machine(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, power in 0_u32..6) {
        let of = |value: i64| number(&format!("{value}e-{power}"));
        prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        prop_assert_eq!(of(a).plus(of(b)).unwrap(), of(a + b));
        prop_assert_eq!(of(a).minus(of(b)).unwrap(), of(a - b));
        prop_assert_eq!(of(a).to_string().parse::<f64>().unwrap(), format!("{a}e-{power}").parse::<f64>().unwrap());
    }

    #[test]
    fn a_number_is_told_as_it_is_read(negative: bool, digits in 0_u128..10_u128.pow(38), power in -167_i32..126) {
        let text = format!("{}{digits}e{power}", if negative { "-" } else { "" });
        if let Ok(read) = DecimalNumber::parse(&text) {
            prop_assert_eq!(number(&read.to_string()), read);
            prop_assert_eq!(read.minus(read).unwrap(), DecimalNumber::default());
        }
    }

    #[test]
    fn no_text_ends_the_reader(text in "[-+0-9.eE]{0,60}") {
        let _ = DecimalNumber::parse(&text);
    }
}
