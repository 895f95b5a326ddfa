//! Verifies signatures. Each thread remembers what it has verified lately: a player that asks for a hundred pieces with the
//! same cookies is verified once.
//!
//! What is remembered is a digest of everything that decides: algorithm, key, text and signature, so that the result is the
//! same as without. Failures are not remembered: strangers must not decide what is kept.

use std::cell::RefCell;

use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::config::KeyKind;
use crate::limits::signed::VERIFIED;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    RsaSha1,
    RsaSha256,
    EcdsaSha256,
}

impl Algorithm {
    /// By the key's kind and `Hash-Algorithm`, whose default is SHA-1.
    pub(super) fn of(kind: KeyKind, hash: Option<&str>) -> Option<Algorithm> {
        match (kind, hash) {
            (KeyKind::Rsa, None | Some("SHA1")) => Some(Algorithm::RsaSha1),
            (KeyKind::Rsa, Some("SHA256")) => Some(Algorithm::RsaSha256),
            (KeyKind::EcdsaP256, Some("SHA256")) => Some(Algorithm::EcdsaSha256),
            _ => None,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            // Forging needs a second preimage, not a collision: the signer chooses what it signs.
            Algorithm::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::EcdsaSha256 => &ECDSA_P256_SHA256_ASN1,
        }
    }
}

type Digest = [u8; digest::SHA256_OUTPUT_LEN];

thread_local! {
    /// Each digest has one place, where a newer one replaces it.
    static DIGESTS: RefCell<Vec<Digest>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn is_signed(algorithm: Algorithm, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    let digest = digest(algorithm, key, text, signature);
    let place = usize::from(u16::from_be_bytes([digest[0], digest[1]])) % VERIFIED;
    if DIGESTS.with_borrow(|digests| digests.get(place) == Some(&digest)) {
        return true;
    }
    let is_signed = UnparsedPublicKey::new(algorithm.verification(), key).verify(text, signature).is_ok();
    if is_signed {
        DIGESTS.with_borrow_mut(|digests| {
            if digests.is_empty() {
                digests.resize(VERIFIED, Digest::default());
            }
            digests[place] = digest;
        });
    }
    is_signed
}

/// Each part follows its length, so that no other parts give the same bytes.
fn digest(algorithm: Algorithm, key: &[u8], text: &[u8], signature: &[u8]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[algorithm as u8]);
    for part in [key, text, signature] {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let mut bytes = Digest::default();
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
