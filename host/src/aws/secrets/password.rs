//! GetRandomPassword, and the letters at the end of an ARN: characters that are all equally likely.

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target;
use crate::aws::kept::input;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::sealed::VaultError;
use crate::aws::secrets::refusals;
use crate::aws::secrets::state::Secrets;
use crate::limits::secrets::{EXCLUDED_CHARS, PASSWORD_CHARS, PASSWORD_CHARS_MAX};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PasswordInput {
    password_length: Option<i64>,
    exclude_characters: Option<String>,
    exclude_numbers: Option<bool>,
    exclude_punctuation: Option<bool>,
    exclude_uppercase: Option<bool>,
    exclude_lowercase: Option<bool>,
    include_space: Option<bool>,
    require_each_included_type: Option<bool>,
}

/// `GetRandomPassword`
pub fn answer(_: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: PasswordInput = input(request)?;
    let mut constraints = Constraints::default();
    let length = input.password_length.unwrap_or(PASSWORD_CHARS);
    constraints.range("passwordLength", length, 1..=PASSWORD_CHARS_MAX);
    let excluded = input.exclude_characters.unwrap_or_default();
    constraints.length("excludeCharacters", &excluded, 0..=EXCLUDED_CHARS);
    constraints.finish()?;
    let classes = [
        (LOWER, !input.exclude_lowercase.unwrap_or(false)),
        (UPPER, !input.exclude_uppercase.unwrap_or(false)),
        (DIGITS, !input.exclude_numbers.unwrap_or(false)),
        (PUNCTUATION, !input.exclude_punctuation.unwrap_or(false)),
        (" ", input.include_space.unwrap_or(false)),
    ];
    let classes: Vec<Vec<char>> = classes
        .into_iter()
        .filter(|(_, included)| *included)
        .map(|(class, _)| class.chars().filter(|c| !excluded.contains(*c)).collect())
        .filter(|class: &Vec<char>| !class.is_empty())
        .collect();
    let all = classes.concat();
    if all.is_empty() {
        let message = "The password has no characters left: each type is excluded.";
        return Err(refusals::invalid_parameter(message.to_owned()));
    }
    let length = usize::try_from(length).unwrap_or_default();
    let mut password = Vec::with_capacity(length);
    if input.require_each_included_type.unwrap_or(true) {
        if length < classes.len() {
            let message = "Password length is too short based on the required types.";
            return Err(refusals::invalid_parameter(message.to_owned()));
        }
        for class in &classes {
            password.push(class[below(class.len())?]);
        }
    }
    while password.len() < length {
        password.push(all[below(all.len())?]);
    }
    // The required ones came first. Fisher and Yates.
    for at in (1..password.len()).rev() {
        password.swap(at, below(at + 1)?);
    }
    json_target::answer(&json!({"RandomPassword": password.into_iter().collect::<String>()}))
}

/// Random letters, of both cases.
pub fn letters(count: usize) -> Result<String, VaultError> {
    let all: Vec<char> = LOWER.chars().chain(UPPER.chars()).collect();
    (0..count).map(|_| below(all.len()).map(|at| all[at])).collect()
}

/// A random number less than `bound`, which is 1 to 4,096. What would make some likelier is thrown away.
fn below(bound: usize) -> Result<usize, VaultError> {
    let random = SystemRandom::new();
    let range = 1_usize << 16;
    let fair = range - range % bound;
    loop {
        let mut bytes = [0; 2];
        random.fill(&mut bytes).map_err(|_| VaultError::Random)?;
        let number = usize::from(u16::from_le_bytes(bytes));
        if number < fair {
            return Ok(number % bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_below_their_bound_and_all_of_them_come() {
        let mut seen = [0; 3];
        for _ in 0..300 {
            seen[below(3).unwrap()] += 1;
        }
        assert!(seen.iter().all(|times| *times > 30), "{seen:?}");
        assert_eq!(below(1).unwrap(), 0);
        assert!(below(4_096).unwrap() < 4_096);
        let letters = letters(6).unwrap();
        assert!(letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_alphabetic()), "{letters}");
    }
}
