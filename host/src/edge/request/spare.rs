//! A header map that each thread keeps: those of the last request it answered itself, cleared.
//!
//! hyper keeps the map of a response for the connection's next request. So where the edge answers from its cache or from a
//! hook, the response's headers would be allocated and the request's freed, each time.

use std::cell::Cell;

use http::HeaderMap;

use crate::limits::request::SPARE_HEADERS;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// An empty map, with room if there is one to spare.
pub(crate) fn take() -> HeaderMap {
    SPARE.take().unwrap_or_default()
}

/// Keeps a map for the next response.
pub(crate) fn keep(mut headers: HeaderMap) {
    if (1..=SPARE_HEADERS).contains(&headers.capacity()) {
        headers.clear();
        SPARE.set(Some(headers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_was_kept_comes_back_empty_and_a_huge_one_is_let_go() {
        let full = |capacity| {
            let mut headers = HeaderMap::with_capacity(capacity);
            headers.insert("cookie", "a=1".parse().unwrap());
            headers
        };
        assert_eq!(take().capacity(), 0);
        keep(full(20));
        let spare = take();
        assert!(spare.is_empty() && spare.capacity() >= 20);
        assert_eq!(take().capacity(), 0, "it is given once");
        keep(full(10 * SPARE_HEADERS));
        assert_eq!(take().capacity(), 0);
        // What a request had that was sent to an origin is gone from it.
        keep(full(20));
        keep(HeaderMap::new());
        assert!(take().capacity() >= 20);
    }
}
