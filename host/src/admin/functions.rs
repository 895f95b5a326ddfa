//! `GET /config/functions`: the deployed functions with their digests, times and limits, but without configured values.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use super::{Desk, JsonLine};
use crate::function::pool::Cleanliness;
use crate::function::spec::CodeId;
use crate::limits::Limit;
use crate::telemetry::Timestamp;

#[derive(Serialize)]
pub(super) struct FunctionReport {
    name: String,
    /// `sha256:` and the digest of the component's bytes, or of the source's.
    digest: String,
    /// Of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<RuntimeReport>,
    /// When this code was deployed with these settings.
    deployed: Timestamp,
    profile: &'static str,
    moments: Vec<&'static str>,
    http: bool,
    /// What happens to an instance of a viewer function between two calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Instances>,
    limits: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct RuntimeReport {
    name: &'static str,
    digest: String,
}

impl RuntimeReport {
    fn of(code: &CodeId) -> Option<RuntimeReport> {
        match code {
            CodeId::Component(_) => None,
            CodeId::Source { language, runtime, .. } => {
                Some(RuntimeReport { name: language.name(), digest: runtime.to_string() })
            }
        }
    }
}

#[derive(Serialize)]
struct Instances {
    /// `restored`, `new` or `reused`.
    between_calls: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

impl From<Cleanliness<'_>> for Instances {
    fn from(cleanliness: Cleanliness<'_>) -> Instances {
        let (between_calls, because) = match cleanliness {
            Cleanliness::Restored => ("restored", None),
            Cleanliness::New(why) => ("new", Some(why.to_owned())),
            Cleanliness::Reused => ("reused", None),
        };
        Instances { between_calls, because }
    }
}

pub(super) async fn all(State(desk): State<Arc<Desk>>) -> JsonLine<Vec<FunctionReport>> {
    let revisions = (desk.revisions)();
    let functions = revisions.iter().map(|revision| FunctionReport {
        name: revision.name().to_owned(),
        digest: revision.spec().code.to_string(),
        runtime: RuntimeReport::of(&revision.spec().code),
        deployed: Timestamp::of(revision.deployed()),
        profile: revision.profile().name(),
        moments: revision.moments().iter().map(|moment| moment.name()).collect(),
        http: revision.is_http(),
        instances: revision.cleanliness().map(Instances::from),
        limits: Limit::ALL.map(|limit| (limit.name(), revision.limits().value(limit))).into(),
    });
    JsonLine(functions.collect())
}
