//! A service on `wasi:http` 0.3 (async), as an origin that is a component. The paths are those of `service-p2`:
//!
//! | path | answer |
//! |-|-|
//! | `/echo` | the request: `x-method`, `x-path`, its headers as `x-echo-NAME`, its body while it arrives |
//! | `/page` | 1 KiB of text |
//! | `/slow?N` | N lines (10 at most by default), one every 100 ms |
//! | `/refuse` | none: an error of its own, `HTTP-request-denied` |
//! | `/trap` | none: it panics |
//! | `/trap-in-body` | a head and a line, then it panics |

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

wasip3::http::service::export!(Service);
struct Service;

static PAGE: [u8; 1024] = {
    let mut page = [b'p'; 1024];
    page[1023] = b'\n';
    page
};

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let url = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        Ok(match path {
            "/echo" => echo(request, &url),
            "/page" => {
                let headers = fields([("content-type", "text/plain".into()), ("content-length", "1024".into())]);
                text(200, headers, PAGE.to_vec())
            }
            "/slow" => slow(query.parse().unwrap_or(10u32).min(1_000)),
            "/refuse" => return Err(ErrorCode::HttpRequestDenied),
            "/trap" => panic!("as asked for"),
            "/trap-in-body" => {
                let (mut body, reader) = wit_stream::new();
                spawn_local(async move {
                    body.write_all(b"so far so good\n".to_vec()).await;
                    panic!("as asked for");
                });
                respond(200, Fields::new(), reader)
            }
            _ => text(404, Fields::new(), b"try /echo, /page, /slow?N, /refuse, /trap or /trap-in-body\n".to_vec()),
        })
    }
}

fn echo(request: Request, url: &str) -> Response {
    let method = match request.get_method() {
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
    let headers = fields([("x-method", method.into_bytes()), ("x-path", url.into())]);
    for (name, value) in request.get_headers().copy_all() {
        headers.append(&format!("x-echo-{name}"), &value).expect("a valid header");
    }
    // The stream itself is passed on: the host need not come back for each part.
    let (_, done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, done);
    let (response, _) = Response::new(headers, Some(body), trailers);
    response
}

fn slow(lines: u32) -> Response {
    let (mut body, reader) = wit_stream::new();
    spawn_local(async move {
        for line in 0..lines {
            monotonic_clock::wait_for(100_000_000).await;
            // What is left over was not wanted: the client has gone.
            if !body.write_all(format!("line {line}\n").into_bytes()).await.is_empty() {
                return;
            }
        }
    });
    respond(200, fields([("content-type", "text/plain".into())]), reader)
}

fn text(status: u16, headers: Fields, bytes: Vec<u8>) -> Response {
    let (mut body, reader) = wit_stream::new();
    spawn_local(async move {
        body.write_all(bytes).await;
    });
    respond(status, headers, reader)
}

fn respond(status: u16, headers: Fields, body: wasip3::wit_bindgen::StreamReader<u8>) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(headers, Some(body), trailers);
    response.set_status_code(status).expect("a valid status");
    response
}

fn fields<const N: usize>(headers: [(&str, Vec<u8>); N]) -> Fields {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, &value).expect("a valid header");
    }
    fields
}
