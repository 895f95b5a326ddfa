//! A number that bounds something is in `limits`, where whoever looks for it finds it with its unit and its reason.
//!
//! Outside of that room a constant may have a number only if it bounds nothing: the list says what it is instead. So a new
//! bound fails here until it is moved, and a new number of another kind until somebody says of which.

use std::collections::BTreeSet;

use crate::{Source, assert_none, sources};

const PROTOCOL: &str = "what a standard says, which nobody may change";
const FORMAT: &str = "a format of this program's own";
const ENGINE: &str = "what the engine and the machine are made of";
const PRICE: &str = "a price, measured by `edgeward bench`";
const CAPACITY: &str = "the first size of a buffer that may grow";
const UNIT: &str = "a unit";
const MARK: &str = "a value that no count reaches";

/// Constants outside of `limits` that have a number, by file, and what the number is.
const NUMBERS: [(&str, &str, &str); 44] = [
    ("aws/iam/policies.rs", "MANAGED_S", "when AWS's policies were made"),
    ("aws/logs/entry.rs", "HEAD PRELUDE", FORMAT),
    ("aws/policy/pattern.rs", "ARN_PARTS", PROTOCOL),
    ("aws/policy/value.rs", "YEAR_DIGITS", PROTOCOL),
    ("aws/sealed.rs", "FINGERPRINT_BYTES HEAD_BYTES", FORMAT),
    ("aws/sealed.rs", "KEY_BYTES", PROTOCOL),
    ("aws/sigv4/time.rs", "DAY_S", UNIT),
    ("cache/control.rs", "SECONDS_MAX", PROTOCOL),
    ("cache/control.rs", "SECOND_MS", UNIT),
    ("cache/disk.rs", "NAMES_OF_A_RUN", FORMAT),
    ("cache/disk.rs", "YEAR_2100_US", FORMAT),
    ("cache/disk/format.rs", "CRC_BYTES PRELUDE_BYTES", FORMAT),
    ("cache/fields.rs", "END_MS", PROTOCOL),
    ("cache/status.rs", "MEMBER_BYTES", CAPACITY),
    ("calendar.rs", "DAYS_OF_400_YEARS EPOCH_DAYS", UNIT),
    ("config/files.rs", "OTHERS_READ", PROTOCOL),
    ("config/hints.rs", "DAY_S", UNIT),
    ("edge/caching/present.rs", "AGE_BYTES OWN_HEADERS", CAPACITY),
    ("edge/origin/interim.rs", "STATUS_BYTES", PROTOCOL),
    ("edge/trip.rs", "OWN_HEADERS", CAPACITY),
    ("events/schedule.rs", "MINUTE_MS", UNIT),
    ("function/concurrency/account.rs", "NONE", MARK),
    ("function/concurrency/account.rs", "SECOND_NS", UNIT),
    ("host/notify.rs", "ENDED", MARK),
    ("net/frames.rs", "HEAD_BYTES PAYLOAD_BYTES_MAX", PROTOCOL),
    ("net/guard.rs", "PING_BYTES", PROTOCOL),
    ("net/ticks.rs", "TICK", UNIT),
    ("network/target.rs", "LABEL_BYTES NAME_BYTES", PROTOCOL),
    ("path.rs", "LENGTH", PROTOCOL),
    ("telemetry/edge.rs", "COUNT", "how many variants a type has"),
    ("telemetry/time.rs", "END_OF_9999_MS", PROTOCOL),
    ("wasm/aot.rs", "OF_A_FILE PRESENT", ENGINE),
    ("wasm/compile/examine.rs", "VALUES_MAX", PRICE),
    ("wasm/compile/frame.rs", "SLOTS_FREE SLOTS_PER_NOP", PRICE),
    (
        "wasm/compile/size.rs",
        "OF_CANONICAL OF_COMPONENT OF_DEFINED OF_FUNCTION OF_GLOBAL OF_IMPORT OF_INSTANCE OF_SEGMENT",
        ENGINE,
    ),
    (
        "wasm/fuel.rs",
        "BUDGET CALL DROP FASTEST GIVEN_BYTE_EIGHTHS HANDLE LOOKUP OF_THE_MIX POLLED ROUNDS SLOWEST TEXT_BYTE_EIGHTHS",
        PRICE,
    ),
    ("wasm/restore/code.rs", "ALL_MARKED CHUNK GRANULE WIDEST_STORE", ENGINE),
    ("wasm/restore/layout.rs", "GRANULE_SHIFT PAGE", ENGINE),
    ("wasm/restore/overlay.rs", "CELL OVERLAY_END", FORMAT),
    ("wasm/sealed/clocks.rs", "NS_PER_S RESOLUTION_NS", UNIT),
    ("wasm/sealed/own.rs", "NS_PER_MS", UNIT),
    ("wasm/snapshot/keeper.rs", "PAGE_SHIFT VALUES", FORMAT),
    ("wasm/state.rs", "KIND_BITS", FORMAT),
    ("wasm/touched.rs", "TOUCHED", ENGINE),
];

/// Types of a bound. A `u8` or `u16` is a tag or a bit.
const TYPES: [&str; 8] = ["Duration", "f64", "i32", "i64", "u128", "u32", "u64", "usize"];

/// Indices and versions, which are no sizes whatever their type is.
const NO_SIZES: [&str; 7] = ["FROM", "LENGTH", "MARKS", "MEMORY", "OVERLAY", "TO", "VERSION"];

/// The code without the tests at its end.
fn outside_tests(source: &Source) -> &str {
    source.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn has_number(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let begins = c.is_ascii_digit() && !before.is_alphanumeric() && before != '_';
        before = c;
        begins
    })
}

/// Constants of a number, with the number written there.
fn numbers(source: &Source) -> impl Iterator<Item = &str> {
    outside_tests(source).split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (kind, rest) = rest.split_once(" = ")?;
        let (value, _) = rest.split_once(';')?;
        let is_number = TYPES.contains(&kind) && (has_number(value) || value.contains("::MAX"));
        let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        (is_number && is_name).then_some(name)
    })
}

/// Rooms that serve nobody: they measure, and are measured.
fn is_bounded(source: &&Source) -> bool {
    !source.is_test() && !["limits", "measure"].contains(&source.room.as_str()) && !source.path.contains("fuzz")
}

#[test]
fn a_number_that_bounds_something_is_in_limits() {
    let sources = sources();
    let found: BTreeSet<(&str, &str)> = sources
        .iter()
        .filter(is_bounded)
        .flat_map(|source| numbers(source).map(|name| (source.path.strip_prefix("host/src/").unwrap(), name)))
        .filter(|(path, name)| !NO_SIZES.contains(name) || *path == "path.rs")
        .collect();
    let listed: BTreeSet<(&str, &str)> =
        NUMBERS.iter().flat_map(|(path, names, _)| names.split(' ').map(|name| (*path, name))).collect();
    let unlisted = found.difference(&listed).map(|(path, name)| format!("{path}: `{name}` belongs in host/src/limits"));
    let stale = listed.difference(&found).map(|(path, name)| format!("{path}: `{name}` is gone: take it off the list"));
    let broken: Vec<String> = unlisted.chain(stale).collect();
    assert_none(&broken, "a bound is in `limits`, with its unit and reason; what bounds nothing is in NUMBERS, with what it is");
}

#[test]
fn a_time_is_in_limits_too_where_it_has_no_name() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(is_bounded) {
        for unit in ["secs", "millis", "micros", "nanos"] {
            let written = format!("Duration::from_{unit}(");
            for (at, _) in outside_tests(source).match_indices(&written) {
                let rest = &source.code[at + written.len()..];
                let argument = rest.split_once(')').map_or(rest, |(argument, _)| argument);
                if argument.chars().all(|c| c.is_ascii_digit() || c == '_') {
                    broken.push(format!("{}: {written}{argument})", source.path));
                }
            }
        }
    }
    assert_none(&broken, "a time is a constant of `limits`, with its reason");
}

#[test]
fn the_law_sees_numbers_however_they_are_written() {
    let code =
        "const A_BYTES: usize = 64 << 10;\nconst B: Duration = Duration::from_secs(\n    30,\n);\nconst C: u64 = limits::C2;\n\
                const D: u64 = u64::MAX;\nconst E: u8 = 1;\nfn f<const N: usize>() {}"
            .to_owned();
    let source = Source { path: "host/src/edge/x.rs".to_owned(), room: "edge".to_owned(), text: String::new(), code };
    assert_eq!(numbers(&source).collect::<Vec<_>>(), ["A_BYTES", "B", "D"]);
}
