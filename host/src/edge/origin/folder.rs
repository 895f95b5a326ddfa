//! A folder of files as an origin.

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::AsyncReadExt as _;

use crate::edge::Body;

/// Files below `root`; `index` for a path that ends in `/`.
pub(in crate::edge) struct Folder {
    /// Without links, so that what is found can be compared with it.
    root: PathBuf,
    index: String,
}

const CHUNK: usize = 64 << 10;

impl Folder {
    pub(in crate::edge) fn open(root: &Path, index: &str) -> std::io::Result<Folder> {
        Ok(Folder { root: root.canonicalize()?, index: index.to_owned() })
    }

    pub(super) async fn respond(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        match self.file(request).await {
            Ok(response) => response,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => plain(StatusCode::FORBIDDEN),
            Err(_) => plain(StatusCode::NOT_FOUND),
        }
    }

    async fn file(&self, request: &Request<Body>) -> std::io::Result<Response<Body>> {
        let not_found = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let relative = relative(request.uri().path(), &self.index).ok_or_else(not_found)?;
        // A link may not lead out of the folder.
        let path = tokio::fs::canonicalize(self.root.join(relative)).await?;
        if !path.starts_with(&self.root) {
            return Err(not_found());
        }
        let file = tokio::fs::File::open(&path).await?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            return Err(not_found());
        }
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let age = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{:x}-{:x}\"", age.as_nanos(), metadata.len());
        let last_modified = httpdate::fmt_http_date(modified);
        let unchanged = unchanged(request, &etag, modified);

        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&path)));
        headers.extend([(header::ETAG, etag), (header::LAST_MODIFIED, last_modified)].into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))));
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(metadata.len()));
        if request.method() == Method::GET {
            *response.body_mut() = stream(file, metadata.len());
        }
        Ok(response)
    }
}

/// The path below the root, or None for one that no file has: `..`, NUL, a bad escape, not UTF-8.
fn relative(path: &str, index: &str) -> Option<PathBuf> {
    let mut decoded = percent_decode(path.trim_start_matches('/'))?;
    if decoded.is_empty() || decoded.ends_with('/') {
        decoded.push_str(index);
    }
    let path = PathBuf::from(decoded);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !path.as_os_str().as_encoded_bytes().contains(&0)).then_some(path)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// RFC 9110 §13.2.2: `If-None-Match` decides where it is there, else `If-Modified-Since`.
fn unchanged(request: &Request<Body>, etag: &str, modified: SystemTime) -> bool {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        return tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    }
    let Some(since) = text(header::IF_MODIFIED_SINCE).and_then(|since| httpdate::parse_http_date(since).ok()) else { return false };
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map(|age| age.as_secs()).unwrap_or(0);
    seconds(modified) <= seconds(since)
}

/// Reads the file as the client takes it; a file that shrinks meanwhile ends the response with an error.
fn stream(file: tokio::fs::File, length: u64) -> Body {
    let chunks = futures_util::stream::unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)];
        match file.read(&mut chunk).await {
            Ok(0) => Some((Err(anyhow::anyhow!("the file has shrunk")), (file, 0))),
            Ok(n) => {
                chunk.truncate(n);
                Some((Ok(Frame::data(chunk.into())), (file, left - n as u64)))
            }
            Err(error) => Some((Err(error.into()), (file, 0))),
        }
    });
    Body::stream(StreamBody::new(chunks).boxed_unsync())
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(status.canonical_reason().unwrap_or("error").as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_root_are_files() {
        let path = |text| relative(text, "index.html");
        assert_eq!(path("/"), Some("index.html".into()));
        assert_eq!(path("/a/"), Some("a/index.html".into()));
        assert_eq!(path("/a%20b.txt"), Some("a b.txt".into()));
        for bad in ["/../etc/passwd", "/a/%2e%2e/b", "/%00", "/a%2", "/%ff", "/./../x"] {
            assert_eq!(path(bad), None, "{bad}");
        }
        // Doubled slashes do not make a path absolute.
        assert_eq!(path("//etc/passwd"), Some("etc/passwd".into()));
    }
}
