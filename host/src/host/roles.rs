//! What a component is used as must be what it exports.

use std::fmt;

use crate::config::{Config, OriginHookName, OriginKind};
use crate::wasm::abi::Moment;
use crate::wasm::compile::Inspection;

/// A use of a component, by the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Hook { site: String, path: String, moment: Moment },
    Origin { origin: String },
}

/// A component that cannot do what it is used for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("function `{function}` is {role}, but {exported}")]
pub struct WrongRole {
    function: String,
    role: Role,
    exported: String,
}

/// `inspected` gives what a function is; of one that is not known, nothing is wrong.
pub fn wrong_roles<'a>(config: &Config, inspected: impl Fn(&str) -> Option<&'a Inspection>) -> Vec<WrongRole> {
    let mut wrong = Vec::new();
    for (function, role) in roles(config) {
        let Some(inspection) = inspected(function) else { continue };
        let fits = match &role {
            Role::Hook { moment, .. } => inspection.can_be_hook(*moment),
            Role::Origin { .. } => inspection.http.is_some(),
        };
        if !fits {
            wrong.push(WrongRole { function: function.to_owned(), role, exported: exported(inspection) });
        }
    }
    wrong
}

fn roles(config: &Config) -> Vec<(&str, Role)> {
    let mut roles = Vec::new();
    for site in &config.sites {
        for behavior in &site.behaviors {
            let hooks = [
                (Moment::ViewerRequest, behavior.viewer_request.as_ref()),
                (Moment::OriginRequest, behavior.origin_request.as_ref().and_then(OriginHookName::declared)),
                (Moment::OriginResponse, behavior.origin_response.as_ref().and_then(OriginHookName::declared)),
                (Moment::ViewerResponse, behavior.viewer_response.as_ref()),
            ];
            for (moment, function) in hooks {
                if let Some(function) = function {
                    let role = Role::Hook { site: site.name.clone(), path: behavior.path.clone(), moment };
                    roles.push((function.as_str(), role));
                }
            }
        }
    }
    for (name, origin) in &config.origins {
        if let OriginKind::Component { function } = &origin.kind {
            roles.push((function.as_str(), Role::Origin { origin: name.clone() }));
        }
    }
    roles
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Hook { site, path, moment } => write!(f, "the {} hook of `{path}` in site `{site}`", moment.name()),
            Role::Origin { origin } => write!(f, "the component of origin `{origin}`"),
        }
    }
}

fn exported(inspection: &Inspection) -> String {
    let mut roles: Vec<_> = inspection.moments.iter().map(|moment| moment.name()).collect();
    if inspection.http.is_some() {
        roles.push("a service");
    }
    if roles.is_empty() { "it exports nothing known".to_owned() } else { format!("it exports only {}", roles.join(", ")) }
}
