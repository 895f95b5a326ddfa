//! What a plan changes of what is there, member by member.
//!
//! A thing that is equal in all of its members is left alone, so that a second deployment of the same template changes
//! nothing. What is there and not in the plan is only proposed for removal; what belongs to another stack is an error.

use std::collections::BTreeMap;

use serde_json::Value;

use super::later::{self, Known};
use super::plan::{StackPlan, Thing, ThingKey, ThingMembers};
use super::reading::STACK_TAG;

/// What a server has of a stack, and of the names that a plan wants.
#[derive(Debug, Clone, Default)]
pub struct FoundStack {
    pub things: BTreeMap<ThingKey, FoundThing>,
    /// What it tells of layers, URLs and versions, by mark.
    pub known: Known,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundThing {
    /// With all the members that a plan compares.
    pub members: ThingMembers,
    /// The stack whose tag it has; of a part of a function, the function's. `None` if it cannot have tags.
    pub owner: Owner,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// It has no tags of its own, and anybody may add to it.
    Shared,
    Nobody,
    Stack(String),
}

/// What becomes of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedChange {
    pub key: ThingKey,
    pub proposal: Proposal,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    Create,
    Update(Vec<Difference>),
    Keep,
    /// It is not in the template any more.
    Remove,
}

/// A member, or a member of one, such as `Environment.Variables.TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub member: String,
    /// `None` if there was none.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// The changes in the order in which they can be made; removals last, parts before what they are of.
///
/// # Errors
/// Names that are taken, each with whose they are.
pub fn changes(plan: &StackPlan, found: &FoundStack) -> Result<Vec<PlannedChange>, Vec<String>> {
    let (mut changes, mut taken) = (Vec::new(), Vec::new());
    let mut known = found.known.clone();
    for thing in &plan.things {
        let there = found.things.get(&thing.key);
        if let Some(there) = there {
            let name = thing.key.to_string();
            let (kind, name) = name.split_once(' ').unwrap_or((&name, ""));
            let name = name.trim();
            match &there.owner {
                Owner::Stack(stack) if *stack != plan.stack => {
                    taken.push(format!("the {kind} `{name}` belongs to the stack `{stack}`; give this one another name"));
                }
                Owner::Nobody => taken.push(format!(
                    "the {kind} `{name}` is there, and belongs to no stack; give this one another name, or tag that one `{STACK_TAG}={}`",
                    plan.stack
                )),
                Owner::Stack(_) | Owner::Shared => {}
            }
        }
        let proposal = proposal(thing, there, &known);
        if proposal != Proposal::Keep {
            outdated(&thing.key).into_iter().for_each(|mark| drop(known.remove(&mark)));
        }
        changes.push(PlannedChange { key: thing.key.clone(), proposal });
    }
    if !taken.is_empty() {
        return Err(taken);
    }
    let is_planned = |key: &ThingKey| plan.things.iter().any(|thing| thing.key == *key);
    let is_owned = |there: &FoundThing| there.owner == Owner::Stack(plan.stack.clone());
    let gone: Vec<&ThingKey> =
        found.things.iter().filter(|(key, there)| !is_planned(key) && is_owned(there)).map(|(key, _)| key).collect();
    // A function goes with its parts, and before its role.
    let with_its_function = |key: &ThingKey| {
        !matches!(key, ThingKey::Function(_))
            && key.function().is_some_and(|name| gone.contains(&&ThingKey::Function(name.to_owned())))
    };
    changes.extend(
        gone.iter()
            .rev()
            .filter(|key| !with_its_function(key))
            .map(|key| PlannedChange { key: (*key).clone(), proposal: Proposal::Remove }),
    );
    Ok(changes)
}

/// What is not known any more when a thing changes. A URL stays what it is.
fn outdated(key: &ThingKey) -> Option<String> {
    match key {
        ThingKey::Layer(name) => Some(later::layer(name)),
        ThingKey::Alias { function, .. } => Some(later::version(function)),
        _ => None,
    }
}

fn proposal(thing: &Thing, there: Option<&FoundThing>, known: &Known) -> Proposal {
    let Some(there) = there else { return Proposal::Create };
    let mut differences = Vec::new();
    for (member, wanted) in &thing.members {
        compare((*member).to_owned(), there.members.get(member), Some(&later::told(wanted, known)), &mut differences);
    }
    // A statement has only the members that it needs.
    for (member, before) in there.members.iter().filter(|(member, _)| !thing.members.contains_key(*member)) {
        compare((*member).to_owned(), Some(before), None, &mut differences);
    }
    if differences.is_empty() { Proposal::Keep } else { Proposal::Update(differences) }
}

/// Nothing, an empty text and an empty map say the same: that nothing is set.
fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(values)) => values.is_empty(),
        Some(Value::Object(members)) => members.values().all(|value| is_nothing(Some(value))),
        Some(_) => false,
    }
}

fn compare(member: String, before: Option<&Value>, after: Option<&Value>, differences: &mut Vec<Difference>) {
    if before == after || (is_nothing(before) && is_nothing(after)) {
        return;
    }
    // A document is one text to those who read it, and so is a list.
    let is_document = member.ends_with("PolicyDocument") || member.starts_with("Policies.");
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after)
        && !is_document
    {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            compare(format!("{member}.{name}"), old.get(name), new.get(name), differences);
        }
        return;
    }
    differences.push(Difference { member, before: before.cloned(), after: after.cloned() });
}
