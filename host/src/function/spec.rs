//! What a revision is made of: code, by its digest, and settings.
//!
//! Whoever publishes a function writes one: a configuration file, a command, an API. Equal specs make equal revisions,
//! so that a publisher compares them to find out what has changed. I know neither where the bytes are kept nor who
//! publishes them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use crate::language::Language;
use crate::limits::worker::CPU_WHOLE;
use crate::limits::{InstancePolicy, Limits, Profile};
use crate::network::{Attachment, Grants};
use crate::wasm::state::KeyValueStore;

/// See the module. Cheap to clone; not printed, since an environment holds secrets.
#[derive(Clone, PartialEq)]
pub struct Spec {
    /// The function's name, in logs and metrics.
    pub name: String,
    pub code: CodeId,
    /// For its profile, too.
    pub limits: Limits,
    pub policy: InstancePolicy,
    /// Instances kept clean and ready, per lane. `None`: as the pool sees fit.
    pub min_warm: Option<usize>,
    /// Environment variables. Workers only.
    pub environment: Arc<BTreeMap<String, String>>,
    /// Where the component may connect to. Workers only.
    pub grants: Grants,
    /// Where else, by the routes and rules of a VPC; a name needs no grant then. Workers only.
    pub attachment: Option<Arc<Attachment>>,
    pub key_values: Option<Arc<KeyValues>>,
    /// Thousandths of a processor, at most 1,000, that a worker gets where others want one, too.
    pub cpu_share: u32,
    /// Calls are refused for a time where the function keeps using up its CPU limit, as CloudFront does, and Lambda does not.
    pub rests: bool,
    /// Each instance of a package runs INIT for itself; else it is run once, and all begin as it has left them.
    pub own_init: bool,
}

/// What runs, by the digests of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeId {
    Component(CodeDigest),
    /// A source, run by a Runtime: another one of either makes another function.
    Source {
        language: Language,
        runtime: CodeDigest,
        source: CodeDigest,
        /// Of all layers of a function, merged.
        layers: Option<CodeDigest>,
        /// The source's name in messages.
        file: String,
    },
}

impl CodeId {
    /// Of the component, or of the source.
    pub fn digest(&self) -> CodeDigest {
        match self {
            CodeId::Component(digest) | CodeId::Source { source: digest, .. } => *digest,
        }
    }
}

impl fmt::Display for CodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digest().fmt(f)
    }
}

/// SHA-256 of a component's bytes, or of a source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeDigest(pub [u8; 32]);

impl fmt::Display for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

/// A key-value store, as of when the function was published.
#[derive(PartialEq, Eq)]
pub struct KeyValues {
    pub name: String,
    pub values: Arc<BTreeMap<String, Vec<u8>>>,
}

impl Spec {
    /// A function with the defaults of its profile, which may do nothing outside.
    pub fn new(name: &str, code: CodeId, profile: Profile) -> Spec {
        Spec {
            name: name.to_owned(),
            code,
            limits: Limits::defaults(profile),
            policy: InstancePolicy::Fresh,
            min_warm: None,
            environment: Arc::default(),
            grants: Grants::default(),
            attachment: None,
            key_values: None,
            cpu_share: CPU_WHOLE,
            rests: true,
            own_init: false,
        }
    }

    pub fn profile(&self) -> Profile {
        self.limits.profile()
    }
}

impl KeyValueStore for KeyValues {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    fn count(&self) -> usize {
        self.values.len()
    }

    fn key_at(&self, position: usize) -> Option<&str> {
        self.values.keys().nth(position).map(String::as_str)
    }

    fn keys_after(&self, key: Option<&str>, max: usize) -> Vec<String> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.values.range::<str, _>((start, Bound::Unbounded)).take(max).map(|(key, _)| key.clone()).collect()
    }
}
