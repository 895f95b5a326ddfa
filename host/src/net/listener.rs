//! Listening sockets, bound early so that a taken port is reported before anything else starts.

use std::net::{SocketAddr, TcpListener};

use crate::limits::request::BACKLOG;
use socket2::{Domain, Protocol, Socket, Type};

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

impl BindError {
    /// Whether another socket listens there.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == std::io::ErrorKind::AddrInUse
    }
}

/// One socket for each worker; the kernel spreads connections over them. Port 0 becomes a free port, the
/// same for all.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    if address.port() != 0 {
        // The sockets below share their port with any other socket of our user that also shares it: a second edge would
        // silently take half of the first one's connections. A socket that does not share detects that.
        bound(address, Sharing::No).map_err(|source| BindError { address, source })?;
    }
    let mut sockets = Vec::with_capacity(workers);
    let mut wanted = address;
    for _ in 0..workers.max(1) {
        let socket = listen(wanted).map_err(|source| BindError { address, source })?;
        wanted = socket.local_addr().map_err(|source| BindError { address, source })?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = bound(address, Sharing::WithOurOwn)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether other sockets may have the same port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    No,
    WithOurOwn,
}

fn bound(address: SocketAddr, sharing: Sharing) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::WithOurOwn)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_is_taken_and_a_free_one_is_shared_by_our_workers() {
        let first = bind(([127, 0, 0, 1], 0).into(), 2).unwrap();
        let address = first[0].local_addr().unwrap();
        assert_eq!(first[1].local_addr().unwrap(), address);
        let error = bind(address, 1).unwrap_err();
        assert_eq!((error.address, error.source.kind()), (address, std::io::ErrorKind::AddrInUse));
        drop(first);
        assert_eq!(bind(address, 2).unwrap().len(), 2);
    }
}
