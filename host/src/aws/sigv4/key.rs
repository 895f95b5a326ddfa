//! The key that signs, and the comparison of signatures.

use ring::hmac;

use super::error::SignatureError;

/// The end of each scope.
pub(super) const TERMINATOR: &str = "aws4_request";

/// The key that signs for one day, region and service.
#[derive(Debug, Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// `date` is `YYYYMMDD`.
    pub fn derive(secret_key: &str, date: &str, region: &str, service: &str) -> SigningKey {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret_key}").as_bytes());
        let derived = [date, region, service, TERMINATOR]
            .iter()
            .fold(secret, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()));
        SigningKey(derived)
    }

    /// In hexadecimal.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        hex::encode(hmac::sign(&self.0, message))
    }

    /// In constant time. There is one spelling of a signature: 64 digits in lower case.
    pub(super) fn verify(&self, message: &[u8], signature: &str) -> Result<(), SignatureError> {
        let mut tag = [0; 32];
        if !is_lower_hex_sha256(signature) || hex::decode_to_slice(signature, &mut tag).is_err() {
            return Err(SignatureError::Mismatch);
        }
        hmac::verify(&self.0, message, &tag).map_err(|_| SignatureError::Mismatch)
    }
}

pub(super) fn is_lower_hex_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
