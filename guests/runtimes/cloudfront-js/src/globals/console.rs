//! `console.log`: a line of the function's log.

use crate::engine::Engine;
use crate::globals::{Piece, load};
use crate::host;
use crate::js::{self, Ctx, Js, Text, Value};

/// More of a call's log the host does not keep.
const LINE_BYTES: usize = 10 * 1024;

pub unsafe extern "C" fn log(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let (engine, arguments) = unsafe { (Engine::of(ctx), js::arguments(count, values)) };
    js::returned(line(engine, arguments))
}

fn line(engine: &Engine, arguments: &[Value]) -> Js<Value> {
    let ctx = engine.ctx;
    let mut line = String::new();
    for (i, argument) in arguments.iter().enumerate() {
        if i > 0 {
            line.push(' ');
        }
        match js::is_string(*argument) {
            true => line.push_str(&Text::of(ctx, *argument)?.lossy()),
            false => {
                let show = load(engine, Piece::Inspect)?;
                let shown = js::call(ctx, show, js::JS_UNDEFINED, &mut [*argument])?;
                line.push_str(&Text::of(ctx, shown)?.lossy());
                js::free(ctx, shown);
                js::free(ctx, show);
            }
        }
        if line.len() > LINE_BYTES {
            let end = (0..=LINE_BYTES).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
            line.truncate(end);
            break;
        }
    }
    host::line(&line);
    Ok(js::JS_UNDEFINED)
}
