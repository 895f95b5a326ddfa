//! Temporary credentials, of which nothing is stored: an access key `ASIA…`, a secret and a token that says whose they are.
//!
//! The token is signed with a key of the data folder (`session.key`), and so is the access key, which gives the secret: who
//! has neither the key nor the token can make neither. The token can be read by who has it; it holds no secret.
//!
//!     token = Base64( HMAC(claims) ‖ claims )       secret = Base64( HMAC(access key) )
//!
//! A session ends when its time is over, and for all of them at once when `session.key` is removed and the host is started
//! again. Whether its role or user is still there is not known here: the caller asks.
//!
//! To issue or to find a session takes two or three HMACs over less than a kilobyte, and no lock.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::aws::private_file;
use crate::aws::unique_id::{self, NoRandom};
use crate::limits::iam::{SECRET_BYTES, TOKEN_BYTES, TOKEN_TAG_BYTES};

const FILE: &str = "session.key";

/// The key of all sessions.
pub struct Sessions {
    tokens: hmac::Key,
    secrets: hmac::Key,
}

/// A session, as its token says. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "k")]
    pub access_key: String,
    #[serde(rename = "o")]
    pub of: SessionOf,
    #[serde(rename = "i")]
    pub issued_s: u64,
    #[serde(rename = "e")]
    pub expires_s: u64,
    /// The text of a policy that what the role may do is cut down to.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionOf {
    #[serde(rename = "r")]
    Role {
        #[serde(rename = "a")]
        arn: String,
        /// A later role of the same name has another id.
        #[serde(rename = "d")]
        id: String,
        /// The session's name.
        #[serde(rename = "n")]
        name: String,
    },
    /// A user's, by the access key that it was asked for with.
    #[serde(rename = "u")]
    User {
        #[serde(rename = "k")]
        access_key: String,
    },
}

/// What the holder of a session gets. Secret and token are not printed.
#[derive(Clone)]
pub struct TemporaryCredential {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: String,
    /// Seconds since 1970.
    pub expires_s: u64,
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("The security token included in the request is expired")]
    Expired,
    /// Not ours, changed, or of another key.
    #[error("The security token included in the request is invalid.")]
    Invalid,
}

impl SessionError {
    /// AWS's name of the error.
    pub fn code(self) -> &'static str {
        match self {
            SessionError::Expired => "ExpiredTokenException",
            SessionError::Invalid => "UnrecognizedClientException",
        }
    }
}

/// Why a session could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error("the token would have more than {TOKEN_BYTES} bytes")]
    TooLong,
    #[error("{0}")]
    Format(#[from] serde_json::Error),
}

impl Sessions {
    /// The key of a data folder, which is made where there is none. Blocks for the disk.
    ///
    /// # Errors
    /// Those of the disk, and a file that is no key.
    pub fn open(data_dir: &Path) -> io::Result<Sessions> {
        std::fs::create_dir_all(data_dir)?;
        let path = data_dir.join(FILE);
        let mut key = [0; 32];
        match File::open(&path) {
            Ok(mut file) => {
                file.read_exact(&mut key)?;
                if file.read(&mut [0])? != 0 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no key of 32 bytes", path.display())));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                key = unique_id::random().map_err(io::Error::other)?;
                private_file::create(&path, &key)?;
            }
            Err(error) => return Err(error),
        }
        Ok(Sessions::of(&key))
    }

    fn of(key: &[u8; 32]) -> Sessions {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref());
        Sessions { tokens: derived(b"edgeward session token"), secrets: derived(b"edgeward session secret") }
    }

    /// Begins a session that holds for `duration_s` seconds.
    ///
    /// # Errors
    /// A policy that makes the token too long; no random numbers.
    pub fn issue(
        &self,
        of: SessionOf,
        duration_s: u64,
        policy: Option<String>,
        now: SystemTime,
    ) -> Result<TemporaryCredential, IssueError> {
        let (access_key, issued_s) = (unique_id::access_key("ASIA")?, seconds(now));
        let session = Session { access_key, of, issued_s, expires_s: issued_s.saturating_add(duration_s), policy };
        let claims = serde_json::to_vec(&session)?;
        let mut token = hmac::sign(&self.tokens, &claims).as_ref().to_vec();
        token.extend_from_slice(&claims);
        let session_token = STANDARD.encode(token);
        if session_token.len() > TOKEN_BYTES {
            return Err(IssueError::TooLong);
        }
        let secret_key = self.secret(&session.access_key);
        Ok(TemporaryCredential { secret_key, session_token, expires_s: session.expires_s, access_key: session.access_key })
    }

    /// The session of a token that came with an access key.
    pub fn find(&self, access_key: &str, token: &str, now: SystemTime) -> Result<Session, SessionError> {
        if token.len() > TOKEN_BYTES {
            return Err(SessionError::Invalid);
        }
        let token = STANDARD.decode(token).map_err(|_| SessionError::Invalid)?;
        let (tag, claims) = token.split_at_checked(TOKEN_TAG_BYTES).ok_or(SessionError::Invalid)?;
        hmac::verify(&self.tokens, claims, tag).map_err(|_| SessionError::Invalid)?;
        let session: Session = serde_json::from_slice(claims).map_err(|_| SessionError::Invalid)?;
        if session.access_key != access_key {
            return Err(SessionError::Invalid);
        }
        if session.expires_s <= seconds(now) {
            return Err(SessionError::Expired);
        }
        Ok(session)
    }

    /// The secret of a session's access key. It is for who has shown the token.
    pub fn secret(&self, access_key: &str) -> String {
        STANDARD_NO_PAD.encode(&hmac::sign(&self.secrets, access_key.as_bytes()).as_ref()[..SECRET_BYTES])
    }
}

impl fmt::Debug for TemporaryCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TemporaryCredential");
        shown.field("access_key", &self.access_key).field("expires_s", &self.expires_s).finish_non_exhaustive()
    }
}

/// Since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::time::Duration;

    use super::*;

    fn role() -> SessionOf {
        let arn = "arn:aws:iam::123456789012:role/r".to_owned();
        SessionOf::Role { arn, id: "AROA1".to_owned(), name: "s".to_owned() }
    }

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    #[test]
    fn a_session_is_found_until_its_end_and_by_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(folder.path()).unwrap();
        let made = sessions.issue(role(), 900, Some("{}".to_owned()), at(1_000)).unwrap();
        assert_eq!((made.access_key.len(), &made.access_key[..4], made.secret_key.len()), (20, "ASIA", 40));
        for now in [1_000, 1_899] {
            let found = sessions.find(&made.access_key, &made.session_token, at(now)).unwrap();
            assert_eq!((found.of, found.policy.as_deref(), found.expires_s), (role(), Some("{}"), 1_900));
            assert_eq!(sessions.secret(&made.access_key), made.secret_key);
        }
        assert_eq!(sessions.find(&made.access_key, &made.session_token, at(1_900)), Err(SessionError::Expired));
        let other = sessions.issue(role(), 900, None, at(1_000)).unwrap();
        assert_ne!(other.secret_key, made.secret_key);
        for (key, token) in [
            (&other.access_key, made.session_token.clone()),
            (&made.access_key, String::new()),
            (&made.access_key, "AAAA".to_owned()),
            (&made.access_key, "not base64!".to_owned()),
            (&made.access_key, "A".repeat(TOKEN_BYTES + 4)),
        ] {
            assert_eq!(sessions.find(key, &token, at(1_000)), Err(SessionError::Invalid));
        }
        assert!(!format!("{made:?}").contains(&made.secret_key) && !format!("{made:?}").contains(&made.session_token));
    }

    #[test]
    fn no_byte_of_a_token_may_be_changed() {
        let sessions = Sessions::of(&[7; 32]);
        let made = sessions.issue(role(), 900, None, at(1_000)).unwrap();
        let token = STANDARD.decode(&made.session_token).unwrap();
        for place in 0..token.len() {
            let mut forged = token.clone();
            forged[place] ^= 1;
            let forged = STANDARD.encode(forged);
            assert_eq!(sessions.find(&made.access_key, &forged, at(1_000)), Err(SessionError::Invalid), "byte {place}");
        }
    }

    #[test]
    fn sessions_outlive_a_restart_and_not_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let made = Sessions::open(folder.path()).unwrap().issue(role(), 900, None, at(1_000)).unwrap();
        assert_eq!(std::fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        let again = Sessions::open(folder.path()).unwrap();
        assert!(again.find(&made.access_key, &made.session_token, at(1_000)).is_ok());
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        let other = Sessions::open(folder.path()).unwrap();
        assert_eq!(other.find(&made.access_key, &made.session_token, at(1_000)), Err(SessionError::Invalid));
        for junk in [&[1; 31][..], &[1; 33]] {
            std::fs::write(folder.path().join(FILE), junk).unwrap();
            assert!(Sessions::open(folder.path()).is_err());
        }
    }

    #[test]
    fn a_token_has_so_many_bytes_and_no_more() {
        let sessions = Sessions::of(&[7; 32]);
        let policy = |chars: usize| Some("x".repeat(chars));
        assert!(sessions.issue(role(), 900, policy(2_048), at(0)).is_ok());
        assert!(matches!(sessions.issue(role(), 900, policy(TOKEN_BYTES), at(0)), Err(IssueError::TooLong)));
    }

    proptest::proptest! {
        #[test]
        fn no_stranger_makes_a_token(token in "[A-Za-z0-9+/=]{0,200}|\\PC{0,50}", key in "ASIA[A-Z2-7]{16}") {
            let sessions = Sessions::of(&[7; 32]);
            proptest::prop_assert_eq!(sessions.find(&key, &token, at(0)), Err(SessionError::Invalid));
        }
    }
}
