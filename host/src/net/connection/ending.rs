//! How a connection ends: counted, with a last response where the client can tell what it answers, and with time for the
//! client to read it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::limits::request::LINGER_MS;
use crate::net::pulse::Verdict;
use crate::net::sweep::Entry;

/// Ends an HTTP/1.1 connection, with an answer where the client can tell what it answers.
pub(super) async fn cut<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, verdict: Verdict, entry: &Entry, exchanges: u32) {
    count(verdict, entry);
    let status = match verdict {
        Verdict::Refused(refusal) => refusal.status(),
        Verdict::Head => "408 Request Timeout",
        Verdict::Handshake
        | Verdict::Idle
        | Verdict::Write
        | Verdict::Stalled
        | Verdict::Quiet
        | Verdict::Offence(_)
        | Verdict::Shed
        | Verdict::Drained => return,
    };
    if exchanges > 0 {
        return; // An answer is under way; another one in the middle of it would be taken for it.
    }
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Ok(Ok(())) = tokio::time::timeout(LINGER, farewell).await {
        linger(stream).await;
    }
}

/// How long a client may take to notice that we have closed.
pub(super) const LINGER: Duration = Duration::from_millis(LINGER_MS);

/// Reads what still comes after we have said our last word: closing with unread bytes would reset the
/// connection, and the client might lose the answer.
pub(super) async fn linger<S: AsyncRead + Unpin>(mut stream: S) {
    let rest = async {
        let mut rest = vec![0; 4096];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever comes of it, the connection ends here.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// Counts the end in the metrics.
pub(super) fn count(verdict: Verdict, entry: &Entry) {
    match verdict {
        Verdict::Handshake => entry.metrics().ended("slow-handshake"),
        Verdict::Idle => entry.metrics().ended("idle"),
        Verdict::Head => entry.metrics().ended("slow-head"),
        Verdict::Write => entry.metrics().ended("slow-reader"),
        Verdict::Stalled => entry.metrics().ended("stalled"),
        Verdict::Quiet => entry.metrics().ended("quiet-tunnel"),
        Verdict::Refused(refusal) => entry.metrics().refused(refusal.name()),
        Verdict::Offence(offence) => entry.metrics().refused(offence.name()),
        Verdict::Shed => entry.metrics().ended("shed"),
        Verdict::Drained => {}
    }
}
