//! A hook as somebody would write it who knows `wit/edge` and `docs/abi.md` but not the SDK: stock Rust, std,
//! stock bindings, and what std links for `wasm32-wasip2`. It must load and run all the same; it shows what
//! the SDK saves.

wit_bindgen::generate!({
    path: "../../../wit/edge",
    world: "viewer-request-hook",
});

use exports::edgeward::edge::viewer_request::Guest;

struct Rewrite;
export!(Rewrite);

impl Guest for Rewrite {
    fn handle(event: Vec<u8>) -> Vec<u8> {
        let request = Request::parse(&event);
        let mut answer = vec![1];
        if request.headers.iter().any(|(name, value)| name == "x-block" && value == "1") {
            answer.push(6);
            answer.extend(403u16.to_le_bytes());
            string(&mut answer, "");
            answer.push(8);
            string(&mut answer, "blocked\n");
            return answer;
        }
        let last = request.uri.rsplit('/').next().unwrap_or_default();
        let uri = match last {
            "" => format!("{}index.html", request.uri),
            file if file.contains('.') => return answer,
            _ => format!("{}/index.html", request.uri),
        };
        answer.push(1);
        string(&mut answer, &uri);
        answer
    }
}

struct Request {
    uri: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn parse(event: &[u8]) -> Request {
        let mut rest = &event[4..];
        // site, request id, client ip, edge location, method
        for _ in 0..5 {
            take(&mut rest);
        }
        let uri = take(&mut rest);
        let _query = take(&mut rest);
        let (count, mut rest) = rest.split_at(2);
        let count = u16::from_le_bytes([count[0], count[1]]);
        let headers = (0..count).map(|_| (take(&mut rest), take(&mut rest))).collect();
        Request { uri, headers }
    }
}

fn take(rest: &mut &[u8]) -> String {
    let (len, behind) = rest.split_at(4);
    let len = u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize;
    let (text, behind) = behind.split_at(len);
    *rest = behind;
    String::from_utf8_lossy(text).into_owned()
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}
