//! Where a trace comes from: `traceparent` (W3C Trace Context, level 1) and `X-Amzn-Trace-Id` (AWS X-Ray), parsed strictly.

/// The trace context of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: u128,
    /// X-Ray's header may name none.
    pub(super) span: Option<u64>,
    /// Whether the caller has decided, and how.
    pub(super) sampled: Option<bool>,
}

impl TraceContext {
    /// `None` for an invalid value, which is ignored (section 3.2.2.5 of the recommendation).
    pub fn of_traceparent(text: &[u8]) -> Option<TraceContext> {
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
        valid.then_some(TraceContext { trace, span: Some(span), sampled: Some(flags & 1 == 1) })
    }

    /// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, with other fields in between. `None` for
    /// an invalid value.
    pub fn of_xray(text: &str) -> Option<TraceContext> {
        let (mut trace, mut span, mut sampled) = (None, None, None);
        for field in text.split(';') {
            match field.trim().split_once('=') {
                Some(("Root", root)) => trace = Some(xray_root(root)?),
                Some(("Parent", parent)) => span = Some(u64::try_from(hex(parent, 16)?).ok()?),
                Some(("Sampled", "1")) => sampled = Some(true),
                Some(("Sampled", "0")) => sampled = Some(false),
                _ => {}
            }
        }
        let trace = trace.filter(|trace| *trace != 0)?;
        Some(TraceContext { trace, span: span.filter(|span| *span != 0), sampled })
    }

    pub fn is_sampled(&self) -> bool {
        self.sampled == Some(true)
    }

    /// The same trace, for who is not told of its spans.
    pub fn without_span(self) -> TraceContext {
        TraceContext { span: None, ..self }
    }

    /// As `X-Amzn-Trace-Id` has it, with the span if there is one.
    pub fn xray(&self) -> String {
        let parent = self.span.map_or_else(String::new, |span| format!(";Parent={span:016x}"));
        format!("Root={}{parent};Sampled={}", self.root(), u8::from(self.is_sampled()))
    }

    /// The span, as X-Ray names it.
    pub fn segment(&self) -> Option<XraySegment> {
        Some(XraySegment { trace: self.root(), id: format!("{:016x}", self.span?) })
    }

    fn root(&self) -> String {
        let digits = format!("{:032x}", self.trace);
        let (time, random) = digits.split_at(8);
        format!("1-{time}-{random}")
    }
}

/// A span in the form of X-Ray: `1-5759e988-bd862e3fe1be46a994272793` and `53995c3f42cd8ad8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XraySegment {
    pub trace: String,
    pub id: String,
}

/// `1-5759e988-bd862e3fe1be46a994272793`.
fn xray_root(root: &str) -> Option<u128> {
    let (time, random) = root.strip_prefix("1-")?.split_once('-')?;
    Some((hex(time, 8)? << 96) | hex(random, 24)?)
}

/// The `traceparent` of a sampled span.
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

    fn parse(text: &[u8]) -> Option<TraceContext> {
        TraceContext::of_traceparent(text)
    }

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn written_objects_are_read_back() {
        let parent = parse(VALID.as_bytes()).unwrap();
        let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
        assert_eq!(parent, TraceContext { trace, span: Some(0xb7ad_6b71_6920_3331), sampled: Some(true) });
        assert_eq!(format(parent.trace, parent.span.unwrap()), VALID);
        assert!(!parse(VALID.replace("-01", "-00").as_bytes()).unwrap().is_sampled());
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

    #[test]
    fn headers_of_x_ray_are_read_and_written() {
        const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let trace = 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793;
        for (text, span, sampled) in [
            (format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"), Some(0x5399_5c3f_42cd_8ad8), Some(true)),
            (format!("Self=1-67891234-12456789abcdef012345678;{ROOT}; Sampled=0"), None, Some(false)),
            (
                format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=?;Lineage=a87bd80c:0|68fd508a:5"),
                Some(0x5399_5c3f_42cd_8ad8),
                None,
            ),
            (ROOT.to_owned(), None, None),
        ] {
            assert_eq!(TraceContext::of_xray(&text), Some(TraceContext { trace, span, sampled }), "{text}");
        }
        let text = format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(TraceContext::of_xray(&text).unwrap().xray(), text);
        assert_eq!(TraceContext::of_xray(ROOT).unwrap().xray(), format!("{ROOT};Sampled=0"));
        for text in [
            "",
            "Sampled=1",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759E988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x",
        ] {
            assert_eq!(TraceContext::of_xray(text), None, "{text}");
        }
    }
}
