//! What `Ref` and `GetAtt` of a resource are.

use std::collections::BTreeMap;

use super::later;
use crate::account::Account;

/// What a name of a resource stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reference {
    Function {
        name: String,
        alias: Option<String>,
        has_url: bool,
        role: Option<Box<Reference>>,
    },
    Alias {
        function: String,
        alias: String,
    },
    Url {
        function: String,
        alias: Option<String>,
    },
    Version {
        function: String,
    },
    /// With slashes at both ends of its path.
    Role {
        name: String,
        path: String,
    },
    Layer {
        name: String,
    },
    Permission,
    /// Its condition is false.
    Absent,
    /// An error has been reported.
    Broken,
}

impl Reference {
    /// What `Ref` is.
    pub(super) fn reference(&self, account: &Account) -> Option<String> {
        match self {
            Reference::Function { name, .. } | Reference::Role { name, .. } => Some(name.clone()),
            Reference::Alias { function, alias } => Some(account.qualified_arn(function, alias)),
            Reference::Url { function, alias: Some(alias) } => Some(account.qualified_arn(function, alias)),
            Reference::Url { function, alias: None } => Some(account.function_arn(function)),
            Reference::Version { function } => Some(later::version(function)),
            Reference::Layer { name } => Some(later::layer(name)),
            Reference::Permission | Reference::Absent | Reference::Broken => None,
        }
    }

    pub(super) fn attribute(&self, attribute: &str, account: &Account) -> Option<String> {
        match (self, attribute) {
            (Reference::Function { name, .. }, "Arn") => Some(account.function_arn(name)),
            (Reference::Role { name, path }, "Arn") => Some(format!("arn:aws:iam::{}:role{path}{name}", account.id)),
            (Reference::Layer { name }, "LayerVersionArn") => Some(later::layer(name)),
            (Reference::Url { function, alias }, "FunctionUrl") => Some(later::url(function, alias.as_deref())),
            (Reference::Url { .. }, "FunctionArn") => self.reference(account),
            _ => None,
        }
    }

    pub(super) fn attributes(&self) -> &'static [&'static str] {
        match self {
            Reference::Function { .. } | Reference::Role { .. } => &["Arn"],
            Reference::Layer { .. } => &["LayerVersionArn"],
            Reference::Url { .. } => &["FunctionUrl", "FunctionArn"],
            _ => &[],
        }
    }

    /// What SAM makes of a function, under the names that it gives.
    pub(super) fn generated(resources: &BTreeMap<String, Reference>, wanted: &str) -> Option<Reference> {
        let functions = resources.iter().filter_map(|(logical, reference)| match reference {
            Reference::Function { name, alias, has_url, role } => {
                Some((wanted.strip_prefix(logical.as_str())?, name, alias, *has_url, role))
            }
            _ => None,
        });
        for (rest, name, alias, has_url, role) in functions {
            match (rest, alias) {
                ("Role", _) if role.is_some() => return role.as_deref().cloned(),
                ("Url", alias) if has_url => return Some(Reference::Url { function: name.clone(), alias: alias.clone() }),
                (".Version", Some(_)) => return Some(Reference::Version { function: name.clone() }),
                (".Alias", Some(alias)) => return Some(Reference::Alias { function: name.clone(), alias: alias.clone() }),
                (rest, Some(alias)) if rest.strip_prefix("Alias") == Some(alias) => {
                    return Some(Reference::Alias { function: name.clone(), alias: alias.clone() });
                }
                _ => {}
            }
        }
        None
    }
}
