//! I am what a source finds besides the language.

use crate::engine::Engine;
use crate::js::Js;

pub fn install(_engine: &Engine, _source: &[u8]) -> Js<()> {
    Ok(())
}

pub fn restrict(_engine: &Engine) -> Js<()> {
    Ok(())
}

pub fn is_module(source: &[u8]) -> bool {
    false
}
