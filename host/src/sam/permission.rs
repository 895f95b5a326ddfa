//! `AWS::Lambda::Permission`: who else may call a function.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::PropertyReader;
use super::node::TemplateNode;
use super::plan::{Thing, ThingKey};
use super::reading::ResourceReading;

/// Optional members, as the API has them.
const TEXTS: [&str; 5] = ["SourceArn", "SourceAccount", "EventSourceToken", "FunctionUrlAuthType", "PrincipalOrgID"];

pub(super) fn read(reading: &mut ResourceReading<'_, '_>, logical: &str, properties: &TemplateNode) {
    let report = reading.scope.report;
    let fields = PropertyReader::of(&format!("permission `{logical}`"), &properties.span, properties, report);
    let action = fields.required("Action", "such as `lambda:InvokeFunction`");
    let principal = fields.required("Principal", "such as `s3.amazonaws.com`");
    let function = fields.required("FunctionName", "such as `!Ref FUNCTION`");
    let mut members: BTreeMap<&'static str, Value> = BTreeMap::new();
    for name in TEXTS {
        if let Some(text) = fields.text(name) {
            members.insert(name, text.text.into());
        }
    }
    if fields.flag("InvokedViaFunctionUrl") == Some(true) {
        members.insert("InvokedViaFunctionUrl", true.into());
    }
    fields.finish(&[]);
    let (Some(action), Some(principal), Some(function)) = (action, principal, function) else { return };
    let is_service = principal.text.ends_with(".amazonaws.com");
    // As the API tells it.
    let is_account = principal.text.len() == 12 && principal.text.bytes().all(|byte| byte.is_ascii_digit());
    let principal = if is_account { format!("arn:aws:iam::{}:root", principal.text) } else { principal.text };
    members.extend([("Action", action.text.into()), ("Principal", principal.into())]);
    // A name, or an ARN, with a qualifier or without.
    let name = function.text.strip_prefix(&reading.scope.account.function_arn("")).unwrap_or(&function.text);
    let (name, alias) = match name.split_once(':') {
        Some((name, alias)) => (name.to_owned(), Some(alias.to_owned())),
        None => (name.to_owned(), None),
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        report.error(&function.span, format!("`{}` is no function of this account", function.text), "such as `!Ref FUNCTION`");
        return;
    }
    if is_service {
        reading.asynchronous.insert(name.clone());
    }
    let sid = sid(reading.scope.stack, logical);
    reading.after.push(Thing { key: ThingKey::Permission { function: name, alias, sid }, members });
}

/// By which the stack knows its own statements: a stack's name has no `_`.
pub(super) fn sid(stack: &str, logical: &str) -> String {
    super::resources::joined(stack, "_", logical, 100)
}
