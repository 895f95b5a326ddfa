//! The plainest way to look: every choice of leaves is tried.

use std::collections::BTreeMap;

use serde_json::Value;

type Place = (usize, usize);

/// Of a valid pattern.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    let (mut leaves, mut lists) = (Vec::new(), 0);
    flatten(event, Vec::new(), &[], &mut lists, &mut leaves);
    branches(pattern, &[]).iter().any(|branch| {
        let keys: Vec<_> = branch.iter().collect();
        choose(&keys, &leaves, &[])
    })
}

type Leaf<'a> = (Vec<String>, &'a Value, Vec<Place>);

fn flatten<'a>(value: &'a Value, path: Vec<String>, places: &[Place], lists: &mut usize, leaves: &mut Vec<Leaf<'a>>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let longer = path.iter().cloned().chain(name.split('.').map(str::to_owned)).collect();
                flatten(member, longer, places, lists, leaves);
            }
        }
        Value::Array(elements) => {
            *lists += 1;
            let list = *lists;
            for (index, element) in elements.iter().enumerate() {
                let mut inside = places.to_vec();
                if element.is_object() || element.is_array() {
                    inside.push((list, index));
                }
                flatten(element, path.clone(), &inside, lists, leaves);
            }
        }
        leaf => leaves.push((path, leaf, places.to_vec())),
    }
}

type Keys<'a> = BTreeMap<Vec<String>, &'a Vec<Value>>;

fn branches<'a>(pattern: &'a Value, path: &[String]) -> Vec<Keys<'a>> {
    let mut all = vec![Keys::new()];
    for (name, value) in pattern.as_object().unwrap() {
        let longer: Vec<String> = path.iter().cloned().chain(name.split('.').map(str::to_owned)).collect();
        let of_this: Vec<Keys<'a>> = match value {
            Value::Array(alternatives) if name == "$or" => alternatives.iter().flat_map(|one| branches(one, path)).collect(),
            Value::Array(expected) => vec![Keys::from([(longer, expected)])],
            object => branches(object, &longer),
        };
        let both = |one: &Keys<'a>| {
            of_this.iter().map(|other| one.iter().chain(other).map(|(k, v)| (k.clone(), *v)).collect()).collect::<Vec<Keys<'a>>>()
        };
        all = all.iter().flat_map(both).collect();
    }
    all
}

fn choose(keys: &[(&Vec<String>, &&Vec<Value>)], leaves: &[Leaf<'_>], chosen: &[Place]) -> bool {
    let Some(((path, expected), rest)) = keys.split_first() else { return true };
    let is_consistent = |places: &[Place]| places.iter().all(|(list, index)| chosen.iter().all(|(l, i)| l != list || i == index));
    let possible: Vec<&Leaf<'_>> = leaves.iter().filter(|(at, _, places)| at == *path && is_consistent(places)).collect();
    let absent = expected.iter().any(|one| one["exists"] == false) && possible.is_empty();
    (absent && choose(rest, leaves, chosen))
        || possible.iter().any(|(_, leaf, places)| {
            expected.iter().any(|one| holds(one, leaf)) && choose(rest, leaves, &[chosen, places].concat())
        })
}

fn holds(expected: &Value, leaf: &Value) -> bool {
    let Some((operator, operand)) = expected.as_object().map(|one| one.iter().next().unwrap()) else {
        return expected == leaf;
    };
    let text = leaf.as_str();
    match (operator.as_str(), operand) {
        ("exists", exists) => exists == true,
        ("prefix", prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str().unwrap())),
        ("suffix", Value::Object(suffix)) => {
            let suffix = suffix["equals-ignore-case"].as_str().unwrap();
            text.is_some_and(|text| text.to_uppercase().ends_with(suffix))
        }
        ("anything-but", Value::Object(suffix)) => !text.is_some_and(|text| text.ends_with(suffix["suffix"].as_str().unwrap())),
        ("anything-but", Value::Array(values)) => !values.contains(leaf),
        ("anything-but", value) => value != leaf,
        ("numeric", terms) => {
            leaf.as_i64().is_some_and(|number| terms[1].as_i64().unwrap() <= number && number < terms[3].as_i64().unwrap())
        }
        ("cidr", network) => {
            let (first, bits) = network.as_str().unwrap().split_once('/').unwrap();
            let last = |address: &str| address.strip_prefix("10.0.0.").and_then(|last| last.parse::<u32>().ok());
            let (first, size) = (last(first).unwrap(), 1 << (32 - bits.parse::<u32>().unwrap()));
            text.and_then(last).is_some_and(|found| found >= first && found < first / size * size + size)
        }
        ("wildcard", pattern) => text.is_some_and(|text| fits(pattern.as_str().unwrap(), text)),
        other => panic!("{other:?}"),
    }
}

/// Without escapes.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| fits(&pattern[1..], &text[at..])),
        Some(c) => text.strip_prefix(c).is_some_and(|text| fits(&pattern[1..], text)),
    }
}
