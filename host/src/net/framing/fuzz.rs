//! For fuzz targets: where framing sees requests end, and that hyper sees them end there too.

use super::{Framing, FramingError, FramingState};
use crate::net::fuzz::hyper_reads;

/// The body of one request as framing delimits it.
struct Extent {
    body: Vec<u8>,
    whole: bool,
}

/// What framing lets through, hyper splits alike; and it does not matter where reads cut the bytes. The
/// first byte says how they are cut.
pub(crate) fn framing(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let (accepted, extents, result) = extents(bytes);

    let mut whole = Framing::default();
    assert_eq!(whole.feed(bytes), result, "one read differs from single bytes");
    let mut pieces = Framing::default();
    let in_pieces = bytes.chunks(usize::from(cut).max(1)).try_for_each(|piece| pieces.feed(piece));
    assert_eq!(in_pieces, result, "reads of {cut} bytes differ from single bytes");
    if result.is_ok() {
        assert_eq!((whole.state, whole.taken, &whole.partial), (pieces.state, pieces.taken, &pieces.partial));
    }

    // hyper may be the stricter one: it then ends the connection, but never sees another request than we do.
    let messages = hyper_reads(&bytes[..accepted]);
    assert!(messages.len() <= extents.len(), "hyper found {} requests, framing {}", messages.len(), extents.len());
    for (i, (message, extent)) in messages.iter().zip(&extents).enumerate() {
        if message.whole || i + 1 < messages.len() {
            assert!(message.whole, "hyper went on after a broken body");
            assert!(extent.whole, "hyper ended request {i} before framing did");
            assert_eq!(message.body, extent.body, "the body of request {i}");
        } else {
            assert!(extent.body.starts_with(&message.body), "the body of request {i}");
        }
    }
}

/// How many bytes were let through, and the requests in them.
fn extents(bytes: &[u8]) -> (usize, Vec<Extent>, Result<(), FramingError>) {
    let mut framing = Framing::default();
    let mut extents: Vec<Extent> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let (before, begun) = (framing.state, framing.head.begun);
        if let Err(refusal) = framing.feed(std::slice::from_ref(byte)) {
            return (at, extents, Err(refusal));
        }
        let ended = framing.state == FramingState::HeadFraming;
        match (before, extents.last_mut()) {
            (FramingState::HeadFraming, _) if begun && !framing.head.begun => {
                extents.push(Extent { body: Vec::new(), whole: ended })
            }
            (FramingState::HeadFraming, _) | (_, None) => {}
            (FramingState::Length(_) | FramingState::ChunkData(_), Some(extent)) => {
                extent.body.push(*byte);
                extent.whole = ended;
            }
            (_, Some(extent)) => extent.whole = ended,
        }
    }
    (bytes.len(), extents, Ok(()))
}
