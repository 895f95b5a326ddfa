//! I name what is stored: a digest of everything that tells two responses apart.

use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the length-prefixed parts of the cache key: no two keys meet, nothing to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key([u8; 32]);

impl Key {
    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of one variant under this primary key (RFC 9111 4.1).
    pub fn variant(&self, names: &[HeaderName], asked: &HeaderMap) -> Key {
        let mut digest = Sha256::new();
        digest.update(self.0);
        for name in names {
            digest.update((name.as_str().len() as u64).to_be_bytes());
            digest.update(name.as_str());
            for value in asked.get_all(name) {
                digest.update((value.len() as u64).to_be_bytes());
                digest.update(value.as_bytes());
            }
            digest.update(u64::MAX.to_be_bytes());
        }
        Key(digest.finalize().into())
    }
}
