//! What a component exports that the host calls: shared by what compiles, links and runs components.

use serde::{Deserialize, Serialize};

use crate::wasm::abi::Moment;

/// How a component answers HTTP requests; decided once, when it is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `wasi:http/incoming-handler@0.2`.
    P2,
    /// `wasi:http/handler@0.3`.
    P3,
    /// `edgeward:function/handler`: each request is an event of payload format 2.0.
    Event,
    /// None: `wasi:cli/run@0.2`, a program of the CGI kind.
    Cgi,
}

impl HttpVersion {
    /// How a component with these exports does. A function or a program is one only where it handles no requests as such.
    pub(super) fn of(exports: &[String]) -> Option<HttpVersion> {
        // The first that handles requests as such wins; of the others, a function.
        exports.iter().filter_map(|export| HttpVersion::named(export)).min_by_key(|version| match version {
            HttpVersion::P2 | HttpVersion::P3 => 0,
            HttpVersion::Event => 1,
            HttpVersion::Cgi => 2,
        })
    }

    /// The version that an export of this name handles. A release candidate is none: its types have changed since.
    fn named(export: &str) -> Option<HttpVersion> {
        if export == HANDLER {
            return Some(HttpVersion::Event);
        }
        let (interface, version) = export.split_once('@')?;
        let released = |minor: &str| {
            let patch = version.strip_prefix(minor);
            patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match interface {
            "wasi:http/incoming-handler" if released("0.2.") => Some(HttpVersion::P2),
            "wasi:http/handler" if released("0.3.") => Some(HttpVersion::P3),
            "wasi:cli/run" if released("0.2.") => Some(HttpVersion::Cgi),
            _ => None,
        }
    }
}

/// The interface that a function exports.
pub const HANDLER: &str = "edgeward:function/handler@0.1.0";

/// The interface that a hook of this moment exports.
pub fn interface(moment: Moment) -> String {
    format!("edgeward:edge/{}@0.1.0", moment.name())
}
