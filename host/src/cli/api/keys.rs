//! The access key of the API: from the environment, or from the shared credentials file's default profile.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::usage::UsageError;

/// See the module.
pub(crate) struct AccessKeys {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl AccessKeys {
    pub(super) fn find() -> anyhow::Result<AccessKeys> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let (Some(access_key), Some(secret_key)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            return Ok(AccessKeys { access_key, secret_key, session_token: variable("AWS_SESSION_TOKEN") });
        }
        let file = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let file = file.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".aws/credentials")));
        let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let text = match &file {
            Some(file) if file.is_file() => {
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
            }
            _ => String::new(),
        };
        AccessKeys::of_profile(&text, &profile).ok_or_else(|| {
            let place = file.map(|file| format!(", and no profile `{profile}` in {}", file.display())).unwrap_or_default();
            let message = format!(
                "there are no keys: no AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY in the environment{place}; `eval \"$(edgeward credentials create NAME)\"` makes some"
            );
            UsageError(message).into()
        })
    }

    fn of_profile(text: &str, profile: &str) -> Option<AccessKeys> {
        let (mut is_ours, mut keys) = (false, [None, None, None]);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                is_ours = name.trim() == profile;
            } else if let Some((name, value)) = line.split_once('=').filter(|_| is_ours) {
                let index = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
                    .iter()
                    .position(|known| name.trim().eq_ignore_ascii_case(known));
                if let Some(index) = index {
                    keys[index] = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
                }
            }
        }
        let [access_key, secret_key, session_token] = keys;
        Some(AccessKeys { access_key: access_key?, secret_key: secret_key?, session_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_keys_below_its_name() {
        let text = "[other]\naws_access_key_id=A\naws_secret_access_key=B\n[ default ]\n# c\naws_access_key_id = AKID\naws_secret_access_key = s=cret\n";
        let keys = AccessKeys::of_profile(text, "default").unwrap();
        assert_eq!((keys.access_key.as_str(), keys.secret_key.as_str(), keys.session_token.as_deref()), ("AKID", "s=cret", None));
        assert!(!format!("{keys:?}").contains("cret"));
        assert!(AccessKeys::of_profile(text, "none").is_none());
        assert!(AccessKeys::of_profile("[default]\naws_access_key_id=A\n", "default").is_none());
    }
}
