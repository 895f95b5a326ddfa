//! Draws the distribution of each stage: one bar from p50 to p99.9 on a logarithmic axis.

use std::fmt::Write as _;

use super::{ColdWarmReport, Distribution};

const LEFT: f64 = 170.0;
const WIDTH: f64 = 900.0;
const ROW: f64 = 34.0;
const TOP: f64 = 70.0;
/// The axis: 10 ns to 10 s.
const DECADES: (f64, f64) = (1.0, 10.0);

/// Returns a self-contained SVG document.
pub fn svg(report: &ColdWarmReport, title: &str) -> String {
    let height = TOP + ROW * count(report.stages.len()) + 60.0;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="20" y="28" font-size="17" font-weight="600">{}</text>
<text x="20" y="48" fill="#57606a">{}, {} bytes, {} fuel a call; bar: p50 to p99.9, marks: p90 and p99</text>
"##,
        escape(title),
        report.kind(),
        report.component_bytes,
        report.fuel_per_call,
    );
    grid(&mut out, height);
    for (i, stage) in report.stages.iter().enumerate() {
        row(&mut out, stage, TOP + ROW * count(i));
    }
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, height: f64) {
    let labels = ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
    for (i, label) in labels.iter().enumerate() {
        let x = x(10f64.powf(DECADES.0 + count(i)));
        let bottom = height - 40.0;
        let _ = writeln!(
            out,
            r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}" stroke="#d0d7de"/><text x="{x:.1}" y="{}" text-anchor="middle" fill="#57606a">{label}</text>"##,
            bottom + 18.0
        );
    }
}

fn row(out: &mut String, stage: &Distribution, y: f64) {
    let (p50, p90, p99, p999) = (at(stage.p50_ns), at(stage.p90_ns), at(stage.p99_ns), at(stage.p999_ns));
    let width = (p999 - p50).max(3.0);
    let middle = y + ROW / 2.0;
    let _ = writeln!(
        out,
        r##"<text x="{}" y="{}" text-anchor="end">{}</text><rect x="{p50:.1}" y="{}" width="{width:.1}" height="14" rx="3" fill="#54aeff"/>"##,
        LEFT - 12.0,
        middle + 4.0,
        escape(stage.stage),
        middle - 7.0,
    );
    for x in [p90, p99] {
        let _ = writeln!(
            out,
            r##"<line x1="{x:.1}" y1="{}" x2="{x:.1}" y2="{}" stroke="#0550ae" stroke-width="2"/>"##,
            middle - 7.0,
            middle + 7.0
        );
    }
    let _ = writeln!(
        out,
        r##"<text x="{:.1}" y="{}" fill="#0550ae">{}</text>"##,
        p50 + width + 8.0,
        middle + 4.0,
        human(stage.p50_ns)
    );
}

/// Formats nanoseconds with three digits and a unit.
pub fn human(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.2} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

fn at(ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
    x(ns as f64)
}

fn x(ns: f64) -> f64 {
    let share = (ns.max(10.0).log10() - DECADES.0) / (DECADES.1 - DECADES.0);
    LEFT + share.min(1.0) * (WIDTH - LEFT - 80.0)
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
fn count(n: usize) -> f64 {
    n as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
