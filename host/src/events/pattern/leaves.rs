//! An event, flattened: its leaves with their paths, and in which element of which lists each is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::limits::event_rules::EVENT_DEPTH;

/// An element of a list of the event. Lists are numbered as they are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ListElement {
    list: usize,
    index: usize,
}

/// Elements of lists, no two of one list, from the outside in.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elements(Vec<ListElement>);

impl Elements {
    /// Whether no list has both in different elements.
    fn is_consistent_with(&self, other: &Elements) -> bool {
        let differs = |mine: &ListElement| other.0.iter().any(|place| place.list == mine.list && place.index != mine.index);
        !self.0.iter().any(differs)
    }

    /// Both, which are consistent.
    pub fn joined(&self, other: &Elements) -> Elements {
        let both: BTreeSet<ListElement> = self.0.iter().chain(&other.0).copied().collect();
        Elements(both.into_iter().collect())
    }
}

/// The places of the leaves that one key may choose, each once.
#[derive(Debug, Default)]
pub struct Candidates {
    all: Vec<Elements>,
    /// Those that are in an element of a list, by their index in `all`.
    inside: HashMap<ListElement, Vec<usize>>,
    /// How many are in a list.
    of_list: HashMap<usize, usize>,
}

impl Candidates {
    fn new(all: BTreeSet<Elements>) -> Candidates {
        let mut candidates = Candidates { all: all.into_iter().collect(), ..Candidates::default() };
        for (at, places) in candidates.all.iter().enumerate() {
            for place in &places.0 {
                candidates.inside.entry(*place).or_default().push(at);
                *candidates.of_list.entry(place.list).or_default() += 1;
            }
        }
        candidates
    }
}

/// See the module.
pub struct Leaves<'a> {
    by_path: BTreeMap<String, Vec<(&'a Value, Elements)>>,
    /// Of each list: its path, and in which elements of others it is.
    lists: Vec<(String, Elements)>,
}

impl<'a> Leaves<'a> {
    /// The leaves of an event that have one of these paths.
    pub fn of<'p>(event: &'a Value, paths: impl Iterator<Item = &'p str>) -> Leaves<'a> {
        let mut walk = Flattening {
            wanted: paths.collect(),
            path: String::new(),
            places: Elements::default(),
            leaves: Leaves { by_path: BTreeMap::new(), lists: Vec::new() },
        };
        walk.value(event, EVENT_DEPTH);
        walk.leaves
    }

    /// The places of the leaves of a path for which `test` holds.
    pub fn at(&self, path: &str, test: impl Fn(&Value) -> bool) -> Candidates {
        let leaves = self.by_path.get(path).map(Vec::as_slice).unwrap_or_default();
        Candidates::new(leaves.iter().filter(|(leaf, _)| test(leaf)).map(|(_, places)| places.clone()).collect())
    }

    /// Those of the candidates that are in no other element of a list than `places`. Counts those that were looked at.
    pub fn consistent<'c>(&self, candidates: &'c Candidates, places: &Elements, steps: &mut usize) -> Vec<&'c Elements> {
        let mut narrowed: Option<(ListElement, &[usize])> = None;
        for place in &places.0 {
            let within = narrowed.is_none_or(|(outer, _)| self.lists[place.list].1.0.contains(&outer));
            let count = narrowed.map_or(candidates.all.len(), |(_, chosen)| chosen.len());
            // If all are in this list, only those in this element are consistent.
            if within && candidates.of_list.get(&place.list) == Some(&count) {
                narrowed = Some((*place, candidates.inside.get(place).map(Vec::as_slice).unwrap_or_default()));
            }
        }
        let is_consistent = |candidate: &&Elements| candidate.is_consistent_with(places);
        *steps += 1 + narrowed.map_or(candidates.all.len(), |(_, chosen)| chosen.len());
        match narrowed {
            Some((_, chosen)) => chosen.iter().map(|&at| &candidates.all[at]).filter(is_consistent).collect(),
            None => candidates.all.iter().filter(is_consistent).collect(),
        }
    }

    /// Without the elements of lists that a key of this path cannot be in.
    pub fn kept(&self, places: &Elements, path: Option<&str>) -> Elements {
        let is_on = |list: &str, path: &str| {
            list.is_empty() || path.strip_prefix(list).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let keep = |place: &&ListElement| path.is_some_and(|path| is_on(&self.lists[place.list].0, path));
        Elements(places.0.iter().filter(keep).copied().collect())
    }
}

struct Flattening<'a, 'p> {
    wanted: BTreeSet<&'p str>,
    path: String,
    places: Elements,
    leaves: Leaves<'a>,
}

impl<'a> Flattening<'a, '_> {
    /// An object or list in a list is in its element; a leaf in a list is not.
    fn value(&mut self, value: &'a Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let length = self.path.len();
                    if length > 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(name);
                    if self.leads_on() {
                        self.value(member, depth);
                    }
                    self.path.truncate(length);
                }
            }
            Value::Array(elements) => {
                let list = self.leaves.lists.len();
                self.leaves.lists.push((self.path.clone(), self.places.clone()));
                for (index, element) in elements.iter().enumerate() {
                    let has_place = element.is_object() || element.is_array();
                    if has_place {
                        self.places.0.push(ListElement { list, index });
                    }
                    self.value(element, depth);
                    if has_place {
                        self.places.0.pop();
                    }
                }
            }
            leaf if self.wanted.contains(self.path.as_str()) => {
                let leaves = self.leaves.by_path.entry(self.path.clone()).or_default();
                leaves.push((leaf, self.places.clone()));
            }
            _ => {}
        }
    }

    /// Whether a wanted path begins with this one.
    fn leads_on(&self) -> bool {
        let begins =
            |path: &&str| path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        // What begins with the path and a dot may stand behind others that begin with it.
        self.wanted.iter().any(begins)
    }
}
