//! Roles, users and policies: as they are kept, and parsed for who decides.
//!
//! A record is kept under `role/NAME`, `user/NAME` or `policy/NAME`. Changes are made one at a time. What is parsed is kept
//! with the number of changes that there had been before it was read, and counts only while there has been none since:
//!
//!     reader: number ──► read ──► keep with that number        change: write ──► number + 1 ──► answer
//!
//! Whoever reads while a change is written may keep what was before with the number before, and nobody will use it; a change
//! that has been answered is seen by everyone. A warm identity costs one look into memory.
//!
//! That a caller may read or change something is not decided here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::policy::{ManagedPolicy, PolicyDocument, PolicyKind};
use crate::limits::iam::{PARSED, PARSED_BYTES};
use crate::store::{Change, Collection, Store, StoreError};

/// What kinds of identities there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    Role,
    User,
}

impl IdentityKind {
    /// In ARNs and keys of records.
    pub fn folder(self) -> &'static str {
        match self {
            IdentityKind::Role => "role",
            IdentityKind::User => "user",
        }
    }
}

/// A role or a user, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdentityRecord {
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    pub id: String,
    /// Seconds since 1970.
    pub created_s: u64,
    /// Texts of policies by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies, in the order in which they were attached.
    pub attached: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// What only a role has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleRecord>,
}

/// What a role has besides.
#[derive(Clone, Serialize, Deserialize)]
pub struct RoleRecord {
    /// The text of the policy that says who may assume it.
    pub trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub max_session_s: u64,
}

/// A policy that the account has made, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct ManagedPolicyRecord {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created_s: u64,
    pub updated_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// By number; one at least.
    pub versions: BTreeMap<u32, VersionRecord>,
    /// The version that holds.
    pub default: u32,
    /// Of the next version: numbers are not given twice.
    pub next: u32,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct VersionRecord {
    pub text: String,
    pub created_s: u64,
}

/// A role or a user whose policies have been read.
pub struct ParsedIdentity {
    pub arn: String,
    pub id: String,
    pub name: String,
    pub policies: Vec<PolicyDocument>,
    /// Of a role.
    pub trust: Option<PolicyDocument>,
    /// Of a role's sessions.
    pub max_session_s: u64,
    pub tags: BTreeMap<String, String>,
    /// Bytes of the texts.
    weight: u64,
    /// Changes that there had been before it was read.
    changes: u64,
}

/// See the module.
pub struct Identities {
    store: Arc<Store>,
    account: Account,
    changing: Mutex<()>,
    changes: AtomicU64,
    parsed: Cache<String, Arc<ParsedIdentity>, ByText>,
}

#[derive(Clone)]
struct ByText;

impl Weighter<String, Arc<ParsedIdentity>> for ByText {
    fn weight(&self, key: &String, identity: &Arc<ParsedIdentity>) -> u64 {
        1 + key.len() as u64 + identity.weight
    }
}

/// The key of an identity's record.
pub fn key(kind: IdentityKind, name: &str) -> String {
    [kind.folder(), "/", name].concat()
}

impl Identities {
    pub fn new(store: Arc<Store>, account: Account) -> Identities {
        let parsed = Cache::with_weighter(PARSED, PARSED_BYTES, ByText);
        Identities { store, account, changing: Mutex::new(()), changes: AtomicU64::new(0), parsed }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The ARN of a role, user or policy (`folder`), whose path begins and ends with a slash.
    pub fn arn(&self, folder: &str, path: &str, name: &str) -> String {
        ["arn:aws:iam::", &self.account.id, ":", folder, path, name].concat()
    }

    pub fn arn_of(&self, kind: IdentityKind, record: &IdentityRecord) -> String {
        self.arn(kind.folder(), &record.path, &record.name)
    }

    /// A role or user, parsed, by the key of its record. Reads the store only if it is not known yet, or something has changed.
    ///
    /// # Errors
    /// Of the store; a policy that cannot be read any more, for what it denies must not be forgotten.
    pub fn find(&self, kind: IdentityKind, name: &str) -> Result<Option<Arc<ParsedIdentity>>, ApiError> {
        let (key, changes) = (key(kind, name), self.changes.load(Ordering::Acquire));
        if let Some(known) = self.parsed.get(&key)
            && known.changes == changes
        {
            return Ok(Some(known));
        }
        let Some(record) = self.store.record::<IdentityRecord>(Collection::Iam, &key)? else {
            self.parsed.remove(&key);
            return Ok(None);
        };
        let identity = Arc::new(self.parse(kind, &record, changes)?);
        self.parsed.insert(key, identity.clone());
        Ok(Some(identity))
    }

    /// A role by its whole ARN.
    pub fn role_of(&self, arn: &str) -> Result<Option<Arc<ParsedIdentity>>, ApiError> {
        let name = arn.rsplit_once('/').map_or("", |(_, name)| name);
        Ok(self.find(IdentityKind::Role, name)?.filter(|role| role.arn == arn))
    }

    fn parse(&self, kind: IdentityKind, record: &IdentityRecord, changes: u64) -> Result<ParsedIdentity, ApiError> {
        let mut weight = 0;
        let mut parse = |text: &str, kind| {
            weight += text.len() as u64;
            PolicyDocument::parse(text, kind).map_err(|error| ApiError::internal(&format!("{}: {error}", record.name)))
        };
        let mut policies = Vec::with_capacity(record.inline.len() + record.attached.len());
        for text in record.inline.values() {
            policies.push(parse(text, PolicyKind::Identity)?);
        }
        for arn in &record.attached {
            let Some(text) = self.policy_text(arn)? else {
                return Err(ApiError::internal(&format!("{}: the policy {arn} is not there", record.name)));
            };
            policies.push(parse(&text, PolicyKind::Identity)?);
        }
        let role = record.role.as_ref();
        Ok(ParsedIdentity {
            arn: self.arn_of(kind, record),
            id: record.id.clone(),
            name: record.name.clone(),
            trust: role.map(|role| parse(&role.trust, PolicyKind::Trust)).transpose()?,
            max_session_s: role.map_or(0, |role| role.max_session_s),
            tags: record.tags.clone(),
            policies,
            weight,
            changes,
        })
    }

    /// The text of a policy's version that holds.
    fn policy_text(&self, arn: &str) -> Result<Option<String>, ApiError> {
        if let Some(managed) = ManagedPolicy::by_arn(arn) {
            return Ok(Some(managed.document.to_owned()));
        }
        let record = self.policy(arn)?;
        Ok(record.and_then(|mut record| Some(record.versions.remove(&record.default)?.text)))
    }

    /// A policy that the account has made, by its whole ARN.
    pub fn policy(&self, arn: &str) -> Result<Option<ManagedPolicyRecord>, ApiError> {
        let name = arn.rsplit_once('/').map_or("", |(_, name)| name);
        let record = self.store.record::<ManagedPolicyRecord>(Collection::Iam, &["policy/", name].concat())?;
        Ok(record.filter(|record| self.arn("policy", &record.path, &record.name) == arn))
    }

    /// The record of a role or a user.
    pub fn record(&self, kind: IdentityKind, name: &str) -> Result<Option<IdentityRecord>, ApiError> {
        Ok(self.store.record(Collection::Iam, &key(kind, name))?)
    }

    /// All records of roles or of users, by name.
    pub fn records(&self, kind: IdentityKind) -> Result<Vec<IdentityRecord>, ApiError> {
        let records = self.store.records(Collection::Iam, &key(kind, ""))?;
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// All records of policies, by name.
    pub fn policies(&self) -> Result<Vec<ManagedPolicyRecord>, ApiError> {
        let records = self.store.records(Collection::Iam, "policy/")?;
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// The names in a folder (`role`, `user`, `policy`), without looking at what they stand for.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, ApiError> {
        let prefix = [folder, "/"].concat();
        let records = self.store.records::<IgnoredAny>(Collection::Iam, &prefix)?;
        Ok(records.into_iter().map(|(key, _)| key[prefix.len()..].to_owned()).collect())
    }

    /// Makes a change, of which there is one at a time: what `work` reads here stays so until the change is written. Blocks
    /// for the disk.
    pub fn change<T>(&self, work: impl FnOnce(&Change) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.store.change(work);
        // Also after a failure: a write that failed to report may have been made.
        self.changes.fetch_add(1, Ordering::AcqRel);
        done
    }

    /// Writes the record of a role or a user.
    pub fn put(&self, change: &Change, kind: IdentityKind, record: &IdentityRecord) -> Result<(), StoreError> {
        change.put(Collection::Iam, &key(kind, &record.name), record)
    }

    /// Writes the record of a policy.
    pub fn put_policy(&self, change: &Change, record: &ManagedPolicyRecord) -> Result<(), StoreError> {
        change.put(Collection::Iam, &["policy/", &record.name].concat(), record)
    }

    /// Removes a record from a folder.
    pub fn remove(&self, change: &Change, folder: &str, name: &str) -> Result<(), StoreError> {
        change.remove(Collection::Iam, &[folder, "/", name].concat())
    }
}
