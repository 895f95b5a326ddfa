//! Encryption at rest: what a value is on disk, and the one key that seals and unseals it.
//!
//! AES-256-GCM of `ring`. The key is 32 random bytes in `vault.key` of the data folder, made at the first start, for its owner
//! only. Each value has a nonce of its own, and is bound to its place (name and version): moved to another record, it cannot be
//! unsealed. A sealed value names its key, so that another key is told from damage.
//!
//!     format (1) | fingerprint of the key (8) | nonce (12) | the value, encrypted | tag (16)
//!
//! Nonces are 96 random bits: by NIST SP 800-38D, section 8.3, one key may seal 2^32 values.
//!
//! I promise that no text of an error has a value or a key in it. I do not protect against who can read the data folder: key and
//! values are both there. I protect a copy of the records' file that comes without the key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::aws::error::ApiError;
use crate::aws::private_file;
use crate::store::StoreError;

const FILE: &str = "vault.key";
/// Of AES-256.
const KEY_BYTES: usize = 32;
/// The first byte of what is sealed.
const FORMAT: u8 = 1;
const FINGERPRINT_BYTES: usize = 8;
const HEAD_BYTES: usize = 1 + FINGERPRINT_BYTES + NONCE_LEN;

/// Why there is no vault, or a value cannot be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: the key is not there, but values that it has sealed are; put it back from a backup", .0.display())]
    Missing(PathBuf),
    #[error("{}: it is no key: a key has {KEY_BYTES} bytes", .0.display())]
    NoKey(PathBuf),
    #[error("{}: {place} was sealed with another key; put that one back from a backup", path.display())]
    AnotherKey { path: PathBuf, place: String },
    #[error("{0} is damaged: it is not as it was sealed")]
    Damaged(String),
    #[error("the system has no random numbers")]
    Random,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> ApiError {
        ApiError::internal(&error)
    }
}

/// Whether there are values that only the present key unseals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedValues {
    None,
    Some,
}

impl SealedValues {
    /// Of two services with one vault.
    pub fn or(self, other: SealedValues) -> SealedValues {
        match self {
            SealedValues::Some => SealedValues::Some,
            SealedValues::None => other,
        }
    }
}

/// A value that is sealed. In records and answers it is base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The text of an answer that shows the value without unsealing it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> String {
        sealed.to_base64()
    }
}

impl TryFrom<String> for Sealed {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Sealed, base64::DecodeError> {
        STANDARD.decode(text).map(Sealed)
    }
}

/// See the module.
pub struct Vault {
    path: PathBuf,
    key: LessSafeKey,
    fingerprint: [u8; FINGERPRINT_BYTES],
    random: SystemRandom,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens the vault of a data folder. Makes a key only where `values` says that none has sealed anything. Blocks for the
    /// disk.
    ///
    /// # Errors
    /// `Missing` without the key of values that are there; `NoKey` for a file of another size.
    pub fn open(data_dir: &Path, values: SealedValues) -> Result<Vault, VaultError> {
        let path = data_dir.join(FILE);
        let at = |error| VaultError::Io { path: path.clone(), error };
        let random = SystemRandom::new();
        let bytes = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
                file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(at)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if values == SealedValues::Some {
                    return Err(VaultError::Missing(path));
                }
                let mut bytes = vec![0; KEY_BYTES];
                random.fill(&mut bytes).map_err(|_| VaultError::Random)?;
                let made = std::fs::create_dir_all(data_dir).and_then(|()| private_file::create(&path, &bytes));
                made.map_err(at)?;
                bytes
            }
            Err(error) => return Err(at(error)),
        };
        // Refuses every other length.
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| VaultError::NoKey(path.clone()))?;
        let digest = Sha256::new().chain_update(b"edgeward vault key").chain_update(&bytes).finalize();
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        fingerprint.copy_from_slice(&digest[..FINGERPRINT_BYTES]);
        Ok(Vault { path, key: LessSafeKey::new(key), fingerprint, random })
    }

    /// Seals a value for its place: the name of its record and its version.
    ///
    /// # Errors
    /// `Random` when the system has no random numbers.
    pub fn seal(&self, place: &str, value: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + value.len() + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.fingerprint);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(place.as_bytes()), &mut sealed[HEAD_BYTES..])
            .map_err(|_| VaultError::Random)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(Sealed(sealed))
    }

    /// The value that was sealed for this place.
    ///
    /// # Errors
    /// `AnotherKey` if this vault's has not sealed it, `Damaged` if it is not what was sealed, or not for this place.
    pub fn unseal(&self, place: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        let damaged = || VaultError::Damaged(place.to_owned());
        let (head, rest) = sealed.0.split_at_checked(HEAD_BYTES).ok_or_else(damaged)?;
        if head[0] != FORMAT {
            return Err(damaged());
        }
        let (fingerprint, nonce) = head[1..].split_at(FINGERPRINT_BYTES);
        if fingerprint != self.fingerprint {
            return Err(VaultError::AnotherKey { path: self.path.clone(), place: place.to_owned() });
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut bytes = rest.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut bytes).map_err(|_| damaged())?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use proptest::prelude::*;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path(), SealedValues::None).unwrap();
        (folder, vault)
    }

    #[test]
    fn the_key_outlives_a_restart_and_only_its_owner_reads_it() {
        let (folder, vault) = vault();
        let sealed = vault.seal("a:1", b"apple").unwrap();
        let file = folder.path().join(FILE);
        let metadata = std::fs::metadata(&file).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 32));
        drop(vault);
        for values in [SealedValues::Some, SealedValues::None] {
            let again = Vault::open(folder.path(), values).unwrap();
            assert_eq!(again.unseal("a:1", &sealed).unwrap(), b"apple");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn a_missing_key_is_never_replaced_while_values_are_sealed() {
        let (folder, vault) = vault();
        let file = folder.path().join(FILE);
        std::fs::remove_file(&file).unwrap();
        let error = Vault::open(folder.path(), SealedValues::Some).unwrap_err();
        assert!(matches!(&error, VaultError::Missing(path) if *path == file), "{error}");
        assert!(error.to_string().starts_with(&format!("{}: the key is not there", file.display())));
        assert!(!file.exists());
        drop(vault);
    }

    #[test]
    fn another_key_is_told_from_damage_and_names_its_file() {
        let (folder, first) = vault();
        let sealed = first.seal("a:1", b"apple").unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, [7; 32]).unwrap();
        let other = Vault::open(folder.path(), SealedValues::Some).unwrap();
        let error = other.unseal("a:1", &sealed).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: a:1 was sealed with another key; put that one back from a backup", file.display())
        );
        for bytes in [0, 31, 33] {
            std::fs::write(&file, vec![7; bytes]).unwrap();
            let error = Vault::open(folder.path(), SealedValues::Some).unwrap_err();
            assert!(matches!(error, VaultError::NoKey(_)), "{error}");
        }
    }

    #[test]
    fn a_value_that_was_moved_to_another_place_is_refused() {
        let (_folder, vault) = vault();
        let sealed = vault.seal("a:1", b"apple").unwrap();
        let error = vault.unseal("a:2", &sealed).unwrap_err();
        assert_eq!(error.to_string(), "a:2 is damaged: it is not as it was sealed");
    }

    #[test]
    fn equal_values_are_sealed_differently_and_nothing_prints_the_key() {
        let (folder, vault) = vault();
        assert!(vault.seal("a:1", b"apple").unwrap() != vault.seal("a:1", b"apple").unwrap());
        assert_eq!(format!("{vault:?}"), format!("Vault {{ path: {:?}, .. }}", folder.path().join(FILE)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_value_survives_and_any_flipped_byte_is_refused(
            value in prop::collection::vec(any::<u8>(), 0..300), place in ".{0,20}", flip in 1..=255_u8,
        ) {
            let (_folder, vault) = vault();
            let sealed = vault.seal(&place, &value).unwrap();
            let text = serde_json::to_string(&sealed).unwrap();
            let read: Sealed = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(vault.unseal(&place, &read).unwrap(), value);
            for at in 0..sealed.0.len() {
                let mut broken = sealed.clone();
                broken.0[at] ^= flip;
                prop_assert!(vault.unseal(&place, &broken).is_err(), "byte {}", at);
                broken.0.truncate(at);
                prop_assert!(vault.unseal(&place, &broken).is_err(), "cut at {}", at);
            }
        }
    }
}
