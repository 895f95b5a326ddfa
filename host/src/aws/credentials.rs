//! Access keys that have no end and their secrets, in a file of the data folder that only its owner may read.
//!
//! Whoever may write the file is the account: a key made at the first start or by `edgeward credentials create` is an
//! administrator's. A key made through IAM is restricted: its user may do what the user's policies say.
//!
//! A running host reads the file again when somebody comes with a key that it does not know, so that
//! `edgeward credentials create` needs no host and no restart. Writers replace the file whole, one at a time, and begin with
//! what the one before has left: processes exclude each other by a lock, threads too.
//!
//!     create, create_restricted, … ──► lock ──► read ──► change ──► new file ──► rename ──► known here

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::aws::private_file;
use crate::aws::unique_id::{self, NoRandom};
use crate::limits::iam::{ACCESS_KEYS, CREDENTIALS, READ_AGAIN, SECRET_BYTES, USER_NAME_CHARS};

const FILE: &str = "credentials.json";
/// The name of the first identity.
pub const FIRST: &str = "default";

/// An access key and whose it is. Its secret is not printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    pub access_key: String,
    pub secret_key: String,
    /// Of the user.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Made through IAM: its user may do what the user's policies say. All others are administrators.
    #[serde(default)]
    pub restricted: bool,
    #[serde(default)]
    pub status: KeyStatus,
    /// Of the user whom a restricted key was made for: a later user of the same name has another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    #[default]
    Active,
    Inactive,
}

impl KeyStatus {
    pub fn name(self) -> &'static str {
        match self {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}; it is written by `edgeward credentials`", path.display())]
    Format { path: PathBuf, error: serde_json::Error },
    #[error("there is a user `{0}` already; take another name")]
    Taken(String),
    #[error("`{0}` is no name for a user: 1 to {USER_NAME_CHARS} letters, digits and any of +=,.@_-")]
    Name(String),
    #[error("the user `{0}` has {ACCESS_KEYS} access keys, which is as many as a user may have")]
    TooMany(String),
    #[error("there are {CREDENTIALS} access keys, which is as many as there may be")]
    Full,
    #[error("there is no such access key")]
    Unknown,
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// See the module.
pub struct Credentials {
    data_dir: PathBuf,
    known: RwLock<BTreeMap<String, Arc<Credential>>>,
    /// Held from reading the file until what it says is known, so that an older reading never replaces a newer one.
    read: Mutex<Option<Instant>>,
}

impl Credentials {
    /// Those of a data folder; without any, the first one is made, and returned. Blocks for the disk.
    pub fn open(data_dir: &Path) -> Result<(Credentials, Option<Credential>), CredentialsError> {
        let first = if data_dir.join(FILE).exists() { None } else { Some(create(data_dir, FIRST)?) };
        let credentials = Credentials { data_dir: data_dir.to_owned(), known: RwLock::default(), read: Mutex::new(None) };
        credentials.replace(read(&data_dir.join(FILE))?);
        Ok((credentials, first))
    }

    /// Whose a key is, whatever its status. One that is not known is looked for in the file. Blocks for that.
    pub fn find(&self, access_key: &str) -> Option<Arc<Credential>> {
        let known = || self.known.read().unwrap_or_else(PoisonError::into_inner).get(access_key).cloned();
        if let Some(credential) = known() {
            return Some(credential);
        }
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= READ_AGAIN) {
            *last = Some(Instant::now());
            match read(&self.data_dir.join(FILE)) {
                Ok(found) => self.replace(found),
                Err(error) => tracing::warn!("the credentials stay as they were: {error}"),
            }
        }
        known()
    }

    /// An administrator, by name, as the file has it now. Blocks for the disk.
    pub fn administrator(&self, name: &str) -> Result<Option<Credential>, CredentialsError> {
        let all = read(&self.data_dir.join(FILE))?;
        Ok(all.into_iter().find(|credential| credential.name == name && !credential.restricted))
    }

    /// The restricted keys of a user, the oldest first. Blocks for the disk.
    pub fn of_user(&self, user_id: &str) -> Result<Vec<Credential>, CredentialsError> {
        let mut all = read(&self.data_dir.join(FILE))?;
        all.retain(|credential| is_of(credential, user_id));
        Ok(all)
    }

    /// Makes a restricted key for a user. Blocks for the disk.
    ///
    /// # Errors
    /// `TooMany`, `Full`, and those of the disk.
    pub fn create_restricted(&self, name: &str, user_id: &str) -> Result<Credential, CredentialsError> {
        self.change(|all| {
            if all.iter().filter(|credential| is_of(credential, user_id)).count() >= ACCESS_KEYS {
                return Err(CredentialsError::TooMany(name.to_owned()));
            }
            let credential = Credential { restricted: true, user_id: Some(user_id.to_owned()), ..generate(name)? };
            all.push(credential.clone());
            Ok(credential)
        })
    }

    /// Turns a restricted key of a user on or off. Blocks for the disk.
    ///
    /// # Errors
    /// `Unknown`, if the user has no such key, and those of the disk.
    pub fn turn(&self, access_key: &str, user_id: &str, status: KeyStatus) -> Result<(), CredentialsError> {
        self.change(|all| {
            let found = all.iter_mut().find(|credential| credential.access_key == access_key && is_of(credential, user_id));
            found.ok_or(CredentialsError::Unknown)?.status = status;
            Ok(())
        })
    }

    /// Removes a restricted key of a user. Blocks for the disk.
    ///
    /// # Errors
    /// As `turn`.
    pub fn remove(&self, access_key: &str, user_id: &str) -> Result<(), CredentialsError> {
        self.change(|all| {
            let place = all.iter().position(|credential| credential.access_key == access_key && is_of(credential, user_id));
            all.remove(place.ok_or(CredentialsError::Unknown)?);
            Ok(())
        })
    }

    /// Changes the file, and knows at once what it says then.
    fn change<T>(&self, work: impl FnOnce(&mut Vec<Credential>) -> Result<T, CredentialsError>) -> Result<T, CredentialsError> {
        let _read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, all) = change(&self.data_dir, work)?;
        self.replace(all);
        Ok(done)
    }

    fn replace(&self, found: Vec<Credential>) {
        let known = found.into_iter().map(|credential| (credential.access_key.clone(), Arc::new(credential))).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Makes an administrator with an access key, whose secret is in nobody's hands but the caller's and the file's.
pub fn create(data_dir: &Path, name: &str) -> Result<Credential, CredentialsError> {
    let sound = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > USER_NAME_CHARS || !name.chars().all(sound) {
        return Err(CredentialsError::Name(name.to_owned()));
    }
    let work = |all: &mut Vec<Credential>| {
        if all.iter().any(|credential| credential.name == name) {
            return Err(CredentialsError::Taken(name.to_owned()));
        }
        let credential = generate(name)?;
        all.push(credential.clone());
        Ok(credential)
    };
    change(data_dir, work).map(|(credential, _)| credential)
}

/// Changes the file while nobody else does. Returns what it has then, too.
fn change<T>(
    data_dir: &Path,
    work: impl FnOnce(&mut Vec<Credential>) -> Result<T, CredentialsError>,
) -> Result<(T, Vec<Credential>), CredentialsError> {
    let path = data_dir.join(FILE);
    let at = |error| CredentialsError::Io { path: path.clone(), error };
    std::fs::create_dir_all(data_dir).map_err(at)?;
    let lock = private_file::open_lock(&data_dir.join("credentials.lock")).map_err(at)?;
    lock.lock().map_err(at)?;
    let mut all = if path.exists() { read(&path)? } else { Vec::new() };
    let before = all.len();
    let done = work(&mut all)?;
    if all.len() > before.max(CREDENTIALS) {
        return Err(CredentialsError::Full);
    }
    let text = serde_json::to_vec_pretty(&all).map_err(|error| CredentialsError::Format { path: path.clone(), error })?;
    private_file::replace(&path, &text).map_err(at)?;
    Ok((done, all))
}

fn is_of(credential: &Credential, user_id: &str) -> bool {
    credential.restricted && credential.user_id.as_deref() == Some(user_id)
}

fn read(path: &Path) -> Result<Vec<Credential>, CredentialsError> {
    let text = std::fs::read(path).map_err(|error| CredentialsError::Io { path: path.to_owned(), error })?;
    serde_json::from_slice(&text).map_err(|error| CredentialsError::Format { path: path.to_owned(), error })
}

/// In the form of AWS's: 20 and 40 characters.
fn generate(name: &str) -> Result<Credential, CredentialsError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Credential {
        access_key: unique_id::access_key("AKIA")?,
        secret_key: STANDARD_NO_PAD.encode(unique_id::random::<SECRET_BYTES>()?),
        name: name.to_owned(),
        created_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        restricted: false,
        status: KeyStatus::Active,
        user_id: None,
    })
}

#[cfg(test)]
mod tests;
