//! Several items: queries, scans, batches and transactions.

use super::*;

fn filled() -> Room {
    let room = Room::made();
    for n in ["10", "-5", "9", "1e2", "0.5", "-50"] {
        room.put("sorted", json!({"id": {"S": "a"}, "n": {"N": n}, "even": {"BOOL": n.len() % 2 == 0}}));
    }
    room.put("sorted", at("b", "1"));
    room
}

fn numbers(answer: &Value) -> Vec<&str> {
    answer["Items"].as_array().unwrap().iter().map(|item| item["n"]["N"].as_str().unwrap()).collect()
}

fn query(condition: &str, more: Value) -> Value {
    let mut input =
        json!({"TableName": "sorted", "KeyConditionExpression": condition, "ExpressionAttributeValues": {":a": {"S": "a"}}});
    for (member, value) in more.as_object().unwrap() {
        match member.strip_prefix(':') {
            Some(_) => input["ExpressionAttributeValues"][member] = json!({"N": value}),
            None => input[member] = value.clone(),
        }
    }
    input
}

#[test]
fn a_query_is_in_the_order_of_numbers_and_within_its_bounds() {
    let room = filled();
    let asked = |condition: &str, more: Value| room.ok("Query", query(condition, more));
    assert_eq!(numbers(&asked("id = :a", json!({}))), ["-50", "-5", "0.5", "9", "10", "100"]);
    assert_eq!(numbers(&asked("id = :a", json!({"ScanIndexForward": false}))), ["100", "10", "9", "0.5", "-5", "-50"]);
    for (condition, more, expected) in [
        ("id = :a AND n = :n", json!({":n": "9.0"}), &["9"][..]),
        ("id = :a AND n < :n", json!({":n": "9"}), &["-50", "-5", "0.5"]),
        ("id = :a AND n <= :n", json!({":n": "-5"}), &["-50", "-5"]),
        ("id = :a AND n > :n", json!({":n": "9"}), &["10", "100"]),
        (":n <= n AND id = :a", json!({":n": "9"}), &["9", "10", "100"]),
        ("id = :a AND n BETWEEN :n AND :m", json!({":n": "-5", ":m": "9"}), &["-5", "0.5", "9"]),
        ("id = :a AND n > :n", json!({":n": "1000"}), &[]),
    ] {
        assert_eq!(numbers(&asked(condition, more)), expected, "{condition}");
    }
    let counted =
        asked("id = :a", json!({"Select": "COUNT", "FilterExpression": "attribute_exists(even) AND even <> :n", ":n": "0"}));
    assert_eq!(counted.get("Items"), None);
    room.invalid("Query", query("id = :a", json!({"FilterExpression": "n > :n", ":n": "0"})), "Primary key attribute: n");
    room.invalid("Query", query("id = :a", json!({"IndexName": "x"})), "The table does not have the specified index: x");
    room.invalid(
        "Query",
        json!({"TableName": "sorted"}),
        "Either the KeyConditions or KeyConditionExpression parameter must be specified",
    );
    room.invalid(
        "Query",
        query("id = :a", json!({"Select": "SPECIFIC_ATTRIBUTES"})),
        "Must specify the AttributesToGet or ProjectionExpression",
    );
    room.invalid(
        "Query",
        query("id = :a", json!({"Select": "COUNT", "ProjectionExpression": "n"})),
        "Cannot specify the ProjectionExpression",
    );
    room.invalid("Query", query("id = :a", json!({"Limit": 0})), "Value '0' at 'limit' failed to satisfy constraint");
}

#[test]
fn texts_and_bytes_are_found_by_their_beginning() {
    let room = Room::new();
    room.create("texts", &[("id", "B"), ("n", "S")]);
    for n in ["a", "ab", "abc", "b", "é"] {
        room.put("texts", json!({"id": {"B": "AA=="}, "n": {"S": n}}));
    }
    let input = json!({"TableName": "texts", "KeyConditionExpression": "id = :id AND begins_with(n, :n)",
        "ExpressionAttributeValues": {":id": {"B": "AA=="}, ":n": {"S": "ab"}}});
    let found = room.ok("Query", input);
    assert_eq!((found["Items"][0]["n"]["S"].as_str(), found["Count"].as_u64()), (Some("ab"), Some(2)));
}

#[test]
fn pages_of_a_query_follow_each_other_in_both_directions() {
    let room = filled();
    for forward in [true, false] {
        let mut seen = Vec::new();
        let mut start = Value::Null;
        loop {
            let input = query(
                "id = :a AND n > :n",
                json!({":n": "-50", "Limit": 2, "ScanIndexForward": forward, "ExclusiveStartKey": start}),
            );
            let page = room.ok("Query", input);
            seen.extend(numbers(&page).into_iter().map(str::to_owned));
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
            assert_eq!(page["ScannedCount"], 2);
        }
        let expected = ["-5", "0.5", "9", "10", "100"];
        assert_eq!(seen, if forward { expected.to_vec() } else { expected.into_iter().rev().collect() });
    }
    // Also if the last one of all was the last one of the page.
    let page = room.ok("Query", query("id = :a", json!({"Limit": 6})));
    assert_eq!(page["LastEvaluatedKey"], at("a", "100"));
    let empty = room.ok("Query", query("id = :a", json!({"ExclusiveStartKey": at("a", "100")})));
    assert_eq!(empty, json!({"Items": [], "Count": 0, "ScannedCount": 0}));
    let start = |key: Value| query("id = :a AND n > :n", json!({":n": "0", "ExclusiveStartKey": key}));
    room.invalid("Query", start(id("a")), "The provided starting key is invalid");
    room.invalid(
        "Query",
        start(at("b", "1")),
        "The provided starting key is outside query boundaries based on provided conditions",
    );
    room.invalid("Query", start(at("a", "-1")), "The provided starting key does not match the range key predicate");
}

#[test]
fn a_page_ends_with_its_megabyte() {
    let room = Room::made();
    for n in 0..4 {
        room.put("sorted", json!({"id": {"S": "a"}, "n": {"N": n.to_string()}, "v": {"S": "x".repeat(350_000)}}));
    }
    let first = room.ok("Query", query("id = :a", json!({"Select": "COUNT", "ReturnConsumedCapacity": "TOTAL"})));
    let last = at("a", "1");
    assert_eq!((first["Count"].as_u64(), &first["LastEvaluatedKey"]), (Some(2), &last));
    assert_eq!(first["ConsumedCapacity"]["CapacityUnits"], 85.5);
    let second = room.ok("Query", query("id = :a", json!({"Select": "COUNT", "ExclusiveStartKey": last})));
    assert_eq!((second["Count"].as_u64(), second.get("LastEvaluatedKey")), (Some(2), None));
}

#[test]
fn a_scan_sees_each_item_once_also_in_segments() {
    let room = Room::made();
    for n in 0..40 {
        room.put("plain", json!({"id": {"S": n.to_string()}, "n": {"N": n.to_string()}}));
    }
    let scanned = |more: Value| {
        let (mut seen, mut start, mut pages) = (Vec::new(), Value::Null, 0);
        loop {
            let mut input = json!({"TableName": "plain", "Limit": 7, "ExclusiveStartKey": start});
            more.as_object().unwrap().iter().for_each(|(member, value)| input[member] = value.clone());
            let page = room.ok("Scan", input);
            seen.extend(numbers(&page).into_iter().map(|n| n.parse::<u32>().unwrap()));
            pages += 1;
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                return (seen, pages);
            }
        }
    };
    let (mut all, pages) = scanned(json!({}));
    all.sort_unstable();
    assert_eq!((all, pages), ((0..40).collect(), 6));
    let mut parts: Vec<Vec<u32>> = (0..3).map(|segment| scanned(json!({"Segment": segment, "TotalSegments": 3})).0).collect();
    assert!(parts.iter().all(|part| !part.is_empty()));
    let mut whole = parts.concat();
    whole.sort_unstable();
    assert_eq!(whole, Vec::from_iter(0..40));
    parts.clear();
    let filter = json!({"FilterExpression": "n >= :n", "ExpressionAttributeValues": {":n": {"N": "35"}}, "Limit": 100});
    assert_eq!(scanned(filter).0.len(), 5);
    let wrong = |more: Value, text: &str| {
        let mut input = json!({"TableName": "plain"});
        more.as_object().unwrap().iter().for_each(|(member, value)| input[member] = value.clone());
        room.invalid("Scan", input, text);
    };
    wrong(json!({"Segment": 0}), "The TotalSegments parameter is required");
    wrong(json!({"TotalSegments": 2}), "The Segment parameter is required");
    wrong(json!({"Segment": 2, "TotalSegments": 2}), "Segment: 2 is not less than TotalSegments: 2");
    wrong(json!({"Segment": 0, "TotalSegments": 1_000_001}), "at 'totalSegments'");
    wrong(json!({"Select": "ALL_PROJECTED_ATTRIBUTES"}), "can be used only when Scanning using an IndexName");
}

#[test]
fn batches_are_read_and_written() {
    let room = Room::made();
    let put = |name: &str| json!({"PutRequest": {"Item": id(name)}});
    let many = |count: usize| json!({"RequestItems": {"plain": (0..count).map(|n| put(&n.to_string())).collect::<Value>()}});
    assert_eq!(room.ok("BatchWriteItem", many(25)), json!({"UnprocessedItems": {}}));
    room.invalid("BatchWriteItem", many(26), "Too many items requested for the BatchWriteItem call");
    room.invalid("BatchWriteItem", json!({"RequestItems": {}}), "at 'requestItems'");
    room.invalid(
        "BatchWriteItem",
        json!({"RequestItems": {"plain": [put("a"), put("a")]}}),
        "Provided list of item keys contains duplicates",
    );
    room.invalid("BatchWriteItem", json!({"RequestItems": {"plain": [{}]}}), "exactly one of PutRequest and DeleteRequest");
    room.wrong(
        "BatchWriteItem",
        json!({"RequestItems": {"nobody": [put("a")]}}),
        "ResourceNotFoundException",
        "Requested resource not found",
    );
    let both = json!({"RequestItems": {"plain": [{"DeleteRequest": {"Key": id("0")}}, put("new")], "sorted": [{"PutRequest": {"Item": at("a", "1")}}]},
        "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(room.ok("BatchWriteItem", both)["ConsumedCapacity"][0], json!({"TableName": "plain", "CapacityUnits": 2.0}));
    let keys = json!({"RequestItems": {
        "plain": {"Keys": [id("0"), id("1"), id("new")], "ProjectionExpression": "#i", "ExpressionAttributeNames": {"#i": "id"}},
        "sorted": {"Keys": [at("a", "1"), at("a", "2")], "ConsistentRead": true},
    }});
    let found = room.ok("BatchGetItem", keys);
    let expected = json!({"plain": [id("1"), id("new")], "sorted": [at("a", "1")]});
    assert_eq!(found, json!({"Responses": expected, "UnprocessedKeys": {}}));
    let many =
        |count: usize| json!({"RequestItems": {"plain": {"Keys": (0..count).map(|n| id(&n.to_string())).collect::<Value>()}}});
    assert_eq!(room.ok("BatchGetItem", many(100))["Responses"]["plain"].as_array().unwrap().len(), 24);
    room.invalid("BatchGetItem", many(101), "Too many items requested for the BatchGetItem call");
    room.invalid(
        "BatchGetItem",
        json!({"RequestItems": {"plain": {"Keys": [id("a"), id("a")]}}}),
        "Provided list of item keys contains duplicates",
    );
}

#[test]
fn a_transaction_is_made_whole_or_not_at_all_and_tells_why() {
    let room = Room::made();
    room.put("plain", json!({"id": {"S": "a"}, "v": {"N": "1"}}));
    let update = json!({"Update": {"TableName": "plain", "Key": id("a"), "UpdateExpression": "SET v = v + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}});
    let check = |exists: &str| json!({"ConditionCheck": {"TableName": "plain", "Key": id("b"), "ConditionExpression": format!("{exists}(id)")}});
    let put = json!({"Put": {"TableName": "sorted", "Item": at("a", "1")}});
    let error = room.wrong(
        "TransactWriteItems",
        json!({"TransactItems": [put, update, check("attribute_exists")]}),
        "TransactionCanceledException",
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, None, ConditionalCheckFailed]",
    );
    let reasons = json!([{"Code": "None"}, {"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}]);
    let told = body(refusal(&error));
    assert_eq!(told["CancellationReasons"], reasons);
    assert!(told["Message"].as_str().unwrap().starts_with("Transaction cancelled"));
    assert_eq!((room.item("sorted", at("a", "1")), &room.item("plain", id("a"))["v"]["N"]), (Value::Null, &json!("1")));
    let right = json!({"TransactItems": [put, update, check("attribute_not_exists")], "ClientRequestToken": "token"});
    assert_eq!(room.ok("TransactWriteItems", right.clone()), json!({}));
    // The same token is the same transaction, which used nothing now.
    assert_eq!(room.ok("TransactWriteItems", right), json!({}));
    assert_eq!(room.item("plain", id("a"))["v"]["N"], "2");
    let other = json!({"TransactItems": [put], "ClientRequestToken": "token"});
    room.wrong("TransactWriteItems", other, "IdempotentParameterMismatchException", "non-identical request");
    let got = json!({"TransactItems": [{"Get": {"TableName": "plain", "Key": id("a"), "ProjectionExpression": "v"}}, {"Get": {"TableName": "plain", "Key": id("b")}}]});
    assert_eq!(room.ok("TransactGetItems", got), json!({"Responses": [{"Item": {"v": {"N": "2"}}}, {}]}));
    let twice = json!({"TransactItems": [update, {"Delete": {"TableName": "plain", "Key": id("a")}}]});
    room.invalid("TransactWriteItems", twice, "Transaction request cannot include multiple operations on one item");
    room.invalid("TransactWriteItems", json!({"TransactItems": []}), "at 'transactItems'");
    room.invalid(
        "TransactWriteItems",
        json!({"TransactItems": [{}]}),
        "TransactItems can only contain one of Check, Put, Update or Delete",
    );
    let unconditional = json!({"TransactItems": [{"ConditionCheck": {"TableName": "plain", "Key": id("b")}}]});
    room.invalid("TransactWriteItems", unconditional, "conditionExpression");
}
