//! Reads the properties of a map; what has not been asked for is refused at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use super::node::{Entry, Shape, TemplateNode};
use super::report::{TemplateReport, one_of, quoted};

/// See the module.
pub(super) struct PropertyReader<'n> {
    /// Such as "function `Hello`".
    pub(super) owner: String,
    pub(super) span: Range<usize>,
    pub(super) report: &'n TemplateReport<'n>,
    entries: &'n [Entry],
    asked: RefCell<BTreeSet<&'static str>>,
}

/// A text and its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl<'n> PropertyReader<'n> {
    /// `span` is the place of what is missing.
    pub(super) fn of(
        owner: &str,
        span: &Range<usize>,
        node: &'n TemplateNode,
        report: &'n TemplateReport<'n>,
    ) -> PropertyReader<'n> {
        let entries = match &node.shape {
            Shape::Map(entries) => entries.as_slice(),
            Shape::Broken => &[],
            _ if node.is_null() => &[],
            _ => {
                report.error(&node.span, format!("{owner} is {}", node.kind()), "a map is expected");
                &[]
            }
        };
        PropertyReader { owner: owner.to_owned(), span: span.clone(), report, entries, asked: RefCell::default() }
    }

    pub(super) fn entry(&self, key: &'static str) -> Option<&'n Entry> {
        self.asked.borrow_mut().insert(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// What is written, unless it is null.
    pub(super) fn node(&self, key: &'static str) -> Option<&'n TemplateNode> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !node.is_null() && !node.is_broken())
    }

    pub(super) fn text(&self, key: &'static str) -> Option<Placed> {
        let node = self.node(key)?;
        let text = node.as_text();
        if text.is_none() {
            self.wrong(node, key, "a text");
        }
        Some(Placed { text: text?.to_owned(), span: node.span.clone() })
    }

    /// A missing one is reported.
    pub(super) fn required(&self, key: &'static str, remedy: &str) -> Option<Placed> {
        if self.entry(key).is_none() {
            self.report.error(&self.span, format!("{} has no `{key}`", self.owner), remedy);
        }
        self.text(key)
    }

    /// One of a few words.
    pub(super) fn choice(&self, key: &'static str, allowed: &[&'static str]) -> Option<String> {
        let written = self.text(key)?;
        if !allowed.contains(&written.text.as_str()) {
            let message = format!("`{}` is not allowed for `{key}`", written.text);
            self.report.error(&written.span, message, format!("one of {}", quoted(allowed.iter().copied())));
            return None;
        }
        Some(written.text)
    }

    pub(super) fn integer(&self, key: &'static str, allowed: RangeInclusive<i64>) -> Option<i64> {
        let written = self.text(key)?;
        let number = written.text.parse::<i64>().ok().filter(|number| allowed.contains(number));
        if number.is_none() {
            let (least, most) = allowed.into_inner();
            let remedy = if most == i64::MAX {
                format!("a whole number from {least} on")
            } else {
                format!("a whole number from {least} to {most}")
            };
            self.report.error(&written.span, format!("`{}` is not allowed for `{key}`", written.text), remedy);
        }
        number
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let node = self.node(key)?;
        let flag = node.as_flag();
        if flag.is_none() {
            self.wrong(node, key, "`true` or `false`");
        }
        flag
    }

    pub(super) fn list(&self, key: &'static str) -> Option<&'n [TemplateNode]> {
        let node = self.node(key)?;
        match &node.shape {
            Shape::List(items) => Some(items),
            _ => {
                self.wrong(node, key, "a list");
                None
            }
        }
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        let node = self.node(key)?;
        if let Some(text) = node.as_text() {
            return Some(vec![text.to_owned()]);
        }
        let items = self.list(key)?;
        let texts = items.iter().filter_map(|item| {
            if item.as_text().is_none() && !item.is_broken() {
                self.wrong(item, key, "a list of texts");
            }
            Some(item.as_text()?.to_owned())
        });
        Some(texts.collect())
    }

    /// A map of texts.
    pub(super) fn pairs(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let node = self.node(key)?;
        let Some(entries) = node.as_map() else {
            self.wrong(node, key, "a map of texts");
            return None;
        };
        let pairs = entries.iter().filter_map(|entry| {
            if entry.value.as_text().is_none() && !entry.value.is_broken() {
                self.wrong(&entry.value, &entry.key, "a text");
            }
            Some((entry.key.clone(), entry.value.as_text()?.to_owned()))
        });
        Some(pairs.collect())
    }

    /// The properties of a map within this one.
    pub(super) fn within(&self, key: &'static str) -> Option<PropertyReader<'n>> {
        let entry = self.entry(key)?;
        if entry.value.is_null() || entry.value.is_broken() {
            return None;
        }
        Some(PropertyReader::of(&format!("`{key}` of {}", self.owner), &entry.key_span, &entry.value, self.report))
    }

    fn wrong(&self, node: &TemplateNode, key: &str, expected: &str) {
        self.report.error(&node.span, format!("`{key}` of {} is {}", self.owner, node.kind()), format!("{expected} is expected"));
    }

    /// Refuses what is left, with the reason if there is one for its name.
    pub(super) fn finish(&self, refused: &[(&str, &str)]) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(entry.key.as_str())) {
            let message = format!("`{}` of {} is not supported here", entry.key, self.owner);
            let remedy = match refused.iter().find(|(name, _)| *name == entry.key) {
                Some((_, why)) => (*why).to_owned(),
                None => one_of(&entry.key, asked.iter().copied()),
            };
            self.report.error(&entry.key_span, message, remedy);
        }
    }
}
