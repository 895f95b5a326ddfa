//! Which parts of an item are wanted: `a, b.c, #d[0]`.

use std::collections::BTreeMap;

use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue};
use crate::aws::dynamodb::expression::path::{DocumentPath, PathStep};
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::reader::ExpressionReader;
use crate::aws::error::ApiError;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProjection(BTreeMap<String, Wanted>);

/// What is wanted of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    All,
    Members(BTreeMap<String, Wanted>),
    Elements(BTreeMap<usize, Wanted>),
}

/// What of an item is asked for.
pub fn projected(projection: Option<&ItemProjection>, item: AttributeMap) -> AttributeMap {
    match projection {
        Some(projection) => projection.of_item(&item),
        None => item,
    }
}

impl ItemProjection {
    pub fn parse(text: &str, placeholders: &Placeholders) -> Result<ItemProjection, ApiError> {
        let mut reader = ExpressionReader::open("ProjectionExpression", text, placeholders)?;
        let mut paths = vec![reader.path()?];
        while reader.take_sign(",") {
            paths.push(reader.path()?);
        }
        reader.finish()?;
        let paths: Vec<&DocumentPath> = paths.iter().collect();
        DocumentPath::check_apart(&paths).map_err(|clash| reader.fault(&clash))?;
        Ok(ItemProjection::of(&paths))
    }

    /// Of paths that are apart.
    pub fn of(paths: &[&DocumentPath]) -> ItemProjection {
        let mut wanted = BTreeMap::new();
        for path in paths {
            add(wanted.entry(path.top.clone()), &path.steps);
        }
        ItemProjection(wanted)
    }

    /// What of an item is wanted and there. Elements of a list move together.
    pub fn of_item(&self, item: &AttributeMap) -> AttributeMap {
        members(&self.0, item)
    }
}

fn add<K: Ord>(entry: std::collections::btree_map::Entry<'_, K, Wanted>, steps: &[PathStep]) {
    let Some((step, rest)) = steps.split_first() else {
        entry.or_insert(Wanted::All);
        return;
    };
    match step {
        PathStep::Name(name) => {
            if let Wanted::Members(members) = entry.or_insert_with(|| Wanted::Members(BTreeMap::new())) {
                add(members.entry(name.clone()), rest);
            }
        }
        PathStep::Index(index) => {
            if let Wanted::Elements(elements) = entry.or_insert_with(|| Wanted::Elements(BTreeMap::new())) {
                add(elements.entry(*index), rest);
            }
        }
    }
}

fn members(wanted: &BTreeMap<String, Wanted>, map: &AttributeMap) -> AttributeMap {
    let one = |(name, wanted): (&String, &Wanted)| Some((name.clone(), part(wanted, map.get(name)?)?));
    wanted.iter().filter_map(one).collect()
}

fn part(wanted: &Wanted, value: &ItemValue) -> Option<ItemValue> {
    match (wanted, value) {
        (Wanted::All, value) => Some(value.clone()),
        (Wanted::Members(wanted), ItemValue::M(map)) => {
            let found = members(wanted, map);
            (!found.is_empty()).then_some(ItemValue::M(found))
        }
        (Wanted::Elements(wanted), ItemValue::L(list)) => {
            let found: Vec<ItemValue> = wanted.iter().filter_map(|(index, wanted)| part(wanted, list.get(*index)?)).collect();
            (!found.is_empty()).then_some(ItemValue::L(found))
        }
        _ => None,
    }
}
