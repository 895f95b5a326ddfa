//! Where a server listens, as a URL or a hook names it: host, port, and whether TLS is spoken there.

use http::header::HeaderValue;

/// A host, a port, and whether to speak TLS. Its parts always make a valid `Host` header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OriginAddress {
    host: String,
    port: u16,
    tls: bool,
    host_header: HeaderValue,
}

/// The host cannot stand in a `Host` header.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a host")]
pub(crate) struct InvalidHost(String);

impl OriginAddress {
    pub(crate) fn new(host: &str, port: u16, tls: bool) -> Result<OriginAddress, InvalidHost> {
        // The default port of the scheme is left out (RFC 9110 section 4.2.3).
        let text = match (port, tls) {
            (443, true) | (80, false) => HeaderValue::from_str(host),
            _ => HeaderValue::try_from(format!("{host}:{port}")),
        };
        let host_header = text.map_err(|_| InvalidHost(host.to_owned()))?;
        Ok(OriginAddress { host: host.to_owned(), port, tls, host_header })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The `Host` header of a request to this address.
    pub(crate) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_leaves_out_the_schemes_own_port() {
        for (port, tls, header) in
            [(80, false, "a"), (443, true, "a"), (80, true, "a:80"), (443, false, "a:443"), (1, false, "a:1")]
        {
            assert_eq!(OriginAddress::new("a", port, tls).unwrap().host_header(), header);
        }
        assert!(OriginAddress::new("a\nb", 80, false).is_err());
    }
}
