//! One item: written under conditions, read, changed, deleted.

use super::*;
use crate::limits::dynamodb::NAME_BYTES;

#[test]
fn an_item_is_what_was_put() {
    let mut room = Room::made();
    let item = json!({
        "id": {"S": "a"}, "number": {"N": "1E3"}, "bytes": {"B": "AAE="}, "yes": {"BOOL": false}, "null": {"NULL": true},
        "map": {"M": {"": {"S": ""}}}, "list": {"L": []}, "texts": {"SS": ["b", "a"]}, "numbers": {"NS": ["10", "9"]}, "several": {"BS": ["AQ==", "AA=="]}
    });
    // A name within a map has a character, too.
    room.invalid("PutItem", json!({"TableName": "plain", "Item": item}), "An attribute's name has 1 to 65535 bytes");
    let mut item = item;
    item["map"] = json!({"M": {"x": {"S": ""}}});
    room.put("plain", item.clone());
    item["number"] = json!({"N": "1000"});
    item["texts"] = json!({"SS": ["a", "b"]});
    item["numbers"] = json!({"NS": ["9", "10"]});
    item["several"] = json!({"BS": ["AA==", "AQ=="]});
    assert_eq!(room.item("plain", id("a")), item);
    room.restart();
    assert_eq!(room.item("plain", id("a")), item);
    assert_eq!(room.item("plain", id("b")), Value::Null);
    let part = room.ok(
        "GetItem",
        json!({"TableName": "plain", "Key": id("a"), "ProjectionExpression": "#map.x, yes", "ConsistentRead": true,
        "ExpressionAttributeNames": {"#map": "map"}, "ReturnConsumedCapacity": "INDEXES"}),
    );
    assert_eq!(part["Item"], json!({"yes": {"BOOL": false}, "map": {"M": {"x": {"S": ""}}}}));
    assert_eq!(part["ConsumedCapacity"], json!({"TableName": "plain", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}));
}

#[test]
fn what_is_no_value_is_told_in_aws_words() {
    let room = Room::made();
    for (value, text) in [
        (json!({}), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (json!({"X": "a"}), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (json!({"S": "a", "N": "1"}), "Supplied AttributeValue has more than one datatypes set"),
        (json!({"N": "x"}), "The parameter cannot be converted to a numeric value: x"),
        (json!({"N": ""}), "The parameter cannot be converted to a numeric value"),
        (json!({"N": "1e126"}), "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        (json!({"N": "1e-131"}), "Number underflow."),
        (json!({"N": "1".repeat(39)}), "Attempting to store more than 38 significant digits in a Number"),
        (json!({"NULL": false}), "Null attribute value types must have the value of true"),
        (json!({"SS": []}), "An string set  may not be empty"),
        (json!({"NS": []}), "An number set  may not be empty"),
        (json!({"BS": []}), "Binary sets should not be empty"),
        (json!({"SS": ["a", "a"]}), "Input collection [a, a] contains duplicates."),
        (json!({"NS": ["1", "1.0"]}), "Input collection contains duplicates"),
    ] {
        room.invalid("PutItem", json!({"TableName": "plain", "Item": {"id": {"S": "a"}, "v": value}}), text);
    }
    for value in [
        json!({"S": 1}),
        json!({"N": 1}),
        json!("a"),
        json!({"L": {}}),
        json!({"M": []}),
        json!({"B": "?"}),
        json!({"BOOL": "true"}),
    ] {
        room.wrong(
            "PutItem",
            json!({"TableName": "plain", "Item": {"id": {"S": "a"}, "v": value}}),
            "SerializationException",
            "",
        );
    }
    let nested = |levels: usize| {
        let leaf = json!({"S": "leaf"});
        let value = (0..levels)
            .fold(leaf, |inner, level| if level % 2 == 0 { json!({"L": [inner]}) } else { json!({"M": {"a": inner}}) });
        json!({"TableName": "plain", "Item": {"id": {"S": "a"}, "v": value}})
    };
    room.ok("PutItem", nested(31));
    room.ok("PutItem", nested(32));
    room.invalid("PutItem", nested(33), "Nesting Levels have exceeded supported limits");
}

#[test]
fn a_key_fits_its_table() {
    let room = Room::made();
    let put = |item: Value| json!({"TableName": "sorted", "Item": item});
    room.invalid("PutItem", put(id("a")), "One or more parameter values were invalid: Missing the key n in the item");
    room.invalid("PutItem", put(json!({"id": {"S": "a"}, "n": {"S": "1"}})), "Type mismatch for key n expected: N actual: S");
    room.invalid(
        "PutItem",
        put(at("", "1")),
        "The AttributeValue for a key attribute cannot contain an empty string value. Key: id",
    );
    room.invalid("PutItem", put(at(&"x".repeat(2_049), "1")), "Size of hashkey has exceeded the maximum size limit of2048 bytes");
    room.ok("PutItem", put(at(&"x".repeat(2_048), "1")));
    room.create("texts", &[("id", "S"), ("n", "S")]);
    let text = |bytes: usize| json!({"TableName": "texts", "Item": {"id": {"S": "a"}, "n": {"S": "x".repeat(bytes)}}});
    room.ok("PutItem", text(1_024));
    room.invalid("PutItem", text(1_025), "Aggregated size of all range keys has exceeded the size limit of 1024 bytes");
    for key in [
        id("a"),
        json!({"id": {"S": "a"}, "n": {"S": "1"}}),
        json!({"id": {"S": "a"}, "n": {"N": "1"}, "x": {"N": "1"}}),
        json!({}),
    ] {
        for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
            room.invalid(
                operation,
                json!({"TableName": "sorted", "Key": key}),
                "The provided key element does not match the schema",
            );
        }
    }
    room.invalid(
        "GetItem",
        json!({"TableName": "sorted"}),
        "Value null at 'key' failed to satisfy constraint: Member must not be null",
    );
    for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
        room.wrong(
            operation,
            json!({"TableName": "nobody", "Key": id("a")}),
            "ResourceNotFoundException",
            "Requested resource not found",
        );
    }
    // Equal numbers are one key.
    room.put("sorted", json!({"id": {"S": "same"}, "n": {"N": "1.0"}, "v": {"S": "old"}}));
    room.put("sorted", json!({"id": {"S": "same"}, "n": {"N": "10e-1"}, "v": {"S": "new"}}));
    assert_eq!(room.item("sorted", at("same", "1"))["v"]["S"], "new");
}

#[test]
fn an_item_has_a_size() {
    let room = Room::made();
    let of = |bytes: usize| json!({"TableName": "plain", "Item": {"id": {"S": "a"}, "v": {"S": "x".repeat(bytes - 4)}}});
    room.ok("PutItem", of(400 << 10));
    assert_eq!(room.count("plain"), (1, 400 << 10));
    room.invalid("PutItem", of((400 << 10) + 1), "Item size has exceeded the maximum allowed size");
    let longer = json!({"TableName": "plain", "Key": id("a"), "UpdateExpression": "SET w = :w", "ExpressionAttributeValues": {":w": {"S": ""}}});
    room.invalid("UpdateItem", longer, "Item size to update has exceeded the maximum allowed size");
    // However it is made: nothing is made that is larger than an item.
    let list: Vec<Value> = (0..100).map(|_| json!({"S": "x".repeat(1_100)})).collect();
    let twice = |inner: &str| format!("list_append({inner}, {inner})");
    for (update, values) in [
        (format!("SET w = {}", twice(&twice(":l"))), json!({":l": {"L": list}})),
        ("SET w = :l, x = :l, y = :l, z = :l, a = :l".to_owned(), json!({":l": {"L": list}})),
        ("SET w = :w".to_owned(), json!({":w": {"S": "x".repeat(1 << 20)}})),
    ] {
        let larger =
            json!({"TableName": "plain", "Key": id("b"), "UpdateExpression": update, "ExpressionAttributeValues": values});
        room.invalid("UpdateItem", larger, "Item size to update has exceeded the maximum allowed size");
    }
    // A name that could not be read again is not written.
    for (bytes, fits) in [(NAME_BYTES, true), (NAME_BYTES + 1, false)] {
        let named = json!({"TableName": "plain", "Key": id("c"), "UpdateExpression": "SET #n = :v",
            "ExpressionAttributeNames": {"#n": "n".repeat(bytes)}, "ExpressionAttributeValues": {":v": {"N": "1"}}});
        match fits {
            true => drop(room.ok("UpdateItem", named)),
            false => room.invalid("UpdateItem", named, "Attribute name is too large"),
        }
    }
    assert_eq!(room.item("plain", id("c"))["n".repeat(NAME_BYTES)]["N"], "1");
    room.ok("DeleteItem", json!({"TableName": "plain", "Key": id("c")}));
    room.ok("DeleteItem", json!({"TableName": "plain", "Key": id("a")}));
    assert_eq!(room.count("plain"), (0, 0));
}

#[test]
fn a_condition_decides_and_tells_the_item_if_asked() {
    let room = Room::made();
    let first = json!({"TableName": "plain", "Item": {"id": {"S": "a"}, "v": {"N": "1"}}, "ConditionExpression": "attribute_not_exists(id)"});
    room.ok("PutItem", first.clone());
    let error = room.wrong("PutItem", first.clone(), "ConditionalCheckFailedException", "The conditional request failed");
    assert!(error.members.is_empty());
    let mut telling = first;
    telling["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let error = room.wrong("PutItem", telling, "ConditionalCheckFailedException", "");
    assert_eq!(error.members["Item"], json!({"id": {"S": "a"}, "v": {"N": "1"}}));
    let told = body(refusal(&error));
    assert_eq!(told["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
    let older = json!({"TableName": "plain", "Key": id("a"), "ConditionExpression": "v > :v", "ExpressionAttributeValues": {":v": {"N": "1"}}});
    room.wrong("DeleteItem", older.clone(), "ConditionalCheckFailedException", "");
    room.wrong("UpdateItem", older, "ConditionalCheckFailedException", "");
    let unused = json!({"TableName": "plain", "Key": id("a"), "ConditionExpression": "v > :v",
        "ExpressionAttributeValues": {":v": {"N": "0"}, ":w": {"N": "0"}}});
    room.invalid("DeleteItem", unused, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}");
    let without = json!({"TableName": "plain", "Key": id("a"), "ExpressionAttributeValues": {":v": {"N": "0"}}});
    room.invalid(
        "UpdateItem",
        without,
        "only be specified when using expressions: UpdateExpression and ConditionExpression are null",
    );
}

#[test]
fn answers_tell_what_return_values_ask_for() {
    let room = Room::made();
    room.put("plain", json!({"id": {"S": "a"}, "v": {"N": "1"}, "w": {"N": "5"}}));
    let update = |values: &str| {
        let answer = room.ok(
            "UpdateItem",
            json!({"TableName": "plain", "Key": id("a"), "ReturnValues": values,
            "UpdateExpression": "SET v = v + :one REMOVE q", "ExpressionAttributeValues": {":one": {"N": "1"}}}),
        );
        answer["Attributes"].clone()
    };
    assert_eq!(update("NONE"), Value::Null);
    assert_eq!(update("ALL_OLD"), json!({"id": {"S": "a"}, "v": {"N": "2"}, "w": {"N": "5"}}));
    assert_eq!(update("ALL_NEW"), json!({"id": {"S": "a"}, "v": {"N": "4"}, "w": {"N": "5"}}));
    assert_eq!(update("UPDATED_OLD"), json!({"v": {"N": "4"}}));
    assert_eq!(update("UPDATED_NEW"), json!({"v": {"N": "6"}}));
    let put = |values: &str| json!({"TableName": "plain", "Item": id("a"), "ReturnValues": values});
    assert_eq!(room.ok("PutItem", put("ALL_OLD"))["Attributes"]["v"]["N"], "6");
    room.invalid("PutItem", put("ALL_NEW"), "ReturnValues can only be ALL_OLD or NONE");
    room.invalid("PutItem", put("SOME"), "at 'returnValues' failed to satisfy constraint");
    let delete = json!({"TableName": "plain", "Key": id("a"), "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"});
    let deleted = room.ok("DeleteItem", delete.clone());
    assert_eq!(deleted, json!({"Attributes": id("a"), "ConsumedCapacity": {"TableName": "plain", "CapacityUnits": 1.0}}));
    assert_eq!(room.ok("DeleteItem", delete).get("Attributes"), None);
}

#[test]
fn an_update_makes_an_item_unless_it_only_removes() {
    let room = Room::made();
    let update = |name: &str, text: &str| {
        room.ok("UpdateItem", json!({"TableName": "plain", "Key": id(name), "UpdateExpression": text}));
        room.item("plain", id(name))
    };
    assert_eq!(update("removed", "REMOVE v"), Value::Null);
    room.ok("UpdateItem", json!({"TableName": "plain", "Key": id("empty")}));
    assert_eq!(room.item("plain", id("empty")), id("empty"));
    let counted = json!({"TableName": "plain", "Key": id("counter"), "UpdateExpression": "ADD hits :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW"});
    for n in 1..=3 {
        assert_eq!(room.ok("UpdateItem", counted.clone())["Attributes"]["hits"]["N"], n.to_string());
    }
    let of_key = json!({"TableName": "plain", "Key": id("a"), "UpdateExpression": "REMOVE id"});
    room.invalid("UpdateItem", of_key, "Cannot update attribute id. This attribute is part of the key");
}

#[test]
fn what_was_before_expressions_is_refused_by_name() {
    let room = Room::made();
    for (operation, member) in [
        ("PutItem", "Expected"),
        ("UpdateItem", "AttributeUpdates"),
        ("DeleteItem", "ConditionalOperator"),
        ("GetItem", "AttributesToGet"),
        ("Query", "KeyConditions"),
        ("Scan", "ScanFilter"),
    ] {
        let error = room.ask(operation, &json!({"TableName": "plain", "Key": id("a"), "Item": id("a"), member: {}})).unwrap_err();
        assert_eq!(error.code, "UnknownOperationException");
        assert!(error.message.unwrap().starts_with(&format!("{member} of {operation} is not supported here")));
    }
}

#[test]
fn of_those_who_want_to_be_first_one_is() {
    let room = Room::made();
    let won: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let room = &room;
                scope.spawn(move || {
                    (0..20)
                        .filter(|round| {
                            let item = json!({"id": {"S": round.to_string()}, "by": {"N": racer.to_string()}});
                            let input =
                                json!({"TableName": "plain", "Item": item, "ConditionExpression": "attribute_not_exists(id)"});
                            room.ask("PutItem", &input).is_ok()
                        })
                        .count()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!((won, room.count("plain").0), (20, 20));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let add = json!({"TableName": "plain", "Key": id("counter"), "UpdateExpression": "ADD hits :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}}});
                (0..10).for_each(|_| drop(room.ok("UpdateItem", add.clone())));
            });
        }
    });
    assert_eq!(room.item("plain", id("counter"))["hits"]["N"], "80");
}

#[test]
fn a_body_that_is_none_is_refused_without_it() {
    let room = Room::made();
    for body in ["", "[]", "{", "{\"TableName\": 734512}", "{\"Item\": {\"a\": 734512}"] {
        let mut request = request("PutItem", 0, &json!({}));
        request.body = body.as_bytes().to_vec().into();
        let error = room.tables().answer(&request).1.unwrap_err();
        assert_eq!(error.code, "SerializationException", "{body}");
        assert!(!error.message.as_deref().unwrap().contains("734512"), "{error}");
        let told = super::body(refusal(&error));
        assert_eq!(told["__type"], "com.amazon.coral.service#SerializationException");
    }
}
