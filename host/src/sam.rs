//! I read a SAM template, and say what it asks for: a `StackPlan`, or every error of the template at once.
//!
//! I know the language of templates, and the members of functions, layers, roles and permissions as APIs have them. I know no
//! HTTP and no server: who has a plan compares it with a `FoundStack`, what is there (`changes`), and makes the difference.
//!
//!     text ──yaml──► nodes ──parameters, conditions, names──► resolved ──resources──► things ──► StackPlan
//!                                                                          StackPlan + FoundStack ──► changes
//!
//! | file | what it is |
//! |---|---|
//! | `yaml`, `node`, `report` | the text, its values and their places |
//! | `parameters`, `conditions`, `resolve`, `sub`, `later`, `globals` | what a value is |
//! | `fields`, `reference`, `resources`, `reading` | what all resources have in common |
//! | `function`, `function_settings`, `events`, `layer`, `role`, `policies`, `policy_templates`, `permission` | each of them |
//! | `archive` | code as bytes |
//! | `outputs`, `edge`, `plan`, `difference` | what is made of it |
//!
//! What a template says and this host does not know is an error with its place, never left out in silence.

mod archive;
mod conditions;
mod difference;
mod edge;
mod events;
mod fields;
mod function;
mod function_settings;
mod globals;
mod later;
mod layer;
mod node;
mod outputs;
mod parameters;
mod permission;
mod plan;
mod policies;
mod policy_templates;
mod reading;
mod reference;
mod report;
mod resolve;
mod resources;
mod role;
mod sub;
mod yaml;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::account::Account;
use crate::advice;
use fields::PropertyReader;
use node::TemplateNode;
use reading::ResourceReading;
use report::TemplateReport;
use resolve::NameScope;
use resources::ResourceKind;

pub use difference::{Difference, FoundStack, FoundThing, Owner, PlannedChange, Proposal, changes};
pub use later::{Known, told as later_told};
pub use node::told;
pub use plan::{CodeArchive, Output, StackPlan, Thing, ThingKey, ThingMembers};
pub use reading::{RESOURCE_TAG, STACK_TAG};
pub use report::{TemplateError, TemplateErrors, Warning};

/// A template, and what it is read with.
pub struct SamTemplate<'a> {
    /// For messages.
    pub file: &'a str,
    pub text: &'a str,
    /// Where its paths begin.
    pub folder: &'a Path,
    /// See `is_stack_name`.
    pub stack: &'a str,
    pub account: &'a Account,
    pub parameters: &'a BTreeMap<String, String>,
}

/// Whether a stack may be called this: what it has gets names that begin with it.
pub fn is_stack_name(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Reads a template, and the files that it names.
///
/// # Errors
/// All that is wrong with it.
pub fn read(template: &SamTemplate<'_>) -> Result<StackPlan, TemplateErrors> {
    let report = TemplateReport::new(template.file, template.text);
    let root = yaml::read(template.text, &report);
    let mut plan = StackPlan {
        stack: template.stack.to_owned(),
        things: Vec::new(),
        archives: BTreeMap::new(),
        outputs: Vec::new(),
        edge: String::new(),
        warnings: Vec::new(),
        secrets: Vec::new(),
    };
    if let Some(root) = &root {
        read_root(template, root, &report, &mut plan);
    }
    plan.warnings = report.finish()?;
    Ok(plan)
}

fn read_root(template: &SamTemplate<'_>, root: &TemplateNode, report: &TemplateReport<'_>, plan: &mut StackPlan) {
    let fields = PropertyReader::of("the template", &root.span, root, report);
    if let Some(version) = fields.text("AWSTemplateFormatVersion")
        && version.text != "2010-09-09"
    {
        report.error(&version.span, format!("there is no version `{}` of templates", version.text), "`2010-09-09`");
    }
    for transform in fields.texts("Transform").unwrap_or_default() {
        if transform != "AWS::Serverless-2016-10-31" {
            let span = fields.entry("Transform").map_or(0..1, |entry| entry.value.span.clone());
            report.error(
                &span,
                format!("the transform `{transform}` is not supported here"),
                "only `AWS::Serverless-2016-10-31` is",
            );
        }
    }
    fields.text("Description");
    fields.entry("Metadata");
    let parameters = parameters::read(fields.node("Parameters"), template.parameters, report);
    plan.secrets = parameters.secrets;
    let mut scope = NameScope {
        report,
        stack: template.stack,
        account: template.account,
        parameters: parameters.values,
        mappings: fields.node("Mappings"),
        conditions: BTreeMap::new(),
        resources: None,
        bytes: Cell::new(0),
    };
    scope.conditions = conditions::evaluate(fields.node("Conditions"), &scope);
    let globals = globals::read(fields.node("Globals"), report);
    let section = fields.node("Resources");
    if fields.entry("Resources").is_none() {
        report.error(&root.span, "the template has no `Resources`", "such as a function");
    }
    let outputs = fields.node("Outputs");
    fields.finish(&[("Rules", "rules are not evaluated here"), ("Hooks", "there are no hooks")]);
    let Some(section) = section else { return };
    let (resources, names) = resources::read(section, globals, &scope);
    scope.resources = Some(names);

    let mut reading = ResourceReading::of(&scope, template.folder);
    for resource in &resources {
        let properties = scope.resolve(&resource.properties);
        let properties = TemplateNode { span: resource.span.clone(), ..properties };
        match resource.kind {
            ResourceKind::Function => function::read(&mut reading, resource.logical, &properties, &resource.properties),
            ResourceKind::Layer => layer::read(&mut reading, resource.logical, &properties),
            ResourceKind::Role => role::read(&mut reading, resource.logical, &properties),
            ResourceKind::Permission => permission::read(&mut reading, resource.logical, &properties),
        }
    }
    warn_of_lost_events(&reading, &resources);
    plan.outputs = outputs::read(outputs, &scope);
    plan.edge = edge::tables(template.stack, &reading.routes);
    plan.things = reading.things();
    plan.archives = reading.archives;
    let mut keys: Vec<&ThingKey> = plan.things.iter().map(|thing| &thing.key).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
        report.error(
            &section.span,
            format!("two resources are the {} `{}`", pair[0].kind(), pair[0].to_string()[13..].trim()),
            "give one another name",
        );
    }
}

/// A function that is called asynchronously, and of whose failures nobody hears.
fn warn_of_lost_events(reading: &ResourceReading<'_, '_>, resources: &[resources::TemplateResource<'_>]) {
    let has_settings = |name: &str| {
        reading.after.iter().any(|thing| matches!(&thing.key, ThingKey::EventInvoke { function, .. } if function == name))
    };
    for group in &reading.functions {
        let Some(Thing { key: ThingKey::Function(name), members }) = group.first() else { continue };
        let has_dead_letters = members["DeadLetterConfig"]["TargetArn"] != "";
        // Of one that has settings it has been told.
        if !reading.asynchronous.contains(name) || has_dead_letters || has_settings(name) {
            continue;
        }
        let logical = members["Tags"][RESOURCE_TAG].as_str().unwrap_or_default();
        if let Some(resource) = resources.iter().find(|resource| resource.logical == logical) {
            reading.scope.report.warn(&resource.span, advice::lost_events(&format!("function `{logical}`")).told());
        }
    }
}

/// Whether a value still waits for the deployment.
pub fn is_open(value: &Value) -> bool {
    !later::marks(value).is_empty()
}

#[cfg(test)]
mod tests;
