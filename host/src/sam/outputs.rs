//! `Outputs`: what is printed when a stack is there.

use super::fields::PropertyReader;
use super::node::{Shape, TemplateNode};
use super::plan::Output;
use super::resolve::{IMPLICIT_APIS, NameScope};

pub(super) fn read(section: Option<&TemplateNode>, scope: &NameScope<'_>) -> Vec<Output> {
    let report = scope.report;
    let Some(section) = section else { return Vec::new() };
    let Some(entries) = section.as_map() else {
        report.error(&section.span, format!("`Outputs` is {}", section.kind()), "a map is expected");
        return Vec::new();
    };
    let output = |entry: &super::node::Entry| {
        let fields = PropertyReader::of(&format!("output `{}`", entry.key), &entry.key_span, &entry.value, report);
        let description = fields.node("Description").map(|node| scope.resolve(node));
        let is_there = fields.node("Condition").is_none_or(|name| scope.condition(name).unwrap_or(false));
        if let Some(export) = fields.entry("Export") {
            report.warn(&export.key_span, format!("output `{}` is not exported: there is nothing to import it", entry.key));
        }
        if fields.entry("Value").is_none() {
            report.error(&entry.key_span, format!("output `{}` has no `Value`", entry.key), "");
        }
        let value = fields.node("Value");
        fields.finish(&[]);
        let value = value.filter(|_| is_there)?;
        // The samples of SAM print it, and nothing else depends on it.
        if names_an_api(value) {
            report.warn(
                &entry.key_span,
                format!(
                    "output `{}` is left out: it is the address of an API, and the edge serves the events of APIs",
                    entry.key
                ),
            );
            return None;
        }
        let value = scope.resolve(value);
        if !matches!(value.shape, Shape::Text { .. } | Shape::Broken | Shape::Nothing) {
            report.error(&value.span, format!("output `{}` is {}", entry.key, value.kind()), "a text is expected");
        }
        let description = description.as_ref().and_then(TemplateNode::as_text).unwrap_or_default().to_owned();
        Some(Output { name: entry.key.clone(), description, value: value.as_text()?.into() })
    };
    entries.iter().filter_map(output).collect()
}

fn names_an_api(node: &TemplateNode) -> bool {
    match &node.shape {
        Shape::Text { text, .. } => IMPLICIT_APIS
            .iter()
            .any(|name| text == name || text.contains(&format!("${{{name}}}")) || text.contains(&format!("${{{name}."))),
        Shape::List(items) => items.iter().any(names_an_api),
        Shape::Map(entries) => entries.iter().any(|entry| names_an_api(&entry.value)),
        Shape::Call { argument, .. } => names_an_api(argument),
        Shape::Nothing | Shape::Broken => false,
    }
}
