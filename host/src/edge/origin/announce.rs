//! What the edge adds to a request for an origin, as CloudFront does: the client's address, `Via`, a User-Agent.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

use crate::cache::key::parts::forwarded_for;

/// Adds what CloudFront adds to a request for an origin.
pub(crate) fn announce(headers: &mut HeaderMap, client_ip: &str, via: &HeaderValue) {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let forwarded = match headers.get(&FORWARDED_FOR) {
        None => HeaderValue::from_str(client_ip),
        Some(_) => {
            // Several lines are one list; a spoofed second line must not hide the address after it.
            let mut list = Vec::new();
            for value in headers.get_all(&FORWARDED_FOR) {
                list.extend_from_slice(value.as_bytes());
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(client_ip.as_bytes());
            HeaderValue::from_bytes(&list)
        }
    };
    if let Ok(forwarded) = forwarded {
        headers.insert(FORWARDED_FOR, forwarded);
    }
    headers.append(header::VIA, via.clone());
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("Amazon CloudFront"));
}

/// Adds the client's address to the edge's own `Forwarded` (`for=`, RFC 7239 section 5.2).
pub(crate) fn announce_for(headers: &mut HeaderMap, client_ip: &str) {
    let Some(said) = headers.get(header::FORWARDED) else { return };
    let [open, client, close] = forwarded_for(client_ip);
    let value = [open, client, close, said.as_bytes()].concat();
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
        headers.insert(header::FORWARDED, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_added_to_who_it_was_forwarded_for() {
        let via = HeaderValue::from_static("1.1 here (edgeward)");
        for (before, after) in
            [(&[][..], "9.9.9.9"), (&["1.1.1.1"], "1.1.1.1, 9.9.9.9"), (&["1.1.1.1", "x"], "1.1.1.1, x, 9.9.9.9")]
        {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            headers.insert("via", "1.0 before".parse().unwrap());
            announce(&mut headers, "9.9.9.9", &via);
            assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), [after]);
            assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.0 before", "1.1 here (edgeward)"]);
            assert_eq!(headers["user-agent"], "Amazon CloudFront");
        }
    }
}
