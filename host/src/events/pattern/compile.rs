//! From the JSON of a pattern to its branches.

use serde_json::{Map, Value};

use super::error::PatternError;
use super::expectation::Expectation;
use crate::limits::event_rules::{PATTERN_BRANCHES, PATTERN_DEPTH};

/// What may not be a key below `$or`: somebody who writes it there means an operator.
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// One key and what is expected there.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternKey {
    pub path: String,
    /// One of them must hold.
    pub expected: Vec<Expectation>,
}

/// The keys of each branch by their place among all, in the order of their paths.
type Branches = Vec<Branch>;
type Branch = Vec<usize>;

struct Branching {
    keys: Vec<PatternKey>,
}

pub fn compile(pattern: &Value) -> Result<(Vec<PatternKey>, Branches), PatternError> {
    let Value::Object(members) = pattern else { return Err(PatternError::new("Filter is not an object")) };
    let mut branching = Branching { keys: Vec::new() };
    let at = Position { path: String::new(), depth: PATTERN_DEPTH, below_or: false };
    let mut branches = branching.object(members, &at, vec![Vec::new()])?;
    let keys = branching.keys;
    // By the parts of their paths, so that what is inside one object stays together.
    let parts: Vec<Vec<&str>> = keys.iter().map(|key| key.path.split('.').collect()).collect();
    for branch in &mut branches {
        branch.sort_by(|&one, &other| parts[one].cmp(&parts[other]));
        if let Some(twice) = branch.windows(2).find(|pair| parts[pair[0]] == parts[pair[1]]) {
            let path = &keys[twice[0]].path;
            return Err(PatternError::new(format!("Path `{path}` cannot be allowed multiple times")));
        }
    }
    Ok((keys, branches))
}

/// Where in the pattern an object is.
struct Position {
    path: String,
    /// How much deeper it may go.
    depth: usize,
    below_or: bool,
}

impl Position {
    fn below(&self, path: String, below_or: bool) -> Result<Position, PatternError> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| PatternError::new(format!("Objects are nested deeper than {PATTERN_DEPTH}")))?;
        Ok(Position { path, depth, below_or })
    }
}

impl Branching {
    /// The branches that each of `branches` becomes with the keys of an object.
    fn object(
        &mut self,
        members: &Map<String, Value>,
        at: &Position,
        mut branches: Vec<Branch>,
    ) -> Result<Vec<Branch>, PatternError> {
        if members.is_empty() {
            return Err(PatternError::new("Empty objects are not allowed"));
        }
        for (name, value) in members {
            if name == "$or" {
                branches = self.alternatives(value, at, &branches)?;
                continue;
            }
            if at.below_or && RESERVED.contains(&name.as_str()) {
                return Err(PatternError::new(format!("{name} is Ruler reserved fieldName which cannot be used inside $or.")));
            }
            let path = if at.path.is_empty() { name.clone() } else { format!("{}.{name}", at.path) };
            match value {
                Value::Object(members) => {
                    branches = self.object(members, &at.below(path, at.below_or)?, branches)?;
                }
                Value::Array(values) => self.key(path, values, &mut branches)?,
                _ => return Err(PatternError::new(format!("\"{name}\" must be an object or an array"))),
            }
        }
        Ok(branches)
    }

    fn alternatives(&mut self, value: &Value, at: &Position, branches: &[Branch]) -> Result<Vec<Branch>, PatternError> {
        let Value::Array(alternatives) = value else {
            return Err(PatternError::new("It must be an Array followed with $or."));
        };
        let at = at.below(at.path.clone(), true)?;
        let mut multiplied = Vec::new();
        for alternative in alternatives {
            let Value::Object(members) = alternative else {
                return Err(PatternError::new("Only JSON object is allowed in array of $or relationship."));
            };
            multiplied.extend(self.object(members, &at, branches.to_vec())?);
            if multiplied.len() > PATTERN_BRANCHES {
                return Err(PatternError::new(format!(
                    "Rule is too complex - $or makes more than {PATTERN_BRANCHES} combinations"
                )));
            }
        }
        if alternatives.len() < 2 {
            return Err(PatternError::new("There must have at least 2 Objects in $or relationship."));
        }
        Ok(multiplied)
    }

    fn key(&mut self, path: String, values: &[Value], branches: &mut [Branch]) -> Result<(), PatternError> {
        let expected = values.iter().map(Expectation::parse).collect::<Result<Vec<_>, _>>()?;
        if expected.is_empty() {
            return Err(PatternError::new("Empty arrays are not allowed"));
        }
        branches.iter_mut().for_each(|branch| branch.push(self.keys.len()));
        self.keys.push(PatternKey { path, expected });
        Ok(())
    }
}
