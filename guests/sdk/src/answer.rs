//! I write answers, as `docs/abi.md` lays them out.
//!
//! I check nothing: what a moment allows is the host's to say.

use crate::Text;

const VERSION: u8 = 1;
/// Enough for the answers of most hooks: growing copies, and memory that is not touched costs nothing.
const USUAL: usize = 2_048;
/// A buffer that one large answer has made larger than this is not kept for the next call.
const KEPT: usize = 65_536;

/// The ops that a hook asks for; codes of `docs/abi.md`.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Code {
    SetUri = 1,
    SetQuery = 2,
    SetHeader = 3,
    AppendHeader = 4,
    RemoveHeader = 5,
    Respond = 6,
    SetStatus = 7,
    SetBody = 8,
    SelectOrigin = 16,
    OriginAddress = 17,
    OriginPath = 18,
    OriginHostHeader = 19,
    OriginHeader = 20,
    ClearOriginHeaders = 21,
    OriginTimeouts = 22,
    OriginGroup = 23,
}

#[derive(Debug)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// Not an answer yet: `begin` must be called.
    pub(crate) const fn unallocated() -> Answer {
        Answer(Vec::new())
    }

    /// Forgets everything that was asked for.
    pub(crate) fn begin(&mut self) {
        if self.0.capacity() == 0 || self.0.capacity() > KEPT {
            self.0 = Vec::with_capacity(USUAL);
        }
        self.0.clear();
        self.0.push(VERSION);
    }

    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn op(&mut self, code: Code) -> &mut Answer {
        self.0.push(code as u8);
        self
    }

    pub(crate) fn text(&mut self, text: impl Text) -> &mut Answer {
        // The pieces' length is known when they have been written.
        let at = self.0.len();
        self.0.reserve(4 + text.size());
        self.0.extend_from_slice(&[0; 4]);
        text.put(&mut self.0);
        let len = (self.0.len() - at - 4) as u32;
        if let Some(place) = self.0.get_mut(at..at + 4) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        self
    }

    pub(crate) fn bytes_of(&mut self, bytes: &[u8]) -> &mut Answer {
        self.0.reserve(4 + bytes.len());
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Answer {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Answer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Answer {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
}
