//! What a connection becomes whose two ends have agreed on another protocol.
//!
//! A handler that answers 101 puts a `Switch` into the extensions of its response: the far side, and a witness that is
//! told what passes. When hyper has sent the response, `relay` carries bytes both ways.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// The far side of a tunnel.
pub trait Far: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Far for S {}

/// Which end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Viewer,
    Far,
}

/// Observes a tunnel. It is dropped at the tunnel's end.
pub trait Witness: Send {
    /// So many bytes were written to this side.
    fn passed(&mut self, to: Side, bytes: u64);

    /// This side failed. Not called when both ends close, or when the tunnel was quiet for too long.
    fn broke(&mut self, side: Side);
}

/// The parts of a tunnel.
pub struct Tunnel {
    pub far: Box<dyn Far>,
    /// The bytes that the far side has sent with its head.
    pub early: Bytes,
    /// How long the tunnel may be without a byte in either direction.
    pub patience: Duration,
    pub witness: Box<dyn Witness>,
}

/// A `Tunnel` as an extension of a response. Extensions must be cloneable, so the first one to take it has it.
#[derive(Clone)]
pub struct Switch(Arc<Mutex<Option<Tunnel>>>);

impl Switch {
    pub fn new(tunnel: Tunnel) -> Switch {
        Switch(Arc::new(Mutex::new(Some(tunnel))))
    }

    pub(crate) fn take(self) -> Option<Tunnel> {
        self.0.lock().ok()?.take()
    }
}
