//! docs/metrics.md against the program: which families there are, of which type, with which labels.

use std::collections::BTreeMap;
use std::fs;

use edgeward::telemetry::Telemetry;

use crate::root;

/// Name, and type and labels, of each row of a table with four columns.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut families = BTreeMap::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<_> = row.trim_end_matches('|').splitn(4, '|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { continue };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(|label| label.trim_matches('`').to_owned());
        let before = families.insert(name.trim_end_matches('`').to_owned(), (kind.to_owned(), labels.collect()));
        assert!(before.is_none(), "{name} is there twice");
    }
    families
}

#[test]
fn every_metric_is_documented_and_nothing_else() {
    // Of families, not of a scrape: one without a value yet is in it, too.
    let families = Telemetry::new().families();
    let actual: BTreeMap<_, _> =
        families.into_iter().map(|family| (family.name, (family.kind.name().to_owned(), family.labels))).collect();
    assert!(actual.len() > 50, "the metrics are where they were");
    assert_eq!(documented(), actual, "docs/metrics.md, and what the program has");
}

#[test]
fn every_alert_is_documented_and_nothing_else() {
    let rules = fs::read_to_string(root().join("ops/prometheus/edgeward.rules.yml")).unwrap();
    let mut alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let (_, table) = text.split_once("| alert |").expect("a table of alerts");
    let first = table.lines().skip(2).map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut written: Vec<_> = first.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect();
    alerts.sort();
    written.sort();
    assert_eq!(written, alerts, "docs/metrics.md, and ops/prometheus/edgeward.rules.yml");
}
