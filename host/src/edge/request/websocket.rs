//! What makes a request a WebSocket handshake that an origin can answer (RFC 6455).

use base64::Engine as _;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The only protocol that is passed through.
pub(crate) const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");

/// The only version that exists (RFC 6455 section 4.1).
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What a handshake lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("WebSocket is asked for in another version than 13")]
    Version,
    #[error("malformed request: Sec-WebSocket-Key is not one of 16 bytes")]
    Key,
}

/// What a WebSocket server answers to this key (RFC 6455 section 4.2.2).
pub(crate) fn accept_of(key: &HeaderValue) -> HeaderValue {
    const PROTOCOL_ID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes().trim_ascii());
    context.update(PROTOCOL_ID);
    let accept = base64::engine::general_purpose::STANDARD.encode(context.finish());
    HeaderValue::from_str(&accept).unwrap_or(HeaderValue::from_static(""))
}

/// Checks what a client must send (RFC 6455 section 4.2.1). An origin that is asked without it is not to blame for its
/// answer.
pub(crate) fn check_handshake(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let one = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes().trim_ascii())
    };
    if one(header::SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        return Err(HandshakeError::Version);
    }
    let mut nonce = [0; 18];
    let key = one(header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    match base64::engine::general_purpose::STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) => Ok(()),
        _ => Err(HandshakeError::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_rfc_is_the_one_of_the_rfc() {
        let accept = accept_of(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
