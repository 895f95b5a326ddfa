//! What a component is used as must be what it exports.

use std::fmt;

use crate::config::{Config, OriginKind};
use crate::wasm::abi::Moment;

/// A use of a component, by the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Hook { site: String, path: String, moment: Moment },
    Origin { origin: String },
}

/// A component that cannot do what it is used for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("function `{function}` is {role}, but {}", exported(.moments, *.is_http))]
pub struct WrongRole {
    function: String,
    role: Role,
    moments: Vec<Moment>,
    is_http: bool,
}

/// `exports` gives the moments of a function, and whether it is a wasi:http handler.
pub fn wrong_roles(config: &Config, exports: impl Fn(&str) -> Option<(Vec<Moment>, bool)>) -> Vec<WrongRole> {
    let mut wrong = Vec::new();
    for (function, role) in roles(config) {
        let Some((moments, is_http)) = exports(function) else { continue };
        let fits = match &role {
            Role::Hook { moment, .. } => moments.contains(moment),
            Role::Origin { .. } => is_http,
        };
        if !fits {
            wrong.push(WrongRole { function: function.to_owned(), role, moments, is_http });
        }
    }
    wrong
}

fn roles(config: &Config) -> Vec<(&str, Role)> {
    let mut roles = Vec::new();
    for site in &config.sites {
        for behavior in &site.behaviors {
            let hooks = [
                (Moment::ViewerRequest, &behavior.viewer_request),
                (Moment::OriginRequest, &behavior.origin_request),
                (Moment::OriginResponse, &behavior.origin_response),
                (Moment::ViewerResponse, &behavior.viewer_response),
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

fn exported(moments: &[Moment], is_http: bool) -> String {
    let mut roles: Vec<_> = moments.iter().map(|moment| moment.name()).collect();
    if is_http {
        roles.push("a service");
    }
    if roles.is_empty() { "it exports nothing known".to_owned() } else { format!("it exports only {}", roles.join(", ")) }
}
