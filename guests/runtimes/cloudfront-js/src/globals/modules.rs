//! `require` and `import`: the modules there are, and whether a source is a module itself.

use std::ffi::{CStr, CString};

use rquickjs_sys as q;

use crate::engine::{Dialect, Engine};
use crate::error;
use crate::globals::{Piece, load};
use crate::js::{self, Ctx, Js, Text, Thrown, Value};
use crate::result::Refusal;

/// What a module exports by name, besides its default.
fn module(name: &[u8]) -> Option<(Piece, &'static [&'static CStr])> {
    Some(match name {
        b"crypto" => (Piece::Crypto, &[c"createHash", c"createHmac"]),
        b"querystring" => (Piece::Querystring, &[c"parse", c"stringify", c"escape", c"unescape", c"decode", c"encode"]),
        b"buffer" => (Piece::Buffer, &[c"Buffer"]),
        b"cloudfront" => {
            (Piece::Cloudfront, &[c"kvs", c"updateRequestOrigin", c"selectRequestOriginById", c"createRequestOriginGroup"])
        }
        _ => return None,
    })
}

fn found(engine: &Engine, name: &[u8]) -> Js<(Piece, &'static [&'static CStr])> {
    match module(name) {
        Some((Piece::Buffer | Piece::Cloudfront, _)) | None if engine.dialect == Dialect::One => Err(missing(engine.ctx, name)),
        Some(found) => Ok(found),
        None => Err(missing(engine.ctx, name)),
    }
}

fn missing(ctx: Ctx, name: &[u8]) -> Thrown {
    js::throw_error(ctx, &format!("Cannot find module \"{}\"", crate::changes::excerpt(name)))
}

pub unsafe extern "C" fn require(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let (engine, arguments) = unsafe { (Engine::of(ctx), js::arguments(count, values)) };
    let require = || {
        let name = Text::of(ctx, js::argument(arguments, 0))?;
        load(engine, found(engine, &name)?.0)
    };
    js::returned(require())
}

/// Lets `import` find the modules.
pub fn set_loader(runtime: *mut q::JSRuntime) {
    // SAFETY: the runtime is alive; names are left as they are written.
    unsafe { q::JS_SetModuleLoaderFunc(runtime, Some(normalize), Some(import), std::ptr::null_mut()) };
}

unsafe extern "C" fn normalize(
    ctx: Ctx,
    _: *const std::ffi::c_char,
    name: *const std::ffi::c_char,
    _: *mut std::ffi::c_void,
) -> *mut std::ffi::c_char {
    // SAFETY: the engine gives a name and frees the copy.
    unsafe { q::js_strdup(ctx, name) }
}

unsafe extern "C" fn import(ctx: Ctx, name: *const std::ffi::c_char, _: *mut std::ffi::c_void) -> *mut q::JSModuleDef {
    // SAFETY: called by an engine's context, with a name.
    let (engine, text) = unsafe { (Engine::of(ctx), CStr::from_ptr(name)) };
    let Ok((_, exports)) = found(engine, text.to_bytes()) else { return std::ptr::null_mut() };
    // SAFETY: the names live for ever; the module is the engine's.
    unsafe {
        let module = q::JS_NewCModule(ctx, name, Some(fill));
        if !module.is_null() {
            for export in std::iter::once(&c"default").chain(exports) {
                q::JS_AddModuleExport(ctx, module, export.as_ptr());
            }
        }
        module
    }
}

unsafe extern "C" fn fill(ctx: Ctx, module: *mut q::JSModuleDef) -> i32 {
    let fill = || {
        // SAFETY: a module of `import`, in an engine's context.
        let (engine, name) = unsafe { (Engine::of(ctx), q::JS_GetModuleName(ctx, module)) };
        let (piece, exports) = found(engine, &Text::of_atom(ctx, name)?)?;
        let object = load(engine, piece)?;
        for export in exports {
            let value = js::get(ctx, object, js::atom(ctx, export.to_bytes())?)?;
            // SAFETY: declared in `import`.
            unsafe { q::JS_SetModuleExport(ctx, module, export.as_ptr(), value) };
        }
        // SAFETY: as above.
        unsafe { q::JS_SetModuleExport(ctx, module, c"default".as_ptr(), object) };
        Ok::<_, Thrown>(())
    };
    if fill().is_ok() { 0 } else { -1 }
}

/// What a source was compiled to.
pub enum Compiled {
    Script(Value),
    Module(Value),
}

/// Compiles a source: a script, or in dialect 2.0 a module where it is no script. `module_end` is appended to a module.
pub fn compile(engine: &Engine, file: &CStr, source: &[u8], module_end: &str) -> Result<Compiled, Refusal> {
    let ctx = engine.ctx;
    let text = |source: Vec<u8>| match CString::new(source) {
        Ok(source) => Ok(source),
        Err(_) => crate::result::refuse("the source has a zero byte"),
    };
    let flags = q::JS_EVAL_FLAG_STRICT | q::JS_EVAL_FLAG_COMPILE_ONLY;
    if let Ok(script) = js::eval(ctx, &text(source.to_vec())?, file, q::JS_EVAL_TYPE_GLOBAL | flags) {
        return Ok(Compiled::Script(script));
    }
    let has_word = |word: &[u8]| source.windows(word.len()).any(|found| found == word);
    if engine.dialect == Dialect::One || !(has_word(b"import") || has_word(b"export") || has_word(b"await")) {
        return Err(Refusal::Thrown);
    }
    let as_script = error::take(ctx);
    // On a line of its own: the source may end in a comment.
    let whole = text([source, b"\n", module_end.as_bytes()].concat())?;
    if let Ok(module) = js::eval(ctx, &whole, file, q::JS_EVAL_TYPE_MODULE | flags) {
        return Ok(Compiled::Module(module));
    }
    // The error of the form that the source seems to have, and of what its author wrote.
    let mut message = error::take(ctx);
    if !(has_word(b"import ") || has_word(b"export ")) {
        message = as_script;
    } else if js::eval(ctx, &text(source.to_vec())?, file, q::JS_EVAL_TYPE_MODULE | flags).is_err() {
        message = error::take(ctx);
    }
    Err(Refusal::Failed(message))
}
