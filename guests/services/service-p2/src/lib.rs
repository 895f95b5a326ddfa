//! A service on `wasi:http` 0.2, as an origin that is a component.
//!
//! | path | answer |
//! |-|-|
//! | `/echo` | the request: `x-method`, `x-path`, its headers as `x-echo-NAME`, its body while it arrives |
//! | `/page` | 1 KiB of text |
//! | `/slow?N` | N lines (10 at most by default), one every 100 ms |
//! | `/keep` | how many bytes came in how many parts of at most 512, with a handle kept for each |
//! | `/hoard?N,M` | N header maps of M fields, held until all are made |
//! | `/send?AUTHORITY,PATH` | the status and body of a request to there, or the error; no path for `-` |
//! | `/connect?HOST:PORT` | the line that a TCP server says first, or the error |
//! | `/refuse` | none: an error of its own, `HTTP-request-denied` |
//! | `/trap` | none: it panics |
//! | `/trap-in-body` | a head and a line, then it panics |

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream};

wasip2::http::proxy::export!(Service);
struct Service;

static PAGE: [u8; 1024] = {
    let mut page = [b'p'; 1024];
    page[1023] = b'\n';
    page
};

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let url = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        match path {
            "/echo" => echo(&request, &url, out),
            "/page" => respond(out, 200, &[("content-type", b"text/plain"), ("content-length", b"1024")], |body| {
                write(body, &PAGE);
            }),
            "/slow" => {
                let lines = query.parse().unwrap_or(10u32).min(1_000);
                respond(out, 200, &[("content-type", b"text/plain")], |body| {
                    for line in 0..lines {
                        monotonic_clock::subscribe_duration(100_000_000).block();
                        if !write(body, format!("line {line}\n").as_bytes()) {
                            return;
                        }
                    }
                });
            }
            "/keep" => {
                let told = keep(&request);
                respond(out, 200, &[], |body| {
                    write(body, told.as_bytes());
                });
            }
            "/hoard" => {
                let (n, m) = query.split_once(',').unwrap_or((query, "1"));
                let told = hoard(n.parse().unwrap_or(1), m.parse().unwrap_or(1));
                respond(out, 200, &[], |body| {
                    write(body, told.as_bytes());
                });
            }
            "/send" | "/connect" => {
                let told = if path == "/send" { send(query) } else { connect(query) };
                let told = told.unwrap_or_else(|error| format!("error: {error}"));
                respond(out, 200, &[], |body| {
                    write(body, told.as_bytes());
                });
            }
            "/refuse" => ResponseOutparam::set(out, Err(ErrorCode::HttpRequestDenied)),
            "/trap" => panic!("as asked for"),
            "/trap-in-body" => respond(out, 200, &[], |body| {
                write(body, b"so far so good\n");
                panic!("as asked for");
            }),
            _ => respond(out, 404, &[], |body| {
                write(
                    body,
                    b"try /echo, /page, /slow?N, /keep, /hoard?N,M, /send?AUTHORITY,PATH, /connect?HOST:PORT, /refuse, /trap or /trap-in-body\n",
                );
            }),
        }
    }
}

fn echo(request: &IncomingRequest, url: &str, out: ResponseOutparam) {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Other(method) => method,
    };
    let mut headers = vec![("x-method".to_owned(), method.into_bytes()), ("x-path".to_owned(), url.into())];
    headers.extend(request.headers().entries().into_iter().map(|(name, value)| (format!("x-echo-{name}"), value)));
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    respond(out, 200, &headers, |body| {
        let Ok(incoming) = request.consume() else { return };
        if let Ok(stream) = incoming.stream() {
            copy(&stream, body);
        }
    });
}

/// A garbage-collected language has its handles until the next collection; here they are kept to the end.
fn keep(request: &IncomingRequest) -> String {
    let incoming = request.consume().expect("taken once");
    let stream = incoming.stream().expect("taken once");
    let (mut kept, mut bytes, mut parts) = (Vec::new(), 0, 0);
    loop {
        let ready = stream.subscribe();
        ready.block();
        kept.push(ready);
        match stream.read(512) {
            Ok(part) if part.is_empty() => {}
            Ok(part) => {
                bytes += part.len();
                parts += 1;
            }
            Err(_) => break,
        }
    }
    drop(kept);
    format!("{bytes} bytes in {parts} parts\n")
}

fn hoard(n: u32, m: u32) -> String {
    let fields = |_| {
        let fields = Fields::new();
        for field in 0..m {
            fields.append(&format!("name-{field}"), b"sixteen bytes...").expect("a valid header");
        }
        fields
    };
    let held: Vec<Fields> = (0..n).map(fields).collect();
    format!("{} held\n", held.len())
}

fn send(query: &str) -> Result<String, String> {
    let (authority, path) = query.split_once(',').unwrap_or((query, "-"));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "not a scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "not an authority")?;
    if path != "-" {
        request.set_path_with_query(Some(path)).map_err(|()| "not a path")?;
    }
    let answer = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    answer.subscribe().block();
    let response = answer.get().expect("it is ready").expect("taken once").map_err(|code| format!("{code:?}"))?;
    let body = response.consume().expect("taken once");
    let stream = body.stream().expect("taken once");
    let mut text = format!("{} ", response.status());
    while let Ok(part) = stream.blocking_read(65_536) {
        text.push_str(&String::from_utf8_lossy(&part));
    }
    Ok(text)
}

fn connect(server: &str) -> Result<String, String> {
    let stream = TcpStream::connect(server).map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(|error| error.to_string())?;
    Ok(line)
}

/// Sends the head, then lets `fill` write the body while it is sent.
fn respond(out: ResponseOutparam, status: u16, headers: &[(&str, &[u8])], fill: impl FnOnce(&OutputStream)) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value).expect("a valid header");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("taken once");
    ResponseOutparam::set(out, Ok(response));
    {
        let stream = body.write().expect("taken once");
        fill(&stream);
    }
    // Fails when the client has gone; nobody is left to tell.
    let _ = OutgoingBody::finish(body, None);
}

/// False when nobody reads any more.
fn write(stream: &OutputStream, bytes: &[u8]) -> bool {
    bytes.chunks(4_096).all(|part| stream.blocking_write_and_flush(part).is_ok())
}

fn copy(from: &InputStream, to: &OutputStream) {
    // Ends with an error at the end of the body, too.
    while let Ok(part) = from.blocking_read(65_536) {
        if !write(to, &part) {
            return;
        }
    }
}
