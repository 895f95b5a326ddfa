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

/// Who wants to know what becomes of a tunnel. It is dropped at the tunnel's end.
pub trait Witness: Send {
    /// So many bytes were given to this side.
    fn passed(&mut self, to: Side, bytes: u64);

    /// This side broke the tunnel. Not told when both ends close it, or when it was quiet for too long.
    fn broke(&mut self, side: Side);
}

/// What a tunnel is made of.
pub struct Tunnel {
    pub far: Box<dyn Far>,
    /// What the far side has sent with its head.
    pub early: Bytes,
    /// Without a byte in either direction for so long, it ends.
    pub patience: Duration,
    pub witness: Box<dyn Witness>,
}

/// A `Tunnel` as an extension of an answer, which has to be cloneable: the first to take it has it.
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
