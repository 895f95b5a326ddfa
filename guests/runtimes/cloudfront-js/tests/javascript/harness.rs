//! Events as bytes, answers as lines of text.

use cloudfront_js::Function;
use cloudfront_js::host::native::WORLD;

pub type Headers = Vec<(&'static str, Vec<u8>)>;

/// A request, or a response to it.
#[derive(Clone)]
pub struct Event {
    pub method: &'static str,
    pub uri: &'static str,
    pub query: Option<String>,
    pub headers: Headers,
    pub response: Option<(u16, &'static str, Headers)>,
}

/// `GET /a/b` with two headers and nothing else.
pub fn get() -> Event {
    Event {
        method: "GET",
        uri: "/a/b",
        query: None,
        headers: vec![("host", b"example.com".to_vec()), ("accept", b"*/*".to_vec())],
        response: None,
    }
}

impl Event {
    pub fn uri(mut self, uri: &'static str) -> Event {
        self.uri = uri;
        self
    }

    pub fn query(mut self, query: &str) -> Event {
        self.query = Some(query.to_owned());
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Event {
        self.headers.push((name, value.as_bytes().to_vec()));
        self
    }

    pub fn response(mut self, status: u16, headers: &[(&'static str, &str)]) -> Event {
        self.response = Some((status, "OK", headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![1, if self.response.is_some() { 3 } else { 0 }, u8::from(self.query.is_some()), 0];
        for text in ["d123", "id-1", "192.0.2.1", "FRA1", self.method, self.uri, self.query.as_deref().unwrap_or_default()] {
            string(&mut out, text.as_bytes());
        }
        headers(&mut out, &self.headers);
        out.push(0);
        string(&mut out, b"");
        if let Some((status, reason, of_response)) = &self.response {
            out.extend(status.to_le_bytes());
            string(&mut out, reason.as_bytes());
            headers(&mut out, of_response);
            out.push(0);
            string(&mut out, b"");
        }
        out
    }
}

fn headers(out: &mut Vec<u8>, headers: &[(&str, Vec<u8>)]) {
    out.extend((headers.len() as u16).to_le_bytes());
    for (name, value) in headers {
        string(out, name.as_bytes());
        string(out, value);
    }
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text);
}

pub fn load(dialect: &str, source: &str) -> Result<Function, String> {
    WORLD.with_borrow_mut(|world| world.now_ms = 1_700_000_000_123.0);
    Function::load(None, dialect, "hook.js", source.as_bytes())
}

/// The answer of dialect 2.0, one line for each op; then `log` lines.
pub fn run(source: &str, event: &Event) -> String {
    run_in("cloudfront-js-2.0", source, event)
}

pub fn run_in(dialect: &str, source: &str, event: &Event) -> String {
    match load(dialect, source) {
        Ok(function) => call(&function, event),
        Err(message) => format!("not loaded: {message}"),
    }
}

pub fn call(function: &Function, event: &Event) -> String {
    WORLD.with_borrow_mut(|world| world.log.clear());
    let mut answer = Vec::new();
    function.handle(event.bytes().leak(), &mut answer);
    let mut lines = lines(&answer);
    lines.extend(WORLD.with_borrow(|world| world.log.iter().map(|line| format!("log {line}")).collect::<Vec<_>>()));
    lines.join("\n")
}

/// The body of a handler in dialect 2.0 that answers with what `console.log` shows of an expression.
pub fn shown(dialect: &str, expression: &str) -> String {
    let source = format!("function handler(event) {{ console.log({expression}); return event.request }}");
    let answer = run_in(dialect, &source, &get());
    answer.strip_prefix("log ").map(str::to_owned).unwrap_or(answer)
}

fn lines(answer: &[u8]) -> Vec<String> {
    assert_eq!(answer.first(), Some(&1), "version");
    let mut rest = &answer[1..];
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let rest = &mut rest;
        let code = take(rest, 1)[0];
        lines.push(match code {
            1 => format!("uri {}", text(rest)),
            2 => format!("query {}", text(rest)),
            3 => format!("set {}: {}", text(rest), text(rest)),
            4 => format!("add {}: {}", text(rest), text(rest)),
            5 => format!("remove {}", text(rest)),
            6 => format!("respond {} {}", u16(rest), text(rest)).trim_end().to_owned(),
            7 => format!("status {} {}", u16(rest), text(rest)).trim_end().to_owned(),
            8 => format!("body {}", text(rest)),
            16 => format!("select {}", text(rest)),
            17 => format!("address {} {} {}", text(rest), u16(rest), take(rest, 1)[0]),
            18 => format!("path {}", text(rest)),
            19 => format!("host {}", text(rest)),
            20 => format!("origin {}: {}", text(rest), text(rest)),
            21 => "clear".to_owned(),
            22 => format!("timeouts {} {} {}", u32(rest), u32(rest), take(rest, 1)[0]),
            23 => {
                let (primary, secondary, count) = (text(rest), text(rest), u16(rest));
                format!("group {primary} {secondary} {:?}", (0..count).map(|_| u16(rest)).collect::<Vec<_>>())
            }
            32 => format!("failed {}", text(rest)),
            33 => format!("invalid {}", text(rest)),
            _ => panic!("op {code}"),
        });
    }
    lines
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(len);
    *rest = behind;
    taken
}

fn u16(rest: &mut &[u8]) -> u16 {
    u16::from_le_bytes(take(rest, 2).try_into().unwrap())
}

fn u32(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest, 4).try_into().unwrap())
}

fn text(rest: &mut &[u8]) -> String {
    let len = u32(rest) as usize;
    take(rest, len).escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'").replace("\\n", "\n")
}

/// Compares each row's answer with what is expected, and shows all that differ.
#[track_caller]
pub fn table(rows: &[(&str, &str)], answer: impl Fn(&str) -> String) {
    let mut wrong = String::new();
    for (source, expected) in rows {
        let answer = answer(source);
        if answer != *expected {
            wrong.push_str(&format!("\n{source}\n  expected: {expected}\n  answered: {answer}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
