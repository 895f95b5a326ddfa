//! All parameters: their records in memory and on disk, their values on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::kept::{Amendment, Cabinet};
use crate::aws::parameters::name::{self, Selected};
use crate::aws::parameters::record::{ParameterKind, ParameterRecord, ParameterVersion};
use crate::aws::parameters::refusals;
use crate::aws::sealed::{Sealed, SealedValues, Vault, VaultError};
use crate::store::{Collection, Store, StoreError};

/// See the module.
pub struct ParameterStore {
    pub(super) cabinet: Cabinet<ParameterRecord>,
    vault: Arc<Vault>,
    pub(super) account: Account,
}

/// A value on disk.
#[derive(Serialize, Deserialize)]
pub enum ParameterText {
    Plain(String),
    Sealed(Sealed),
}

/// Whether a store has parameters that the vault must be able to unseal. Blocks.
pub fn sealed_values(store: &Store) -> Result<SealedValues, StoreError> {
    let records = store.records::<ParameterRecord>(Collection::Parameters, "record:")?;
    let any = records.iter().any(|(_, record)| record.sealed().is_some());
    Ok(if any { SealedValues::Some } else { SealedValues::None })
}

impl ParameterStore {
    /// Reads what there is of each parameter. Blocks.
    ///
    /// # Errors
    /// `AnotherKey` if the vault's key is not the one of these parameters.
    pub fn open(store: Arc<Store>, vault: Arc<Vault>, account: Account) -> Result<ParameterStore, VaultError> {
        let parameters = ParameterStore { cabinet: Cabinet::open(store, Collection::Parameters)?, vault, account };
        // One is enough: all were sealed with one key. A damaged one is refused when it is read.
        let sealed = parameters.cabinet.all().into_iter().find_map(|record| {
            let version = record.sealed()?.clone();
            Some((record, version))
        });
        if let Some((record, version)) = sealed
            && let Err(error @ VaultError::AnotherKey { .. }) = parameters.unsealed(&record, &version)
        {
            return Err(error);
        }
        Ok(parameters)
    }

    /// Of a parameter, by name or ARN, with a selector or without.
    pub(super) fn arn_of(&self, id: &str) -> String {
        match Selected::parse(id, &self.arn_prefix()) {
            Some(selected) => self.arn_of_name(&selected.key),
            None => id.to_owned(),
        }
    }

    pub(super) fn arn_of_name(&self, name: &str) -> String {
        format!("{}/{}", self.arn_prefix(), name.strip_prefix('/').unwrap_or(name))
    }

    pub(super) fn arn_prefix(&self) -> String {
        format!("arn:aws:ssm:{}:{}:parameter", self.account.region, self.account.id)
    }

    /// A parameter by name or ARN, and the version that was selected, or the last one.
    pub(super) fn find(&self, id: &str) -> Result<(Arc<ParameterRecord>, ParameterVersion, Option<String>), ApiError> {
        let selected = Selected::parse(id, &self.arn_prefix()).ok_or_else(|| refusals::not_found(id))?;
        let record = self.cabinet.find(&selected.key).ok_or_else(|| refusals::not_found(id))?;
        let version = match &selected.selector {
            None => record.versions.last(),
            Some(selector) => record.selected(selector),
        };
        let version = version.cloned();
        let none = || match &selected.selector {
            Some(selector) => refusals::no_version(selector, &record.name),
            None => refusals::not_found(id),
        };
        Ok((record.clone(), version.ok_or_else(none)?, selected.selector.map(|selector| format!(":{selector}"))))
    }

    /// Changes a parameter that is there, by name or ARN.
    pub(super) fn amend<A>(
        &self,
        id: &str,
        decide: impl FnOnce(&ParameterRecord) -> Result<(Amendment<ParameterRecord>, A), ApiError>,
    ) -> Result<A, ApiError> {
        let missing = || refusals::not_found(id);
        let selected = Selected::parse(id, &self.arn_prefix()).filter(|selected| selected.selector.is_none());
        let key = selected.ok_or_else(missing)?.key;
        self.cabinet.change(&key, |record| decide(record.ok_or_else(missing)?))
    }

    /// The text of a version, unsealed. `None` if it is gone.
    pub(super) fn unsealed(&self, record: &ParameterRecord, version: &ParameterVersion) -> Result<Option<String>, VaultError> {
        let number = version.number.to_string();
        match self.cabinet.value::<ParameterText>(name::key(&record.name), &number)? {
            None => Ok(None),
            Some(ParameterText::Plain(text)) => Ok(Some(text)),
            Some(ParameterText::Sealed(sealed)) => {
                let place = place(&record.name, version.number);
                let bytes = self.vault.unseal(&place, &sealed)?;
                String::from_utf8(bytes).map(Some).map_err(|_| VaultError::Damaged(place))
            }
        }
    }

    /// The text of a version as it is on disk: base64 of what is sealed. `None` if it is gone.
    pub(super) fn as_kept(&self, record: &ParameterRecord, version: &ParameterVersion) -> Result<Option<String>, VaultError> {
        let text = self.cabinet.value(name::key(&record.name), &version.number.to_string())?;
        Ok(text.map(|text| match text {
            ParameterText::Plain(text) => text,
            ParameterText::Sealed(sealed) => sealed.to_base64(),
        }))
    }

    /// A text as it is to be on disk.
    pub(super) fn kept(&self, name: &str, number: u64, kind: ParameterKind, text: String) -> Result<ParameterText, VaultError> {
        Ok(match kind {
            ParameterKind::SecureString => ParameterText::Sealed(self.vault.seal(&place(name, number), text.as_bytes())?),
            ParameterKind::String | ParameterKind::StringList => ParameterText::Plain(text),
        })
    }
}

/// What a value is bound to.
fn place(name: &str, number: u64) -> String {
    format!("version {number} of the parameter {}", name::key(name))
}
