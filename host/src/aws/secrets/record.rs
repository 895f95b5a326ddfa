//! What is kept of a secret beside its values: its versions, and which stage is attached to which of them.
//!
//! A stage is attached to one version at most. `AWSCURRENT` leaves `AWSPREVIOUS` behind on the version that had it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::kept::{seconds, tag_list};
use crate::aws::secrets::refusals::{limit, marked};
use crate::limits::secrets::{STAGES, UNSTAGED_VERSIONS};

pub const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretRecord {
    pub name: String,
    /// The six letters at the end of its ARN.
    pub suffix: String,
    pub description: Option<String>,
    pub kms_key: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// In the order of their numbers.
    pub versions: Vec<SecretVersion>,
    /// Milliseconds since 1970, as all times here.
    pub created_ms: u64,
    pub changed_ms: u64,
    /// The beginning of the day.
    pub accessed_ms: Option<u64>,
    /// When it is to be removed.
    pub deletion_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretVersion {
    pub id: String,
    /// Grows from version to version of a secret.
    pub number: u64,
    pub stages: Vec<String>,
    pub created_ms: u64,
}

impl SecretRecord {
    /// Without versions.
    pub fn new(name: String, suffix: String, now_ms: u64) -> SecretRecord {
        SecretRecord {
            name,
            suffix,
            description: None,
            kms_key: None,
            tags: BTreeMap::new(),
            versions: Vec::new(),
            created_ms: now_ms,
            changed_ms: now_ms,
            accessed_ms: None,
            deletion_ms: None,
        }
    }

    pub fn arn(&self, account: &Account) -> String {
        format!("arn:aws:secretsmanager:{}:{}:secret:{}-{}", account.region, account.id, self.name, self.suffix)
    }

    /// # Errors
    /// If it is to be deleted.
    pub fn require_alive(&self) -> Result<(), ApiError> {
        if self.deletion_ms.is_some() { Err(marked()) } else { Ok(()) }
    }

    pub fn version(&self, id: &str) -> Option<&SecretVersion> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version that a stage is attached to.
    pub fn staged(&self, stage: &str) -> Option<&SecretVersion> {
        self.versions.iter().find(|version| version.stages.iter().any(|attached| attached == stage))
    }

    /// Of all versions.
    pub fn ids(&self) -> Vec<String> {
        self.versions.iter().map(|version| version.id.clone()).collect()
    }

    /// Adds a version with its stages. Returns the ids of those that are no longer kept.
    ///
    /// # Errors
    /// If that were too many stages.
    pub fn add(&mut self, id: &str, stages: &[String], now_ms: u64) -> Result<Vec<String>, ApiError> {
        let number = self.versions.last().map_or(1, |last| last.number + 1);
        self.versions.push(SecretVersion { id: id.to_owned(), number, stages: Vec::new(), created_ms: now_ms });
        stages.iter().try_for_each(|stage| self.attach(stage, id))?;
        self.changed_ms = now_ms;
        let unstaged = self.versions.iter().filter(|version| version.stages.is_empty()).count();
        let mut surplus = unstaged.saturating_sub(UNSTAGED_VERSIONS);
        let mut gone = Vec::new();
        self.versions.retain(|version| {
            let keep = surplus == 0 || !version.stages.is_empty() || version.id == id;
            if !keep {
                surplus -= 1;
                gone.push(version.id.clone());
            }
            keep
        });
        Ok(gone)
    }

    /// Attaches a stage to a version, and to no other.
    ///
    /// # Errors
    /// If that were too many stages.
    pub fn attach(&mut self, stage: &str, id: &str) -> Result<(), ApiError> {
        let before = self.staged(stage).map(|version| version.id.clone());
        if before.as_deref() == Some(id) {
            return Ok(());
        }
        self.detach(stage);
        self.push(stage, id);
        if stage == CURRENT
            && let Some(before) = before
        {
            self.detach(PREVIOUS);
            self.push(PREVIOUS, &before);
        }
        let attached: usize = self.versions.iter().map(|version| version.stages.len()).sum();
        if attached > STAGES {
            return Err(limit(format!("A secret can have at most {STAGES} staging labels attached to all its versions.")));
        }
        Ok(())
    }

    pub fn detach(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.retain(|attached| attached != stage);
        }
    }

    fn push(&mut self, stage: &str, id: &str) {
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.stages.push(stage.to_owned());
        }
    }

    /// What `DescribeSecret` and `ListSecrets` say of it. They name the stages differently.
    pub fn described(&self, account: &Account, stages: &str) -> Map<String, Value> {
        let mut members = Map::new();
        let mut tell = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(member.to_owned(), value);
            }
        };
        tell("ARN", Some(self.arn(account).into()));
        tell("Name", Some(self.name.as_str().into()));
        tell("Description", self.description.as_deref().map(Value::from));
        tell("KmsKeyId", self.kms_key.as_deref().map(Value::from));
        tell("CreatedDate", Some(seconds(self.created_ms)));
        tell("LastChangedDate", Some(seconds(self.changed_ms)));
        tell("LastAccessedDate", self.accessed_ms.map(seconds));
        tell("DeletedDate", self.deletion_ms.map(seconds));
        tell("Tags", Some(tag_list(&self.tags)));
        let staged: Map<String, Value> = self
            .versions
            .iter()
            .filter(|version| !version.stages.is_empty())
            .map(|version| (version.id.clone(), json!(version.stages)))
            .collect();
        tell(stages, Some(staged).filter(|staged| !staged.is_empty()).map(Value::Object));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> SecretRecord {
        SecretRecord::new(name.to_owned(), "abcdef".to_owned(), 0)
    }

    fn stages(record: &SecretRecord) -> Vec<(&str, Vec<&str>)> {
        record.versions.iter().map(|version| (version.id.as_str(), version.stages.iter().map(String::as_str).collect())).collect()
    }

    #[test]
    fn the_current_stage_leaves_the_previous_one_behind() {
        let mut record = record("s");
        let current = [CURRENT.to_owned()];
        record.add("1", &current, 1).unwrap();
        record.add("2", &current, 2).unwrap();
        record.add("3", &current, 3).unwrap();
        assert_eq!(stages(&record), [("1", vec![]), ("2", vec![PREVIOUS]), ("3", vec![CURRENT])]);
        record.attach(CURRENT, "2").unwrap();
        assert_eq!(stages(&record), [("1", vec![]), ("2", vec![CURRENT]), ("3", vec![PREVIOUS])]);
        record.attach("mine", "1").unwrap();
        record.attach("mine", "3").unwrap();
        assert_eq!(stages(&record), [("1", vec![]), ("2", vec![CURRENT]), ("3", vec![PREVIOUS, "mine"])]);
    }

    #[test]
    fn a_hundred_versions_without_a_stage_are_kept() {
        let mut record = record("s");
        for n in 0..UNSTAGED_VERSIONS + 2 {
            assert_eq!(record.add(&n.to_string(), &[CURRENT.to_owned()], 0).unwrap(), [""; 0]);
        }
        assert_eq!(record.versions.len(), UNSTAGED_VERSIONS + 2);
        assert_eq!(record.add("last", &[CURRENT.to_owned()], 0).unwrap(), ["0"]);
        assert_eq!(record.versions.len(), UNSTAGED_VERSIONS + 2);
        assert_eq!(record.versions.last().unwrap().number, 103);
    }

    #[test]
    fn twenty_stages_are_attached_at_most() {
        let mut record = record("s");
        let all: Vec<String> = (0..STAGES).map(|n| n.to_string()).collect();
        record.add("1", &all, 0).unwrap();
        let error = record.clone().attach("one more", "1").unwrap_err();
        assert_eq!(error.code, "LimitExceededException");
        record.detach("3");
        record.attach("one more", "1").unwrap();
    }
}
