//! Listening sockets, bound early so that a taken port is told before anything else starts.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 4_096;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// One socket for each worker; the kernel spreads connections over them. Port 0 becomes a free port, the
/// same for all.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
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
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
