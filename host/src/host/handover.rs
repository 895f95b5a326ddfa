//! How one process gives its listening sockets to the next: an upgrade refuses nobody.
//!
//! A running edge answers on a socket file in its data folder. Who starts with the same data folder asks there first.
//!
//!     successor                                  predecessor
//!       take / replace ───────────────────────►  serving: not yours. Leaving, or `replace`: the sockets
//!       (deploys; the predecessor still accepts)   and a hold, so that it goes on listening
//!       has deployed, release ────────────────►  lets go of the cache's files: they are for one process
//!       serves, ready ────────────────────────►  closes its own copies, ends when what is open has ended
//!
//! Both have the same sockets, not sockets of the same port: what waits in a queue is never reset by one of them closing.
//!
//! What was considered:
//! - The successor dies before it is ready: its end of the connection closes, the hold is dropped, and the predecessor goes on
//!   as before: serving, or listening until what it had at the beginning has ended.
//!   If it dies between release and ready, of which nothing is left that takes long or often fails, the predecessor goes on
//!   without its disk tier.
//! - The predecessor ends first (its drain's time is up): the sockets live on in the successor, and queue until it is ready.
//! - SIGTERM has been sent but not heard when the successor asks: it is told "serving", finds the port taken, and asks
//!   again for `TAKE_MS`. So "a second edge on a taken port is refused" holds a moment later than it could.
//! - The predecessor has closed but not ended: the port is free, and is bound as ever.
//! - Two successors at once: the second is told "busy", which is as good as "serving".
//! - A file of a process that died: nobody answers, which is no predecessor. The next one renames its own over it.
//! - Somebody else's process asks, or answers: both sides look at the other's user, and the file is ours alone.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::Shared;
use crate::limits::handover::{ANSWER_MS, LINE_BYTES, PATH_BYTES, SOCKETS};
use crate::net::DeparturePhase;
use crate::telemetry::HandoverResult;

const FILE: &str = "handover.sock";
const TAKE: &str = "take\n";
const REPLACE: &str = "replace\n";
const RELEASE: &str = "release\n";
const RELEASED: &str = "released\n";
const READY: &str = "ready\n";
const SERVING: &str = "serving\n";
const CLOSED: &str = "closed\n";

/// What a successor wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The sockets of a process that leaves.
    Take,
    /// Also those of one that serves: it leaves when we are ready.
    Replace,
}

/// The answer of a running process to the request for its sockets.
pub(super) enum HandoverReply {
    /// There is nobody, or nobody who has sockets left.
    Nobody,
    /// There was one, whose file is still there.
    Gone,
    /// It serves, and goes on.
    Serving,
    Given(Predecessor),
}

/// A process whose sockets we have, and that listens until we are ready.
pub(super) struct Predecessor {
    pub(super) sockets: Vec<TcpListener>,
    stream: UnixStream,
}

impl Predecessor {
    pub(super) fn ask(data_dir: &Path, wish: Wish) -> HandoverReply {
        match ask(data_dir, wish) {
            Ok(asked) => asked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HandoverReply::Nobody,
            Err(error) => {
                tracing::debug!(%error, "no predecessor answers");
                HandoverReply::Gone
            }
        }
    }

    /// What only one process may have is ours from here on.
    pub(super) fn release(&mut self) {
        let released = self.stream.write_all(RELEASE.as_bytes()).and_then(|()| line(&mut self.stream));
        if !released.as_ref().is_ok_and(|answer| answer == RELEASED) {
            // It has ended, and has nothing any more.
            tracing::debug!(?released, "the predecessor does not hear");
        }
    }

    /// We serve: it may close.
    pub(super) fn ready(mut self) {
        if let Err(error) = self.stream.write_all(READY.as_bytes()) {
            // It has ended: its sockets are ours alone already.
            tracing::debug!(%error, "the predecessor does not hear");
        }
    }
}

fn ask(data_dir: &Path, wish: Wish) -> io::Result<HandoverReply> {
    let file = Address::of(data_dir, FILE)?;
    let mut stream = UnixStream::connect(file.path())?;
    if !is_our_own(&stream) {
        tracing::warn!("the process at {} is another user's and is not asked for its sockets", data_dir.join(FILE).display());
        return Ok(HandoverReply::Nobody);
    }
    let patience = Some(Duration::from_millis(ANSWER_MS));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    stream.write_all(if wish == Wish::Take { TAKE } else { REPLACE }.as_bytes())?;
    let answer = line(&mut stream)?;
    let count = match answer.as_str() {
        SERVING => return Ok(HandoverReply::Serving),
        CLOSED => return Ok(HandoverReply::Gone),
        sockets => sockets.trim_end().strip_prefix("sockets ").and_then(|count| count.parse().ok()).unwrap_or(0),
    };
    if !(1..=SOCKETS).contains(&count) {
        return Err(io::Error::other(format!("not an answer: {answer:?}")));
    }
    let sockets = (0..count).map(|_| receive(&stream).map(TcpListener::from)).collect::<io::Result<_>>()?;
    Ok(HandoverReply::Given(Predecessor { sockets, stream }))
}

/// Answers successors until the process ends. None of it is needed to serve: what fails is told.
pub(super) fn start(shared: &Arc<Shared>, data_dir: &Path) -> anyhow::Result<()> {
    let listener = listen(data_dir).with_context(|| format!("cannot listen on {}", data_dir.join(FILE).display()))?;
    let shared = shared.clone();
    let taken = Arc::new(AtomicBool::new(false));
    let answer = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of descriptors: without the pause this would spin.
                std::thread::sleep(Duration::from_millis(ANSWER_MS));
                continue;
            };
            let (shared, taken) = (shared.clone(), taken.clone());
            // Blocks for as long as the successor takes to be ready.
            let name = "edgeward-successor".to_owned();
            let _ = std::thread::Builder::new().name(name).spawn(move || {
                if let Err(error) = serve(&shared, &taken, stream) {
                    tracing::warn!(%error, "a successor was lost");
                    shared.telemetry.handed_over(HandoverResult::Lost);
                }
            });
        }
    };
    std::thread::Builder::new().name("edgeward-handover".to_owned()).spawn(answer)?;
    Ok(())
}

fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    let mine = Address::of(data_dir, &format!("{FILE}.{}", std::process::id()))?;
    match std::fs::remove_file(mine.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(mine.path())?;
    std::fs::set_permissions(mine.path(), std::fs::Permissions::from_mode(0o600))?;
    // At once: at no moment does nobody answer who could.
    std::fs::rename(mine.path(), Address::of(data_dir, FILE)?.path())?;
    Ok(listener)
}

fn serve(shared: &Arc<Shared>, taken: &AtomicBool, mut stream: UnixStream) -> io::Result<()> {
    if !is_our_own(&stream) {
        tracing::warn!("a process of another user has asked for the listening sockets");
        return Ok(());
    }
    let patience = Some(Duration::from_millis(ANSWER_MS));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let wish = line(&mut stream)?;
    // Before looking: what is given must not be closed meanwhile.
    let hold = shared.departure.hold();
    let sockets = shared.listening();
    let phase = shared.departure.phase();
    if sockets.is_empty() || phase == DeparturePhase::Closing {
        return stream.write_all(CLOSED.as_bytes());
    }
    let wanted = wish == REPLACE || (wish == TAKE && phase == DeparturePhase::Leaving);
    if !wanted || taken.swap(true, Ordering::AcqRel) {
        return stream.write_all(SERVING.as_bytes());
    }
    let _given = Given(taken);
    stream.write_all(format!("sockets {}\n", sockets.len()).as_bytes())?;
    for socket in sockets {
        send(&stream, &socket)?;
    }
    tracing::info!("a successor has the listening sockets and starts");
    stream.set_read_timeout(None)?;
    loop {
        match line(&mut stream)?.as_str() {
            RELEASE => {
                shared.cache.release_disk();
                stream.write_all(RELEASED.as_bytes())?;
            }
            READY => break,
            other => return Err(io::Error::other(format!("not a word of a successor: {other:?}"))),
        }
    }
    shared.telemetry.handed_over(HandoverResult::Given);
    tracing::info!("the successor serves; draining");
    shared.handed_over.send_replace(true);
    shared.departure.close();
    drop(hold);
    Ok(())
}

/// While it lives, no second successor is given sockets.
struct Given<'a>(&'a AtomicBool);

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// One byte, and the socket beside it.
fn send(stream: &UnixStream, socket: &TcpListener) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket.as_fd()];
    beside.push(SendAncillaryMessage::ScmRights(&sockets));
    rustix::net::sendmsg(stream, &[IoSlice::new(b"s")], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let rights = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    rights.ok_or_else(|| io::Error::other("no socket came"))
}

/// Byte by byte: what follows a line may have a socket beside it.
fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    let mut byte = [0];
    while !line.ends_with('\n') && line.len() < LINE_BYTES {
        stream.read_exact(&mut byte)?;
        line.push(char::from(byte[0]));
    }
    Ok(line)
}

fn is_our_own(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// A file's path, short enough for the address of a socket.
struct Address {
    path: PathBuf,
    /// Kept open: the path may lead through it.
    _folder: Option<std::fs::File>,
}

impl Address {
    fn of(folder: &Path, file: &str) -> io::Result<Address> {
        let path = folder.join(file);
        if path.as_os_str().len() <= PATH_BYTES {
            return Ok(Address { path, _folder: None });
        }
        let folder = std::fs::File::open(folder)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        Ok(Address { path: PathBuf::from(format!("/proc/self/fd/{number}/{file}")), _folder: Some(folder) })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
