//! I summarize log lines that every request could cause: a failing origin, a failing hook, a chatty function.
//!
//! The first failure gets a line; then one line per interval has the number of further failures and the cause of the last
//! one; and one line reports the recovery. So a client can cause at most two lines per interval and subject. Functions may
//! log a fixed number of lines per interval. Metrics count every failure, and `edgeward_log_lines_suppressed_total` counts
//! suppressed lines.
//!
//!     occurred ──► line ──► occurred, occurred, … ──(interval)──► line: n more ──► … ──► ended ──► line
//!
//! The next failure writes the summary, or else a thread that runs as long as a summary is due: the last failures before
//! a silence are reported, too.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use prometheus::{IntCounter, IntCounterVec};

use super::line::{shortened, shown_path};
use super::register::Register;
use crate::limits::logging::{CAUSE_BYTES, FUNCTION_LINES, INTERVAL_MS, TICK_MS};

const INTERVAL: Duration = Duration::from_millis(INTERVAL_MS);

/// The circumstances of a failure. Unknown fields are empty.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    pub site: &'a str,
    /// Without the query, which may be a secret.
    pub path: &'a str,
    pub request_id: &'a str,
    /// As in the response and in metrics.
    pub category: &'static str,
    pub cause: &'a dyn Display,
}

/// The subject of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Origin(String),
    Function(String),
    Edge,
}

/// The kind of a recurring line, as in `edgeward_log_lines_suppressed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Recurring {
    /// An origin does not respond.
    OriginFailure,
    /// An origin's response ends before its body is complete.
    OriginBroke,
    HookFailure,
    /// A service fails after the head of its response.
    ServiceFailure,
    /// This machine has no descriptors, ports or memory left to connect to an origin.
    EdgeExhausted,
    /// A panic while answering a request.
    EdgePanic,
    /// A response from the cache or a folder ends before its body is complete.
    ResponseBroke,
    /// The cache's journal cannot be written.
    CacheJournal,
    FunctionLog,
}

impl Recurring {
    const ALL: [Recurring; 9] = [
        Recurring::OriginFailure,
        Recurring::OriginBroke,
        Recurring::HookFailure,
        Recurring::ServiceFailure,
        Recurring::EdgeExhausted,
        Recurring::EdgePanic,
        Recurring::ResponseBroke,
        Recurring::CacheJournal,
        Recurring::FunctionLog,
    ];

    fn name(self) -> &'static str {
        match self {
            Recurring::OriginFailure => "origin-failure",
            Recurring::OriginBroke => "origin-broke",
            Recurring::HookFailure => "hook-failure",
            Recurring::ServiceFailure => "service-failure",
            Recurring::EdgeExhausted => "edge-exhausted",
            Recurring::EdgePanic => "edge-panic",
            Recurring::ResponseBroke => "response-broke",
            Recurring::CacheJournal => "cache-journal",
            Recurring::FunctionLog => "function-log",
        }
    }
}

/// All recurring lines of this process. They outlive a configuration: a reload does not restart an outage.
pub(super) struct Recurrences {
    suppressed: IntCounterVec,
    all: Arc<All>,
}

#[derive(Default)]
struct All {
    repeats: Mutex<HashMap<(Recurring, Subject), Arc<Repeats>>>,
    chatter: Mutex<HashMap<String, Arc<Chatter>>>,
    /// Whether a thread is running for due summaries.
    ticking: AtomicBool,
}

impl Recurrences {
    pub(super) fn register(register: &Register) -> Recurrences {
        let help = "Log lines that were suppressed because they repeated others, by kind.";
        let suppressed = register.counters("edgeward_log_lines_suppressed_total", help, &["kind"]);
        for recurring in Recurring::ALL {
            suppressed.with_label_values(&[recurring.name()]);
        }
        Recurrences { suppressed, all: Arc::default() }
    }

    pub(super) fn of(&self, recurring: Recurring, subject: Subject) -> Arc<Repeats> {
        let new = || {
            Arc::new(Repeats {
                subject: subject.clone(),
                suppressed: self.suppressed.with_label_values(&[recurring.name()]),
                lasts: AtomicBool::new(false),
                state: Mutex::default(),
                all: Arc::downgrade(&self.all),
            })
        };
        locked(&self.all.repeats).entry((recurring, subject.clone())).or_insert_with(new).clone()
    }

    pub(super) fn chatter(&self, function: &str) -> Arc<Chatter> {
        let new = || {
            Arc::new(Chatter {
                function: function.to_owned(),
                suppressed: self.suppressed.with_label_values(&[Recurring::FunctionLog.name()]),
                window: Mutex::default(),
                all: Arc::downgrade(&self.all),
            })
        };
        locked(&self.all.chatter).entry(function.to_owned()).or_insert_with(new).clone()
    }

    /// Writes all pending summaries, at the end of the process.
    pub(super) fn flush(&self) {
        self.all.tell(None);
    }
}

impl All {
    /// Returns whether more will be due. `None` for `now` means that everything is due.
    fn tell(&self, now: Option<Instant>) -> bool {
        // Copied, since writing a line takes as long as its reader wants.
        let repeats: Vec<_> = locked(&self.repeats).values().cloned().collect();
        let chatter: Vec<_> = locked(&self.chatter).values().cloned().collect();
        let more = repeats.iter().fold(false, |more, repeats| repeats.tell(now) | more);
        chatter.iter().fold(more, |more, chatter| chatter.tell(now) | more)
    }

    /// Starts the thread, since a summary will be due.
    fn tick(self: Arc<Self>) {
        if self.ticking.swap(true, SeqCst) {
            return;
        }
        let all = Arc::downgrade(&self);
        let ticks = std::thread::Builder::new().name("edgeward-log".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(TICK_MS));
                let Some(all) = all.upgrade() else { return };
                if all.tell(Some(Instant::now())) {
                    continue;
                }
                all.ticking.store(false, SeqCst);
                // A caller before that store has seen the thread as running and relies on it.
                if !all.tell(Some(Instant::now())) || all.ticking.swap(true, SeqCst) {
                    return;
                }
            }
        });
        if ticks.is_err() {
            // The next failure tries again.
            self.ticking.store(false, SeqCst);
        }
    }
}

/// One kind of failure of one subject.
pub struct Repeats {
    subject: Subject,
    suppressed: IntCounter,
    /// A copy of the state, for the fast path of a success.
    lasts: AtomicBool,
    state: Mutex<(RepeatState, Option<Latest>)>,
    all: Weak<All>,
}

/// The last failure without a line.
struct Latest {
    site: String,
    path: String,
    request_id: String,
    category: &'static str,
    cause: String,
}

impl Repeats {
    pub(super) fn occurred(&self, occasion: Occasion<'_>) {
        let told = {
            let mut state = self.state();
            let told = state.0.occurred(Instant::now());
            self.lasts.store(true, Relaxed);
            if told.is_none() {
                state.1 = Some(Latest {
                    site: occasion.site.to_owned(),
                    path: shown_path(occasion.path),
                    request_id: occasion.request_id.to_owned(),
                    category: occasion.category,
                    cause: shortened(occasion.cause.to_string(), CAUSE_BYTES),
                });
            }
            told
        };
        let Some(failures) = told else {
            self.suppressed.inc();
            if let Some(all) = self.all.upgrade() {
                all.tick();
            }
            return;
        };
        let Occasion { site, path, request_id, category, cause } = occasion;
        self.write(failures, site, &shown_path(path), request_id, category, &shortened(cause.to_string(), CAUSE_BYTES));
    }

    /// Reports a success. Cheap while there was no failure.
    pub(super) fn ended(&self) {
        if !self.lasts.load(Relaxed) {
            return;
        }
        let ended = {
            let mut state = self.state();
            self.lasts.store(false, Relaxed);
            state.0.ended(Instant::now())
        };
        let Some((failures, lasted)) = ended else { return };
        let (origin, function, what) = match &self.subject {
            Subject::Origin(name) => (Some(name.as_str()), None, "the origin answers again"),
            Subject::Function(name) => (None, Some(name.as_str()), "the function works again"),
            Subject::Edge => (None, None, "it works again"),
        };
        let lasted_s = lasted.as_secs();
        tracing::info!(target: "edgeward::edge", origin, function, failures, lasted_s, "{what}");
    }

    /// Returns whether more will be due.
    fn tell(&self, now: Option<Instant>) -> bool {
        let (failures, latest) = {
            let mut state = self.state();
            let Some(failures) = state.0.due(now) else { return state.0.untold > 0 };
            (failures, state.1.take())
        };
        if let Some(Latest { site, path, request_id, category, cause }) = latest {
            self.write(failures, &site, &path, &request_id, category, &cause);
        }
        false
    }

    fn write(&self, failures: u64, site: &str, path: &str, request_id: &str, category: &str, cause: &str) {
        let known = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let (site, path, request_id) = (known(site), known(path), known(request_id));
        let (origin, function) = match &self.subject {
            Subject::Origin(name) => (Some(name.as_str()), None),
            Subject::Function(name) => (None, Some(name.as_str())),
            Subject::Edge => (None, None),
        };
        tracing::warn!(target: "edgeward::edge", site, origin, function, path, request_id, category, failures, "{cause}");
    }

    fn state(&self) -> MutexGuard<'_, (RepeatState, Option<Latest>)> {
        locked(&self.state)
    }
}

/// Decides which line is due when.
#[derive(Debug, Default)]
struct RepeatState {
    /// The time of the last line about a failure.
    told: Option<Instant>,
    /// The current outage: its beginning, and the number of failures.
    since: Option<Instant>,
    failures: u64,
    /// Whether a line has reported it.
    is_told: bool,
    /// Failures without a line.
    untold: u64,
}

impl RepeatState {
    /// The number of failures that a line covers, if one is due now.
    fn occurred(&mut self, now: Instant) -> Option<u64> {
        self.since.get_or_insert(now);
        self.failures += 1;
        self.untold += 1;
        self.due(Some(now))
    }

    /// The number of failures and the duration, if the recovery is to be reported.
    fn ended(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let since = self.since.take()?;
        let failures = std::mem::take(&mut self.failures);
        if !std::mem::take(&mut self.is_told) {
            // Its beginning was not reported; the next summary includes its failures.
            return None;
        }
        self.untold = 0;
        Some((failures, now.saturating_duration_since(since)))
    }

    fn due(&mut self, now: Option<Instant>) -> Option<u64> {
        let waits = now.zip(self.told).is_some_and(|(now, told)| now.saturating_duration_since(told) < INTERVAL);
        if self.untold == 0 || waits {
            return None;
        }
        self.told = now.or(self.told);
        self.is_told = self.since.is_some();
        Some(std::mem::take(&mut self.untold))
    }
}

/// The log output of a function.
pub struct Chatter {
    function: String,
    suppressed: IntCounter,
    window: Mutex<Window>,
    all: Weak<All>,
}

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    /// Calls whose output is still to be written in this window.
    lines: u64,
    left_out: u64,
}

impl Chatter {
    pub(super) fn admits(&self) -> bool {
        let (admitted, left_out) = locked(&self.window).line(Instant::now());
        self.tell_of(left_out);
        if !admitted {
            self.suppressed.inc();
            if let Some(all) = self.all.upgrade() {
                all.tick();
            }
        }
        admitted
    }

    fn tell(&self, now: Option<Instant>) -> bool {
        let (left_out, more) = {
            let mut window = locked(&self.window);
            (window.due(now), window.left_out > 0)
        };
        self.tell_of(left_out);
        more
    }

    fn tell_of(&self, calls: u64) {
        if calls > 0 {
            let function = self.function.as_str();
            tracing::warn!(target: "edgeward::function", function, calls, "it writes too much: the logs of so many calls were left out");
        }
    }
}

impl Window {
    /// Whether a line may be written, and the number of lines suppressed in the previous window.
    fn line(&mut self, now: Instant) -> (bool, u64) {
        let left_out = self.due(Some(now));
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= INTERVAL) {
            *self = Window { since: Some(now), ..Window::default() };
        }
        self.lines += 1;
        let admitted = self.lines <= FUNCTION_LINES;
        self.left_out += u64::from(!admitted);
        (admitted, left_out)
    }

    fn due(&mut self, now: Option<Instant>) -> u64 {
        let waits = now.zip(self.since).is_some_and(|(now, since)| now.saturating_duration_since(since) < INTERVAL);
        if waits { 0 } else { std::mem::take(&mut self.left_out) }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_is_told_then_one_summary_per_interval_and_the_end() {
        let (mut state, begin) = (RepeatState::default(), Instant::now());
        assert_eq!(state.ended(begin), None, "nothing was");
        assert_eq!(state.occurred(begin), Some(1));
        for second in 1..10 {
            assert_eq!(state.occurred(begin + SECOND * second), None);
        }
        assert_eq!(state.due(Some(begin + INTERVAL - Duration::from_millis(1))), None);
        assert_eq!(state.due(Some(begin + INTERVAL)), Some(9), "without another failure");
        assert_eq!(state.due(Some(begin + INTERVAL * 3)), None, "nothing is left");
        assert_eq!(state.occurred(begin + INTERVAL * 3), Some(1), "the interval has long passed");
        assert_eq!(state.ended(begin + INTERVAL * 4), Some((11, INTERVAL * 4)));
        assert_eq!(state.ended(begin + INTERVAL * 4), None, "it has ended once");
    }

    #[test]
    fn an_intermittent_failure_has_two_lines_per_interval() {
        let (mut state, begin) = (RepeatState::default(), Instant::now());
        let mut lines = 0;
        let mut told = 0;
        for ms in 0..100_000 {
            let now = begin + Duration::from_millis(ms);
            if let Some(failures) = state.occurred(now) {
                (lines, told) = (lines + 1, told + failures);
            }
            lines += u64::from(state.ended(now).is_some());
        }
        assert_eq!(lines, 2 * 100_000 / INTERVAL_MS);
        assert_eq!(told + state.untold, 100_000, "each is in some line");
    }

    #[test]
    fn at_the_end_all_summaries_are_written() {
        let (mut state, begin) = (RepeatState::default(), Instant::now());
        assert_eq!(state.due(None), None);
        state.occurred(begin);
        state.occurred(begin);
        assert_eq!(state.due(None), Some(1));
    }

    #[test]
    fn a_function_may_write_so_many_lines_per_interval() {
        let (mut window, begin) = (Window::default(), Instant::now());
        for n in 1..=FUNCTION_LINES + 3 {
            assert_eq!(window.line(begin), (n <= FUNCTION_LINES, 0), "{n}");
        }
        assert_eq!(window.due(Some(begin + SECOND)), 0);
        assert_eq!(window.line(begin + INTERVAL), (true, 3));
        assert_eq!((window.due(None), window.lines), (0, 1));
    }
}
