//! Intrinsic functions: what a value of a template is, once parameters, conditions and names are known.
//!
//! What only the deployment tells (the ARN of a layer's version, the address of a URL) stays in a text as a mark: see `later`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::later;
use super::node::{Entry, Shape, TemplateNode};
use super::reference::Reference;
use super::report::{TemplateReport, one_of};
use crate::account::Account;
use crate::limits::sam::{TEXT_BYTES, TEXTS_BYTES};

const PSEUDO: [&str; 6] = ["AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::Partition", "AWS::URLSuffix", "AWS::NoValue"];
const CALLS: [&str; 8] = ["Ref", "Fn::Sub", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::If", "Fn::FindInMap"];
/// In `Conditions`.
pub(super) const CONDITIONS: [&str; 5] = ["Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Condition"];
/// The API that SAM makes of events, which is not there: the edge serves them.
pub(super) const IMPLICIT_APIS: [&str; 2] = ["ServerlessRestApi", "ServerlessHttpApi"];

/// What names mean.
pub(super) struct NameScope<'t> {
    pub(super) report: &'t TemplateReport<'t>,
    pub(super) stack: &'t str,
    pub(super) account: &'t Account,
    pub(super) parameters: BTreeMap<String, TemplateNode>,
    pub(super) mappings: Option<&'t TemplateNode>,
    pub(super) conditions: BTreeMap<String, bool>,
    /// `None` while the names of resources are made: those do not depend on each other.
    pub(super) resources: Option<BTreeMap<String, Reference>>,
    pub(super) bytes: Cell<usize>,
}

impl NameScope<'_> {
    /// The value without its functions, without what is `AWS::NoValue`. Errors are reported, and leave `Broken`.
    pub(super) fn resolve(&self, node: &TemplateNode) -> TemplateNode {
        let span = &node.span;
        match &node.shape {
            Shape::Text { text, .. } => {
                if text.contains("{{resolve:") {
                    let remedy = "read the parameter or secret in the function, or pass it with `--parameter`";
                    self.report.error(span, "dynamic references (`{{resolve:…}}`) are not resolved here", remedy);
                    return TemplateNode::broken(span.clone());
                }
                node.clone()
            }
            Shape::Nothing | Shape::Broken => node.clone(),
            Shape::List(items) => {
                let items = items.iter().map(|item| self.resolve(item)).filter(|item| item.shape != Shape::Nothing);
                TemplateNode { shape: Shape::List(items.collect()), span: span.clone() }
            }
            Shape::Map(entries) => {
                let entries = entries.iter().map(|entry| Entry { value: self.resolve(&entry.value), ..entry.clone() });
                let entries = entries.filter(|entry| entry.value.shape != Shape::Nothing);
                TemplateNode { shape: Shape::Map(entries.collect()), span: span.clone() }
            }
            Shape::Call { name, argument } => {
                let value = match name.as_str() {
                    "Ref" => self.reference(argument),
                    "Fn::Sub" => self.sub(argument),
                    "Fn::GetAtt" => self.attribute(argument),
                    "Fn::Join" => self.join(argument),
                    "Fn::Select" => self.select(argument),
                    "Fn::Split" => self.split(argument),
                    "Fn::If" => self.choice(argument),
                    "Fn::FindInMap" => self.find(argument),
                    "Fn::ImportValue" => {
                        self.report.error(
                            span,
                            "`Fn::ImportValue` is not there: stacks export nothing here",
                            "pass the value with `--parameter`",
                        );
                        None
                    }
                    name if CONDITIONS.contains(&name) => {
                        self.report.error(span, format!("`{name}` stands only in `Conditions`"), "name a condition in `Fn::If`");
                        None
                    }
                    name => {
                        self.report.error(span, format!("`{name}` is not known here"), one_of(name, CALLS));
                        None
                    }
                };
                // Its place is that of the function: only there is it written.
                value.map_or_else(|| TemplateNode::broken(span.clone()), |value| TemplateNode { span: span.clone(), ..value })
            }
        }
    }

    /// A text, or `None` and a report.
    fn text(&self, node: &TemplateNode, of: &str) -> Option<String> {
        let node = self.resolve(node);
        match &node.shape {
            Shape::Text { text, .. } => Some(text.clone()),
            Shape::Broken => None,
            _ => {
                self.report.error(&node.span, format!("{of} takes a text here, and this is {}", node.kind()), "");
                None
            }
        }
    }

    pub(super) fn made(&self, text: String, span: &Range<usize>) -> Option<TemplateNode> {
        self.bytes.set(self.bytes.get().saturating_add(text.len()));
        if text.len() > TEXT_BYTES || self.bytes.get() > TEXTS_BYTES {
            self.report.error(span, "the texts that functions make are too long", format!("at most {TEXT_BYTES} bytes each"));
            return None;
        }
        Some(TemplateNode::text(text, span.clone()))
    }

    pub(super) fn arguments<'n, const N: usize>(
        &self,
        node: &'n TemplateNode,
        name: &str,
        form: &str,
    ) -> Option<&'n [TemplateNode; N]> {
        let arguments = match &node.shape {
            Shape::List(items) => <&[TemplateNode; N]>::try_from(items.as_slice()).ok(),
            Shape::Broken => return None,
            _ => None,
        };
        if arguments.is_none() {
            self.report.error(&node.span, format!("`{name}` takes a list of {N}"), form);
        }
        arguments
    }

    fn reference(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let Some(name) = argument.as_text() else {
            self.report.error(&argument.span, "`Ref` takes a name", "such as `!Ref NAME`");
            return None;
        };
        self.named(name, &argument.span)
    }

    /// What `Ref` and `${NAME}` stand for.
    pub(super) fn named(&self, name: &str, span: &Range<usize>) -> Option<TemplateNode> {
        let text = |text: &str| Some(TemplateNode::text(text, span.clone()));
        match name {
            "AWS::Region" => return text(&self.account.region),
            "AWS::AccountId" => return text(&self.account.id),
            "AWS::StackName" => return text(self.stack),
            "AWS::Partition" => return text("aws"),
            "AWS::URLSuffix" => return text("amazonaws.com"),
            "AWS::NoValue" => return Some(TemplateNode { shape: Shape::Nothing, span: span.clone() }),
            _ => {}
        }
        if let Some(value) = self.parameters.get(name) {
            return Some(TemplateNode { span: span.clone(), ..value.clone() });
        }
        let value = self.resource(name, span)?.reference(self.account);
        if value.is_none() {
            self.report.error(span, format!("`Ref` of `{name}` means nothing here"), "use `!GetAtt`, if it has what you need");
        }
        text(&value?)
    }

    /// The resource of a name, also of one that SAM makes, such as `FunctionRole`.
    fn resource(&self, name: &str, span: &Range<usize>) -> Option<Reference> {
        let Some(resources) = &self.resources else {
            let remedy = "a parameter, a pseudo parameter or a text";
            self.report.error(span, format!("`{name}` is not known where names are made"), remedy);
            return None;
        };
        match resources.get(name).cloned().or_else(|| Reference::generated(resources, name)) {
            Some(Reference::Absent) => {
                let remedy = "choose with `Fn::If`, by the same condition";
                self.report.error(span, format!("the condition of `{name}` is false, so that it is not there"), remedy);
                None
            }
            Some(Reference::Broken) => None,
            Some(found) => Some(found),
            None if IMPLICIT_APIS.contains(&name) => {
                self.report.error(span, format!("there is no `{name}`: the edge serves the events of APIs"), "leave it out");
                None
            }
            None => {
                let known = resources.keys().chain(self.parameters.keys()).map(String::as_str).chain(PSEUDO);
                self.report.error(span, format!("`{name}` is no parameter and no resource"), one_of(name, Vec::from_iter(known)));
                None
            }
        }
    }

    fn attribute(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let form = "such as `!GetAtt NAME.Arn`";
        let (name, attribute) = match &argument.shape {
            Shape::Text { text, .. } => {
                let parts = text.split_once('.');
                if parts.is_none() {
                    self.report.error(&argument.span, "`Fn::GetAtt` takes a resource and an attribute", form);
                }
                parts.map(|(name, attribute)| (name.to_owned(), attribute.to_owned()))?
            }
            _ => {
                let [name, attribute] = self.arguments(argument, "Fn::GetAtt", form)?;
                (name.as_text()?.to_owned(), self.text(attribute, "`Fn::GetAtt`")?)
            }
        };
        self.attribute_of(&name, &attribute, &argument.span)
    }

    pub(super) fn attribute_of(&self, name: &str, attribute: &str, span: &Range<usize>) -> Option<TemplateNode> {
        let resource = self.resource(name, span)?;
        let value = resource.attribute(attribute, self.account);
        if value.is_none() {
            let known = resource.attributes();
            self.report.error(span, format!("`{name}` has no attribute `{attribute}`"), one_of(attribute, known.iter().copied()));
        }
        Some(TemplateNode::text(value?, span.clone()))
    }

    fn texts(&self, node: &TemplateNode, of: &str) -> Option<Vec<String>> {
        let list = self.resolve(node);
        match &list.shape {
            Shape::List(items) => {
                let texts: Vec<Option<String>> = items.iter().map(|item| self.text(item, of)).collect();
                texts.into_iter().collect()
            }
            Shape::Broken => None,
            _ => {
                self.report.error(&node.span, format!("{of} takes a list here, and this is {}", list.kind()), "");
                None
            }
        }
    }

    fn join(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let [by, list] = self.arguments(argument, "Fn::Join", "`[BETWEEN, [TEXT, …]]`")?;
        let (by, list) = (self.text(by, "`Fn::Join`"), self.texts(list, "`Fn::Join`"));
        let (by, list) = (by?, list?);
        let bytes = list.iter().map(String::len).sum::<usize>().saturating_add(by.len().saturating_mul(list.len()));
        if bytes > TEXT_BYTES {
            return self.made(" ".repeat(TEXT_BYTES + 1), &argument.span);
        }
        self.made(list.join(&by), &argument.span)
    }

    fn select(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let [index, list] = self.arguments(argument, "Fn::Select", "`[INDEX, LIST]`")?;
        let (index, list) = (self.text(index, "`Fn::Select`"), self.resolve(list));
        let (index, Shape::List(items)) = (index?, &list.shape) else {
            if !list.is_broken() {
                self.report.error(&list.span, format!("`Fn::Select` takes a list, and this is {}", list.kind()), "");
            }
            return None;
        };
        let item = index.parse::<usize>().ok().and_then(|index| items.get(index));
        if item.is_none() {
            let n_items = items.len();
            self.report.error(
                &argument.span,
                format!("there is no element {index}: the list has {n_items}"),
                "the first one is 0",
            );
        }
        item.cloned()
    }

    fn split(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let [by, text] = self.arguments(argument, "Fn::Split", "`[BETWEEN, TEXT]`")?;
        let (by, text) = (self.text(by, "`Fn::Split`"), self.text(text, "`Fn::Split`"));
        let (by, text) = (by?, text?);
        if by.is_empty() || later::is_in(&text) {
            let message = if by.is_empty() {
                "`Fn::Split` splits by a text"
            } else {
                "what is known only after the deployment cannot be split"
            };
            self.report.error(&argument.span, message, "");
            return None;
        }
        let items: Vec<TemplateNode> = text.split(&by).map(|part| TemplateNode::text(part, argument.span.clone())).collect();
        self.bytes.set(self.bytes.get().saturating_add(text.len()));
        Some(TemplateNode { shape: Shape::List(items), span: argument.span.clone() })
    }

    fn choice(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let [name, then, otherwise] = self.arguments(argument, "Fn::If", "`[CONDITION, THEN, ELSE]`")?;
        let holds = self.condition(name)?;
        Some(self.resolve(if holds { then } else { otherwise }))
    }

    /// Whether the condition of a name holds.
    pub(super) fn condition(&self, name: &TemplateNode) -> Option<bool> {
        let text = name.as_text().unwrap_or_default();
        let holds = self.conditions.get(text).copied();
        if holds.is_none() {
            let known = self.conditions.keys().map(String::as_str);
            self.report.error(&name.span, format!("there is no condition `{text}`"), one_of(text, known));
        }
        holds
    }

    fn find(&self, argument: &TemplateNode) -> Option<TemplateNode> {
        let [map, first, second] = self.arguments(argument, "Fn::FindInMap", "`[MAP, KEY, KEY]`")?;
        let keys = [map, first, second].map(|key| (self.text(key, "`Fn::FindInMap`"), &key.span));
        let mut at = self.mappings;
        for (key, span) in keys {
            let key = key?;
            let entries = at.and_then(TemplateNode::as_map).unwrap_or_default();
            let Some(entry) = entries.iter().find(|entry| entry.key == key) else {
                let known = Vec::from_iter(entries.iter().map(|entry| entry.key.as_str()));
                self.report.error(span, format!("there is no `{key}` in `Mappings`"), one_of(&key, known));
                return None;
            };
            at = Some(&entry.value);
        }
        at.map(|value| self.resolve(value))
    }
}
