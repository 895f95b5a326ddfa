//! Secrets Manager through its door: a request in, an answer out.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::record::SecretRecord;
use super::value::{SealedSecret, SecretValue};
use super::*;
use crate::account::Account;
use crate::aws::kept::Amendment;
use crate::aws::request::trial::{body, request};
use crate::aws::sealed::{Vault, VaultError};
use crate::store::Store;

const DAY_S: u64 = 86_400;
const TOKEN: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-000000000002";
const MARKED: &str = "You can't perform this operation on the secret because it was marked for deletion.";
const MISSING: &str = "Secrets Manager can't find the specified secret.";

/// How what AWS has and this host does not is refused.
pub fn not_there() -> (http::StatusCode, &'static str) {
    let error = ApiError::not_there("");
    (error.status, error.code)
}

struct Room {
    folder: tempfile::TempDir,
    secrets: Option<Secrets>,
    second: u64,
}

fn open(folder: &Path) -> Result<Secrets, VaultError> {
    let store = Arc::new(Store::open(folder)?);
    let vault = Arc::new(Vault::open(folder, sealed_values(&store)?)?);
    Secrets::open(store, vault, Account::default())
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Some(open(folder.path()).unwrap());
        Room { folder, secrets, second: 1_000_000 }
    }

    fn secrets(&self) -> &Secrets {
        self.secrets.as_ref().unwrap()
    }

    fn restart(&mut self) {
        self.secrets = None;
        self.secrets = Some(open(self.folder.path()).unwrap());
    }

    fn ask(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let body_sent = serde_json::to_vec(&input).unwrap();
        let request = request(&format!("secretsmanager.{operation}"), self.second, &body_sent);
        let (name, answered) = self.secrets().answer(&request);
        assert_eq!(name, operation);
        answered.map(body)
    }

    #[track_caller]
    fn ok(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, input).unwrap()
    }

    #[track_caller]
    fn wrong(&self, operation: &str, input: Value, code: &str, text: &str) {
        let error = self.ask(operation, input).unwrap_err();
        assert_eq!((error.code, error.status.as_u16()), (code, 400), "{error}");
        assert!(error.message.as_deref().unwrap().contains(text), "{error}");
    }

    fn made(name: &str) -> Room {
        let room = Room::new();
        room.ok("CreateSecret", json!({"Name": name, "SecretString": "apple", "ClientRequestToken": TOKEN}));
        room
    }

    fn text(&self, id: &str) -> Value {
        self.ok("GetSecretValue", json!({"SecretId": id}))["SecretString"].clone()
    }
}

#[test]
fn a_secret_is_read_by_name_arn_and_partial_arn() {
    let room = Room::new();
    let made = room.ok("CreateSecret", json!({"Name": "a/b-c", "SecretString": "apple", "ClientRequestToken": TOKEN}));
    let arn = made["ARN"].as_str().unwrap();
    let partial = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-c";
    let letters = arn.strip_prefix(partial).unwrap().strip_prefix('-').unwrap();
    assert!(letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_alphabetic()), "{arn}");
    let expected = json!({
        "ARN": arn, "Name": "a/b-c", "VersionId": TOKEN, "SecretString": "apple", "VersionStages": ["AWSCURRENT"],
        "CreatedDate": 1_000_000.0,
    });
    for id in ["a/b-c", arn, partial] {
        assert_eq!(room.ok("GetSecretValue", json!({"SecretId": id})), expected);
    }
    for id in ["a/b", "arn:aws:secretsmanager:us-west-2:123456789012:secret:a/b-c", &format!("{partial}-aaaaa!"), "A/b-c"] {
        room.wrong("GetSecretValue", json!({"SecretId": id}), "ResourceNotFoundException", MISSING);
    }
    room.wrong("GetSecretValue", json!({}), "ValidationException", "Value null at 'secretId'");
    room.wrong("GetSecretValue", json!({"SecretId": ""}), "ValidationException", "greater than or equal to 1");
    let binary = room.ok("CreateSecret", json!({"Name": "binary", "SecretBinary": "AP8="}));
    assert_eq!(room.ok("GetSecretValue", json!({"SecretId": binary["ARN"]}))["SecretBinary"], "AP8=");
}

#[test]
fn a_new_secret_has_a_sound_name_and_value() {
    let room = Room::made("taken");
    let create = |more: Value| {
        let mut input = json!({"Name": "n", "SecretString": "x"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (more, code, text) in [
        (json!({"Name": "taken"}), "ResourceExistsException", "The operation failed because the secret taken already exists."),
        (json!({"Name": "a b"}), "ValidationException", "Invalid name. Must be a valid name containing alphanumeric"),
        (json!({"Name": ""}), "ValidationException", "at 'name'"),
        (json!({"Name": "n".repeat(513)}), "ValidationException", "less than or equal to 512"),
        (json!({"SecretString": ""}), "ValidationException", "Value at 'secretString' failed to satisfy constraint"),
        (json!({"SecretString": "x".repeat(65_537)}), "ValidationException", "less than or equal to 65536"),
        (json!({"SecretBinary": "AA=="}), "InvalidParameterException", "both a binary secret value and a string"),
        (json!({"SecretString": null, "SecretBinary": "?"}), "SerializationException", "base64"),
        (json!({"ClientRequestToken": "short"}), "InvalidParameterException", "must be 32-64 characters long."),
        (json!({"Tags": [{"Key": "aws:x", "Value": ""}]}), "InvalidParameterException", "The tag 'aws:x' is invalid"),
    ] {
        room.wrong("CreateSecret", create(more), code, text);
    }
    room.ok("CreateSecret", create(json!({"Name": "n".repeat(512), "SecretString": "x".repeat(65_536), "KmsKeyId": ""})));
    let error = room.ask("CreateSecret", create(json!({"AddReplicaRegions": [{"Region": "r"}]}))).unwrap_err();
    assert_eq!((error.status, error.code), not_there());
    assert!(error.message.unwrap().starts_with("AddReplicaRegions of CreateSecret is not supported"));
}

#[test]
fn a_secret_may_have_no_value() {
    let room = Room::new();
    let made = room.ok("CreateSecret", json!({"Name": "empty", "ClientRequestToken": TOKEN}));
    assert_eq!(made.get("VersionId"), None);
    let text = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";
    room.wrong("GetSecretValue", json!({"SecretId": "empty"}), "ResourceNotFoundException", text);
    assert_eq!(room.ok("DescribeSecret", json!({"SecretId": "empty"})).get("VersionIdsToStages"), None);
    assert_eq!(
        room.ok("PutSecretValue", json!({"SecretId": "empty", "SecretString": "x"}))["VersionStages"],
        json!(["AWSCURRENT"])
    );
}

#[test]
fn a_request_that_is_sent_twice_makes_one_version() {
    let room = Room::made("s");
    let again = json!({"Name": "s", "SecretString": "apple", "ClientRequestToken": TOKEN});
    assert_eq!(room.ok("CreateSecret", again)["VersionId"], TOKEN);
    let in_use =
        format!("You can't use ClientRequestToken {TOKEN} because that value is already in use for a version of secret arn:");
    let other = json!({"Name": "s", "SecretString": "pear", "ClientRequestToken": TOKEN});
    room.wrong("CreateSecret", other, "ResourceExistsException", &in_use);
    let put = |value: &str, token: &str| json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": token});
    for operation in ["PutSecretValue", "UpdateSecret"] {
        assert_eq!(room.ok(operation, put("apple", TOKEN))["VersionId"], TOKEN);
        room.wrong(operation, put("pear", TOKEN), "ResourceExistsException", &in_use);
    }
    assert_eq!(room.ok("ListSecretVersionIds", json!({"SecretId": "s"}))["Versions"].as_array().unwrap().len(), 1);
    room.ok("PutSecretValue", put("pear", OTHER));
    // The first version is the previous one now, and stays so.
    let present = room.ok("PutSecretValue", put("apple", TOKEN));
    assert_eq!(present["VersionStages"], json!(["AWSPREVIOUS"]));
    assert_eq!(room.text("s"), "pear");
    let binary = json!({"SecretId": "s", "SecretBinary": "YXBwbGU=", "ClientRequestToken": TOKEN});
    room.wrong("PutSecretValue", binary, "ResourceExistsException", &in_use);
}

#[test]
fn versions_and_stages_select_a_value() {
    let room = Room::made("s");
    room.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": "pear", "ClientRequestToken": OTHER}));
    let get = |more: Value| {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (more, text) in [
        (json!({}), "pear"),
        (json!({"VersionStage": "AWSPREVIOUS"}), "apple"),
        (json!({"VersionId": TOKEN}), "apple"),
        (json!({"VersionId": OTHER, "VersionStage": "AWSCURRENT"}), "pear"),
    ] {
        assert_eq!(room.ok("GetSecretValue", get(more))["SecretString"], text);
    }
    let none = "00000000-0000-4000-8000-000000000009";
    let text = format!("Secrets Manager can't find the specified secret value for VersionId: {none}");
    room.wrong("GetSecretValue", get(json!({"VersionId": none})), "ResourceNotFoundException", &text);
    let text = "Secrets Manager can't find the specified secret value for staging label: mine";
    room.wrong("GetSecretValue", get(json!({"VersionStage": "mine"})), "ResourceNotFoundException", text);
    let text = "You provided a VersionStage that is not associated to the provided VersionId.";
    let both = get(json!({"VersionId": TOKEN, "VersionStage": "AWSCURRENT"}));
    room.wrong("GetSecretValue", both, "InvalidRequestException", text);
    room.wrong("GetSecretValue", get(json!({"VersionId": "1"})), "ValidationException", "at 'versionId'");
    let put = json!({"SecretId": "s", "SecretString": "plum", "VersionStages": ["mine"]});
    assert_eq!(room.ok("PutSecretValue", put)["VersionStages"], json!(["mine"]));
    assert_eq!(room.text("s"), "pear");
    assert_eq!(room.ok("GetSecretValue", get(json!({"VersionStage": "mine"})))["SecretString"], "plum");
    let text = "You must provide either SecretString or SecretBinary.";
    room.wrong("PutSecretValue", get(json!({})), "InvalidRequestException", text);
    room.wrong("PutSecretValue", json!({"SecretId": "t", "SecretString": "x"}), "ResourceNotFoundException", MISSING);
}

#[test]
fn stages_are_moved_and_taken_away() {
    let room = Room::made("s");
    room.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": "pear", "ClientRequestToken": OTHER}));
    let shift = |stage: &str, from: Option<&str>, to: Option<&str>| json!({"SecretId": "s", "VersionStage": stage, "RemoveFromVersionId": from, "MoveToVersionId": to});
    let wrong = |input: Value, text: &str| room.wrong("UpdateSecretVersionStage", input, "InvalidParameterException", text);
    wrong(
        shift("AWSCURRENT", None, Some(TOKEN)),
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is",
    );
    wrong(shift("AWSCURRENT", Some(TOKEN), Some(TOKEN)), &format!("Version stage AWSCURRENT not found in version {TOKEN}"));
    wrong(shift("AWSCURRENT", Some("none"), Some(TOKEN)), "Not a valid version: none");
    wrong(shift("AWSCURRENT", Some(OTHER), None), "You can only move staging label AWSCURRENT to a different secret version.");
    room.ok("UpdateSecretVersionStage", shift("AWSCURRENT", Some(OTHER), Some(TOKEN)));
    let stages = room.ok("DescribeSecret", json!({"SecretId": "s"}))["VersionIdsToStages"].clone();
    assert_eq!(stages, json!({TOKEN: ["AWSCURRENT"], OTHER: ["AWSPREVIOUS"]}));
    room.ok("UpdateSecretVersionStage", shift("mine", None, Some(OTHER)));
    room.ok("UpdateSecretVersionStage", shift("mine", Some(OTHER), None));
    room.ok("UpdateSecretVersionStage", shift("AWSPREVIOUS", Some(OTHER), None));
    let ids = |input: Value| room.ok("ListSecretVersionIds", input)["Versions"].as_array().unwrap().len();
    assert_eq!(ids(json!({"SecretId": "s"})), 1);
    assert_eq!(ids(json!({"SecretId": "s", "IncludeDeprecated": true})), 2);
    let page = json!({"SecretId": "s", "IncludeDeprecated": true, "MaxResults": 1});
    let token = room.ok("ListSecretVersionIds", page)["NextToken"].clone();
    let second = room.ok("ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true, "NextToken": token}));
    assert_eq!(second["Versions"][0]["VersionId"], OTHER);
    let bad = json!({"SecretId": "s", "NextToken": "nonsense"});
    room.wrong("ListSecretVersionIds", bad, "InvalidNextTokenException", "NextToken");
}

#[test]
fn an_update_changes_what_it_names() {
    let mut room = Room::made("s");
    room.second += 5;
    let answer = room.ok("UpdateSecret", json!({"SecretId": "s", "Description": "fruit", "KmsKeyId": "alias/mine"}));
    assert_eq!(answer.get("VersionId"), None);
    room.ok("UpdateSecret", json!({"SecretId": "s", "SecretString": "pear", "ClientRequestToken": OTHER}));
    let described = room.ok("DescribeSecret", json!({"SecretId": "s"}));
    let expected = json!({
        "ARN": described["ARN"], "Name": "s", "Description": "fruit", "KmsKeyId": "alias/mine", "Tags": [],
        "CreatedDate": 1_000_000.0, "LastChangedDate": 1_000_005.0,
        "VersionIdsToStages": {TOKEN: ["AWSPREVIOUS"], OTHER: ["AWSCURRENT"]},
    });
    assert_eq!(described, expected);
    room.text("s");
    assert_eq!(room.ok("DescribeSecret", json!({"SecretId": "s"}))["LastAccessedDate"], 950_400.0);
    room.wrong("UpdateSecret", json!({"SecretId": "t"}), "ResourceNotFoundException", MISSING);
    room.wrong("DescribeSecret", json!({"SecretId": "t"}), "ResourceNotFoundException", MISSING);
}

#[test]
fn a_secret_that_is_to_be_deleted_can_be_restored_until_its_time_has_come() {
    let mut room = Room::made("s");
    for (input, text) in [
        (json!({"RecoveryWindowInDays": 6}), "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."),
        (json!({"RecoveryWindowInDays": 31}), "between 7 and 30 days"),
        (json!({"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true}), "in conjunction with RecoveryWindowInDays."),
    ] {
        let mut input = input;
        input["SecretId"] = "s".into();
        room.wrong("DeleteSecret", input, "InvalidParameterException", text);
    }
    let deleted = room.ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}));
    assert_eq!(deleted["DeletionDate"], json!(1_604_800.0));
    for (operation, input) in [
        ("GetSecretValue", json!({"SecretId": "s"})),
        ("PutSecretValue", json!({"SecretId": "s", "SecretString": "x"})),
        ("UpdateSecret", json!({"SecretId": "s"})),
        ("TagResource", json!({"SecretId": "s", "Tags": []})),
        ("UntagResource", json!({"SecretId": "s", "TagKeys": []})),
        ("UpdateSecretVersionStage", json!({"SecretId": "s", "VersionStage": "x"})),
    ] {
        room.wrong(operation, input, "InvalidRequestException", MARKED);
    }
    let text = "already scheduled for deletion.";
    room.wrong("CreateSecret", json!({"Name": "s"}), "InvalidRequestException", text);
    room.wrong("DeleteSecret", json!({"SecretId": "s"}), "InvalidRequestException", text);
    assert_eq!(room.ok("DescribeSecret", json!({"SecretId": "s"}))["DeletedDate"], json!(1_604_800.0));
    assert_eq!(room.ok("ListSecrets", json!({}))["SecretList"], json!([]));
    let planned = room.ok("ListSecrets", json!({"IncludePlannedDeletion": true}));
    assert_eq!(planned["SecretList"][0]["DeletedDate"], json!(1_604_800.0));

    room.ok("RestoreSecret", json!({"SecretId": "s"}));
    room.second += 8 * DAY_S;
    assert_eq!(room.text("s"), "apple");
    room.ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}));
    room.second += 7 * DAY_S - 1;
    room.restart();
    room.wrong("GetSecretValue", json!({"SecretId": "s"}), "InvalidRequestException", MARKED);
    room.second += 1;
    for operation in ["GetSecretValue", "DescribeSecret", "RestoreSecret"] {
        room.wrong(operation, json!({"SecretId": "s"}), "ResourceNotFoundException", MISSING);
    }
    let value: Option<SealedSecret> = room.secrets().cabinet.value("s", TOKEN).unwrap();
    assert!(value.is_none(), "the value is gone from disk");
    room.restart();
    assert_eq!(room.secrets().cabinet.count(), 0);
    room.ok("CreateSecret", json!({"Name": "s", "SecretString": "new", "ClientRequestToken": TOKEN}));
    assert_eq!(room.text("s"), "new");
}

#[test]
fn a_secret_is_deleted_at_once_if_it_is_there_or_not() {
    let room = Room::made("s");
    let first = room.ok("DescribeSecret", json!({"SecretId": "s"}))["ARN"].clone();
    room.ok("DeleteSecret", json!({"SecretId": "s"}));
    for _ in 0..2 {
        let deleted = room.ok("DeleteSecret", json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true}));
        assert_eq!((&deleted["Name"], &deleted["DeletionDate"]), (&json!("s"), &json!(1_000_000.0)));
    }
    room.wrong("DeleteSecret", json!({"SecretId": "s"}), "ResourceNotFoundException", MISSING);
    room.ok("CreateSecret", json!({"Name": "s", "SecretString": "x", "ClientRequestToken": TOKEN}));
    room.wrong("GetSecretValue", json!({"SecretId": first}), "ResourceNotFoundException", MISSING);
}

#[test]
fn tags_come_and_go() {
    let room = Room::made("s");
    let tags: Vec<Value> = (0..50).map(|n| json!({"Key": n.to_string(), "Value": "v"})).collect();
    assert_eq!(room.ok("TagResource", json!({"SecretId": "s", "Tags": tags})), json!({}));
    let more = json!({"SecretId": "s", "Tags": [{"Key": "one more", "Value": ""}]});
    room.wrong("TagResource", more, "InvalidParameterException", "at most 50 tags");
    let keys: Vec<String> = (1..50).map(|n| n.to_string()).collect();
    room.ok("UntagResource", json!({"SecretId": "s", "TagKeys": keys}));
    let described = room.ok("DescribeSecret", json!({"SecretId": "s"}));
    assert_eq!(described["Tags"], json!([{"Key": "0", "Value": "v"}]));
    room.wrong("TagResource", json!({"SecretId": "t", "Tags": []}), "ResourceNotFoundException", MISSING);
    room.wrong("UntagResource", json!({"SecretId": "t", "TagKeys": []}), "ResourceNotFoundException", MISSING);
}

#[test]
fn lists_have_filters_an_order_and_pages() {
    let mut room = Room::new();
    for name in ["prod/b", "prod/a", "test/c"] {
        room.second += 1;
        room.ok("CreateSecret", json!({"Name": name, "SecretString": name}));
    }
    let names = |input: Value| -> Vec<String> {
        let list = room.ok("ListSecrets", input)["SecretList"].as_array().unwrap().clone();
        list.iter().map(|entry| entry["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!({})), ["prod/b", "prod/a", "test/c"]);
    assert_eq!(names(json!({"SortOrder": "desc"})), ["test/c", "prod/a", "prod/b"]);
    assert_eq!(names(json!({"SortBy": "name", "SortOrder": "desc"})), ["test/c", "prod/b", "prod/a"]);
    assert_eq!(
        names(json!({"Filters": [{"Key": "name", "Values": ["prod", "x"]}, {"Key": "all", "Values": ["a"]}]})),
        ["prod/a"]
    );
    let mut seen = Vec::new();
    let mut input = json!({"MaxResults": 1, "SortOrder": "desc"});
    loop {
        let page = room.ok("ListSecrets", input.clone());
        seen.push(page["SecretList"][0]["Name"].clone());
        let Some(token) = page.get("NextToken") else { break };
        input["NextToken"] = token.clone();
    }
    assert_eq!(seen, ["test/c", "prod/a", "prod/b"]);
    for (input, text) in [
        (json!({"MaxResults": 101}), "at 'maxResults' failed to satisfy constraint: Member must have value less than"),
        (json!({"SortBy": "x"}), "at 'sortBy'"),
        (json!({"Filters": [{"Key": "x", "Values": ["y"]}]}), "at 'filters.1.member.key'"),
        (json!({"Filters": [{"Key": "name", "Values": []}]}), "at 'filters.1.member.values'"),
    ] {
        room.wrong("ListSecrets", input, "ValidationException", text);
    }
    room.wrong("ListSecrets", json!({"NextToken": "?"}), "InvalidNextTokenException", "NextToken");
}

#[test]
fn a_batch_has_values_and_errors() {
    let room = Room::made("a");
    room.ok("CreateSecret", json!({"Name": "b", "SecretString": "pear"}));
    room.ok("CreateSecret", json!({"Name": "c", "SecretString": "plum"}));
    room.ok("DeleteSecret", json!({"SecretId": "c"}));
    let batch = room.ok("BatchGetSecretValue", json!({"SecretIdList": ["b", "c", "d"]}));
    assert_eq!((&batch["SecretValues"][0]["SecretString"], batch["SecretValues"].as_array().unwrap().len()), (&json!("pear"), 1));
    let expected = json!([
        {"SecretId": "c", "ErrorCode": "InvalidRequestException", "Message": MARKED},
        {"SecretId": "d", "ErrorCode": "ResourceNotFoundException", "Message": MISSING},
    ]);
    assert_eq!(batch["Errors"], expected);
    let mut input = json!({"Filters": [{"Key": "name", "Values": ["a", "b", "c"]}], "MaxResults": 1});
    let first = room.ok("BatchGetSecretValue", input.clone());
    assert_eq!(first["SecretValues"][0]["Name"], "a");
    input["NextToken"] = first["NextToken"].clone();
    let second = room.ok("BatchGetSecretValue", input);
    assert_eq!((&second["SecretValues"][0]["Name"], second.get("NextToken")), (&json!("b"), None));
    let wrong = |input: Value, text: &str| room.wrong("BatchGetSecretValue", input, "InvalidParameterException", text);
    wrong(json!({}), "Either 'SecretIdList' or 'Filters' must be provided, but not both.");
    wrong(json!({"SecretIdList": ["a"], "Filters": [{"Key": "name", "Values": ["a"]}]}), "but not both.");
    wrong(json!({"SecretIdList": ["a"], "MaxResults": 1}), "'Filters' not specified.");
    wrong(json!({"SecretIdList": vec!["a"; 21]}), "1 to 20 secrets");
}

#[test]
fn passwords_have_what_was_asked_for() {
    let room = Room::new();
    let password = |input: Value| room.ok("GetRandomPassword", input)["RandomPassword"].as_str().unwrap().to_owned();
    assert_eq!(password(json!({})).chars().count(), 32);
    assert!(password(json!({})) != password(json!({})));
    let four = password(json!({"PasswordLength": 4}));
    for class in [char::is_lowercase, char::is_uppercase, char::is_numeric, |c: char| c.is_ascii_punctuation()] {
        assert!(four.chars().any(class), "{four}");
    }
    let digits = json!({
        "PasswordLength": 4_096, "ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true,
        "ExcludeCharacters": "0123456", "IncludeSpace": true,
    });
    let digits = password(digits);
    assert!(digits.len() == 4_096 && digits.chars().all(|c| "789 ".contains(c)), "{digits}");
    let wrong = |input: Value, code: &str, text: &str| room.wrong("GetRandomPassword", input, code, text);
    wrong(json!({"PasswordLength": 3}), "InvalidParameterException", "too short based on the required types.");
    assert_eq!(password(json!({"PasswordLength": 3, "RequireEachIncludedType": false})).len(), 3);
    wrong(json!({"PasswordLength": 0}), "ValidationException", "at 'passwordLength'");
    wrong(json!({"PasswordLength": 4_097}), "ValidationException", "less than or equal to 4096");
    let nothing = json!({"ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true, "ExcludeNumbers": true});
    wrong(nothing, "InvalidParameterException", "no characters left");
}

#[test]
fn a_restart_shows_the_same_and_nothing_of_it_is_plain_on_disk() {
    let mut room = Room::new();
    let secret = "an-unmistakable-value-of-a-secret";
    room.ok(
        "CreateSecret",
        json!({"Name": "s", "SecretString": secret, "Description": "d", "Tags": [{"Key": "k", "Value": "v"}]}),
    );
    let before = (room.ok("GetSecretValue", json!({"SecretId": "s"})), room.ok("DescribeSecret", json!({"SecretId": "s"})));
    room.restart();
    let after = (room.ok("GetSecretValue", json!({"SecretId": "s"})), room.ok("DescribeSecret", json!({"SecretId": "s"})));
    assert_eq!(before, after);
    room.secrets = None;
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret);
    for entry in std::fs::read_dir(room.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for plain in [secret, &base64[..40]] {
            assert!(!bytes.windows(plain.len()).any(|window| window == plain.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn a_missing_or_other_key_stops_the_start() {
    let mut room = Room::made("s");
    room.secrets = None;
    let key = room.folder.path().join("vault.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(open(room.folder.path()), Err(VaultError::Missing(_))));
    std::fs::write(&key, [1; 32]).unwrap();
    let error = open(room.folder.path()).err().unwrap().to_string();
    assert!(error.starts_with(&format!("{}: ", key.display())) && error.contains("another key"), "{error}");
    std::fs::write(&key, right).unwrap();
    room.restart();
    assert_eq!(room.text("s"), "apple");
}

#[test]
fn a_damaged_value_is_our_fault_and_says_nothing() {
    let room = Room::made("s");
    let other = room.secrets().sealed("other", TOKEN, &SecretValue::String("apple".to_owned())).unwrap();
    let moved = serde_json::to_value(other).unwrap();
    let cabinet = &room.secrets().cabinet;
    let put = |record: Option<&SecretRecord>| {
        let values = vec![(TOKEN.to_owned(), moved)];
        Ok((Amendment::Put { record: record.unwrap().clone(), values, gone: Vec::new() }, ()))
    };
    cabinet.change("s", put).unwrap();
    let error = room.ask("GetSecretValue", json!({"SecretId": "s"})).unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (500, "InternalServiceError"));
    assert!(!error.to_string().contains("apple"));
}

#[test]
fn what_is_wrong_with_a_body_is_told_without_it() {
    let room = Room::made("s");
    for body in [&br#"{"SecretId": "s", "SecretString": 734512}"#[..], br#"{"SecretString": "734512"#, br#"["734512"]"#] {
        let (_, answered) = room.secrets().answer(&request("secretsmanager.PutSecretValue", 0, body));
        let error = answered.unwrap_err();
        assert_eq!(error.code, "SerializationException");
        assert!(!error.to_string().contains("734512"), "{error}");
    }
    let large = vec![b' '; (1 << 20) + 1];
    let (_, answered) = room.secrets().answer(&request("secretsmanager.PutSecretValue", 0, &large));
    assert_eq!(answered.unwrap_err().status.as_u16(), 413);
}

#[test]
fn operations_that_are_not_there_are_refused_by_name() {
    let room = Room::new();
    for name in ["RotateSecret", "ReplicateSecretToRegions", "PutResourcePolicy", "GetResourcePolicy", "Nonsense"] {
        let request = request(&format!("secretsmanager.{name}"), 0, b"{}");
        let (operation, answered) = room.secrets().answer(&request);
        let error = answered.unwrap_err();
        assert_eq!((operation, error.status, error.code), ("Unsupported", not_there().0, not_there().1));
        assert!(error.message.unwrap().starts_with(&format!("secretsmanager:{name} is not supported here")));
        assert_eq!(room.secrets().resources(&request).unwrap(), []);
    }
    let mut nameless = request("x", 0, b"{}");
    nameless.headers.clear();
    assert_eq!(room.secrets().answer(&nameless).0, "Unknown");
}

#[test]
fn a_caller_is_told_what_must_be_allowed() {
    let room = Room::made("s");
    let arn = room.ok("DescribeSecret", json!({"SecretId": "s"}))["ARN"].as_str().unwrap().to_owned();
    let needed = |operation: &str, input: Value| {
        let body = serde_json::to_vec(&input).unwrap();
        room.secrets().resources(&request(&format!("secretsmanager.{operation}"), room.second, &body)).unwrap()
    };
    let pair = |action: &str, arn: &str| (format!("secretsmanager:{action}"), arn.to_owned());
    let missing = "arn:aws:secretsmanager:us-east-1:123456789012:secret:t-xxxxxx";
    assert_eq!(needed("GetSecretValue", json!({"SecretId": "s"})), [pair("GetSecretValue", &arn)]);
    assert_eq!(needed("GetSecretValue", json!({"SecretId": arn})), [pair("GetSecretValue", &arn)]);
    assert_eq!(needed("GetSecretValue", json!({"SecretId": "t"})), [pair("GetSecretValue", missing)]);
    assert_eq!(needed("GetSecretValue", json!({})), [pair("GetSecretValue", "*")]);
    assert_eq!(needed("ListSecrets", json!({})), [pair("ListSecrets", "*")]);
    let tagged = json!({"Name": "t", "Tags": [{"Key": "k", "Value": "v"}]});
    assert_eq!(needed("CreateSecret", tagged), [pair("CreateSecret", missing), pair("TagResource", missing)]);
    let (batch, one, two) = (pair("BatchGetSecretValue", "*"), pair("GetSecretValue", &arn), pair("GetSecretValue", missing));
    assert_eq!(needed("BatchGetSecretValue", json!({"SecretIdList": ["s", "t"]})), [batch.clone(), one.clone(), two]);
    let filtered = json!({"Filters": [{"Key": "name", "Values": ["s"]}]});
    assert_eq!(needed("BatchGetSecretValue", filtered), [batch, pair("ListSecrets", "*"), one]);
}

#[test]
fn puts_at_the_same_time_leave_one_current_version() {
    let room = Room::made("s");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let room = &room;
            scope.spawn(move || {
                for n in 0..5 {
                    room.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": format!("{thread} {n}")}));
                    // Whatever is read is whole: a reader waits for no change, and sees none by half.
                    assert!(room.text("s").as_str().is_some_and(|text| text.len() == 3));
                }
            });
        }
    });
    let versions = room.ok("ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true}))["Versions"].clone();
    let stages: Vec<&Value> = versions.as_array().unwrap().iter().filter_map(|version| version.get("VersionStages")).collect();
    assert_eq!((versions.as_array().unwrap().len(), stages), (21, vec![&json!(["AWSPREVIOUS"]), &json!(["AWSCURRENT"])]));
}
