//! `Parameters`: their types, defaults and what they may be.

use std::collections::BTreeMap;

use super::fields::PropertyReader;
use super::node::{Shape, TemplateNode};
use super::report::{TemplateReport, quoted};

const TYPES: [&str; 5] = ["String", "Number", "List<Number>", "List<String>", "CommaDelimitedList"];

/// The values, and those of them that are not to be shown.
#[derive(Default)]
pub(super) struct ParameterValues {
    pub(super) values: BTreeMap<String, TemplateNode>,
    pub(super) secrets: Vec<String>,
}

/// `given` are those of the command line. One that no parameter takes is an error at the section.
pub(super) fn read(
    section: Option<&TemplateNode>,
    given: &BTreeMap<String, String>,
    report: &TemplateReport<'_>,
) -> ParameterValues {
    let mut parameters = ParameterValues::default();
    let entries = section.and_then(TemplateNode::as_map).unwrap_or_default();
    if let Some(section) = section
        && section.as_map().is_none()
        && !section.is_broken()
    {
        report.error(&section.span, "`Parameters` is a map", "`NAME: {Type: String}`");
    }
    for entry in entries {
        let fields = PropertyReader::of(&format!("parameter `{}`", entry.key), &entry.key_span, &entry.value, report);
        let value = value(&entry.key, &fields, given.get(&entry.key), &mut parameters.secrets);
        for ignored in ["Description", "ConstraintDescription"] {
            fields.text(ignored);
        }
        fields.finish(&[]);
        let value = value.unwrap_or_else(|| TemplateNode::broken(entry.key_span.clone()));
        parameters.values.insert(entry.key.clone(), value);
    }
    for name in given.keys().filter(|name| !parameters.values.contains_key(*name)) {
        let at = section.map_or(0..1, |section| section.span.clone());
        let known = quoted(parameters.values.keys().map(String::as_str));
        report.error(&at, format!("`--parameter {name}=…`: the template has no parameter `{name}`"), format!("it has {known}"));
    }
    parameters
}

fn value(name: &str, fields: &PropertyReader<'_>, given: Option<&String>, secrets: &mut Vec<String>) -> Option<TemplateNode> {
    let report = fields.report;
    let kind = fields.required("Type", "such as `Type: String`");
    let hidden = fields.flag("NoEcho").unwrap_or(false);
    let default = fields.node("Default");
    let allowed = fields.list("AllowedValues");
    let chars = [fields.integer("MinLength", 0..=i64::MAX), fields.integer("MaxLength", 0..=i64::MAX)];
    let bounds = ["MinValue", "MaxValue"].map(|bound| {
        let written = fields.text(bound)?;
        let number = written.text.parse::<f64>().ok();
        if number.is_none() {
            report.error(&written.span, format!("`{bound}` is no number"), "");
        }
        number
    });
    if let Some(pattern) = fields.text("AllowedPattern") {
        report.warn(&pattern.span, format!("`AllowedPattern` of `{name}` is not checked here"));
    }
    let kind = kind?;
    if !TYPES.contains(&kind.text.as_str()) {
        let why = if kind.text.starts_with("AWS::") { "asks AWS, which is not there" } else { "is not known" };
        let remedy = format!("one of {}", quoted(TYPES));
        report.error(&kind.span, format!("the type `{}` {why}", kind.text), remedy);
        return None;
    }
    let (text, span) = match (given, default) {
        (Some(given), _) => (given.clone(), fields.span.clone()),
        (None, Some(default)) => {
            let Some(text) = default.as_text() else {
                if !default.is_broken() {
                    report.error(&default.span, format!("the default of `{name}` is {}", default.kind()), "a text is expected");
                }
                return None;
            };
            (text.to_owned(), default.span.clone())
        }
        (None, None) => {
            let remedy = format!("pass `--parameter {name}=VALUE`");
            report.error(&fields.span, format!("the parameter `{name}` has no value and no default"), remedy);
            return None;
        }
    };
    if hidden && !text.is_empty() {
        secrets.push(text.clone());
    }
    if text.contains('\0') {
        report.error(&span, format!("`{name}` has a NUL character"), "");
        return None;
    }
    let shown = if hidden { "****" } else { text.as_str() };
    let is_list = kind.text != "String" && kind.text != "Number";
    let items: Vec<&str> = if is_list { text.split(',').map(str::trim).collect() } else { vec![&text] };
    for item in &items {
        let number = item.trim().parse::<f64>().ok();
        let refused = |why: String| report.error(&span, format!("`{shown}` is not allowed for `{name}`"), why);
        if kind.text.contains("Number") && number.is_none() {
            refused("it is a number".to_owned());
            return None;
        }
        if let Some(allowed) = &allowed {
            let allowed: Vec<&str> = allowed.iter().filter_map(TemplateNode::as_text).collect();
            if !allowed.contains(item) {
                refused(format!("one of {}", quoted(allowed)));
            }
        }
        let n_chars = i64::try_from(item.chars().count()).unwrap_or(i64::MAX);
        if chars[0].is_some_and(|least| n_chars < least) || chars[1].is_some_and(|most| n_chars > most) {
            refused("its length is out of bounds".to_owned());
        }
        if let Some(number) = number
            && (bounds[0].is_some_and(|least| number < least) || bounds[1].is_some_and(|most| number > most))
        {
            refused("it is out of bounds".to_owned());
        }
    }
    Some(if is_list {
        let items = items.iter().map(|item| TemplateNode::text(*item, span.clone())).collect();
        TemplateNode { shape: Shape::List(items), span }
    } else {
        // A number may stand where one is expected, in a policy.
        TemplateNode { shape: Shape::Text { plain: kind.text == "Number", text }, span }
    })
}
