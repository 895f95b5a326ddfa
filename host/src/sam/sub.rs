//! `Fn::Sub`: a text with names in it.

use std::ops::Range;

use super::node::{Shape, TemplateNode};
use super::resolve::NameScope;
use crate::limits::sam::TEXT_BYTES;

impl NameScope<'_> {
    /// `TEXT`, or `[TEXT, {NAME: VALUE}]`.
    pub(super) fn sub(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let (text, names) = match &argument.shape {
            Shape::Text { .. } => (argument, None),
            _ => {
                let [text, names] = self.arguments(argument, "Fn::Sub", "`[TEXT, {NAME: VALUE}]`, or a text")?;
                if names.as_map().is_none() {
                    self.report.error(&names.span, "the names of `Fn::Sub` are a map", "`{NAME: VALUE}`");
                    return None;
                }
                (text, Some(names))
            }
        };
        let Some(template) = text.as_text() else {
            self.report.error(&text.span, format!("the text of `Fn::Sub` is {}", text.kind()), "a text, as it is written");
            return None;
        };
        let mut made = String::new();
        let (mut rest, mut sound) = (template, true);
        while let Some(at) = rest.find("${") {
            made.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                self.report.error(&text.span, "a `${` is not closed", "`${NAME}`; `${!NAME}` stands for itself");
                return None;
            };
            let name = &rest[at + 2..at + end];
            rest = &rest[at + end + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                made.extend(["${", literal, "}"]);
                continue;
            }
            match self.substituted(name.trim(), names, &text.span) {
                Some(value) if made.len() + value.len() <= TEXT_BYTES => made.push_str(&value),
                Some(value) => return self.made(made + &value, &argument.span),
                None => sound = false,
            }
        }
        made.push_str(rest);
        if sound { self.made(made, &argument.span) } else { None }
    }

    fn substituted(&self, name: &str, names: Option<&TemplateNode>, span: &Range<usize>) -> Option<String> {
        let value = match names.and_then(|names| names.entry(name)) {
            Some(entry) => self.resolve(&entry.value),
            None => match name.split_once('.') {
                Some((resource, attribute)) if !matches!(attribute, "Version" | "Alias") => {
                    self.attribute_of(resource, attribute, span)?
                }
                _ => self.named(name, span)?,
            },
        };
        match &value.shape {
            Shape::Text { text, .. } => Some(text.clone()),
            Shape::Broken => None,
            _ => {
                self.report.error(span, format!("`${{{name}}}` is {}", value.kind()), "only a text can be put into a text");
                None
            }
        }
    }
}
