//! The lines that Lambda writes around what a call logs: START, END and REPORT.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html>; fields are separated, and the
//! last one is followed, by tabs.

use crate::failure::Failure;
use crate::function::call::{InvokeOutcome, Usage};
use crate::function::error_payload::ErrorPayload;
use crate::limits::Limit;
use crate::telemetry::XraySegment;

/// A call, as its log names it.
pub struct ReportedCall<'a> {
    pub request_id: &'a str,
    pub version: &'a str,
    pub memory_mb: u64,
    /// Its own span, if it is recorded.
    pub segment: Option<XraySegment>,
}

/// The whole log of a call, with a line break after each line. What INIT has logged stands before the call.
pub fn log_of(call: &ReportedCall<'_>, outcome: &InvokeOutcome, error: Option<&ErrorPayload>) -> String {
    let ReportedCall { request_id, version, .. } = call;
    let mut log = String::new();
    let mut lines = |text: &str| text.lines().for_each(|line| log.extend([line, "\n"]));
    lines(&outcome.init_log);
    lines(&format!("START RequestId: {request_id} Version: {version}"));
    lines(&outcome.log);
    if let (Err(_), Some(error)) = (&outcome.result, error) {
        log.push_str(&format!("{}\n", error.error_message));
    }
    log.push_str(&format!("END RequestId: {request_id}\n"));
    log.push_str(&report(call, outcome));
    log.push('\n');
    log
}

/// `Init Duration` is there if the call had to wait for its environment.
fn report(call: &ReportedCall<'_>, outcome: &InvokeOutcome) -> String {
    let ReportedCall { request_id, memory_mb, .. } = call;
    let usage = &outcome.usage;
    let used_mb = used_mb(usage);
    let mut report = format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {memory_mb} MB\tMax Memory Used: {used_mb} MB\t",
        ms(ran_us(usage)),
        ran_us(usage).div_ceil(1_000),
    );
    if usage.cold {
        report.push_str(&format!("Init Duration: {:.2} ms\t", ms(usage.waited_us)));
    }
    match &outcome.result {
        Ok(_) => {}
        Err(Failure::Limit { limit: Limit::DeadlineMs | Limit::CpuUs, .. }) => report.push_str("Status: timeout\t"),
        Err(_) => report.push_str("Status: error\tError Type: Runtime.ExitError\t"),
    }
    if let Some(XraySegment { trace, id }) = &call.segment {
        report.push_str(&format!("\nXRAY TraceId: {trace}\tSegmentId: {id}\tSampled: true\t"));
    }
    report
}

/// What a call took once it had its environment.
pub fn ran_us(usage: &Usage) -> u64 {
    usage.duration_us.saturating_sub(usage.waited_us)
}

/// Memory at the end of a call, as it is told.
pub fn used_mb(usage: &Usage) -> u64 {
    usage.memory_bytes.div_ceil(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::TraceContext;

    #[test]
    fn a_call_is_reported_as_lambda_reports_it() {
        let usage = Usage { cold: true, memory_bytes: 40 << 20, duration_us: 12_345, waited_us: 2_000, ..Usage::default() };
        let outcome =
            InvokeOutcome { result: Ok(Ok(b"1".to_vec())), usage, log: "one\ntwo".to_owned(), init_log: "loaded".to_owned() };
        let call = ReportedCall { request_id: "r-1", version: "$LATEST", memory_mb: 128, segment: None };
        assert_eq!(
            log_of(&call, &outcome, None),
            "loaded\nSTART RequestId: r-1 Version: $LATEST\none\ntwo\nEND RequestId: r-1\nREPORT RequestId: r-1\tDuration: 10.35 ms\tBilled \
             Duration: 11 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tInit Duration: 2.00 ms\t\n"
        );
        let failure = Failure::Limit { limit: Limit::DeadlineMs, value: 1_000 };
        let usage = Usage { cold: false, ..usage };
        let outcome = InvokeOutcome { result: Err(failure), usage, log: String::new(), init_log: String::new() };
        assert!(log_of(&call, &outcome, None).ends_with("Max Memory Used: 40 MB\tStatus: timeout\t\n"));
        let context =
            TraceContext::of_xray("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1").unwrap();
        let call = ReportedCall { segment: context.segment(), ..call };
        assert!(log_of(&call, &outcome, None).ends_with(
            "Status: timeout\t\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n"
        ));
    }
}
