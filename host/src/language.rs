//! I name the languages that sources may be written in. What runs them is in `runtime`.

use std::fmt;

use crate::limits::init::CLOUDFRONT_SOURCE_BYTES;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// CloudFront's JavaScript runtime 1.0.
    CloudfrontJs1,
    /// CloudFront's JavaScript runtime 2.0.
    CloudfrontJs2,
}

impl Language {
    pub const ALL: [Language; 2] = [Language::CloudfrontJs1, Language::CloudfrontJs2];

    /// In a configuration: CloudFront's own name.
    pub fn name(self) -> &'static str {
        match self {
            Language::CloudfrontJs1 => "cloudfront-js-1.0",
            Language::CloudfrontJs2 => "cloudfront-js-2.0",
        }
    }

    pub fn named(name: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The name of its Runtime's file.
    pub fn file(self) -> &'static str {
        match self {
            Language::CloudfrontJs1 | Language::CloudfrontJs2 => "cloudfront-js.wasm",
        }
    }

    /// What the Runtime is told of it.
    pub fn dialect(self) -> &'static str {
        self.name()
    }

    pub fn source_bytes_max(self) -> u64 {
        match self {
            Language::CloudfrontJs1 | Language::CloudfrontJs2 => CLOUDFRONT_SOURCE_BYTES,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
