//! I tell what is stored and what the asker now owes.
//!
//! Nothing is stored yet: every lookup is a miss, whose duty is dropped unfilled. The exchange is written
//! against this seam, so that the store changes nothing in it.

/// What identifies a stored response; made after the viewer-request hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    pub site: &'a str,
    pub path_and_query: &'a str,
}

/// What is there for a key.
#[derive(Debug)]
pub enum Lookup {
    /// Nothing: the asker fetches, and fills.
    Miss(Duty),
    /// Not to be asked, and why (`x-edge-detailed-result-type` and metrics).
    Bypass(&'static str),
}

/// The obligation to fill a key. Dropped unfilled it is void.
#[derive(Debug)]
pub struct Duty {}

/// Asks for a key.
pub fn lookup(_key: Key<'_>, method: &http::Method) -> Lookup {
    if method == http::Method::GET || method == http::Method::HEAD { Lookup::Miss(Duty {}) } else { Lookup::Bypass("method") }
}
