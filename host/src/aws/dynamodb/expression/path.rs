//! Where something is in an item: a name, then names and indices within it.

use std::fmt;

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};

/// A step into a map or a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    Name(String),
    Index(usize),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentPath {
    /// Of the attribute.
    pub top: String,
    pub steps: Vec<PathStep>,
}

/// How two paths of one expression contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathClash {
    /// One is within the other.
    Overlap,
    /// One takes for a list what the other takes for a map.
    Conflict,
}

impl DocumentPath {
    pub fn find<'a>(&self, item: &'a AttributeMap) -> Option<&'a ItemValue> {
        self.steps.iter().try_fold(item.get(&self.top)?, |value, step| match (value, step) {
            (ItemValue::M(map), PathStep::Name(name)) => map.get(name),
            (ItemValue::L(list), PathStep::Index(index)) => list.get(*index),
            _ => None,
        })
    }

    pub fn clash(&self, other: &DocumentPath) -> Option<PathClash> {
        if self.top != other.top {
            return None;
        }
        for (one, two) in self.steps.iter().zip(&other.steps) {
            if std::mem::discriminant(one) != std::mem::discriminant(two) {
                return Some(PathClash::Conflict);
            }
            if one != two {
                return None;
            }
        }
        Some(PathClash::Overlap)
    }

    /// What is wrong with the paths of one expression, if anything.
    pub fn check_apart(paths: &[&DocumentPath]) -> Result<(), String> {
        for (at, path) in paths.iter().enumerate() {
            for before in &paths[..at] {
                let what = match before.clash(path) {
                    None => continue,
                    Some(PathClash::Overlap) => "overlap",
                    Some(PathClash::Conflict) => "conflict",
                };
                return Err(format!(
                    "Two document paths {what} with each other; must remove or rewrite one of these paths; path one: {before}, \
                     path two: {path}"
                ));
            }
        }
        Ok(())
    }
}

/// As errors tell it: `[a, b, [0]]`.
impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.top)?;
        for step in &self.steps {
            match step {
                PathStep::Name(name) => write!(f, ", {name}")?,
                PathStep::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
