//! `Conditions`: `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not`, and conditions of conditions.

use std::collections::BTreeMap;

use super::node::{Shape, TemplateNode};
use super::report::one_of;
use super::resolve::{CONDITIONS, NameScope};
use crate::limits::sam::DEPTH;

/// Which of them hold. One with an error is `false`, and reported.
pub(super) fn evaluate(section: Option<&TemplateNode>, scope: &NameScope<'_>) -> BTreeMap<String, bool> {
    let Some(section) = section else { return BTreeMap::new() };
    let Some(entries) = section.as_map() else {
        if !section.is_broken() {
            scope.report.error(&section.span, "`Conditions` is a map", "`NAME: !Equals [A, B]`");
        }
        return BTreeMap::new();
    };
    let mut evaluation = Evaluation { section, scope, known: BTreeMap::new() };
    for entry in entries {
        evaluation.named(&entry.key, &entry.value, 0);
    }
    evaluation.known.into_iter().map(|(name, holds)| (name, holds.unwrap_or(false))).collect()
}

struct Evaluation<'e, 't> {
    section: &'e TemplateNode,
    scope: &'e NameScope<'t>,
    /// `None` while it is looked at.
    known: BTreeMap<String, Option<bool>>,
}

impl Evaluation<'_, '_> {
    fn named(&mut self, name: &str, at: &TemplateNode, depth: usize) -> Option<bool> {
        match self.known.get(name) {
            Some(Some(holds)) => return Some(*holds),
            Some(None) => {
                self.scope.report.error(&at.span, format!("the condition `{name}` depends on itself"), "");
                return None;
            }
            None => {}
        }
        let section = self.section;
        let Some(entry) = section.entry(name) else {
            let known = Vec::from_iter(section.as_map().unwrap_or_default().iter().map(|entry| entry.key.as_str()));
            self.scope.report.error(&at.span, format!("there is no condition `{name}`"), one_of(name, known));
            return None;
        };
        self.known.insert(name.to_owned(), None);
        let holds = self.holds(&entry.value, depth + 1);
        self.known.insert(name.to_owned(), Some(holds.unwrap_or(false)));
        holds
    }

    fn holds(&mut self, node: &TemplateNode, depth: usize) -> Option<bool> {
        if depth > DEPTH {
            self.scope.report.error(&node.span, format!("more than {DEPTH} conditions are within each other"), "");
            return None;
        }
        let (name, argument) = match &node.shape {
            Shape::Call { name, argument } => (name.as_str(), &**argument),
            // The long form of `!Condition`.
            Shape::Map(entries) if matches!(&entries[..], [entry] if entry.key == "Condition") => {
                ("Condition", &entries[0].value)
            }
            Shape::Broken => return None,
            _ => {
                self.scope.report.error(&node.span, format!("a condition is {}", node.kind()), one_of("", CONDITIONS));
                return None;
            }
        };
        let items = match &argument.shape {
            Shape::List(items) => items.as_slice(),
            _ => &[],
        };
        match name {
            "Condition" => match argument.as_text() {
                Some(name) => self.named(name, argument, depth),
                None => {
                    self.scope.report.error(&argument.span, "`Condition` takes a name", "");
                    None
                }
            },
            "Fn::Equals" => {
                let [left, right] = items else { return self.wrong(node, name, "`[A, B]`") };
                let (left, right) = (self.scope.resolve(left), self.scope.resolve(right));
                (!left.is_broken() && !right.is_broken()).then(|| comparable(&left) == comparable(&right))
            }
            "Fn::Not" => {
                let [one] = items else { return self.wrong(node, name, "`[CONDITION]`") };
                self.holds(one, depth + 1).map(|holds| !holds)
            }
            "Fn::And" | "Fn::Or" if (2..=10).contains(&items.len()) => {
                // All are looked at, so that all their errors are told.
                let held: Vec<Option<bool>> = items.iter().map(|item| self.holds(item, depth + 1)).collect();
                let held = held.into_iter().collect::<Option<Vec<bool>>>()?;
                Some(if name == "Fn::And" { held.iter().all(|holds| *holds) } else { held.iter().any(|holds| *holds) })
            }
            "Fn::And" | "Fn::Or" => self.wrong(node, name, "a list of 2 to 10 conditions"),
            _ => {
                self.scope.report.error(&node.span, format!("`{name}` is no condition"), one_of(name, CONDITIONS));
                None
            }
        }
    }

    fn wrong(&self, node: &TemplateNode, name: &str, form: &str) -> Option<bool> {
        self.scope.report.error(&node.span, format!("`{name}` does not take this"), form);
        None
    }
}

/// Texts as they are written, whether in quotes or not.
fn comparable(node: &TemplateNode) -> serde_json::Value {
    node.as_text().map_or_else(|| node.to_json(), Into::into)
}
