//! The fields of the access log, and which of them a line has by default.
//!
//! Names are CloudFront's where it has one ("Standard logging reference", "Real-time logs"). There is no field for
//! `Authorization`, so that it cannot be logged.

macro_rules! fields {
    ($($variant:ident $name:literal $is_default:literal,)*) => {
        /// A field of the access log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $($variant,)*
        }

        impl Field {
            /// All fields, in the order of a line.
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$variant => $name,)*
                }
            }

            fn is_default(self) -> bool {
                match self {
                    $(Field::$variant => $is_default,)*
                }
            }
        }
    };
}

fields! {
    Timestamp "timestamp" true,
    Location "x-edge-location" true,
    BytesSent "sc-bytes" true,
    BytesReceived "cs-bytes" true,
    ClientIp "c-ip" true,
    ClientPort "c-port" true,
    Method "cs-method" true,
    Path "cs-uri-stem" true,
    Query "cs-uri-query" true,
    Status "sc-status" true,
    Referer "cs(Referer)" true,
    UserAgent "cs(User-Agent)" true,
    Cookie "cs(Cookie)" false,
    Result "x-edge-result-type" true,
    ResponseResult "x-edge-response-result-type" true,
    DetailedResult "x-edge-detailed-result-type" true,
    RequestId "x-edge-request-id" true,
    Host "x-host-header" true,
    Site "site" true,
    Protocol "cs-protocol" true,
    ProtocolVersion "cs-protocol-version" true,
    Seconds "time-taken" true,
    FirstByteSeconds "time-to-first-byte" true,
    ForwardedFor "x-forwarded-for" true,
    TlsProtocol "ssl-protocol" true,
    TlsCipher "ssl-cipher" true,
    ContentType "sc-content-type" true,
    ContentLength "sc-content-len" true,
    RangeStart "sc-range-start" true,
    RangeEnd "sc-range-end" true,
    Origin "origin" true,
    OriginAddress "origin-address" true,
    OriginConnectSeconds "origin-connect" true,
    OriginFirstByteSeconds "origin-fbl" true,
    OriginTries "origin-tries" true,
    OriginFailovers "origin-failovers" true,
    FunctionCalls "function-calls" true,
    FunctionSeconds "function-time" true,
}

impl Field {
    /// The fields of a line unless the configuration chooses.
    pub fn defaults() -> Vec<Field> {
        Field::ALL.iter().copied().filter(|field| field.is_default()).collect()
    }

    pub fn named(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| field.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_fields_and_secrets_are_not_among_the_defaults() {
        for &field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(field));
        }
        assert_eq!(Field::named("cs(Authorization)"), None);
        assert!(!Field::defaults().contains(&Field::Cookie));
        assert_eq!(Field::defaults().len(), Field::ALL.len() - 1);
    }
}
