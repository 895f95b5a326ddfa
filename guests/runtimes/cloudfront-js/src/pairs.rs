//! I am the objects that map names to `{value, multiValue?}`: headers, cookies, query strings.
//!
//! They are made from what arrived, and each remembers what it was made of. What a handler has not touched is then
//! found by identity, without comparing text, and keeps the bytes that arrived.

use crate::engine::Engine;
use crate::js::{self, Atom, Js, Text, Value};
use crate::result::{Refusal, refuse};

/// Whether the values are cookies of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    WithAttributes,
}

/// So many are looked through faster than the object answers.
const FEW: usize = 32;

/// An object, and what was put into it.
pub struct Pairs<'e> {
    pub object: Value,
    pub entries: Vec<Entry<'e>>,
}

pub struct Entry<'e> {
    pub name: &'e [u8],
    atom: Atom,
    first: Item<'e>,
    /// All values, if there is more than one. The array is made when all are known.
    items: Vec<Item<'e>>,
    array: Value,
}

/// One object with a value.
pub struct Item<'e> {
    object: Value,
    value: Value,
    attributes: Option<Value>,
    /// As it arrived.
    raw: &'e [u8],
}

/// A value as it arrived, and what of it a function sees.
#[derive(Clone, Copy)]
pub struct Arrived<'e> {
    pub raw: &'e [u8],
    pub value: &'e [u8],
    /// For cookies of responses.
    pub attributes: Option<&'e [u8]>,
}

impl<'e> Pairs<'e> {
    pub fn new(engine: &Engine, capacity: usize) -> Js<Pairs<'e>> {
        Ok(Pairs { object: js::object(engine.ctx)?, entries: Vec::with_capacity(capacity) })
    }

    pub fn insert(&mut self, engine: &Engine, name: &'e [u8], arrived: Arrived<'e>) -> Js<()> {
        let ctx = engine.ctx;
        let atom = js::atom(ctx, name)?;
        let is_new = match self.entries.len() {
            0..=FEW => self.entries.iter().all(|entry| entry.atom != atom),
            _ => !js::has_own(ctx, self.object, atom)?,
        };
        if is_new {
            let first = Item::new(engine, arrived)?;
            js::define(ctx, self.object, atom, js::dup(ctx, first.object))?;
            self.entries.push(Entry { name, atom, first, items: Vec::new(), array: js::JS_UNDEFINED });
            return Ok(());
        }
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.atom == atom) else { return Ok(()) };
        if entry.items.is_empty() {
            entry.items.push(entry.first.again(engine)?);
        }
        entry.items.push(Item::new(engine, arrived)?);
        Ok(())
    }

    /// Gives those with several values their `multiValue`.
    pub fn finish(&mut self, engine: &Engine) -> Js<()> {
        let ctx = engine.ctx;
        for entry in self.entries.iter_mut().filter(|entry| !entry.items.is_empty()) {
            let objects: Vec<Value> = entry.items.iter().map(|item| js::dup(ctx, item.object)).collect();
            entry.array = js::array(ctx, &objects)?;
            js::define(ctx, entry.first.object, engine.atoms.multi_value, js::dup(ctx, entry.array))?;
        }
        Ok(())
    }
}

impl<'e> Item<'e> {
    fn new(engine: &Engine, arrived: Arrived<'e>) -> Js<Item<'e>> {
        let value = js::string(engine.ctx, arrived.value)?;
        let attributes = arrived.attributes.filter(|text| !text.is_empty());
        let attributes = attributes.map(|text| js::string(engine.ctx, text)).transpose()?;
        Item::of(engine, value, attributes, arrived.raw)
    }

    fn again(&self, engine: &Engine) -> Js<Item<'e>> {
        Item::of(engine, self.value, self.attributes, self.raw)
    }

    fn of(engine: &Engine, value: Value, attributes: Option<Value>, raw: &'e [u8]) -> Js<Item<'e>> {
        let ctx = engine.ctx;
        let object = js::object(ctx)?;
        js::define(ctx, object, engine.atoms.value, js::dup(ctx, value))?;
        if let Some(attributes) = attributes {
            js::define(ctx, object, engine.atoms.attributes, js::dup(ctx, attributes))?;
        }
        Ok(Item { object, value, attributes, raw })
    }

    /// Whether it is still as it was made. Nothing here runs a getter.
    fn is_untouched(&self, engine: &Engine, kind: Kind) -> Js<bool> {
        Ok(same_own(engine, self.object, engine.atoms.value, Some(self.value))?
            && (kind == Kind::Plain || same_own(engine, self.object, engine.atoms.attributes, self.attributes)?))
    }
}

/// Whether an own property is that very value, or is missing where there was none.
fn same_own(engine: &Engine, object: Value, name: Atom, expected: Option<Value>) -> Js<bool> {
    let found = js::own_data(engine.ctx, object, name)?;
    Ok(match (found, expected) {
        (Some(found), Some(expected)) => {
            js::free(engine.ctx, found);
            js::same(found, expected)
        }
        (None, None) => true,
        _ => false,
    })
}

impl Entry<'_> {
    fn is_untouched(&self, engine: &Engine, kind: Kind, object: Value) -> Js<bool> {
        if !same_own(engine, object, self.atom, Some(self.first.object))? || !self.first.is_untouched(engine, kind)? {
            return Ok(false);
        }
        if self.items.is_empty() {
            return Ok(!js::has_own(engine.ctx, self.first.object, engine.atoms.multi_value)?);
        }
        if !same_own(engine, self.first.object, engine.atoms.multi_value, Some(self.array))? {
            return Ok(false);
        }
        self.items_untouched(engine, kind, self.array)
    }

    fn items_untouched(&self, engine: &Engine, kind: Kind, array: Value) -> Js<bool> {
        if js::length(engine.ctx, array)? as usize != self.items.len() {
            return Ok(false);
        }
        for (index, item) in (0..).zip(&self.items) {
            let object = js::element(engine.ctx, array, index)?;
            if !js::same(object, item.object) || !item.is_untouched(engine, kind)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        let single = self.items.is_empty().then_some(&self.first);
        single.into_iter().chain(&self.items).map(|item| item.raw)
    }
}

/// What a handler has made of a `Pairs`, in the order of its object.
pub enum Now<'p, 'e> {
    Untouched(&'p Entry<'e>),
    Changed { name: Text, values: Vec<Written> },
    Removed(&'p Entry<'e>),
}

/// A value that a handler wrote, or did not touch.
pub struct Written {
    pub value: Vec<u8>,
    pub attributes: Vec<u8>,
    /// The bytes that arrived, if it is one of those.
    pub raw: Option<Vec<u8>>,
}

/// Compares an object that a handler returned with what was made for it. `what` names it in messages, as `request.headers`.
pub fn compare<'p, 'e>(
    engine: &Engine,
    kind: Kind,
    was: Option<&'p Pairs<'e>>,
    object: Value,
    what: &str,
    mut each: impl FnMut(Now<'p, 'e>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let ctx = engine.ctx;
    if !js::is_object(object) || js::is_array(object) || js::is_function(ctx, object) {
        return refuse(format!("{what} is not an object"));
    }
    let entries = was.map_or(&[][..], |pairs| &pairs.entries);
    let mut seen = vec![false; entries.len()];
    for (index, name) in js::names(ctx, object)?.iter().enumerate() {
        // What is untouched is where it was.
        let index = match entries.get(index) {
            Some(entry) if entry.atom == name.atom => Some(index),
            _ => entries.iter().position(|entry| entry.atom == name.atom),
        };
        let entry = index.map(|index| &entries[index]);
        if let Some(index) = index {
            seen[index] = true;
            if entries[index].is_untouched(engine, kind, object)? {
                each(Now::Untouched(&entries[index]))?;
                continue;
            }
        }
        let text = Text::of_atom(ctx, name.atom)?;
        // Deleted by a getter that ran before.
        let Some(value) = js::own(ctx, object, name.atom)? else { continue };
        let what = || format!("{what}[{:?}]", excerpt(&text));
        let values = written(engine, kind, entry, value, &what)?;
        each(Now::Changed { name: text, values })?;
    }
    for (entry, _) in entries.iter().zip(&seen).filter(|(_, seen)| !**seen) {
        each(Now::Removed(entry))?;
    }
    Ok(())
}

/// The values of an entry that was touched: a `multiValue` that was changed, else the `value` in place of the first one.
fn written(
    engine: &Engine,
    kind: Kind,
    was: Option<&Entry<'_>>,
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
fn one(
    engine: &Engine,
    kind: Kind,
    was: Option<&Item<'_>>,
    object: Value,
    what: &dyn Fn() -> String,
) -> Result<Written, Refusal> {
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
    Ok(Written {
        value: text.into_bytes(),
        attributes: attributes.unwrap_or_default().into_bytes(),
        raw: raw.map(|was| was.raw.to_vec()),
    })
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
