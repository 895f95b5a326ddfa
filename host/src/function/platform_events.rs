//! What Lambda writes around what a call logs, in the log format JSON: an object in a line for each event.
//!
//! What the function prints stays as it is: the Runtimes write their own records in JSON, and filter them by their level, as
//! `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` tell them. The host filters its own events by `SystemLogLevel`.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>; for levels
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::function::call::InvokeOutcome;
use crate::function::error_payload::ErrorPayload;
use crate::function::report::{ReportedCall, ms, ran_us, used_mb};
use crate::limits::Limit;
use crate::telemetry::Timestamp;

/// How much an event matters. The greatest is the most important.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemLevel {
    Debug,
    Info,
    Warn,
}

impl SystemLevel {
    /// `DEBUG`, `INFO` or `WARN`; anything else is what Lambda takes if nothing is said.
    pub fn named(name: Option<&str>) -> SystemLevel {
        match name {
            Some("DEBUG") => SystemLevel::Debug,
            Some("WARN") => SystemLevel::Warn,
            _ => SystemLevel::Info,
        }
    }
}

/// What events say besides the call.
pub struct SystemLog<'a> {
    pub function: &'a str,
    /// `on-demand`, `provisioned-concurrency` or `snap-start`.
    pub initialization: &'a str,
    /// The build of the runtime.
    pub runtime_version: Option<&'a str>,
    /// Events below it are left out.
    pub least: SystemLevel,
}

impl SystemLog<'_> {
    /// The whole log of a call that has ended now, with a line break after each line.
    pub fn of(
        &self,
        call: &ReportedCall<'_>,
        outcome: &InvokeOutcome,
        error: Option<&ErrorPayload>,
        ended: SystemTime,
    ) -> String {
        let ReportedCall { request_id, version, memory_mb, segment } = call;
        let mut log = EventLog { least: self.least, lines: String::new() };
        let usage = &outcome.usage;
        let before_end = |us: u64| ended.checked_sub(Duration::from_micros(us)).unwrap_or(ended);
        let began = before_end(ran_us(usage));
        let status = status(outcome);
        let bad = if status == "success" { None } else { Some(SystemLevel::Warn) };
        if usage.cold {
            self.initialized(&mut log, version, [before_end(usage.duration_us), began], outcome);
        } else {
            log.own(&outcome.init_log);
        }
        log.write(began, "platform.start", SystemLevel::Info, json!({"requestId": request_id, "version": version}));
        log.own(&outcome.log);
        if let (Err(_), Some(error)) = (&outcome.result, error) {
            log.line(&json!({
                "timestamp": Timestamp::of(ended).as_str(),
                "level": "ERROR",
                "message": error.error_message,
                "errorType": error.error_type,
                "requestId": request_id,
            }));
        }
        let produced = outcome.result.as_ref().ok().and_then(|result| result.as_ref().ok()).map_or(0, Vec::len);
        let mut done = json!({
            "requestId": request_id,
            "status": status,
            "metrics": {"durationMs": rounded(ran_us(usage)), "producedBytes": produced},
        });
        let mut metrics = json!({
            "durationMs": rounded(ran_us(usage)),
            "billedDurationMs": ran_us(usage).div_ceil(1_000),
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": used_mb(usage),
        });
        if usage.cold {
            metrics["initDurationMs"] = rounded(usage.waited_us);
        }
        let mut report = json!({"requestId": request_id, "metrics": metrics, "status": status});
        if status == "error" {
            let kind = error.map_or("Runtime.ExitError", |error| error.error_type.as_str());
            done["errorType"] = kind.into();
            report["errorType"] = kind.into();
        }
        if let Some(segment) = segment {
            let value = format!("Root={};Parent={};Sampled=1", segment.trace, segment.id);
            report["tracing"] = json!({"type": "X-Amzn-Trace-Id", "value": value, "spanId": segment.id});
        }
        log.write(ended, "platform.runtimeDone", bad.unwrap_or(SystemLevel::Debug), done);
        log.write(ended, "platform.report", bad.unwrap_or(SystemLevel::Info), report);
        log.lines
    }

    /// An environment was made for the call, between these times.
    fn initialized(&self, log: &mut EventLog, version: &str, [began, ended]: [SystemTime; 2], outcome: &InvokeOutcome) {
        let phase = json!({"initializationType": self.initialization, "phase": "init"});
        let with = |members: Value| {
            let mut all = phase.as_object().cloned().unwrap_or_default();
            all.extend(members.as_object().cloned().unwrap_or_default());
            Value::Object(all)
        };
        let mut start = Map::new();
        start.insert("functionName".to_owned(), self.function.into());
        start.insert("functionVersion".to_owned(), version.into());
        if let Some(version) = self.runtime_version {
            start.insert("runtimeVersionArn".to_owned(), version.into());
        }
        let of_start = if self.runtime_version.is_some() { SystemLevel::Info } else { SystemLevel::Debug };
        let of_report = if self.initialization == "on-demand" { SystemLevel::Debug } else { SystemLevel::Info };
        log.write(began, "platform.initStart", of_start, with(start.into()));
        log.own(&outcome.init_log);
        log.write(ended, "platform.initRuntimeDone", SystemLevel::Debug, with(json!({"status": "success"})));
        let report = json!({"status": "success", "metrics": {"durationMs": rounded(outcome.usage.waited_us)}});
        log.write(ended, "platform.initReport", of_report, with(report));
    }
}

/// As the REPORT line of the text format has it: an error that the function tells is a success of its environment.
fn status(outcome: &InvokeOutcome) -> &'static str {
    match &outcome.result {
        Ok(_) => "success",
        Err(Failure::Limit { limit: Limit::DeadlineMs | Limit::CpuUs, .. }) => "timeout",
        Err(_) => "error",
    }
}

/// Milliseconds with three digits.
fn rounded(us: u64) -> Value {
    ms(us).into()
}

struct EventLog {
    least: SystemLevel,
    lines: String,
}

impl EventLog {
    fn write(&mut self, time: SystemTime, kind: &str, level: SystemLevel, record: Value) {
        if level >= self.least {
            self.line(&json!({"time": Timestamp::of(time).as_str(), "type": kind, "record": record}));
        }
    }

    /// What the function has logged.
    fn own(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.lines.extend([line, "\n"]));
    }

    fn line(&mut self, value: &Value) {
        self.lines.push_str(&value.to_string());
        self.lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::call::Usage;

    const SYSTEM: SystemLog<'_> =
        SystemLog { function: "f", initialization: "on-demand", runtime_version: Some("arn"), least: SystemLevel::Debug };

    fn outcome(result: Result<Vec<u8>, Failure>) -> InvokeOutcome {
        let usage = Usage { cold: true, memory_bytes: 40 << 20, duration_us: 12_345, waited_us: 2_000, ..Usage::default() };
        InvokeOutcome {
            result: result.map(Ok),
            usage,
            log: "one\n{\"level\":\"INFO\"}".to_owned(),
            init_log: "loaded".to_owned(),
        }
    }

    const CALL: ReportedCall<'_> = ReportedCall { request_id: "r-1", version: "$LATEST", memory_mb: 128, segment: None };

    fn kinds(log: &str) -> Vec<String> {
        let of = |line: &str| {
            let kind = serde_json::from_str::<Value>(line).ok().and_then(|line| Some(line["type"].as_str()?.to_owned()));
            kind.unwrap_or_else(|| line.to_owned())
        };
        log.lines().map(of).collect()
    }

    #[test]
    fn a_call_is_told_in_lines_of_json() {
        let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000);
        let log = SYSTEM.of(&CALL, &outcome(Ok(b"1".to_vec())), None, ended);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"record":{"functionName":"f","functionVersion":"$LATEST","initializationType":"on-demand","phase":"init","runtimeVersionArn":"arn"},"time":"1970-01-01T00:00:00.987Z","type":"platform.initStart"}"#
        );
        assert_eq!(lines[1], "loaded");
        assert_eq!(
            lines[4],
            r#"{"record":{"requestId":"r-1","version":"$LATEST"},"time":"1970-01-01T00:00:00.989Z","type":"platform.start"}"#
        );
        assert_eq!(lines[5..7], ["one", r#"{"level":"INFO"}"#]);
        let report: Value = serde_json::from_str(lines[8]).unwrap();
        let metrics = json!({
            "durationMs": 10.345, "billedDurationMs": 11, "memorySizeMB": 128, "maxMemoryUsedMB": 40, "initDurationMs": 2.0
        });
        assert_eq!(report["record"], json!({"requestId": "r-1", "metrics": metrics, "status": "success"}));
    }

    #[test]
    fn events_below_the_level_are_left_out() {
        let ended = SystemTime::UNIX_EPOCH;
        let at = |least, result: Result<Vec<u8>, Failure>| {
            let error = result.as_ref().err().and_then(|failure| {
                let limits = crate::limits::Limits::defaults(crate::limits::Profile::Worker);
                ErrorPayload::of_failure(failure, "r-1", &limits)
            });
            kinds(&SystemLog { least, ..SYSTEM }.of(&CALL, &outcome(result), error.as_ref(), ended))
        };
        let own = ["one", "{\"level\":\"INFO\"}"];
        let info = at(SystemLevel::Info, Ok(Vec::new()));
        assert_eq!(info, ["platform.initStart", "loaded", "platform.start", own[0], own[1], "platform.report"]);
        assert_eq!(at(SystemLevel::Debug, Ok(Vec::new())).len(), 9);
        assert_eq!(at(SystemLevel::Warn, Ok(Vec::new())), ["loaded", own[0], own[1]]);
        let failed = at(SystemLevel::Warn, Err(Failure::Limit { limit: Limit::DeadlineMs, value: 1_000 }));
        assert_eq!(failed.len(), 6, "{failed:?}");
        assert!(failed[3].contains("Task timed out after") && failed[3].contains("Sandbox.Timedout"), "{failed:?}");
        assert_eq!(failed[4..], ["platform.runtimeDone", "platform.report"]);
    }
}
