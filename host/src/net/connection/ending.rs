//! How a connection ends: counted, with a last response where the client can tell what it answers, and with time for the
//! client to read it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::limits::request::LINGER_MS;
use crate::net::state::CloseReason;
use crate::net::sweep::OpenConnection;

/// Ends an HTTP/1.1 connection, with a response where the client can tell what it responds to.
pub(super) async fn cut<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    close_reason: CloseReason,
    entry: &OpenConnection,
    exchanges: u32,
) {
    count(close_reason, entry);
    let status = match close_reason {
        CloseReason::Refused(refusal) => refusal.status(),
        CloseReason::Head => "408 Request Timeout",
        CloseReason::Handshake
        | CloseReason::Idle
        | CloseReason::Write
        | CloseReason::Stalled
        | CloseReason::Quiet
        | CloseReason::Http2Error(_)
        | CloseReason::Shed
        | CloseReason::Drained => return,
    };
    if exchanges > 0 {
        return; // A response is under way; another one in the middle of it would be taken for a part of it.
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

/// Reads what still arrives after our last response: closing with unread bytes would reset the
/// connection, and the client might lose the response.
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
    // The connection ends here in any case.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// Counts the end in the metrics.
pub(super) fn count(close_reason: CloseReason, entry: &OpenConnection) {
    match close_reason {
        CloseReason::Handshake => entry.metrics().ended("slow-handshake"),
        CloseReason::Idle => entry.metrics().ended("idle"),
        CloseReason::Head => entry.metrics().ended("slow-head"),
        CloseReason::Write => entry.metrics().ended("slow-reader"),
        CloseReason::Stalled => entry.metrics().ended("stalled"),
        CloseReason::Quiet => entry.metrics().ended("quiet-tunnel"),
        CloseReason::Refused(refusal) => entry.metrics().refused(refusal.name()),
        CloseReason::Http2Error(offence) => entry.metrics().refused(offence.name()),
        CloseReason::Shed => entry.metrics().ended("shed"),
        CloseReason::Drained => {}
    }
}
