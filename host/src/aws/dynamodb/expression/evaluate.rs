//! Whether an item satisfies a condition. One that is not there has no attributes.
//!
//! What is missing is not equal to anything, neither less nor greater, and of no type.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};
use crate::aws::dynamodb::expression::condition::{ConditionOperand, ItemCondition, ValueOrder};
use crate::aws::dynamodb::number::DecimalNumber;

/// See the module.
pub fn is_satisfied(condition: &ItemCondition, item: &AttributeMap) -> bool {
    let value = |operand| value(operand, item);
    match condition {
        ItemCondition::All(parts) => parts.iter().all(|part| is_satisfied(part, item)),
        ItemCondition::Any(parts) => parts.iter().any(|part| is_satisfied(part, item)),
        ItemCondition::Not(inner) => !is_satisfied(inner, item),
        ItemCondition::Compare(order, left, right) => holds(*order, value(left).as_deref(), value(right).as_deref()),
        ItemCondition::Between(of, low, high) => {
            let of = value(of);
            holds(ValueOrder::GreaterOrEqual, of.as_deref(), value(low).as_deref())
                && holds(ValueOrder::LessOrEqual, of.as_deref(), value(high).as_deref())
        }
        ItemCondition::In(of, among) => {
            let of = value(of);
            among.iter().any(|one| holds(ValueOrder::Equal, of.as_deref(), value(one).as_deref()))
        }
        ItemCondition::Exists(path) => path.find(item).is_some(),
        ItemCondition::NotExists(path) => path.find(item).is_none(),
        ItemCondition::HasType(of, kind) => value(of).is_some_and(|value| value.type_name() == kind),
        ItemCondition::BeginsWith(of, prefix) => match (value(of).as_deref(), value(prefix).as_deref()) {
            (Some(ItemValue::S(text)), Some(ItemValue::S(prefix))) => text.starts_with(prefix),
            (Some(ItemValue::B(bytes)), Some(ItemValue::B(prefix))) => bytes.starts_with(prefix),
            _ => false,
        },
        ItemCondition::Contains(of, part) => match (value(of), value(part)) {
            (Some(of), Some(part)) => contains(&of, &part),
            _ => false,
        },
    }
}

fn value<'a>(operand: &'a ConditionOperand, item: &'a AttributeMap) -> Option<Cow<'a, ItemValue>> {
    match operand {
        ConditionOperand::Path(path) => path.find(item).map(Cow::Borrowed),
        ConditionOperand::Value(value) => Some(Cow::Borrowed(value)),
        ConditionOperand::Size(of) => {
            let size = match value(of, item)?.as_ref() {
                ItemValue::S(text) => text.encode_utf16().count(),
                ItemValue::B(bytes) => bytes.len(),
                ItemValue::M(map) => map.len(),
                ItemValue::L(list) => list.len(),
                ItemValue::Ss(set) => set.len(),
                ItemValue::Ns(set) => set.len(),
                ItemValue::Bs(set) => set.len(),
                ItemValue::N(_) | ItemValue::Bool(_) | ItemValue::Null => return None,
            };
            Some(Cow::Owned(ItemValue::N(DecimalNumber::from_size(size))))
        }
    }
}

fn holds(order: ValueOrder, left: Option<&ItemValue>, right: Option<&ItemValue>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return order == ValueOrder::NotEqual };
    let ordered = match (left, right) {
        (ItemValue::S(left), ItemValue::S(right)) => Some(left.cmp(right)),
        (ItemValue::N(left), ItemValue::N(right)) => Some(left.cmp(right)),
        (ItemValue::B(left), ItemValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match order {
        ValueOrder::Equal => left == right,
        ValueOrder::NotEqual => left != right,
        ValueOrder::Less => ordered == Some(Ordering::Less),
        ValueOrder::LessOrEqual => ordered.is_some_and(Ordering::is_le),
        ValueOrder::Greater => ordered == Some(Ordering::Greater),
        ValueOrder::GreaterOrEqual => ordered.is_some_and(Ordering::is_ge),
    }
}

fn contains(of: &ItemValue, part: &ItemValue) -> bool {
    match (of, part) {
        (ItemValue::S(text), ItemValue::S(part)) => text.contains(part.as_str()),
        (ItemValue::B(bytes), ItemValue::B(part)) => memchr::memmem::find(bytes, part).is_some(),
        (ItemValue::Ss(set), ItemValue::S(part)) => set.contains(part),
        (ItemValue::Ns(set), ItemValue::N(part)) => set.contains(part),
        (ItemValue::Bs(set), ItemValue::B(part)) => set.contains(part),
        (ItemValue::L(list), part) => list.contains(part),
        _ => false,
    }
}
