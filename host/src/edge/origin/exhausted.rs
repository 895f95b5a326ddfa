//! Whether something failed because this machine ran out of descriptors, memory or ports.
//!
//! The origin is not to blame then, so nothing may be stored as its failure.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::io::Errno;

/// For opening a file or a socket.
pub(crate) fn is_own(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
}

/// For connecting to an address. Without a free local port there is no address to connect from; in IPv6 the same error
/// means that there is no route to the address.
pub(crate) fn is_own_of(error: &io::Error, address: SocketAddr) -> bool {
    is_own(error) || (address.is_ipv4() && address.port() != 0 && Errno::from_io_error(error) == Some(Errno::ADDRNOTAVAIL))
}

/// For a name that could not be resolved, for which the resolver reports no such reason: whether no descriptor was left for
/// its query.
pub(crate) fn is_out_of_descriptors() -> bool {
    UdpSocket::bind(("127.0.0.1", 0)).is_err_and(|error| is_own(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_origins_fault() {
        let (v4, v6): (SocketAddr, SocketAddr) = ("127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap());
        for (errno, of_v4, of_v6) in [
            (Errno::MFILE, true, true),
            (Errno::NFILE, true, true),
            (Errno::NOMEM, true, true),
            (Errno::NOBUFS, true, true),
            (Errno::ADDRNOTAVAIL, true, false),
            (Errno::CONNREFUSED, false, false),
            (Errno::HOSTUNREACH, false, false),
            (Errno::ACCESS, false, false),
        ] {
            let error = io::Error::from(errno);
            assert_eq!((is_own_of(&error, v4), is_own_of(&error, v6)), (of_v4, of_v6), "{errno:?}");
        }
        assert!(!is_own(&io::Error::other("x")));
        assert!(!is_out_of_descriptors());
    }
}
