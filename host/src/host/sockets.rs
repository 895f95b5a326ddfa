//! The sockets to listen on, from wherever they come: a service manager has passed them (LISTEN_FDS), a
//! predecessor gives them, or we bind them.
//!
//! A socket is used for the address of the configuration that it is bound to; one that was passed with the name `http`, `https`,
//! `api`, `api_https` or `admin` is used for that, whatever its address. A socket that comes from elsewhere is attended by every worker, since
//! what is in its queue is nobody else's.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::handover::{HandoverReply, Predecessor, Wish};
use crate::config::Server;
use crate::limits::handover::{ASK_AGAIN_MS, TAKE_MS};
use crate::net;

/// What a service manager has passed.
#[derive(Default)]
pub struct Passed(Vec<(Option<String>, TcpListener)>);

impl Passed {
    /// Takes LISTEN_FDS out of the environment: call it before there are other threads.
    pub fn from_environment() -> anyhow::Result<Passed> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = listenfd::ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            let socket = passed.take_tcp_listener(index).and_then(|socket| {
                let listens =
                    socket.as_ref().is_some_and(|socket| rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false));
                if listens { Ok(socket) } else { Err(std::io::Error::other("it does not listen (Accept=yes is not for us)")) }
            });
            let socket = socket.with_context(|| format!("the socket {index} of LISTEN_FDS cannot be used"))?;
            sockets.extend(socket.map(|socket| (names.get(index).map(|&name| name.to_owned()), socket)));
        }
        Ok(Passed(sockets))
    }
}

/// All sockets of this process.
pub(super) struct Sockets {
    pub(super) http: Vec<Listening>,
    pub(super) https: Vec<Listening>,
    pub(super) api: Option<Listening>,
    pub(super) api_https: Option<Listening>,
    pub(super) admin: Option<Listening>,
    /// Until we are ready, it listens too.
    pub(super) predecessor: Option<Predecessor>,
}

impl Sockets {
    /// What a successor would get.
    pub(super) fn into_all(self) -> Vec<TcpListener> {
        self.http
            .into_iter()
            .chain(self.https)
            .chain(self.api)
            .chain(self.api_https)
            .chain(self.admin)
            .flat_map(|listening| listening.sockets)
            .collect()
    }
}

/// The sockets of one address.
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    /// At least one, each once.
    sockets: Vec<TcpListener>,
}

impl Listening {
    fn new(sockets: Vec<TcpListener>) -> std::io::Result<Option<Listening>> {
        let Some(first) = sockets.first() else { return Ok(None) };
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        Ok(Some(Listening { address: first.local_addr()?, sockets }))
    }

    /// For each worker the sockets that it attends: together they attend all.
    pub(super) fn for_workers(&self, workers: usize) -> std::io::Result<Vec<Vec<TcpListener>>> {
        let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        for n in 0..workers.max(self.sockets.len()) {
            shares[n % workers].push(self.sockets[n % self.sockets.len()].try_clone()?);
        }
        Ok(shares)
    }

    /// For a port that has one thread.
    pub(super) fn one(&self) -> std::io::Result<TcpListener> {
        self.sockets[0].try_clone()
    }
}

/// Gets every socket that the configuration wants.
pub(super) fn gather(server: &Server, passed: Passed, wish: Wish) -> anyhow::Result<Sockets> {
    let mut foreign = Foreign::default();
    for (name, socket) in passed.0 {
        foreign.add(name, socket)?;
    }
    let claimed = Claims::of(server, &mut foreign);
    if let Some((_, address, _)) = foreign.0.first() {
        bail!(
            "the socket {address} was passed (LISTEN_FDS), but [server] does not list it, nor is it named `http`, `https`, `api`, `api_https` or `admin`"
        );
    }
    if claimed.are_complete() {
        return claimed.bound(None);
    }
    let begin = Instant::now();
    loop {
        let (predecessor, patience_ms) = match Predecessor::ask(&server.data_dir, wish) {
            HandoverReply::Given(predecessor) => (Some(predecessor), 0),
            // It may have been told to leave, and not have heard it yet.
            HandoverReply::Serving => (None, TAKE_MS),
            // Or be just ending.
            HandoverReply::Gone => (None, ASK_AGAIN_MS * 10),
            HandoverReply::Nobody => (None, 0),
        };
        let result = claimed.try_clone()?.bound(predecessor);
        let is_taken =
            result.as_ref().is_err_and(|error| error.downcast_ref::<net::BindError>().is_some_and(net::BindError::is_taken));
        if !is_taken || begin.elapsed() >= Duration::from_millis(patience_ms) {
            return result;
        }
        std::thread::sleep(Duration::from_millis(ASK_AGAIN_MS));
    }
}

/// Sockets that we did not bind, and that nobody has claimed.
#[derive(Default)]
struct Foreign(Vec<(Option<String>, SocketAddr, TcpListener)>);

impl Foreign {
    fn add(&mut self, name: Option<String>, socket: TcpListener) -> std::io::Result<()> {
        self.0.push((name, socket.local_addr()?, socket));
        Ok(())
    }

    fn claim(&mut self, is_it: impl Fn(Option<&str>, SocketAddr) -> bool) -> Vec<TcpListener> {
        let (claimed, rest) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, address, _)| is_it(name.as_deref(), *address));
        self.0 = rest;
        let claimed: Vec<_> = claimed;
        claimed.into_iter().map(|(_, _, socket)| socket).collect()
    }
}

/// What each address of the configuration has so far.
struct Claims {
    workers: usize,
    wanted: Vec<(Use, Option<SocketAddr>, Vec<TcpListener>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Http,
    Https,
    Api,
    ApiHttps,
    Admin,
}

impl Claims {
    fn of(server: &Server, foreign: &mut Foreign) -> Claims {
        let http = server.http.iter().map(|address| (Use::Http, *address));
        let https = server.https.iter().map(|address| (Use::Https, *address));
        let api = server.api.iter().map(|address| (Use::Api, *address));
        let api_https = server.api_https.iter().map(|address| (Use::ApiHttps, *address));
        let admin = server.admin.iter().map(|address| (Use::Admin, *address));
        let mut wanted = Vec::new();
        let names =
            [("http", Use::Http), ("https", Use::Https), ("api", Use::Api), ("api_https", Use::ApiHttps), ("admin", Use::Admin)];
        for (name, used) in names {
            let named = foreign.claim(|found, address| found == Some(name) && !is_listed(server, address));
            wanted.extend(named.into_iter().map(|socket| (used, None, vec![socket])));
        }
        for (used, address) in http.chain(https).chain(api).chain(api_https).chain(admin) {
            // Of these there is one.
            let single = matches!(used, Use::Admin | Use::Api | Use::ApiHttps);
            let replaced = single && wanted.iter().any(|(other, ..)| *other == used);
            if !replaced {
                wanted.push((used, Some(address), foreign.claim(|_, found| found == address)));
            }
        }
        Claims { workers: server.workers, wanted }
    }

    fn are_complete(&self) -> bool {
        self.wanted.iter().all(|(_, _, sockets)| !sockets.is_empty())
    }

    fn try_clone(&self) -> std::io::Result<Claims> {
        let clone = |(used, address, sockets): &(Use, Option<SocketAddr>, Vec<TcpListener>)| {
            Ok((*used, *address, sockets.iter().map(TcpListener::try_clone).collect::<std::io::Result<_>>()?))
        };
        Ok(Claims { workers: self.workers, wanted: self.wanted.iter().map(clone).collect::<std::io::Result<_>>()? })
    }

    /// Takes from the predecessor what it has of this, and binds the rest.
    fn bound(self, mut predecessor: Option<Predecessor>) -> anyhow::Result<Sockets> {
        let mut inherited = Foreign::default();
        for socket in predecessor.iter_mut().flat_map(|predecessor| std::mem::take(&mut predecessor.sockets)) {
            inherited.add(None, socket)?;
        }
        let (http, https) = (Vec::new(), Vec::new());
        let mut sockets = Sockets { http, https, api: None, api_https: None, admin: None, predecessor };
        for (used, address, mut found) in self.wanted {
            if let Some(address) = address
                && found.is_empty()
            {
                found = inherited.claim(|_, theirs| theirs == address);
                if found.is_empty() {
                    found = net::bind(address, if used == Use::Admin { 1 } else { self.workers })?;
                }
            }
            let Some(listening) = Listening::new(found)? else { continue };
            match used {
                Use::Http => sockets.http.push(listening),
                Use::Https => sockets.https.push(listening),
                Use::Api => sockets.api = Some(listening),
                Use::ApiHttps => sockets.api_https = Some(listening),
                Use::Admin => sockets.admin = Some(listening),
            }
        }
        if sockets.predecessor.is_some() {
            tracing::info!("the listening sockets come from a predecessor, which goes on until we serve");
        }
        Ok(sockets)
    }
}

fn is_listed(server: &Server, address: SocketAddr) -> bool {
    let single = [server.api, server.api_https, server.admin];
    server.http.contains(&address) || server.https.contains(&address) || single.contains(&Some(address))
}
