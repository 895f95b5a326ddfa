//! I answer from files below one folder, and from nothing else.
//!
//! A path is decoded once, split, and refused if any part could mean another place; what the file system
//! makes of it (links) must still be below the root. Whoever may write into the folder while it is served
//! is trusted: a link swapped in between the check and the opening is not defended against.
//!
//! Of a file that a client has in part, or has whole, it gets what is missing: ranges and conditions are
//! those of `selection`.
//!
//! The file system blocks, so that it is asked on the blocking pool: once for a small file, then once per
//! piece.

mod selection;

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use tokio::task::JoinHandle;

use crate::edge::body::Content;
use crate::edge::head::Head;
use crate::edge::origin::want;
use crate::limits::origin::FILE_CHUNK_BYTES;
use selection::{Outcome, Part, Validators, Wanted};

pub(crate) struct Folder {
    root: Arc<Path>,
    index: String,
}

impl Folder {
    pub(crate) fn open(root: &Path, index: &str) -> anyhow::Result<Folder> {
        let canonical = root.canonicalize().with_context(|| format!("folder {}", root.display()))?;
        anyhow::ensure!(canonical.is_dir(), "{} is not a folder", root.display());
        Ok(Folder { root: canonical.into(), index: index.to_owned() })
    }

    /// # Errors
    /// This machine lacks what it takes to open a file.
    pub(crate) async fn serve(&self, head: &Head) -> io::Result<Response<Content>> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        let Some(relative) = relative(head.path(), &self.index) else { return Ok(plain(StatusCode::NOT_FOUND)) };
        let (root, wanted) = (self.root.clone(), Wanted::of(head));
        let found = tokio::task::spawn_blocking(move || find(&root, &relative, wanted.as_ref())).await;
        Ok(match found {
            Ok(Ok(found)) => found.answer(head),
            Ok(Err(error)) if want::is_own(&error) => return Err(error),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN),
            Ok(Err(_)) => plain(StatusCode::NOT_FOUND),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        })
    }
}

/// The file that a URL's path names, below the root; `None` if it could name anything else.
fn relative(path: &str, index: &str) -> Option<PathBuf> {
    let decoded = percent_decode(path)?;
    let (folder, last) = decoded.strip_prefix('/')?.rsplit_once('/').unwrap_or(("", decoded.strip_prefix('/')?));
    let mut relative = PathBuf::new();
    for part in folder.split('/').filter(|_| !folder.is_empty()).chain([if last.is_empty() { index } else { last }]) {
        if part.is_empty() || part == "." || part == ".." || part.contains(['\0', '\\', '/']) {
            return None;
        }
        relative.push(part);
    }
    Some(relative)
}

/// `None` for a broken escape, or if the result is not UTF-8. `%2F` is refused: it would be a second way to
/// write a separator.
fn percent_decode(path: &str) -> Option<String> {
    if !path.contains('%') {
        return Some(path.to_owned());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        let value = u8::try_from(value).ok().filter(|&value| value != b'/')?;
        decoded.push(value);
    }
    String::from_utf8(decoded).ok()
}

/// A file, and what is asked for of it.
struct Found {
    file: File,
    /// The beginning of the part.
    first: Vec<u8>,
    length: u64,
    part: Part,
    validators: Validators,
    content_type: &'static str,
}

fn find(root: &Path, relative: &Path, wanted: Option<&Wanted>) -> io::Result<Found> {
    let path = root.join(relative).canonicalize()?;
    if !path.starts_with(root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut file = File::open(&path)?;
    let metadata = file.metadata()?;
    // A device or a pipe could block for ever.
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let length = metadata.len();
    let validators = Validators::new(metadata.modified().unwrap_or(UNIX_EPOCH), length);
    let part = wanted.map_or(Part::Whole, |wanted| wanted.part(&validators, length));
    let first = match part {
        Part::Whole => read_chunk(&mut file, length)?,
        Part::Of(start, length) => {
            file.seek(io::SeekFrom::Start(start))?;
            read_chunk(&mut file, length)?
        }
        Part::Unsatisfiable => Vec::new(),
    };
    Ok(Found { file, first, length, part, validators, content_type: content_type(relative) })
}

/// The next piece of a file of which `remaining` bytes are left; shorter only if the file has shrunk.
fn read_chunk(file: &mut File, remaining: u64) -> io::Result<Vec<u8>> {
    let wanted = remaining.min(FILE_CHUNK_BYTES as u64);
    let mut chunk = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    file.take(wanted).read_to_end(&mut chunk)?;
    Ok(chunk)
}

impl Found {
    fn answer(self, head: &Head) -> Response<Content> {
        let mut headers = HeaderMap::with_capacity(8);
        self.validators.insert_into(&mut headers);
        match self.validators.check(&head.headers) {
            Outcome::Send => {}
            Outcome::NotModified => return answer(StatusCode::NOT_MODIFIED, headers, Content::Empty),
            Outcome::Failed => return plain(StatusCode::PRECONDITION_FAILED),
        }
        let (status, length, range) = match self.part {
            Part::Whole => (StatusCode::OK, self.length, None),
            Part::Of(first, length) => {
                let range = format!("bytes {first}-{}/{}", first + length - 1, self.length);
                (StatusCode::PARTIAL_CONTENT, length, HeaderValue::from_str(&range).ok())
            }
            Part::Unsatisfiable => {
                let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
                let range = HeaderValue::from_str(&format!("bytes */{}", self.length));
                response.headers_mut().extend(range.ok().map(|range| (header::CONTENT_RANGE, range)));
                return response;
            }
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.extend(range.map(|range| (header::CONTENT_RANGE, range)));
        let content = if head.method == Method::HEAD {
            Content::Empty
        } else if self.first.len() as u64 == length {
            Content::full(self.first.into())
        } else {
            Content::File(FileContent { first: Some(self.first.into()), file: Some(self.file), reading: None, remaining: length })
        };
        answer(status, headers, content)
    }
}

fn answer(status: StatusCode, headers: HeaderMap, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn plain(status: StatusCode) -> Response<Content> {
    let text = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Content::Full(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "zip" => "application/zip",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// A read on a thread that may block: the file comes back with what was read.
type Reading = JoinHandle<io::Result<(File, Vec<u8>)>>;

/// The rest of a file, piece by piece.
pub(crate) struct FileContent {
    first: Option<Bytes>,
    file: Option<File>,
    reading: Option<Reading>,
    remaining: u64,
}

impl FileContent {
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(self.take(first))));
        }
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if let Some(mut file) = self.file.take() {
            let remaining = self.remaining;
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let chunk = read_chunk(&mut file, remaining)?;
                Ok((file, chunk))
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match read {
            Ok(Ok((_, chunk))) if chunk.is_empty() => Err(anyhow::anyhow!("the file became shorter while it was sent")),
            Ok(Ok((file, chunk))) => {
                self.file = Some(file);
                Ok(self.take(chunk.into()))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }))
    }

    fn take(&mut self, chunk: Bytes) -> Frame<Bytes> {
        self.remaining -= chunk.len() as u64;
        Frame::data(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_files_below_the_root_or_nothing() {
        for (path, file) in [
            ("/", Some("index.html")),
            ("/a/b.txt", Some("a/b.txt")),
            ("/a/", Some("a/index.html")),
            ("/a%20b", Some("a b")),
            ("/%C3%A9", Some("é")),
            ("/..", None),
            ("/a/../b", None),
            ("/%2e%2e/x", None),
            ("/.%2e", None),
            ("/a%2fb", None),
            ("/a%00b", None),
            ("/a//b", None),
            ("//etc/passwd", None),
            ("/a\\b", None),
            ("/%5c", None),
            ("/./a", None),
            ("/%", None),
            ("/%zz", None),
            ("/%ff", None),
            ("x", None),
        ] {
            assert_eq!(relative(path, "index.html").as_deref(), file.map(Path::new), "{path}");
        }
        assert_eq!(relative("/", ""), None, "without an index there is no file for a folder");
    }

    #[test]
    fn a_link_out_of_the_root_is_not_followed() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        std::fs::write(inside.path().join("file"), "f").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("out")).unwrap();
        std::os::unix::fs::symlink("file", inside.path().join("in")).unwrap();
        let root = inside.path().canonicalize().unwrap();
        assert!(find(&root, Path::new("out"), None).is_err());
        assert_eq!(find(&root, Path::new("in"), None).unwrap().first, b"f");
    }
}
