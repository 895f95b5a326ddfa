//! Tables themselves: made, described, listed, changed, deleted; when items expire.

use std::collections::BTreeSet;

use super::*;
use crate::aws::dynamodb::sweep::sweep;
use crate::store::Collection;

#[test]
fn a_table_is_described_as_it_was_made_and_after_a_restart() {
    let mut room = Room::new();
    let made = room.create("Orders.a-b_c", &[("id", "S"), ("n", "N")])["TableDescription"].clone();
    assert_eq!(made["TableArn"], "arn:aws:dynamodb:us-east-1:123456789012:table/Orders.a-b_c");
    assert_eq!(
        (made["TableStatus"].as_str(), made["BillingModeSummary"]["BillingMode"].as_str()),
        (Some("ACTIVE"), Some("PAY_PER_REQUEST"))
    );
    assert_eq!(made["KeySchema"][1], json!({"AttributeName": "n", "KeyType": "RANGE"}));
    assert_eq!(made["AttributeDefinitions"][0], json!({"AttributeName": "id", "AttributeType": "S"}));
    room.put("Orders.a-b_c", at("a", "1"));
    room.restart();
    let arn = made["TableArn"].as_str().unwrap();
    for name in ["Orders.a-b_c", arn] {
        let told = room.ok("DescribeTable", json!({"TableName": name}))["Table"].clone();
        assert_eq!((&told["TableId"], &told["ItemCount"], &told["TableSizeBytes"]), (&made["TableId"], &json!(1), &json!(6)));
    }
    assert_eq!(room.item(arn, at("a", "1")), at("a", "1"));
}

#[test]
fn what_is_no_table_is_refused() {
    let room = Room::new();
    let table = |change: &[(&str, Value)]| {
        let mut input = json!({
            "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        for (member, value) in change {
            input[*member] = value.clone();
        }
        input
    };
    let units = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    let two =
        |kind: &str, name: &str| json!([{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": name, "KeyType": kind}]);
    for (member, value, text) in [
        (
            "TableName",
            json!("ab"),
            "Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
        ),
        ("TableName", json!("a b c"), "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ("TableName", Value::Null, "Value null at 'tableName'"),
        ("TableName", json!("x".repeat(256)), "Member must have length less than or equal to 255"),
        (
            "KeySchema",
            json!([]),
            "at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        ("KeySchema", json!([{"AttributeName": "id", "KeyType": "HASHED"}]), "at 'keySchema.1.member.keyType'"),
        ("KeySchema", json!([{"AttributeName": "id", "KeyType": "RANGE"}]), "The first KeySchemaElement is not a HASH key type"),
        ("KeySchema", two("HASH", "n"), "The second KeySchemaElement is not a RANGE key type"),
        ("KeySchema", two("RANGE", "id"), "Both the Hash Key and the Range Key element in the KeySchema have the same name"),
        ("KeySchema", two("RANGE", "n"), "Invalid KeySchema: Some index key attribute have no definition"),
        (
            "AttributeDefinitions",
            json!([{"AttributeName": "id", "AttributeType": "SS"}]),
            "Member must satisfy enum value set: [B, N, S]",
        ),
        (
            "ProvisionedThroughput",
            units.clone(),
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            "BillingMode",
            Value::Null,
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        ("Tags", json!([{"Key": "aws:x", "Value": ""}]), "The tag 'aws:x' is invalid"),
    ] {
        room.invalid("CreateTable", table(&[(member, value)]), text);
    }
    let definitions = json!([{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "x", "AttributeType": "S"}]);
    room.invalid(
        "CreateTable",
        table(&[("AttributeDefinitions", definitions)]),
        "Number of attributes in KeySchema does not exactly match",
    );
    for (member, value) in [
        ("GlobalSecondaryIndexes", json!([{}])),
        ("LocalSecondaryIndexes", json!([{}])),
        ("StreamSpecification", json!({"StreamEnabled": true})),
        ("SSESpecification", json!({"Enabled": true})),
    ] {
        let error = room.ask("CreateTable", &table(&[(member, value)])).unwrap_err();
        assert_eq!(error.code, "UnknownOperationException");
        assert!(error.message.unwrap().starts_with(&format!("{member} of CreateTable is not supported here")));
    }
    room.ok(
        "CreateTable",
        table(&[("StreamSpecification", json!({"StreamEnabled": false})), ("GlobalSecondaryIndexes", json!([]))]),
    );
    room.wrong("CreateTable", table(&[]), "ResourceInUseException", "Table already exists: table");
    let made = room.ok(
        "CreateTable",
        table(&[("TableName", json!("paid")), ("BillingMode", Value::Null), ("ProvisionedThroughput", units)]),
    );
    assert_eq!(made["TableDescription"]["ProvisionedThroughput"]["WriteCapacityUnits"], 2);
}

#[test]
fn tables_are_listed_in_pages() {
    let room = Room::new();
    for name in ["aaa", "bbb", "ccc"] {
        room.create(name, &[("id", "S")]);
    }
    assert_eq!(room.ok("ListTables", json!({})), json!({"TableNames": ["aaa", "bbb", "ccc"]}));
    let first = room.ok("ListTables", json!({"Limit": 2}));
    assert_eq!(first, json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}));
    assert_eq!(room.ok("ListTables", json!({"ExclusiveStartTableName": "bbb", "Limit": 1})), json!({"TableNames": ["ccc"]}));
    room.invalid("ListTables", json!({"Limit": 0}), "at 'limit'");
    room.invalid("ListTables", json!({"Limit": 101}), "at 'limit'");
}

#[test]
fn a_table_is_updated() {
    let room = Room::made();
    let input = json!({"TableName": "plain", "BillingMode": "PROVISIONED", "DeletionProtectionEnabled": true,
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}, "TableClass": "STANDARD_INFREQUENT_ACCESS"});
    let told = room.ok("UpdateTable", input)["TableDescription"].clone();
    assert_eq!(
        (&told["ProvisionedThroughput"]["ReadCapacityUnits"], &told["DeletionProtectionEnabled"]),
        (&json!(5), &json!(true))
    );
    room.invalid(
        "DeleteTable",
        json!({"TableName": "plain"}),
        "Resource cannot be deleted as it is currently protected against deletion",
    );
    room.ok("UpdateTable", json!({"TableName": "plain", "DeletionProtectionEnabled": false, "BillingMode": "PAY_PER_REQUEST"}));
    room.ok("DeleteTable", json!({"TableName": "plain"}));
    room.wrong("UpdateTable", json!({"TableName": "plain"}), "ResourceNotFoundException", "Requested resource not found");
}

#[test]
fn a_deleted_table_takes_its_items_with_it() {
    let room = Room::made();
    for n in 0..3 {
        room.put("sorted", at("a", &n.to_string()));
    }
    room.put("plain", id("kept"));
    let deleted = room.ok("DeleteTable", json!({"TableName": "sorted"}));
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    room.wrong(
        "DescribeTable",
        json!({"TableName": "sorted"}),
        "ResourceNotFoundException",
        "Requested resource not found: Table: sorted not found",
    );
    room.wrong(
        "GetItem",
        json!({"TableName": "sorted", "Key": at("a", "1")}),
        "ResourceNotFoundException",
        "Requested resource not found",
    );
    room.create("sorted", &[("id", "S"), ("n", "N")]);
    assert_eq!((room.item("sorted", at("a", "1")), room.count("sorted").0), (Value::Null, 0));
    let state = &room.tables().state;
    sweep(state, 0).unwrap();
    let left: Vec<(String, Value)> = state.store.records(Collection::Items, "").unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn tags_come_and_go() {
    let room = Room::made();
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/plain";
    let tags: Vec<Value> = (10..22).map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect();
    assert_eq!(room.ok("TagResource", json!({"ResourceArn": arn, "Tags": tags})), Value::Null);
    room.ok("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["k10", "nobody"]}));
    let first = room.ok("ListTagsOfResource", json!({"ResourceArn": arn}));
    assert_eq!(first["Tags"].as_array().unwrap().len(), 10);
    let second = room.ok("ListTagsOfResource", json!({"ResourceArn": arn, "NextToken": first["NextToken"]}));
    assert_eq!(second, json!({"Tags": [{"Key": "k21", "Value": "v"}]}));
    room.invalid("TagResource", json!({"ResourceArn": arn, "Tags": []}), "Atleast one Tag needs to be provided as Input.");
    room.invalid("UntagResource", json!({"ResourceArn": arn, "TagKeys": []}), "Atleast one Tag Key needs to be provided");
    room.invalid("ListTagsOfResource", json!({"ResourceArn": "plain"}), "Invalid TableArn");
    let nobody = "arn:aws:dynamodb:us-east-1:123456789012:table/nobody";
    room.wrong("ListTagsOfResource", json!({"ResourceArn": nobody}), "ResourceNotFoundException", "ResourcArn");
    let many: Vec<Value> = (0..51).map(|n| json!({"Key": n.to_string(), "Value": ""})).collect();
    room.invalid("TagResource", json!({"ResourceArn": arn, "Tags": many}), "at most 50 tags");
}

#[test]
fn expired_items_are_seen_by_nobody_and_removed_later() {
    let mut room = Room::made();
    let expiring = |enabled: bool, name: &str| json!({"TableName": "plain", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": name}});
    let described = |room: &Room| room.ok("DescribeTimeToLive", json!({"TableName": "plain"}))["TimeToLiveDescription"].clone();
    assert_eq!(described(&room), json!({"TimeToLiveStatus": "DISABLED"}));
    room.invalid("UpdateTimeToLive", expiring(false, "expires"), "TimeToLive is already disabled");
    room.ok("UpdateTimeToLive", expiring(true, "expires"));
    assert_eq!(described(&room), json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}));
    room.invalid("UpdateTimeToLive", expiring(true, "expires"), "TimeToLive is already enabled");
    room.invalid(
        "UpdateTimeToLive",
        expiring(false, "other"),
        "TimeToLive is active on a different AttributeName: current AttributeName is expires",
    );
    room.invalid("UpdateTimeToLive", json!({"TableName": "plain"}), "timeToLiveSpecification");
    let now = room.second;
    let ages = now - 6 * 365 * 86_400;
    for (name, expires) in [
        ("soon", json!({"N": (now + 1).to_string()})),
        ("later", json!({"N": (now + 9).to_string()})),
        ("text", json!({"S": now.to_string()})),
        ("ages", json!({"N": ages.to_string()})),
    ] {
        room.put("plain", json!({"id": {"S": name}, "expires": expires}));
    }
    let seen = |room: &Room| -> BTreeSet<String> {
        let items = room.ok("Scan", json!({"TableName": "plain"}))["Items"].clone();
        items.as_array().unwrap().iter().map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(seen(&room).len(), 4);
    room.second += 1;
    assert_eq!(seen(&room), ["ages", "later", "text"].map(str::to_owned).into());
    assert_eq!(room.item("plain", id("soon")), Value::Null);
    assert_eq!(
        room.ok("BatchGetItem", json!({"RequestItems": {"plain": {"Keys": [id("soon")]}}}))["Responses"]["plain"],
        json!([])
    );
    // As if it were not there.
    room.ok("PutItem", json!({"TableName": "plain", "Item": id("soon"), "ConditionExpression": "attribute_not_exists(id)"}));
    assert_eq!(room.count("plain").0, 4);
    room.second += 60;
    assert_eq!(room.count("plain").0, 4);
    sweep(&room.tables().state, room.second * 1_000).unwrap();
    assert_eq!(room.count("plain").0, 3);
    room.ok("UpdateTimeToLive", expiring(false, "expires"));
    assert_eq!(seen(&room), ["ages", "soon", "text"].map(str::to_owned).into());
}

#[test]
fn what_a_caller_must_be_allowed_names_each_table() {
    let room = Room::new();
    let asked = |operation: &str, input: Value| room.tables().resources(&request(operation, 0, &input)).unwrap();
    let arn = |name: &str| format!("arn:aws:dynamodb:us-east-1:123456789012:table/{name}");
    let one = |action: &str, of: String| (format!("dynamodb:{action}"), of);
    assert_eq!(asked("PutItem", json!({"TableName": "a"})), [one("PutItem", arn("a"))]);
    assert_eq!(asked("PutItem", json!({"TableName": arn("a")})), [one("PutItem", arn("a"))]);
    assert_eq!(asked("ListTables", json!({})), [one("ListTables", "*".to_owned())]);
    assert_eq!(
        asked("BatchGetItem", json!({"RequestItems": {"a": {}, "b": {}}})),
        [one("BatchGetItem", arn("a")), one("BatchGetItem", arn("b"))]
    );
    let items = json!([{"Put": {"TableName": "a"}}, {"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]);
    let needed = [one("ConditionCheckItem", arn("b")), one("PutItem", arn("a"))];
    assert_eq!(asked("TransactWriteItems", json!({"TransactItems": items})), needed);
    let both = json!({"TransactItems": [{"Put": {"TableName": "a"}, "Delete": {"TableName": "b"}}]});
    assert_eq!(asked("TransactWriteItems", both).len(), 2);
    assert_eq!(asked("CreateTable", json!({"TableName": "a", "Tags": [{}]})).len(), 2);
    assert_eq!(asked("TagResource", json!({"ResourceArn": arn("a")})), [one("TagResource", arn("a"))]);
    assert!(asked("CreateBackup", json!({})).is_empty());
    // A list would be read as the members by their order: nobody would have asked for the table.
    let hidden = [json!({"Put": ["b", {"id": {"S": "x"}}]}), json!(["b"]), json!({"Get": ["b", {}]})];
    for hidden in hidden {
        let input = json!({"TransactItems": [{"Put": {"TableName": "a"}}, hidden]});
        let refused = room.tables().resources(&request("TransactWriteItems", 0, &input)).unwrap_err();
        assert_eq!(refused.code, "SerializationException", "{input}");
    }
    // What an operation would skip in a body must not hide the table either.
    let unread = trial::request("DynamoDB_20120810.GetItem", 0, br#"{"TableName": "a", "z": 1e999}"#);
    assert_eq!(room.tables().resources(&unread).unwrap_err().code, "SerializationException");
    let (name, answered) = room.tables().answer(&request("CreateBackup", 0, &json!({})));
    assert_eq!((name, answered.unwrap_err().code), ("Unsupported", "UnknownOperationException"));
}
