//! What a role may do: documents, AWS's managed policies, and SAM's templates of policies.

use serde_json::{Map, Value};

use super::fields::PropertyReader;
use super::later;
use super::node::{Shape, TemplateNode};
use super::policy_templates::TEMPLATES;
use super::report::{TemplateReport, one_of, quoted};
use crate::account::Account;

/// AWS's policies below `service-role/` that roles of functions have.
const SERVICE_ROLE: [&str; 7] = [
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
];

pub(super) fn service_role(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/service-role/{name}")
}

/// Documents by name, and ARNs, sorted.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Permissions {
    pub(super) documents: Map<String, Value>,
    pub(super) managed: Vec<String>,
}

impl Permissions {
    pub(super) fn attach(&mut self, arn: String) {
        if let Err(at) = self.managed.binary_search(&arn) {
            self.managed.insert(at, arn);
        }
    }

    /// `Policies` of a function, resolved: one or a list of them.
    pub(super) fn read(&mut self, node: &TemplateNode, owner: &str, report: &TemplateReport<'_>, account: &Account) {
        let items = match &node.shape {
            Shape::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for (index, item) in items.iter().enumerate() {
            match &item.shape {
                Shape::Broken => {}
                Shape::Text { text, .. } => self.attach(managed(text, item, report)),
                Shape::Map(entries) if entries.iter().any(|entry| entry.key == "Statement") => {
                    if let Some(document) = document(item, report) {
                        self.documents.insert(format!("{owner}Policy{index}"), document);
                    }
                }
                Shape::Map(entries) if entries.len() == 1 => {
                    let (name, values) = (&entries[0].key, &entries[0].value);
                    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
                        let known = Vec::from_iter(TEMPLATES.iter().map(|template| template.name));
                        report.error(
                            &entries[0].key_span,
                            format!("the policy template `{name}` is not known here"),
                            one_of(name, known),
                        );
                        continue;
                    };
                    let fields = PropertyReader::of(&format!("`{name}`"), &entries[0].key_span, values, report);
                    let values = template.parameters.iter().filter_map(|parameter| {
                        Some(((*parameter).to_owned(), fields.required(parameter, "such as `NAME: VALUE`")?.text))
                    });
                    let document = template.document(&values.collect(), account);
                    fields.finish(&[]);
                    if is_known(&document, item, report) {
                        self.documents.insert(format!("{owner}Policy{index}"), document);
                    }
                }
                _ => {
                    let remedy = "the name or ARN of a policy, a template with its values, or a document with `Statement`";
                    report.error(&item.span, format!("a policy is {}", item.kind()), remedy);
                }
            }
        }
    }

    pub(super) fn members(&self) -> [(&'static str, Value); 2] {
        [("Policies", self.documents.clone().into()), ("ManagedPolicyArns", self.managed.clone().into())]
    }
}

/// The ARN of a policy of this name.
fn managed(text: &str, node: &TemplateNode, report: &TemplateReport<'_>) -> String {
    if text.starts_with("arn:") {
        return text.to_owned();
    }
    if SERVICE_ROLE.contains(&text) {
        return service_role(text);
    }
    if TEMPLATES.iter().any(|template| template.name == text) {
        report.error(
            &node.span,
            format!("the template `{text}` has no values"),
            format!("write `{text}: {{…}}`, with `{{}}` if it needs none"),
        );
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) || text.is_empty() {
        report.error(
            &node.span,
            format!("`{text}` is no policy"),
            format!("an ARN, or a name such as {}", quoted([SERVICE_ROLE[0]])),
        );
    }
    format!("arn:aws:iam::aws:policy/{text}")
}

/// A document, as far as it can be judged here: the API reads it whole.
pub(super) fn document(node: &TemplateNode, report: &TemplateReport<'_>) -> Option<Value> {
    if node.is_broken() {
        return None;
    }
    let Some(statements) = node.entry("Statement") else {
        report.error(
            &node.span,
            "a policy document has no `Statement`",
            "`{Version: 2012-10-17, Statement: [{Effect: Allow, …}]}`",
        );
        return None;
    };
    let one = std::slice::from_ref(&statements.value);
    let statements = match &statements.value.shape {
        Shape::List(items) => items.as_slice(),
        _ => one,
    };
    for statement in statements {
        match statement.entry("Effect") {
            Some(effect) if matches!(effect.value.as_text(), Some("Allow" | "Deny")) || effect.value.is_broken() => {}
            Some(effect) => report.error(&effect.value.span, "an `Effect` is `Allow` or `Deny`", ""),
            None if statement.is_broken() => {}
            None => report.error(&statement.span, "a statement has no `Effect`", "`Allow` or `Deny`"),
        }
    }
    let mut document = node.to_json();
    if let Some(members) = document.as_object_mut() {
        // A date, in YAML, which JSON does not have.
        members.entry("Version").or_insert_with(|| "2012-10-17".into());
    }
    is_known(&document, node, report).then_some(document)
}

fn is_known(document: &Value, node: &TemplateNode, report: &TemplateReport<'_>) -> bool {
    let known = later::marks(document).is_empty();
    if !known {
        report.error(
            &node.span,
            "a policy names what is known only after the deployment",
            "roles are made before layers and URLs",
        );
    }
    known
}
