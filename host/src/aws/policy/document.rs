//! A policy as it was understood, and its text.
//!
//! What is here has been checked: only `parse` makes one. It prints as the shortest JSON of the same meaning, in the order
//! of AWS's own texts: a list of one as its item, an account as its root's ARN, and always with a version.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::condition::PolicyCondition;
use super::effect::Effect;
use super::named::{Category, NamedPrincipal, Principals};
use super::pattern::PolicyPattern;

/// What a policy is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// To a user, group or role: says what they may do. Has resources and no principals.
    Identity,
    /// To a resource: says who may do what with it. Has principals; without resources, it means its own.
    Resource,
    /// To a role: says who may assume it. Has principals and no resources.
    Trust,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Without variables. A policy that names no version has this one.
    V2008,
    V2012,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    pub(super) kind: PolicyKind,
    pub(super) version: Version,
    pub(super) id: Option<String>,
    pub(super) statements: Vec<PolicyStatement>,
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatement {
    /// Not empty.
    pub sid: Option<String>,
    pub effect: Effect,
    /// `None` in an identity's policies.
    pub principals: Option<Principals>,
    pub actions: PolicySelection,
    /// `None` for the resource that the policy is attached to.
    pub resources: Option<PolicySelection>,
    pub conditions: Vec<PolicyCondition>,
}

/// The actions or resources of a statement; never an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySelection {
    Only(Vec<PolicyPattern>),
    /// All but these: `NotAction`, `NotResource`.
    AllBut(Vec<PolicyPattern>),
}

impl Version {
    pub fn text(self) -> &'static str {
        match self {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        }
    }
}

impl fmt::Display for PolicyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for PolicyDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Version", self.version.text())?;
        if let Some(id) = &self.id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", &self.statements)?;
        map.end()
    }
}

impl Serialize for PolicyStatement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = &self.sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", if self.effect == Effect::Allow { "Allow" } else { "Deny" })?;
        match &self.principals {
            None => {}
            Some(Principals::Everyone) => map.serialize_entry("Principal", "*")?,
            Some(Principals::Only(named)) => map.serialize_entry("Principal", &ByCategory(named))?,
            Some(Principals::AllBut(named)) => map.serialize_entry("NotPrincipal", &ByCategory(named))?,
        }
        match &self.actions {
            PolicySelection::Only(actions) => map.serialize_entry("Action", &texts(actions))?,
            PolicySelection::AllBut(actions) => map.serialize_entry("NotAction", &texts(actions))?,
        }
        match &self.resources {
            None => {}
            Some(PolicySelection::Only(resources)) => map.serialize_entry("Resource", &texts(resources))?,
            Some(PolicySelection::AllBut(resources)) => map.serialize_entry("NotResource", &texts(resources))?,
        }
        if !self.conditions.is_empty() {
            map.serialize_entry("Condition", &ByOperator(&self.conditions))?;
        }
        map.end()
    }
}

/// A list, or its one item.
struct OneOrMany<'a>(Vec<&'a str>);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [item] => serializer.serialize_str(item),
            items => serializer.collect_seq(items),
        }
    }
}

fn texts(patterns: &[PolicyPattern]) -> OneOrMany<'_> {
    OneOrMany(patterns.iter().map(PolicyPattern::text).collect())
}

struct ByCategory<'a>(&'a [NamedPrincipal]);

impl Serialize for ByCategory<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for category in Category::ALL {
            let named = self.0.iter().filter(|named| named.category() == category);
            let texts: Vec<&str> = named.map(NamedPrincipal::text).collect();
            if !texts.is_empty() {
                map.serialize_entry(category.name(), &OneOrMany(texts))?;
            }
        }
        map.end()
    }
}

/// Conditions, of which those with the same operator follow each other.
struct ByOperator<'a>(&'a [PolicyCondition]);

impl Serialize for ByOperator<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let operators = self.0.chunk_by(|one, next| one.operator == next.operator);
        serializer.collect_map(operators.map(|conditions| (conditions[0].operator.to_string(), ByKey(conditions))))
    }
}

struct ByKey<'a>(&'a [PolicyCondition]);

impl Serialize for ByKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|condition| (&condition.key, OneOrMany(condition.values().collect()))))
    }
}
