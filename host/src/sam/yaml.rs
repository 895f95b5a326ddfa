//! Reads a template's YAML, of which JSON is a part, into nodes.
//!
//! Intrinsic functions are the same in both of their forms: `!Sub TEXT` and `Fn::Sub: TEXT`. Aliases are copied, and
//! `<<` merges, as SAM's own command line does both; how much there is then is bounded.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Entry, Shape, TemplateNode};
use super::report::TemplateReport;
use crate::limits::sam::{DEPTH, NODES};

const CORE: &str = "tag:yaml.org,2002:";
/// With one argument, such as `!Ref NAME`; all others are `Fn::` in their long form.
const BARE: [&str; 2] = ["Ref", "Condition"];

/// The one document of a text. `None` if it has been reported why there is none.
pub(super) fn read(text: &str, report: &TemplateReport<'_>) -> Option<TemplateNode> {
    let mut builder =
        TreeBuilder { offsets: Offsets::of(text), report, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let at = builder.offsets.at(error.marker().index());
                report.error(&(at..at + 1), format!("this is not YAML: {}", error.info()), "");
                return None;
            }
        }
    }
    if builder.root.is_none() {
        report.error(&(0..1), "the template is empty", "a map with `Resources` is expected");
    }
    builder.root
}

/// The parser counts characters.
enum Offsets {
    Ascii,
    Characters(Vec<u32>),
}

impl Offsets {
    fn of(text: &str) -> Offsets {
        if text.is_ascii() {
            return Offsets::Ascii;
        }
        let ends = [text.len()];
        let offsets = text.char_indices().map(|(at, _)| at).chain(ends);
        Offsets::Characters(offsets.map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect())
    }

    fn at(&self, index: usize) -> usize {
        match self {
            Offsets::Ascii => index,
            Offsets::Characters(offsets) => offsets.get(index).or(offsets.last()).map_or(0, |at| *at as usize),
        }
    }
}

struct TreeBuilder<'r> {
    offsets: Offsets,
    report: &'r TemplateReport<'r>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, TemplateNode>,
    nodes: usize,
    root: Option<TemplateNode>,
}

/// A list or map that has not ended.
struct Open {
    node: TemplateNode,
    anchor: usize,
    call: Option<String>,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
    /// What `<<` names: keys that are written count, wherever they stand.
    merged: Vec<(Range<usize>, TemplateNode)>,
}

impl TreeBuilder<'_> {
    /// `None` if there is no use in going on.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let span = self.offsets.at(span.start.index())..self.offsets.at(span.end.index());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut plain = style == ScalarStyle::Plain;
                if text.contains('\0') {
                    self.report.error(&span, "a text has no NUL character here", "remove it");
                    self.put(TemplateNode::broken(span), anchor);
                    return Some(());
                }
                let call = match self.tag(tag.as_deref(), &span) {
                    Tagged::No => None,
                    Tagged::Text => {
                        plain = false;
                        None
                    }
                    Tagged::Call(name) => Some(name),
                    Tagged::Unknown => {
                        self.put(TemplateNode::broken(span), anchor);
                        return Some(());
                    }
                };
                let node = TemplateNode { shape: Shape::Text { text: text.into_owned(), plain }, span };
                self.put(called(call, node), anchor);
            }
            Event::SequenceStart(anchor, tag) => self.open(Shape::List(Vec::new()), anchor, tag.as_deref(), span)?,
            Event::MappingStart(anchor, tag) => self.open(Shape::Map(Vec::new()), anchor, tag.as_deref(), span)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let mut open = self.open.pop()?;
                if let Shape::Map(entries) = &mut open.node.shape {
                    open.merged.iter().for_each(|(span, node)| merge(entries, node, span, self.report));
                }
                let node = if matches!(open.node.shape, Shape::Map(_)) { self.long_form(open.node) } else { open.node };
                self.put(called(open.call, node), open.anchor);
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.unwrap_or_else(|| {
                    self.report.error(&span, "this alias stands within what it repeats", "write the value out");
                    TemplateNode::broken(span.clone())
                });
                self.nodes += size(&node);
                if depth(&node) + self.open.len() > DEPTH {
                    return self.too_deep(&span);
                }
                self.put(node, 0);
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                self.report.error(&span, "a template is one document", "remove `---` and what follows");
                return None;
            }
            _ => {}
        }
        if self.nodes > NODES {
            self.report.error(
                &(0..1),
                format!("the template has more than {NODES} values"),
                "aliases count as often as they stand",
            );
            return None;
        }
        Some(())
    }

    fn open(&mut self, shape: Shape, anchor: usize, tag: Option<&Tag>, span: Range<usize>) -> Option<()> {
        if self.open.len() >= DEPTH {
            return self.too_deep(&span);
        }
        let call = match self.tag(tag, &span) {
            Tagged::Call(name) => Some(name),
            Tagged::No | Tagged::Text | Tagged::Unknown => None,
        };
        // A block has no sign of its own to point at: its first character is.
        let span = span.start..span.end.max(span.start + 1);
        self.open.push(Open { node: TemplateNode { shape, span }, anchor, call, key: None, merged: Vec::new() });
        Some(())
    }

    fn too_deep(&self, span: &Range<usize>) -> Option<()> {
        self.report.error(span, format!("more than {DEPTH} values are within each other"), "");
        None
    }

    fn put(&mut self, node: TemplateNode, anchor: usize) {
        self.nodes += 1;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match (&mut open.node.shape, open.key.take()) {
            (Shape::List(items), _) => items.push(node),
            (Shape::Map(_), None) => {
                let span = node.span.clone();
                let key = match node.shape {
                    Shape::Text { text, .. } => text,
                    _ => {
                        self.report.error(&span, "a key is a text", "");
                        String::new()
                    }
                };
                open.key = Some((key, span));
            }
            (Shape::Map(_), Some((key, key_span))) if key == "<<" => open.merged.push((key_span, node)),
            (Shape::Map(entries), Some((key, key_span))) => {
                if let Some(other) = entries.iter().find(|entry| entry.key == key) {
                    let message = format!("`{key}` is there twice, first in line {}", self.report.line(&other.key_span));
                    self.report.error(&key_span, message, "remove one of them");
                } else {
                    entries.push(Entry { key, key_span, value: node });
                }
            }
            _ => {}
        }
    }

    /// `{"Fn::Sub": …}` is `!Sub …`.
    fn long_form(&self, node: TemplateNode) -> TemplateNode {
        let Shape::Map(mut entries) = node.shape else { return node };
        let is_call = |entry: &Entry| entry.key == "Ref" || entry.key.starts_with("Fn::");
        match entries.iter().find(|entry| is_call(entry)) {
            None => {}
            Some(_) if entries.len() == 1 => {
                if let Some(Entry { key, key_span, value }) = entries.pop() {
                    return TemplateNode { shape: Shape::Call { name: key, argument: Box::new(value) }, span: key_span };
                }
            }
            Some(entry) => {
                let message = format!("`{}` has other keys beside it", entry.key);
                self.report.error(&entry.key_span, message, "an intrinsic function is the only key of its map");
                return TemplateNode::broken(node.span);
            }
        }
        TemplateNode { shape: Shape::Map(entries), span: node.span }
    }

    fn tag(&self, tag: Option<&Tag>, span: &Range<usize>) -> Tagged {
        let Some(tag) = tag else { return Tagged::No };
        match (tag.handle.as_str(), tag.suffix.as_str()) {
            (CORE | "", "str") | ("", "!") => Tagged::Text,
            (CORE, "map" | "seq" | "int" | "float" | "bool" | "null") => Tagged::No,
            ("!", "") => Tagged::Text,
            ("!", name) if BARE.contains(&name) => Tagged::Call(name.to_owned()),
            ("!", name) if name.chars().all(|c| c.is_ascii_alphanumeric()) => Tagged::Call(format!("Fn::{name}")),
            (handle, suffix) => {
                self.report.error(
                    span,
                    format!("the tag `{handle}{suffix}` has no meaning here"),
                    "intrinsic functions are tags, such as `!Ref`",
                );
                Tagged::Unknown
            }
        }
    }
}

enum Tagged {
    No,
    Text,
    Call(String),
    Unknown,
}

fn called(call: Option<String>, node: TemplateNode) -> TemplateNode {
    match call {
        None => node,
        Some(name) => {
            let span = node.span.clone();
            TemplateNode { shape: Shape::Call { name, argument: Box::new(node) }, span }
        }
    }
}

fn merge(entries: &mut Vec<Entry>, node: &TemplateNode, span: &Range<usize>, report: &TemplateReport<'_>) {
    match &node.shape {
        Shape::Map(others) => {
            for other in others {
                if !entries.iter().any(|entry| entry.key == other.key) {
                    entries.push(other.clone());
                }
            }
        }
        Shape::List(nodes) if nodes.iter().all(|node| node.as_map().is_some()) => {
            nodes.iter().for_each(|node| merge(entries, node, span, report));
        }
        Shape::Broken => {}
        _ => report.error(span, "`<<` merges a map, or a list of maps", ""),
    }
}

fn size(node: &TemplateNode) -> usize {
    1 + match &node.shape {
        Shape::List(items) => items.iter().map(size).sum(),
        Shape::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        Shape::Call { argument, .. } => size(argument),
        Shape::Text { .. } | Shape::Nothing | Shape::Broken => 0,
    }
}

fn depth(node: &TemplateNode) -> usize {
    1 + match &node.shape {
        Shape::List(items) => items.iter().map(depth).max().unwrap_or(0),
        Shape::Map(entries) => entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        Shape::Call { argument, .. } => depth(argument),
        Shape::Text { .. } | Shape::Nothing | Shape::Broken => 0,
    }
}
