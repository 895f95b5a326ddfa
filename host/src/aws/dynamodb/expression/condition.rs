//! A condition, read: `attribute_not_exists(id) OR (#n BETWEEN :low AND :high AND NOT contains(tags, :tag))`.

use std::sync::Arc;

use crate::aws::dynamodb::attribute::ItemValue;
use crate::aws::dynamodb::expression::path::DocumentPath;
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::reader::ExpressionReader;
use crate::aws::dynamodb::expression::token::ExpressionToken;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::IN_OPERANDS;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemCondition {
    All(Vec<ItemCondition>),
    Any(Vec<ItemCondition>),
    Not(Box<ItemCondition>),
    Compare(ValueOrder, ConditionOperand, ConditionOperand),
    Between(ConditionOperand, ConditionOperand, ConditionOperand),
    In(ConditionOperand, Vec<ConditionOperand>),
    Exists(DocumentPath),
    NotExists(DocumentPath),
    HasType(ConditionOperand, String),
    BeginsWith(ConditionOperand, ConditionOperand),
    Contains(ConditionOperand, ConditionOperand),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOrder {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConditionOperand {
    Path(DocumentPath),
    Value(Arc<ItemValue>),
    /// `size(…)`
    Size(Box<ConditionOperand>),
}

const COMPARATORS: [(&str, ValueOrder); 6] = [
    ("=", ValueOrder::Equal),
    ("<>", ValueOrder::NotEqual),
    ("<", ValueOrder::Less),
    ("<=", ValueOrder::LessOrEqual),
    (">", ValueOrder::Greater),
    (">=", ValueOrder::GreaterOrEqual),
];

const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

impl ValueOrder {
    pub fn sign(self) -> &'static str {
        COMPARATORS.iter().find(|(_, order)| *order == self).map_or("", |(sign, _)| sign)
    }
}

impl ItemCondition {
    /// # Errors
    /// `ValidationException`, with AWS's text.
    pub fn parse(label: &'static str, text: &str, placeholders: &Placeholders) -> Result<ItemCondition, ApiError> {
        let mut reader = ExpressionReader::open(label, text, placeholders)?;
        let (condition, _) = any(&mut reader)?;
        reader.finish()?;
        Ok(condition)
    }

    /// The names of the attributes that it looks at.
    pub fn tops(&self) -> Vec<&str> {
        match self {
            ItemCondition::All(parts) | ItemCondition::Any(parts) => parts.iter().flat_map(ItemCondition::tops).collect(),
            ItemCondition::Not(inner) => inner.tops(),
            ItemCondition::Compare(_, left, right)
            | ItemCondition::BeginsWith(left, right)
            | ItemCondition::Contains(left, right) => [left, right].into_iter().filter_map(ConditionOperand::top).collect(),
            ItemCondition::Between(of, low, high) => [of, low, high].into_iter().filter_map(ConditionOperand::top).collect(),
            ItemCondition::In(of, among) => std::iter::once(of).chain(among).filter_map(ConditionOperand::top).collect(),
            ItemCondition::Exists(path) | ItemCondition::NotExists(path) => vec![&path.top],
            ItemCondition::HasType(of, _) => of.top().into_iter().collect(),
        }
    }
}

impl ConditionOperand {
    fn top(&self) -> Option<&str> {
        match self {
            ConditionOperand::Path(path) => Some(&path.top),
            ConditionOperand::Value(_) => None,
            ConditionOperand::Size(of) => of.top(),
        }
    }
}

/// Whether all that was read stands in parentheses.
type Enclosed = bool;

fn any(reader: &mut ExpressionReader<'_>) -> Result<(ItemCondition, Enclosed), ApiError> {
    joined(reader, "OR", all, ItemCondition::Any)
}

fn all(reader: &mut ExpressionReader<'_>) -> Result<(ItemCondition, Enclosed), ApiError> {
    joined(reader, "AND", not, ItemCondition::All)
}

fn joined(
    reader: &mut ExpressionReader<'_>,
    keyword: &str,
    part: fn(&mut ExpressionReader<'_>) -> Result<(ItemCondition, Enclosed), ApiError>,
    join: fn(Vec<ItemCondition>) -> ItemCondition,
) -> Result<(ItemCondition, Enclosed), ApiError> {
    let (first, enclosed) = part(reader)?;
    if !reader.is_keyword(keyword) {
        return Ok((first, enclosed));
    }
    let mut parts = vec![first];
    while reader.take_keyword(keyword) {
        reader.count()?;
        parts.push(part(reader)?.0);
    }
    Ok((join(parts), false))
}

fn not(reader: &mut ExpressionReader<'_>) -> Result<(ItemCondition, Enclosed), ApiError> {
    if !reader.take_keyword("NOT") {
        return single(reader);
    }
    reader.count()?;
    let (inner, _) = reader.within(not)?;
    Ok((ItemCondition::Not(Box::new(inner)), false))
}

fn single(reader: &mut ExpressionReader<'_>) -> Result<(ItemCondition, Enclosed), ApiError> {
    if reader.take_sign("(") {
        let (inner, enclosed) = reader.within(any)?;
        reader.expect_sign(")")?;
        if enclosed {
            return Err(reader.fault("The expression has redundant parentheses;"));
        }
        return Ok((inner, true));
    }
    let condition = match reader.take_function() {
        Some("size") => {
            let size = size(reader)?;
            if matches!(reader.peek(), None | Some(ExpressionToken::Sign(")"))) {
                return Err(misused(reader, "size"));
            }
            compared(reader, size)?
        }
        Some(name) => {
            let condition = function(reader, name)?;
            if matches!(reader.peek(), Some(ExpressionToken::Sign(sign)) if sign != ")") {
                return Err(misused(reader, name));
            }
            condition
        }
        None => {
            let operand = operand(reader)?;
            compared(reader, operand)?
        }
    };
    Ok((condition, false))
}

/// What stands behind the first operand.
fn compared(reader: &mut ExpressionReader<'_>, left: ConditionOperand) -> Result<ItemCondition, ApiError> {
    if reader.take_keyword("BETWEEN") {
        reader.count()?;
        let low = operand(reader)?;
        if !reader.take_keyword("AND") {
            return Err(reader.unexpected());
        }
        let high = operand(reader)?;
        check_bounds(reader, &low, &high)?;
        return Ok(ItemCondition::Between(left, low, high));
    }
    if reader.take_keyword("IN") {
        reader.count()?;
        reader.expect_sign("(")?;
        let mut among = vec![operand(reader)?];
        let mut count = among.len();
        while reader.take_sign(",") {
            let one = operand(reader)?;
            count += 1;
            // The rest is only counted.
            if count <= IN_OPERANDS {
                among.push(one);
            }
        }
        reader.expect_sign(")")?;
        if count > IN_OPERANDS {
            return Err(number_of_operands(reader, "IN", count + 1));
        }
        return Ok(ItemCondition::In(left, among));
    }
    let Some(ExpressionToken::Sign(sign)) = reader.peek() else { return Err(reader.unexpected()) };
    let Some((sign, order)) = COMPARATORS.iter().find(|(known, _)| *known == sign) else { return Err(reader.unexpected()) };
    reader.take_sign(sign);
    reader.count()?;
    let right = operand(reader)?;
    check_distinct(reader, sign, &left, &right)?;
    if !matches!(order, ValueOrder::Equal | ValueOrder::NotEqual) {
        for value in [&left, &right].into_iter().filter_map(literal) {
            if !is_ordered(value) {
                return Err(operand_type(reader, "operator", sign, value.long_type_name()));
            }
        }
    }
    Ok(ItemCondition::Compare(*order, left, right))
}

fn operand(reader: &mut ExpressionReader<'_>) -> Result<ConditionOperand, ApiError> {
    if let Some(value) = reader.take_value()? {
        return Ok(ConditionOperand::Value(value));
    }
    match reader.take_function() {
        Some("size") => size(reader),
        Some(name) if is_function(name) => Err(misused(reader, name)),
        Some(name) => Err(reader.fault(&format!("Invalid function name; function: {name}"))),
        None => reader.path().map(ConditionOperand::Path),
    }
}

/// The operands of a function, behind its opening parenthesis.
fn operands(reader: &mut ExpressionReader<'_>, name: &str, count: usize) -> Result<Vec<ConditionOperand>, ApiError> {
    reader.count()?;
    let mut operands = Vec::new();
    if !reader.take_sign(")") {
        operands.push(reader.within(operand)?);
        while reader.take_sign(",") {
            operands.push(reader.within(operand)?);
        }
        reader.expect_sign(")")?;
    }
    if operands.len() != count {
        return Err(number_of_operands(reader, name, operands.len()));
    }
    if let [first, second] = &operands[..] {
        check_distinct(reader, name, first, second)?;
    }
    Ok(operands)
}

fn size(reader: &mut ExpressionReader<'_>) -> Result<ConditionOperand, ApiError> {
    let of = operands(reader, "size", 1)?.remove(0);
    match &of {
        ConditionOperand::Size(_) => return Err(misused(reader, "size")),
        ConditionOperand::Value(value) if matches!(**value, ItemValue::N(_) | ItemValue::Bool(_) | ItemValue::Null) => {
            return Err(operand_type(reader, "operator or function", "size", value.type_name()));
        }
        _ => {}
    }
    Ok(ConditionOperand::Size(Box::new(of)))
}

const FUNCTIONS: [&str; 6] = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"];

fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

fn function(reader: &mut ExpressionReader<'_>, name: &str) -> Result<ItemCondition, ApiError> {
    if !is_function(name) {
        return Err(reader.fault(&format!("Invalid function name; function: {name}")));
    }
    let count = if name.ends_with("exists") { 1 } else { 2 };
    let mut operands = operands(reader, name, count)?.into_iter();
    let (Some(first), second) = (operands.next(), operands.next()) else { return Err(reader.unexpected()) };
    let Some(second) = second else {
        let ConditionOperand::Path(path) = first else {
            let message = format!("Operator or function requires a document path; operator or function: {name}");
            return Err(reader.fault(&message));
        };
        return Ok(if name == "attribute_exists" { ItemCondition::Exists(path) } else { ItemCondition::NotExists(path) });
    };
    match name {
        "attribute_type" => match literal(&second) {
            Some(ItemValue::S(kind)) if TYPES.contains(&kind.as_str()) => Ok(ItemCondition::HasType(first, kind.clone())),
            Some(ItemValue::S(kind)) => {
                let types = TYPES.join(",");
                Err(reader.fault(&format!("Invalid attribute type name found; type: {kind}, valid types: {{{types}}}")))
            }
            Some(other) => Err(operand_type(reader, "operator or function", name, other.type_name())),
            None => Err(operand_type(reader, "operator or function", name, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")),
        },
        "begins_with" => {
            for operand in [&first, &second] {
                match literal(operand) {
                    None | Some(ItemValue::S(_) | ItemValue::B(_)) => {}
                    Some(other) => return Err(operand_type(reader, "operator or function", name, other.type_name())),
                }
            }
            Ok(ItemCondition::BeginsWith(first, second))
        }
        _ => Ok(ItemCondition::Contains(first, second)),
    }
}

fn literal(operand: &ConditionOperand) -> Option<&ItemValue> {
    match operand {
        ConditionOperand::Value(value) => Some(value),
        _ => None,
    }
}

/// Whether values of its type are less and greater.
fn is_ordered(value: &ItemValue) -> bool {
    matches!(value, ItemValue::S(_) | ItemValue::N(_) | ItemValue::B(_))
}

fn check_bounds(reader: &ExpressionReader<'_>, low: &ConditionOperand, high: &ConditionOperand) -> Result<(), ApiError> {
    let (Some(low), Some(high)) = (literal(low), literal(high)) else { return Ok(()) };
    let is_above = match (low, high) {
        (ItemValue::S(low), ItemValue::S(high)) => low > high,
        (ItemValue::N(low), ItemValue::N(high)) => low > high,
        (ItemValue::B(low), ItemValue::B(high)) => low > high,
        (low, high) if is_ordered(low) && is_ordered(high) => {
            return Err(bounds(reader, "same data type for lower and upper bounds", low, high));
        }
        (low, high) => {
            let wrong = if is_ordered(low) { high } else { low };
            return Err(operand_type(reader, "operator", "BETWEEN", wrong.long_type_name()));
        }
    };
    if is_above {
        return Err(bounds(reader, "upper bound to be greater than or equal to lower bound", low, high));
    }
    Ok(())
}

fn bounds(reader: &ExpressionReader<'_>, what: &str, low: &ItemValue, high: &ItemValue) -> ApiError {
    let told = |value: &ItemValue| match value {
        ItemValue::S(text) => format!("AttributeValue: {{S:{text}}}"),
        ItemValue::N(number) => format!("AttributeValue: {{N:{number}}}"),
        other => format!("AttributeValue: {{{}}}", other.type_name()),
    };
    let (low, high) = (told(low), told(high));
    reader.fault(&format!("The BETWEEN operator requires {what}; lower bound operand: {low}, upper bound operand: {high}"))
}

fn check_distinct(
    reader: &ExpressionReader<'_>,
    name: &str,
    first: &ConditionOperand,
    second: &ConditionOperand,
) -> Result<(), ApiError> {
    match (first, second) {
        (ConditionOperand::Path(first), ConditionOperand::Path(second)) if first == second => {
            let what = "The first operand must be distinct from the remaining operands for this operator or function";
            Err(reader.fault(&format!("{what}; operator: {name}, first operand: {first}")))
        }
        _ => Ok(()),
    }
}

fn number_of_operands(reader: &ExpressionReader<'_>, name: &str, count: usize) -> ApiError {
    let what = "Incorrect number of operands for operator or function";
    reader.fault(&format!("{what}; operator or function: {name}, number of operands: {count}"))
}

fn operand_type(reader: &ExpressionReader<'_>, what: &str, name: &str, kind: &str) -> ApiError {
    reader.fault(&format!("Incorrect operand type for operator or function; {what}: {name}, operand type: {kind}"))
}

fn misused(reader: &ExpressionReader<'_>, name: &str) -> ApiError {
    reader.fault(&format!("The function is not allowed to be used this way in an expression; function: {name}"))
}
