//! An event as it is kept: a head that says whom it is for and what became of it so far, and the bytes that its receiver gets.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// See the module. `H` is what its kind of receiver needs to know of it; members may be added to it, with a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent<H> {
    pub head: Head<H>,
    pub payload: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<H> {
    /// The same on every attempt.
    pub id: String,
    /// Milliseconds since 1970.
    pub accepted_ms: u64,
    /// How often it was tried, and that was the receiver's own failure, or its success.
    #[serde(default)]
    pub attempts: u32,
    /// How often in a row it could not be tried.
    #[serde(default)]
    pub put_off: u32,
    pub receiver: H,
}

/// Bytes that are no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("an event is cut off after {0} bytes")]
    Short(usize),
    #[error("the head of an event: {0}")]
    Head(#[from] serde_json::Error),
}

impl<H: Serialize + DeserializeOwned> QueuedEvent<H> {
    /// The length of the head in four bytes, the smallest last; the head, in JSON; the payload.
    pub fn to_bytes(&self) -> Result<Bytes, EventError> {
        let head = serde_json::to_vec(&self.head)?;
        let length = u32::try_from(head.len()).map_err(|_| EventError::Short(head.len()))?;
        let mut bytes = BytesMut::with_capacity(4 + head.len() + self.payload.len());
        bytes.put_u32(length);
        bytes.put_slice(&head);
        bytes.put_slice(&self.payload);
        Ok(bytes.freeze())
    }

    pub fn of_bytes(bytes: &Bytes) -> Result<QueuedEvent<H>, EventError> {
        let short = || EventError::Short(bytes.len());
        let length = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length)).ok_or_else(short)?;
        let end = usize::try_from(length).ok().and_then(|length| length.checked_add(4)).ok_or_else(short)?;
        let head = serde_json::from_slice(bytes.get(4..end).ok_or_else(short)?)?;
        Ok(QueuedEvent { head, payload: bytes.slice(end..) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_and_what_is_cut_off_is_none() {
        let head = Head { id: "1".to_owned(), accepted_ms: 7, attempts: 2, put_off: 0, receiver: "f".to_owned() };
        let event = QueuedEvent { head, payload: Bytes::from_static(b"{}") };
        let bytes = event.to_bytes().unwrap();
        assert_eq!(QueuedEvent::of_bytes(&bytes).unwrap(), event);
        for end in 0..bytes.len() - 2 {
            assert!(QueuedEvent::<String>::of_bytes(&bytes.slice(..end)).is_err(), "{end}");
        }
        assert!(QueuedEvent::<String>::of_bytes(&Bytes::from_static(&[255; 9])).is_err());
    }
}
