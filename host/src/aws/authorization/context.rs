//! What policies' conditions see of a request, beside its caller.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::aws::authorization::caller::Caller;
use crate::aws::policy::Context;
use crate::aws::request::ApiRequest;
use crate::aws::sessions::seconds;
use crate::limits::iam::USER_AGENT_CHARS;
use crate::telemetry::Timestamp;

/// What is true of a request.
#[derive(Debug, Clone)]
pub struct RequestContext<'a> {
    pub source_ip: IpAddr,
    pub user_agent: Option<&'a str>,
    pub time: SystemTime,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Further keys, such as `sts:ExternalId`, each with its one value.
    pub keys: Vec<(&'static str, String)>,
    /// Of the resource, before the request: `aws:ResourceTag/…`.
    pub resource_tags: Vec<(String, String)>,
    /// That are in the request: `aws:RequestTag/…`.
    pub request_tags: Vec<(String, String)>,
    /// Of tags that the request sets or removes: `aws:TagKeys`.
    pub tag_keys: Vec<String>,
}

impl<'a> RequestContext<'a> {
    pub fn of(request: &'a ApiRequest) -> RequestContext<'a> {
        RequestContext {
            source_ip: request.client,
            user_agent: request.header("user-agent"),
            time: request.received,
            secure: request.secure,
            keys: Vec::new(),
            resource_tags: Vec::new(),
            request_tags: Vec::new(),
            tag_keys: Vec::new(),
        }
    }

    /// Of what the host does for a function by itself.
    pub fn of_host(time: SystemTime) -> RequestContext<'static> {
        RequestContext {
            source_ip: IpAddr::from([127, 0, 0, 1]),
            user_agent: None,
            time,
            secure: false,
            keys: Vec::new(),
            resource_tags: Vec::new(),
            request_tags: Vec::new(),
            tag_keys: Vec::new(),
        }
    }

    /// The same with one more key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> RequestContext<'a> {
        self.keys.push((key, value.into()));
        self
    }

    /// All keys with their values. What follows from the caller cannot be overwritten by what a request says.
    pub(super) fn keys(&self, caller: &Caller, region: &str) -> Context {
        let mut keys = Context::of(&caller.principal);
        for (key, value) in &self.keys {
            keys.put(key, value.as_str());
        }
        for (tags, prefix) in [(&self.resource_tags, "aws:ResourceTag/"), (&self.request_tags, "aws:RequestTag/")] {
            for (key, value) in tags {
                keys.put(&[prefix, key].concat(), value.as_str());
            }
        }
        if !self.tag_keys.is_empty() {
            keys.put_all("aws:TagKeys", &self.tag_keys);
        }
        for (key, value) in caller.identity().into_iter().flat_map(|identity| &identity.tags) {
            keys.put(&["aws:PrincipalTag/", key].concat(), value.as_str());
        }
        keys.put("aws:userid", caller.user_id.as_str());
        keys.put("aws:SourceIp", self.source_ip.to_canonical().to_string());
        keys.put("aws:CurrentTime", Timestamp::of(self.time).as_str());
        keys.put("aws:EpochTime", seconds(self.time).to_string());
        keys.put("aws:SecureTransport", if self.secure { "true" } else { "false" });
        keys.put("aws:RequestedRegion", region);
        if let Some(agent) = self.user_agent {
            keys.put("aws:UserAgent", agent.chars().take(USER_AGENT_CHARS).collect::<String>());
        }
        if let Some(issued_s) = caller.issued_s {
            let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(issued_s);
            keys.put("aws:TokenIssueTime", Timestamp::of(issued).as_str());
            keys.put("aws:MultiFactorAuthPresent", "false");
        }
        keys
    }
}
