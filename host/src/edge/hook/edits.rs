//! What a hook asks for besides the head of the request that it sees.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use crate::edge::origin::address::OriginAddress;

/// What the answer of a request hook asks for besides the head.
#[derive(Debug, Default)]
pub(crate) struct HookEdits {
    /// The body to send to the origin instead.
    pub(crate) body: Option<Bytes>,
    pub(crate) origin: Option<Box<OriginEdits>>,
}

/// What a hook changes about the origin, for this request.
#[derive(Debug, Default)]
pub(crate) struct OriginEdits {
    pub(crate) choice: Option<OriginChoice>,
    pub(crate) address: Option<OriginAddress>,
    pub(crate) path: Option<String>,
    pub(crate) host_header: Option<HeaderValue>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Removes the origin's own headers before `headers` are added.
    pub(crate) clear_headers: bool,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) connect_attempts: Option<NonZeroU8>,
}

/// Another origin than the behavior's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OriginChoice {
    Named(String),
    Group { primary: String, secondary: String, statuses: Vec<u16> },
}

impl OriginEdits {
    /// Whether anything of the origin changes but the choice of it.
    pub(crate) fn change_the_origin(&self) -> bool {
        self.address.is_some()
            || self.path.is_some()
            || self.host_header.is_some()
            || self.clear_headers
            || !self.headers.is_empty()
            || self.connect_timeout.is_some()
            || self.read_timeout.is_some()
            || self.connect_attempts.is_some()
    }

    /// Whether the request goes to another host than before.
    pub(crate) fn move_the_request(&self) -> bool {
        self.choice.is_some() || self.address.is_some() || self.host_header.is_some()
    }
}
