//! I am the objects that map names to `{value, multiValue?}`: headers, cookies, query strings.
//!
//! Such an object is a table of what arrived. What JavaScript sees of an entry is made when a handler first asks for it, since
//! most handlers look at one header or two. `class` is the engine's side of it; `changes` compares a table with what a handler
//! has made of it: what it has not asked for keeps the bytes that arrived, without any text being compared.

mod class;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rquickjs_sys as q;

use crate::engine::Engine;
use crate::js::{self, Atom, Js, Value};

pub use class::register;

/// Whether the values are cookies of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    WithAttributes,
}

/// So many names are looked through faster than a tree.
const FEW: usize = 32;

/// An object, and what is in it.
pub struct Pairs {
    pub object: Value,
    pub table: Rc<RefCell<Table>>,
}

#[derive(Default)]
pub struct Table {
    /// In the order in which they came to be.
    pub entries: Vec<Entry>,
    /// Where each name is, if there are more than a few.
    places: BTreeMap<&'static [u8], usize>,
    /// Whether all that is in it has become the object's own: what follows is the engine's to do.
    pub is_settled: bool,
}

pub struct Entry {
    /// As UTF-8.
    pub name: &'static [u8],
    /// Once JavaScript has asked for it.
    atom: Option<Atom>,
    pub state: State,
    /// The values that arrived: none of a name that the handler made.
    first: Option<Arrived>,
    more: Vec<Arrived>,
    /// What was made of them.
    pub made: Option<Rc<Made>>,
}

/// What JavaScript finds at a name.
#[derive(Clone, Copy)]
pub enum State {
    /// What arrived, for which nobody has asked.
    Arrived,
    Present(Property),
    Deleted,
}

#[derive(Clone, Copy)]
pub struct Property {
    /// The engine's: configurable, writable, enumerable.
    pub flags: u32,
    pub value: Value,
}

impl Property {
    pub fn is_enumerable(&self) -> bool {
        self.flags & q::JS_PROP_ENUMERABLE != 0
    }
}

/// A value as it arrived, and what of it a function sees.
#[derive(Clone, Copy)]
pub struct Arrived {
    pub raw: &'static [u8],
    pub value: &'static [u8],
    /// For cookies of responses.
    pub attributes: Option<&'static [u8]>,
}

/// The objects of an entry that arrived.
pub struct Made {
    pub first: Item,
    /// All values, if there is more than one.
    pub items: Vec<Item>,
    array: Value,
}

/// One object with a value.
#[derive(Clone, Copy)]
pub struct Item {
    object: Value,
    pub value: Value,
    pub attributes: Option<Value>,
    /// As it arrived.
    pub raw: &'static [u8],
}

impl Table {
    pub fn with_capacity(entries: usize) -> Table {
        Table { entries: Vec::with_capacity(entries), ..Table::default() }
    }

    /// Adds a value that has arrived.
    pub fn insert(&mut self, name: &'static [u8], arrived: Arrived) {
        let name = match name.is_ascii() || std::str::from_utf8(name).is_ok() {
            true => name,
            // Each byte is a character, as in `js::string`.
            false => name.iter().map(|&byte| char::from(byte)).collect::<String>().leak().as_bytes(),
        };
        match self.position(name) {
            Some(place) => self.entries[place].more.push(arrived),
            None => {
                self.push(Entry { name, atom: None, state: State::Arrived, first: Some(arrived), more: Vec::new(), made: None })
            }
        }
    }

    fn push(&mut self, entry: Entry) {
        let place = self.entries.len();
        if place == FEW {
            let alive = (0..).zip(&self.entries).filter(|(_, entry)| !entry.is_deleted());
            self.places = alive.map(|(place, entry)| (entry.name, place)).collect();
        }
        if place >= FEW {
            self.places.insert(entry.name, place);
        }
        self.entries.push(entry);
    }

    /// Where the entry of this name is, unless it was deleted.
    fn position(&self, name: &[u8]) -> Option<usize> {
        match self.entries.len() {
            0..=FEW => self.entries.iter().position(|entry| entry.name == name && !entry.is_deleted()),
            _ => self.places.get(name).copied(),
        }
    }

    /// What arrived under this name, also if it was deleted since.
    pub fn arrived(&self, name: &[u8]) -> Option<usize> {
        let alive = self.position(name).filter(|place| self.entries[*place].has_arrived());
        alive.or_else(|| self.entries.iter().position(|entry| entry.has_arrived() && entry.name == name))
    }

    /// Whether there is something at this name, for whoever lists the names.
    pub fn shows(&self, name: &[u8]) -> bool {
        self.position(name).is_some_and(|place| self.entries[place].is_visible())
    }

    fn delete(&mut self, place: usize) {
        self.entries[place].state = State::Deleted;
        self.places.remove(self.entries[place].name);
    }
}

impl Entry {
    fn is_deleted(&self) -> bool {
        matches!(self.state, State::Deleted)
    }

    pub fn is_visible(&self) -> bool {
        match self.state {
            State::Arrived => true,
            State::Present(property) => property.is_enumerable(),
            State::Deleted => false,
        }
    }

    pub fn has_arrived(&self) -> bool {
        self.first.is_some()
    }

    /// The bytes of the values that arrived.
    pub fn raw(&self) -> impl Iterator<Item = &'static [u8]> {
        self.first.iter().chain(&self.more).map(|arrived| arrived.raw)
    }

    /// Makes what JavaScript sees of it, unless that was done. Runs no JavaScript.
    fn make(&mut self, engine: &Engine) -> Js<()> {
        let (State::Arrived, Some(first)) = (self.state, self.first) else { return Ok(()) };
        let ctx = engine.ctx;
        let mut made = Made { first: Item::new(engine, first)?, items: Vec::new(), array: js::JS_UNDEFINED };
        if !self.more.is_empty() {
            made.items.push(made.first.again(engine)?);
            for arrived in &self.more {
                made.items.push(Item::new(engine, *arrived)?);
            }
            let objects: Vec<Value> = made.items.iter().map(|item| js::dup(ctx, item.object)).collect();
            made.array = js::array(ctx, &objects)?;
            js::define(ctx, made.first.object, engine.atoms.multi_value, js::dup(ctx, made.array))?;
        }
        self.state = State::Present(Property { flags: js::PLAIN, value: js::dup(ctx, made.first.object) });
        self.made = Some(Rc::new(made));
        Ok(())
    }
}

impl Item {
    fn new(engine: &Engine, arrived: Arrived) -> Js<Item> {
        let value = js::string(engine.ctx, arrived.value)?;
        let attributes = arrived.attributes.filter(|text| !text.is_empty());
        let attributes = attributes.map(|text| js::string(engine.ctx, text)).transpose()?;
        Item::of(engine, value, attributes, arrived.raw)
    }

    fn again(&self, engine: &Engine) -> Js<Item> {
        Item::of(engine, self.value, self.attributes, self.raw)
    }

    fn of(engine: &Engine, value: Value, attributes: Option<Value>, raw: &'static [u8]) -> Js<Item> {
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

impl Made {
    /// Whether `value` is the object that was made, and nobody has changed it.
    pub fn is_untouched(&self, engine: &Engine, kind: Kind, value: Value) -> Js<bool> {
        if !js::same(value, self.first.object) || !self.first.is_untouched(engine, kind)? {
            return Ok(false);
        }
        if self.items.is_empty() {
            return Ok(!js::has_own(engine.ctx, self.first.object, engine.atoms.multi_value)?);
        }
        Ok(same_own(engine, self.first.object, engine.atoms.multi_value, Some(self.array))?
            && self.items_untouched(engine, kind, self.array)?)
    }

    /// Whether an array holds the items that arrived.
    pub fn items_untouched(&self, engine: &Engine, kind: Kind, array: Value) -> Js<bool> {
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
}
