//! A SAM template on the command line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::UsageError;
use crate::account::Account;
use crate::limits::sam::TEMPLATE_BYTES;
use crate::sam::{self, SamTemplate, StackPlan};

/// See the module.
pub(super) struct TemplateFile<'a> {
    pub(super) path: &'a Path,
    pub(super) stack: &'a str,
    pub(super) parameters: BTreeMap<String, String>,
}

impl TemplateFile<'_> {
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let shown = self.path.display();
        let metadata =
            std::fs::metadata(self.path).map_err(|error| UsageError(format!("cannot read the template {shown}: {error}")))?;
        if metadata.len() > TEMPLATE_BYTES {
            let bytes = metadata.len();
            return Err(UsageError(format!("{shown} has {bytes} bytes; a template has at most {TEMPLATE_BYTES}")).into());
        }
        let bytes = std::fs::read(self.path).with_context(|| format!("cannot read the template {shown}"))?;
        let text = String::from_utf8(bytes).map_err(|_| UsageError(format!("{shown} is not UTF-8")))?;
        Ok(text.trim_start_matches('\u{feff}').to_owned())
    }

    /// What the text asks for in this account. Its errors are printed.
    pub(super) fn read(&self, text: &str, account: &Account) -> anyhow::Result<StackPlan> {
        if !sam::is_stack_name(self.stack) {
            let message = format!(
                "`{}` cannot be the name of a stack; `--stack` is 1 to 48 letters, digits and `-`, and begins with a letter",
                self.stack
            );
            return Err(UsageError(message).into());
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let file = self.path.display().to_string();
        let template = SamTemplate { file: &file, text, folder, stack: self.stack, account, parameters: &self.parameters };
        sam::read(&template).map_err(|errors| {
            eprintln!("{errors}");
            // They have been printed.
            UsageError(String::new()).into()
        })
    }
}

/// `NAME=VALUE`.
pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("an `=` is missing between name and value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The name of the template's folder, with `-` for what a name of a stack cannot have.
pub(super) fn stack_of(template: &Path) -> String {
    let folder = template.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The output of `sam build` is within the project.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let folder = if folder.ends_with(".aws-sam/build") { folder.ancestors().nth(2).unwrap_or(&folder) } else { &folder };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
