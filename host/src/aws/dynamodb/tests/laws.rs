//! What holds whatever is done: a table is as a map in memory would be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, i8, u8),
    PutFirst(u8, i8, u8),
    Add(u8, i8, u8),
    RemoveIf(u8, i8, u8),
    Delete(u8, i8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (id, n, value) = (0_u8..3, -4_i8..4, 0_u8..3);
    prop_oneof![
        4 => (id.clone(), n.clone(), value.clone()).prop_map(|(id, n, value)| Step::Put(id, n, value)),
        3 => (id.clone(), n.clone(), value.clone()).prop_map(|(id, n, value)| Step::PutFirst(id, n, value)),
        3 => (id.clone(), n.clone(), value.clone()).prop_map(|(id, n, value)| Step::Add(id, n, value)),
        3 => (id.clone(), n.clone(), value).prop_map(|(id, n, value)| Step::RemoveIf(id, n, value)),
        2 => (id, n).prop_map(|(id, n)| Step::Delete(id, n)),
        1 => Just(Step::Restart),
    ]
}

/// By hash and range key: the value, if there is one.
type Model = BTreeMap<(u8, i8), Option<u32>>;

fn key(id: u8, n: i8) -> Value {
    at(&id.to_string(), &n.to_string())
}

fn with(mut key: Value, value: Option<u32>) -> Value {
    if let Some(value) = value {
        key["v"] = json!({"N": value.to_string()});
    }
    key
}

/// Makes a step in both, which must come to the same end.
fn make(room: &mut Room, model: &mut Model, step: &Step) {
    let failed = |answer: Result<Value, ApiError>| answer.is_err_and(|error| error.code == "ConditionalCheckFailedException");
    match *step {
        Step::Put(id, n, value) => {
            room.put("sorted", with(key(id, n), Some(value.into())));
            model.insert((id, n), Some(value.into()));
        }
        Step::PutFirst(id, n, value) => {
            let item = with(key(id, n), Some(value.into()));
            let input = json!({"TableName": "sorted", "Item": item, "ConditionExpression": "attribute_not_exists(id)"});
            assert_eq!(failed(room.ask("PutItem", &input)), model.contains_key(&(id, n)));
            model.entry((id, n)).or_insert(Some(value.into()));
        }
        Step::Add(id, n, value) => {
            let input = json!({"TableName": "sorted", "Key": key(id, n), "UpdateExpression": "SET v = if_not_exists(v, :zero) + :v",
                "ExpressionAttributeValues": {":v": {"N": value.to_string()}, ":zero": {"N": "0"}}});
            room.ok("UpdateItem", input);
            let there = model.entry((id, n)).or_default();
            *there = Some(there.unwrap_or(0) + u32::from(value));
        }
        Step::RemoveIf(id, n, value) => {
            let input = json!({"TableName": "sorted", "Key": key(id, n), "UpdateExpression": "REMOVE v",
                "ConditionExpression": "v >= :v", "ExpressionAttributeValues": {":v": {"N": value.to_string()}}});
            let there = model.get_mut(&(id, n)).filter(|there| there.is_some_and(|there| there >= value.into()));
            assert_eq!(failed(room.ask("UpdateItem", &input)), there.is_none());
            if let Some(there) = there {
                *there = None;
            }
        }
        Step::Delete(id, n) => {
            room.ok("DeleteItem", json!({"TableName": "sorted", "Key": key(id, n)}));
            model.remove(&(id, n));
        }
        Step::Restart => room.restart(),
    }
}

fn check(room: &Room, model: &Model, limit: usize) {
    assert_eq!(room.count("sorted").0, model.len() as u64);
    for id in 0..3_u8 {
        for forward in [true, false] {
            let (mut found, mut start) = (Vec::new(), Value::Null);
            loop {
                let input = json!({"TableName": "sorted", "KeyConditionExpression": "id = :id AND n BETWEEN :low AND :high", "Limit": limit,
                    "ScanIndexForward": forward, "ExclusiveStartKey": start,
                    "ExpressionAttributeValues": {":id": {"S": id.to_string()}, ":low": {"N": "-3"}, ":high": {"N": "2.5"}}});
                let page = room.ok("Query", input);
                found.extend(page["Items"].as_array().unwrap().clone());
                start = page["LastEvaluatedKey"].clone();
                if start.is_null() {
                    break;
                }
            }
            let mut expected: Vec<Value> =
                model.range((id, -3)..=(id, 2)).map(|((id, n), value)| with(key(*id, *n), *value)).collect();
            if !forward {
                expected.reverse();
            }
            assert_eq!(found, expected);
        }
    }
    let scanned = room.ok("Scan", json!({"TableName": "sorted", "Select": "COUNT"}));
    assert_eq!(scanned["Count"], model.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_as_a_map_in_memory(steps in prop::collection::vec(step(), 1..24), limit in 1_usize..4) {
        let (mut room, mut model) = (Room::made(), Model::new());
        for step in &steps {
            make(&mut room, &mut model, step);
        }
        check(&room, &model, limit);
    }
}
