//! Bodies through the three encoders: what comes out decodes to what went in, in slices, with turns for others.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Arc;
use std::task::{Wake, Waker};

use http_body::SizeHint;
use proptest::prelude::*;

use super::*;
use crate::telemetry::Telemetry;

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

/// What has come so far, or an end before the end.
struct Pieces(VecDeque<Result<Bytes, ()>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        let piece = self.0.pop_front();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(|()| anyhow::anyhow!("the origin broke off"))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn compressed(coding: Coding, said: usize, pieces: Vec<Result<Bytes, ()>>) -> Compressed<Pieces> {
    Compressed::new(Pieces(pieces.into()), coding, said as u64, Telemetry::new().cache()).ok().unwrap()
}

/// Cut at each of `cuts`, which are taken modulo the length.
fn cut(body: &[u8], cuts: &[usize]) -> Vec<Result<Bytes, ()>> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    places.extend([0, body.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| Ok(Bytes::copy_from_slice(&body[pair[0]..pair[1]]))).collect()
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// All frames, and how often others had a turn.
fn run(mut body: Compressed<Pieces>) -> (Vec<Bytes>, usize, Result<(), anyhow::Error>) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let (mut frames, mut turns) = (Vec::new(), 0);
    loop {
        match body.poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                turns += 1;
                assert_eq!(woken.0.load(Ordering::Relaxed), turns, "who rests is woken");
            }
            Poll::Ready(Some(Ok(frame))) => frames.push(frame.into_data().unwrap()),
            Poll::Ready(Some(Err(error))) => {
                assert!(body.is_end_stream());
                return (frames, turns, Err(error));
            }
            Poll::Ready(None) => {
                assert!(body.is_end_stream());
                return (frames, turns, Ok(()));
            }
        }
    }
}

fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    match coding {
        Coding::Gzip => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut body).unwrap()),
        Coding::Brotli => drop(brotli::Decompressor::new(bytes, 4_096).read_to_end(&mut body).unwrap()),
        Coding::Zstd => body = zstd::stream::decode_all(bytes).unwrap(),
    }
    body
}

/// Neither all alike nor noise.
fn text(length: usize) -> Vec<u8> {
    let words = (0_u32..).map(|n| format!("<li class=\"item\">{}</li>\n", n.wrapping_mul(2_654_435_761) >> 12));
    let mut text = Vec::with_capacity(length + 64);
    for word in words {
        text.extend_from_slice(word.as_bytes());
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_in_any_pieces_decodes_to_itself(
        noise in prop::collection::vec(any::<u8>(), 0..3_000),
        length in 0..80_000_usize,
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let body = [noise, text(length)].concat();
        for coding in CODINGS {
            let (frames, turns, result) = run(compressed(coding, body.len(), cut(&body, &cuts)));
            prop_assert!(result.is_ok());
            let bytes = frames.concat();
            prop_assert_eq!(&decode(coding, &bytes), &body, "{:?}", coding);
            prop_assert_eq!(turns, body.len() / SLICE_BYTES);
        }
    }
}

#[test]
fn each_slice_can_be_read_before_the_next_comes() {
    let body = text(3 * SLICE_BYTES + 5);
    for coding in CODINGS {
        let (frames, turns, _) = run(compressed(coding, body.len(), cut(&body, &[])));
        assert_eq!((frames.len(), turns), (4, 3), "{coding:?}");
        let mut begun = vec![0; SLICE_BYTES];
        let first = &frames[0][..];
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(first).read_exact(&mut begun).unwrap(),
            Coding::Brotli => brotli::Decompressor::new(first, 4_096).read_exact(&mut begun).unwrap(),
            Coding::Zstd => zstd::stream::Decoder::new(first).unwrap().read_exact(&mut begun).unwrap(),
        }
        assert_eq!(begun, body[..SLICE_BYTES], "{coding:?}");
        assert!(frames.concat().len() * 3 < body.len(), "{coding:?}");
    }
}

#[test]
fn a_body_of_another_length_than_it_said_is_an_error() {
    let body = text(40_000);
    for coding in CODINGS {
        for said in [39_999, 40_001, 0] {
            let (_, _, result) = run(compressed(coding, said, cut(&body, &[7, 20_000])));
            let error = result.unwrap_err().to_string();
            assert!(error.contains(&said.to_string()), "{error}");
        }
    }
}

#[test]
fn a_body_that_ends_early_ends_the_response_early() {
    for coding in CODINGS {
        let pieces = vec![Ok(Bytes::from(text(20_000))), Err(())];
        let (frames, _, result) = run(compressed(coding, 40_000, pieces));
        assert_eq!((frames.len(), result.unwrap_err().to_string()), (1, "the origin broke off".to_owned()));
    }
}

#[test]
fn permits_are_bounded_and_returned() {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let mut permits: Vec<_> = (0..3).map(|_| CompressionPermit::take(&TAKEN, 3).unwrap()).collect();
    assert!(CompressionPermit::take(&TAKEN, 3).is_none());
    permits.pop();
    assert!(CompressionPermit::take(&TAKEN, 3).is_some(), "a dropped one is free");
}
