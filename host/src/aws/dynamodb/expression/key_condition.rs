//! The condition of a query: a hash key, and what is asked of range keys.

use std::sync::Arc;

use crate::aws::dynamodb::attribute::ItemValue;
use crate::aws::dynamodb::expression::condition::{ConditionOperand, ItemCondition, ValueOrder};
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::key::{KeyAttribute, KeySchema, RangeCondition};
use crate::aws::dynamodb::refusals::{invalid, parameters};
use crate::aws::error::ApiError;

const LABEL: &str = "KeyConditionExpression";

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyCondition {
    pub hash: ItemValue,
    pub range: Option<RangeCondition>,
}

impl KeyCondition {
    pub fn parse(text: &str, placeholders: &Placeholders, schema: &KeySchema) -> Result<KeyCondition, ApiError> {
        let mut parts = Vec::new();
        flatten(ItemCondition::parse(LABEL, text, placeholders)?, &mut parts)?;
        let mut named = parts.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let mut take = |attribute: &KeyAttribute| -> Result<Option<RangeCondition>, ApiError> {
            let Some(at) = named.iter().position(|(name, _)| *name == attribute.name) else { return Ok(None) };
            let (name, condition) = named.swap_remove(at);
            if named.iter().any(|(other, _)| *other == name) {
                return Err(fault("KeyConditionExpressions must only contain one condition per key"));
            }
            check_type(attribute, &condition)?;
            Ok(Some(condition))
        };
        let hash = take(&schema.hash)?;
        let range = schema.range.as_ref().map(&mut take).transpose()?.flatten();
        let Some(hash) = hash else {
            return Err(invalid(format!("Query condition missed key schema element: {}", schema.hash.name)));
        };
        if !named.is_empty() {
            return Err(match &schema.range {
                Some(attribute) if range.is_none() => {
                    invalid(format!("Query condition missed key schema element: {}", attribute.name))
                }
                _ => invalid("Query key condition not supported"),
            });
        }
        let RangeCondition::Equal(hash) = hash else { return Err(invalid("Query key condition not supported")) };
        Ok(KeyCondition { hash, range })
    }
}

fn flatten(condition: ItemCondition, parts: &mut Vec<ItemCondition>) -> Result<(), ApiError> {
    match condition {
        ItemCondition::All(inner) => inner.into_iter().try_for_each(|part| flatten(part, parts)),
        ItemCondition::Any(_) => Err(operator("OR")),
        ItemCondition::Not(_) => Err(operator("NOT")),
        other => {
            parts.push(other);
            Ok(())
        }
    }
}

/// A condition on one key, and the key's name.
fn one(condition: ItemCondition) -> Result<(String, RangeCondition), ApiError> {
    match condition {
        ItemCondition::Compare(order, left, right) => {
            let (name, value, order) = match (left, right) {
                (left @ (ConditionOperand::Path(_) | ConditionOperand::Size(_)), right) => (name(left)?, value(right)?, order),
                (left, right) => (name(right)?, value(left)?, mirrored(order)),
            };
            let condition = match order {
                ValueOrder::Equal => RangeCondition::Equal(value),
                ValueOrder::Less => RangeCondition::Less(value),
                ValueOrder::LessOrEqual => RangeCondition::LessOrEqual(value),
                ValueOrder::Greater => RangeCondition::Greater(value),
                ValueOrder::GreaterOrEqual => RangeCondition::GreaterOrEqual(value),
                ValueOrder::NotEqual => return Err(operator(order.sign())),
            };
            Ok((name, condition))
        }
        ItemCondition::Between(of, low, high) => Ok((name(of)?, RangeCondition::Between(value(low)?, value(high)?))),
        ItemCondition::BeginsWith(of, prefix) => Ok((name(of)?, RangeCondition::BeginsWith(value(prefix)?))),
        ItemCondition::In(..) => Err(operator("IN")),
        ItemCondition::Exists(_) => Err(operator("attribute_exists")),
        ItemCondition::NotExists(_) => Err(operator("attribute_not_exists")),
        ItemCondition::HasType(..) => Err(operator("attribute_type")),
        ItemCondition::Contains(..) => Err(operator("contains")),
        ItemCondition::All(_) | ItemCondition::Any(_) | ItemCondition::Not(_) => {
            Err(fault("KeyConditionExpressions cannot contain nested operations"))
        }
    }
}

fn mirrored(order: ValueOrder) -> ValueOrder {
    match order {
        ValueOrder::Less => ValueOrder::Greater,
        ValueOrder::LessOrEqual => ValueOrder::GreaterOrEqual,
        ValueOrder::Greater => ValueOrder::Less,
        ValueOrder::GreaterOrEqual => ValueOrder::LessOrEqual,
        order => order,
    }
}

fn name(operand: ConditionOperand) -> Result<String, ApiError> {
    match operand {
        ConditionOperand::Path(path) if path.steps.is_empty() => Ok(path.top),
        ConditionOperand::Path(_) => Err(fault("KeyConditionExpressions cannot have conditions on nested attributes")),
        ConditionOperand::Size(_) => Err(fault("KeyConditionExpressions cannot contain nested operations")),
        ConditionOperand::Value(_) => Err(fault("Invalid condition in KeyConditionExpression: No key attribute specified")),
    }
}

fn value(operand: ConditionOperand) -> Result<ItemValue, ApiError> {
    match operand {
        ConditionOperand::Value(value) => Ok(Arc::unwrap_or_clone(value)),
        ConditionOperand::Size(_) => Err(fault("KeyConditionExpressions cannot contain nested operations")),
        ConditionOperand::Path(_) => {
            Err(fault("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"))
        }
    }
}

fn check_type(attribute: &KeyAttribute, condition: &RangeCondition) -> Result<(), ApiError> {
    let fits = match condition {
        RangeCondition::Between(low, high) => attribute.kind.fits(low) && attribute.kind.fits(high),
        RangeCondition::Equal(value)
        | RangeCondition::Less(value)
        | RangeCondition::LessOrEqual(value)
        | RangeCondition::Greater(value)
        | RangeCondition::GreaterOrEqual(value)
        | RangeCondition::BeginsWith(value) => attribute.kind.fits(value),
    };
    if fits { Ok(()) } else { Err(parameters("Condition parameter type does not match schema type")) }
}

fn operator(name: &str) -> ApiError {
    fault(&format!("Invalid operator used in KeyConditionExpression: {name}"))
}

fn fault(message: &str) -> ApiError {
    invalid(format!("Invalid {LABEL}: {message}"))
}
