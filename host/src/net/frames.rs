//! Rate limits the frames of an HTTP/2 connection that cost us work and request nothing.
//!
//! h2 bounds what it must remember: streams, resets, header blocks. It does not bound what it reads, answers
//! and forgets: PRIORITY, WINDOW_UPDATE, SETTINGS, PING, empty DATA, unknown frames. A connection has a budget for
//! these frames; requests, data in either direction and time refill it. A connection without budget is closed.
//!
//! A frame with an invalid length, and one on a stream that its sender has ended, are detected here as well, because h2
//! answers PROTOCOL_ERROR where RFC 9113 wants FRAME_SIZE_ERROR and STREAM_CLOSED. Remove that when h2 does (its
//! `codec/framed_read.rs`, `proto/streams/recv.rs`). HPACK that cannot be decoded stays PROTOCOL_ERROR,
//! not COMPRESSION_ERROR: to tell it apart it would have to be decoded a second time.
//!
//! Cost: the nine bytes of each frame's head are read; payloads are skipped.

use crate::limits::request::{H2_EARNED_BY_DATA, H2_EARNED_BY_STREAM, H2_ENDED_STREAMS};
use crate::limits::request::{H2_SPARE_FRAMES, H2_SPARE_FRAMES_A_SECOND};
use crate::net::ticks::TICKS_A_SECOND;

const HEAD_BYTES: usize = 9;
/// The largest payload that clients may send: the protocol's default, which hyper keeps.
const PAYLOAD_BYTES_MAX: u32 = 16 << 10;

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http2Error {
    /// A frame with an invalid length.
    FrameSize,
    /// DATA or HEADERS of a stream that the client has ended or reset.
    StreamClosed,
    /// Too many frames that request nothing.
    Flood,
}

impl Http2Error {
    /// The label in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Http2Error::FrameSize => "h2-frame-size",
            Http2Error::StreamClosed => "h2-stream-closed",
            Http2Error::Flood => "h2-flood",
        }
    }

    /// FRAME_SIZE_ERROR, STREAM_CLOSED, ENHANCE_YOUR_CALM.
    fn code(self) -> u8 {
        match self {
            Http2Error::FrameSize => 0x6,
            Http2Error::StreamClosed => 0x5,
            Http2Error::Flood => 0xb,
        }
    }
}

/// The frames that a client sends.
pub(crate) struct IncomingFrames {
    heads: FrameHeads,
    spare: u32,
    /// In ticks.
    refilled: u32,
    /// The highest stream that was opened.
    last_stream: u32,
    /// The streams that were ended last, in a ring. h2 judges older ones.
    ended: [u32; H2_ENDED_STREAMS],
    next_ended: usize,
}

impl IncomingFrames {
    /// `preface` bytes come before the first frame.
    pub(crate) fn after(preface: usize, now: u32) -> IncomingFrames {
        let heads = FrameHeads::after(preface);
        let (spare, ended) = (H2_SPARE_FRAMES, [0; H2_ENDED_STREAMS]);
        IncomingFrames { heads, spare, refilled: now, last_stream: 0, ended, next_ended: 0 }
    }

    /// Takes the next bytes; `now` is in ticks. After an error it must not be called again.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: u32) -> Result<(), Http2Error> {
        let ticks = now.saturating_sub(self.refilled);
        if ticks > 0 {
            self.refilled = now;
            self.earn(ticks.saturating_mul(H2_SPARE_FRAMES_A_SECOND / TICKS_A_SECOND));
        }
        let mut rest = bytes;
        while let Some(head) = self.heads.next(&mut rest) {
            self.take(head)?;
        }
        Ok(())
    }

    /// Counts DATA frames that were sent to the client.
    pub(crate) fn sent(&mut self, data_frames: u32) {
        self.earn(data_frames.saturating_mul(H2_EARNED_BY_DATA));
    }

    fn earn(&mut self, frames: u32) {
        self.spare = self.spare.saturating_add(frames).min(H2_SPARE_FRAMES);
    }

    fn take(&mut self, head: FrameHead) -> Result<(), Http2Error> {
        let FrameHead { length, kind, flags, stream } = head;
        let ack = flags & 0x1 != 0;
        let fits = match kind {
            PRIORITY => length == 5,
            RST_STREAM | WINDOW_UPDATE => length == 4,
            SETTINGS if ack => length == 0,
            SETTINGS => length % 6 == 0,
            PING => length == 8,
            GOAWAY => length >= 8,
            _ => true,
        };
        if !fits || length > PAYLOAD_BYTES_MAX {
            return Err(Http2Error::FrameSize);
        }
        let ends_stream = flags & 0x1 != 0;
        if matches!(kind, DATA | HEADERS) {
            if stream <= self.last_stream && stream != 0 && self.ended.contains(&stream) {
                return Err(Http2Error::StreamClosed);
            }
            if ends_stream {
                self.end(stream);
            }
        } else if kind == RST_STREAM {
            self.end(stream);
        }
        match kind {
            HEADERS => {
                if stream > self.last_stream {
                    self.last_stream = stream;
                    self.earn(H2_EARNED_BY_STREAM);
                }
            }
            DATA if length > 0 || ends_stream => {}
            _ => self.spare = self.spare.checked_sub(1).ok_or(Http2Error::Flood)?,
        }
        Ok(())
    }

    fn end(&mut self, stream: u32) {
        self.ended[self.next_ended] = stream;
        self.next_ended = (self.next_ended + 1) % H2_ENDED_STREAMS;
    }

    /// Our last frame, a GOAWAY: the last stream that we know, and the reason.
    pub(crate) fn farewell(&self, offence: Http2Error) -> [u8; 17] {
        let mut frame = [0; 17];
        frame[2] = 8;
        frame[3] = GOAWAY;
        frame[9..13].copy_from_slice(&self.last_stream.to_be_bytes());
        frame[16] = offence.code();
        frame
    }
}

/// The frames that we send: where they end, and how many of them are DATA.
pub(crate) struct OutgoingFrames {
    heads: FrameHeads,
}

impl OutgoingFrames {
    pub(crate) fn new() -> OutgoingFrames {
        OutgoingFrames { heads: FrameHeads::after(0) }
    }

    /// How many DATA frames have begun in these bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> u32 {
        let mut data = 0;
        while let Some(head) = self.heads.next(&mut bytes) {
            data += u32::from(head.kind == DATA);
        }
        data
    }

    /// Whether another frame may begin here.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.heads.skip == 0 && self.heads.have == 0
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

struct FrameHead {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Finds the heads of frames in bytes that arrive in pieces.
struct FrameHeads {
    head: [u8; HEAD_BYTES],
    have: usize,
    /// The bytes that are left of a payload, or of the preface.
    skip: usize,
}

impl FrameHeads {
    fn after(preface: usize) -> FrameHeads {
        FrameHeads { head: [0; HEAD_BYTES], have: 0, skip: preface }
    }

    /// The next head, as soon as all of it has arrived.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<FrameHead> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        let n = (HEAD_BYTES - self.have).min(bytes.len());
        self.head[self.have..self.have + n].copy_from_slice(&bytes[..n]);
        self.have += n;
        *bytes = &bytes[n..];
        if self.have < HEAD_BYTES {
            return None;
        }
        self.have = 0;
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length as usize;
        Some(FrameHead { length, kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    const USELESS: [(u8, &[u8]); 9] = [
        (DATA, &[]),
        (PRIORITY, &[0; 5]),
        (RST_STREAM, &[0; 4]),
        (SETTINGS, &[]),
        (PING, &[0; 8]),
        (GOAWAY, &[0; 8]),
        (WINDOW_UPDATE, &[0, 0, 0, 1]),
        (9, b"continuation"),
        (0xfa, b"unknown"),
    ];

    #[test]
    fn each_kind_of_frame_that_asks_for_nothing_has_the_same_ration() {
        for (kind, payload) in USELESS {
            let mut incoming = IncomingFrames::after(0, 1);
            let frame = frame(kind, 0, 1, payload);
            for n in 0..H2_SPARE_FRAMES {
                assert_eq!(incoming.feed(&frame, 1), Ok(()), "kind {kind}, frame {n}");
            }
            assert_eq!(incoming.feed(&frame, 1), Err(Http2Error::Flood), "kind {kind}");
        }
    }

    #[test]
    fn time_streams_and_sent_data_allow_more_frames_up_to_the_maximum() {
        let ping = frame(PING, 0, 0, &[0; 8]);
        let spent = || {
            let mut incoming = IncomingFrames::after(0, 1);
            for _ in 0..H2_SPARE_FRAMES {
                incoming.feed(&ping, 1).unwrap();
            }
            incoming
        };
        let left = |mut incoming: IncomingFrames, now: u32| (0u32..).find(|_| incoming.feed(&ping, now).is_err()).unwrap();
        assert_eq!(left(spent(), 1), 0);
        assert_eq!(left(spent(), 1 + TICKS_A_SECOND), H2_SPARE_FRAMES_A_SECOND);
        assert_eq!(left(spent(), u32::MAX), H2_SPARE_FRAMES);
        let mut incoming = spent();
        incoming.feed(&frame(HEADERS, 0x4, 1, b"x"), 1).unwrap();
        // Its trailers earn nothing.
        incoming.feed(&frame(HEADERS, 0x5, 1, b"x"), 1).unwrap();
        assert_eq!(left(incoming, 1), H2_EARNED_BY_STREAM);
        let mut incoming = spent();
        incoming.sent(OutgoingFrames::new().feed(&[frame(DATA, 0, 1, b"abc"), frame(PING, 1, 0, &[0; 8])].concat()));
        assert_eq!(left(incoming, 1), H2_EARNED_BY_DATA);
    }

    #[test]
    fn small_data_frames_of_a_body_are_not_counted_as_a_flood() {
        let mut incoming = IncomingFrames::after(0, 1);
        for _ in 0..10 * H2_SPARE_FRAMES {
            assert_eq!(incoming.feed(&frame(DATA, 0, 1, b"x"), 1), Ok(()));
        }
    }

    #[test]
    fn impossible_lengths_are_reported() {
        for (kind, flags, right, wrong) in [
            (PRIORITY, 0, vec![5], vec![4, 6]),
            (RST_STREAM, 0, vec![4], vec![3, 5]),
            (WINDOW_UPDATE, 0, vec![4], vec![0, 3, 5]),
            (SETTINGS, 0, vec![0, 6, 12], vec![1, 5, 7]),
            (SETTINGS, 1, vec![0], vec![1, 6]),
            (PING, 0, vec![8], vec![0, 7, 9]),
            (GOAWAY, 0, vec![8, 9], vec![7]),
            (DATA, 0, vec![1, 16_384], vec![16_385]),
            (0xfa, 0, vec![0, 16_384], vec![16_385]),
        ] {
            for (lengths, expected) in [(right, Ok(())), (wrong, Err(Http2Error::FrameSize))] {
                for length in lengths {
                    let frame = frame(kind, flags, 1, &vec![0; length]);
                    assert_eq!(IncomingFrames::after(0, 1).feed(&frame, 1), expected, "kind {kind}, {length} bytes");
                }
            }
        }
    }

    #[test]
    fn no_data_is_accepted_on_a_stream_that_its_sender_has_ended() {
        let (headers, data) = (|flags| frame(HEADERS, flags, 1, b"x"), |flags| frame(DATA, flags, 1, b"x"));
        let reset = frame(RST_STREAM, 0, 1, &[0; 4]);
        for (frames, expected) in [
            (vec![headers(0x4), data(0), data(1)], Ok(())),
            (vec![headers(0x4), data(0), headers(0x5)], Ok(())),
            (vec![headers(0x5), frame(WINDOW_UPDATE, 0, 1, &[0; 4]), frame(PRIORITY, 0, 1, &[0; 5]), reset.clone()], Ok(())),
            (vec![headers(0x5), data(0)], Err(Http2Error::StreamClosed)),
            (vec![headers(0x5), headers(0x5)], Err(Http2Error::StreamClosed)),
            (vec![headers(0x4), data(1), data(1)], Err(Http2Error::StreamClosed)),
            (vec![headers(0x4), reset.clone(), data(0)], Err(Http2Error::StreamClosed)),
            (vec![headers(0x4), reset, headers(0x5)], Err(Http2Error::StreamClosed)),
            // A stream that was never opened is h2's to judge: PROTOCOL_ERROR.
            (vec![frame(HEADERS, 0x5, 5, b"x"), frame(HEADERS, 0x5, 3, b"x")], Ok(())),
        ] {
            assert_eq!(IncomingFrames::after(0, 1).feed(&frames.concat(), 1), expected, "{frames:?}");
        }
    }

    #[test]
    fn the_goaway_has_the_last_stream_and_the_reason() {
        let mut incoming = IncomingFrames::after(0, 1);
        incoming.feed(&[frame(HEADERS, 5, 3, b"x"), frame(HEADERS, 5, 7, b"x")].concat(), 1).unwrap();
        assert_eq!(incoming.farewell(Http2Error::Flood).to_vec(), frame(GOAWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 0xb]));
        assert_eq!(incoming.farewell(Http2Error::FrameSize)[16], 6);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_reads_cut_the_bytes(
            kinds in prop::collection::vec((0u8..12, 0usize..20), 0..40),
            cuts in prop::collection::vec(0usize..600, 0..8),
        ) {
            let frames = kinds.iter().map(|(kind, length)| frame(*kind, 0, 1, &vec![0; *length]));
            let bytes: Vec<u8> = std::iter::repeat_n(b'p', 24).chain(frames.flatten()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let (mut whole, mut cut_up) = (IncomingFrames::after(24, 1), IncomingFrames::after(24, 1));
            let (mut at, mut result) = (0, Ok(()));
            for cut in cuts {
                result = result.and_then(|()| cut_up.feed(&bytes[at..cut], 1));
                at = cut;
            }
            prop_assert_eq!(result, whole.feed(&bytes, 1));
            prop_assert_eq!(whole.spare, cut_up.spare);
        }
    }
}
