//! The code of functions and layers: how it is sent, kept, and given back.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use ring::hmac;

use crate::aws::authorization::Caller;
use crate::aws::error::ApiError;
use crate::aws::lambda::code_folders::HOT_RELOAD;
use crate::aws::lambda::configuration::{CodeRecord, Configuration, milliseconds};
use crate::aws::lambda::input::CodeInput;
use crate::aws::lambda::permission;
use crate::aws::lambda::registry::{CodeUpload, Registry};
use crate::aws::request::{ApiRequest, ApiResponse, whole};
use crate::limits::init::PACKAGE_BYTES;
use crate::limits::lambda::{LOCATION_S, ZIP_BYTES};
use crate::runtime::{PackageError, check_package};
use crate::store::{BlobDigest, StoreError};

/// Where archives are given to who has a location.
const DOWNLOADS: &str = "/edgeward-code/";

/// Of which archive a request wants a download, if it wants one.
pub fn download_of(request: &ApiRequest) -> Option<&str> {
    request.path.strip_prefix(DOWNLOADS)
}

/// The code of a function: an archive that is kept, or files that are read again when they change.
pub enum SentCode<'a> {
    Kept { record: CodeRecord, _upload: CodeUpload<'a> },
    Hot(PathBuf),
}

impl SentCode<'_> {
    /// Puts it in a configuration.
    pub fn give(&self, configuration: &mut Configuration) {
        match self {
            SentCode::Kept { record, .. } => {
                configuration.code.clone_from(record);
                configuration.hot_reload = None;
            }
            SentCode::Hot(path) => {
                configuration.code = CodeRecord { digest: BlobDigest::of(path.as_os_str().as_bytes()), bytes: 0 };
                configuration.hot_reload = Some(path.clone());
            }
        }
    }

    /// A version stays what it is, and these files do not.
    pub fn require_publishable(&self) -> Result<(), ApiError> {
        if matches!(self, SentCode::Hot(_)) { Err(not_publishable()) } else { Ok(()) }
    }
}

/// Code that is reloaded, and so cannot be that of a version.
pub fn not_publishable() -> ApiError {
    ApiError::invalid_parameter("Code that is reloaded when it changes is not published as a version; send an archive.")
}

/// The code that a function is sent. Blocks for the disk.
pub fn of_function<'a>(
    registry: &'a Registry,
    caller: &Caller,
    request: &ApiRequest,
    input: &CodeInput,
) -> Result<SentCode<'a>, ApiError> {
    if let (Some(HOT_RELOAD), Some(key), None) = (input.s3_bucket.as_deref(), &input.s3_key, &input.zip_file) {
        refuse_object_version(input)?;
        permission::require_object(registry, caller, request, HOT_RELOAD, key)?;
        return Ok(SentCode::Hot(registry.foundry.folders.hot(Path::new(key))?));
    }
    keep(registry, caller, request, input).map(|(record, _upload)| SentCode::Kept { record, _upload })
}

/// Checks and keeps an archive, which stays at least as long as what is returned with its record. Blocks for the disk.
pub fn keep<'a>(
    registry: &'a Registry,
    caller: &Caller,
    request: &ApiRequest,
    input: &CodeInput,
) -> Result<(CodeRecord, CodeUpload<'a>), ApiError> {
    // An object of a bucket may be larger than a request; one at a time is in memory.
    static READING: Mutex<()> = Mutex::new(());
    if input.image_uri.is_some() {
        return Err(ApiError::invalid_parameter("Container images are not supported here; send a zip archive."));
    }
    let (bucket, key) = (input.s3_bucket.as_deref(), input.s3_key.as_deref());
    match (&input.zip_file, bucket, key) {
        (Some(sent), None, None) => kept(registry, &sent_archive(sent)?),
        (None, Some(bucket), Some(key)) => {
            refuse_object_version(input)?;
            permission::require_object(registry, caller, request, bucket, key)?;
            let _one_at_a_time = READING.lock().unwrap_or_else(PoisonError::into_inner);
            kept(registry, &registry.foundry.folders.object(bucket, key)?)
        }
        (None, None, None) => Err(ApiError::invalid_parameter("Please provide a source for function code.")),
        (None, ..) => Err(ApiError::invalid_parameter("S3Bucket and S3Key are given together.")),
        (Some(_), ..) => {
            Err(ApiError::invalid_parameter("Please do not provide other FunctionCode parameters when providing a ZipFile."))
        }
    }
}

fn refuse_object_version(input: &CodeInput) -> Result<(), ApiError> {
    match input.s3_object_version.as_deref() {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::invalid_parameter("S3ObjectVersion is not supported here; leave it out.")),
    }
}

/// The archive of a request.
fn sent_archive(sent: &str) -> Result<Vec<u8>, ApiError> {
    let bytes = STANDARD.decode(sent.as_bytes()).map_err(|_| not_unzipped())?;
    if bytes.len() > ZIP_BYTES {
        let message = format!("Zipped size must be smaller than {ZIP_BYTES} bytes");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    Ok(bytes)
}

fn kept<'a>(registry: &'a Registry, bytes: &[u8]) -> Result<(CodeRecord, CodeUpload<'a>), ApiError> {
    if bytes.is_empty() {
        return Err(ApiError::invalid_parameter("Uploaded file must be a non-empty zip"));
    }
    let upload = registry.upload(BlobDigest::of(bytes));
    let kept = registry.store().blobs().keep(bytes, "zip").map_err(StoreError::Io)?;
    let path = registry.store().blobs().path(kept, "zip");
    // A component may come as it is.
    let checked = if bytes.starts_with(b"\0asm") { Ok(1) } else { check_package(&path) };
    let refused = match checked {
        Ok(0) => Some(ApiError::invalid_parameter("Uploaded file must be a non-empty zip")),
        Ok(_) => None,
        Err(error) => {
            tracing::info!("an archive was refused: {error}");
            Some(match error {
                PackageError::Bytes(_) => {
                    ApiError::invalid_parameter(format!("Unzipped size must be smaller than {PACKAGE_BYTES} bytes"))
                }
                PackageError::Archive { .. } => not_unzipped(),
                error => ApiError::invalid_parameter(format!("Could not unzip uploaded file: its files: {error}")),
            })
        }
    };
    if let Some(error) = refused {
        drop(upload);
        registry.release(kept);
        return Err(error);
    }
    Ok((CodeRecord { digest: kept, bytes: bytes.len() as u64 }, upload))
}

fn not_unzipped() -> ApiError {
    ApiError::invalid_parameter("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

/// Where the archive can be had for a while, without a signature.
pub fn location(registry: &Registry, request: &ApiRequest, code: &CodeRecord) -> String {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let until_s = milliseconds(request.received + Duration::from_secs(LOCATION_S)) / 1_000;
    let tag = hex::encode(hmac::sign(&registry.downloads, ticket(&code.digest.to_string(), until_s).as_bytes()));
    format!("{}://{host}{DOWNLOADS}{}?until={until_s}&tag={tag}", request.scheme(), code.digest)
}

fn ticket(digest: &str, until_s: u64) -> String {
    format!("{digest} {until_s}")
}

/// Gives an archive to who has its location. Blocks for the disk.
pub fn download(registry: &Registry, request: &ApiRequest, digest: &str) -> Result<ApiResponse, ApiError> {
    let refused = || ApiError::forbidden("AccessDenied", "Request has expired");
    let until_s: u64 = request.parameter("until").and_then(|until| until.parse().ok()).ok_or_else(refused)?;
    let tag = request.parameter("tag").and_then(|tag| hex::decode(tag).ok()).ok_or_else(refused)?;
    hmac::verify(&registry.downloads, ticket(digest, until_s).as_bytes(), &tag).map_err(|_| refused())?;
    if milliseconds(SystemTime::now()) / 1_000 > until_s {
        return Err(refused());
    }
    let digest = BlobDigest::try_from(digest.to_owned()).map_err(|_| refused())?;
    let bytes = registry.store().blobs().read(digest, "zip");
    let bytes = bytes.map_err(|_| ApiError::not_found("The specified key does not exist."))?;
    let mut response = ApiResponse::new(whole(bytes));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    Ok(response)
}
