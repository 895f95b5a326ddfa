//! The policies that behaviors can name: those declared in the file, and CloudFront's managed ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reader::{self, Declared, TableReader, Text};
use super::report::Report;

/// All policies of one kind.
pub(super) struct Policies<T> {
    kind: &'static str,
    policies: BTreeMap<String, Arc<T>>,
    /// Used in messages.
    known: Vec<String>,
}

impl<T> Policies<T> {
    /// `kind` is the key of the table, `managed` creates a managed policy by its name, and `declared` reads one of the file's.
    pub(super) fn read<const N: usize>(
        root: &mut TableReader<'_>,
        kind: &'static str,
        managed: ([&str; N], fn(&str) -> T),
        declared: fn(&str, &mut TableReader<'_>) -> T,
    ) -> Policies<T> {
        let (names, managed) = managed;
        let known = Declared::collect(root, kind).names().chain(names).map(str::to_owned).collect();
        let mut policies: BTreeMap<_, _> = names.into_iter().map(|name| (name.to_owned(), Arc::new(managed(name)))).collect();
        for (name, mut table) in root.named(kind) {
            let name = *name.get_ref();
            if names.contains(&name) {
                table.report.error(table.span(), format!("`{name}` is a managed policy"), "take another name");
                continue;
            }
            policies.insert(name.to_owned(), Arc::new(declared(name, &mut table)));
            table.finish();
        }
        Policies { kind, policies, known }
    }

    pub(super) fn resolve(&self, report: &Report<'_>, name: &Text<'_>) -> Option<Arc<T>> {
        if let Some(policy) = self.policies.get(*name.get_ref()) {
            return Some(policy.clone());
        }
        reader::unknown(report, self.kind, name, &self.known.iter().map(String::as_str).collect::<Vec<_>>());
        None
    }
}
