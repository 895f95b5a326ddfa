//! A line of the access log, for a person: `GET /a?b 200 1.2 ms Hit`.

use std::fmt::Write as _;

use serde_json::Value;

/// Any other line stays as it is.
pub(super) fn line(log: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(log) else { return log.to_owned() };
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) if text != "-" => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let (Some(method), Some(path)) = (text("cs-method"), text("cs-uri-stem")) else { return log.to_owned() };
    let mut line = format!("{method} {path}");
    if let Some(query) = text("cs-uri-query") {
        let _ = write!(line, "?{query}");
    }
    if let Some(status) = text("sc-status") {
        let _ = write!(line, " {status}");
    }
    if let Some(seconds) = text("time-taken").and_then(|seconds| seconds.parse::<f64>().ok()) {
        let _ = write!(line, " {:.1} ms", seconds * 1_000.0);
    }
    if let Some(result) = text("x-edge-result-type") {
        let _ = write!(line, " {result}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_short_line() {
        for (log, shown) in [
            (
                r#"{"cs-method":"GET","cs-uri-stem":"/a","cs-uri-query":"b=1","sc-status":200,"time-taken":0.0012,"x-edge-result-type":"Hit"}"#,
                "GET /a?b=1 200 1.2 ms Hit",
            ),
            (r#"{"cs-method":"GET","cs-uri-stem":"/","cs-uri-query":"-","sc-status":"404"}"#, "GET / 404"),
            (r#"{"sc-status":200}"#, r#"{"sc-status":200}"#),
            ("no JSON", "no JSON"),
        ] {
            assert_eq!(line(log), shown);
        }
    }
}
