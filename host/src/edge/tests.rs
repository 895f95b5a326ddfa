//! The edge without hooks, over loopback: a client, an `Edge` behind hyper, and a real origin.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cache;
use crate::config::{self, Behavior, Hidden, Origin, OriginGroup, OriginKind, Server, Site, UrlOrigin, ViewerProtocol};
use crate::telemetry::Occasion;

fn url(port: u16) -> OriginKind {
    OriginKind::Url(UrlOrigin {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        path: "/base".to_owned(),
        host_header: None,
        forward_host: false,
        headers: Hidden(vec![("x-secret".to_owned(), "s".to_owned())]),
        connect_timeout: Duration::from_secs(1),
        connect_attempts: 1,
        read_timeout: Duration::from_secs(5),
        keepalive: Duration::from_secs(5),
        max_idle_per_worker: 4,
        connections_per_worker: 100,
        ca: None,
    })
}

fn config(origins: Vec<(&str, OriginKind)>, behaviors: Vec<(&str, &str, ViewerProtocol)>) -> Config {
    let behavior = |(path, origin, viewer_protocol): (&str, &str, ViewerProtocol)| Behavior {
        path: path.to_owned(),
        origin: origin.to_owned(),
        viewer_protocol,
        allowed_methods: Some(vec!["GET".to_owned(), "HEAD".to_owned(), "POST".to_owned()]),
        methods_are_chosen: true,
        viewer_request: None,
        origin_request: None,
        origin_response: None,
        viewer_response: None,
        include_body: false,
        websocket: None,
        cache: None,
        response_headers: None,
        forwarded_headers: config::ForwardedHeaders::Pass,
        viewer_headers: Vec::new(),
        forwarding: None,
        compress: false,
        trusted_keys: Vec::new(),
    };
    let group =
        OriginGroup { name: "group".to_owned(), primary: "dead".to_owned(), secondary: "fixed".to_owned(), status: vec![500] };
    let has_group = origins.iter().any(|(name, _)| *name == "dead");
    Config {
        server: Server {
            runtimes: None,
            compiling: Default::default(),
            http: vec![],
            api: None,
            api_https: None,
            api_account: Default::default(),
            api_network: Default::default(),
            api_buckets: None,
            api_hot_reload: vec![],
            api_movable_clock: false,
            vpcs: Default::default(),
            https: vec![],
            admin: None,
            admin_access: Arc::default(),
            workers: 1,
            data_dir: "/nonexistent".into(),
            edge_location: "test".to_owned(),
            drain: Duration::ZERO,
            drain_listen: None,
            access_log: None,
            websockets_per_worker: 1,
            connections_per_client: None,
            upload_bytes_per_s: 0,
            certificates: vec![],
        },
        geo: config::Geo::default(),
        cache: config::Cache { memory_bytes: 0, memory_object_bytes: 0, disk: None },
        tracing: None,
        key_value_stores: BTreeMap::new(),
        functions: BTreeMap::new(),
        origins: origins
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), Arc::new(Origin { name: name.to_owned(), kind })))
            .collect(),
        origin_groups: has_group.then(|| ("group".to_owned(), Arc::new(group))).into_iter().collect(),
        sites: vec![Arc::new(Site {
            name: "site".to_owned(),
            hosts: vec!["a.test".to_owned(), "*.b.test".to_owned()],
            behaviors: behaviors.into_iter().map(behavior).collect(),
            default_root_object: "index.html".to_owned(),
            error_pages: Vec::new(),
        })],
    }
}

/// Runs on one worker as the host does: a current-thread runtime with a `LocalSet`.
fn worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Accepts connections for ever, and counts them.
async fn listen<F, R, B>(answer: F) -> (u16, Rc<Cell<u32>>)
where
    F: Fn(Request<Incoming>) -> R + Clone + 'static,
    R: Future<Output = Response<B>> + 'static,
    B: http_body::Body<Data = bytes::Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Rc::new(Cell::new(0));
    let counted = connections.clone();
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.set(counted.get() + 1);
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            tokio::task::spawn_local(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (port, connections)
}

async fn start(config: Config) -> u16 {
    let telemetry = Telemetry::new();
    let options = cache::Options { memory_bytes: 0, memory_object_bytes: 0, disk: None };
    let cache = Cache::open(&options, telemetry.cache()).unwrap();
    let edge = Arc::new(Edge::new(&config, &Aliases::default(), &Arc::default(), &cache, &telemetry).unwrap());
    let lane = Rc::new(WorkerLane::new(0));
    listen(move |request| {
        let client = Client {
            entrance: crate::net::Entrance::Sites,
            peer: "9.9.9.9:9".parse().unwrap(),
            ip: "9.9.9.9".into(),
            tls: None,
            upload_bytes_per_s: 0,
            interim: None,
            stillness: None,
        };
        serve(edge.clone(), lane.clone(), Arc::new(client), request)
    })
    .await
    .0
}

/// Sends bytes and reads until the edge closes.
async fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(port: u16, path: &str) -> String {
    ask(port, &format!("GET {path} HTTP/1.1\nhost: a.test\nconnection: close\n\n")).await
}

/// What the origin was asked, as text; a POST's body after it.
async fn echo(request: Request<Incoming>) -> Response<http_body_util::Full<bytes::Bytes>> {
    use http_body_util::BodyExt as _;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = format!("{} {} {:?} {}", parts.method, parts.uri, parts.headers, String::from_utf8_lossy(&body));
    Response::builder().header("connection", "x-hop").header("x-hop", "1").body(http_body_util::Full::new(text.into())).unwrap()
}

#[test]
fn a_request_reaches_its_origin_as_cloudfront_would_send_it() {
    worker(async {
        let (origin, connections) = listen(echo).await;
        let edge = start(config(vec![("o", url(origin))], vec![("*", "o", ViewerProtocol::AllowAll)])).await;
        for _ in 0..3 {
            let answer = get(edge, "/x?y=1").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
            for part in [
                "GET /base/x?y=1",
                "x-cache: Miss from cloudfront",
                "via: 1.1 test (edgeward)",
                "\"x-secret\": \"s\"",
                "\"x-forwarded-for\": \"9.9.9.9\"",
                "Amazon CloudFront",
                &format!("\"host\": \"127.0.0.1:{origin}\""),
            ] {
                assert!(answer.contains(part), "{part} in {answer}");
            }
            assert!(!answer.contains("x-hop"), "{answer}");
        }
        assert_eq!(connections.get(), 1, "the connection is kept");
        let answer = ask(edge, "POST /p HTTP/1.1\nhost: A.test:80\ncontent-length: 5\nconnection: close\n\nhello").await;
        assert!(answer.contains("POST /base/p") && answer.ends_with(" hello"), "{answer}");
        let answer = ask(edge, "HEAD /h HTTP/1.1\nhost: x.b.test\nconnection: close\n\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: ") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    });
}

#[test]
fn a_large_answer_is_streamed_whole_and_its_connection_kept() {
    worker(async {
        let large = bytes::Bytes::from(vec![b'x'; 3 << 20]);
        let (origin, connections) =
            listen(move |_| std::future::ready(Response::new(http_body_util::Full::new(large.clone())))).await;
        let edge = start(config(vec![("o", url(origin))], vec![("*", "o", ViewerProtocol::AllowAll)])).await;
        for _ in 0..2 {
            let answer = get(edge, "/").await;
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), 3 << 20);
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn a_connection_closed_while_idle_costs_no_request() {
    worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = listener.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            loop {
                // Answers once as if it would keep the connection, then closes it.
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
            }
        });
        let edge = start(config(vec![("o", url(origin))], vec![("*", "o", ViewerProtocol::AllowAll)])).await;
        for _ in 0..5 {
            assert!(get(edge, "/").await.ends_with("\r\n\r\nhi"));
        }
    });
}

#[test]
fn refusals_and_failovers_have_their_statuses() {
    worker(async {
        let dead = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() };
        let fixed =
            OriginKind::Fixed { status: 203, headers: Hidden(vec![("x-f".to_owned(), "1".to_owned())]), body: "fixed".into() };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), "the index").unwrap();
        std::fs::write(folder.path().join("big.txt"), vec![b'b'; 200_000]).unwrap();
        let folder = OriginKind::Folder { root: folder.keep(), index: "index.html".to_owned() };
        let (all, redirect, only) = (ViewerProtocol::AllowAll, ViewerProtocol::RedirectToHttps, ViewerProtocol::HttpsOnly);
        let behaviors = vec![
            ("/g/*", "group", all),
            ("/dead", "dead", all),
            ("/r/*", "fixed", redirect),
            ("/s", "fixed", only),
            ("/f", "fixed", all),
            ("*", "folder", all),
        ];
        let edge = start(config(vec![("dead", url(dead)), ("fixed", fixed), ("folder", folder)], behaviors)).await;
        for (request, status, part) in [
            ("GET / HTTP/1.1\nhost: a.test", 200, "the index"),
            ("GET /none HTTP/1.1\nhost: a.test", 404, "x-cache: Error from cloudfront"),
            ("GET /f HTTP/1.1\nhost: a.test", 203, "x-f: 1"),
            ("GET /g/x HTTP/1.1\nhost: a.test", 203, "fixed"),
            ("POST /g/x HTTP/1.1\nhost: a.test\ncontent-length: 0", 502, "category: origin-unreachable"),
            ("GET /dead HTTP/1.1\nhost: a.test", 502, "request id: "),
            ("GET /r/x?y HTTP/1.1\nhost: a.test", 301, "location: https://a.test/r/x?y"),
            ("GET /s HTTP/1.1\nhost: a.test", 403, "https-only"),
            ("DELETE / HTTP/1.1\nhost: a.test", 403, "method-not-allowed"),
            ("GET / HTTP/1.1\nhost: other", 403, "unknown-host"),
            ("GET / HTTP/1.1", 400, "malformed-request"),
            ("GET / HTTP/1.1\nhost: a.test\nhost: a.test", 400, "malformed-request"),
            ("GET http://a.test/f HTTP/1.1\nhost: other", 203, "fixed"),
        ] {
            let answer = ask(edge, &format!("{request}\nconnection: close\n\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(part), "{request}: {answer}");
        }
        assert_eq!(get(edge, "/big.txt").await.split_once("\r\n\r\n").unwrap().1.len(), 200_000);
    });
}

#[test]
fn a_panic_ends_one_request_only() {
    worker(async {
        let telemetry = Telemetry::new();
        let options = cache::Options { memory_bytes: 0, memory_object_bytes: 0, disk: None };
        let cache = Cache::open(&options, telemetry.cache()).unwrap();
        let config = config(vec![("o", url(1))], vec![("*", "o", ViewerProtocol::AllowAll)]);
        let edge = Edge::new(&config, &Aliases::default(), &Arc::default(), &cache, &telemetry).unwrap();
        for message in ["once", "twice"] {
            let exchange = pin!(async {
                tokio::task::yield_now().await;
                if message.is_empty() { Ok(()) } else { panic!("it happened {message}") }
            });
            let rejection = caught(exchange).await.unwrap_err();
            let occasion = Occasion { site: "", path: "/", request_id: "id", category: "", cause: &"" };
            let answer = rejection.answer(&edge.node, occasion);
            assert_eq!((answer.response.status().as_u16(), rejection.category()), (500, "panic"));
            assert_eq!(rejection.to_string(), format!("it panicked: it happened {message}"));
        }
    });
}

/// hyper moves a request's future once it is made: its size is copied for every request. What is not on the
/// way of most requests (origin hooks, components, new connections) belongs in a box.
#[test]
fn the_future_of_a_request_is_small() {
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    let size = size(serve);
    assert!(size <= 1_280, "{size} bytes");
}
