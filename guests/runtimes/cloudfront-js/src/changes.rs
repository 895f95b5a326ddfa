//! I compare the objects of names and values (`pairs`) with what a handler has made of them.

use crate::engine::Engine;
use crate::js::{self, Text, Value};
use crate::pairs::{Item, Kind, Made, Pairs, State};
use crate::result::{Refusal, refuse};

/// What a handler has made of a name.
pub enum Now<'a> {
    /// The values are as they arrived, and these are their bytes.
    Untouched(&'a mut dyn Iterator<Item = &'static [u8]>),
    Changed {
        name: &'a [u8],
        values: Vec<Written>,
    },
    Removed(&'a [u8]),
}

/// A value that a handler wrote, or did not touch.
pub struct Written {
    pub value: Vec<u8>,
    pub attributes: Vec<u8>,
    /// The bytes that arrived, if it is one of those.
    pub raw: Option<&'static [u8]>,
}

type Each<'f> = &'f mut dyn FnMut(Now<'_>) -> Result<(), Refusal>;

/// Compares an object that a handler returned with what was made for it, in the order of the object; what was removed comes last.
/// `what` names it in messages, as `request.headers`.
pub fn compare(
    engine: &Engine,
    kind: Kind,
    was: Option<&Pairs>,
    object: Value,
    what: &str,
    mut each: impl FnMut(Now<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    match was {
        Some(was) if js::same(was.object, object) && !was.table.borrow().is_settled => {
            compare_with_itself(engine, kind, was, what, &mut each)
        }
        _ if !js::is_object(object) || js::is_array(object) || js::is_function(engine.ctx, object) => {
            refuse(format!("{what} is not an object"))
        }
        _ => compare_another(engine, kind, was, object, what, &mut each),
    }
}

/// What the handler has made of the very object that it was given.
fn compare_with_itself(engine: &Engine, kind: Kind, was: &Pairs, what: &str, each: Each<'_>) -> Result<(), Refusal> {
    // The objects in it may have getters, which may do anything to it.
    for place in 0.. {
        let table = was.table.borrow();
        let Some(entry) = table.entries.get(place) else { break };
        let name = entry.name;
        let property = match entry.state {
            State::Arrived => {
                each(Now::Untouched(&mut entry.raw()))?;
                continue;
            }
            State::Present(property) if property.is_enumerable() => property,
            State::Present(_) | State::Deleted => continue,
        };
        let made = table.arrived(name).map(|place| &table.entries[place]);
        if let Some(arrived) = made
            && let Some(made) = &arrived.made
            && made.is_untouched(engine, kind, property.value)?
        {
            each(Now::Untouched(&mut arrived.raw()))?;
            continue;
        }
        let made = made.and_then(|arrived| arrived.made.clone());
        drop(table);
        let what = || format!("{what}[{:?}]", excerpt(name));
        let values = written(engine, kind, made.as_deref(), property.value, &what)?;
        each(Now::Changed { name, values })?;
    }
    let removed: Vec<&'static [u8]> = {
        let table = was.table.borrow();
        let hidden = table.entries.iter().filter(|entry| entry.has_arrived() && !entry.is_visible());
        hidden.map(|entry| entry.name).filter(|name| !table.shows(name)).collect()
    };
    removed.into_iter().try_for_each(|name| each(Now::Removed(name)))
}

/// What there is in an object that the handler has made itself.
fn compare_another(
    engine: &Engine,
    kind: Kind,
    was: Option<&Pairs>,
    object: Value,
    what: &str,
    each: Each<'_>,
) -> Result<(), Refusal> {
    let ctx = engine.ctx;
    let mut seen = vec![false; was.map_or(0, |was| was.table.borrow().entries.len())];
    for found in js::names(ctx, object)? {
        let name = Text::of_atom(ctx, found.atom)?;
        let known = was.and_then(|was| {
            let table = was.table.borrow();
            table.arrived(&name).map(|place| (was, place, table.entries[place].made.clone()))
        });
        if let Some((was, place, made)) = &known {
            seen[*place] = true;
            if let Some(made) = made
                && let Some(value) = js::own_data(ctx, object, found.atom)?
                && made.is_untouched(engine, kind, value)?
            {
                each(Now::Untouched(&mut was.table.borrow().entries[*place].raw()))?;
                continue;
            }
        }
        let made = known.and_then(|(_, _, made)| made);
        // Deleted by a getter that ran before.
        let Some(value) = js::own(ctx, object, found.atom)? else { continue };
        let what = || format!("{what}[{:?}]", excerpt(&name));
        let values = written(engine, kind, made.as_deref(), value, &what)?;
        each(Now::Changed { name: &name, values })?;
    }
    let Some(was) = was else { return Ok(()) };
    let removed: Vec<&'static [u8]> = {
        let table = was.table.borrow();
        let unseen = table.entries.iter().zip(&seen).filter(|(entry, seen)| !**seen && entry.has_arrived());
        unseen.map(|(entry, _)| entry.name).collect()
    };
    removed.into_iter().try_for_each(|name| each(Now::Removed(name)))
}

/// The values of an entry that was touched: a `multiValue` that was changed, else the `value` in place of the first one.
fn written(
    engine: &Engine,
    kind: Kind,
    was: Option<&Made>,
    entry: Value,
    what: &dyn Fn() -> String,
) -> Result<Vec<Written>, Refusal> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    if !js::is_object(entry) {
        return refuse(format!("{} is not an object with a `value`", what()));
    }
    let old = |index: usize| was.and_then(|was| was.items.get(index).or((index == 0).then_some(&was.first)));
    let value = js::own(ctx, entry, atoms.value)?.filter(|value| !js::is_undefined(*value));
    let multi = js::own(ctx, entry, atoms.multi_value)?.filter(|multi| !js::is_undefined(*multi));
    let mut values = Vec::new();
    if let Some(multi) = multi {
        if !js::is_array(multi) {
            return refuse(format!("{}.multiValue is not an array", what()));
        }
        let unchanged = match was {
            Some(was) if !was.items.is_empty() => was.items_untouched(engine, kind, multi)?,
            _ => false,
        };
        let mut index = 0;
        while index < js::length(ctx, multi)? {
            let object = js::element(ctx, multi, index)?;
            let what = || format!("{}.multiValue[{index}]", what());
            values.push(one(engine, kind, old(index as usize), object, &what)?);
            index += 1;
        }
        if !values.is_empty() && !unchanged {
            return Ok(values);
        }
    }
    if value.is_none() && values.is_empty() {
        return refuse(format!("{} has no `value`", what()));
    }
    if value.is_some() {
        let first = one(engine, kind, old(0), entry, what)?;
        match values.first_mut() {
            Some(place) => *place = first,
            None => values.push(first),
        }
    }
    Ok(values)
}

/// The value of an object with a `value`, and `attributes` where there are such.
fn one(engine: &Engine, kind: Kind, was: Option<&Item>, object: Value, what: &dyn Fn() -> String) -> Result<Written, Refusal> {
    let (ctx, atoms) = (engine.ctx, &engine.atoms);
    if !js::is_object(object) {
        return refuse(format!("{} is not an object with a `value`", what()));
    }
    let value = js::own(ctx, object, atoms.value)?.unwrap_or(js::JS_UNDEFINED);
    let text = text_of(engine, value, &|| format!("{}.value", what()))?;
    let attributes = match kind == Kind::WithAttributes {
        true => js::own(ctx, object, atoms.attributes)?.filter(|value| !js::is_undefined(*value)),
        false => None,
    };
    let raw = was.filter(|was| {
        let same_attributes = match (attributes, was.attributes) {
            (Some(now), Some(was)) => js::same(now, was),
            (None, None) => true,
            _ => false,
        };
        same_attributes && js::same(value, was.value)
    });
    let attributes = attributes.map(|value| text_of(engine, value, &|| format!("{}.attributes", what()))).transpose()?;
    Ok(Written { value: text.into_bytes(), attributes: attributes.unwrap_or_default().into_bytes(), raw: raw.map(|was| was.raw) })
}

/// The text of a value that must be a string.
pub fn text_of(engine: &Engine, value: Value, what: &dyn Fn() -> String) -> Result<String, Refusal> {
    if !js::is_string(value) {
        return refuse(format!("{} is not a string", what()));
    }
    let text = Text::of(engine.ctx, value)?;
    match text.str() {
        Some(text) => Ok(text.to_owned()),
        None => refuse(format!("{} has a half of a surrogate pair", what())),
    }
}

/// The beginning of a text, for a message.
pub fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}
