//! Parameter Store through its door: a request in, an answer out.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::state::ParameterText;
use super::*;
use crate::account::Account;
use crate::aws::request::trial::{body, request};
use crate::aws::sealed::{Vault, VaultError};
use crate::aws::secrets::tests::not_there;
use crate::store::Store;

struct Room {
    folder: tempfile::TempDir,
    parameters: Option<ParameterStore>,
}

fn open(folder: &Path) -> Result<ParameterStore, VaultError> {
    let store = Arc::new(Store::open(folder)?);
    let vault = Arc::new(Vault::open(folder, sealed_values(&store)?)?);
    ParameterStore::open(store, vault, Account::default())
}

fn arn(path: &str) -> String {
    format!("arn:aws:ssm:us-east-1:123456789012:parameter{path}")
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let parameters = Some(open(folder.path()).unwrap());
        Room { folder, parameters }
    }

    fn parameters(&self) -> &ParameterStore {
        self.parameters.as_ref().unwrap()
    }

    fn restart(&mut self) {
        self.parameters = None;
        self.parameters = Some(open(self.folder.path()).unwrap());
    }

    fn ask(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let sent = serde_json::to_vec(&input).unwrap();
        let (name, answered) = self.parameters().answer(&request(&format!("AmazonSSM.{operation}"), 1_000_000, &sent));
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

    fn put(&self, name: &str, kind: &str, value: &str) -> Value {
        self.ok("PutParameter", json!({"Name": name, "Type": kind, "Value": value, "Overwrite": true}))
    }

    fn value(&self, id: &str) -> Value {
        self.ok("GetParameter", json!({"Name": id, "WithDecryption": true}))["Parameter"]["Value"].clone()
    }

    fn names(&self, operation: &str, input: Value) -> Vec<String> {
        let listed = self.ok(operation, input)["Parameters"].as_array().unwrap().clone();
        listed.iter().map(|entry| entry["Name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_parameter_is_read_by_name_arn_and_selector() {
    let room = Room::new();
    let put = room.ok("PutParameter", json!({"Name": "/a/b", "Type": "String", "Value": "one", "Description": "d"}));
    assert_eq!(put, json!({"Version": 1, "Tier": "Standard"}));
    assert_eq!(room.ok("PutParameter", json!({"Name": "/a/b", "Value": "two", "Overwrite": true}))["Version"], 2);
    let expected = json!({
        "Name": "/a/b", "Type": "String", "Value": "two", "Version": 2, "LastModifiedDate": 1_000_000.0,
        "ARN": arn("/a/b"), "DataType": "text",
    });
    for id in ["/a/b", &arn("/a/b")] {
        assert_eq!(room.ok("GetParameter", json!({"Name": id})), json!({"Parameter": expected}));
    }
    let first = room.ok("GetParameter", json!({"Name": "/a/b:1"}))["Parameter"].clone();
    assert_eq!((&first["Value"], &first["Selector"], &first["Name"]), (&json!("one"), &json!(":1"), &json!("/a/b")));
    assert_eq!(room.value(&format!("{}:1", arn("/a/b"))), "one");
    let none = "Systems Manager could not find version 3 of /a/b. Verify the version and try again.";
    room.wrong("GetParameter", json!({"Name": "/a/b:3"}), "ParameterVersionNotFound", none);
    room.wrong("GetParameter", json!({"Name": "/a/b:live"}), "ParameterVersionNotFound", "version live of /a/b");
    for id in ["/a/c", "b", "arn:aws:ssm:us-west-2:123456789012:parameter/a/b"] {
        room.wrong("GetParameter", json!({"Name": id}), "ParameterNotFound", &format!("Parameter {id} not found."));
    }
    room.wrong("GetParameter", json!({}), "ValidationException", "Value null at 'name'");
    let error = room.ask("GetParameter", json!({"Name": "/aws/reference/secretsmanager/x"})).unwrap_err();
    assert_eq!((error.status, error.code), not_there());
    room.put("plain", "String", "x");
    for id in ["plain", "/plain", &arn("/plain")] {
        assert_eq!(room.value(id), "x");
    }
}

#[test]
fn a_parameter_that_is_put_is_checked() {
    let room = Room::new();
    room.put("/taken", "String", "x");
    let put = |more: Value| {
        let mut input = json!({"Name": "n", "Type": "String", "Value": "x"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (more, code, text) in [
        (json!({"Name": "taken"}), "ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the"),
        (json!({"Name": "a/b"}), "ValidationException", "Parameter name must be a fully qualified name."),
        (json!({"Name": "/l".repeat(16)}), "HierarchyLevelLimitExceededException", "15 levels"),
        (json!({"Name": "/aws/x"}), "AccessDeniedException", "No access to reserved parameter name: /aws/x."),
        (json!({"Value": ""}), "ValidationException", "Value at 'value' failed to satisfy constraint"),
        (json!({"Value": null}), "ValidationException", "Value null at 'value'"),
        (json!({"Type": null}), "ValidationException", "A parameter type is required when you create a parameter."),
        (json!({"Type": "Text"}), "ValidationException", "enum value set: [String, StringList, SecureString]"),
        (json!({"Tier": "Best"}), "ValidationException", "at 'tier'"),
        (json!({"Overwrite": true, "Tags": [{"Key": "k", "Value": "v"}]}), "ValidationException", "can't be used together."),
        (json!({"DataType": "TEXT"}), "ValidationException", "The following data type is not supported: TEXT"),
        (
            json!({"Name": "taken", "Type": "StringList", "Overwrite": true}),
            "HierarchyTypeMismatchException",
            "changing a parameter",
        ),
    ] {
        room.wrong("PutParameter", put(more), code, text);
    }
    for (more, what) in [
        (json!({"AllowedPattern": "a+"}), "AllowedPattern of PutParameter"),
        (json!({"Policies": "[{\"Type\":\"Expiration\"}]"}), "Policies of PutParameter"),
        (json!({"DataType": "aws:ec2:image"}), "DataType aws:ec2:image of PutParameter"),
    ] {
        let error = room.ask("PutParameter", put(more)).unwrap_err();
        assert_eq!((error.status, error.code), not_there());
        assert!(error.message.unwrap().starts_with(what));
    }
}

#[test]
fn a_tier_limits_the_value() {
    let room = Room::new();
    let put = |name: &str, bytes: usize, tier: Option<&str>| {
        let mut input = json!({"Name": name, "Type": "String", "Value": "x".repeat(bytes), "Overwrite": true});
        if let Some(tier) = tier {
            input["Tier"] = tier.into();
        }
        input
    };
    room.ok("PutParameter", put("a", 4_096, None));
    let text = "Standard tier parameters support a maximum parameter value of 4096 characters.";
    room.wrong("PutParameter", put("a", 4_097, None), "ValidationException", text);
    assert_eq!(room.ok("PutParameter", put("a", 8_192, Some("Advanced")))["Tier"], "Advanced");
    let text = "Advanced tier parameters support a maximum parameter value of 8192 characters.";
    room.wrong("PutParameter", put("a", 8_193, Some("Advanced")), "ValidationException", text);
    assert_eq!(room.ok("PutParameter", put("a", 1, None))["Tier"], "Advanced");
    let text = "This parameter uses the advanced-parameter tier. You can't downgrade";
    room.wrong("PutParameter", put("a", 1, Some("Standard")), "ValidationException", text);
    assert_eq!(room.ok("PutParameter", put("b", 4_096, Some("Intelligent-Tiering")))["Tier"], "Standard");
    assert_eq!(room.ok("PutParameter", put("b", 4_097, Some("Intelligent-Tiering")))["Tier"], "Advanced");
}

#[test]
fn several_are_read_and_deleted_at_once() {
    let room = Room::new();
    room.put("a", "String", "1");
    room.put("b", "StringList", "2,3");
    let answer = room.ok("GetParameters", json!({"Names": ["b", "a:1", "c", "a:9", "b"]}));
    assert_eq!(answer["InvalidParameters"], json!(["a:9", "c"]));
    let values: Vec<&Value> = answer["Parameters"].as_array().unwrap().iter().map(|one| &one["Value"]).collect();
    assert_eq!(values, ["1", "2,3"]);
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    for operation in ["GetParameters", "DeleteParameters"] {
        room.wrong(operation, json!({"Names": eleven}), "ValidationException", "at 'names' failed to satisfy constraint");
        room.wrong(operation, json!({}), "ValidationException", "greater than or equal to 1");
    }
    let answer = room.ok("DeleteParameters", json!({"Names": ["a", "c"]}));
    assert_eq!(answer, json!({"DeletedParameters": ["a"], "InvalidParameters": ["c"]}));
    assert_eq!(room.ok("DeleteParameter", json!({"Name": "/b"})), json!({}));
    room.wrong("DeleteParameter", json!({"Name": "b"}), "ParameterNotFound", "Parameter b not found.");
    assert_eq!(room.put("a", "String", "new")["Version"], 1);
}

#[test]
fn a_path_has_parameters_below_it() {
    let room = Room::new();
    for name in ["/a/1", "/a/2", "/a/deep/3", "/ab/4", "top"] {
        room.put(name, "String", name);
    }
    let below = |path: &str, recursive: bool| room.names("GetParametersByPath", json!({"Path": path, "Recursive": recursive}));
    assert_eq!(below("/a", false), ["/a/1", "/a/2"]);
    assert_eq!(below("/a/", true), ["/a/1", "/a/2", "/a/deep/3"]);
    assert_eq!(below("/", false), ["top"]);
    assert_eq!(below("/", true).len(), 5);
    assert_eq!(below("/none", true), [""; 0]);
    let first = room.ok("GetParametersByPath", json!({"Path": "/a", "Recursive": true, "MaxResults": 2}));
    let input = json!({"Path": "/a", "Recursive": true, "NextToken": first["NextToken"]});
    assert_eq!(room.names("GetParametersByPath", input), ["/a/deep/3"]);
    let wrong = |input: Value, code: &str, text: &str| room.wrong("GetParametersByPath", input, code, text);
    wrong(json!({"Path": "a"}), "ValidationException", "The parameter doesn't meet the parameter name requirements.");
    wrong(json!({"Path": "/a", "MaxResults": 11}), "ValidationException", "at 'maxResults'");
    wrong(json!({"Path": "/a", "NextToken": "?"}), "InvalidNextToken", "token");
    let by_name = json!({"Path": "/a", "ParameterFilters": [{"Key": "Name", "Values": ["x"]}]});
    wrong(by_name, "InvalidFilterKey", "The following filter key is not valid: Name.");
    room.put("/a/2", "String", "later");
    room.ok("LabelParameterVersion", json!({"Name": "/a/2", "ParameterVersion": 1, "Labels": ["live"]}));
    let labelled = json!({"Path": "/a", "ParameterFilters": [{"Key": "Label", "Values": ["live"]}]});
    assert_eq!(room.ok("GetParametersByPath", labelled)["Parameters"][0]["Value"], "/a/2");
}

#[test]
fn a_secure_string_is_told_only_to_who_asks_for_it() {
    let room = Room::new();
    room.put("/a/s", "SecureString", "a secret");
    assert_eq!(room.value("/a/s"), "a secret");
    for (operation, input) in [
        ("GetParameters", json!({"Names": ["/a/s"]})),
        ("GetParametersByPath", json!({"Path": "/a"})),
        ("GetParameterHistory", json!({"Name": "/a/s"})),
    ] {
        let sealed = room.ok(operation, input.clone())["Parameters"][0]["Value"].as_str().unwrap().to_owned();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sealed).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"a secret"));
        let mut input = input;
        input["WithDecryption"] = true.into();
        assert_eq!(room.ok(operation, input)["Parameters"][0]["Value"], "a secret");
    }
    let described = room.ok("DescribeParameters", json!({}))["Parameters"][0].clone();
    assert_eq!(described["KeyId"], "alias/aws/ssm");
    assert_eq!(described.get("Value"), None);
}

#[test]
fn a_hundred_versions_are_kept() {
    let room = Room::new();
    for n in 1..=100 {
        assert_eq!(room.put("a", "String", &n.to_string())["Version"], n);
    }
    assert_eq!(room.value("a:1"), "1");
    assert_eq!(room.put("a", "String", "101")["Version"], 101);
    room.wrong("GetParameter", json!({"Name": "a:1"}), "ParameterVersionNotFound", "version 1 of a.");
    let value: Option<ParameterText> = room.parameters().cabinet.value("a", "1").unwrap();
    assert!(value.is_none(), "the value is gone from disk");
    room.ok("LabelParameterVersion", json!({"Name": "a", "ParameterVersion": 2, "Labels": ["live"]}));
    let text = "You attempted to create a new version of a by calling the PutParameter API with the overwrite flag. Version 2,";
    let put = json!({"Name": "a", "Value": "x", "Overwrite": true});
    room.wrong("PutParameter", put.clone(), "ParameterMaxVersionLimitExceeded", text);
    room.ok("LabelParameterVersion", json!({"Name": "a", "Labels": ["live"]}));
    assert_eq!(room.ok("PutParameter", put)["Version"], 102);
    let first = room.ok("GetParameterHistory", json!({"Name": "a"}));
    assert_eq!((&first["Parameters"][0]["Version"], first["Parameters"].as_array().unwrap().len()), (&json!(3), 50));
    let second = room.ok("GetParameterHistory", json!({"Name": "a", "NextToken": first["NextToken"]}));
    assert_eq!((&second["Parameters"][0]["Version"], second.get("NextToken")), (&json!(53), None));
    let labelled = &second["Parameters"][48];
    let expected = json!({
        "Name": "a", "Type": "String", "Value": "101", "Version": 101, "LastModifiedDate": 1_000_000.0, "DataType": "text",
        "LastModifiedUser": "arn:aws:iam::123456789012:root", "Labels": ["live"], "Tier": "Standard", "Policies": [],
    });
    assert_eq!(*labelled, expected);
    room.wrong("GetParameterHistory", json!({"Name": "b"}), "ParameterNotFound", "Parameter b not found.");
}

#[test]
fn a_label_is_on_one_version() {
    let room = Room::new();
    room.put("a", "String", "1");
    room.put("a", "String", "2");
    let label = |version: Option<u64>, labels: &[&str]| json!({"Name": "a", "ParameterVersion": version, "Labels": labels});
    let answer = room.ok("LabelParameterVersion", label(Some(1), &["live", "1st", "aws-x", "a b"]));
    assert_eq!(answer, json!({"InvalidLabels": ["1st", "aws-x", "a b"], "ParameterVersion": 1}));
    assert_eq!(room.value("a:live"), "1");
    assert_eq!(room.ok("LabelParameterVersion", label(None, &["live"]))["ParameterVersion"], 2);
    assert_eq!(room.value("a:live"), "2");
    let ten: Vec<String> = (0..10).map(|n| format!("l{n}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    room.ok("LabelParameterVersion", label(Some(1), &ten));
    let code = "ParameterVersionLabelLimitExceeded";
    room.wrong("LabelParameterVersion", label(Some(1), &["more"]), code, "A parameter version can have maximum 10 labels.");
    room.wrong("LabelParameterVersion", label(Some(3), &["x"]), "ParameterVersionNotFound", "version 3 of a.");
    room.wrong("LabelParameterVersion", label(None, &[]), "ValidationException", "at 'labels'");
    let answer = room.ok("UnlabelParameterVersion", label(Some(2), &["live", "l1"]));
    assert_eq!(answer, json!({"RemovedLabels": ["live"], "InvalidLabels": ["l1"]}));
    room.wrong("UnlabelParameterVersion", label(None, &["x"]), "ValidationException", "'parameterVersion'");
    room.wrong("GetParameter", json!({"Name": "a:live"}), "ParameterVersionNotFound", "version live of a.");
}

#[test]
fn descriptions_are_filtered() {
    let room = Room::new();
    room.ok("PutParameter", json!({"Name": "/a/one", "Type": "String", "Value": "x", "Tags": [{"Key": "k", "Value": "v"}]}));
    room.put("/a/b/two", "SecureString", "x");
    room.put("three", "StringList", "x");
    let by = |key: &str, option: Option<&str>, values: &[&str]| {
        let mut filter = json!({"Key": key, "Values": values});
        if let Some(option) = option {
            filter["Option"] = option.into();
        }
        room.names("DescribeParameters", json!({"ParameterFilters": [filter]}))
    };
    assert_eq!(by("Name", None, &["/a/one", "/three"]), ["/a/one", "three"]);
    assert_eq!(by("Name", Some("BeginsWith"), &["/a"]), ["/a/b/two", "/a/one"]);
    assert_eq!(by("Name", Some("Contains"), &["hr"]), ["three"]);
    assert_eq!(by("Type", None, &["String", "StringList"]), ["/a/one", "three"]);
    assert_eq!(by("Path", None, &["/a"]), ["/a/one"]);
    assert_eq!(by("Path", Some("Recursive"), &["/a"]), ["/a/b/two", "/a/one"]);
    assert_eq!(by("KeyId", None, &["alias/aws/ssm"]), ["/a/b/two"]);
    assert_eq!(by("tag:k", None, &[]), ["/a/one"]);
    assert_eq!(by("tag:k", None, &["w"]), [""; 0]);
    assert_eq!(by("Tier", None, &["Standard"]).len(), 3);
    let older = |key: &str, value: &str| room.names("DescribeParameters", json!({"Filters": [{"Key": key, "Values": [value]}]}));
    assert_eq!(older("Name", "/a"), ["/a/b/two", "/a/one"]);
    assert_eq!(older("Type", "SecureString"), ["/a/b/two"]);
    let first = room.ok("DescribeParameters", json!({"MaxResults": 2}));
    assert_eq!(room.names("DescribeParameters", json!({"NextToken": first["NextToken"]})), ["three"]);
    let wrong = |filter: Value, code: &str, text: &str| {
        room.wrong("DescribeParameters", json!({"ParameterFilters": [filter]}), code, text);
    };
    wrong(json!({"Key": "Size", "Values": ["x"]}), "ValidationException", "at 'parameterFilters.1.member.key'");
    wrong(json!({"Key": "Label", "Values": ["x"]}), "InvalidFilterKey", "The following filter key is not valid: Label.");
    wrong(json!({"Key": "Name"}), "InvalidFilterValue", "The following filter values are missing : null for filter key Name.");
    wrong(json!({"Key": "Type", "Values": ["Text"]}), "InvalidFilterOption", "The following filter value is not valid: Text.");
    wrong(json!({"Key": "Type", "Option": "Contains", "Values": ["x"]}), "InvalidFilterOption", "option is not valid: Contains.");
    wrong(json!({"Key": "Path", "Values": ["a"]}), "ValidationException", "doesn't meet the parameter name requirements.");
    let twice = json!({"ParameterFilters": [{"Key": "Type", "Values": ["String"]}, {"Key": "Type", "Values": ["String"]}]});
    room.wrong("DescribeParameters", twice, "InvalidFilterKey", "duplicated in the request: Type.");
}

#[test]
fn tags_come_and_go() {
    let room = Room::new();
    room.put("a", "String", "x");
    let resource = |more: Value| {
        let mut input = json!({"ResourceType": "Parameter", "ResourceId": "/a"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let tags: Vec<Value> = (0..50).map(|n| json!({"Key": n.to_string(), "Value": "v"})).collect();
    room.ok("AddTagsToResource", resource(json!({"Tags": tags})));
    let more = resource(json!({"Tags": [{"Key": "more", "Value": ""}]}));
    room.wrong("AddTagsToResource", more, "TooManyTagsError", "too many tags");
    let keys: Vec<String> = (1..50).map(|n| n.to_string()).collect();
    room.ok("RemoveTagsFromResource", resource(json!({"TagKeys": keys})));
    let listed = room.ok("ListTagsForResource", resource(json!({})));
    assert_eq!(listed, json!({"TagList": [{"Key": "0", "Value": "v"}]}));
    for operation in ["AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"] {
        room.wrong(operation, resource(json!({"ResourceId": "b"})), "InvalidResourceId", "The resource ID is not valid.");
        room.wrong(operation, resource(json!({"ResourceType": "X"})), "InvalidResourceType", "The resource type is not valid.");
        let error = room.ask(operation, resource(json!({"ResourceType": "Document"}))).unwrap_err();
        assert_eq!((error.status, error.code), not_there());
    }
}

#[test]
fn a_restart_shows_the_same_and_no_secure_string_is_plain_on_disk() {
    let mut room = Room::new();
    let secret = "an-unmistakable-value-of-a-parameter";
    room.put("s", "SecureString", secret);
    room.put("p", "String", "a-plain-value-that-is-found");
    room.ok("LabelParameterVersion", json!({"Name": "s", "Labels": ["live"]}));
    let shown = |room: &Room| {
        let history = room.ok("GetParameterHistory", json!({"Name": "s", "WithDecryption": true}));
        (history, room.ok("DescribeParameters", json!({})), room.value("s:live"))
    };
    let before = shown(&room);
    room.restart();
    assert_eq!(before, shown(&room));
    room.parameters = None;
    let bytes = std::fs::read(room.folder.path().join("edgeward.redb")).unwrap();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret);
    let has = |plain: &str| bytes.windows(plain.len()).any(|window| window == plain.as_bytes());
    assert!(has("a-plain-value-that-is-found") && !has(secret) && !has(&base64[..40]));

    let key = room.folder.path().join("vault.key");
    std::fs::write(&key, [1; 32]).unwrap();
    let error = open(room.folder.path()).err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("{}: version 1 of the parameter s was sealed with another key", key.display())),
        "{error}"
    );
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(open(room.folder.path()), Err(VaultError::Missing(_))));
}

#[test]
fn operations_that_are_not_there_are_refused_by_name() {
    let room = Room::new();
    for name in ["SendCommand", "CreateDocument", "Nonsense"] {
        let request = request(&format!("AmazonSSM.{name}"), 0, b"{}");
        let (operation, answered) = room.parameters().answer(&request);
        let error = answered.unwrap_err();
        assert_eq!((operation, error.status, error.code), ("Unsupported", not_there().0, not_there().1));
        assert!(error.message.unwrap().starts_with(&format!("ssm:{name} is not supported here")));
        assert_eq!(room.parameters().resources(&request).unwrap(), []);
    }
    let mut nameless = request("x", 0, b"{}");
    nameless.headers.clear();
    assert_eq!(room.parameters().answer(&nameless).0, "Unknown");
}

#[test]
fn a_caller_is_told_what_must_be_allowed() {
    let room = Room::new();
    let needed = |operation: &str, input: Value| {
        let body = serde_json::to_vec(&input).unwrap();
        room.parameters().resources(&request(&format!("AmazonSSM.{operation}"), 0, &body)).unwrap()
    };
    let pair = |action: &str, arn: &str| (format!("ssm:{action}"), arn.to_owned());
    for id in ["/a/b", "/a/b:3", &arn("/a/b"), &arn("/a/b:live")] {
        assert_eq!(needed("GetParameter", json!({"Name": id})), [pair("GetParameter", &arn("/a/b"))]);
    }
    let get = |path: &str| pair("GetParameters", &arn(path));
    assert_eq!(needed("GetParameters", json!({"Names": ["x", "/y"]})), [get("/x"), get("/y")]);
    assert_eq!(needed("GetParametersByPath", json!({"Path": "/a/"})), [pair("GetParametersByPath", &arn("/a"))]);
    assert_eq!(needed("GetParametersByPath", json!({"Path": "/"})), [pair("GetParametersByPath", &arn("/"))]);
    assert_eq!(needed("DescribeParameters", json!({})), [pair("DescribeParameters", "*")]);
    let tags = json!({"ResourceType": "Parameter", "ResourceId": "x"});
    assert_eq!(needed("ListTagsForResource", tags), [pair("ListTagsForResource", &arn("/x"))]);
    let put = json!({"Name": "x", "Tags": [{"Key": "k", "Value": "v"}]});
    assert_eq!(needed("PutParameter", put), [pair("PutParameter", &arn("/x")), pair("AddTagsToResource", &arn("/x"))]);
}
