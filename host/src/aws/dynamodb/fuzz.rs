//! For a fuzz target: an expression of each kind, on an item. Nothing ends the process, and what is read twice means the same.

use std::collections::BTreeMap;

use serde_json::json;

use crate::aws::dynamodb::attribute::ItemValue;
use crate::aws::dynamodb::expression::condition::ItemCondition;
use crate::aws::dynamodb::expression::evaluate::is_satisfied;
use crate::aws::dynamodb::expression::key_condition::KeyCondition;
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::projection::ItemProjection;
use crate::aws::dynamodb::expression::update::ItemUpdate;
use crate::aws::dynamodb::key::{KeyAttribute, KeySchema, KeyType, partition_items};
use crate::aws::dynamodb::number::DecimalNumber;
use crate::aws::dynamodb::wire::attribute_map;

/// A line of JSON, which is an item if it can be, and an expression, or a number.
pub(crate) fn table_expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_number(text);
    let (line, expression) = text.split_once('\n').unwrap_or(("", text));
    let item = serde_json::from_str(line).ok().and_then(|value| attribute_map(&value).ok());
    let item = item.unwrap_or_else(|| BTreeMap::from([("a".to_owned(), ItemValue::L(vec![ItemValue::Null]))]));
    let told = serde_json::to_value(&item).expect("an item is JSON");
    assert_eq!(attribute_map(&told).expect("what was told is read"), item);
    let (names, values) = (json!({"#a": "a", "#b": "b.c"}), json!({":n": {"N": "1"}, ":s": {"S": "x"}, ":l": {"L": []}}));
    let placeholders = || Placeholders::read(Some(&names), Some(&values)).expect("placeholders");
    if let Ok(condition) = ItemCondition::parse("ConditionExpression", expression, &placeholders()) {
        let negated = ItemCondition::parse("ConditionExpression", &format!("NOT ({expression})"), &placeholders());
        // One that is nearly as long, as deep or as full as may be has no room for its negation.
        if let Ok(negated) = negated {
            assert_ne!(is_satisfied(&condition, &item), is_satisfied(&negated, &item));
        }
    }
    if let Ok(update) = ItemUpdate::parse(expression, &placeholders()) {
        let mut updated = item.clone();
        if update.apply(&mut updated).is_ok() && update.only_removes() {
            assert!(updated.len() <= item.len());
        }
    }
    if let Ok(projection) = ItemProjection::parse(expression, &placeholders()) {
        let part = projection.of_item(&item);
        assert!(part.keys().all(|name| item.contains_key(name)));
    }
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let schema = KeySchema { hash: attribute("a", KeyType::S), range: Some(attribute("r", KeyType::N)) };
    if let Ok(condition) = KeyCondition::parse(expression, &placeholders(), &schema) {
        partition_items("t:", condition.range.as_ref());
    }
}

fn check_number(text: &str) {
    let Ok(number) = DecimalNumber::parse(text) else { return };
    assert_eq!(DecimalNumber::parse(&number.to_string()), Ok(number));
    assert_eq!(number.minus(number), Ok(DecimalNumber::default()));
}
