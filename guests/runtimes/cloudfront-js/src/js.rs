//! I am the small part of QuickJS's interface that the rest uses, with Rust's types.
//!
//! Values are not counted here: what Rust code takes from the engine it keeps, since the state of the instance is thrown
//! away after the call. Only functions that JavaScript calls in loops give back what they take (`Text`, `free`).
//!
//! A function here that can run JavaScript or allocate returns `Thrown` when an exception is pending in the context.

use std::ffi::CStr;
use std::ops::Deref;

use rquickjs_sys as q;

pub use q::{JS_EXCEPTION, JS_FALSE, JS_TRUE, JS_UNDEFINED, JSAtom as Atom, JSContext, JSValue as Value};

pub type Ctx = *mut JSContext;

/// An exception is pending in the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thrown;

pub type Js<T> = Result<T, Thrown>;

/// The flags of a property that was just assigned.
pub const PLAIN: u32 = q::JS_PROP_C_W_E;
const HIDDEN: u32 = q::JS_PROP_CONFIGURABLE | q::JS_PROP_WRITABLE;

pub fn checked(value: Value) -> Js<Value> {
    match is_exception(value) {
        true => Err(Thrown),
        false => Ok(value),
    }
}

pub fn tag(value: Value) -> i32 {
    // SAFETY: reads the value itself.
    unsafe { q::JS_VALUE_GET_NORM_TAG(value) }
}

pub fn is_exception(value: Value) -> bool {
    tag(value) == q::JS_TAG_EXCEPTION
}

pub fn is_undefined(value: Value) -> bool {
    tag(value) == q::JS_TAG_UNDEFINED
}

pub fn is_null(value: Value) -> bool {
    tag(value) == q::JS_TAG_NULL
}

pub fn is_object(value: Value) -> bool {
    tag(value) == q::JS_TAG_OBJECT
}

pub fn is_string(value: Value) -> bool {
    matches!(tag(value), q::JS_TAG_STRING | q::JS_TAG_STRING_ROPE)
}

pub fn is_function(ctx: Ctx, value: Value) -> bool {
    // SAFETY: a value of this context.
    unsafe { q::JS_IsFunction(ctx, value) }
}

pub fn is_array(value: Value) -> bool {
    // SAFETY: a value of the engine.
    unsafe { q::JS_IsArray(value) }
}

/// Whether two values are the same object or string in memory. Both must be alive.
pub fn same(a: Value, b: Value) -> bool {
    // SAFETY: reads the values themselves; those with a pointer have it where a pointer is read.
    tag(a) == tag(b) && unsafe { q::JS_VALUE_GET_PTR(a) == q::JS_VALUE_GET_PTR(b) }
}

pub fn int(value: i32) -> Value {
    q::JS_MKVAL(q::JS_TAG_INT, value)
}

pub fn float(value: f64) -> Value {
    q::JS_NewFloat64(value)
}

pub fn boolean(value: bool) -> Value {
    if value { JS_TRUE } else { JS_FALSE }
}

/// A number that is whole and fits.
pub fn whole(value: Value) -> Option<i32> {
    // SAFETY: each read is of the kind that the tag says.
    unsafe {
        match tag(value) {
            q::JS_TAG_INT => Some(q::JS_VALUE_GET_INT(value)),
            q::JS_TAG_FLOAT64 => {
                let number = q::JS_VALUE_GET_FLOAT64(value);
                let whole = number as i32;
                (f64::from(whole) == number).then_some(whole)
            }
            _ => None,
        }
    }
}

/// A string of the bytes of a request: UTF-8, or else each byte is a character.
pub fn string(ctx: Ctx, bytes: &[u8]) -> Js<Value> {
    match bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        // SAFETY: the engine copies the bytes.
        true => checked(unsafe { q::JS_NewStringLen(ctx, bytes.as_ptr().cast(), len(bytes.len())) }),
        false => byte_string(ctx, bytes),
    }
}

/// A string with one character for each byte.
pub fn byte_string(ctx: Ctx, bytes: &[u8]) -> Js<Value> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    // SAFETY: as above.
    checked(unsafe { q::JS_NewStringLen(ctx, text.as_ptr().cast(), len(text.len())) })
}

pub fn atom(ctx: Ctx, name: &[u8]) -> Js<Atom> {
    match name.is_ascii() || std::str::from_utf8(name).is_ok() {
        // SAFETY: the engine copies the name, or finds it.
        true => match unsafe { q::JS_NewAtomLen(ctx, name.as_ptr().cast(), len(name.len())) } {
            0 => Err(Thrown),
            atom => Ok(atom),
        },
        false => {
            let text: String = name.iter().map(|&byte| char::from(byte)).collect();
            atom(ctx, text.as_bytes())
        }
    }
}

/// Takes a count of a name.
pub fn keep(ctx: Ctx, name: Atom) -> Atom {
    // SAFETY: an atom of this context's runtime.
    unsafe { q::JS_DupAtom(ctx, name) }
}

/// The whole number that a name is: the engine keeps those below 2^31 in the atom itself.
pub fn index_of(name: Atom) -> Option<u32> {
    const IS_INTEGER: Atom = 1 << 31;
    (name & IS_INTEGER != 0).then_some(name & !IS_INTEGER)
}

/// The text of a name; of a symbol, nothing.
pub fn text_of_name(ctx: Ctx, name: Atom) -> Js<Option<Text>> {
    // SAFETY: an atom of this context's runtime.
    let value = checked(unsafe { q::JS_AtomToValue(ctx, name) })?;
    let text = (tag(value) != q::JS_TAG_SYMBOL).then(|| Text::of(ctx, value)).transpose();
    free(ctx, value);
    text
}

pub fn object(ctx: Ctx) -> Js<Value> {
    // SAFETY: the context is alive.
    checked(unsafe { q::JS_NewObject(ctx) })
}

/// An array that takes the values.
pub fn array(ctx: Ctx, values: &[Value]) -> Js<Value> {
    // SAFETY: the engine copies the values and takes their counts.
    checked(unsafe { q::JS_NewArrayFrom(ctx, values.len() as i32, values.as_ptr()) })
}

/// Defines an ordinary property, whatever prototypes have; takes the value.
pub fn define(ctx: Ctx, object: Value, name: Atom, value: Value) -> Js<()> {
    define_as(ctx, object, name, value, PLAIN)
}

/// Assigns to a property that there is; takes the value.
pub fn put(ctx: Ctx, object: Value, name: Atom, value: Value) -> Js<()> {
    // SAFETY: values of this context.
    match unsafe { q::JS_SetProperty(ctx, object, name, value) } {
        -1 => Err(Thrown),
        _ => Ok(()),
    }
}

pub fn define_hidden_atom(ctx: Ctx, object: Value, name: Atom, value: Value) -> Js<()> {
    define_as(ctx, object, name, value, HIDDEN)
}

/// With these flags of the engine.
pub fn define_as(ctx: Ctx, object: Value, name: Atom, value: Value, flags: u32) -> Js<()> {
    // SAFETY: values of this context.
    match unsafe { q::JS_DefinePropertyValue(ctx, object, name, value, flags as i32) } {
        -1 => Err(Thrown),
        _ => Ok(()),
    }
}

pub fn set(ctx: Ctx, object: Value, name: &str, value: Value) -> Js<()> {
    define(ctx, object, atom(ctx, name.as_bytes())?, value)
}

/// An own property; nothing that a prototype has. A getter is run.
pub fn own(ctx: Ctx, object: Value, name: Atom) -> Js<Option<Value>> {
    let mut found = q::JSPropertyDescriptor { flags: 0, value: JS_UNDEFINED, getter: JS_UNDEFINED, setter: JS_UNDEFINED };
    // SAFETY: an object of this context; the engine fills what it finds.
    match unsafe { q::JS_GetOwnProperty(ctx, &mut found, object, name) } {
        0 => Ok(None),
        1 if found.flags & q::JS_PROP_GETSET as i32 == 0 => Ok(Some(found.value)),
        1 if is_undefined(found.getter) => Ok(Some(JS_UNDEFINED)),
        // SAFETY: a function of this context.
        1 => checked(unsafe { q::JS_Call(ctx, found.getter, object, 0, std::ptr::null_mut()) }).map(Some),
        _ => Err(Thrown),
    }
}

/// An own property that is a value. Runs nothing: a getter is none.
pub fn own_data(ctx: Ctx, object: Value, name: Atom) -> Js<Option<Value>> {
    let mut found = q::JSPropertyDescriptor { flags: 0, value: JS_UNDEFINED, getter: JS_UNDEFINED, setter: JS_UNDEFINED };
    // SAFETY: an object of this context; the engine fills what it finds.
    match unsafe { q::JS_GetOwnProperty(ctx, &mut found, object, name) } {
        -1 => Err(Thrown),
        1 if found.flags & q::JS_PROP_GETSET as i32 == 0 => Ok(Some(found.value)),
        _ => Ok(None),
    }
}

/// Whether there is an own property of that name.
pub fn has_own(ctx: Ctx, object: Value, name: Atom) -> Js<bool> {
    // SAFETY: as above; without a descriptor the engine only looks.
    match unsafe { q::JS_GetOwnProperty(ctx, std::ptr::null_mut(), object, name) } {
        -1 => Err(Thrown),
        found => Ok(found != 0),
    }
}

/// A property, as JavaScript reads it.
pub fn get(ctx: Ctx, object: Value, name: Atom) -> Js<Value> {
    // SAFETY: values of this context.
    checked(unsafe { q::JS_GetProperty(ctx, object, name) })
}

/// An element of an array, as JavaScript reads it.
pub fn element(ctx: Ctx, array: Value, index: u32) -> Js<Value> {
    // SAFETY: values of this context.
    checked(unsafe { q::JS_GetPropertyUint32(ctx, array, index) })
}

pub fn length(ctx: Ctx, object: Value) -> Js<u32> {
    let mut length = 0;
    // SAFETY: values of this context.
    match unsafe { q::JS_GetLength(ctx, object, &mut length) } {
        -1 => Err(Thrown),
        _ => Ok(u32::try_from(length).unwrap_or(u32::MAX)),
    }
}

/// The names of the enumerable own properties, in order; symbols are left out.
pub fn names(ctx: Ctx, object: Value) -> Js<&'static [q::JSPropertyEnum]> {
    let (mut table, mut count) = (std::ptr::null_mut(), 0);
    let flags = (q::JS_GPN_STRING_MASK | q::JS_GPN_ENUM_ONLY) as i32;
    // SAFETY: an object of this context; the engine gives the table, which is kept until the instance is put back.
    unsafe {
        match q::JS_GetOwnPropertyNames(ctx, &mut table, &mut count, object, flags) {
            0 if count == 0 => Ok(&[]),
            0 => Ok(std::slice::from_raw_parts(table, count as usize)),
            _ => Err(Thrown),
        }
    }
}

/// The bytes of a string of the engine, as UTF-8; a half of a surrogate pair comes as three bytes that are not.
pub struct Text {
    ctx: Ctx,
    bytes: *const u8,
    len: usize,
}

impl Text {
    /// The value as JavaScript makes a string of it.
    pub fn of(ctx: Ctx, value: Value) -> Js<Text> {
        let mut len = 0;
        // SAFETY: a value of this context; the bytes live until they are freed.
        let bytes = unsafe { q::JS_ToCStringLen(ctx, &mut len, value) };
        match bytes.is_null() {
            true => Err(Thrown),
            false => Ok(Text { ctx, bytes: bytes.cast(), len }),
        }
    }

    pub fn of_atom(ctx: Ctx, atom: Atom) -> Js<Text> {
        // SAFETY: an atom of this context.
        let value = checked(unsafe { q::JS_AtomToString(ctx, atom) })?;
        let text = Text::of(ctx, value);
        free(ctx, value);
        text
    }

    /// The text, if it is well-formed.
    pub fn str(&self) -> Option<&str> {
        std::str::from_utf8(self).ok()
    }

    /// The bytes, where what is no character has been replaced.
    pub fn utf8(&self) -> Vec<u8> {
        match self.is_ascii() {
            true => self.to_vec(),
            false => self.lossy().into_bytes(),
        }
    }

    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(self).into_owned()
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the engine gave that many bytes.
        unsafe { std::slice::from_raw_parts(self.bytes, self.len) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: given by the engine, freed once.
        unsafe { q::JS_FreeCString(self.ctx, self.bytes.cast()) }
    }
}

pub fn free(ctx: Ctx, value: Value) {
    // SAFETY: the caller gives up a count that it has.
    unsafe { q::JS_FreeValue(ctx, value) }
}

pub fn dup(ctx: Ctx, value: Value) -> Value {
    // SAFETY: a value of this context.
    unsafe { q::JS_DupValue(ctx, value) }
}

pub type Function = unsafe extern "C" fn(Ctx, Value, i32, *mut Value) -> Value;

pub fn function(ctx: Ctx, name: &CStr, length: i32, body: Function) -> Js<Value> {
    // SAFETY: the name is copied; the function has the engine's signature.
    checked(unsafe { q::JS_NewCFunction2(ctx, Some(body), name.as_ptr(), length, q::JSCFunctionEnum_JS_CFUNC_generic, 0) })
}

/// The arguments of a function that JavaScript has called.
///
/// # Safety
/// As the engine gave them.
pub unsafe fn arguments<'a>(count: i32, values: *mut Value) -> &'a [Value] {
    match usize::try_from(count) {
        Ok(count) if count > 0 => unsafe { std::slice::from_raw_parts(values, count) },
        _ => &[],
    }
}

pub fn argument(arguments: &[Value], index: usize) -> Value {
    arguments.get(index).copied().unwrap_or(JS_UNDEFINED)
}

/// The answer of a function to JavaScript.
pub fn returned(result: Js<Value>) -> Value {
    result.unwrap_or(JS_EXCEPTION)
}

pub fn throw_type_error(ctx: Ctx, message: &str) -> Thrown {
    throw(message, |text| {
        // SAFETY: the format takes one string.
        unsafe { q::JS_ThrowTypeError(ctx, c"%s".as_ptr(), text.as_ptr()) };
    })
}

pub fn throw_error(ctx: Ctx, message: &str) -> Thrown {
    throw(message, |text| {
        // SAFETY: the format takes one string.
        unsafe { q::JS_ThrowPlainError(ctx, c"%s".as_ptr(), text.as_ptr()) };
    })
}

fn throw(message: &str, throw: impl FnOnce(&CStr)) -> Thrown {
    let text = std::ffi::CString::new(message.replace('\0', " ")).unwrap_or_default();
    throw(&text);
    Thrown
}

/// Compiles and runs a piece of source. The text needs a zero after its end, for the parser.
pub fn eval(ctx: Ctx, source: &CStr, file: &CStr, flags: u32) -> Js<Value> {
    // SAFETY: the engine reads the source while it compiles.
    checked(unsafe { q::JS_Eval(ctx, source.as_ptr(), len(source.to_bytes().len()), file.as_ptr(), flags as i32) })
}

pub fn call(ctx: Ctx, function: Value, this: Value, arguments: &mut [Value]) -> Js<Value> {
    // SAFETY: values of this context; the engine counts the arguments for itself.
    checked(unsafe { q::JS_Call(ctx, function, this, arguments.len() as i32, arguments.as_mut_ptr()) })
}

/// Lengths have the width of the platform's `size_t` in the bindings.
fn len(len: usize) -> q::size_t {
    len as q::size_t
}
