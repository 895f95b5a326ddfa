//! I compare the cost of a viewer hook's host calls with their price in fuel, per call and per byte.
//!
//! Each kind is a hook that repeats one call, run as for a request.

mod hook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::limits::{Compiling, Limit, Limits, Profile, config};
use crate::measure::fuel::{Class, CodeKind};
use crate::wasm::abi::Moment;
use crate::wasm::compile::{self, ComponentSource};
use crate::wasm::engine::Engines;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::{ViewerCode, ViewerInstance};
use hook::{DATA, GIVEN, HostCall, POLLABLES, STREAM};

/// Number of calls per run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounds {
    Many,
    /// One call: a second one would cost something else, since the log is full.
    One,
}

type EmitCall = fn(&mut HostCall<'_>);

fn kinds() -> Vec<(&'static str, Rounds, Vec<u8>, EmitCall)> {
    use Rounds::{Many, One};
    let newlines = |len: usize| vec![b'\n'; len];
    let ascii = |len: usize| vec![b'x'; len];
    let euros = |len: usize| "\u{20ac}".repeat(len / 3).into_bytes();
    let kinds: [(&str, Rounds, Vec<u8>, EmitCall); 22] = [
        ("a clock is read", Many, vec![], |f| f.now()),
        ("8 random bytes", Many, vec![], |f| f.random(8)),
        ("4 KiB of random bytes", Many, vec![], |f| f.random(4 << 10)),
        ("64 KiB of random bytes", Many, vec![], |f| f.random(64 << 10)),
        ("a stream, made and dropped", Many, vec![], |f| f.stream()),
        ("a poll of 1", Many, vec![], |f| f.poll(1)),
        ("a poll of 16", Many, vec![], |f| f.poll(POLLABLES)),
        ("a short key that is not there", Many, ascii(8), |f| f.get(8)),
        ("a key of 512 bytes that is not there", Many, ascii(512), |f| f.get(512)),
        ("a key of 64 KiB", Many, ascii(64 << 10), |f| f.get(64 << 10)),
        ("a key of 64 KiB, not ASCII", Many, euros(65_535), |f| f.get(65_535)),
        ("a value of 1 KiB", Many, b"long".to_vec(), |f| f.get(4)),
        ("a short line to the log", Many, ascii(8), |f| f.line(8)),
        ("a line of 8 KiB, kept", One, ascii(8 << 10), |f| f.line(8 << 10)),
        ("a line of 64 KiB", Many, ascii(64 << 10), |f| f.line(64 << 10)),
        ("a line of 64 KiB, not ASCII", Many, euros(65_535), |f| f.line(65_535)),
        ("8 bytes of output", Many, ascii(8), |f| f.write(8)),
        ("8 KiB of output, kept", One, ascii(8 << 10), |f| f.write(8 << 10)),
        ("8 KiB of ends of lines, kept", One, newlines(8 << 10), |f| f.write(8 << 10)),
        ("8 KiB of what is no text, kept", One, vec![0xff; 8 << 10], |f| f.write(8 << 10)),
        ("64 KiB of ends of lines", Many, newlines(64 << 10), |f| f.write(64 << 10)),
        ("64 KiB of output", Many, ascii(64 << 10), |f| f.write(64 << 10)),
    ];
    kinds.into()
}

/// Measures every kind of host call.
pub(super) fn host_calls(engines: &Engines) -> anyhow::Result<Vec<CodeKind>> {
    // The maximum of a configuration, so that runs are long enough to measure.
    let mut limits = Limits::defaults(Profile::Viewer);
    for limit in [Limit::CpuUs, Limit::HostCalls] {
        limits = limits.with(limit, limit.maximum(Profile::Viewer))?;
    }
    let mut found = Vec::new();
    for (name, rounds, data, emit) in kinds() {
        let bytes = hook::component(&data, emit);
        let viewer =
            compile::compiled(engines, &ComponentSource::from_bytes(&bytes)?, &limits, Compiling::default().waited_for())?;
        let code = ViewerCode::new(engines, &viewer, &limits, Some(Arc::new(BenchValues::new())))?;
        let (ns, units) = Runs::new(&code)?.time(rounds).map_err(|error| anyhow::anyhow!("{name}: {error:#}"))?;
        let factor = ns / units * engines.fuel.units_per_us() / 1000.0;
        found.push(CodeKind { name: name.to_owned(), class: Class::HostCall, ns, units, factor });
    }
    Ok(found)
}

struct Runs<'a> {
    code: &'a ViewerCode,
    instance: ViewerInstance,
}

impl Runs<'_> {
    fn new(code: &ViewerCode) -> anyhow::Result<Runs<'_>> {
        Ok(Runs { code, instance: code.instantiate()? })
    }

    /// The cost of one call in nanoseconds and in fuel, without the surrounding code.
    fn time(&mut self, rounds: Rounds) -> anyhow::Result<(f64, f64)> {
        const LONG: Duration = Duration::from_micros(500);
        let mut many = 1;
        if rounds == Rounds::Many {
            while let Ok((took, _)) = self.fastest(2 * many)
                && took < LONG
            {
                many *= 2;
            }
            // A store that hit a limit is not entered again.
            self.instance = self.code.instantiate()?;
        }
        let (took, fuel) = self.fastest(many)?;
        let (around, around_fuel) = self.fastest(0)?;
        #[expect(clippy::cast_precision_loss, reason = "a measurement")]
        let units = (fuel - around_fuel) as f64 / f64::from(many);
        Ok((took.saturating_sub(around).as_secs_f64() * 1e9 / f64::from(many), units))
    }

    /// The fastest of several runs, and its fuel.
    fn fastest(&mut self, rounds: u32) -> anyhow::Result<(Duration, u64)> {
        const RUNS: u32 = 15;
        let mut best = Duration::MAX;
        let mut fuel = 0;
        for _ in 0..RUNS {
            let start = Instant::now();
            let called = self.instance.call(self.code, Moment::ViewerRequest, &rounds.to_le_bytes(), 1, 1);
            best = best.min(start.elapsed());
            called.result?;
            fuel = called.fuel;
            self.instance.take_log();
        }
        Ok((best, fuel))
    }
}

/// Keys and values of the maximum length.
struct BenchValues(BTreeMap<String, Vec<u8>>);

impl BenchValues {
    fn new() -> BenchValues {
        let keys = (0..1_000).map(|n| format!("{n:0width$}", width = config::KV_KEY_BYTES));
        BenchValues(keys.chain(["long".to_owned()]).map(|key| (key, vec![7; config::KV_VALUE_BYTES])).collect())
    }
}

impl KeyValueStore for BenchValues {
    fn name(&self) -> &str {
        "measured"
    }

    fn key_at(&self, position: usize) -> Option<&str> {
        self.0.keys().nth(position).map(String::as_str)
    }

    fn keys_after(&self, key: Option<&str>, max: usize) -> Vec<String> {
        let behind = |known: &&String| key.is_none_or(|key| known.as_str() > key);
        self.0.keys().filter(behind).take(max).cloned().collect()
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

impl HostCall<'_> {
    fn now(&mut self) {
        self.0.call(hook::NOW).drop();
    }

    fn random(&mut self, len: i64) {
        self.0.i64_const(len).i32_const(GIVEN).call(hook::RANDOM);
    }

    fn stream(&mut self) {
        self.0.call(hook::STDOUT).call(hook::DROP_STREAM);
    }

    fn poll(&mut self, count: i32) {
        self.0.i32_const(hook::HANDLES).i32_const(count).i32_const(GIVEN).call(hook::POLL);
    }

    fn get(&mut self, len: i32) {
        self.0.i32_const(DATA).i32_const(len).i32_const(GIVEN).call(hook::GET);
    }

    fn line(&mut self, len: i32) {
        self.0.i32_const(DATA).i32_const(len).call(hook::LINE);
    }

    fn write(&mut self, len: i32) {
        self.0.local_get(STREAM).i32_const(DATA).i32_const(len).i32_const(GIVEN).call(hook::WRITE);
    }
}
