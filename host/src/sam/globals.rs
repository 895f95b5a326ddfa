//! `Globals`: what all functions have, unless one says otherwise.
//!
//! As SAM does it, maps are merged, lists are joined (those of `Globals` first), and all else is replaced.

use super::fields::PropertyReader;
use super::node::{Shape, TemplateNode};
use super::report::TemplateReport;

/// `Globals.Function`.
pub(super) fn read<'n>(section: Option<&'n TemplateNode>, report: &'n TemplateReport<'n>) -> Option<&'n TemplateNode> {
    let section = section?;
    let fields = PropertyReader::of("`Globals`", &section.span, section, report);
    let function = fields.node("Function");
    let by_edge = "the edge serves the events of APIs: its settings are in edge.toml";
    fields.finish(&[("Api", by_edge), ("HttpApi", by_edge), ("SimpleTable", "tables are not there")]);
    if let Some(function) = function {
        // Each is of one function; SAM refuses them, too.
        for name in ["FunctionName", "FunctionUrlConfig", "Policies", "Events"] {
            if let Some(entry) = function.entry(name) {
                report.error(&entry.key_span, format!("`{name}` cannot be global"), "write it at each function");
            }
        }
    }
    function
}

pub(super) fn merged(globals: &TemplateNode, own: &TemplateNode) -> TemplateNode {
    match (&globals.shape, &own.shape) {
        (Shape::Map(globals), Shape::Map(entries)) => {
            let mut merged_entries = entries.clone();
            for global in globals {
                match merged_entries.iter_mut().find(|entry| entry.key == global.key) {
                    Some(entry) => entry.value = merged(&global.value, &entry.value),
                    None => merged_entries.push(global.clone()),
                }
            }
            TemplateNode { shape: Shape::Map(merged_entries), span: own.span.clone() }
        }
        (Shape::List(globals), Shape::List(items)) => {
            TemplateNode { shape: Shape::List(globals.iter().chain(items).cloned().collect()), span: own.span.clone() }
        }
        _ => own.clone(),
    }
}
