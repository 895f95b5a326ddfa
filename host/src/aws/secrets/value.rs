//! A secret value, and what it is on disk: sealed, and bound to its secret, its version and its kind.

use serde::{Deserialize, Serialize};

use crate::aws::sealed::{Sealed, Vault, VaultError};

/// A secret value. It is never printed.
#[derive(PartialEq)]
pub enum SecretValue {
    String(String),
    Binary(Vec<u8>),
}

/// A secret value on disk.
#[derive(Serialize, Deserialize)]
pub enum SealedSecret {
    String(Sealed),
    Binary(Sealed),
}

impl SecretValue {
    pub fn seal(&self, vault: &Vault, name: &str, version: &str) -> Result<SealedSecret, VaultError> {
        Ok(match self {
            SecretValue::String(text) => SealedSecret::String(vault.seal(&place(name, version, "string"), text.as_bytes())?),
            SecretValue::Binary(bytes) => SealedSecret::Binary(vault.seal(&place(name, version, "binary"), bytes)?),
        })
    }
}

impl SealedSecret {
    pub fn unseal(&self, vault: &Vault, name: &str, version: &str) -> Result<SecretValue, VaultError> {
        Ok(match self {
            SealedSecret::String(sealed) => {
                let place = place(name, version, "string");
                let bytes = vault.unseal(&place, sealed)?;
                SecretValue::String(String::from_utf8(bytes).map_err(|_| VaultError::Damaged(place))?)
            }
            SealedSecret::Binary(sealed) => SecretValue::Binary(vault.unseal(&place(name, version, "binary"), sealed)?),
        })
    }
}

/// What a value is bound to.
fn place(name: &str, version: &str, kind: &str) -> String {
    format!("the {kind} of version {version} of the secret {name}")
}
