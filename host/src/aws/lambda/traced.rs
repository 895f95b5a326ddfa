//! The trace of a call: what its caller says of it, what the function is told, and the spans that the collector gets.
//!
//! A function whose `TracingConfig` is `Active` begins traces, of which `sample_rate` are recorded; one that is `PassThrough`
//! is recorded in the traces of its callers that are sampled. A caller's decision holds in either case. Without a collector
//! nothing is recorded, and a caller's context passes as it came.
//!
//! Attributes: <https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/>.

use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::registry::Registry;
use crate::telemetry::{Trace, TraceContext, Tracer, XraySegment};

static TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// See the module.
pub struct CallTrace {
    recorded: Option<Box<Trace>>,
    /// `_X_AMZN_TRACE_ID` of the function.
    pub told: Option<String>,
    /// `X-Amzn-Trace-Id` of the answer.
    answered: Option<HeaderValue>,
    trigger: &'static str,
}

/// What the spans of a call say besides what came of it.
pub struct CallFacts<'a> {
    pub deployed: &'a Deployed,
    /// As the caller named it.
    pub arn: &'a str,
    pub request_id: &'a str,
}

/// How long a call waited for its environment to be made.
#[derive(Default)]
pub struct ColdStart(Option<(Instant, Duration)>);

impl ColdStart {
    /// One that began with `started`, and lasted so long.
    pub fn note(&mut self, started: Instant, lasted: Duration) {
        let (since, before) = self.0.unwrap_or((started, Duration::ZERO));
        self.0 = Some((since, before + lasted));
    }
}

impl CallTrace {
    /// Of a request with these headers; `trigger` as in `faas.trigger`.
    pub fn begin(tracer: Option<&Tracer>, headers: &HeaderMap, deployed: &Deployed, trigger: &'static str) -> CallTrace {
        let sent = headers.get(&TRACE_ID).and_then(|id| id.to_str().ok());
        let caller = sent.and_then(TraceContext::of_xray);
        let traceparent = || headers.get("traceparent").and_then(|value| TraceContext::of_traceparent(value.as_bytes()));
        CallTrace::within(tracer, caller.or_else(traceparent), sent, deployed, trigger)
    }

    /// Of a call that is a part of the caller's trace; `sent` is what the caller says of it to functions.
    pub fn within(
        tracer: Option<&Tracer>,
        caller: Option<TraceContext>,
        sent: Option<&str>,
        deployed: &Deployed,
        trigger: &'static str,
    ) -> CallTrace {
        let is_active = deployed.configuration.tracing == "Active";
        let recorded = tracer.and_then(|tracer| {
            let is_sampled =
                if is_active { tracer.samples(caller.as_ref()) } else { caller.is_some_and(|caller| caller.is_sampled()) };
            is_sampled.then(|| tracer.begin_within(caller))
        });
        let own = recorded.as_ref().map(|trace| trace.context());
        // What is not recorded goes on as it came.
        let told = match (&own, sent) {
            (Some(own), _) => Some(own.xray()),
            (None, Some(sent)) => Some(sent.to_owned()),
            (None, None) => caller.map(|caller| caller.xray()),
        };
        let answered = tracer.and(own.or(caller)).map(|context| context.without_span().xray());
        let answered = answered.and_then(|text| HeaderValue::from_str(&text).ok());
        CallTrace { recorded, told, answered, trigger }
    }

    /// The span of the call, if it is recorded.
    pub fn segment(&self) -> Option<XraySegment> {
        self.recorded.as_ref()?.context().segment()
    }

    /// The header that the caller is answered with, if traces are recorded here.
    pub fn answer(&self) -> TraceAnswer {
        TraceAnswer(self.answered.clone())
    }

    /// Ends the spans of a call, which has failed for this reason if there is one (`error.type`).
    pub fn finish(self, registry: &Registry, facts: &CallFacts<'_>, cold: &ColdStart, error: Option<&str>) {
        let Some(trace) = self.recorded else { return };
        if let Some((started, lasted)) = cold.0 {
            trace.spent("init", started, lasted);
        }
        let deployed = facts.deployed;
        trace.finish(&deployed.name, |span| {
            span.text("faas.name", &deployed.name);
            span.text("faas.version", &deployed.version);
            span.text("faas.invocation_id", facts.request_id);
            span.text("faas.trigger", self.trigger);
            span.flag("faas.coldstart", cold.0.is_some());
            span.number("faas.max_memory", u64::from(deployed.configuration.memory_mb) << 20);
            // With the version, since an alias may lead to another one tomorrow.
            span.text("cloud.resource_id", &registry.account().qualified_arn(&deployed.name, &deployed.version));
            span.text("aws.lambda.invoked_arn", facts.arn);
            if let Some(error) = error {
                span.fail(error);
            }
        });
    }
}

/// A header of an answer.
pub struct TraceAnswer(Option<HeaderValue>);

impl TraceAnswer {
    pub fn put(&self, headers: &mut HeaderMap) {
        if let Some(value) = &self.0 {
            headers.insert(TRACE_ID.clone(), value.clone());
        }
    }
}
