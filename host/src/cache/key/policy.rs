//! What a behavior puts into the cache key.

use http::header::{self, HeaderName};

use super::codings::Encodings;

/// Which headers, cookies or query parameters are part of the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice<T> {
    #[default]
    None,
    Only(Vec<T>),
    Except(Vec<T>),
    All,
}

impl<T> Choice<T> {
    pub fn takes(&self, is_listed: impl Fn(&T) -> bool) -> bool {
        match self {
            Choice::None => false,
            Choice::Only(list) => list.iter().any(is_listed),
            Choice::Except(list) => !list.iter().any(is_listed),
            Choice::All => true,
        }
    }
}

/// What is part of the cache key, in addition to the site, the method and the path. Names of query parameters and cookies
/// are case-sensitive and compared unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPolicy {
    /// The viewer's Host, in addition to the site.
    pub host: bool,
    pub query: Choice<String>,
    pub headers: Choice<HeaderName>,
    pub cookies: Choice<String>,
    pub encodings: Encodings,
}

impl KeyPolicy {
    /// Whether `Authorization` is in the key.
    pub fn has_authorization(&self) -> bool {
        self.headers.takes(|name| *name == header::AUTHORIZATION)
    }

    /// Whether cookies, or some of them, are in the key.
    pub fn has_cookies(&self) -> bool {
        self.cookies != Choice::None || self.headers.takes(|name| *name == header::COOKIE)
    }
}
