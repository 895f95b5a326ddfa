//! The engine's side of a table: an ordinary object's answers to what JavaScript asks, defines and deletes
//! (ECMA-262 10.1, with `OrdinaryDefineOwnProperty` for what is in the table).
//!
//! The engine asks here for each name that is not among the object's own properties, and none is, until something is defined that a
//! table has no room for, an accessor or a symbol: then all of it becomes the object's own. Nothing here runs JavaScript, so a
//! table is never asked while it is borrowed.

use std::cell::RefCell;
use std::ffi::c_int;
use std::rc::Rc;

use rquickjs_sys as q;

use super::{Entry, Pairs, Property, State, Table};
use crate::engine::Engine;
use crate::js::{self, Atom, Ctx, Js, Text, Thrown, Value};

const CONFIGURABLE: u32 = q::JS_PROP_CONFIGURABLE;
const WRITABLE: u32 = q::JS_PROP_WRITABLE;
const ENUMERABLE: u32 = q::JS_PROP_ENUMERABLE;
/// What says, in the flags of a definition, that it is of an accessor.
const HAS_ACCESSOR: u32 = q::JS_PROP_HAS_GET | q::JS_PROP_HAS_SET;

static EXOTIC: q::JSClassExoticMethods = q::JSClassExoticMethods {
    get_own_property: Some(get_own_property),
    get_own_property_names: Some(get_own_property_names),
    delete_property: Some(delete_property),
    define_own_property: Some(define_own_property),
    has_property: None,
    get_property: None,
    set_property: None,
};

/// Makes the class of such objects, whose prototype is that of all objects.
pub fn register(ctx: Ctx) -> Js<q::JSClassID> {
    let definition = q::JSClassDef {
        class_name: c"Object".as_ptr(),
        finalizer: None,
        gc_mark: None,
        call: None,
        // The engine only reads it.
        exotic: (&raw const EXOTIC).cast_mut(),
    };
    let prototype = js::object(ctx).map(|object| {
        // SAFETY: an object of this context.
        unsafe { q::JS_GetPrototype(ctx, object) }
    })?;
    let mut class = 0;
    // SAFETY: a new class of this context's runtime; the engine takes the prototype.
    unsafe {
        let runtime = q::JS_GetRuntime(ctx);
        q::JS_NewClassID(runtime, &mut class);
        if q::JS_NewClass(runtime, class, &definition) != 0 {
            return Err(Thrown);
        }
        q::JS_SetClassProto(ctx, class, prototype);
    }
    Ok(class)
}

impl Pairs {
    /// An object with an empty table.
    pub fn new(engine: &Engine) -> Js<Pairs> {
        // SAFETY: the class is this runtime's.
        let object = js::checked(unsafe { q::JS_NewObjectClass(engine.ctx, engine.pairs) })?;
        let table = Rc::<RefCell<Table>>::default();
        // SAFETY: an object of that class, which keeps its count for good.
        unsafe { q::JS_SetOpaque(object, Rc::into_raw(table.clone()).cast_mut().cast()) };
        Ok(Pairs { object, table })
    }

    pub fn fill(&self, table: Table) {
        *self.table.borrow_mut() = table;
    }

    /// Whether anything arrived.
    pub fn has_arrived(&self) -> bool {
        self.table.borrow().entries.iter().any(Entry::has_arrived)
    }
}

/// The table of an object.
///
/// # Safety
/// `object` is of the class: the engine calls its methods for no other.
unsafe fn table<'a>(ctx: Ctx, object: Value) -> (&'a Engine, &'static RefCell<Table>) {
    // SAFETY: as promised; `Pairs::new` set the table, which is never freed.
    unsafe {
        let engine = Engine::of(ctx);
        (engine, &*q::JS_GetOpaque(object, engine.pairs).cast::<RefCell<Table>>())
    }
}

/// What a name of JavaScript is in the table.
enum Key {
    At(usize),
    Missing(Text),
    /// The engine's own: a symbol, or the table is settled.
    NotHere,
}

impl Table {
    fn key(&mut self, ctx: Ctx, atom: Atom) -> Js<Key> {
        if self.is_settled {
            return Ok(Key::NotHere);
        }
        let known = |entry: &Entry| entry.atom == Some(atom) && !entry.is_deleted();
        if let Some(place) = self.entries.iter().take(super::FEW).position(known) {
            return Ok(Key::At(place));
        }
        let Some(text) = js::text_of_name(ctx, atom)? else { return Ok(Key::NotHere) };
        let Some(place) = self.position(&text) else { return Ok(Key::Missing(text)) };
        // The atom is kept, so that it is not another name's some day.
        self.entries[place].atom = Some(js::keep(ctx, atom));
        Ok(Key::At(place))
    }
}

impl Table {
    /// The names and where they are, in the order of an object's: whole numbers come first.
    fn names(&mut self, ctx: Ctx) -> Js<Vec<(Atom, usize)>> {
        let mut names = Vec::with_capacity(self.entries.len());
        for (place, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| !entry.is_deleted()) {
            let atom = match entry.atom {
                Some(atom) => atom,
                None => *entry.atom.insert(js::atom(ctx, entry.name)?),
            };
            names.push((atom, place));
        }
        names.sort_by_key(|(atom, _)| js::index_of(*atom).map_or(u64::MAX, u64::from));
        Ok(names)
    }

    /// Makes all that is in it properties of the object itself.
    fn settle(&mut self, engine: &Engine, object: Value) -> Js<()> {
        let ctx = engine.ctx;
        for (atom, place) in self.names(ctx)? {
            self.entries[place].make(engine)?;
            let State::Present(Property { flags, value }) = self.entries[place].state else { continue };
            js::define_as(ctx, object, atom, js::dup(ctx, value), flags | q::JS_PROP_NO_EXOTIC)?;
        }
        self.is_settled = true;
        Ok(())
    }
}

unsafe extern "C" fn get_own_property(ctx: Ctx, found: *mut q::JSPropertyDescriptor, object: Value, atom: Atom) -> c_int {
    // SAFETY: called by the engine.
    let (engine, table) = unsafe { table(ctx, object) };
    let mut table = table.borrow_mut();
    let place = match table.key(ctx, atom) {
        Ok(Key::At(place)) => place,
        Ok(Key::Missing(_) | Key::NotHere) => return 0,
        Err(Thrown) => return -1,
    };
    if found.is_null() {
        return 1;
    }
    let entry = &mut table.entries[place];
    if entry.make(engine).is_err() {
        return -1;
    }
    let State::Present(Property { flags, value }) = entry.state else { return 0 };
    let (value, getter, setter) = (js::dup(ctx, value), js::JS_UNDEFINED, js::JS_UNDEFINED);
    // SAFETY: the engine gives room for one.
    unsafe { *found = q::JSPropertyDescriptor { flags: flags as c_int, value, getter, setter } };
    1
}

unsafe extern "C" fn get_own_property_names(
    ctx: Ctx,
    names: *mut *mut q::JSPropertyEnum,
    count: *mut u32,
    object: Value,
) -> c_int {
    // SAFETY: called by the engine.
    let (_, table) = unsafe { table(ctx, object) };
    let mut table = table.borrow_mut();
    let atoms = match table.is_settled {
        true => Vec::new(),
        false => match table.names(ctx) {
            Ok(places) => places.into_iter().map(|(atom, _)| atom).collect(),
            Err(Thrown) => return -1,
        },
    };
    // SAFETY: the engine frees what its own allocator gave, and gives up the count of each atom.
    unsafe {
        let list = q::js_malloc(ctx, (size_of::<q::JSPropertyEnum>() * atoms.len().max(1)) as q::size_t);
        if list.is_null() {
            return -1;
        }
        let list = list.cast::<q::JSPropertyEnum>();
        for (index, atom) in atoms.iter().enumerate() {
            list.add(index).write(q::JSPropertyEnum { is_enumerable: false, atom: js::keep(ctx, *atom) });
        }
        (*names, *count) = (list, atoms.len() as u32);
    }
    0
}

unsafe extern "C" fn delete_property(ctx: Ctx, object: Value, atom: Atom) -> c_int {
    // SAFETY: called by the engine.
    let (_, table) = unsafe { table(ctx, object) };
    let mut table = table.borrow_mut();
    match table.key(ctx, atom) {
        Ok(Key::At(place)) => match table.entries[place].state {
            State::Present(property) if property.flags & CONFIGURABLE == 0 => 0,
            _ => {
                table.delete(place);
                1
            }
        },
        Ok(Key::Missing(_) | Key::NotHere) => 1,
        Err(Thrown) => -1,
    }
}

unsafe extern "C" fn define_own_property(
    ctx: Ctx,
    object: Value,
    atom: Atom,
    value: Value,
    getter: Value,
    setter: Value,
    flags: c_int,
) -> c_int {
    // SAFETY: called by the engine.
    let (engine, table) = unsafe { table(ctx, object) };
    let mut table = table.borrow_mut();
    let wanted = flags as u32;
    // SAFETY: an object of this context.
    let is_extensible = || unsafe { q::JS_IsExtensible(ctx, object) } == 1;
    if !table.is_settled && (wanted & HAS_ACCESSOR != 0 || matches!(table.key(ctx, atom), Ok(Key::NotHere))) {
        if !is_extensible() {
            return refuse(ctx, wanted, "object is not extensible");
        }
        if table.settle(engine, object).is_err() {
            return -1;
        }
    }
    let (place, old) = match table.key(ctx, atom) {
        Err(Thrown) => return -1,
        Ok(Key::At(place)) => {
            if table.entries[place].make(engine).is_err() {
                return -1;
            }
            let State::Present(old) = table.entries[place].state else { return 0 };
            if !may_become(ctx, old, wanted, value) {
                return refuse(ctx, wanted, "property is not configurable");
            }
            (place, old)
        }
        // SAFETY: as the engine called; with this flag it does not ask here.
        Ok(Key::NotHere) => unsafe {
            return q::JS_DefineProperty(ctx, object, atom, value, getter, setter, flags | q::JS_PROP_NO_EXOTIC as c_int);
        },
        Ok(Key::Missing(_)) if !is_extensible() => return refuse(ctx, wanted, "object is not extensible"),
        Ok(Key::Missing(name)) => {
            let atom = Some(js::keep(ctx, atom));
            let name = name.to_vec().leak();
            table.push(Entry { name, atom, state: State::Deleted, first: None, more: Vec::new(), made: None });
            (table.entries.len() - 1, Property { flags: 0, value: js::JS_UNDEFINED })
        }
    };
    // What the definition does not say stays as it is.
    let said = (wanted >> q::JS_PROP_HAS_SHIFT) & (CONFIGURABLE | WRITABLE | ENUMERABLE);
    let flags = (wanted & said) | (old.flags & !said);
    let value = if wanted & q::JS_PROP_HAS_VALUE != 0 { js::dup(ctx, value) } else { old.value };
    table.entries[place].state = State::Present(Property { flags, value });
    1
}

/// Whether a property may be defined so (ECMA-262 10.1.6.3, steps 4 to 5).
fn may_become(ctx: Ctx, old: Property, wanted: u32, value: Value) -> bool {
    let changes = |has: u32, flag: u32| wanted & has != 0 && (wanted ^ old.flags) & flag != 0;
    if old.flags & CONFIGURABLE != 0 {
        return true;
    }
    if changes(q::JS_PROP_HAS_CONFIGURABLE, CONFIGURABLE) || changes(q::JS_PROP_HAS_ENUMERABLE, ENUMERABLE) {
        return false;
    }
    // SAFETY: values of this context, of which the engine gives up a count.
    let is_same = || unsafe { q::JS_IsSameValue(ctx, js::dup(ctx, value), js::dup(ctx, old.value)) };
    old.flags & WRITABLE != 0 || !changes(q::JS_PROP_HAS_WRITABLE, WRITABLE) && (wanted & q::JS_PROP_HAS_VALUE == 0 || is_same())
}

/// Throws where the definition is to throw, and says that it was not done.
fn refuse(ctx: Ctx, flags: u32, message: &str) -> c_int {
    match flags & (q::JS_PROP_THROW | q::JS_PROP_THROW_STRICT) {
        0 => 0,
        _ => {
            js::throw_type_error(ctx, message);
            -1
        }
    }
}
