//! `AWS::Serverless::LayerVersion`.

use std::collections::BTreeMap;

use super::fields::PropertyReader;
use super::node::TemplateNode;
use super::plan::{Thing, ThingKey};
use super::reading::ResourceReading;
use super::reference::Reference;

pub(super) fn read(reading: &mut ResourceReading<'_, '_>, logical: &str, properties: &TemplateNode) {
    let report = reading.scope.report;
    let Some(Reference::Layer { name }) = reading.reference(logical) else { return };
    let fields = PropertyReader::of(&format!("layer `{logical}`"), &properties.span, properties, report);
    fields.text("LayerName");
    if fields.entry("ContentUri").is_none() {
        report.error(&fields.span, format!("layer `{logical}` has no `ContentUri`"), "a folder or a zip archive");
    }
    let sha256 = reading.package(&fields, "ContentUri");
    if let Some(policy) = fields.choice("RetentionPolicy", &["Retain", "Delete"])
        && policy == "Delete"
    {
        let span = fields.entry("RetentionPolicy").map_or(fields.span.clone(), |entry| entry.value.span.clone());
        report.error(
            &span,
            "`RetentionPolicy: Delete` is not supported here",
            "versions are kept; `aws lambda delete-layer-version` deletes one",
        );
    }
    let text = |key: &'static str| fields.text(key).map(|text| text.text).unwrap_or_default();
    let members = BTreeMap::from([
        ("CodeSha256", sha256.unwrap_or_default().into()),
        ("Description", text("Description").into()),
        ("LicenseInfo", text("LicenseInfo").into()),
        ("CompatibleRuntimes", fields.texts("CompatibleRuntimes").unwrap_or_default().into()),
        ("CompatibleArchitectures", fields.texts("CompatibleArchitectures").unwrap_or_default().into()),
    ]);
    fields.finish(&[("PublishLambdaVersion", "leave it out")]);
    reading.layers.push(Thing { key: ThingKey::Layer(name), members });
}
