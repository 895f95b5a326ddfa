//! Ids and access keys in the form of AWS's: four letters that say what it is, and letters and digits that nobody can guess.
//!
//! Source: the IAM User Guide, "IAM identifiers", "Unique ID prefixes".

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::limits::iam::{ACCESS_KEY_LETTERS, ID_LETTERS};

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandom;

/// An access key, of 20 characters: of a user (`AKIA`) or of a session (`ASIA`).
pub fn access_key(kind: &str) -> Result<String, NoRandom> {
    Ok(spelled(kind, &random::<ACCESS_KEY_LETTERS>()?))
}

/// The id of a role (`AROA`), a user (`AIDA`) or a policy (`ANPA`), of 21 characters. It is never given twice.
pub fn id(kind: &str) -> Result<String, NoRandom> {
    Ok(spelled(kind, &random::<ID_LETTERS>()?))
}

/// The id of what has no record: always the same for the same digest.
pub fn id_of_digest(kind: &str, digest: &[u8; 32]) -> String {
    spelled(kind, &digest[..ID_LETTERS])
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

fn spelled(kind: &str, bytes: &[u8]) -> String {
    kind.chars().chain(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_awss_form() {
        let (key, id) = (access_key("AKIA").unwrap(), id("AROA").unwrap());
        assert_eq!((key.len(), &key[..4], id.len(), &id[..4]), (20, "AKIA", 21, "AROA"));
        assert!(key.bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(key, access_key("AKIA").unwrap());
        assert_eq!(id_of_digest("AIDA", &[1; 32]), format!("AIDA{}", "B".repeat(17)));
    }
}
