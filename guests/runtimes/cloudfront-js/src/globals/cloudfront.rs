//! What the `cloudfront` module asks of the host and says about a request's origin.

use crate::answer::string;
use crate::engine::Engine;
use crate::globals::{Native, bytes};
use crate::host;
use crate::js::{self, Ctx, Js, Text, Value};

pub const NATIVE: &[Native] = &[
    (c"value", 1, value),
    (c"keys", 0, keys),
    (c"location", 0, location),
    (c"choosing", 1, choosing),
    (c"select", 1, select),
    (c"address", 3, address),
    (c"path", 1, path),
    (c"host", 1, host_header),
    (c"header", 2, header),
    (c"clear", 0, clear),
    (c"timeouts", 3, timeouts),
    (c"group", 3, group),
];

/// More than that in ops for an origin no request needs.
const ORIGIN_BYTES: usize = 64 * 1024;

unsafe extern "C" fn value(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript.
    let arguments = unsafe { js::arguments(count, values) };
    let value = || {
        let key = Text::of(ctx, js::argument(arguments, 0))?;
        match key.str().and_then(host::value) {
            Some(value) => bytes::array(ctx, &value),
            None => Ok(js::JS_UNDEFINED),
        }
    };
    js::returned(value())
}

unsafe extern "C" fn keys(_: Ctx, _: Value, _: i32, _: *mut Value) -> Value {
    js::float(f64::from(host::keys()))
}

/// `cf.edgeLocation`
unsafe extern "C" fn location(ctx: Ctx, _: Value, _: i32, _: *mut Value) -> Value {
    let location = || {
        // SAFETY: called by JavaScript of an engine.
        let name = unsafe { Engine::of(ctx) }.with_call(|call| call.edge_location.clone());
        let object = js::object(ctx)?;
        js::set(ctx, object, "name", js::string(ctx, &name)?)?;
        Ok(object)
    };
    js::returned(location())
}

/// Throws where a request's origin cannot be chosen.
unsafe extern "C" fn choosing(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let (engine, arguments) = unsafe { (Engine::of(ctx), js::arguments(count, values)) };
    let check = || {
        let name = Text::of(ctx, js::argument(arguments, 0))?.lossy();
        match engine.with_call(|call| call.chooses_origin) {
            true => Ok(js::JS_UNDEFINED),
            false => Err(js::throw_error(ctx, &format!("{name} works in viewer-request only"))),
        }
    };
    js::returned(check())
}

/// Appends an op whose operands the function writes.
unsafe fn op(ctx: Ctx, count: i32, values: *mut Value, code: u8, write: impl FnOnce(&[Value], &mut Vec<u8>) -> Js<()>) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let (engine, arguments) = unsafe { (Engine::of(ctx), js::arguments(count, values)) };
    let append = || {
        let mut op = vec![code];
        write(arguments, &mut op)?;
        engine.with_call(|call| match call.origin.len() + op.len() > ORIGIN_BYTES {
            true => Err(js::throw_error(ctx, "there are too many changes of the origin")),
            false => {
                call.origin.extend_from_slice(&op);
                Ok(js::JS_UNDEFINED)
            }
        })
    };
    js::returned(append())
}

fn text(ctx: Ctx, arguments: &[Value], index: usize, out: &mut Vec<u8>) -> Js<()> {
    string(out, &Text::of(ctx, js::argument(arguments, index))?);
    Ok(())
}

fn whole(arguments: &[Value], index: usize) -> i32 {
    js::whole(js::argument(arguments, index)).unwrap_or(0)
}

unsafe extern "C" fn select(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine, as all below.
    unsafe { op(ctx, count, values, 16, |arguments, out| text(ctx, arguments, 0, out)) }
}

unsafe extern "C" fn address(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    let write = |arguments: &[Value], out: &mut Vec<u8>| {
        text(ctx, arguments, 0, out)?;
        out.extend((whole(arguments, 1) as u16).to_le_bytes());
        out.push(u8::from(js::same(js::argument(arguments, 2), js::JS_TRUE)));
        Ok(())
    };
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 17, write) }
}

unsafe extern "C" fn path(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 18, |arguments, out| text(ctx, arguments, 0, out)) }
}

unsafe extern "C" fn host_header(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 19, |arguments, out| text(ctx, arguments, 0, out)) }
}

unsafe extern "C" fn header(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    let write = |arguments: &[Value], out: &mut Vec<u8>| {
        text(ctx, arguments, 0, out)?;
        text(ctx, arguments, 1, out)
    };
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 20, write) }
}

unsafe extern "C" fn clear(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 21, |_, _| Ok(())) }
}

unsafe extern "C" fn timeouts(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    let write = |arguments: &[Value], out: &mut Vec<u8>| {
        out.extend((whole(arguments, 0) as u32).to_le_bytes());
        out.extend((whole(arguments, 1) as u32).to_le_bytes());
        out.push(whole(arguments, 2) as u8);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 22, write) }
}

unsafe extern "C" fn group(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    let write = |arguments: &[Value], out: &mut Vec<u8>| {
        text(ctx, arguments, 0, out)?;
        text(ctx, arguments, 1, out)?;
        let list = js::argument(arguments, 2);
        let statuses = js::length(ctx, list)?.min(16);
        out.extend((statuses as u16).to_le_bytes());
        for index in 0..statuses {
            let status = js::element(ctx, list, index)?;
            out.extend((js::whole(status).unwrap_or(0) as u16).to_le_bytes());
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { op(ctx, count, values, 23, write) }
}
