//! I write answers: `docs/abi.md`.

const VERSION: u8 = 1;

/// How much of a message of the function's goes into an answer.
const MESSAGE_BYTES: usize = 4096;

/// Appends ops to an answer.
pub struct Answer<'a>(&'a mut Vec<u8>);

impl<'a> Answer<'a> {
    pub fn begin(bytes: &'a mut Vec<u8>) -> Answer<'a> {
        bytes.clear();
        bytes.push(VERSION);
        Answer(bytes)
    }

    pub fn uri(&mut self, uri: &[u8]) {
        self.op(1, &[uri]);
    }

    pub fn query(&mut self, query: &[u8]) {
        self.op(2, &[query]);
    }

    pub fn set_header(&mut self, name: &[u8], value: &[u8]) {
        self.op(3, &[name, value]);
    }

    pub fn add_header(&mut self, name: &[u8], value: &[u8]) {
        self.op(4, &[name, value]);
    }

    pub fn remove_header(&mut self, name: &[u8]) {
        self.op(5, &[name]);
    }

    pub fn respond(&mut self, status: u16, reason: &[u8]) {
        self.0.push(6);
        self.0.extend(status.to_le_bytes());
        string(self.0, reason);
    }

    pub fn status(&mut self, status: u16, reason: &[u8]) {
        self.0.push(7);
        self.0.extend(status.to_le_bytes());
        string(self.0, reason);
    }

    pub fn body(&mut self, body: &[u8]) {
        self.op(8, &[body]);
    }

    /// Ops that are written already.
    pub fn ops(&mut self, ops: &[u8]) {
        self.0.extend_from_slice(ops);
    }

    fn op(&mut self, code: u8, strings: &[&[u8]]) {
        self.0.push(code);
        for text in strings {
            string(self.0, text);
        }
    }
}

pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// The function threw.
pub fn failed(answer: &mut Vec<u8>, message: &str) {
    instead(answer, 32, message);
}

/// What the function returned is not valid.
pub fn invalid(answer: &mut Vec<u8>, message: &str) {
    instead(answer, 33, message);
}

fn instead(answer: &mut Vec<u8>, code: u8, message: &str) {
    let end = (0..=MESSAGE_BYTES.min(message.len())).rev().find(|&end| message.is_char_boundary(end));
    Answer::begin(answer).op(code, &[&message.as_bytes()[..end.unwrap_or(0)]]);
}
