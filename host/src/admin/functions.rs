//! `GET /config/functions`: what is deployed, since when, and with which limits. No value of a configuration is in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use serde::Serialize;

use super::{Desk, Line};
use crate::function::pool::Cleanliness;
use crate::limits::{Limit, Profile};

#[derive(Serialize)]
pub(super) struct Function {
    name: String,
    /// `sha256:` and the digest of the component's bytes.
    digest: String,
    /// When this code came into force with these settings; UTC, as RFC 3339 has it.
    deployed: String,
    profile: &'static str,
    moments: Vec<&'static str>,
    http: bool,
    /// Of a viewer function: what becomes of an instance between two calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Instances>,
    limits: BTreeMap<&'static str, u64>,
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

pub(super) async fn all(State(desk): State<Arc<Desk>>) -> Line<Vec<Function>> {
    let revisions = (desk.revisions)();
    let functions = revisions.iter().map(|(name, revision)| Function {
        name: name.to_owned(),
        digest: format!("sha256:{}", hex::encode(revision.digest())),
        deployed: rfc3339(revision.deployed()),
        profile: match revision.profile() {
            Profile::Viewer => "viewer",
            Profile::Worker => "worker",
        },
        moments: revision.moments().iter().map(|moment| moment.name()).collect(),
        http: revision.is_http(),
        instances: revision.cleanliness().map(Instances::from),
        limits: Limit::ALL.map(|limit| (limit.name(), revision.limits().value(limit))).into(),
    });
    Line(functions.collect())
}

/// To the second.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (mut day, of_day) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::rfc3339;

    #[test]
    fn times_are_those_of_the_calendar() {
        // As `date -u -d @SECONDS +%FT%TZ` has it.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
