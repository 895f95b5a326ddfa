//! All secrets: their records in memory and on disk, their values on disk, and when the next one is to be removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::kept::{Amendment, Cabinet, now_ms};
use crate::aws::request::ApiRequest;
use crate::aws::sealed::{SealedValues, Vault, VaultError};
use crate::aws::secrets::record::SecretRecord;
use crate::aws::secrets::refusals;
use crate::aws::secrets::value::{SealedSecret, SecretValue};
use crate::limits::secrets::ID_CHARS;
use crate::store::{Collection, Store, StoreError};

/// See the module.
pub struct Secrets {
    pub(super) cabinet: Cabinet<SecretRecord>,
    vault: Arc<Vault>,
    pub(super) account: Account,
    /// When the next secret is to be removed, in milliseconds since 1970.
    expiry_ms: AtomicU64,
}

/// Whether a store has secrets, which the vault must be able to unseal. Blocks.
pub fn sealed_values(store: &Store) -> Result<SealedValues, StoreError> {
    let records = store.records::<SecretRecord>(Collection::Secrets, "record:")?;
    let any = records.iter().any(|(_, record)| !record.versions.is_empty());
    Ok(if any { SealedValues::Some } else { SealedValues::None })
}

impl Secrets {
    /// Reads what there is of each secret. Blocks.
    ///
    /// # Errors
    /// `AnotherKey` if the vault's key is not the one of these secrets.
    pub fn open(store: Arc<Store>, vault: Arc<Vault>, account: Account) -> Result<Secrets, VaultError> {
        let cabinet = Cabinet::open(store, Collection::Secrets)?;
        let secrets = Secrets { cabinet, vault, account, expiry_ms: AtomicU64::new(u64::MAX) };
        let all = secrets.cabinet.all();
        for deletion_ms in all.iter().filter_map(|record| record.deletion_ms) {
            secrets.expiry_ms.fetch_min(deletion_ms, Ordering::Relaxed);
        }
        // One is enough: all were sealed with one key. A damaged one is refused when it is read.
        let sealed = all.iter().find_map(|record| Some((record, record.versions.last()?)));
        if let Some((record, version)) = sealed
            && let Err(error @ VaultError::AnotherKey { .. }) = secrets.unsealed(&record.name, &version.id)
        {
            return Err(error);
        }
        Ok(secrets)
    }

    /// Of a secret, by name or ARN. One that is not there has six letters as well, so that the patterns of policies fit.
    pub(super) fn arn_of(&self, id: &str, now_ms: u64) -> String {
        match self.find(id, now_ms) {
            Some(record) => record.arn(&self.account),
            None if id.starts_with("arn:") => id.to_owned(),
            None => format!("{}{id}-xxxxxx", self.arn_prefix()),
        }
    }

    fn arn_prefix(&self) -> String {
        format!("arn:aws:secretsmanager:{}:{}:secret:", self.account.region, self.account.id)
    }

    /// A secret by name, ARN, or ARN without its six letters.
    fn find(&self, id: &str, now_ms: u64) -> Option<Arc<SecretRecord>> {
        let found = match id.strip_prefix(&self.arn_prefix()) {
            None => self.cabinet.find(id),
            Some(rest) => {
                let whole = rest
                    .rsplit_once('-')
                    .and_then(|(name, suffix)| self.cabinet.find(name).filter(|record| record.suffix == suffix));
                whole.or_else(|| self.cabinet.find(rest))
            }
        };
        found.filter(|record| record.deletion_ms.is_none_or(|deletion_ms| now_ms < deletion_ms))
    }

    /// The secret of a request's `SecretId`.
    pub(super) fn found(&self, request: &ApiRequest, id: Option<&str>) -> Result<Arc<SecretRecord>, ApiError> {
        let mut constraints = Constraints::default();
        if let Some(id) = constraints.required("secretId", id) {
            constraints.length("secretId", id, 1..=ID_CHARS);
        }
        constraints.finish()?;
        let id = id.unwrap_or_default();
        self.find(id, now_ms(request)).ok_or_else(refusals::not_found)
    }

    /// Changes a secret that is there.
    pub(super) fn amend<A>(
        &self,
        found: &SecretRecord,
        decide: impl FnOnce(&SecretRecord) -> Result<(Amendment<SecretRecord>, A), ApiError>,
    ) -> Result<A, ApiError> {
        self.cabinet.change(&found.name, |record| {
            // Another one of the name may have come since it was found.
            decide(record.filter(|record| record.suffix == found.suffix).ok_or_else(refusals::not_found)?)
        })
    }

    /// The value of a version. `None` if it is gone.
    pub(super) fn unsealed(&self, name: &str, version: &str) -> Result<Option<SecretValue>, VaultError> {
        let Some(sealed) = self.cabinet.value::<SealedSecret>(name, version)? else { return Ok(None) };
        sealed.unseal(&self.vault, name, version).map(Some)
    }

    pub(super) fn sealed(&self, name: &str, version: &str, value: &SecretValue) -> Result<SealedSecret, VaultError> {
        value.seal(&self.vault, name, version)
    }

    /// Removes the secrets whose time has come. One that cannot be removed is hidden by `find`, and tried again.
    pub(super) fn sweep(&self, now_ms: u64) {
        if now_ms < self.expiry_ms.load(Ordering::Relaxed) {
            return;
        }
        // Whoever plans a deletion meanwhile changes the record first and lowers this time afterwards: either the record is
        // among those read below, or the lowering comes after this line.
        self.expiry_ms.store(u64::MAX, Ordering::SeqCst);
        for record in self.cabinet.all() {
            let Some(deletion_ms) = record.deletion_ms else { continue };
            let is_due = |record: &&SecretRecord| record.deletion_ms.is_some_and(|deletion_ms| deletion_ms <= now_ms);
            let removed = deletion_ms <= now_ms
                && self
                    .cabinet
                    .change(&record.name, |record| {
                        // It may have been restored since it was read.
                        let due = record.filter(is_due);
                        Ok((due.map_or(Amendment::Keep, |record| Amendment::Remove { gone: record.ids() }), ()))
                    })
                    .is_ok();
            if !removed {
                self.expire_at(deletion_ms);
            }
        }
    }

    pub(super) fn expire_at(&self, deletion_ms: u64) {
        self.expiry_ms.fetch_min(deletion_ms, Ordering::SeqCst);
    }
}
