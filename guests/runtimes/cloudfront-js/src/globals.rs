//! I am what a source finds besides the language: the functions that JavaScript cannot have of itself are here, the rest is
//! JavaScript (`src/js`) around them.
//!
//! A piece of JavaScript is compiled when it is first asked for. Those that a source names are asked for in `install`, so
//! that they are in the image and no call pays for them.

mod bytes;
mod cloudfront;
mod console;
mod crypto;
mod modules;

use std::ffi::CStr;

use rquickjs_sys as q;

use crate::clock;
use crate::engine::{Dialect, Engine};
use crate::js::{self, Ctx, Js, Value};

pub use modules::{Compiled, compile, set_loader};

/// Pieces of JavaScript. Each is an expression: a function that is given `native`, `load` and whether the dialect is 2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    Prelude,
    Bytes,
    Inspect,
    Crypto,
    Querystring,
    Buffer,
    Text,
    Cloudfront,
}

impl Piece {
    pub const COUNT: usize = 8;

    const ALL: [Piece; Piece::COUNT] = [
        Piece::Prelude,
        Piece::Bytes,
        Piece::Inspect,
        Piece::Crypto,
        Piece::Querystring,
        Piece::Buffer,
        Piece::Text,
        Piece::Cloudfront,
    ];

    fn source(self) -> (&'static CStr, &'static CStr) {
        macro_rules! piece {
            ($name:literal) => {{
                const SOURCE: &[u8] = concat!(include_str!(concat!("js/", $name, ".js")), "\0").as_bytes();
                const FILE: &[u8] = concat!("edgeward:", $name, "\0").as_bytes();
                const { (terminated(FILE), terminated(SOURCE)) }
            }};
        }
        match self {
            Piece::Prelude => piece!("prelude"),
            Piece::Bytes => piece!("bytes"),
            Piece::Inspect => piece!("inspect"),
            Piece::Crypto => piece!("crypto"),
            Piece::Querystring => piece!("querystring"),
            Piece::Buffer => piece!("buffer"),
            Piece::Text => piece!("text"),
            Piece::Cloudfront => piece!("cloudfront"),
        }
    }

    /// The words in a source that say that it will be needed.
    fn words(self) -> &'static [&'static str] {
        match self {
            Piece::Prelude | Piece::Bytes => &[],
            Piece::Inspect => &["console"],
            Piece::Crypto => &["crypto"],
            Piece::Querystring => &["querystring"],
            Piece::Buffer => &["Buffer", "buffer", "crypto"],
            Piece::Text => &["TextEncoder", "TextDecoder"],
            Piece::Cloudfront => &["cloudfront"],
        }
    }

    fn named(name: &[u8]) -> Option<Piece> {
        Some(match name {
            b"bytes" => Piece::Bytes,
            b"buffer" => Piece::Buffer,
            b"text" => Piece::Text,
            _ => return None,
        })
    }
}

const fn terminated(text: &'static [u8]) -> &'static CStr {
    match CStr::from_bytes_with_nul(text) {
        Ok(text) => text,
        Err(_) => panic!("a piece has a zero byte"),
    }
}

/// Makes what every source finds.
pub fn prepare(engine: &Engine) -> Js<()> {
    let ctx = engine.ctx;
    let native = js::object(ctx)?;
    for (name, length, body) in NATIVE.iter().chain(bytes::NATIVE).chain(cloudfront::NATIVE).chain(crypto::NATIVE) {
        let text = name.to_bytes();
        js::define(ctx, native, js::atom(ctx, text)?, js::function(ctx, name, *length, *body)?)?;
    }
    engine.set_native(native);
    load(engine, Piece::Prelude).map(drop)
}

/// Makes what else the source names.
pub fn install(engine: &Engine, source: &[u8]) -> Js<()> {
    for piece in Piece::ALL.into_iter().filter(|piece| engine.dialect == Dialect::Two || *piece != Piece::Buffer) {
        let is_named = |word: &&str| source.windows(word.len()).any(|found| found == word.as_bytes());
        if piece.words().iter().any(is_named) {
            load(engine, piece)?;
        }
    }
    Ok(())
}

/// What a piece gives, made at the first time.
pub fn load(engine: &Engine, piece: Piece) -> Js<Value> {
    let ctx = engine.ctx;
    if let Some(made) = engine.piece(piece) {
        return Ok(js::dup(ctx, made));
    }
    let (file, source) = piece.source();
    let make = js::eval(ctx, source, file, q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_STRICT)?;
    let load = js::function(ctx, c"load", 1, load_named)?;
    let is_two = js::boolean(engine.dialect == Dialect::Two);
    let made = js::call(ctx, make, js::JS_UNDEFINED, &mut [engine.native(), load, is_two])?;
    engine.set_piece(piece, js::dup(ctx, made));
    Ok(made)
}

type Native = (&'static CStr, i32, js::Function);

const NATIVE: &[Native] = &[(c"log", 1, console::log), (c"random", 0, random), (c"require", 1, modules::require)];

unsafe extern "C" fn load_named(ctx: Ctx, _: Value, count: i32, values: *mut Value) -> Value {
    // SAFETY: called by JavaScript of an engine.
    let (engine, arguments) = unsafe { (Engine::of(ctx), js::arguments(count, values)) };
    let name = match js::Text::of(ctx, js::argument(arguments, 0)) {
        Ok(name) => name,
        Err(_) => return js::JS_EXCEPTION,
    };
    js::returned(match Piece::named(&name) {
        Some(piece) => load(engine, piece),
        None => Err(js::throw_error(ctx, "there is no such piece")),
    })
}

unsafe extern "C" fn random(_: Ctx, _: Value, _: i32, _: *mut Value) -> Value {
    js::float(clock::random())
}
