//! I make text of exceptions: what was thrown, and where.

use rquickjs_sys as q;

use crate::js::{self, Ctx, Text, Value};

/// The pending exception as text: its name and message, then a line for each frame of the stack. Takes it.
pub fn take(ctx: Ctx) -> String {
    // SAFETY: the context is alive; without an exception the engine gives a value of its own.
    let value = unsafe { q::JS_GetException(ctx) };
    describe(ctx, value)
}

/// Any value as the text of an error.
pub fn describe(ctx: Ctx, value: Value) -> String {
    let text = text_of(ctx, value);
    if !js::is_object(value) {
        return text;
    }
    let stack = js::atom(ctx, b"stack").and_then(|name| js::get(ctx, value, name));
    match stack {
        Ok(stack) if js::is_string(stack) => format!("{text}\n{}", text_of(ctx, stack)).trim_end().to_owned(),
        Ok(_) => text,
        Err(_) => {
            discard(ctx);
            text
        }
    }
}

/// A value as a string; what cannot be one is told of.
fn text_of(ctx: Ctx, value: Value) -> String {
    match Text::of(ctx, value) {
        Ok(text) => text.lossy(),
        Err(_) => {
            discard(ctx);
            "a value that is no string".to_owned()
        }
    }
}

fn discard(ctx: Ctx) {
    // SAFETY: as above.
    let value = unsafe { q::JS_GetException(ctx) };
    js::free(ctx, value);
}
