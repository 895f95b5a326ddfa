//! A service on `wasi:http` 0.2 that takes all it can get of its thread and its host. Each path is one way; most never
//! come to an answer.
//!
//! | path | what it does for ever, or as often as `?N` says |
//! |-|-|
//! | `/good` | nothing: it answers `ok` |
//! | `/loop` | counts |
//! | `/newlines` | writes ends of lines to standard output |
//! | `/random` | asks for 64 KiB of random bytes |
//! | `/clocks` | reads a clock |
//! | `/environment` | asks for its environment |
//! | `/poll` | polls 200 clocks that are ready |
//! | `/memory` | touches all the memory that it may have, and answers |
//! | `/fill` | fills and moves 32 MiB |
//! | `/fields` | keeps `Fields` of 300 names |
//! | `/requests` | sends requests to where it may not |
//! | `/body` | writes a body without an end |
//! | `/slow?N` | answers after N milliseconds |
//! | `/late` | answers at once, and counts after that |
//! | `/leave?PORT` | answers at once, and leaves a request to that port under way |
//! | `/flood?PORT,N,M` | keeps N requests to that port under way, until M of them have failed |
//! | `/sockets?N` | answers with how many of N TCP sockets it could make and keep |
//! | `/secret` | panics with its environment in the message |

use std::hint::black_box;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam, Scheme,
};
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::{cli, io, random};

wasip2::http::proxy::export!(Service);
struct Service;

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let url = request.path_with_query().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let times = query.parse().unwrap_or(u64::MAX);
        let mut answer = "ok".to_owned();
        match path {
            "/loop" => (0..times).for_each(|n| {
                black_box(n);
            }),
            "/newlines" => {
                let stdout = cli::stdout::get_stdout();
                for _ in 0..times {
                    let room = stdout.check_write().expect("open") as usize;
                    stdout.write(&vec![b'\n'; room]).expect("open");
                }
            }
            "/random" => (0..times).for_each(|_| {
                black_box(random::random::get_random_bytes(64 << 10));
            }),
            "/clocks" => (0..times).for_each(|_| {
                black_box(monotonic_clock::now());
            }),
            "/environment" => (0..times).for_each(|_| {
                black_box(cli::environment::get_environment());
            }),
            "/poll" => {
                let clocks: Vec<_> = (0..200).map(|_| monotonic_clock::subscribe_duration(0)).collect();
                let clocks: Vec<_> = clocks.iter().collect();
                (0..times).for_each(|_| {
                    black_box(io::poll::poll(&clocks));
                });
            }
            "/memory" => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    let mut part = Vec::new();
                    if part.try_reserve_exact(1 << 20).is_err() {
                        break;
                    }
                    part.resize(1 << 20, 1);
                    held.push(part);
                }
                black_box(held);
            }
            "/fill" => {
                let mut held = vec![0_u8; 32 << 20];
                (0..times).for_each(|n| {
                    held.fill(n as u8);
                    held.copy_within(..31 << 20, 1 << 20);
                    black_box(&mut held);
                });
            }
            "/fields" => {
                let names: Vec<_> = (0..300).map(|n| (format!("x{n}"), vec![b'v'])).collect();
                let mut held = Vec::new();
                (0..times).for_each(|_| held.push(Fields::from_list(&names).expect("within limits")));
                black_box(held);
            }
            "/requests" => (0..times).for_each(|_| {
                let request = OutgoingRequest::new(Fields::new());
                request.set_authority(Some("elsewhere.test")).expect("an authority");
                request.set_path_with_query(Some("/")).expect("a path");
                black_box(outgoing_handler::handle(request, None).map(|_| ()).is_ok());
            }),
            "/body" => return respond(out, |body| while body.blocking_write_and_flush(&[b'x'; 4096]).is_ok() {}),
            "/slow" => monotonic_clock::subscribe_duration(times.min(60_000) * 1_000_000).block(),
            "/late" => {
                respond(out, |_| {});
                return (0..times).for_each(|n| {
                    black_box(n);
                });
            }
            "/leave" => {
                let request = OutgoingRequest::new(Fields::new());
                request.set_authority(Some(&format!("127.0.0.1:{query}"))).expect("an authority");
                request.set_path_with_query(Some("/left")).expect("a path");
                std::mem::forget(outgoing_handler::handle(request, None).expect("granted"));
            }
            "/flood" => {
                let mut numbers = query.split(',').map(|number| number.parse::<usize>().expect("a number"));
                let [port, requests, failures] = [(); 3].map(|()| numbers.next().expect("three numbers"));
                let send = |_| {
                    let request = OutgoingRequest::new(Fields::new());
                    request.set_authority(Some(&format!("127.0.0.1:{port}"))).expect("an authority");
                    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
                    let options = RequestOptions::new();
                    options.set_connect_timeout(Some(200_000_000)).expect("an option");
                    outgoing_handler::handle(request, Some(options)).expect("granted")
                };
                let mut held: Vec<_> = (0..requests).map(send).collect();
                while held.len() + failures > requests {
                    held.retain(|response| !response.subscribe().ready());
                    monotonic_clock::subscribe_duration(1_000_000).block();
                }
                answer = held.len().to_string();
            }
            "/sockets" => {
                let made = (0..times).map_while(|_| create_tcp_socket(IpAddressFamily::Ipv4).ok());
                answer = made.collect::<Vec<_>>().len().to_string();
            }
            "/secret" => panic!("{:?}", cli::environment::get_environment()),
            _ => {}
        }
        respond(out, |body| body.blocking_write_and_flush(answer.as_bytes()).unwrap_or_default());
    }
}

fn respond(out: ResponseOutparam, fill: impl FnOnce(&io::streams::OutputStream)) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("taken once");
    ResponseOutparam::set(out, Ok(response));
    {
        let stream = body.write().expect("taken once");
        fill(&stream);
    }
    let _ = OutgoingBody::finish(body, None);
}
