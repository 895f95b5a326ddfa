//! I find settings that are valid but probably not intended.
//!
//! A hint refuses nothing: `check` prints it, and a running edge logs it. I read only the configuration and the
//! clock; only `check` resolves the names of origins.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header;

use super::{Behavior, Certificate, Config, OriginKind, Site};
use crate::cache::freshness::Mode;
use crate::limits::config::CERTIFICATE_DAYS_LEFT;

const DAY_S: i64 = 86_400;

pub(super) fn of(config: &Config) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now_s = i64::try_from(now).unwrap_or(i64::MAX);
    let ends = config.server.certificates.iter().filter_map(|certificate| ending(certificate, now_s));
    let sites = config.sites.iter().flat_map(|site| {
        let logins =
            site.behaviors.iter().filter(|behavior| swallows_logins(config, behavior)).map(|behavior| swallowed(site, behavior));
        logins.chain(not_inherited(site)).collect::<Vec<_>>()
    });
    ends.chain(sites).collect()
}

pub(super) fn ending(certificate: &Certificate, now_s: i64) -> Option<String> {
    let left_s = certificate.not_after_s? - now_s;
    let chain = certificate.chain.display();
    let days = left_s.abs() / DAY_S;
    match left_s {
        ..0 => Some(format!("the certificate in {chain} expired {days} days ago, and clients refuse it: renew it")),
        _ if left_s < CERTIFICATE_DAYS_LEFT * DAY_S => {
            Some(format!("the certificate in {chain} expires in {days} days: renew it"))
        }
        _ => None,
    }
}

/// The default behavior counts unless it excludes POST; another one only if it names POST: by default POST is allowed everywhere,
/// even for images.
fn swallows_logins(config: &Config, behavior: &Behavior) -> bool {
    let Some(policy) = &behavior.cache else { return false };
    let takes_posts = match &behavior.allowed_methods {
        None => true,
        Some(methods) => methods.iter().any(|method| method == "POST") && (behavior.path == "*" || behavior.methods_are_chosen),
    };
    let forwards_cookies = policy.key.has_cookies()
        || behavior.forwarding.as_ref().is_some_and(|also| {
            also.cookies != crate::cache::key::Choice::None || also.headers.takes(|name| *name == header::COOKIE)
        });
    let has_sessions = |name: &String| {
        let origin = config.origins.get(name);
        origin.is_some_and(|origin| !matches!(origin.kind, OriginKind::Folder { .. } | OriginKind::Fixed { .. }))
    };
    let group = config.origin_groups.get(&behavior.origin);
    let origins = [Some(&behavior.origin), group.map(|group| &group.primary), group.map(|group| &group.secondary)];
    policy.mode == Mode::CloudFront && takes_posts && !forwards_cookies && origins.into_iter().flatten().any(has_sessions)
}

fn swallowed(site: &Site, behavior: &Behavior) -> String {
    format!(
        "site `{}`, behavior `{}`: POST is allowed but no cookie is forwarded, so sessions cannot work; use \
         `origin_request_policy = \"AllViewer\"` with `cache_policy = \"CachingDisabled\"`, or leave POST out of `allowed_methods`",
        site.name, behavior.path
    )
}

/// As in CloudFront, a behavior has only the hooks that it names itself.
fn not_inherited(site: &Site) -> impl Iterator<Item = String> {
    fn hooks(behavior: &Behavior) -> [(&'static str, Option<String>); 4] {
        [
            ("viewer_request", behavior.viewer_request.clone()),
            ("origin_request", behavior.origin_request.as_ref().map(ToString::to_string)),
            ("origin_response", behavior.origin_response.as_ref().map(ToString::to_string)),
            ("viewer_response", behavior.viewer_response.clone()),
        ]
    }
    // The default behavior is the last.
    let (default, others) = site.behaviors.split_last().map_or((None, &[][..]), |(last, others)| (Some(last), others));
    let pairs = default.into_iter().flat_map(move |default| others.iter().map(move |other| (default, other)));
    pairs.flat_map(|(default, other)| {
        let missing = hooks(default).into_iter().zip(hooks(other)).filter_map(|((moment, site_s), (_, own))| match own {
            None => Some((moment, site_s?)),
            Some(_) => None,
        });
        missing
            .map(|(moment, function)| {
                format!(
                    "site `{}`, behavior `{}`: `{moment}` of the site, `{function}`, does not run here, since hooks are not \
                 inherited; write `{moment} = \"{function}\"` into the behavior if it is to run",
                    site.name, other.path
                )
            })
            .collect::<Vec<_>>()
    })
}
