//! Parses `traceparent` (W3C Trace Context, level 1) strictly.

/// The trace context of an incoming request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) sampled: bool,
}

/// `None` for an invalid value, which is ignored (section 3.2.2.5 of the recommendation).
pub(super) fn parse(text: &[u8]) -> Option<Parent> {
    let text = std::str::from_utf8(text).ok()?;
    // Later versions may have further fields after a dash; version 0 may not.
    let (head, rest) = text.split_at_checked(55)?;
    let mut parts = head.split('-');
    let version = hex(parts.next()?, 2)?;
    let known = match version {
        0xff => return None,
        0 => rest.is_empty(),
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let trace = hex(parts.next()?, 32)?;
    let span = u64::try_from(hex(parts.next()?, 16)?).ok()?;
    let flags = hex(parts.next()?, 2)?;
    let valid = known && parts.next().is_none() && trace != 0 && span != 0;
    valid.then_some(Parent { trace, span, sampled: flags & 1 == 1 })
}

/// The header for a sampled span.
pub(super) fn format(trace: u128, span: u64) -> String {
    format!("00-{trace:032x}-{span:016x}-01")
}

fn hex(digits: &str, length: usize) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != length || !digits.bytes().all(lower) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn written_objects_are_read_back() {
        let parent = parse(VALID.as_bytes()).unwrap();
        assert_eq!(
            parent,
            Parent { trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span: 0xb7ad_6b71_6920_3331, sampled: true }
        );
        assert_eq!(format(parent.trace, parent.span), VALID);
        assert!(!parse(VALID.replace("-01", "-00").as_bytes()).unwrap().sampled);
        assert!(parse(format!("{}-more", VALID.replacen("00", "01", 1)).as_bytes()).is_some());
    }

    #[test]
    fn invalid_traceparents_are_ignored() {
        for text in [
            "",
            "00",
            &VALID[..54],
            &format!("{VALID}-more"),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &VALID.replace("b7ad6b7169203331", &"0".repeat(16)),
            &VALID.replace('-', "_"),
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            &format!("01{}x", &VALID[2..]),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
