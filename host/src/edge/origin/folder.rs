//! Serves files below one folder, and nothing else.
//!
//! A path is read as behaviors read it (`path`), so that a file cannot be reached by a spelling that belongs to another
//! behavior. Links must lead to something below the root, even if somebody changes them meanwhile (`beneath`). Only regular
//! files are served; a folder that has an index is redirected to its own path, which ends with a slash.
//!
//! A client that has a file, or a part of it, gets what is missing: `selection` handles ranges and conditions.
//!
//! The file system blocks, so it is used on the blocking pool: once for a small file, then once per piece.

mod selection;

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::beneath::{self, FolderEntry};
use crate::edge::body::content::Content;
use crate::edge::body::file::{FileContent, read_chunk};
use crate::edge::origin::exhausted;
use crate::edge::request::head::RequestHead;
use crate::limits::origin::FILE_TIMEOUT_MS;
use crate::path::NormalPath;
use selection::{ConditionOutcome, FilePart, Validators, WantedRange};

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

    /// The name of the file that is served for a folder; `None` if there is none.
    pub(crate) fn index(&self) -> Option<&str> {
        Some(self.index.as_str()).filter(|index| !index.is_empty())
    }

    /// Returns `None` if the file system does not answer in time.
    ///
    /// # Errors
    /// This machine lacks what it takes to open a file.
    pub(crate) async fn serve(&self, head: &RequestHead) -> Option<io::Result<Response<Content>>> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(Ok(response));
        }
        let path = NormalPath::of(head.path());
        let Some(relative) = relative(path.text(), &self.index) else { return Some(Ok(plain(StatusCode::NOT_FOUND))) };
        let (root, wanted, index) = (self.root.clone(), WantedRange::of(head), self.index.clone());
        let finding = tokio::task::spawn_blocking(move || find(&root, &relative, &index, wanted.as_ref()));
        let found = tokio::time::timeout(Duration::from_millis(FILE_TIMEOUT_MS), finding).await.ok()?;
        Some(Ok(match found {
            Ok(Ok(FolderMatch::File(file))) => file.answer(head),
            Ok(Ok(FolderMatch::Folder)) => redirect(&path, head.target.query()),
            Ok(Err(error)) if exhausted::is_own(&error) => return Some(Err(error)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN),
            Ok(Err(_)) => plain(StatusCode::NOT_FOUND),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        }))
    }
}

/// The file that a path names, relative to the root; `None` if it could name anything else.
fn relative(path: &str, index: &str) -> Option<PathBuf> {
    let (folder, last) = path.strip_prefix('/')?.rsplit_once('/').unwrap_or(("", path.strip_prefix('/')?));
    let mut relative = PathBuf::new();
    for part in folder.split('/').filter(|_| !folder.is_empty()) {
        relative.push(file_name(part)?);
    }
    relative.push(if last.is_empty() { index.to_owned() } else { file_name(last)? });
    (!last.is_empty() || !index.is_empty()).then_some(relative)
}

/// The file name that a segment stands for; `None` if it contains an escaped separator, a NUL, or invalid UTF-8.
fn file_name(segment: &str) -> Option<String> {
    let mut name = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            name.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        name.push(u8::try_from(value).ok().filter(|value| !matches!(value, b'/' | b'\\' | 0))?);
    }
    let name = String::from_utf8(name).ok()?;
    (!name.is_empty() && name != "." && name != "..").then_some(name)
}

/// Redirects to the same path with a slash at its end, against which the links of its index are resolved. The location
/// begins with one slash only, so that it names no host.
fn redirect(path: &NormalPath<'_>, query: Option<&str>) -> Response<Content> {
    let mut location = path.to_url();
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::from_maybe_shared(Bytes::from(location)).ok().map(|location| (header::LOCATION, location)));
    answer(StatusCode::MOVED_PERMANENTLY, headers, Content::Empty)
}

enum FolderMatch {
    File(MatchedFile),
    /// A folder with an index, asked for without the slash at its end.
    Folder,
}

/// A file, and the part of it that is asked for.
struct MatchedFile {
    file: File,
    /// The beginning of the part.
    first: Vec<u8>,
    length: u64,
    part: FilePart,
    validators: Validators,
    content_type: &'static str,
}

fn find(root: &Path, relative: &Path, index: &str, wanted: Option<&WantedRange>) -> io::Result<FolderMatch> {
    let (mut file, metadata) = match beneath::open(root, relative)? {
        FolderEntry::File(file, metadata) => (file, metadata),
        FolderEntry::Folder => {
            let has_index = !index.is_empty() && matches!(beneath::open(root, &relative.join(index)), Ok(FolderEntry::File(..)));
            return if has_index { Ok(FolderMatch::Folder) } else { Err(io::ErrorKind::NotFound.into()) };
        }
    };
    let length = metadata.len();
    let validators = Validators::new(metadata.modified().unwrap_or(UNIX_EPOCH), length);
    let part = wanted.map_or(FilePart::Whole, |wanted| wanted.part(&validators, length));
    let first = match part {
        FilePart::Whole => read_chunk(&mut file, length)?,
        FilePart::Of(start, length) => {
            file.seek(io::SeekFrom::Start(start))?;
            read_chunk(&mut file, length)?
        }
        FilePart::Unsatisfiable => Vec::new(),
    };
    let content_type = content_type(relative);
    Ok(FolderMatch::File(MatchedFile { file, first, length, part, validators, content_type }))
}

impl MatchedFile {
    fn answer(self, head: &RequestHead) -> Response<Content> {
        let mut headers = HeaderMap::with_capacity(8);
        self.validators.insert_into(&mut headers);
        match self.validators.check(&head.headers) {
            ConditionOutcome::Send => {}
            ConditionOutcome::NotModified => return answer(StatusCode::NOT_MODIFIED, headers, Content::Empty),
            ConditionOutcome::Failed => return plain(StatusCode::PRECONDITION_FAILED),
        }
        let (status, length, range) = match self.part {
            FilePart::Whole => (StatusCode::OK, self.length, None),
            FilePart::Of(first, length) => {
                let range = format!("bytes {first}-{}/{}", first + length - 1, self.length);
                (StatusCode::PARTIAL_CONTENT, length, HeaderValue::from_str(&range).ok())
            }
            FilePart::Unsatisfiable => {
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
            Content::File(FileContent::new(self.first, self.file, length))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::origin::FILE_CHUNK_BYTES;

    #[test]
    fn paths_name_files_below_the_root_or_nothing() {
        for (path, file) in [
            ("/", Some("index.html")),
            ("/a/b.txt", Some("a/b.txt")),
            ("/a/", Some("a/index.html")),
            ("/a%20b", Some("a b")),
            ("/%C3%A9", Some("é")),
            ("/a%3Fb%23", Some("a?b#")),
            ("/%", Some("%")),
            ("/%2541", Some("%41")),
            ("/a;b", Some("a;b")),
            ("/a/../b", Some("b")),
            ("/%2e%2e/x", Some("x")),
            ("/.%2e", Some("index.html")),
            ("/a//b", Some("a/b")),
            ("//etc/passwd", Some("etc/passwd")),
            ("/./a", Some("a")),
            ("/..;/a", Some("..;/a")),
            ("/a%2fb", None),
            ("/..%2fb", None),
            ("/a%00b", None),
            ("/a\\b", None),
            ("/%5c", None),
            ("/%ff", None),
            ("/%c0%ae%c0%ae/a", None),
        ] {
            assert_eq!(relative(NormalPath::of(path).text(), "index.html").as_deref(), file.map(Path::new), "{path}");
        }
        assert_eq!(relative("/", ""), None, "without an index there is no file for a folder");
    }

    #[test]
    fn a_file_that_shrinks_or_grows_while_it_is_sent_is_never_given_out_as_whole_with_other_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let root = folder.path().canonicalize().unwrap();
        let length = 3 * FILE_CHUNK_BYTES;
        for (after, whole) in [(length - 1, false), (length, true), (length + 1, true)] {
            std::fs::write(&path, vec![b'a'; length]).unwrap();
            let Ok(FolderMatch::File(found)) = find(&root, Path::new("file"), "", None) else { panic!("it is there") };
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(after as u64).unwrap();
            let mut file = FileContent::new(found.first, found.file, found.length);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(async {
                let mut bytes = 0;
                while let Some(frame) = std::future::poll_fn(|cx| file.poll_frame(cx)).await {
                    bytes += frame.ok()?.into_data().ok()?.len();
                }
                Some(bytes)
            });
            assert_eq!(read, whole.then_some(length), "{after}");
        }
    }
}
