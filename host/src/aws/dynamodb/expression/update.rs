//! An update, read and applied: `SET n = if_not_exists(n, :zero) + :one REMOVE tags[0] ADD seen :now DELETE colors :red`.
//!
//! All values are taken from the item as it was; then each action is applied. Elements are removed last, from the end of their
//! list, so that indices mean what they meant before.

use std::sync::Arc;

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};
use crate::aws::dynamodb::expression::path::{DocumentPath, PathStep};
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::reader::ExpressionReader;
use crate::aws::dynamodb::refusals::invalid;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::ITEM_BYTES;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemUpdate(Vec<(DocumentPath, UpdateAction)>);

#[derive(Debug, Clone, PartialEq)]
enum UpdateAction {
    Set(UpdateValue),
    Remove,
    Add(Arc<ItemValue>),
    Delete(Arc<ItemValue>),
}

#[derive(Debug, Clone, PartialEq)]
enum UpdateValue {
    Path(DocumentPath),
    Literal(Arc<ItemValue>),
    IfNotExists(DocumentPath, Box<UpdateValue>),
    ListAppend(Box<UpdateValue>, Box<UpdateValue>),
    Plus(Box<UpdateValue>, Box<UpdateValue>),
    Minus(Box<UpdateValue>, Box<UpdateValue>),
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];
const INVALID_PATH: &str = "The document path provided in the update expression is invalid for update";
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";

impl ItemUpdate {
    pub fn parse(text: &str, placeholders: &Placeholders) -> Result<ItemUpdate, ApiError> {
        let mut reader = ExpressionReader::open("UpdateExpression", text, placeholders)?;
        let mut actions = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        while reader.peek().is_some() {
            let Some(section) = SECTIONS.into_iter().find(|section| reader.take_keyword(section)) else {
                return Err(reader.unexpected());
            };
            if seen.contains(&section) {
                let message = format!("The \"{section}\" section can only be used once in an update expression;");
                return Err(reader.fault(&message));
            }
            seen.push(section);
            actions.push(action(&mut reader, section)?);
            while reader.take_sign(",") {
                actions.push(action(&mut reader, section)?);
            }
        }
        let paths: Vec<&DocumentPath> = actions.iter().map(|(path, _)| path).collect();
        DocumentPath::check_apart(&paths).map_err(|clash| reader.fault(&clash))?;
        Ok(ItemUpdate(actions))
    }

    pub fn paths(&self) -> Vec<&DocumentPath> {
        self.0.iter().map(|(path, _)| path).collect()
    }

    /// Whether it only takes away: then it makes no item that was not there.
    pub fn only_removes(&self) -> bool {
        self.0.iter().all(|(_, action)| matches!(action, UpdateAction::Remove | UpdateAction::Delete(_)))
    }

    /// # Errors
    /// `ValidationException`: the item does not have what the update needs.
    pub fn apply(&self, item: &mut AttributeMap) -> Result<(), ApiError> {
        let mut sets: Vec<(&DocumentPath, ItemValue)> = Vec::new();
        let mut removals = Vec::new();
        let mut bytes = 0;
        for (path, action) in &self.0 {
            let made = sets.len();
            match action {
                UpdateAction::Set(value) => sets.push((path, evaluated(value, item)?)),
                UpdateAction::Remove => removals.push(path),
                UpdateAction::Add(value) => sets.push((path, added(path.find(item), value)?)),
                UpdateAction::Delete(value) => match path.find(item).map(|set| without(set, value)).transpose()? {
                    None => {}
                    Some(None) => removals.push(path),
                    Some(Some(left)) => sets.push((path, left)),
                },
            }
            // What is made must fit in the item: no more is made than that.
            bytes += sets.get(made).map_or(0, |(_, value)| value.size());
            check_size(bytes)?;
        }
        // An element behind the end of its list is put at the end: those that are several keep their order.
        sets.sort_by_key(|(path, _)| *path);
        for (path, value) in sets {
            set(item, path, value)?;
        }
        removals.sort();
        for path in removals.into_iter().rev() {
            remove(item, path)?;
        }
        Ok(())
    }
}

fn action(reader: &mut ExpressionReader<'_>, section: &str) -> Result<(DocumentPath, UpdateAction), ApiError> {
    reader.count()?;
    let path = reader.path()?;
    let action = match section {
        "SET" => {
            reader.expect_sign("=")?;
            UpdateAction::Set(sum(reader)?)
        }
        "REMOVE" => UpdateAction::Remove,
        _ => {
            let Some(value) = reader.take_value()? else { return Err(reader.unexpected()) };
            let is_set = matches!(*value, ItemValue::Ss(_) | ItemValue::Ns(_) | ItemValue::Bs(_));
            let is_sum = section == "ADD" && matches!(*value, ItemValue::N(_));
            if !is_set && !is_sum {
                let kind = value.long_type_name();
                let what = "Incorrect operand type for operator or function";
                let allowed = format!("typeSet: ALLOWED_FOR_{section}_OPERAND");
                return Err(reader.fault(&format!("{what}; operator: {section}, operand type: {kind}, {allowed}")));
            }
            if section == "ADD" { UpdateAction::Add(value) } else { UpdateAction::Delete(value) }
        }
    };
    Ok((path, action))
}

/// `a`, `a + :b` or `a - :b`
fn sum(reader: &mut ExpressionReader<'_>) -> Result<UpdateValue, ApiError> {
    let left = operand(reader)?;
    for (sign, join) in [("+", UpdateValue::Plus as fn(_, _) -> _), ("-", UpdateValue::Minus as fn(_, _) -> _)] {
        if reader.take_sign(sign) {
            reader.count()?;
            let right = operand(reader)?;
            check_literals(reader, sign, &[&left, &right], |value| matches!(value, ItemValue::N(_)))?;
            return Ok(join(Box::new(left), Box::new(right)));
        }
    }
    Ok(left)
}

fn operand(reader: &mut ExpressionReader<'_>) -> Result<UpdateValue, ApiError> {
    if reader.take_sign("(") {
        let inner = reader.within(sum)?;
        reader.expect_sign(")")?;
        return Ok(inner);
    }
    if let Some(value) = reader.take_value()? {
        return Ok(UpdateValue::Literal(value));
    }
    let Some(name) = reader.take_function() else { return reader.path().map(UpdateValue::Path) };
    if !["if_not_exists", "list_append"].contains(&name) {
        return Err(reader.fault(&format!("Invalid function name; function: {name}")));
    }
    reader.count()?;
    let mut operands = vec![reader.within(sum)?];
    while reader.take_sign(",") {
        operands.push(reader.within(sum)?);
    }
    reader.expect_sign(")")?;
    let count = operands.len();
    let (Some(second), Some(first), true) = (operands.pop(), operands.pop(), count == 2) else {
        let what = "Incorrect number of operands for operator or function";
        return Err(reader.fault(&format!("{what}; operator or function: {name}, number of operands: {count}")));
    };
    if name == "list_append" {
        check_literals(reader, name, &[&first, &second], |value| matches!(value, ItemValue::L(_)))?;
        return Ok(UpdateValue::ListAppend(Box::new(first), Box::new(second)));
    }
    let UpdateValue::Path(path) = first else {
        let message = format!("Operator or function requires a document path; operator or function: {name}");
        return Err(reader.fault(&message));
    };
    Ok(UpdateValue::IfNotExists(path, Box::new(second)))
}

fn check_literals(
    reader: &ExpressionReader<'_>,
    name: &str,
    operands: &[&UpdateValue],
    fits: fn(&ItemValue) -> bool,
) -> Result<(), ApiError> {
    for operand in operands {
        if let UpdateValue::Literal(value) = operand
            && !fits(value)
        {
            let (what, kind) = ("Incorrect operand type for operator or function", value.type_name());
            return Err(reader.fault(&format!("{what}; operator or function: {name}, operand type: {kind}")));
        }
    }
    Ok(())
}

fn evaluated(value: &UpdateValue, item: &AttributeMap) -> Result<ItemValue, ApiError> {
    let missing = || invalid("The provided expression refers to an attribute that does not exist in the item");
    match value {
        UpdateValue::Literal(value) => {
            check_size(value.size())?;
            Ok(ItemValue::clone(value))
        }
        UpdateValue::Path(path) => path.find(item).cloned().ok_or_else(missing),
        UpdateValue::IfNotExists(path, other) => path.find(item).cloned().map_or_else(|| evaluated(other, item), Ok),
        UpdateValue::ListAppend(first, second) => match (evaluated(first, item)?, evaluated(second, item)?) {
            (ItemValue::L(mut first), ItemValue::L(second)) => {
                first.extend(second);
                let joined = ItemValue::L(first);
                check_size(joined.size()).map(|()| joined)
            }
            _ => Err(invalid(WRONG_TYPE)),
        },
        UpdateValue::Plus(left, right) | UpdateValue::Minus(left, right) => {
            let (ItemValue::N(left), ItemValue::N(right)) = (evaluated(left, item)?, evaluated(right, item)?) else {
                return Err(invalid(WRONG_TYPE));
            };
            let done = if matches!(value, UpdateValue::Plus(..)) { left.plus(right) } else { left.minus(right) };
            done.map(ItemValue::N).map_err(|fault| invalid(fault.to_string()))
        }
    }
}

/// Of what an update makes.
pub fn check_size(bytes: usize) -> Result<(), ApiError> {
    if bytes > ITEM_BYTES { Err(invalid("Item size to update has exceeded the maximum allowed size")) } else { Ok(()) }
}

fn added(there: Option<&ItemValue>, value: &ItemValue) -> Result<ItemValue, ApiError> {
    Ok(match (there, value) {
        (None, value) => value.clone(),
        (Some(ItemValue::N(there)), ItemValue::N(value)) => {
            ItemValue::N(there.plus(*value).map_err(|fault| invalid(fault.to_string()))?)
        }
        (Some(ItemValue::Ss(there)), ItemValue::Ss(value)) => ItemValue::Ss(there | value),
        (Some(ItemValue::Ns(there)), ItemValue::Ns(value)) => ItemValue::Ns(there | value),
        (Some(ItemValue::Bs(there)), ItemValue::Bs(value)) => ItemValue::Bs(there | value),
        _ => return Err(invalid(WRONG_TYPE)),
    })
}

/// A set without some of its elements; none if nothing is left, for there are no empty sets.
fn without(set: &ItemValue, value: &ItemValue) -> Result<Option<ItemValue>, ApiError> {
    let left = match (set, value) {
        (ItemValue::Ss(set), ItemValue::Ss(value)) => ItemValue::Ss(set - value),
        (ItemValue::Ns(set), ItemValue::Ns(value)) => ItemValue::Ns(set - value),
        (ItemValue::Bs(set), ItemValue::Bs(value)) => ItemValue::Bs(set - value),
        _ => return Err(invalid(WRONG_TYPE)),
    };
    let is_empty = match &left {
        ItemValue::Ss(set) => set.is_empty(),
        ItemValue::Ns(set) => set.is_empty(),
        ItemValue::Bs(set) => set.is_empty(),
        _ => false,
    };
    Ok((!is_empty).then_some(left))
}

/// What the last step of a path leads into.
fn parent<'a>(item: &'a mut AttributeMap, path: &DocumentPath) -> Option<&'a mut ItemValue> {
    let (_, before) = path.steps.split_last()?;
    before.iter().try_fold(item.get_mut(&path.top)?, |value, step| match (value, step) {
        (ItemValue::M(map), PathStep::Name(name)) => map.get_mut(name),
        (ItemValue::L(list), PathStep::Index(index)) => list.get_mut(*index),
        _ => None,
    })
}

fn set(item: &mut AttributeMap, path: &DocumentPath, value: ItemValue) -> Result<(), ApiError> {
    let Some(last) = path.steps.last() else {
        item.insert(path.top.clone(), value);
        return Ok(());
    };
    match (parent(item, path), last) {
        (Some(ItemValue::M(map)), PathStep::Name(name)) => drop(map.insert(name.clone(), value)),
        (Some(ItemValue::L(list)), PathStep::Index(index)) => match list.get_mut(*index) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        _ => return Err(invalid(INVALID_PATH)),
    }
    Ok(())
}

fn remove(item: &mut AttributeMap, path: &DocumentPath) -> Result<(), ApiError> {
    let Some(last) = path.steps.last() else {
        item.remove(&path.top);
        return Ok(());
    };
    match (parent(item, path), last) {
        (Some(ItemValue::M(map)), PathStep::Name(name)) => drop(map.remove(name)),
        (Some(ItemValue::L(list)), PathStep::Index(index)) => {
            if *index < list.len() {
                list.remove(*index);
            }
        }
        _ => return Err(invalid(INVALID_PATH)),
    }
    Ok(())
}
