//! All origins and groups of a configuration, by name.
//!
//! Names lead to a `Backend` once, when the configuration is loaded, and again only when a hook chooses an origin by its
//! name.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
use crate::edge::hook::edits::{OriginChoice, OriginEdits};
use crate::edge::origin::address::OriginAddress;
use crate::edge::origin::backend::{Backend, FailoverGroup, Origin, OriginType};
use crate::edge::origin::endpoint::{Endpoint, Reach};
use crate::failure::Failure;
use crate::function::catalog::Aliases;
use crate::function::named::FunctionsByName;
use crate::telemetry::Telemetry;

/// See the module.
pub(crate) struct Backends {
    by_name: HashMap<String, Backend>,
    /// Servers that hooks may always send requests to.
    declared: HashMap<OriginAddress, Arc<Endpoint>>,
}

impl Backends {
    pub(crate) fn new(
        config: &Config,
        aliases: &Aliases,
        named: &Arc<FunctionsByName>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Backends> {
        let mut backends = Backends { by_name: HashMap::new(), declared: HashMap::new() };
        for (name, origin) in &config.origins {
            let origin = Origin::declared(origin, aliases, named, telemetry).with_context(|| format!("origin `{name}`"))?;
            if let OriginType::Server(server) = &origin.kind {
                backends.declared.insert(server.endpoint.address().clone(), server.endpoint.clone());
            }
            backends.by_name.insert(name.clone(), Backend::One(Arc::new(origin)));
        }
        for (name, group) in &config.origin_groups {
            let group = backends.group(&group.primary, &group.secondary, group.status.clone());
            let group = group.with_context(|| format!("origin group `{name}` refers to an origin that does not exist"))?;
            backends.by_name.insert(name.clone(), group);
        }
        Ok(backends)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Backend> {
        self.by_name.get(name)
    }

    /// Whether a hook can choose a function.
    pub(crate) fn has_function(&self) -> bool {
        self.by_name.values().any(|backend| backend.origins(None).any(Origin::is_function))
    }

    /// The backend that a hook chose, or `current`.
    pub(crate) fn choose(&self, current: &Backend, edits: &OriginEdits) -> Result<Backend, Failure> {
        let chosen = match &edits.choice {
            None => return Ok(current.clone()),
            Some(OriginChoice::Named(name)) => self.get(name).cloned(),
            Some(OriginChoice::Group { primary, secondary, statuses }) => self.group(primary, secondary, statuses.clone()),
        };
        chosen.ok_or_else(|| Failure::BadReply("the chosen origin is not declared in the configuration".to_owned()))
    }

    /// An origin with a hook's edits; the same one if there are none.
    pub(crate) fn edit(&self, origin: &Arc<Origin>, edits: &OriginEdits) -> Result<Arc<Origin>, Failure> {
        if !edits.change_the_origin() {
            return Ok(origin.clone());
        }
        let moved = edits.address.as_ref().map(|address| self.endpoint(address)).transpose()?;
        Ok(Arc::new(origin.edited(edits, moved)?))
    }

    fn one(&self, name: &str) -> Option<&Arc<Origin>> {
        match self.by_name.get(name)? {
            Backend::One(origin) => Some(origin),
            Backend::Group(_) => None,
        }
    }

    fn group(&self, primary: &str, secondary: &str, statuses: Vec<u16>) -> Option<Backend> {
        let (primary, secondary) = (self.one(primary)?.clone(), self.one(secondary)?.clone());
        Some(Backend::Group(Arc::new(FailoverGroup { primary, secondary, statuses })))
    }

    fn endpoint(&self, address: &OriginAddress) -> Result<Arc<Endpoint>, Failure> {
        if let Some(endpoint) = self.declared.get(address) {
            return Ok(endpoint.clone());
        }
        let endpoint = Endpoint::new(address.clone(), None, Reach::Public);
        endpoint.map(Arc::new).map_err(|error| Failure::BadReply(format!("{error:#}")))
    }
}
