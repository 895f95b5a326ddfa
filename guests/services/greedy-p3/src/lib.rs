//! As `greedy-p2`, on `wasi:http` 0.3 (async).
//!
//! | path | what it does for ever, or as often as `?N` says |
//! |-|-|
//! | `/good` | nothing: it answers `ok` |
//! | `/newlines` | writes ends of lines to standard output, a megabyte at a time |
//! | `/random` | asks for 64 MiB of random bytes |
//! | `/clocks` | reads a clock |
//! | `/copy` | copies 16 MiB from one end of a stream of its own to the other |
//! | `/bytes` | the same, byte by byte |
//! | `/subtasks` | waits for N clocks at once (100,000), again and again |
//! | `/tasks` | lets N tasks (1,000) give way to one another |
//! | `/futures`, `/streams` | makes futures, streams, and forgets them |
//! | `/memory` | touches all the memory that it may have, and answers |
//! | `/fields` | keeps `Fields` of 300 names |
//! | `/requests` | sends requests to where it may not |
//! | `/body` | writes a body without an end |
//! | `/slow?N` | answers after N milliseconds |
//! | `/late` | answers at once, and counts after that |
//! | `/flood?PORT,N,M` | keeps N requests to that port under way, until M of them have failed |
//! | `/sockets?N` | answers with how many of N TCP sockets it could make and keep |
//! | `/tick` | answers with how often its background has ticked, and leaves it ticking: once a millisecond |

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, RequestOptions, Response, Scheme};
use wasip3::sockets::types::{IpAddressFamily, TcpSocket};
use wasip3::{cli, random, spawn_local, wit_future, wit_stream};

wasip3::http::service::export!(Service);
struct Service;

const MIB: usize = 1 << 20;
static TICKS: AtomicU64 = AtomicU64::new(0);

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let url = request.get_path_with_query().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let number: Option<u64> = query.parse().ok();
        let times = number.unwrap_or(u64::MAX);
        match path {
            "/newlines" => {
                let (mut lines, reader) = wit_stream::new();
                let done = cli::stdout::write_via_stream(reader);
                for _ in 0..times {
                    lines.write_all(vec![b'\n'; MIB]).await;
                }
                drop(lines);
                let _ = done.await;
            }
            "/random" => (0..times).for_each(|_| {
                black_box(random::random::get_random_bytes(64 << 20));
            }),
            "/clocks" => (0..times).for_each(|_| {
                black_box(monotonic_clock::now());
            }),
            "/copy" => copy(16 * MIB, times).await,
            "/bytes" => copy(1, times).await,
            "/subtasks" => loop {
                let waits = (0..number.unwrap_or(100_000)).map(|_| monotonic_clock::wait_for(1_000_000));
                join(waits.collect()).await;
            },
            "/tasks" => {
                let tasks = (0..number.unwrap_or(1_000)).map(|_| async {
                    loop {
                        wasip3::wit_bindgen::yield_async().await;
                    }
                });
                join(tasks.collect()).await;
            }
            "/futures" => (0..times).for_each(|_| std::mem::forget(wit_future::new::<Result<(), ErrorCode>>(|| Ok(())))),
            "/streams" => (0..times).for_each(|_| std::mem::forget(wit_stream::new::<u8>())),
            "/memory" => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    let mut part = Vec::new();
                    if part.try_reserve_exact(MIB).is_err() {
                        break;
                    }
                    part.resize(MIB, 1);
                    held.push(part);
                }
                black_box(held);
            }
            "/fields" => {
                let names: Vec<_> = (0..300).map(|n| (format!("x{n}"), vec![b'v'])).collect();
                let mut held = Vec::new();
                (0..times).for_each(|_| held.push(Fields::from_list(&names).expect("within limits")));
                black_box(held);
            }
            "/requests" => {
                for _ in 0..times {
                    let (_, trailers) = wit_future::new(|| Ok(None));
                    let (request, _) = Request::new(Fields::new(), None, trailers, None);
                    request.set_authority(Some("elsewhere.test")).expect("an authority");
                    black_box(client::send(request).await.is_ok());
                }
            }
            "/body" => {
                let (mut body, reader) = wit_stream::new();
                spawn_local(async move { while body.write_all(vec![b'x'; MIB]).await.is_empty() {} });
                return Ok(respond(reader));
            }
            "/slow" => monotonic_clock::wait_for(times.min(60_000) * 1_000_000).await,
            "/late" => {
                spawn_local(async move {
                    monotonic_clock::wait_for(1_000_000).await;
                    (0..times).for_each(|n| {
                        black_box(n);
                    });
                });
            }
            "/flood" => {
                let mut numbers = query.split(',').map(|number| number.parse::<usize>().expect("a number"));
                let [port, requests, failures] = [(); 3].map(|()| numbers.next().expect("three numbers"));
                let send = |_| {
                    let (_, trailers) = wit_future::new(|| Ok(None));
                    let options = RequestOptions::new();
                    options.set_connect_timeout(Some(200_000_000)).expect("an option");
                    let (request, _) = Request::new(Fields::new(), None, trailers, Some(options));
                    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
                    request.set_authority(Some(&format!("127.0.0.1:{port}"))).expect("an authority");
                    Box::pin(client::send(request))
                };
                let mut held: Vec<_> = (0..requests).map(send).collect();
                std::future::poll_fn(|cx| {
                    held.retain_mut(|response| response.as_mut().poll(cx).is_pending());
                    if held.len() + failures > requests { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
                })
                .await;
                return Ok(text(held.len().to_string().into_bytes()));
            }
            "/sockets" => {
                let made = (0..times).map_while(|_| TcpSocket::create(IpAddressFamily::Ipv4).ok());
                return Ok(text(made.collect::<Vec<_>>().len().to_string().into_bytes()));
            }
            "/tick" => {
                let ticks = TICKS.load(Relaxed);
                spawn_local(async move {
                    for _ in 0..times.min(60_000) {
                        monotonic_clock::wait_for(1_000_000).await;
                        TICKS.fetch_add(1, Relaxed);
                    }
                });
                return Ok(text(ticks.to_string().into_bytes()));
            }
            _ => {}
        }
        Ok(text(b"ok".to_vec()))
    }
}

/// From one end of a stream to the other, in parts of so many bytes.
async fn copy(bytes: usize, times: u64) {
    let (mut writer, mut reader) = wit_stream::new::<u8>();
    spawn_local(async move {
        let mut buffer = Vec::with_capacity(bytes);
        loop {
            buffer.clear();
            buffer = reader.read(buffer).await.1;
            if buffer.is_empty() {
                return;
            }
        }
    });
    let mut part = vec![1; bytes];
    for _ in 0..times {
        part.resize(bytes, 1);
        part = writer.write(part).await.1.into_vec();
    }
}

/// Polls all of them until all are done.
async fn join<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn text(bytes: Vec<u8>) -> Response {
    let (mut body, reader) = wit_stream::new();
    spawn_local(async move {
        body.write_all(bytes).await;
    });
    respond(reader)
}

fn respond(body: wasip3::wit_bindgen::StreamReader<u8>) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    Response::new(Fields::new(), Some(body), trailers).0
}
